"""Who takes part: a bundle or a method, over which frames, and the tables of what came of it."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from columns import Column, Row, costs, read_column, rows_of
from frame_files import N_FRAMES, SETS, Task, frames_of, make_frames
from result_tables import markdown, told
from verdict import Verdict

from msb.backmapper import METHODS
from msb.io.atomic import atomic_write_json, atomic_write_text, file_sha256
from msb.io.bundle import find_bundle

__all__ = [
    "PUBLISHED",
    "SMOKE",
    "Entrant",
    "Findings",
    "Judged",
    "add_options",
    "arguments",
    "find",
    "finish",
    "make",
    "options",
    "present",
    "settle",
]

SMOKE = 4  # frames of each set: the fewest that have an interval
PUBLISHED = ("md", "deepbackmap")
Plan = tuple[tuple[str, str], ...]
STAGED: Plan = (("minimised", "staged"), ("polished", "thermal"))
POLISHED: Plan = (("polished", "thermal"),)


@dataclass(frozen=True)
class Entrant:
    """A model and what is done to its structures.

    Attributes
    ----------
    name : str
        Of its folder of frames.
    model : str
        Bundle (folder, or name of a shipped one) or a method that is built from the training snapshots.
    plan : tuple of (str, str)
        Columns after the raw one.
    mapping : str
        File of other beads than the published ones.
    snapshots : int
        How many training snapshots a method without training learns from.
    sampling : tuple of (str, str)
        Keys and values of a trained model's sampling that differ from its bundle's.
    """

    name: str
    model: str = ""
    plan: Plan = ()
    mapping: str = ""
    snapshots: int = 13
    sampling: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls, model: str, name: str = "", *, polish: bool = True, polish_ps: float | None = None, **more: Any
    ) -> Entrant:
        """An entrant by its bundle or method; placed by fragments, it is minimised before the polish."""
        plan = () if not polish else STAGED if _built(model) else POLISHED
        if plan and polish_ps is not None:
            plan = (*plan[:-1], ("polished", f"thermal {polish_ps:g}"))
        if _built(model):  # nothing is drawn
            more.pop("sampling", None)
        return cls(name or re.sub(r"[^\w.-]+", "_", model).strip("_"), model, plan, **more)

    @property
    def key(self) -> str:
        """Tells bundles of one name, and ways to sample, apart."""
        if not self.model or _built(self.model):
            return ""
        found = file_sha256(find_bundle(self.model) / "model.json")[:16]
        return " ".join([found, *(f"{name}={value}" for name, value in self.sampling)])

    @property
    def columns(self) -> tuple[str, ...]:
        """Raw and what is made of it."""
        return ("raw", *(name for name, _ in self.plan))

    def tasks(self, data: Path, runs: Path, subset: str, frames: Iterable[int]) -> list[Task]:
        """One task a frame."""
        own = {"model": self.model, "key": self.key, "mapping": self.mapping}
        own |= {"snapshots": self.snapshots, "sampling": self.sampling}
        places = str(data), str(runs)
        return [Task(*places, self.name, subset, frame, self.plan, **own) for frame in frames]


def _built(model: str) -> bool:
    return model in METHODS and bool(METHODS[model].build)


@dataclass(frozen=True)
class Judged:
    """One column of one entrant in one set, beside MD in the same frames."""

    column: Column
    reference: Column
    rows: Mapping[str, Row]
    cost: Mapping[str, float]


@dataclass
class Findings:
    """Everything measured: columns by (set, entrant, column), and what was judged of them."""

    columns: dict[tuple[str, str, str], Judged]
    verdicts: list[Verdict] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def results(self) -> dict[str, Any]:
        """Return what results.json holds."""
        columns = [
            {
                **dict(zip(("set", "method", "column"), key, strict=True)),
                **own.cost,
                "rows": [asdict(row) for row in own.rows.values()],
            }
            for key, own in self.columns.items()
        ]
        return {"columns": columns, "verdicts": [asdict(v) for v in self.verdicts], **self.more}


def arguments(description: str, study: str, out: Path) -> argparse.ArgumentParser:
    """The options that all these studies have."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "sps")
    parser.add_argument("--runs", type=Path, default=Path("runs") / study, help="the frames")
    parser.add_argument("--out", type=Path, help=f"results.json and TABLE.md (default {out})")
    parser.add_argument("--frames", type=int, help="only so many frames of a set, evenly")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--table", action="store_true", help="make no frames")
    add_options(parser)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE} frames, raw, no verdict, no out/")
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `options` reads, but for --smoke."""
    told = "how trained models sample, as in candidates=16 (default: as the bundle says)"
    parser.add_argument("--sampling", nargs="+", default=[], metavar="KEY=VALUE", help=told)
    parser.add_argument("--polish-ps", type=float, metavar="PS", help="how long the polish is (0.5)")
    parser.add_argument("--no-polish", action="store_true", help="raw structures only")


def options(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of all entrants; a smoke run learns from two snapshots."""
    sampling = tuple((name, value) for name, _, value in (word.partition("=") for word in args.sampling))
    polish = {"polish": not args.no_polish, "polish_ps": args.polish_ps}
    return {**polish, "snapshots": 2 if args.smoke else 13, "sampling": sampling}


