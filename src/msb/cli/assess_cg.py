"""`msb assess-cg`: coarse-grained models, ranked by the forces on the atoms that are put back into them."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msb.cli.output import progress_bar, report, say
from msb.cli.parser import (
    UsageError,
    add_device,
    add_json,
    add_mapping,
    add_method,
    add_model,
    add_resume,
    add_seed,
    add_workers,
    natural,
    positive,
)

if TYPE_CHECKING:
    from msb.jobs.assess.request import AssessRequest, CGFiles
    from msb.jobs.assess.run import Assessed

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "assess-cg",
        help="how good is a coarse-grained model: put the atoms back and look at the forces",
        description="Put the atoms back into the frames of coarse-grained models and of an all-atom "
        "reference, compute the all-atom forces, project them to the beads, and rank the models by how far "
        "the forces are from those of the reference. With --demo: liquid hexane, two models, nothing of your "
        "own needed.",
    )
    parser.add_argument(
        "structure", metavar="STRUCTURE", nargs="?", help="the all-atom reference: names (gro, pdb, …)"
    )
    parser.add_argument("trajectory", metavar="TRAJECTORY", nargs="?", help="its frames (trr, xtc, dcd, …)")
    _add_inputs(parser)
    _add_backmapper(parser)
    _add_judging(parser)
    parser.add_argument("--demo", action="store_true", help="assess two models of liquid hexane instead")
    parser.add_argument(
        *("-o", "--output"),
        default="msb-assess",
        metavar="FOLDER",
        help="index.html, assess.json, worst configurations (default: msb-assess)",
    )
    add_resume(parser)
    add_device(parser)
    add_json(parser)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is judged")
    group.add_argument(
        "--cg",
        nargs="+",
        action="append",
        default=[],
        metavar="CG",
        help="beads of one model: structure, and trajectory; once for every model",
    )
    group.add_argument(
        "--name", nargs="+", action="extend", default=[], metavar="NAME", help="of the models, in their order"
    )
    group.add_argument(
        "--cg-rerun",
        nargs="+",
        action="extend",
        default=[],
        metavar="TRR",
        help="forces of each model on the reference's own beads, for the force-matching residual",
    )
    group.add_argument(
        "--top", metavar="TOP", help="GROMACS topology: the molecules and the all-atom force field"
    )
    add_mapping(group, "default: the model's")
    group.add_argument(
        "--frames", type=natural, metavar="N", help="of every set, evenly spread (default: all)"
    )
    group.add_argument("--stride", type=natural, default=1, metavar="S", help="every S-th frame (default 1)")
    group.add_argument("--temperature", type=positive, metavar="K", help="of the reference")
    group.add_argument(
        "--cg-temperature",
        nargs="+",
        type=positive,
        action="extend",
        default=[],
        metavar="K",
        help="of the models, where it is another: one for all, or one for each",
    )


def _add_backmapper(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what puts the atoms back")
    add_model(group)
    add_method(group, "what a method learns from (default: the first frame of the reference)")
    group.add_argument("--tacticity", metavar="T", help="see `msb backmap --help` (default: the reference's)")
    group.add_argument(
        "--polish",
        action="store_true",
        help="also half a picosecond of dynamics with the beads held, which takes the backmapper's own noise "
        "away: what remains is the CG model's fault",
    )
    group.add_argument(
        *("--samples",),
        type=natural,
        default=1,
        metavar="N",
        help="atoms put back N times a frame (default 1)",
    )
    add_seed(group)
    add_workers(group)


def _add_judging(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it is judged")
    group.add_argument(
        "--map",
        choices=("consistent", "optimal"),
        default="consistent",
        help="what makes bead forces of atom forces: the mapping's own map, or the one of least noise",
    )
    group.add_argument(
        "--engine", choices=("openmm", "torch"), default="openmm", help="what computes the forces"
    )
    group.add_argument("--cutoff", type=positive, default=1.0, metavar="NM", help="of the forces (default 1)")
    group.add_argument(
        *("--dielectric",),
        type=positive,
        default=78.3,
        metavar="E",
        help="of the reaction field (default 78.3)",
    )
    group.add_argument(
        "--force", action="store_true", help="rank models of another temperature, density or chain length too"
    )
    group.add_argument(
        "--fail-above",
        type=positive,
        metavar="X",
        help="exit with 2 if the excess divergence of a model is above X nats",
    )


def run(args: argparse.Namespace) -> int:
    """Assess, write the page and the numbers, and judge."""
    from msb.io.atomic import atomic_write_json
    from msb.jobs.assess.run import run_assessment

    request = _request(args)
    folder = Path(args.output)
    _make_folder(folder)
    with progress_bar(what="assess-cg") as advance:
        done = run_assessment(request, folder, advance, resume=args.resume)
    worst = done.worst(args.fail_above)
    crossed = worst is not None
    page, numbers = folder / "index.html", folder / "assess.json"
    _write_page(page, done, args, request)
    summary = {**done.summary(), "fail_above": args.fail_above, "crossed": crossed, "page": str(page)}
    atomic_write_json(numbers, summary)
    files = [f"{page}: open it in a browser", f"{numbers}: the numbers"]
    report(
        summary,
        [*done.told(), *done.notes(), *(f"{file}: {what}" for file, what in done.files), *files],
        args.json,
    )
    if worst is not None:
        name, column, value = worst
        say(f"quality: {name}, {column}: excess {value:.4f} is above {args.fail_above:g}")
    return 2 if crossed else 0


def _make_folder(folder: Path) -> None:
    if folder.is_file():
        raise UsageError(f"-o {folder} is a file; name a folder (see `msb assess-cg --help`)")
    folder.mkdir(parents=True, exist_ok=True)


def _request(args: argparse.Namespace) -> AssessRequest:
    from msb.jobs.assess.request import AssessRequest

    if args.demo:
        from msb.jobs.assess.demo import demo_request

        _refuse_beside_demo(args)
        return demo_request(args.seed, args.workers, args.frames, args.polish)
    if args.structure is None:
        raise UsageError(
            "give the all-atom reference and the CG models, or --demo (see `msb assess-cg --help`)"
        )
    return AssessRequest(
        structure=args.structure,
        trajectory=args.trajectory,
        cg=_models(args),
        top=args.top,
        mapping=tuple(args.mapping),
        snapshots=tuple(args.snapshots),
        **{name: getattr(args, name) for name in _SAME},
    )


#: Options that the request takes as they are.
_SAME = (
    *("model", "method", "temperature", "tacticity", "polish", "samples", "frames", "stride", "seed"),
    *("workers", "cutoff", "dielectric", "map", "engine", "force", "device"),
)


def _refuse_beside_demo(args: argparse.Namespace) -> None:
    given = [name for name in ("structure", "cg", "top", "mapping", "model", "method") if getattr(args, name)]
    if given:
        raise UsageError(f"--demo brings its own files: leave out {', '.join(given)}, or --demo")


def _models(args: argparse.Namespace) -> tuple[CGFiles, ...]:
    from msb.jobs.assess.request import CGFiles

    for files in args.cg:
        if len(files) > 2:
            raise UsageError(
                f"--cg takes a structure and one trajectory, not {len(files)} files; give --cg once for "
                "every model (see `msb assess-cg --help`)"
            )
    if args.name and len(args.name) != len(args.cg):
        raise UsageError(
            f"there are {len(args.name)} names and {len(args.cg)} models: name every --cg or none"
        )
    heat = args.cg_temperature or [None]
    if len(heat) not in (1, len(args.cg)):
        raise UsageError(
            f"there are {len(heat)} temperatures and {len(args.cg)} models: give one for all or one for each"
        )
    if args.cg_rerun and len(args.cg_rerun) != len(args.cg):
        raise UsageError(
            f"there are {len(args.cg_rerun)} reruns and {len(args.cg)} models: give one for each"
        )
    reruns = args.cg_rerun or [None] * len(args.cg)
    heats = heat if len(heat) == len(args.cg) else heat * len(args.cg)
    names = args.name or _names([files[0] for files in args.cg])
    return tuple(
        CGFiles(name, files[0], files[1] if len(files) > 1 else None, own, rerun)
        for name, files, own, rerun in zip(names, args.cg, heats, reruns, strict=True)
    )


def _names(files: list[str]) -> list[str]:
    """Names of models after their files; with the folder where files of two have one name."""
    stems = [Path(file).stem for file in files]
    often = Counter(stems)
    return [
        stem if often[stem] == 1 else f"{Path(file).resolve().parent.name}/{stem}"
        for stem, file in zip(stems, files, strict=True)
    ]


def _write_page(path: Path, done: Assessed, args: argparse.Namespace, request: AssessRequest) -> None:
    from msb.report.assess import assess_page
    from msb.report.page import write_page

    words = [word for word in sys.argv[1:] if word] if sys.argv[1:2] == ["assess-cg"] else []
    page = assess_page(
        done.assessment,
        done.told(),
        done.facts,
        notes=done.notes(),
        title=request.title,
        pairs=done.pairs,
        commands=[f"msb {shlex.join(words)}"] if words else [],
        fail_above=args.fail_above,
    )
    write_page(page, path)
