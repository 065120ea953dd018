"""The verdict after backmapping: sets of frames that were morphed or not, taken to a finer resolution.

What `kg_morph/down.py` and `dodecane_morph/down.py` share: frames that are kept, rows of figures, tables.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from fine import Frame, Resolution, Seen
from morph_study import ROUNDS, SEED, Study, ready
from numpy.typing import NDArray
from scipy.stats import t as student
from sets import BeadSet, keep, kept

from msb.analysis.divergence import js
from msb.core.topology import Topology
from msb.io.atomic import atomic_write_json, atomic_write_text
from msb.jobs.backmap.setup import Prepared

__all__ = [
    "AFTER",
    "BEFORE",
    "OWN",
    "Level",
    "Row",
    "arguments",
    "backmapped",
    "compare",
    "conclude",
    "look_at",
    "placed_by",
    "sets_of",
]

BEFORE, AFTER, OWN = "unmorphed", "morphed", "the target's own beads"
EFFECT = (
    "Gap: unmorphed minus the target's own beads. Effect: morphed minus unmorphed, frame by frame. Both are "
    "of the excess, where there is one, and have Student's 95 % interval over frames, where there are at "
    "least four. Closed: the share of the gap, where that is beyond its interval; less than 0 where morphing "
    "leads away, more than 100 % where it goes too far. Divergences in nats."
)
FEWEST = 4  # frames that an interval is told for
LEVEL = 0.95
Counts = NDArray[np.int64]
Place = Callable[[NDArray[np.float32], NDArray[np.float32], int], NDArray[np.float32]]
"""Atoms (N, 3) of the beads (M, 3) in a box (3, 3) of the frame of that number, nm."""


@dataclass(frozen=True)
class Effect:
    """What morphing changes: a mean over frames, and its interval where there are at least four."""

    mean: float
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, differences: Sequence[float]) -> Effect:
        """Student's interval of some differences."""
        values = np.asarray(differences, dtype=np.float64)
        mean, number = float(values.mean()), len(values)
        if number < FEWEST:
            return cls(mean)
        half = float(student.ppf(0.5 + LEVEL / 2, number - 1) * values.std(ddof=1) / np.sqrt(number))
        return cls(mean, mean - half, mean + half)

    @property
    def sign(self) -> int:
        """-1 or 1 where the interval is on one side of zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return int(self.low > 0) - int(self.high < 0)


@dataclass(frozen=True)
class Row:
    """One figure of every set.

    Attributes
    ----------
    name : str
    sets : dict of str to float
        Divergences from the reference, or means over frames.
    excess : dict of str to float
        Of divergences: one part of a frame against one of the reference, minus the floor.
    floor : float or None
        Of divergences: two parts of the reference.
    effect : Effect or None
        Morphed minus unmorphed, frame by frame; of divergences, of the excess.
    gap : Effect or None
        Unmorphed minus what backmapping makes of the target's own beads.
    """

    name: str
    sets: dict[str, float]
    excess: dict[str, float] = field(default_factory=dict)
    floor: float | None = None
    effect: Effect | None = None
    gap: Effect | None = None

    @property
    def closed(self) -> float | None:
        """Share of the gap that morphing closes, where there is one."""
        if self.effect is None or self.gap is None or not self.gap.sign:
            return None
        return -self.effect.mean / self.gap.mean


@dataclass(frozen=True, eq=False)
class Level:
    """Rows at one resolution.

    Attributes
    ----------
    title, text : str
        Heading, and how it was done.
    frames : dict of str to int
        Of every set.
    rows : list of Row
    """

    title: str
    text: str
    frames: dict[str, int]
    rows: list[Row]


def placed_by(prepared: Prepared, temperature: float | None = None) -> Place:
    """What a prepared model places, at a temperature or its own."""
    model, order = prepared.maker.model, prepared.system.order

    def place(beads: Any, box: Any, number: int) -> Any:
        frame = {"boxes": np.asarray(box)[None], "frames": np.array([number])}
        return model.backmap(beads[None][:, order], temperature=temperature, seed=SEED, **frame)[0]

    return place


def backmapped(
    sets: Mapping[str, BeadSet], topology: Topology, place: Place, folder: Path, how: str
) -> dict[str, BeadSet]:
    """Place the atoms of every frame of all sets, or take those that are kept.

    Parameters
    ----------
    sets : mapping of str to BeadSet
        Beads.
    topology : Topology
        Of the atoms.
    place : callable
        See `Place`.
    folder : Path
        Keeps frames, by what they are made of.
    how : str
        What else the atoms depend on.
    """
    return {name: _backmapped(name, own, topology, place, folder, how) for name, own in sets.items()}


def _backmapped(name: str, own: BeadSet, topology: Topology, place: Place, folder: Path, how: str) -> BeadSet:
    made = []
    for number, (beads, box) in enumerate(zip(own.positions, own.boxes, strict=True)):
        content = hashlib.sha256(beads.tobytes() + box.tobytes() + f"{how} {number}".encode())
        file = folder / f"{content.hexdigest()[:24]}.npz"
        found = kept(file)
        if found is None:
            start = time.process_time()
            atoms = place(beads, box, number)
            found = np.asarray(atoms, dtype=np.float32), time.process_time() - start
            keep(file, *found)
            print(f"{folder.name}, {name}: frame {number}, {found[1]:.1f} s", flush=True)
        made.append(found[0])
    return BeadSet(name, np.stack(made), own.boxes, topology)


def look_at(resolution: Resolution, own: BeadSet, beads: BeadSet | None = None) -> list[Seen]:
    """Look at every frame of a set, with the beads that were asked for."""
    found = []
    for f, (x, box) in enumerate(zip(own.positions, own.boxes, strict=True)):
        asked = None if beads is None else beads.positions[f].astype(np.float64)
        found.append(resolution.look(Frame(x.astype(np.float64), box.astype(np.float64), asked)))
    return found


def compare(seen: Mapping[str, Sequence[Seen]], reference: str) -> list[Row]:
    """Put the sets side by side.

    Parameters
    ----------
    seen : mapping of str to sequence of Seen
        Sets by name: `unmorphed`, perhaps `morphed` in the same frames, `OWN`, others.
    reference : str
        The set that distributions are held against.

    Returns
    -------
    list of Row
        Divergences first.
    """
    first = seen[BEFORE][0]
    rows = [_divergence(name, seen, reference) for name in first.counts]
    return rows + [_value(name, seen) for name in first.values]


def _divergence(name: str, seen: Mapping[str, Sequence[Seen]], reference: str) -> Row:
    parts = {who: np.stack([one.counts[name] for one in frames]) for who, frames in seen.items()}
    bins = parts[reference].shape[-1]
    known = parts[reference].reshape(-1, bins)
    pairs = list(combinations(range(len(known)), 2))
    floor = float(np.mean([js(known[a], known[b]) for a, b in pairs])) if pairs else None
    total = {who: float(js(own.sum((0, 1)), known.sum(0))) for who, own in parts.items()}
    apart = {who: [_apart(frame, known) for frame in own] for who, own in parts.items() if who != reference}
    excess = {} if floor is None else {who: float(np.mean(own)) - floor for who, own in apart.items()}
    if reference == OWN and floor is not None:
        apart[OWN] = [floor]
    return Row(name, total, excess, floor, _effect(apart), _gap(apart))


def _apart(frame: Counts, known: Counts) -> float:
    """Mean divergence of each part of a frame from each part of the reference."""
    return float(np.mean([js(frame, np.broadcast_to(one, frame.shape)) for one in known]))


def _value(name: str, seen: Mapping[str, Sequence[Seen]]) -> Row:
    each = {who: [one.values[name] for one in own] for who, own in seen.items() if name in own[0].values}
    means = {who: float(np.mean(own)) for who, own in each.items()}
    return Row(name, means, effect=_effect(each), gap=_gap(each))


def _effect(each: Mapping[str, Sequence[float]]) -> Effect | None:
    if AFTER not in each:
        return None
    return Effect.of(np.subtract(each[AFTER], each[BEFORE]).tolist())


def _gap(each: Mapping[str, Sequence[float]]) -> Effect | None:
    if OWN not in each:
        return None
    return Effect.of((np.asarray(each[BEFORE]) - np.mean(each[OWN])).tolist())


# ---- tables


def verdict(level: Level) -> str:
    """Say what morphing changes, in a sentence or two."""
    moved: dict[int, list[str]] = {-1: [], 0: [], 1: []}
    single = []
    for row in level.rows:
        if row.effect is None:
            continue
        if row.effect.low is None:
            single.append(f"{row.name} {_number(row.effect.mean, signed=True)}")
        else:
            moved[row.effect.sign].append(f"{row.name} {_interval(row.effect)}")
    if single:
        frames = level.frames[BEFORE]
        return (
            f"{level.title}: {frames} {'frame' if frames == 1 else 'frames'} a set, too few for an interval. "
            f"Morphed minus unmorphed: {'; '.join(single)}."
        )
    words = {-1: "Lower", 1: "Higher", 0: "No effect is seen on"}
    said = [f"{words[sign]}: {'; '.join(moved[sign])}" for sign in (-1, 1, 0) if moved[sign]]
    if not said:
        return f"{level.title}: nothing was morphed (`--model`)."
    return f"{level.title}, morphed minus unmorphed with its 95 % interval over frames. {'. '.join(said)}."


def _interval(effect: Effect) -> str:
    mean = _number(effect.mean, signed=True)
    if effect.low is None or effect.high is None:
        return mean
    return f"{mean} ({_number(effect.low, signed=True)} … {_number(effect.high, signed=True)})"


def _number(value: float, signed: bool = False) -> str:
    return f"{value:{'+' if signed else ''}.{2 if signed else 3}g}"


def markdown(title: str, intro: Sequence[str], levels: Sequence[Level]) -> str:
    """Return verdicts and tables."""
    lines = [f"# {title}", ""]
    lines += [line for sentence in intro for line in (sentence, "")]
    lines += ["## Verdict", "", *(f"- {verdict(level)}" for level in levels)]
    for level in levels:
        names = list(level.frames)
        lines += ["", f"## {level.title}", "", level.text, ""]
        count = ", ".join(f"{name} {number}" for name, number in level.frames.items())
        lines += [f"Frames: {count}. Of distributions: JS of all frames together (excess).", ""]
        head = ["", *names, "floor", "gap", "effect of morphing", "closed"]
        lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        for row in level.rows:
            cells = [_cell(row, name) for name in names]
            floor = "" if row.floor is None else f"{row.floor:.4f}"
            told = ["" if one is None else _interval(one) for one in (row.gap, row.effect)]
            closed = "" if row.closed is None else f"{row.closed:.0%}"
            lines.append(f"| {' | '.join([row.name, *cells, floor, *told, closed])} |")
    return "\n".join(lines) + "\n"


def _cell(row: Row, name: str) -> str:
    if name not in row.sets:
        return ""
    value = row.sets[name]
    if (
        row.name.startswith(("bond ", "angle ", "dihedral ", "improper ", "g(r) "))
        and "outside" not in row.name
    ):
        return f"{value:.4f} ({row.excess[name]:+.4f})" if name in row.excess else f"{value:.4f}"
    return _number(value)


def arguments(description: str, runs: Path, frames: int, scheme: str) -> argparse.ArgumentParser:
    """The options that both studies have."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--model", type=Path, help="bundle of `msb train`; without one nothing is morphed")
    parser.add_argument("--scheme", choices=("A", "B"), default=scheme, help=f"(default {scheme})")
    parser.add_argument("--runs", type=Path, default=runs)
    parser.add_argument("--out", type=Path, help="after.json and AFTER.md (out/ beside this file)")
    parser.add_argument("--frames", type=int, default=frames, help=f"of each set (default {frames})")
    parser.add_argument("--smoke", action="store_true", help="few frames, results under RUNS")
    return parser


