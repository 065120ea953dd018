"""Molecules and mappings that the tests of mapping and projection share."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from msb.core.bead_groups import BeadGroup
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate


def chain(n: int, masses: np.ndarray | None = None) -> MoleculeTemplate:
    """A chain of n atoms A1, A2, ... in one residue."""
    return MoleculeTemplate.from_atoms(
        "CHAIN",
        [f"A{i + 1}" for i in range(n)],
        bonds=[(i, i + 1) for i in range(n - 1)],
        elements=["C"] * n,
        masses=np.full(n, 12.0) if masses is None else masses,
    )


def dipeptide() -> MoleculeTemplate:
    """Alanine dipeptide, atom names that repeat between residues."""
    names = [
        "H1",
        "CH3",
        "H2",
        "H3",
        "C",
        "O",
        "N",
        "H",
        "CA",
        "HA",
        "CB",
        "HB1",
        "HB2",
        "HB3",
        "C",
        "O",
        "N",
        "H",
        "C",
        "H1",
        "H2",
        "H3",
    ]
    parents = [1, None, 1, 1, 1, 4, 4, 6, 6, 8, 8, 10, 10, 10, 8, 14, 14, 16, 16, 18, 18, 18]
    bonds = [(parent, atom) for atom, parent in enumerate(parents) if parent is not None]
    return MoleculeTemplate.from_atoms(
        "ADP",
        names,
        bonds=bonds,
        elements=[name[0] for name in names],
        residue_index=[0] * 6 + [1] * 10 + [2] * 6,
        residue_names=("ACE", "ALA", "NME"),
    )


BACKBONE = (4, 6, 8, 10, 14, 16)


@st.composite
def mappings(draw: st.DrawFn, shared: bool = True) -> MappingTemplate:
    """Mappings of random chains: by mass, by geometry or with weights given; with shared atoms or not."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    gap = draw(st.integers(0, 2))
    n = sum(sizes) + gap
    masses = np.array(draw(st.lists(st.floats(1.0, 40.0), min_size=n, max_size=n)))
    molecule = chain(n, masses)
    order = draw(st.permutations(range(n)))
    groups, first = [], 0
    for bead, size in enumerate(sizes):
        atoms = list(order[first : first + size])
        first += size
        if shared and bead and size > 1 and draw(st.booleans()):
            atoms.append(order[first - size - 1])  # one atom of the bead before
        weights = tuple(draw(st.lists(st.floats(0.1, 5.0), min_size=len(atoms), max_size=len(atoms))))
        groups.append(BeadGroup(f"B{bead + 1}", tuple(atoms), weights=weights))
    ways = [MappingTemplate.from_mass, MappingTemplate.from_geometry, MappingTemplate.given]
    make = draw(st.sampled_from(ways))
    return make(molecule, groups, unlisted="nearest")
