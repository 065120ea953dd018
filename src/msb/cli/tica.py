"""`msb tica`: the slowest linear combinations of features."""

from __future__ import annotations

import argparse
from typing import Any

from msb.cli.parser import natural, positive
from msb.cli.tables import add_ensemble, add_features, write_results

__all__ = ["add_parser", "run"]

_SHOWN = 4  # coefficients that are printed


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "tica",
        help="time-lagged independent components",
        description="Find the linear combinations of features that decorrelate last.",
    )
    add_ensemble(parser)
    add_features(parser)
    parser.add_argument("--lag", type=positive, required=True, metavar="PS", help="of the correlations")
    parser.add_argument("--dim", type=natural, metavar="K", help="components (default: all)")


def run(args: argparse.Namespace) -> int:
    """Fit the components and tell their timescales."""
    import numpy as np

    from msb.jobs.compare.ensemble import independent_components, read_series
    from msb.report.ensemble_figures import component_figure

    series = read_series(args.structure, args.trajectory, args.features, args.timestep)
    model, points = independent_components(series, args.lag, args.dim)
    times = series.timestep * np.arange(len(points))
    finite = [float(t) if np.isfinite(t) else None for t in model.timescales]
    rows = []
    for k, (value, time) in enumerate(zip(model.eigenvalues, finite, strict=True)):
        weights = model.components[:, k]
        order = np.argsort(-abs(weights))[:_SHOWN]
        made = " ".join(f"{weights[j]:+.2f}*[{model.names[j]}]" for j in order)
        rows.append([str(k + 1), f"{value:.4f}", "" if time is None else f"{time:.4g}", made])
    numbers = {
        "lag_ps": args.lag,
        "features": list(model.names),
        "eigenvalues": model.eigenvalues.tolist(),
        "timescales_ps": finite,
        "components": model.components.T.tolist(),
        "n_frames": len(points),
    }
    columns = ["component", "eigenvalue", "timescale_ps", "made of"]
    write_results(args, "tica", numbers, columns, rows, component_figure(points, times))
    return 0
