"""Units: every atom in one, and the same in longer chains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msb.core.bead_groups import BeadGroup
from msb.core.fragments import LEVELS, bead_groups_of, units_of
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.errors import ConfigError
from toy_chains import chain


@given(st.integers(1, 9), st.sampled_from(["bead", "monomer", "molecule"]))
def test_every_atom_and_bead_is_in_one_unit(n: int, kind) -> None:
    molecule, mapping = chain(n)
    units = units_of(molecule, mapping, kind)
    assert sorted(np.concatenate([unit.atoms for unit in units]).tolist()) == list(range(molecule.n_atoms))
    assert sorted(bead for unit in units for bead in unit.beads) == list(range(mapping.n_beads))
    centres = sorted(centre for unit in units for centre in unit.centres)
    assert centres == list(range(len(molecule.stereocentres)))
    for number, unit in enumerate(units):
        for slot in unit.slots:
            assert number in units[slot].slots
        for own, slot, other in unit.junctions.tolist():
            assert other in molecule.neighbours[unit.atoms[own]]
            assert other in units[unit.slots[slot]].atoms


def test_monomers_are_main_chain_beads_with_their_side_beads() -> None:
    assert bead_groups_of(*chain(4)) == [(0, 1), (2, 3), (4, 5), (6, 7)]
    assert bead_groups_of(*chain(1)) == [(0, 1)]
    assert bead_groups_of(*chain(3), "bead") == [(bead,) for bead in range(6)]
    assert bead_groups_of(*chain(3), "molecule") == [tuple(range(6))]
    with pytest.raises(ConfigError, match="`chain`"):
        bead_groups_of(*chain(3), "chain")  # type: ignore[arg-type]


def test_beads_of_one_type_in_a_row_are_units_of_their_own() -> None:
    molecule = MoleculeTemplate.from_atoms("C8", ["C"] * 8, bonds=[(i, i + 1) for i in range(7)])
    groups = [BeadGroup(f"C{k}", (2 * k, 2 * k + 1), "C") for k in range(4)]
    mapping = MappingTemplate.from_mass(molecule, groups)
    assert bead_groups_of(molecule, mapping) == [(0,), (1,), (2,), (3,)]


def test_residues_are_units() -> None:
    molecule = MoleculeTemplate.from_atoms(
        "P",
        ["N", "C", "S", "N", "C", "S"],
        bonds=[(0, 1), (1, 2), (1, 3), (3, 4), (4, 5)],
        residue_index=[0, 0, 0, 1, 1, 1],
    )
    mapping = MappingTemplate.from_atoms(molecule, range(6))
    assert bead_groups_of(molecule, mapping) == [(0, 1, 2), (3, 4, 5)]


@given(st.integers(6, 9), st.integers(6, 9))
def test_a_longer_chain_has_the_same_units(short: int, long: int) -> None:
    one, other = (units_of(*chain(n)) for n in (short, long))
    for level in range(LEVELS):
        keys, theirs = ([unit.keys[level] for unit in units] for units in (one, other))
        assert set(keys) == set(theirs)
        assert keys[:3] == theirs[:3]
        assert keys[-3:] == theirs[-3:]
        inner = {key for key in keys[3:-3]}
        assert len(inner) <= 1
        assert len(set(keys)) == 5 - 2 * (level == 2)  # ends, next to ends, inner; ends alone differ at last


def test_which_atom_comes_first_tells_units_apart() -> None:
    """A unit whose atoms come in another order is another one: its atoms could not be matched."""
    molecule, mapping = chain(5)
    turned, other = chain(6)
    assert units_of(molecule, mapping)[2].keys == units_of(turned, other)[2].keys
    assert units_of(molecule, mapping)[0].keys[2] != units_of(turned, other)[2].keys[2]
