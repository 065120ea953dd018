"""Alkanes and cumene in OPLS-AA, from its parameters.

W. L. Jorgensen, D. S. Maxwell, J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225 (1996); aromatics: R. C. Rizzo,
W. L. Jorgensen, J. Am. Chem. Soc. 121, 4827 (1999). Electrostatics is a reaction field: the charges make
neutral groups, so what is beyond the cutoff is small.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from msb.core.template import Interaction, MoleculeTemplate

__all__ = ["CUTOFF", "DIELECTRIC", "alkane", "atom_types_text", "cumene", "molecule", "octane", "tetracosane"]

CUTOFF, DIELECTRIC = 1.0, 2.0
FUDGE = 0.5  # of interactions over three bonds
# name: atomic number, mass / amu, usual charge / e, sigma / nm, epsilon / kJ/mol
ATOM_TYPES = {
    "CT": (6, 12.011, 0.0, 0.350, 0.276144),
    "HC": (1, 1.008, 0.06, 0.250, 0.125520),
    "CA": (6, 12.011, -0.115, 0.355, 0.292880),
    "HA": (1, 1.008, 0.115, 0.242, 0.125520),
}
BONDS = {  # length / nm, constant / kJ/mol/nm^2
    ("CT", "CT"): (0.1529, 224262.4),
    ("CT", "HC"): (0.1090, 284512.0),
    ("CA", "CA"): (0.1400, 392459.2),
    ("CA", "CT"): (0.1510, 265265.6),
    ("CA", "HA"): (0.1080, 307105.6),
}
ANGLES = {  # equilibrium / degrees, constant / kJ/mol/rad^2
    ("CT", "CT", "CT"): (112.7, 488.273),
    ("CT", "CT", "HC"): (110.7, 313.8),
    ("HC", "CT", "HC"): (107.8, 276.144),
    ("CA", "CT", "CT"): (114.0, 527.184),
    ("CA", "CT", "HC"): (109.5, 292.88),
    ("CA", "CA", "CA"): (120.0, 527.184),
    ("CA", "CA", "CT"): (120.0, 585.76),
    ("CA", "CA", "HA"): (120.0, 292.88),
}
ALKANE_HYDROGEN = (0.6276, 1.8828, 0.0, -2.5104, 0.0, 0.0)
AROMATIC = (30.334, 0.0, -30.334, 0.0, 0.0, 0.0)
TORSIONS = {  # Ryckaert-Bellemans, kJ/mol; torsions about the bond between ring and side chain are free
    ("CT", "CT", "CT", "CT"): (2.9288, -1.4644, 0.2092, -1.6736, 0.0, 0.0),
    ("CT", "CT", "CT", "HC"): ALKANE_HYDROGEN,
    ("HC", "CT", "CT", "HC"): ALKANE_HYDROGEN,
    ("CA", "CT", "CT", "CT"): (2.9288, -1.4644, 0.2092, -1.6736, 0.0, 0.0),
    ("CA", "CT", "CT", "HC"): (0.9665, 2.89951, 0.0, -3.86601, 0.0, 0.0),
}
IMPROPER = (
    180.0,
    4.6024,
    2,
)  # of a ring atom's substituent: phase / degrees, constant / kJ/mol, multiplicity


def octane() -> MoleculeTemplate:
    """Return CH3-(CH2)6-CH3; see `alkane`."""
    return alkane("OCT", 8)


def tetracosane() -> MoleculeTemplate:
    """Return CH3-(CH2)22-CH3; see `alkane`."""
    return alkane("TCS", 24)


def alkane(name: str, carbons: int) -> MoleculeTemplate:
    """Return CH3-(CH2)n-CH3, every carbon before its hydrogens but the first hydrogen."""
    types = ["HC", "CT", "HC", "HC", *("CT", "HC", "HC") * (carbons - 2), "CT", "HC", "HC", "HC"]
    chain = [k for k, kind in enumerate(types) if kind == "CT"]
    bonds = list(pairwise(chain))
    light = [k for k, kind in enumerate(types) if kind == "HC" and k]
    bonds += [(0, 1), *((max(c for c in chain if c < h), h) for h in light)]
    charges = {c: -0.18 if c in (chain[0], chain[-1]) else -0.12 for c in chain}
    return molecule(name, types, bonds, charges)


def cumene() -> MoleculeTemplate:
    """Return isopropylbenzene: the ring from one ortho hydrogen round, then CH and its two CH3."""
    types = ["HA", "CA", "CA", "HA", "CA", "HA", "CA", "CA", "HA", "CA", "HA"]
    types += ["CT", "HC", "CT", "HC", "HC", "HC", "CT", "HC", "HC", "HC"]
    ring = [6, 1, 2, 4, 9, 7]  # the first carries the side chain
    bonds = [(ring[k], ring[(k + 1) % 6]) for k in range(6)]
    bonds += [(0, 1), (2, 3), (4, 5), (7, 8), (9, 10), (6, 11), (11, 12), (11, 13), (11, 17)]
    bonds += [(13, h) for h in (14, 15, 16)] + [(17, h) for h in (18, 19, 20)]
    return molecule("CUM", types, bonds, {11: 0.055, 13: -0.18, 17: -0.18})


def atom_types_text(rule: int = 3) -> str:
    """Return ``[ defaults ]`` and ``[ atomtypes ]``; 1-4 interactions are the molecules'.

    Parameters
    ----------
    rule : int
        Of combination: 3, geometric means, OPLS's own; 2, Lorentz and Berthelot's.
    """
    lines = ["[ defaults ]", "; nbfunc  comb-rule  gen-pairs  fudgeLJ  fudgeQQ"]
    lines += [f"1  {rule}  yes  {FUDGE}  {FUDGE}", "", "[ atomtypes ]"]
    lines.append("; name  number  mass  charge  ptype  sigma / nm  epsilon / kJ/mol")
    for name, (number, mass, charge, sigma, epsilon) in ATOM_TYPES.items():
        lines.append(f"{name:<4} {number} {mass:9.4f} {charge:8.4f}  A {sigma:8.4f} {epsilon:9.6f}")
    return "\n".join([*lines, ""])


def molecule(
    name: str, types: Sequence[str], bonds: Sequence[tuple[int, int]], charges: dict[int, float]
) -> MoleculeTemplate:
    """Return the template with all that follows from bonds, types and the charges that are not usual."""
    bonds = sorted((min(pair), max(pair)) for pair in bonds)
    bare = MoleculeTemplate.from_atoms(
        name,
        [f"{kind[0]}{k + 1}" for k, kind in enumerate(types)],
        bonds=bonds,
        atom_types=types,
        elements=[kind[0] for kind in types],
        masses=np.array([ATOM_TYPES[kind][1] for kind in types]),
        charges=[charges.get(k, ATOM_TYPES[kind][2]) for k, kind in enumerate(types)],
    )
    entries = [
        *(Interaction("bonds", tuple(b), 1, _known(BONDS, types, b)) for b in bonds),
        *(Interaction("pairs", tuple(pair), 1) for pair in bare.pairs14.tolist()),
        *(Interaction("angles", tuple(a), 1, _known(ANGLES, types, a)) for a in bare.angles.tolist()),
        *_torsions(types, bare),
    ]
    return MoleculeTemplate.from_atoms(
        name,
        bare.atom_names,
        bonds=bonds,
        atom_types=types,
        elements=bare.elements,
        masses=bare.masses,
        charges=bare.charges,
        interactions=entries,
    )


def _known(table: dict, types: Sequence[str], atoms: Sequence[int]) -> tuple[float, ...]:
    kinds = tuple(types[a] for a in atoms)
    return table.get(kinds) or table[kinds[::-1]]


def _torsions(types: Sequence[str], bare: MoleculeTemplate) -> list[Interaction]:
    found = []
    for quad in bare.dihedrals.tolist():
        middle = {types[quad[1]], types[quad[2]]}
        if middle == {"CA"}:
            found.append(Interaction("dihedrals", tuple(quad), 3, AROMATIC))
        elif middle == {"CT"}:
            found.append(Interaction("dihedrals", tuple(quad), 3, _known(TORSIONS, types, quad)))
    for centre, kind in enumerate(types):
        if kind == "CA":
            around = bare.neighbours[centre]
            ring = [a for a in around if types[a] == "CA"]
            [outside] = [a for a in around if types[a] != "CA"]
            found.append(Interaction("dihedrals", (ring[0], ring[1], centre, outside), 4, IMPROPER))
    return found
