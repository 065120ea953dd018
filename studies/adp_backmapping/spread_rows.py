"""Rows about one bead frame and many samples: every free torsion as wide as in MD with frozen beads."""

from __future__ import annotations

import numpy as np
import torch
from adp_system import FREE_TORSIONS, METHYL_TORSIONS
from numpy.typing import NDArray
from rows import Row

from msb.analysis import circular_mean, circular_variance, circular_width, wrap_about
from msb.analysis.bootstrap import centred_interval
from msb.core.geometry import dihedrals

__all__ = ["frozen_torsions", "sample_torsions", "spread_rows"]

PERIOD = np.array([2 * np.pi / 3 if name in METHYL_TORSIONS else 2 * np.pi for name in FREE_TORSIONS])
COLLAPSED = 0.5


def frozen_torsions(torsions: NDArray, quads: NDArray) -> NDArray[np.float64]:
    """Return the free torsions (B, T, 10) from those that ``frozen_beads.npz`` holds."""
    column = {tuple(int(k) for k in quad): k for k, quad in enumerate(quads)}
    return np.asarray(torsions, dtype=float)[..., [column[quad] for quad in FREE_TORSIONS.values()]]


def sample_torsions(positions: NDArray, drop: float = 0.1) -> NDArray[np.float64]:
    """Return the free torsions (B, S', 10) of samples (B, S, 22, 3), without the first ``drop`` of a run."""
    kept = np.ascontiguousarray(positions[:, round(drop * positions.shape[1]) :], dtype=np.float32)
    return dihedrals(torch.from_numpy(kept), list(FREE_TORSIONS.values())).numpy().astype(float)


def variances(torsions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return circular variances (B, 10); methyls modulo 120 degrees."""
    columns = [circular_variance(torsions[..., k], 1, PERIOD[k]) for k in range(len(PERIOD))]
    return np.stack(columns, axis=-1)


def spread_rows(test: NDArray[np.float64], frozen: NDArray[np.float64], options: dict[str, int]) -> list[Row]:
    """Return a row for each torsion (variance averaged over bead frames), and the extremes over all frames.

    Parameters
    ----------
    test, frozen : ndarray (B, S, 10), (B, T, 10)
        Free torsions of the samples and of MD at the same bead frames, rad.
    options : dict
        ``replicates`` and ``seed`` of the bootstrap over bead frames.
    """
    a, b = variances(test), variances(frozen)
    ratios = a.mean(0) / b.mean(0)
    generator = np.random.default_rng(options.get("seed", 0))
    drawn = generator.integers(len(a), size=(options.get("replicates", 200), len(a)))
    low, high = centred_interval(ratios, a[drawn].mean(1) / b[drawn].mean(1))
    each = a / b
    rows = []
    for k, name in enumerate(FREE_TORSIONS):
        rows.append(
            Row(
                f"spread at fixed beads: {name}",
                "variance ratio within 20 %",
                float(ratios[k]),
                "",
                1.0,
                low=float(low[k]),
                high=float(high[k]),
                passed=bool(abs(ratios[k] - 1.0) <= 0.2),
                note=f"variance {b[:, k].mean():.4f} in MD; frame by frame {each[:, k].min():.2f} to "
                f"{each[:, k].max():.2f}",
            )
        )
    return [*rows, _collapse_row(each), _direction_row(test, frozen)]


def _collapse_row(each: NDArray[np.float64]) -> Row:
    frame, torsion = np.unravel_index(each.argmin(), each.shape)
    return Row(
        "spread at fixed beads: smallest ratio of any frame and torsion",
        f"no collapse (>= {COLLAPSED:g})",
        float(each.min()),
        "",
        1.0,
        passed=bool(each.min() >= COLLAPSED),
        note=f"{list(FREE_TORSIONS)[torsion]}, bead frame {frame}; "
        f"{np.mean(np.abs(each - 1) <= 0.2):.0%} of all within 20 %",
    )


def _direction_row(test: NDArray[np.float64], frozen: NDArray[np.float64]) -> Row:
    shifts = []
    for k, period in enumerate(PERIOD):
        a, b = (circular_mean(values[..., k], 1, period) for values in (test, frozen))
        width = circular_width(frozen[..., k], 1, period)
        shifts.append(np.abs(wrap_about(a - b, 0.0, period)) / width)
    worst = np.sqrt((np.array(shifts) ** 2).mean(1))
    return Row(
        "spread at fixed beads: mean direction off, rms over frames, worst torsion",
        "",
        float(worst.max()),
        "MD widths",
        note=list(FREE_TORSIONS)[int(worst.argmax())],
    )
