"""Top-down beads morphed by models of several s, in both schemes, and judged beside rivals.

Morphed frames are kept under --runs: a run that was stopped goes on, and a new model is another file.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from chart import Chart, fit_chart
from morph_tables import Bars, goals, markdown
from numpy.typing import NDArray
from scores import counts_of, held_out_rates, rates, score, scores_of, sizes
from sets import BeadSet, centres_of, conformers, fragments, keep, kept

from msb.analysis.divergence import js
from msb.io.atomic import atomic_write_json, atomic_write_text, file_sha256
from msb.morph.morpher import Morpher, load_morpher
from msb.morph.statistics import QUANTITIES, LocalStatistics, share_left

__all__ = ["Case", "Study", "arguments", "conclude", "judge", "nested", "ready"]

MAP_FRAMES = 6
ROUNDS = 5  # of refining
SEED = 1
SCHEMES = ("A", "B")
IN_TURN = ("A", "B")  # schemes of a wide bottleneck and of a narrow one after it
Counts = NDArray[np.int64]
Way = Callable[[BeadSet, NDArray[np.int64]], NDArray[np.float32]]
"""What is done to a frame, by its number."""


@dataclass(frozen=True, eq=False)
class Case:
    """What is morphed, and what it is held against.

    Attributes
    ----------
    train, validation, test : BeadSet
        Snapshots of the target that trained, that choose, and that judge.
    before : BeadSet
        Top-down snapshots, in the lengths of the target: those that are judged, then those that choose.
    scale : str
        What was done to the lengths.
    title : str
        Of the table.
    bars : Bars
    published : mapping of str to str
        Lines of the table by the heading that they stand under.
    """

    train: BeadSet
    validation: BeadSet
    test: BeadSet
    before: BeadSet
    scale: str
    title: str
    bars: Bars
    published: Mapping[str, str]


class Study:
    """A case with its statistics.

    Parameters
    ----------
    case : Case
    frames : int
        How many top-down snapshots are judged; all others choose.
    runs : Path
        Where frames are kept.
    """

    def __init__(self, case: Case, frames: int, runs: Path) -> None:
        self.case, self.frames, self.runs = case, frames, runs
        self.train, self.validation, self.test = case.train, case.validation, case.test
        parts = self.train, self.validation, self.test
        self.all = BeadSet(
            "target",
            np.concatenate([own.positions for own in parts]),
            np.concatenate([own.boxes for own in parts]),
            self.train.topology,
        )
        self.before = case.before
        self.known = LocalStatistics.of(self.train.positions, self.train.boxes, self.train.topology)
        self.reference = counts_of(self.test, self.known)

    def placed(
        self, path: Path, model: Morpher, scheme: str, start: BeadSet | None = None
    ) -> tuple[BeadSet, float]:
        """All snapshots as the network has them by one scheme, and the CPU seconds of a frame.

        They are the top-down ones, or others that those became already (`start`).
        """
        name = f"s{model.s}{scheme}_{file_sha256(path / 'model.json')[:12]}_{model.config.weigh}"
        name = name if start is None else f"{start.name}_{name}"
        begin = self.before if start is None else start

        def place(own: BeadSet, key: NDArray[np.int64]) -> NDArray[np.float32]:
            return model.place(own.positions, own.boxes, scheme=scheme, seed=SEED, frames=key)

        return self._each(name, begin, place)

    def polished(self, own: BeadSet, start: BeadSet, model: Morpher, rounds: int) -> tuple[BeadSet, float]:
        """The same after a polish whose aim is put right on snapshots that choose; none of them is judged.

        `start` is what was placed anew, and has the centres.
        """
        name = f"{own.name}_polished_{rounds}_from_{self.frames}"
        some, given = own[self.frames :], start[self.frames :]
        key = np.arange(self.frames, len(own.positions))
        aimed = model.refined(
            some.positions, given.positions, given.boxes, rounds=rounds, seed=SEED, frames=key
        )

        def polish(placed: BeadSet, key: NDArray[np.int64]) -> NDArray[np.float32]:
            given = start[int(key[0]) : int(key[0]) + 1]
            return aimed.polish(placed.positions, given.positions, given.boxes, seed=SEED, frames=key)

        return self._each(name, own, polish)

    def morphed(self, path: Path, model: Morpher, scheme: str, rounds: int) -> BeadSet:
        """All snapshots placed and polished."""
        return self.polished(self.placed(path, model, scheme)[0], self.before, model, rounds)[0]

    def _each(self, name: str, start: BeadSet, way: Way) -> tuple[BeadSet, float]:
        """Every frame done, or taken where it is kept, and the mean of the seconds."""
        done, cost = [], []
        number = len(start.positions)
        for f in range(number):
            one = self.runs / "columns" / name / f"{f:03d}.npz"
            found = kept(one)
            if found is None:
                began = time.process_time()
                positions = way(start[f : f + 1], np.array([f]))
                found = positions, time.process_time() - began
                keep(one, *found)
                print(f"{name}: frame {f + 1} of {number}, {found[1]:.1f} s", flush=True)
            done.append(found[0])
            cost.append(found[1])
        return start.moved_to(name, np.concatenate(done)), float(np.mean(cost))

    def choice(self, own: BeadSet) -> float:
        """What is left of the divergences of the snapshots that choose from the validating ones."""
        reference = counts_of(self.validation, self.known)
        found, before, floor = (
            {q: score_of(counts[q], reference[q]) for q in QUANTITIES}
            for counts in (
                counts_of(one, self.known)
                for one in (own[self.frames :], self.before[self.frames :], self.train)
            )
        )
        return share_left(found, before, floor)

    def column(self, own: BeadSet, charts: dict[str, Chart], places: dict[str, Counts]) -> dict[str, Any]:
        """Everything told of a set."""
        counts = counts_of(own, self.known)
        scores = {q: asdict(found) for q, found in scores_of(counts, self.reference).items()}
        for name, chart in charts.items():
            scores[name] = asdict(score(chart.counts(own[:MAP_FRAMES]), places[name]))
        return {"scores": scores, "sizes": sizes(own), "rates": rates(own, self.known.ranges)}

    def bound(self, s: int, with_map: bool) -> dict[str, Any]:
        """The divergences of the bottleneck's centres."""
        train, test = centres_of(self.train, s), centres_of(self.test, s)
        own = centres_of(self.before[: self.frames], s)
        known = LocalStatistics.of(train.positions, train.boxes, train.topology)
        counts, reference = counts_of(own, known), counts_of(test, known)
        found = {q: asdict(one) for q, one in scores_of(counts, reference).items()}
        bonded = bool(np.isfinite(known.mean_bond))  # a centre a molecule has no surroundings along a chain
        for name, chart in charts_of([train, own], known.mean_bond, with_map and bonded).items():
            found[name] = asdict(score(chart.counts(own[:MAP_FRAMES]), chart.counts(test)))
        return found


