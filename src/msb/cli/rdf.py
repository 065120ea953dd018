"""`msb rdf`: radial distribution functions of non-bonded pairs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from msb.cli.parser import natural, positive, whole
from msb.cli.tables import add_ensemble, write_results

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "rdf",
        help="radial distribution functions",
        description="Radial distribution functions of non-bonded pairs, in boxes of any shape; without one, "
        "pairs a frame.",
    )
    add_ensemble(parser)
    parser.add_argument("--top", type=Path, metavar="TOP", help="GROMACS topology, for types and bonds")
    parser.add_argument("--by", choices=("elements", "types"), default="elements", help="groups of atoms")
    parser.add_argument("--cutoff", type=positive, default=0.8, metavar="NM", help="default 0.8 nm")
    parser.add_argument("--bins", type=natural, default=150, metavar="N", help="below the cutoff (150)")
    parser.add_argument(
        "--exclude",
        type=whole,
        default=3,
        metavar="N",
        help="leave out pairs up to N bonds apart (default 3)",
    )


def run(args: argparse.Namespace) -> int:
    """Count the pairs and tell where they gather."""
    import numpy as np

    from msb.jobs.compare.ensemble import radial_functions
    from msb.report.ensemble_figures import radial_figure

    found = radial_functions(
        args.structure,
        args.trajectory,
        args.top,
        cutoff=args.cutoff,
        bins=args.bins,
        exclude_bonds=args.exclude,
        by=args.by,
    )
    boxed = all(radial.expected is not None for radial in found.values() if radial.n_pairs)
    label = "g(r)" if boxed else "pairs a frame"
    curves, table = {}, []
    for name, radial in found.items():
        if not radial.n_pairs or not radial.counts.any():
            continue
        values = radial.g if boxed else radial.counts / radial.n_frames
        top, first = int(values.argmax()), int(np.flatnonzero(radial.counts)[0])
        curves[name] = (radial.r, values)
        table.append([name, str(radial.n_pairs), f"{radial.r[first]:.4f}", f"{radial.r[top]:.4f}"])
        table[-1].append(f"{values[top]:.4g}")
    rows = [
        [name, f"{r:.6g}", f"{v:.6g}"] for name, (x, y) in curves.items() for r, v in zip(x, y, strict=True)
    ]
    numbers = {
        name: {"r_nm": r.tolist(), label: y.tolist(), "counts": found[name].counts.tolist()}
        for name, (r, y) in curves.items()
    }
    columns = ["pair", "pairs", "nearest_nm", "maximum_nm", label]
    write_results(
        args,
        "rdf",
        numbers,
        ["pair", "r_nm", label],
        rows,
        radial_figure(curves, label),
        (),
        [columns, *table],
    )
    return 0
