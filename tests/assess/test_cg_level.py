"""What beads alone show: nothing where nothing differs, a shift where there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from melt_case import Case, make_case

from msb.assess.cg_level import BeadFrames, compare_beads
from msb.core.topology import Topology


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("beads"), frames=8)


def frames(case: Case, name: str = "reference") -> BeadFrames:
    return BeadFrames(name, case.mapping.bead_topology(), case.beads, case.boxes)


def test_the_same_beads_differ_by_less_than_two_halves(case: Case) -> None:
    found = compare_beads(frames(case), frames(case, "same"))
    assert found.label == "same"
    assert not found.notes
    kinds = {own.quantity.kind for own in found.compared}
    assert kinds == {"bond", "angle", "dihedral", "rdf"}
    for own in found.compared:
        assert np.array_equal(own.reference, own.test)
        if own.quantity.kind == "rdf":
            assert own.l1 == pytest.approx(own.l1_floor)
        else:
            assert own.means[0] == own.means[1]


def test_longer_bonds_show(case: Case) -> None:
    stretched = replace(frames(case, "long"), positions=1.1 * case.beads)
    found = compare_beads(frames(case), stretched).compared
    bond = next(own for own in found if (own.quantity.kind, own.quantity.name) == ("bond", "B-V"))
    assert bond.means[1] == pytest.approx(1.1 * bond.means[0])
    assert bond.score is not None
    assert bond.score.excess > 0.1


def test_what_only_one_has_is_said(case: Case, tmp_path: Path) -> None:
    topology = frames(case).topology
    template, count = topology.molecules[1]
    only = Topology(((template, count),))
    rows = slice(topology.n_atoms - only.n_atoms, None)
    butanes = BeadFrames("butanes", only, case.beads[:, rows], None)
    found = compare_beads(frames(case), butanes)
    assert [own.quantity.kind for own in found.compared if own.quantity.kind != "rdf"] == ["bond"]
    assert any("only reference has them" in note and "B-V" in note for note in found.notes)
    assert all(own.l1 is None for own in found.compared)
