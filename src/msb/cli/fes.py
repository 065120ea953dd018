"""`msb fes`: a free-energy surface."""

from __future__ import annotations

import argparse
from typing import Any

from msb.cli.parser import natural, positive
from msb.cli.tables import add_ensemble, add_features, write_results

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "fes",
        help="free-energy surface over two coordinates",
        description="Free energy over two features, or over the two slowest combinations of more.",
    )
    add_ensemble(parser)
    add_features(parser)
    parser.add_argument(
        "--temperature", type=positive, default=300.0, metavar="K", help="of the ensemble (default 300)"
    )
    parser.add_argument("--bins", type=natural, default=72, metavar="N", help="along each axis (default 72)")
    parser.add_argument("--lag", type=positive, metavar="PS", help="of the slowest combinations (10 frames)")


def run(args: argparse.Namespace) -> int:
    """Count the frames and tell where the free energy is lowest."""
    import numpy as np

    from msb.jobs.compare.ensemble import read_series, surface_of
    from msb.report.ensemble_figures import surface_figure

    series = read_series(args.structure, args.trajectory, args.features, args.timestep)
    found = surface_of(series, args.temperature, args.bins, args.lag)
    middles = [0.5 * (edges[1:] + edges[:-1]) for edges in found.edges]
    rows = [
        [f"{middles[0][i]:.6g}", f"{middles[1][j]:.6g}", str(found.counts[i, j]), f"{found.energy[i, j]:.4f}"]
        for i, j in np.argwhere(found.counts > 0)
    ]
    lowest = sorted(rows, key=lambda row: float(row[3]))[:5]
    numbers = {
        "axes": list(found.axes),
        "edges": [edges.tolist() for edges in found.edges],
        "counts": found.counts.tolist(),
        "free_energy_kj_mol": [
            [float(value) if np.isfinite(value) else None for value in row] for row in found.energy
        ],
        "temperature_K": args.temperature,
        "n_frames": len(series.values),
    }
    columns = [*found.axes, "frames", "F_kj_mol"]
    picture = surface_figure(found.energy, found.edges, found.axes)
    write_results(args, "fes", numbers, columns, rows, picture, (), [columns, *lowest])
    return 0