def settle(args: argparse.Namespace) -> argparse.Namespace:
    """Apply --smoke."""
    if args.smoke:
        args.frames, args.no_polish = args.frames or SMOKE, True
    return args


def make(entrants: Sequence[Entrant], subsets: Sequence[str], args: argparse.Namespace) -> None:
    """Make the frames that are missing, those of MD and the published model first."""
    everyone = [*(Entrant(name) for name in PUBLISHED), *entrants]
    tasks: list[Task] = []
    for entrant in everyone:
        for subset in subsets:
            order = sorted(frames_of(subset, args.frames), key=lambda k: k * 37 % N_FRAMES)
            tasks += entrant.tasks(args.data, args.runs, subset, order)
    start = perf_counter()
    print(f"{len(tasks)} frames, {sum(not task.done for task in tasks)} to make", flush=True)
    make_frames(
        tasks, args.workers, lambda task, meta: print(told(task, meta, perf_counter() - start), flush=True)
    )


def find(entrants: Sequence[Entrant], subsets: Sequence[str], args: argparse.Namespace) -> Findings:
    """Read every frame that is there, and measure each column beside MD."""
    found: dict[tuple[str, str, str], Judged] = {}
    for subset in subsets:
        frames = frames_of(subset, args.frames)
        md = read_column(args.runs / subset / "md", "raw", frames)
        for entrant in (*(Entrant(name) for name in PUBLISHED), *entrants):
            for name in entrant.columns:
                column = read_column(args.runs / subset / entrant.name, name, frames, entrant.key)
                column = column.at([k for k in column.frames if k in md.frames])
                if len(column.frames) >= SMOKE:
                    reference = md.at(column.frames)
                    rows = {row.name: row for row in rows_of(column, reference)}
                    found[subset, entrant.name, name] = Judged(column, reference, rows, costs(column))
    return Findings(found)


def finish(found: Findings, args: argparse.Namespace, out: Path, title: str, more: Sequence[str] = ()) -> int:
    """Print and write the tables; return what the program exits with."""
    results = found.results()
    text = markdown(results, found.verdicts, title) + "\n".join(more)
    print(text)
    folder = args.out or (None if args.smoke else out)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_json(folder / "results.json", results)
        atomic_write_text(folder / "TABLE.md", text.rstrip() + "\n")
    if args.smoke:
        print(f"{args.frames} frames of each: too few to judge")
        return 0
    passed = sum(verdict.passed for verdict in found.verdicts)
    print(f"{passed} of {len(found.verdicts)} bars met")
    return 0 if passed == len(found.verdicts) else 1


def present(data: Path, subsets: Iterable[str] = SETS) -> list[str]:
    """The sets whose files are there."""
    return [subset for subset in subsets if (data / subset / "aa.xtc").is_file()]
