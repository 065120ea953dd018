"""Voxel densities: separable Gaussians and one contraction against the straightforward n³ version.

Both run side by side on the same input, alternating, and the report is the ratio of their median times:
seconds depend on the machine, the ratio much less.  ``--smoke`` runs each once on a small batch.

    python benchmarks/voxel.py [--smoke] [--json FILE] [--threads N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from msb.core.voxel import VoxelGrid


@dataclass(frozen=True)
class Case:
    """One workload: how many particles go into how many channels (0: one each) of what grid."""

    name: str
    grid: VoxelGrid
    batch: int
    particles: int
    channels: int


CASES = (
    Case("temporal cVAE, alanine dipeptide", VoxelGrid(12, 1.8, 0.0707), 32, 28, 0),
    Case("deepBackmap environment", VoxelGrid(8, 1.2, 0.1), 64, 90, 20),
    Case("environment on a 16³ grid", VoxelGrid(16, 1.2, 0.1), 16, 90, 20),
)


def straightforward(grid: VoxelGrid, positions: Tensor, channels: Tensor | None) -> Tensor:
    """Exponential of the squared distance at every voxel, then the sum over particles.

    Written well: squares are added axis by axis, so no (..., n, n, n, 3) array of differences is made.
    """
    x, y, z = (positions.unsqueeze(-1) - grid.centres(positions)).square().unbind(-2)
    squares = x[..., :, None, None] + y[..., None, :, None] + z[..., None, None, :]
    blobs = torch.exp(squares * (-0.5 / grid.sigma**2))
    return blobs if channels is None else torch.einsum("bpijk,pc->bcijk", blobs, channels)


def separable(grid: VoxelGrid, positions: Tensor, channels: Tensor | None) -> Tensor:
    """Evaluate the package's version."""
    return grid.densities(positions, channels)


def timed(
    version: Callable[..., Tensor], case: Case, x: Tensor, channels: Tensor | None, grad: bool
) -> float:
    """Seconds of one call, with the gradient with respect to positions if asked for."""
    x = x.detach().requires_grad_(grad)
    start = time.perf_counter()
    with torch.set_grad_enabled(grad):
        densities = version(case.grid, x, channels)
        if grad:
            densities.square().sum().backward()
    return time.perf_counter() - start


def measure(case: Case, grad: bool, repeats: int) -> dict[str, object]:
    """Median times of both versions and the largest difference of their results."""
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(case.batch, case.particles, 3, generator=generator) - 0.5) * case.grid.edge
    kinds = torch.arange(case.particles) % max(case.channels, 1)
    channels = torch.nn.functional.one_hot(kinds, case.channels).float() if case.channels else None
    difference = separable(case.grid, x, channels) - straightforward(case.grid, x, channels)
    times: dict[str, list[float]] = {"straightforward": [], "separable": []}
    for _ in range(repeats):
        times["straightforward"].append(timed(straightforward, case, x, channels, grad))
        times["separable"].append(timed(separable, case, x, channels, grad))
    slow, fast = (statistics.median(times[name]) for name in ("straightforward", "separable"))
    return {
        "case": case.name,
        "pass": "forward + backward" if grad else "forward",
        "straightforward_ms": round(slow * 1e3, 3),
        "separable_ms": round(fast * 1e3, 3),
        "ratio": round(slow / fast, 2),
        "largest_difference": float(difference.abs().max()),
    }


def main() -> None:
    """Print the table, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one repeat on a batch of two")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here as well")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = []
    print(f"{'case':34} {'pass':20} {'n³, ms':>9} {'separable':>10} {'ratio':>7}")
    for case in CASES:
        if arguments.smoke:
            case = Case(case.name, case.grid, 2, case.particles, case.channels)
        for grad in (False, True):
            row = measure(case, grad, 1 if arguments.smoke else arguments.repeats)
            rows.append(row)
            print(
                f"{row['case']:34} {row['pass']:20} {row['straightforward_ms']:9} "
                f"{row['separable_ms']:10} {row['ratio']:7}"
            )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
