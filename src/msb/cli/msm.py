"""`msb msm`: a Markov state model of one ensemble."""

from __future__ import annotations

import argparse
from typing import Any

from msb.cli.parser import natural, positive, whole
from msb.cli.tables import add_ensemble, add_features, write_results

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of `msb`."""
    parser = subparsers.add_parser(
        "msm",
        help="Markov state model: timescales and their test",
        description="Estimate Markov state models over lags: implied timescales with intervals, the "
        "connected set, and the Chapman-Kolmogorov test.",
    )
    add_ensemble(parser)
    add_features(parser)
    parser.add_argument("--lag", type=positive, required=True, metavar="PS", help="of the model")
    parser.add_argument("--states", type=natural, default=100, metavar="N", help="clusters (default 100)")
    parser.add_argument(
        "--samples",
        type=whole,
        default=50,
        metavar="N",
        help="draws for the intervals (default 50, 0 for none)",
    )
    parser.add_argument("--seed", type=whole, default=0, help="of clustering and draws (default 0)")


def run(args: argparse.Namespace) -> int:
    """Estimate the models and tell the timescales."""
    from msb.jobs.compare.ensemble import markov_study, read_series
    from msb.report.ensemble_figures import timescale_figure

    series = read_series(args.structure, args.trajectory, args.features, args.timestep)
    study = markov_study(series, args.lag, args.states, args.samples, args.seed)
    found = study.reference
    run = found.timescales
    rows = [
        [
            f"{lag:g}",
            str(k + 1),
            *(f"{values[i, k]:.4g}" for values in (run.timescales, run.low, run.high)),
            "yes" if run.resolved[i, k] else "no",
            f"{run.active[i]:.4f}",
        ]
        for i, lag in enumerate(run.lags)
        for k in range(run.timescales.shape[1])
    ]
    columns = ["lag_ps", "process", "timescale_ps", "low_ps", "high_ps", "resolved", "connected"]
    lines = [f"{len(series.values)} frames, {series.timestep:g} ps apart; {len(study.centres)} states"]
    if found.test is not None:
        passed = "passed" if found.test.passed else "failed"
        lines.append(
            f"Chapman-Kolmogorov test at {args.lag:g} ps: {passed}, deviation {found.test.deviation:.3f}"
        )
    write_results(args, "msm", study.summary(), columns, rows, timescale_figure(run), lines)
    return 0
