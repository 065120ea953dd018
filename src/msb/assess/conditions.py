"""Whether two ensembles can be compared at all: temperature, density, and which molecules there are."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from msb.core.box import volume
from msb.core.mapping import Mapping

__all__ = ["Conditions", "same_conditions"]

_KG_PER_M3 = 1.66053906660  # of one amu/nm^3
_SHARE = 0.01  # mole fraction by which mixtures may differ


@dataclass(frozen=True)
class Conditions:
    """What an ensemble was simulated at.

    Attributes
    ----------
    name : str
        For sentences.
    molecules : dict of (str, int) to int
        How many molecules there are, by name and number of beads.
    temperature : float or None
        K; None where it is not known.
    density : float or None
        Mean over the frames, kg/m^3; None without a box.
    """

    name: str
    molecules: MappingOf[tuple[str, int], int]
    temperature: float | None = None
    density: float | None = None

    @classmethod
    def of(
        cls, name: str, mapping: Mapping, boxes: ArrayLike | None, temperature: float | None = None
    ) -> Conditions:
        """Describe a set.

        Parameters
        ----------
        name : str
        mapping : Mapping
            Of the set; masses are those of its atoms.
        boxes : array_like (..., 3, 3) or None
            nm; zeros are no box.
        temperature : float, optional
            K.

        Returns
        -------
        Conditions
        """
        molecules: dict[tuple[str, int], int] = {}
        for block in mapping.blocks:
            kind = (block.template.molecule, block.template.n_beads)
            molecules[kind] = molecules.get(kind, 0) + block.count
        space = 0.0 if boxes is None else float(np.mean(volume(np.asarray(boxes, dtype=np.float64))))
        mass = float(np.sum(mapping.topology.masses))
        return cls(name, molecules, temperature, _KG_PER_M3 * mass / space if space > 0 else None)

    @property
    def shares(self) -> dict[tuple[str, int], float]:
        """Mole fraction of each kind of molecule."""
        total = sum(self.molecules.values())
        return {kind: count / total for kind, count in self.molecules.items()}


def same_conditions(
    reference: Conditions,
    model: Conditions,
    *,
    temperature_tolerance: float = 1.0,
    density_tolerance: float = 0.01,
) -> list[str]:
    """Say how the conditions of a CG model differ from those of the reference.

    What is not known of one of them does not differ.  The number of molecules may be any.

    Parameters
    ----------
    reference, model : Conditions
    temperature_tolerance : float
        K.
    density_tolerance : float
        Share of the reference's density.

    Returns
    -------
    list of str
        A sentence a difference, without a full stop; empty where there is none.
    """
    said = []
    warm, other = reference.temperature, model.temperature
    if warm is not None and other is not None and abs(other - warm) > temperature_tolerance:
        said.append(f"{model.name} is at {other:g} K, {reference.name} at {warm:g} K")
    dense, thin = reference.density, model.density
    if (dense is None) != (thin is None):
        with_box, without = (reference, model) if thin is None else (model, reference)
        said.append(f"{without.name} has no box, {with_box.name} has one")
    elif dense is not None and thin is not None and abs(thin / dense - 1.0) > density_tolerance:
        said.append(
            f"{model.name} has a density of {thin:.1f} kg/m³, {reference.name} {dense:.1f} kg/m³ "
            f"({100 * (thin / dense - 1.0):+.1f} %)"
        )
    return said + _molecules_differ(reference, model)


def _molecules_differ(reference: Conditions, model: Conditions) -> list[str]:
    ours, theirs = reference.shares, model.shares
    kinds = ours.keys() | theirs.keys()
    if all(abs(ours.get(kind, 0.0) - theirs.get(kind, 0.0)) <= _SHARE for kind in kinds):
        return []
    if len(ours) == len(theirs) == 1:
        (_, ends), (_, long) = next(iter(ours)), next(iter(theirs))
        if ends != long:
            return [
                f"molecules of {model.name} have {long} beads, those of {reference.name} {ends}: chain ends "
                "are not equally frequent"
            ]
    return [
        f"{model.name} has other molecules ({_listed(model)}) than {reference.name} ({_listed(reference)})"
    ]


def _listed(conditions: Conditions) -> str:
    return ", ".join(
        f"{100 * share:.3g} % {name} of {beads} beads" for (name, beads), share in conditions.shares.items()
    )
