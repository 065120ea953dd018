r"""The force field in a generator's loss: the papers' priors on the energies of what was generated.

C1 minimises the energies, :math:`\sum_t \lambda_t e_t(\hat\pi_I, N_I)`; C2 matches those of the reference,
:math:`\sum_t \lambda_t |e_t(\hat\pi_I, N_I) - e_t(\pi_I, N_I)|`.  The index t runs over kinds of energy
(bond, angle, dihedral, Lennard-Jones), :math:`\hat\pi_I` are the generated atoms of a bead, :math:`\pi_I`
those of the reference, :math:`N_I` the reference atoms around.

References
----------
M. Stieffenhofer, T. Bereau, M. Wand, APL Mater. 9, 031107 (2021), eqs. 9-11; thesis, eqs. 4.15-4.17.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from msb.backmap.energies import KINDS, CandidateEnergy
from msb.backmap.placer import Candidates
from msb.core.scene import Phase, Scene
from msb.errors import ConfigError

__all__ = ["Prior", "Regulariser", "regulariser"]

Prior = Literal["minimise", "match"]


def regulariser(
    generated: Mapping[str, Tensor],
    reference: Mapping[str, Tensor] | None,
    kind: Prior,
    weights: Mapping[str, float],
) -> dict[str, Tensor]:
    """Weigh the energies of generated beads, mean over beads and candidates.

    Parameters
    ----------
    generated : mapping of str to Tensor (B, K)
        By kind of energy, kJ/mol.
    reference : mapping of str to Tensor (B, K) or (B, 1), or None
        The same of the reference atoms; not needed by C1.
    kind : {'minimise', 'match'}
        C1 or C2.
    weights : mapping of str to float
        Of the kinds of energy, per kJ/mol; kinds without one are left out.

    Returns
    -------
    dict of str to Tensor ()
        Weighted terms, to be added to a loss.

    Raises
    ------
    ConfigError
        If a weight belongs to no kind of energy, or C2 has no reference.
    """
    unknown = sorted(set(weights) - set(generated))
    if unknown:
        raise ConfigError(
            f"no energies are called {', '.join(unknown)}; there are {', '.join(sorted(generated))}"
        )
    if kind == "minimise":
        return {name: weight * generated[name].mean() for name, weight in weights.items() if weight}
    if reference is None:
        raise ConfigError("to match energies takes those of the reference; give them, or minimise")
    return {
        name: weight * (generated[name] - reference[name]).abs().mean()
        for name, weight in weights.items()
        if weight
    }


@dataclass(frozen=True, eq=False)
class Regulariser:
    """A prior on the energies of generated atoms in the surroundings that the reference has.

    Attributes
    ----------
    energy : CandidateEnergy
        Soft where early structures would make hard spheres overflow.
    kind : {'minimise', 'match'}
    weights : mapping of str to float
        Of the kinds of energy, per kJ/mol.
    """

    energy: CandidateEnergy
    kind: Prior
    weights: Mapping[str, float]

    @classmethod
    def of(
        cls, energy: CandidateEnergy, kind: Prior, bonded: float, lj: float, coulomb: float = 0.0
    ) -> Regulariser:
        """Weigh all bonded terms alike, as the papers do."""
        weights = {"lj": lj, "coulomb": coulomb}
        return cls(energy, kind, {name: weights.get(name, bonded) for name in KINDS})

    def __call__(
        self,
        scene: Scene,
        phase: Phase,
        frame: Tensor,
        bead: Tensor,
        generated: Candidates,
        reference: Candidates,
    ) -> dict[str, Tensor]:
        """Weighted terms of the loss.

        Parameters
        ----------
        scene, phase, frame, bead
            As for the energies; the surroundings are the reference's.
        generated, reference : Candidates
            Of the same atoms.

        Returns
        -------
        dict of str to Tensor ()
            Differentiable in the generated positions.
        """
        made = self.energy.terms(scene, phase, frame, bead, generated)
        wanted = None
        if self.kind == "match":
            with torch.no_grad():
                wanted = self.energy.terms(scene, phase, frame, bead, reference)
        return regulariser(made, wanted, self.kind, self.weights)
