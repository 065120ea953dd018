r"""The force-matching residual of a coarse-grained model, and what of it no model could avoid.

.. math::

    \chi^2 = \frac{1}{3N} \left\langle \sum_I |F_I^{CG}(R) - F_I^{AA}(r)|^2 \right\rangle
           = \mathrm{bias}^2 + \mathrm{Var}(F \mid R).

The second part, how all-atom forces scatter among atoms with the same beads, is there for the best of all
models; several all-atom samples a bead configuration tell the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.bootstrap import block_bootstrap
from msb.errors import TrajectoryError

__all__ = ["Estimate", "ForceMatching", "augmented_chi_squared", "chi_squared"]

_FEW = 4  # frames; fewer make no two blocks to draw from
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % block-bootstrap interval (NaN where there are fewer than four frames)."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Plain numbers, None for what is not known, fit for JSON."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: v if np.isfinite(v) else None for name, v in numbers.items()}


@dataclass(frozen=True)
class ForceMatching:
    """The residual of equation 6.4, whole and with the worst bead configurations left out.

    Attributes
    ----------
    chi2 : Estimate
        (kJ/mol/nm)^2.
    bias2, variance : Estimate or None
        Its parts, which sum to it: how far the CG force is from the mean all-atom force (may come out
        slightly negative), and how the all-atom force scatters at fixed beads.  None with one sample.
    trimmed, trimmed_bias2, trimmed_variance : Estimate or None
        The same without the (frame, bead) pairs of the largest residuals.
    limit : float
        Residual above which they are left out, (kJ/mol/nm)^2.
    trim : float
        Share of the pairs that is kept.
    n_frames, n_samples : int
    """

    chi2: Estimate
    trimmed: Estimate
    bias2: Estimate | None
    variance: Estimate | None
    trimmed_bias2: Estimate | None
    trimmed_variance: Estimate | None
    limit: float
    trim: float
    n_frames: int
    n_samples: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {
            name: value.to_dict() if isinstance(value, Estimate) else value
            for name, value in vars(self).items()
        }


@dataclass(frozen=True)
class _Parts:
    """Residual, bias and variance of every frame and bead (F, M), (kJ/mol/nm)^2, by component."""

    chi2: Floats
    bias2: Floats | None
    variance: Floats | None
    n_samples: int


def chi_squared(
    cg_forces: ArrayLike,
    bead_forces: ArrayLike,
    *,
    beads: NDArray[np.bool_] | None = None,
    trim: float = 0.99,
    blocks: int = 50,
    replicates: int = 200,
    seed: int = 0,
) -> ForceMatching:
    r"""Force-matching residual over one ensemble (thesis, equation 6.4).

    With S samples a frame, :math:`s^2 = \sum_s |F_s - \bar F|^2 / (S - 1)` is the variance and
    :math:`|F^{CG} - \bar F|^2 - s^2 / S` the square of the bias, both without bias of their own.

    Parameters
    ----------
    cg_forces : float array (F, M, 3)
        The CG model's forces at the beads of each frame, kJ/mol/nm.
    bead_forces : float array (F, M, 3) or (S, F, M, 3)
        All-atom forces on the beads, of one or several sets of atoms with these beads, kJ/mol/nm.
    beads : bool array (M,), optional
        Beads that count, those of a type for instance; default: all.
    trim : float
        Share of the (frame, bead) pairs that the trimmed residual keeps.
    blocks, replicates, seed : int
        Of the block bootstrap over frames.

    Returns
    -------
    ForceMatching

    Raises
    ------
    TrajectoryError
        Shapes do not fit, there is nothing to compare, or a force is not finite.

    References
    ----------
    W. G. Noid et al., J. Chem. Phys. 128, 244114 (2008).
    """
    parts = _parts(cg_forces, bead_forces, beads)
    if not 0.0 < trim <= 1.0:
        raise TrajectoryError(f"`trim` is the share that is kept, above 0 and up to 1, not {trim}")
    limit = float(np.quantile(parts.chi2, trim, method="inverted_cdf"))
    kept = parts.chi2 <= limit
    everything = np.ones_like(kept)

    def mean(values: Floats | None, mask: NDArray[np.bool_]) -> Estimate | None:
        return None if values is None else _estimate(values, mask, blocks, replicates, seed)

    chi2, trimmed = mean(parts.chi2, everything), mean(parts.chi2, kept)
    if chi2 is None or trimmed is None:
        raise TrajectoryError("there are no forces to compare")
    return ForceMatching(
        chi2=chi2,
        trimmed=trimmed,
        bias2=mean(parts.bias2, everything),
        variance=mean(parts.variance, everything),
        trimmed_bias2=mean(parts.bias2, kept),
        trimmed_variance=mean(parts.variance, kept),
        limit=limit,
        trim=trim,
        n_frames=len(parts.chi2),
        n_samples=parts.n_samples,
    )


def augmented_chi_squared(
    reference: ForceMatching, backmapped: ForceMatching, *, trimmed: bool = False
) -> Estimate:
    """Sum of the residuals over the all-atom ensemble and over the CG one, backmapped (equation 6.5).

    Parameters
    ----------
    reference : ForceMatching
        Over all-atom frames and their beads.
    backmapped : ForceMatching
        Over the CG model's own frames, with atoms put back.
    trimmed : bool
        Take the trimmed residuals.

    Returns
    -------
    Estimate
        (kJ/mol/nm)^2; the two ensembles' intervals are independent.
    """
    one, other = (part.trimmed if trimmed else part.chi2 for part in (reference, backmapped))
    value = one.value + other.value
    below = np.hypot(one.value - one.low, other.value - other.low)
    above = np.hypot(one.high - one.value, other.high - other.value)
    return Estimate(value, float(value - below), float(value + above))


def _parts(cg_forces: ArrayLike, bead_forces: ArrayLike, beads: NDArray[np.bool_] | None) -> _Parts:
    model = np.asarray(cg_forces, dtype=np.float64)
    atoms = np.asarray(bead_forces, dtype=np.float64)
    if atoms.ndim == model.ndim:
        atoms = atoms[None]
    if model.ndim != 3 or model.shape[-1] != 3 or atoms.shape[1:] != model.shape:
        raise TrajectoryError(
            f"forces of the CG model {model.shape} and of the atoms {atoms.shape} do not fit together: they "
            "must be (frames, beads, 3) and, with samples, (samples, frames, beads, 3)"
        )
    if beads is not None:
        model, atoms = model[:, beads], atoms[:, :, beads]
    if not atoms.size:
        raise TrajectoryError("there are no forces to compare: no frames, or no beads")
    for name, values in (("the CG model", model[None]), ("the atoms", atoms)):
        finite = np.isfinite(values).all(axis=(0, 2, 3))
        if not finite.all():
            raise TrajectoryError(f"forces of {name} are not finite in frame {int(np.argmin(finite))}")
    n = len(atoms)
    chi2 = np.square(model - atoms).mean(axis=(0, -1))
    if n == 1:
        return _Parts(chi2, None, None, 1)
    variance = atoms.var(axis=0, ddof=1).mean(axis=-1)
    return _Parts(chi2, chi2 - variance, variance, n)


def _estimate(values: Floats, mask: NDArray[np.bool_], blocks: int, replicates: int, seed: int) -> Estimate:
    """Mean over the pairs that count, with its interval over frames."""
    sums, counts = np.where(mask, values, 0.0).sum(axis=1), mask.sum(axis=1).astype(np.float64)

    def ratio(total: Floats, number: Floats) -> float:
        return float(total.sum() / max(number.sum(), 1.0))

    value = ratio(sums, counts)
    if len(values) < _FEW:
        return Estimate(value, float("nan"), float("nan"))
    low, high = block_bootstrap(ratio, sums, counts, blocks=blocks, replicates=replicates, seed=seed)
    return Estimate(value, float(low), float(high))
