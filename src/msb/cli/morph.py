"""`msb morph`: give a top-down coarse-grained structure the local statistics of a faithful one."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msb.cli.output import progress_bar, report
from msb.cli.parser import UsageError, add_json, add_structure, natural, positive, whole

if TYPE_CHECKING:
    from msb.jobs.morph.account import Account
    from msb.jobs.morph.request import MorphRequest

__all__ = ["add_parser", "run"]

_ROUNDS = 3  # of --refine


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "morph",
        help="give a top-down structure (Kremer-Grest, Martini) the local statistics of a faithful one",
        description="Squeeze the chains of a top-down model to the centres of every few beads, and let a "
        "network that was trained on a faithful model put the beads back: large scales stay, local "
        "statistics become the target's. With --demo: a Kremer-Grest melt becomes polystyrene, nothing of "
        "your own needed.",
    )
    add_structure(parser, "the top-down beads", optional=True)
    parser.add_argument(
        *("-m", "--model"),
        nargs="+",
        action="extend",
        default=[],
        metavar="MODEL",
        help="morph models: folders, or names of shipped ones; of several the one that comes nearest",
    )
    parser.add_argument(
        *("-o", "--output"),
        metavar="MORPHED",
        help="gro, pdb, xtc, trr, dcd; with --demo a folder (default: msb-morph)",
    )
    parser.add_argument("--demo", action="store_true", help="morph a bundled Kremer-Grest melt instead")
    _add_beads(parser)
    _add_morphing(parser)
    _add_how(parser)
    add_json(parser)


def _add_beads(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the beads are")
    group.add_argument(
        "--scale",
        type=_scale,
        default="auto",
        metavar="HOW",
        help="what makes nm of the file's lengths: the target's density or its bond, or a factor (default "
        "auto: nothing where bonds are about the target's, else the density)",
    )
    group.add_argument(
        "--per-chain", type=natural, metavar="N", help="beads of every chain, where the file does not tell"
    )
    group.add_argument("--top", metavar="TOP", help="topology with the bonds (top, itp, psf, tpr, pdb)")


def _add_morphing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how they are morphed")
    group.add_argument(
        "--scheme",
        choices=("A", "B", "auto"),
        default="auto",
        help="A: all beads placed anew, then sweeps; B: sweeps alone, from the beads as they are; auto "
        "(default): what comes nearest to target snapshots that the model has never seen",
    )
    group.add_argument("--s", type=natural, metavar="S", help="beads to a centre that the models must have")
    group.add_argument(
        "--sweeps",
        type=whole,
        metavar="N",
        help="times that every bead is placed anew (default: the model's)",
    )
    group.add_argument(
        *("--trial-frames",),
        type=natural,
        default=1,
        metavar="N",
        help="first frames that models and schemes are tried on, and --refine works with (default 1)",
    )
    group.add_argument(
        "--polish",
        choices=("thermal", "none"),
        default="thermal",
        help="short dynamics in the field of the target's statistics, centres held (default thermal)",
    )
    group.add_argument(
        "--refine",
        type=whole,
        metavar="N",
        help="rounds in which the first frames put right what the polish aims at, as centres of a top-down "
        f"model are not where the target's are (default {_ROUNDS}; each takes as long as a polish)",
    )


def _add_how(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how")
    group.add_argument("--seed", type=whole, default=0, help="of all noise (default 0)")
    group.add_argument(
        *("--samples",), type=natural, default=1, metavar="N", help="draw N outputs, OUTPUT_s1 to OUTPUT_sN"
    )
    group.add_argument(
        "--report", metavar="FOLDER", help="write a page, index.html, and the numbers, morph.json"
    )
    group.add_argument(
        "--workers",
        type=natural,
        metavar="N",
        help="frames made side by side (default: one a core where that is quicker); never changes the result",
    )
    group.add_argument(
        "--chunk", type=natural, metavar="N", help="frames written at once; never changes the result"
    )
    group.add_argument(
        "--lag", type=positive, metavar="PS", help="frame spacing, where the file does not know it"
    )
    group.add_argument("--resume", action="store_true", help="go on where a run that was killed stopped")


def _scale(text: str) -> str | float:
    return text if text in ("auto", "bond", "density") else positive(text)


def run(args: argparse.Namespace) -> int:
    """Choose, morph, and say what was written and how near it is to the target."""
    from msb.jobs.backmap.outputs import spare_inputs
    from msb.jobs.morph.account import Account
    from msb.jobs.morph.choice import choose
    from msb.jobs.morph.prepare import prepare
    from msb.jobs.morph.refine import refine
    from msb.jobs.morph.run import MorphOptions, check_output, morph

    if args.refine and args.polish == "none":
        raise UsageError("--refine puts right what the polish aims at: leave it out, or --polish none")
    request, output, folder = _demo(args) if args.demo else _own(args)
    spare_inputs(output, request.structure, request.trajectory, request.top)
    options = MorphOptions(args.seed, args.samples, args.workers, args.chunk, args.resume)
    ready = prepare(request)
    check_output(ready.candidates[0], output, options)
    if not args.json:
        print("\n".join(ready.told()), flush=True)
    with progress_bar(unit="trials", what="choose") as advance:
        trials = choose(ready.candidates, seed=args.seed, frames=args.trial_frames, progress=advance)
    chosen = trials[0].candidate if trials else ready.candidates[0]
    with progress_bar(unit="rounds", what="refine") as advance:
        again = {"frames": args.trial_frames, "seed": args.seed, "progress": advance}
        chosen = refine(chosen, rounds=_rounds(args), **again)
    with progress_bar(what="morph") as advance:
        done = morph(chosen, output, options, advance)
    account = Account(ready, chosen, tuple(trials), done, args.seed)
    summary, lines = account.summary(), account.lines()
    if folder is not None:
        lines += _write_report(folder, account, summary, args.demo)
    report(summary, lines, args.json)
    return 0


def _rounds(args: argparse.Namespace) -> int:
    return _ROUNDS if args.refine is None else int(args.refine)


#: Options that say what `--demo` brings itself.
_BROUGHT = ("structure", "trajectory", "model", "top", "per_chain", "s", "lag", "report")
_FORMATS = (".gro", ".pdb", ".xtc", ".trr", ".dcd")


def _demo(args: argparse.Namespace) -> tuple[MorphRequest, Path, Path]:
    """Return what the demonstration morphs, the file for it, and the folder of its page."""
    from msb.jobs.morph.demo import demo_request

    given = [name.replace("_", "-") for name in _BROUGHT if getattr(args, name)]
    given += ["scale"] if args.scale != "auto" else []
    if given:
        raise UsageError(f"--demo brings its own files: leave out {', '.join(given)}, or --demo")
    folder = Path(args.output or "msb-morph")
    if folder.suffix.lower() in _FORMATS:
        raise UsageError(f"-o {folder}: with --demo, name a folder: for the morphed melt, a page and numbers")
    _make_folder(folder, "-o")
    how = {"scheme": args.scheme, "sweeps": args.sweeps, "polish": args.polish, "seed": args.seed}
    return demo_request(**how), folder / "morphed.xtc", folder


def _own(args: argparse.Namespace) -> tuple[MorphRequest, Path, Path | None]:
    """Return what the user morphs, the file for it, and the folder of the page, if there is to be one."""
    if args.structure is None:
        raise UsageError("give the top-down beads, or --demo (see `msb morph --help`)")
    if args.output is None:
        raise UsageError("say where the morphed beads go: -o morphed.gro (see `msb morph --help`)")
    folder = None if args.report is None else Path(args.report)
    if folder is not None:
        _make_folder(folder, "--report")
    return _request(args), Path(args.output), folder


def _make_folder(folder: Path, option: str) -> None:
    if folder.is_file():
        raise UsageError(f"{option} {folder} is a file; name a folder (see `msb morph --help`)")
    folder.mkdir(parents=True, exist_ok=True)


def _request(args: argparse.Namespace) -> MorphRequest:
    from msb.jobs.morph.request import MorphRequest

    return MorphRequest(
        structure=args.structure,
        trajectory=args.trajectory,
        models=tuple(args.model),
        scheme=args.scheme,
        s=args.s,
        scale=args.scale,
        per_chain=args.per_chain,
        top=args.top,
        sweeps=args.sweeps,
        polish=args.polish,
        seed=args.seed,
        lag=args.lag,
    )


def _write_report(folder: Path, account: Account, summary: dict[str, Any], demo: bool) -> list[str]:
    from msb.cli.morph_report import morph_report
    from msb.io.atomic import atomic_write_json
    from msb.jobs.morph.demo import TITLE
    from msb.report.morph import morph_page
    from msb.report.page import write_page

    words = [word for word in sys.argv[1:] if word] if sys.argv[1:2] == ["morph"] else []
    page, numbers = folder / "index.html", folder / "morph.json"
    story = morph_report(account, TITLE if demo else "")
    write_page(morph_page(story, [f"msb {shlex.join(words)}"] if words else []), page)
    atomic_write_json(numbers, summary)
    return [f"{page}: open it in a browser", f"{numbers}: the numbers"]
