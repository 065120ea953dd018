r"""Which of several candidates is taken.

Candidates of a trained generator already come from about the target distribution p.  Weighting them by
exp(-E/kT) would therefore sample p squared (on a harmonic well: 0.71 of the width), and taking the lowest
energy collapses.  ``random`` keeps the generator's own distribution; ``boltzmann`` divides by the density q
with which each candidate was drawn, w = exp(-E/kT)/q, and among K of them is exact for large K.  With the
present atoms as one candidate more, repeated, it leaves exp(-E/kT) invariant for every K (iterated
sampling-importance-resampling), provided that proposals do not depend on the present atoms.

References
----------
C. Andrieu, A. Lee, M. Vihola, Uniform ergodicity of the iterated conditional SMC and geometric ergodicity of
particle Gibbs samplers, Bernoulli 24, 842 (2018).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from msb.errors import ConfigError

__all__ = ["Choice", "choose"]

Choice = Literal["random", "min", "boltzmann"]


def choose(
    how: Choice,
    energies: Tensor | None,
    log_density: Tensor | None,
    kT: float | None,
    uniform: Tensor,
    limit: Tensor | None = None,
    *,
    candidates: int | None = None,
) -> Tensor:
    """Choose one candidate for each bead.

    Parameters
    ----------
    how : {'random', 'min', 'boltzmann'}
        Any one not above the limit (the lowest where all are); the lowest energy; by exp(-E/kT)/density.
    energies : Tensor (B, K) or None
        kJ/mol; what is not a number counts as infinite.  Not needed by `random` without a limit.
    log_density : Tensor (B, K) or None
        Of the generator at the candidates, up to a constant for each bead; needed by `boltzmann`.
    kT : float or None
        kJ/mol; needed by `boltzmann`.
    uniform : Tensor (B,)
        Random numbers in (0, 1).
    limit : Tensor (B,), optional
        kJ/mol; used by `random`.
    candidates : int, optional
        K where there are no energies.

    Returns
    -------
    Tensor (B,), int64

    Raises
    ------
    ConfigError
        If what the choice needs is missing.
    """
    if energies is None:
        if how != "random" or candidates is None:
            raise ConfigError(f"the choice `{how}` needs energies; give the force field, or choose `random`")
        return (uniform.double() * candidates).long().clamp(max=candidates - 1)
    levels = torch.where(torch.isfinite(energies), energies.double(), torch.inf)
    lowest = levels.argmin(1)
    if how == "min":
        return lowest
    if how == "random":
        good = torch.isfinite(levels)
        good &= True if limit is None else levels <= limit.double()[:, None]
        return torch.where(good.any(1), _by_weight(good.double(), uniform), lowest)
    if log_density is None or kT is None:
        missing = "the generator's density" if log_density is None else "a temperature"
        raise ConfigError(
            f"the choice `boltzmann` needs {missing}: weighting by the energy alone would sample the square "
            "of the distribution; choose `random`"
        )
    weight = -levels / kT - log_density.double()
    weight = torch.where(torch.isfinite(weight), weight, -torch.inf)
    top = weight.amax(1, keepdim=True)
    return torch.where(
        torch.isfinite(top[:, 0]), _by_weight(torch.exp(weight - top).nan_to_num(), uniform), lowest
    )


def _by_weight(weights: Tensor, uniform: Tensor) -> Tensor:
    """Index (B,) drawn with probabilities in proportion to weights (B, K)."""
    sums = weights.cumsum(1)
    drawn = (sums <= uniform.double()[:, None] * sums[:, -1:]).sum(1)
    return drawn.clamp(max=weights.shape[1] - 1)
