"""Atactic, isotactic or syndiotactic polystyrene in the force field of Mueller-Plathe, from its parameters.

All bonds are constrained in the simulations; the bond constant is a placeholder, as the published one.

F. Mueller-Plathe, Macromolecules 29, 4782 (1996).
"""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np

from msb.core.template import Interaction, MoleculeTemplate

__all__ = ["CUTOFF", "DIELECTRIC", "MONOMER", "atom_types_text", "polystyrene"]

CUTOFF, DIELECTRIC = 1.0, 2.5  # nm; of the reaction field
MONOMER = 16  # atoms
MASSES = {"C": 12.011, "H": 1.008}
# name: mass / amu, charge / e, sigma / nm, epsilon / kJ/mol
ATOM_TYPES = {
    "C": (12.011, 0.0, 0.3207, 0.3519),
    "C_AR": (12.011, -0.115, 0.3550, 0.2940),
    "H": (1.008, 0.0, 0.2318, 0.3180),
    "H_AR": (1.008, 0.115, 0.2420, 0.1260),
}
LENGTHS = {("C", "C"): 0.153, ("C", "H"): 0.110, ("C_AR", "C_AR"): 0.139, ("C_AR", "H_AR"): 0.108}
LENGTHS |= {("C", "C_AR"): 0.151}
BOND_CONSTANT = 10000.0  # kJ/mol/nm^2, placeholder
# equilibrium / degrees, constant / kJ/mol/rad^2
ANGLES = {
    ("H", "C", "H"): (109.45, 306.4),
    ("C", "C", "H"): (109.45, 366.9),
    ("C", "C", "C"): (109.45, 482.3),
    ("C_AR", "C", "H"): (109.45, 366.9),
    ("C", "C", "C_AR"): (109.45, 482.3),
    ("C", "C_AR", "C_AR"): (120.0, 376.6),
    ("C_AR", "C_AR", "C_AR"): (120.0, 376.6),
    ("C_AR", "C_AR", "H_AR"): (120.0, 418.8),
}
BACKBONE_TORSION = (0.0, 6.0, 3.0)  # phase / degrees, barrier constant / kJ/mol, multiplicity
RING_IMPROPER = (0.0, 167.4)  # degrees, kJ/mol/rad^2
RING_CHARGE = 0.115

_KINDS = ("H", "C", "H", "H", "C", "C_AR", *("C_AR", "H_AR") * 5)
_RING = (5, 6, 8, 10, 12, 14)  # carbons of the ring, the one on the backbone first
_RING_HYDROGENS = (7, 9, 11, 13, 15)


def polystyrene(monomers: int = 10) -> MoleculeTemplate:
    """Return a chain of CH2-CH(phenyl) monomers, its ends closed by one hydrogen each.

    The two end hydrogens are the last atoms. Atoms are called after their type and number.

    Parameters
    ----------
    monomers : int

    Returns
    -------
    MoleculeTemplate
        Called PS1, with bonds, angles, dihedrals, exclusions; one residue.

    Raises
    ------
    ValueError
        There is no monomer.
    """
    if monomers < 1:
        raise ValueError(f"a chain needs at least one monomer, not {monomers}")
    types = [*_KINDS * monomers, "H", "H"]
    bonds = _bonds(monomers)
    rings = [tuple(MONOMER * m + a for a in _RING) for m in range(monomers)]
    charges = [
        0.0 if not kind.endswith("_AR") or any(k == ring[0] for ring in rings) else
        (RING_CHARGE if kind == "H_AR" else -RING_CHARGE)
        for k, kind in enumerate(types)
    ]  # fmt: skip
    entries = [
        *(Interaction("bonds", b, 1, (_length(types, b), BOND_CONSTANT)) for b in bonds),
        *_angles(types, bonds),
        *_dihedrals(monomers),
        *(Interaction("exclusions", pair) for pair in _exclusions(monomers, bonds)),
    ]
    return MoleculeTemplate.from_atoms(
        "PS1",
        [f"{kind[0]}{k + 1}" for k, kind in enumerate(types)],
        bonds=bonds,
        atom_types=types,
        elements=[kind[0] for kind in types],
        masses=np.array([MASSES[kind[0]] for kind in types]),
        charges=charges,
        residue_names=["PS1"],
        residue_index=np.zeros(len(types), dtype=np.int64),
        interactions=entries,
        nrexcl=2,
    )


