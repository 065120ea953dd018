"""Samples of one frame of beads beside MD of the same frame with its beads held, torsion by torsion.

    MSB_DATA=... python studies/sps_spread/run.py                          # the shipped model, 200 samples
    MSB_DATA=... python studies/sps_spread/run.py --any-backmapper fragment
    MSB_DATA=... python studies/sps_spread/run.py --table                  # only the table of what is there
    MSB_DATA=... python studies/sps_spread/run.py --smoke --any-backmapper linear --runs ...

The reference is that of `reference.py`; each sample is kept in a file under ``--runs``.  Writes
``out/results.json`` and ``out/TABLE.md``; exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from msb.core.box import make_whole
from msb.core.topology import Topology
from msb.io.atomic import atomic_path, atomic_write_json, atomic_write_text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from entrants import Entrant, add_options, options
from frame_files import SETS, make_frames
from melt import SEED, Melt, place
from reference import FRAME, names_of, reference_path
from torsions import BLOCKS, Kind, Spread, kinds_of, read_spread, spread_of
from verdict import Verdict

OUT = Path(__file__).resolve().parent / "out"
SUBSETS = ("t568", "t313")
SAMPLES, SMOKE, BAR = 200, 2, 0.2


@dataclass(frozen=True)
class Sample:
    """One structure of the beads of the frame, raw and (where asked for) polished."""

    data: str
    runs: str
    entrant: Entrant
    key: str
    subset: str
    number: int

    @property
    def path(self) -> Path:
        """Where the sample is kept."""
        return Path(self.runs) / self.subset / self.entrant.name / f"{self.number:03d}.npz"

    @property
    def columns(self) -> list[str]:
        """Columns that its file must have."""
        return list(self.entrant.columns)

    @property
    def done(self) -> bool:
        """Whether it is there, by the same model."""
        if not self.path.is_file():
            return False
        with np.load(self.path) as file:
            told = json.loads(str(file["meta"]))
        return bool(told["key"] == self.key and set(self.columns) <= set(file.files))


_melts: dict[tuple[str, int], Melt] = {}


def draw(sample: Sample) -> dict[str, Any]:
    """Make one sample, keep it, and say what it cost."""
    warnings.simplefilter("ignore")
    own = sample.data, sample.entrant.snapshots
    melt = _melts.setdefault(own, Melt(Path(sample.data), "", own[1]))
    kelvin = SETS[sample.subset]
    beads, box = melt.beads(sample.subset, FRAME)
    model = melt.model(sample.entrant.model, sample.entrant.sampling)
    for _, how in sample.entrant.plan:
        melt.finisher(how, kelvin)
    arrays, told = {}, {"key": sample.key, "failed": 0}
    began = process_time()
    arrays["raw"] = x = place(model, beads, box, kelvin, sample.number)
    for column, how in sample.entrant.plan:
        finished = melt.finisher(how, kelvin).run(x, beads, box, seed=SEED + sample.number)
        arrays[column] = x = np.asarray(finished.positions, dtype=np.float32)
        told["failed"] += not finished.succeeded
    told["cpu"] = process_time() - began
    sample.path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(sample.path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, meta=np.array(json.dumps(told)), **arrays)
    return told


def structures(samples: list[Sample], column: str, melt: Melt) -> Iterator[np.ndarray]:
    """Whole molecules (N, 3) of the samples that are there."""
    for sample in samples:
        if sample.done:
            box = melt.beads(sample.subset, FRAME)[1]
            with np.load(sample.path) as file:
                if column in file.files:
                    x = file[column].astype(np.float64)[None]
                    yield np.asarray(make_whole(x, box[None], melt.topology))[0]


@dataclass(frozen=True)
class Row:
    """Spread of one torsion type: mean circular variance of the samples and of MD, and their ratio."""

    set: str
    column: str
    name: str
    torsions: int
    samples: int
    variance: float
    reference: float | None
    ratio: float | None
    halves: float | None  # MD's second half against its first
    shift: float | None  # rms difference of mean directions, in MD's widths
    median: float | None = None  # ratio of the medians over the torsions
    widest: str = ""  # torsion of the chain with the largest ratio, over all chains, and that


def rows_of(
    subset: str, column: str, test: Spread, reference: Spread | None, kinds: list[Kind], topology: Topology
) -> list[Row]:
    """Compare type by type; resultants of n samples are taken for what infinitely many would give."""
    rows = []
    for kind in kinds:
        own = _unbiased(test.resultants[kind.name].mean(0), test.structures)
        base = (subset, column, kind.name, len(kind.atoms), test.structures, float((1 - own).mean()))
        if reference is None:
            rows.append(Row(*base, None, None, None, None))
            continue
        md = reference.resultants[kind.name]
        theirs = 1 - np.abs(md.mean(0))
        half = [float((1 - np.abs(part.mean(0))).mean()) for part in np.split(md, 2)]
        away = np.angle(test.resultants[kind.name].mean(0) / md.mean(0))
        widths = np.sqrt(np.maximum(-2 * np.log(np.clip(np.abs(md.mean(0)), 1e-12, 1)), 1e-12))
        wide = float(theirs.mean())
        shift = float(np.sqrt(np.mean((away / widths) ** 2)))
        median = float(np.median(1 - own) / np.median(theirs))
        widest = _widest(kind, 1 - own, theirs, topology)
        rows.append(Row(*base, wide, base[-1] / wide, half[1] / half[0], shift, median, widest))
    return rows


def _widest(kind: Kind, own: np.ndarray, theirs: np.ndarray, topology: Topology) -> str:
    """Which torsion of a chain is the widest beside MD, mean over the chains."""
    size = topology.only_template().n_atoms
    places, where = np.unique(kind.atoms % size, axis=0, return_inverse=True)
    where = where.ravel()
    ratios = np.bincount(where, own) / np.bincount(where, theirs)
    most = int(ratios.argmax())
    names = "-".join(str(topology.atom_names[atom]) for atom in places[most])
    return f"{names} {ratios[most]:.1f}"


def _unbiased(resultant: np.ndarray, n: int) -> np.ndarray:
    """Length of the mean resultant without what n samples add to it by chance."""
    if n < 2:
        return np.abs(resultant)
    return np.sqrt(np.clip((n * np.abs(resultant) ** 2 - 1) / (n - 1), 0.0, 1.0))


def judge(rows: list[Row], name: str) -> list[Verdict]:
    """Every type within the bar."""
    found = []
    for row in rows:
        if row.ratio is not None:
            text = f"{row.set}: {name}, {row.column}: {row.name} ({row.torsions} torsions)"
            said = f"{row.ratio:.3f} ({row.variance:.5f} / {row.reference:.5f})"
            passed = abs(row.ratio - 1) <= BAR
            found.append(Verdict(text, f"variance within {BAR:.0%} of MD", said, bool(passed)))
    return found


def markdown(rows: list[Row], judged: list[Verdict], failed: int) -> str:
    """The table as text."""
    passed = sum(v.passed for v in judged)
    lines = [
        "# Spread at fixed beads",
        "",
        f"{passed} of {len(judged)} bars met; {failed} polishes failed.",
        "",
    ]
    lines.append(
        "Circular variances, means over the torsions of a type; methyls modulo 120°, rings and the hydrogens "
        "of a CH2 under the names that come nearest to the published frame's."
    )
    for subset in dict.fromkeys(row.set for row in rows):
        lines += ["", f"## {subset}, frame {FRAME}", ""]
        lines.append(
            "| torsion | column | samples | variance | MD | ratio | of medians | MD's halves "
            "| direction, widths | widest of a chain | |"
        )
        lines.append("|---|---|---|---|---|---|---|---|---|---|---|")
        for row in (row for row in rows if row.set == subset):
            if row.ratio is None:
                lines.append(
                    f"| {row.name} | {row.column} | {row.samples} | {row.variance:.5f} | | | | | | | |"
                )
                continue
            mark = "✓" if abs(row.ratio - 1) <= BAR else "✗"
            lines.append(
                f"| {row.name} | {row.column} | {row.samples} | {row.variance:.5f} | {row.reference:.5f} | "
                f"{row.ratio:.3f} | {row.median:.3f} | {row.halves:.3f} | {row.shift:.2f} | "
                f"{row.widest} | {mark} |"
            )
    return "\n".join(lines) + "\n"


def main(words: list[str] | None = None) -> int:
    """Draw the samples that are missing, compare, judge, write."""
    args = parse(words)
    warnings.filterwarnings("ignore", message=".*left out. posres.itp")  # never published
    entrant = Entrant.of(args.any_backmapper or args.model, args.name, **options(args))
    melt, key, start = Melt(args.data), entrant.key, perf_counter()
    kinds, rows, failed = kinds_of(melt.observer.system), [], 0
    for subset in SUBSETS:
        samples = [
            Sample(str(args.data), str(args.runs), entrant, key, subset, number)
            for number in range(args.samples)
        ]

        def told(sample: Sample, meta: dict[str, Any]) -> None:
            seconds = perf_counter() - start
            print(f"[{seconds:7.0f} s] {sample.subset} {sample.number}: {meta['cpu']:.1f} s", flush=True)

        if not args.table:
            make_frames(samples, args.workers, told, draw)
        path = reference_path(subset)
        reference, names = read_spread(path) if path.is_file() else None, names_of(melt, subset)
        for column in entrant.columns:
            if column == "minimised":
                continue
            there = list(structures(samples, column, melt))
            if there:
                test = spread_of(there, kinds, names, FRAME)
                rows += rows_of(subset, column, test, reference, kinds, melt.topology)
        failed += sum(_failures(sample) for sample in samples if sample.done)
    return finish(args, entrant, rows, failed)


def parse(words: list[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "sps")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "sps_spread", help="the samples")
    parser.add_argument("--out", type=Path, help=f"results.json and TABLE.md (default {OUT})")
    parser.add_argument("--model", default="sps", help="bundle: folder, or name of a shipped one")
    parser.add_argument("--any-backmapper", metavar="NAME", help="bundle or method instead of --model")
    parser.add_argument("--name", default="", help="of the samples' folder (default: the model's)")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--table", action="store_true", help="draw no samples")
    add_options(parser)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE} samples, raw, no verdict, no out/")
    args = parser.parse_args(words)
    if args.smoke:
        args.samples, args.no_polish = SMOKE, True
    return args


def _failures(sample: Sample) -> int:
    with np.load(sample.path) as file:
        return int(json.loads(str(file["meta"]))["failed"])


def finish(args: argparse.Namespace, entrant: Entrant, rows: list[Row], failed: int) -> int:
    """Print, write, and return what the program exits with."""
    judged = judge(rows, entrant.name)
    text = markdown(rows, judged, failed)
    print(text)
    folder = args.out or (None if args.smoke else OUT)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        results = {"rows": [asdict(row) for row in rows], "failed": failed, "blocks": BLOCKS}
        atomic_write_json(folder / "results.json", results)
        atomic_write_text(folder / "TABLE.md", text)
    lost = [row.set for row in rows if row.ratio is None]
    if lost:
        print(f"no reference for {', '.join(dict.fromkeys(lost))}: run reference.py")
    if args.smoke:
        print(f"{args.samples} samples: too few to judge")
        return 0
    return 0 if not lost and judged and all(v.passed for v in judged) else 1


if __name__ == "__main__":
    raise SystemExit(main())