def sets_of(study: Study, args: argparse.Namespace) -> tuple[dict[str, BeadSet], dict[str, Any], str]:
    """What goes down: top-down beads, the same morphed where a model is given, and the target's that test.

    Returns
    -------
    sets : dict of str to BeadSet
    facts : dict
        Of what was done to them, for the results.
    told : str
        The same in words.
    """
    frames = 1 if args.smoke else args.frames
    sets, facts, told = {BEFORE: study.before[:frames]}, dict[str, Any](frames=frames), BEFORE
    if args.model is not None:
        model, rounds = ready(args.model, study, ""), 1 if args.smoke else ROUNDS
        sets[AFTER] = study.morphed(args.model, model, args.scheme, rounds)[:frames]
        facts |= {"s": model.s, "scheme": args.scheme, "model": model.name, "rounds": rounds}
        told += f" and morphed by `{model.name}` (s = {model.s}, scheme {args.scheme})"
    sets[OWN] = study.test[:1] if args.smoke else study.test
    return sets, facts, told


def conclude(
    title: str,
    beads: str,
    levels: Sequence[Level],
    facts: Mapping[str, Any],
    args: argparse.Namespace,
    study: Path,
) -> None:
    """Write and print what was found.

    Parameters
    ----------
    title : str
    beads : str
        What went down beside the target's own.
    levels : sequence of Level
    facts : mapping
    args : Namespace
        Of `arguments`.
    study : Path
        Folder of the study.
    """
    folder = args.out or (args.runs if args.smoke else study) / "out"
    folder.mkdir(parents=True, exist_ok=True)
    intro = [
        f"Written by `down.py`: {beads}, and those of the target's snapshots that test, backmapped alike.",
        EFFECT,
    ]
    told = [
        {**asdict(level), "rows": [{**asdict(row), "closed": row.closed} for row in level.rows]}
        for level in levels
    ]
    verdicts = [verdict(level) for level in levels]
    atomic_write_json(folder / "after.json", {**facts, "levels": told, "verdicts": verdicts})
    atomic_write_text(folder / "AFTER.md", markdown(f"{title}, after backmapping", intro, levels))
    print("\n".join(verdicts))
