"""TMBT in OPLS-AA: types, charges and every interaction that follows from the bonds.

Numbers are those of the ``oplsaa.ff`` that comes with GROMACS (Debian's gromacs-data), but for what
`BORROWED` and `OWN` name: W. L. Jorgensen, D. S. Maxwell, J. Tirado-Rives, J. Am. Chem. Soc. 118, 11225
(1996).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from msb.core.template import Interaction, MoleculeTemplate

__all__ = ["ATOM_TYPES", "BORROWED", "CHARGES", "OWN", "atom_types_text", "interactions", "kinds", "molecule"]

# bonded type: name, atomic number, mass / amu, charge / e, sigma / nm, epsilon / kJ/mol
ATOM_TYPES = {
    "CA": ("opls_145", 6, 12.011, -0.115, 0.355, 0.29288),
    "C!": ("opls_145B", 6, 12.011, -0.115, 0.355, 0.29288),
    "HA": ("opls_146", 1, 1.008, 0.115, 0.242, 0.12552),
    "NC": ("opls_641", 7, 14.0067, -0.951, 0.325, 0.71128),
    "CQ": ("opls_642", 6, 12.011, 0.965, 0.355, 0.29288),
}
# e; a ring's carbon and the hydrogen that it lost are one, so that every ring is neutral
CHARGES = {"CA": -0.115, "C!": 0.0, "HA": 0.115, "NC": -0.951, "CQ": 0.951}
BONDS = {  # length / nm, constant / kJ/mol/nm^2
    ("CA", "CA"): (0.1400, 392459.2),
    ("C!", "CA"): (0.1400, 392459.2),
    ("C!", "C!"): (0.1460, 322168.0),
    ("C!", "CQ"): (0.1460, 322168.0),
    ("CQ", "NC"): (0.1324, 420073.6),
    ("CA", "HA"): (0.1080, 307105.6),
}
ANGLES = {  # equilibrium / degrees, constant / kJ/mol/rad^2
    ("CA", "CA", "CA"): (120.0, 527.184),
    ("CA", "C!", "CA"): (120.0, 527.184),
    ("C!", "C!", "CA"): (120.0, 527.184),
    ("C!", "CA", "CA"): (120.0, 527.184),
    ("C!", "CA", "C!"): (120.0, 527.184),
    ("CA", "C!", "CQ"): (120.0, 527.184),
    ("CA", "CA", "HA"): (120.0, 292.880),
    ("C!", "CA", "HA"): (120.0, 292.880),
    ("C!", "CQ", "NC"): (115.5, 585.760),
    ("NC", "CQ", "NC"): (129.1, 585.760),
    ("CQ", "NC", "CQ"): (118.6, 585.760),
}
AROMATIC = (30.334, 0.0, -30.334, 0.0, 0.0, 0.0)  # Ryckaert-Bellemans, kJ/mol: about a ring's bond
BETWEEN = 7.2  # kJ/mol times sin^2 phi, each of the four torsions about a bond between rings
IMPROPER = (180.0, 4.6024, 2)  # phase / degrees, constant / kJ/mol, multiplicity: improper_Z_CA_X_Y
#: What oplsaa.ff has no line for, and whose line it takes.
BORROWED = {
    ("C!", "CQ"): ("C!", "C!"),
    ("C!", "CA", "C!"): ("CA", "CA", "CA"),
    ("CA", "C!", "CQ"): ("C!", "C!", "CA"),
    ("C!", "CQ", "NC"): ("CT", "CQ", "NC"),
}
#: Torsions that oplsaa.ff has nothing for: of biphenyl (`torsions.py`), and used for the triazine too.
OWN = (("CA", "C!", "C!", "CA"), ("CA", "C!", "CQ", "NC"))


def atom_types_text() -> str:
    """Return ``[ defaults ]`` and ``[ atomtypes ]``: geometric means, half of everything over three bonds."""
    lines = ["[ defaults ]", "; nbfunc  comb-rule  gen-pairs  fudgeLJ  fudgeQQ", "1  3  yes  0.5  0.5", ""]
    lines += ["[ atomtypes ]", "; name  number  mass  charge  ptype  sigma / nm  epsilon / kJ/mol"]
    for name, number, mass, charge, sigma, epsilon in ATOM_TYPES.values():
        lines.append(f"{name:<10} {number} {mass:9.4f} {charge:8.4f}  A {sigma:8.4f} {epsilon:9.6f}")
    return "\n".join([*lines, ""])


def kinds(elements: Sequence[str], bonds: Sequence[tuple[int, int]]) -> list[str]:
    """Return the bonded type of every atom of phenyl and triazine rings.

    Parameters
    ----------
    elements : sequence of str
    bonds : sequence of (int, int)

    Raises
    ------
    ValueError
        A carbon is neither of benzene, of a bond between rings, nor of triazine.
    """
    around: dict[int, list[str]] = {k: [] for k in range(len(elements))}
    for i, j in bonds:
        around[i].append(elements[j])
        around[j].append(elements[i])
    carbons = {"CCH": "CA", "CCC": "C!", "CNN": "CQ"}
    found = []
    for k, element in enumerate(elements):
        beside = "".join(sorted(around[k]))
        known = {"H": "HA", "N": "NC"}.get(element) or carbons.get(beside)
        if known is None:
            raise ValueError(f"atom {k + 1}: a {element} bonded to {beside} is of no type known here")
        found.append(known)
    return found


def molecule(
    name: str, elements: Sequence[str], bonds: Sequence[tuple[int, int]], labels: Sequence[str] | None = None
) -> MoleculeTemplate:
    """Return the typed molecule.

    Parameters
    ----------
    name : str
    elements : sequence of str
    bonds : sequence of (int, int)
    labels : sequence of str, optional
        Of atoms; element and number by default.
    """
    types = kinds(elements, bonds)
    given = {
        "atom_types": [ATOM_TYPES[kind][0] for kind in types],
        "elements": list(elements),
        "masses": np.array([ATOM_TYPES[kind][2] for kind in types]),
        "charges": [CHARGES[kind] for kind in types],
        "bonds": sorted((min(pair), max(pair)) for pair in bonds),
    }
    labels = labels or [f"{element}{k + 1}" for k, element in enumerate(elements)]
    bare = MoleculeTemplate.from_atoms(name, labels, **given)
    return MoleculeTemplate.from_atoms(name, labels, **given, interactions=interactions(bare, types))


def interactions(bare: MoleculeTemplate, types: Sequence[str]) -> list[Interaction]:
    """Return bonds, pairs, angles, torsions and the planes of the rings.

    Parameters
    ----------
    bare : MoleculeTemplate
    types : sequence of str
        As `kinds` gives them.
    """
    rings = [set(ring) for ring in bare.rings]
    between = (BETWEEN, 0.0, -BETWEEN, 0.0, 0.0, 0.0)
    entries = [Interaction("bonds", tuple(b), 1, _known(BONDS, types, b)) for b in bare.bonds.tolist()]
    entries += [Interaction("pairs", tuple(pair), 1) for pair in bare.pairs14.tolist()]
    entries += [Interaction("angles", tuple(a), 1, _known(ANGLES, types, a)) for a in bare.angles.tolist()]
    for quad in bare.dihedrals.tolist():
        ring = any({quad[1], quad[2]} <= own for own in rings)
        entries.append(Interaction("dihedrals", tuple(quad), 3, AROMATIC if ring else between))
    for centre, around in enumerate(bare.neighbours):
        if len(around) != 3:
            continue
        [own] = [ring for ring in rings if centre in ring]
        inside = [a for a in around if a in own]
        [outside] = [a for a in around if a not in own]
        entries.append(Interaction("dihedrals", (*inside, centre, outside), 4, IMPROPER))
    return entries


def _known(table: dict, types: Sequence[str], atoms: Sequence[int]) -> tuple[float, ...]:
    names = tuple(types[a] for a in atoms)
    return table.get(names) or table[names[::-1]]
