"""Rows about consecutive frames: displacements, the methyl's memory, slow processes, drift."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from rows import Row, excess_row

from msb.analysis import (
    autocorrelation,
    bin_edges,
    bin_numbers,
    block_bootstrap,
    compare_timescales,
    excess,
    excess_of_bins,
    local_displacements,
    relaxation_time,
    torsion_features,
)
from msb.analysis.bootstrap import centred_interval
from msb.core.geometry import dihedrals
from msb.errors import TrajectoryError

__all__ = ["displacement_rows", "drift_rows", "methyl_row", "surface_row", "timescale_rows"]

Positions = NDArray[np.float32]
BETA_HYDROGENS, BEAD_FRAME = (11, 12, 13), (8, 6, 14)  # origin CA, first axis to N, plane of C
BETA_TORSIONS = ((6, 8, 10, 11), (6, 8, 10, 12), (6, 8, 10, 13))
PHI_PSI = ((4, 6, 8, 14), (6, 8, 14, 16))
LONG_RUN = 100_000


def displacements(x: Positions) -> NDArray[np.float64]:
    """Return how far the beta hydrogens move in a frame, as seen from CA, N and C (F - 1, 3), nm."""
    return local_displacements(x, BETA_HYDROGENS, BEAD_FRAME)


def displacement_rows(test: Positions, reference: Positions, options: dict[str, int]) -> list[Row]:
    """Return the rows of the beta hydrogens' displacement."""
    a, b = displacements(test), displacements(reference)
    found = excess(a, b, bin_edges(b, 100), **options)
    low, high = block_bootstrap(np.mean, a, **options)
    mean = Row(
        "C-beta hydrogens' displacement: mean",
        "",
        float(a.mean()),
        "nm",
        float(b.mean()),
        low=float(low),
        high=float(high),
    )
    return [excess_row("C-beta hydrogens' displacement over 1 ps", found, 0.03, "library: 0.27"), mean]


def methyl_row(
    test: Positions,
    reference: Positions,
    options: dict[str, int],
    expected: float | None = None,
    timestep: float = 1.0,
) -> Row:
    """Return the row of the beta methyl's relaxation; ``expected`` is MD's time, ps, else the reference's."""
    angles = [dihedrals(torch.from_numpy(x), BETA_TORSIONS).numpy() for x in (test, reference)]
    max_lag = min(300, len(test) // 4)
    name, bar = "C-beta methyl torsion: relaxation time", "within 15 % of MD's"
    own = relaxation_time(autocorrelation(angles[1], max_lag), timestep)
    target = own if expected is None else expected
    note = f"the reference's own frames: {own:.1f} ps"
    try:
        time = relaxation_time(autocorrelation(angles[0], max_lag), timestep)
        low, high = _relaxation_interval(angles[0], max_lag, timestep, time, options)
    except TrajectoryError as error:
        return Row(name, bar, None, "ps", target, passed=False, note=str(error))
    close = abs(time / target - 1.0) <= 0.15
    return Row(name, bar, time, "ps", target, low=low, high=high, passed=close, note=note)


def _relaxation_interval(
    angles: NDArray, max_lag: int, timestep: float, time: float, options: dict[str, int]
) -> tuple[float, float]:
    parts = np.array_split(angles, max(2, min(20, len(angles) // (2 * max_lag))))
    curves = np.stack([autocorrelation(part, max_lag) for part in parts])
    generator = np.random.default_rng(options.get("seed", 0))
    drawn = []
    for _ in range(options.get("replicates", 200)):
        curve = curves[generator.integers(len(curves), size=len(curves))].mean(0)
        if curve.min() < curve[0] / np.e:
            drawn.append(relaxation_time(curve, timestep))
    low, high = centred_interval(time, np.array(drawn)) if drawn else (time, time)
    return float(low), float(high)


def surface_row(test: Positions, reference: Positions, options: dict[str, int], bins: int = 60) -> Row:
    """Return the row of the (phi, psi) surface, 60 x 60 bins; beads alone decide it."""
    edges = np.linspace(-np.pi, np.pi, bins + 1)
    cells = []
    for x in (test, reference):
        numbers = bin_numbers(dihedrals(torch.from_numpy(x), PHI_PSI).numpy(), edges)
        cells.append(numbers[:, 0] * bins + numbers[:, 1])
    found = excess_of_bins(cells[0], cells[1], bins * bins, **options)
    return excess_row("(phi, psi) surface", found, 1e-3, "automatic with exact beads")


def timescale_rows(
    test: Positions, reference: Positions, n_states: int, replicates: int, timestep: float = 1.0
) -> list[Row]:
    """Return the three slowest implied timescales at a lag of 5 ps, on the reference's k-means states."""
    features = [torsion_features(dihedrals(torch.from_numpy(x), PHI_PSI).numpy()) for x in (test, reference)]
    lag = 5.0 * timestep
    try:
        a, b = compare_timescales(*features, [lag], timestep, n_states=n_states, replicates=replicates)
    except TrajectoryError as error:
        return [Row("implied timescales", "as MD's", passed=False, note=str(error))]
    rows = []
    for k in range(3):
        time, own, low, high = (float(v[0, k]) for v in (a.timescales, b.timescales, b.low, b.high))
        rows.append(
            Row(
                f"implied timescale {k + 1} at lag {lag:g} ps",
                "inside MD's interval",
                time,
                "ps",
                own,
                low=low,
                high=high,
                passed=bool(low <= time <= high or abs(time / own - 1) < 1e-6),
                note=f"{n_states} states; the interval is the reference's",
            )
        )
    return rows


def drift_rows(
    energies: tuple[NDArray[np.float64], NDArray[np.float64]],
    test: Positions,
    reference: Positions,
    options: dict[str, int],
) -> list[Row]:
    """Return what the last tenth of the run scores beyond the first tenth, in excess JS.

    It scores the same when the 95 % intervals allow no difference, or the difference is below 0.005.
    """
    tenth = len(test) // 10
    long_enough = len(test) >= LONG_RUN
    values = {
        "vacuum energy": (energies[0], energies[1], bin_edges(energies[1], 60)),
        "C-beta hydrogens' displacement": (
            moved := displacements(test),
            still := displacements(reference),
            None,
        ),
    }
    del moved
    rows = []
    for name, (a, b, edges) in values.items():
        borders = bin_edges(still, 100) if edges is None else edges
        first = excess(a[:tenth], b[:tenth], borders, **options)
        last = excess(a[-tenth:], b[-tenth:], borders, **options)
        change = last.excess - first.excess
        half = 0.5 * float(np.hypot(last.high - last.low, first.high - first.low))
        note = f"first {first.excess:.4f}, last {last.excess:.4f}"
        if not long_enough:
            note += f"; judged on {LONG_RUN:,} frames, these are {len(test):,}"
        rows.append(
            Row(
                f"drift of {name}: last less first tenth",
                "scores as the first",
                change,
                "nats",
                0.0,
                low=change - half,
                high=change + half,
                passed=bool(abs(change) <= max(half, 0.005)) if long_enough else None,
                note=note,
            )
        )
    return rows