def score_of(test: Counts, reference: Counts) -> float:
    """Divergence of all frames together."""
    return float(js(test.sum(0), reference.sum(0)))


def charts_of(sets: list[BeadSet], bond: float, wanted: bool) -> dict[str, Chart]:
    """Maps of surroundings by all chains and by the own chain."""
    names = {"map, all chains": False, "map, own chain": True} if wanted else {}
    return {name: fit_chart(sets, bond, alone=alone) for name, alone in names.items()}


def ready(path: Path, study: Study, weigh: str) -> Morpher:
    """Load a model for the top-down melt; candidates are weighed as it says, or otherwise."""
    model = load_morpher(path)
    if weigh:
        model = replace(model, config=model.config.model_copy(update={"weigh": weigh}))
    return model.onto(study.before.topology)


def nested(models: Sequence[tuple[Path, Morpher]]) -> list[tuple[int, tuple[Path, Morpher]]]:
    """Pairs of a wide s and a model that may follow it: it divides s, so that the wide centres stay."""
    pairs = [(wide.s, own) for (_, wide), own in permutations(models, 2)]
    return [(s, own) for s, own in pairs if s > own[1].s and s % own[1].s == 0]


def judge(
    study: Study, paths: list[Path], with_map: bool, weigh: str = "", rounds: int = ROUNDS
) -> dict[str, Any]:
    """Make every column and put them side by side."""
    models = [(path, ready(path, study, weigh)) for path in paths]
    bounds = {str(model.s): study.bound(model.s, with_map) for _, model in models}
    for s, found in bounds.items():
        said = ", ".join(f"{q} {own['js']:.4f} ({own['excess']:+.4f})" for q, own in found.items())
        print(f"bound, s = {s}: JS (excess) of {said}", flush=True)
    charts = charts_of([study.train, study.before[: study.frames]], study.known.mean_bond, with_map)
    places = {name: chart.counts(study.test) for name, chart in charts.items()}
    before = study.before[: study.frames]
    columns = {"target": study.column(study.train, charts, places)}
    columns["target"]["sizes"] = sizes(study.all)
    columns["before"] = study.column(before, charts, places)
    made = {}
    for path, model in models:
        for scheme in SCHEMES:
            own, cost = study.placed(path, model, scheme)
            finished, more = study.polished(own, study.before, model, rounds)
            name = f"morph s{model.s} {scheme}"
            made[name] = model.s, scheme, own, cost
            made[f"{name}, polished"] = model.s, scheme, finished, cost + more
    for s, (path, model) in nested(models):
        _, _, wide, so_far = made[f"morph s{s} {IN_TURN[0]}"]
        own, cost = study.placed(path, model, IN_TURN[1], start=wide)
        finished, more = study.polished(own, wide, model, rounds)
        scheme = f"{IN_TURN[0]}, then s = {model.s} {IN_TURN[1]}"
        name = f"morph s{s} {IN_TURN[0]}, s{model.s} {IN_TURN[1]}"
        made[name] = s, scheme, own, so_far + cost
        made[f"{name}, polished"] = s, scheme, finished, so_far + cost + more
    choices = {}
    for name, (s, scheme, own, cost) in made.items():
        told = study.column(own[: study.frames], charts, places)
        away = centres_of(own, s).positions - centres_of(study.before, s).positions
        choices[name] = study.choice(own)
        extra = {"s": s, "scheme": scheme, "seconds": cost, "moved": float(np.abs(away).max())}
        columns[name] = {**told, **extra}
    for s in dict.fromkeys(model.s for _, model in models):
        for rival, filled in (("fragment", fragments), ("conformers", conformers)):
            own = before.moved_to(rival, filled(study.train, before, s, SEED))
            columns[f"{rival} s{s}"] = {**study.column(own, {}, {}), "s": s}
    return {
        "frames": study.frames,
        "choice_frames": len(study.before.positions) - study.frames,
        "test_snapshots": len(study.test.positions),
        "scale": study.case.scale,
        "rounds": rounds,
        "bounds": bounds,
        "columns": columns,
        "choices": choices,
        "chosen": min(choices, key=lambda name: choices[name]),
        "held_out_rates": held_out_rates(study.all, len(study.train.positions)),
    }


