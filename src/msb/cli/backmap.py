"""`msb backmap`: beads to atoms, for structures and trajectories, melts and mixtures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msb.cli.output import progress_bar, report
from msb.cli.parser import (
    add_device,
    add_json,
    add_mapping,
    add_method,
    add_model,
    add_resume,
    add_seed,
    add_structure,
    add_workers,
    natural,
    positive,
    whole,
)

if TYPE_CHECKING:
    from msb.jobs.backmap.setup import Prepared

__all__ = ["POLISHES", "RELAXATIONS", "SELECTIONS", "add_parser", "run"]

#: The names of `msb.energy.protocols`, which is not loaded to parse a command line.
RELAXATIONS = ("none", "em", "staged", "papers", "votca")
POLISHES = ("none", "thermal")
#: The names of `msb.backmap.selection`.
SELECTIONS = ("random", "min", "boltzmann")


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "backmap",
        help="beads to atoms, for any structure: melts, liquids, mixtures",
        description="Put the atoms back into beads, with a model (-m) or a method that needs no training "
        "(--method), relax them with the beads held, and look every frame through.",
    )
    add_structure(parser, "the beads")
    _add_knowledge(parser)
    parser.add_argument("-o", "--output", required=True, metavar="ATOMS", help="gro, pdb, xtc, trr, dcd")
    _add_sampling(parser)
    _add_finish(parser)
    _add_what(parser)
    _add_how(parser)
    add_device(parser)
    add_json(parser)


def _add_knowledge(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the atoms come from")
    add_model(group)
    add_method(
        group, "all-atom structures of the same molecules, in any numbers; a trajectory after its structure"
    )
    group.add_argument(
        "--top", metavar="TOP", help="GROMACS topology: the molecules' atoms, bonds and force field"
    )
    add_mapping(group)
    group.add_argument(
        "--option", action="append", default=[], metavar="KEY=X", help="an option of the method, as in best=5"
    )


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how a model of the method backmap places atoms (default: its own)")
    group.add_argument(
        "--sweeps", type=whole, metavar="N", help="times that every bead is placed anew after the first pass"
    )
    group.add_argument(
        "--candidates", type=natural, metavar="K", help="proposals for each bead, of which one is taken"
    )
    group.add_argument(
        "--select",
        choices=SELECTIONS,
        help="which one: as the network draws, the lowest energy, or corrected to the force field",
    )


def _add_finish(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what happens to the atoms")
    group.add_argument(
        "--relax",
        choices=RELAXATIONS,
        help="minimisation with the beads held (default: staged, after the methods of --method, where a "
        "force field is known); papers and votca end with free beads",
    )
    group.add_argument(
        "--polish",
        choices=POLISHES,
        help="dynamics with the beads held (default: thermal, where a force field and "
        "the temperature are known)",
    )
    group.add_argument(
        "--polish-ps",
        type=positive,
        metavar="PS",
        help="how long the polish is (default 0.5; half of it is enough after a good placement)",
    )
    group.add_argument(
        "--temperature",
        type=positive,
        metavar="K",
        help="needed by the polish of --method; a model's own by default",
    )
    group.add_argument(
        "--tacticity",
        metavar="T",
        help="iso, syndio, atactic:P (P the share of meso pairs), or a file (a structure, or m and r); "
        "default: as in --from where all copies agree",
    )


def _add_what(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what else is in the file")
    group.add_argument(
        "--unknown",
        choices=("fail", "skip", "copy"),
        default="fail",
        help="residues and beads that are not known: list them and stop (default), leave them out, or write "
        "the beads as they are",
    )
    group.add_argument(
        "--solvent",
        choices=("drop", "keep", "fill"),
        default="drop",
        help="water beads and ions: leave them out (default), write the beads as they are, or fill them with "
        "waters (four for W, three for SW, two for TW)",
    )
    group.add_argument(
        "--top-out", metavar="TOP", help="write a topology of the output, in its order, without solvent"
    )


def _add_how(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how")
    add_seed(group)
    group.add_argument(
        "--samples",
        type=natural,
        default=1,
        metavar="N",
        help="draw N outputs, OUTPUT_s1 to OUTPUT_sN, and how far their atoms are apart, OUTPUT_spread",
    )
    group.add_argument(
        "--coherent",
        action="store_true",
        help="start each frame from the atoms of the one before, carried by their beads",
    )
    add_workers(group)
    group.add_argument(
        "--chunk", type=natural, metavar="N", help="frames written at once; never changes the result"
    )
    group.add_argument(
        "--lag", type=positive, metavar="PS", help="frame spacing, where the file does not know it"
    )
    group.add_argument(
        "--repair",
        action="store_true",
        help="place and relax anew what the check finds, and nothing else",
    )
    add_resume(group)


def run(args: argparse.Namespace) -> int:
    """Backmap and say what was written, how it was made, and what is wrong with it."""
    from msb.cli.backmap_output import judge, lines, summary
    from msb.jobs.backmap.outputs import spare_inputs
    from msb.jobs.backmap.run import BackmapOptions, backmap
    from msb.jobs.backmap.setup import prepare

    spare_inputs(args.output, *args.snapshots, args.top, *args.mapping)
    if args.top_out is not None:
        spare_inputs(args.top_out, args.output, args.top, args.structure, args.trajectory)
    ready = prepare(_request(args))
    options = BackmapOptions(
        seed=args.seed,
        samples=args.samples,
        coherent=args.coherent,
        workers=args.workers,
        chunk=args.chunk,
        resume=args.resume,
    )
    with progress_bar(what="backmap") as advance:
        done = backmap(ready.system, ready.maker, args.output, options, advance, identity=ready.identity)
    if args.top_out is not None:
        _write_top(args, ready)
    report(summary(args, ready, done), lines(args, ready, done), args.json)
    judge(done)
    return 0


def _request(args: argparse.Namespace) -> Any:
    from msb.jobs.backmap.setup import Request

    return Request(
        structure=args.structure,
        trajectory=args.trajectory,
        model=args.model,
        method=args.method,
        snapshots=tuple(args.snapshots),
        top=args.top,
        mapping=tuple(args.mapping),
        temperature=args.temperature,
        relax=args.relax,
        polish=args.polish,
        polish_ps=args.polish_ps,
        tacticity=args.tacticity,
        unknown=args.unknown,
        solvent=args.solvent,
        samples=args.samples,
        seed=args.seed,
        lag=args.lag,
        device=args.device,
        top_out=args.top_out is not None,
        repair=args.repair,
        coherent=args.coherent,
        options=_options(args.option),
        sampling={name: getattr(args, name) for name in ("sweeps", "candidates", "select")},
    )


def _options(words: Sequence[str]) -> dict[str, Any]:
    """Options of the method: numbers where they look like numbers."""
    import json

    from msb.cli.parser import UsageError

    out: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise UsageError(f"--option {word}: write KEY=X, as in best=5 (see `msb backmap --help`)")
        try:
            out[key] = json.loads(value)
        except ValueError:
            out[key] = value
    return out


def _write_top(args: argparse.Namespace, ready: Prepared) -> None:
    from msb.data.top_out import write_top

    write_top(args.top_out, args.top, ready.system.topology, ready.system.grown)