def atom_types_text() -> str:
    """Return ``[ defaults ]`` and ``[ atomtypes ]``: Lorentz-Berthelot, pairs beyond two bonds in full."""
    lines = ["[ defaults ]", "; nbfunc  comb-rule  gen-pairs  fudgeLJ  fudgeQQ", "1  2  no  1.0  1.0", ""]
    lines += ["[ atomtypes ]", "; name  number  mass  charge  ptype  sigma / nm  epsilon / kJ/mol"]
    for name, (mass, charge, sigma, epsilon) in ATOM_TYPES.items():
        number = 6 if name.startswith("C") else 1
        lines.append(f"{name:<6} {number} {mass:9.4f} {charge:8.4f}  A {sigma:8.4f} {epsilon:8.4f}")
    return "\n".join([*lines, ""])


def _bonds(monomers: int) -> list[tuple[int, int]]:
    """Bonded pairs, the smaller atom first."""
    found = []
    for start in range(0, MONOMER * monomers, MONOMER):
        own = [(0, 1), (1, 2), (1, 4), (3, 4), (4, 5)]
        own += [*pairwise(_RING), (_RING[0], _RING[-1]), *zip(_RING[1:], _RING_HYDROGENS, strict=True)]
        found += [(start + i, start + j) for i, j in own]
        if start:
            found.append((start - MONOMER + 4, start + 1))
    end = MONOMER * monomers
    return sorted([*found, (1, end), (end - MONOMER + 4, end + 1)])


def _length(types: list[str], bond: tuple[int, int]) -> float:
    first, second = sorted(types[a] for a in bond)
    return LENGTHS[first, second]


def _angles(types: list[str], bonds: list[tuple[int, int]]) -> list[Interaction]:
    """All angles between bonds."""
    around: dict[int, list[int]] = {k: [] for k in range(len(types))}
    for i, j in bonds:
        around[i].append(j)
        around[j].append(i)
    found = []
    for centre, others in around.items():
        for i, k in combinations(sorted(others), 2):
            kinds = (types[i], types[centre], types[k])
            parameters = ANGLES.get(kinds) or ANGLES[kinds[::-1]]
            found.append(Interaction("angles", (i, centre, k), 1, parameters))
    return found


def _dihedrals(monomers: int) -> list[Interaction]:
    """One torsion a backbone bond, the ends' through a hydrogen; twelve impropers a ring."""
    backbone = [a for m in range(monomers) for a in (MONOMER * m + 1, MONOMER * m + 4)]
    last = backbone[-1]
    path = [0, *backbone, last - 1]
    found = [
        Interaction("dihedrals", tuple(path[k : k + 4]), 1, BACKBONE_TORSION) for k in range(len(path) - 3)
    ]
    for start in range(0, MONOMER * monomers, MONOMER):
        ring = [start + a for a in _RING]
        outside = [start + 4, *(start + a for a in _RING_HYDROGENS)]
        for k in range(6):
            around = [ring[(k + n) % 6] for n in range(4)]
            found.append(Interaction("dihedrals", tuple(around), 2, RING_IMPROPER))
        for k, substituent in enumerate(outside):  # the ring atom, its neighbours, what stands on it
            before, after = ring[k - 1], ring[(k + 1) % 6]
            found.append(Interaction("dihedrals", (ring[k], after, before, substituent), 2, RING_IMPROPER))
    return found


def _exclusions(monomers: int, bonds: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pairs inside a ring more than two bonds apart: a ring does not see itself."""
    near = set(bonds)
    for shared in range(MONOMER * monomers):
        others = sorted({a for bond in bonds if shared in bond for a in bond} - {shared})
        near |= set(combinations(others, 2))
    found = []
    for start in range(0, MONOMER * monomers, MONOMER):
        ring = sorted(start + a for a in (*_RING, *_RING_HYDROGENS))
        found += [pair for pair in combinations(ring, 2) if pair not in near]
    return found