def arguments(description: str, runs: Path, frames: int) -> argparse.ArgumentParser:
    """The options that all these studies have."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="bundles of `msb train`")
    parser.add_argument("--runs", type=Path, default=runs)
    parser.add_argument("--out", type=Path, help="results.json and TABLE.md (out/ beside this file)")
    parser.add_argument("--frames", type=int, default=frames, help=f"that are judged (default {frames})")
    parser.add_argument(
        "--weigh", default="", choices=("field", "walls", "none"), help="instead of the models'"
    )
    parser.add_argument("--refine", type=int, default=ROUNDS, metavar="N", help=f"rounds (default {ROUNDS})")
    parser.add_argument("--no-map", action="store_true", help="leave the sketch-maps out (they need dscribe)")
    parser.add_argument("--smoke", action="store_true", help="two frames, no map, results under RUNS")
    return parser


def conclude(study: Study, args: argparse.Namespace, out: Path) -> int:
    """Judge models, and write and print what was found."""
    rounds = 1 if args.smoke else args.refine
    results = judge(study, args.models, not (args.no_map or args.smoke), args.weigh, rounds)
    case = study.case
    verdicts = goals(results, case.bars)
    results["verdicts"] = [asdict(verdict) for verdict in verdicts]
    folder = args.out or (args.runs / "out" if args.smoke else out)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_json(folder / "results.json", json.loads(json.dumps(results)))
    atomic_write_text(folder / "TABLE.md", markdown(results, verdicts, case.title, case.published))
    for verdict in verdicts:
        print(f"{'ok  ' if verdict.passed else 'MISS'} {verdict.text}: {verdict.found}, bar {verdict.bar}")
    return 0
