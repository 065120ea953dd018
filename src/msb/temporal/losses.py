"""Losses of the voxel network and the schedules of their weights (thesis eqs. 8.1-8.6)."""

from __future__ import annotations

import math

from torch import Tensor

from msb.temporal.config import LossWeights

__all__ = ["energy_weight", "kl_weight", "reconstruction_losses"]

_NM2 = 1e4  # squared displacements are counted in units of (0.01 nm)^2: thermal ones are then of order one
_RAMP_DECADES = 6.0  # the energy's weight grows by this many powers of ten along its ramp


def reconstruction_losses(
    weights: LossWeights,
    densities: Tensor,
    target_densities: Tensor,
    drawn: Tensor,
    target: Tensor,
    previous: Tensor,
) -> dict[str, Tensor]:
    """Weighted voxel, position, distance and displacement terms; those with weight 0 are left out.

    Parameters
    ----------
    weights : LossWeights
    densities, target_densities : Tensor (B, N, n, n, n)
    drawn, target, previous : Tensor (B, N, 3)
        nm.
    """
    terms: dict[str, Tensor] = {}
    if weights.voxel:
        terms["voxel"] = weights.voxel * (densities - target_densities).square().mean() * 100
    if weights.position:
        terms["position"] = weights.position * (drawn - target).square().mean() * _NM2
    if weights.distance:
        gap = _distance_matrix(drawn) - _distance_matrix(target)
        terms["distance"] = weights.distance * 0.5 * gap.square().mean() * _NM2
    if weights.displacement:
        moved = (drawn - previous).square().sum(-1).add(1e-12).sqrt()
        should = (target - previous).square().sum(-1).add(1e-12).sqrt()
        terms["displacement"] = weights.displacement * (moved - should).square().mean() * _NM2
    return terms


def energy_weight(weights: LossWeights, progress: float) -> float:
    """Zero before `energy_start`, then exponentially up to `energy` over `energy_ramp` of the training."""
    if weights.energy == 0 or progress < weights.energy_start:
        return 0.0
    fraction = min(1.0, (progress - weights.energy_start) / weights.energy_ramp)
    return float(weights.energy * 10.0 ** (_RAMP_DECADES * (fraction - 1.0)))


def kl_weight(weights: LossWeights, progress: float) -> float:
    """Cyclic annealing: each cycle rises linearly for half its length, then stays (thesis ref. 254)."""
    if weights.kl_cycles == 0 or progress >= 1.0:
        return weights.kl
    place = math.modf(progress * weights.kl_cycles)[0]
    return weights.kl * min(1.0, 2 * place)


def _distance_matrix(x: Tensor) -> Tensor:
    return (x[..., :, None, :] - x[..., None, :, :]).square().sum(-1).add(1e-12).sqrt()
