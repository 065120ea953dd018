"""What is allowed: thresholds of every detector, and how near two elements may come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from msb.core.elements import NO_ELEMENT
from msb.core.template import MoleculeTemplate
from msb.io.configuration import StrictModel

__all__ = ["POLAR_HYDROGEN", "VAN_DER_WAALS_RADII", "Limits", "contact_distances", "contact_symbols"]

POLAR_HYDROGEN = "H+"
"""Stands for a hydrogen on N, O, S or a halogen, which force fields give next to no size."""

VAN_DER_WAALS_RADII: dict[str, float] = {
    "H": 0.110,
    "B": 0.192,
    "C": 0.170,
    "N": 0.155,
    "O": 0.152,
    "F": 0.147,
    "Si": 0.210,
    "P": 0.180,
    "S": 0.180,
    "Cl": 0.175,
    "Ge": 0.211,
    "As": 0.185,
    "Se": 0.190,
    "Br": 0.185,
    "Te": 0.206,
    "I": 0.198,
}
"""Radii in nm of the elements whose contacts are judged by size: A. Bondi, J. Phys. Chem. 68, 441 (1964); H
by R. S. Rowland and R. Taylor, J. Phys. Chem. 100, 7384 (1996); B and Ge by M. Mantina et al., J. Phys. Chem.
A 113, 5806 (2009)."""

_POLAR = ("N", "O", "F", "S", "Cl", "Br", "I")
_POLAR_RADIUS = 0.08  # nm; of a polar hydrogen towards what takes no part in hydrogen bonds


class Limits(StrictModel):
    """Thresholds; beyond one, something is a finding.

    The defaults find nothing in molecular dynamics at 568 K and are wide of thermal motion: they are for
    defects, not for taste.

    Attributes
    ----------
    temperature : float
        K; how wide thermal motion makes bonds and angles whose force constants are known.
    widths : float
        Bonds and angles may deviate from rest by this many thermal widths sqrt(kT/k), but no less and no more
        than the next limits say.
    bond_least, bond_most : float
        Bounds of the allowed deviation of a bond, shares of its length at rest.
    bond_typical : float
        Allowed deviation from the sum of covalent radii, a share, where nothing better is known of a bond.
    angle_least, angle_most, angle_typical : float
        The same for angles, degrees.
    broken : float
        A bond longer than this many lengths at rest holds nothing together: the molecule is broken.
    contact : float
        Atoms more than three bonds apart clash below this share of the sum of their van der Waals radii.
    hydrogen_bond : float
        nm; the same for H with N, O, F, S or a halogen, and for two H on such.
    ion : float
        nm; the same where an element has no van der Waals radius here (metals, ions).
    hand_majority : float
        Without wanted hands a stereocentre's hand is that of at least this share of the copies.
    hand_copies : int
        Copies of a molecule that are needed to speak of a majority.
    cis : float
        Degrees; a double or peptide bond is turned when its dihedral is farther than this from the side it
        should be on (0 or 180 degrees), or from both where either will do.
    largest_ring : int
        Atoms of the largest ring that nothing may pass through; wider ones (disulfide loops, crown ethers)
        may be threaded by right. 0 for rings of any size.
    bead : float
        nm; how far a mapped bead may be from the given one.
    energy : float
        kJ/mol per atom.
    """

    temperature: float = Field(default=600.0, gt=0)
    widths: float = Field(default=6.0, gt=0)
    bond_least: float = Field(default=0.1, gt=0)
    bond_most: float = Field(default=0.2, gt=0)
    bond_typical: float = Field(default=0.25, gt=0)
    angle_least: float = Field(default=25.0, gt=0)
    angle_most: float = Field(default=45.0, gt=0)
    angle_typical: float = Field(default=40.0, gt=0)
    broken: float = Field(default=2.0, gt=1)
    contact: float = Field(default=0.7, gt=0, le=1.2)
    hydrogen_bond: float = Field(default=0.12, ge=0)
    ion: float = Field(default=0.15, ge=0)
    hand_majority: float = Field(default=0.8, gt=0.5, le=1)
    hand_copies: int = Field(default=10, ge=2)
    cis: float = Field(default=60.0, gt=0, lt=90)
    largest_ring: int = Field(default=20, ge=0)
    bead: float = Field(default=0.02, gt=0)
    energy: float = Field(default=100.0)


def contact_distances(symbols: Sequence[str], limits: Limits) -> NDArray[np.float64]:
    """Return the least distances of elements that are not bonded.

    Parameters
    ----------
    symbols : sequence of str (K)
        Elements, or `POLAR_HYDROGEN`.
    limits : Limits
        Thresholds.

    Returns
    -------
    ndarray (K, K)
        nm, symmetric; 0 with beads and virtual sites, which do not clash.
    """
    table = np.zeros((len(symbols), len(symbols)))
    for i, one in enumerate(symbols):
        for j, other in enumerate(symbols):
            table[i, j] = _least(one, other, limits)
    return table


def _least(one: str, other: str, limits: Limits) -> float:
    if NO_ELEMENT in (one, other):
        return 0.0
    pair = {one, other}
    if pair == {POLAR_HYDROGEN} or (pair & {"H", POLAR_HYDROGEN} and pair & {*_POLAR}):
        return limits.hydrogen_bond
    radii = [VAN_DER_WAALS_RADII.get(symbol, _OTHERS.get(symbol)) for symbol in (one, other)]
    if radii[0] is None or radii[1] is None:
        return limits.ion
    return limits.contact * (radii[0] + radii[1])


_OTHERS = {POLAR_HYDROGEN: _POLAR_RADIUS}


def contact_symbols(template: MoleculeTemplate) -> list[str]:
    """Return the element of every atom, `POLAR_HYDROGEN` for hydrogens on N, O, S and halogens."""
    return [
        POLAR_HYDROGEN if e == "H" and any(template.elements[a] in _POLAR for a in around) else e
        for e, around in zip(template.elements, template.neighbours, strict=True)
    ]
