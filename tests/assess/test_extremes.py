"""The largest forces: which bead, which neighbour, and the two molecules beside each other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from msb.assess.extremes import largest_forces, two_molecules, worst_of
from msb.assess.record import SetResult
from msb.core.box import wrap
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from toy_chains import chain, grown

EDGE = 3.0
BOX = np.diag([EDGE] * 3).astype(np.float32)


@pytest.fixture(scope="module")
def melt() -> tuple[Mapping, np.ndarray]:
    """Four short chains and a longer one, far apart, whole, with positions (N, 3)."""
    (short, short_map), (long, long_map) = chain(2), chain(3)
    topology = Topology(((short, 4), (long, 1)))
    rng = np.random.default_rng(0)
    places = np.array([[0.2, 0.2, 0.2], [1.5, 1.5, 0.3], [0.3, 1.5, 1.5], [1.5, 0.3, 1.5], [1.5, 1.5, 2.2]])
    parts = []
    for template, place in zip([short] * 4 + [long], places, strict=True):
        x = 0.15 * grown(template, np.ones(len(template.stereocentres)), rng)
        parts.append(x - x.mean(0) + place)
    return Mapping([short_map, long_map], topology), np.concatenate(parts)


def made(mapping: Mapping, beads: np.ndarray, forces: np.ndarray, box: bool = True) -> SetResult:
    topology = mapping.bead_topology()
    return SetResult(
        name="A",
        kind="generalisation",
        column="raw",
        frames=np.array([5, 8]),
        bead_forces=forces.astype(np.float32),
        beads=beads.astype(np.float32),
        bead_types=tuple(map(str, topology.atom_types)),
        molecule=np.asarray(topology.molecule_index),
        boxes=np.stack([BOX, BOX]) if box else None,
    )


def test_a_pushed_pair_comes_first(melt: tuple[Mapping, np.ndarray]) -> None:
    mapping, x = melt
    beads = np.stack([np.asarray(mapping.beads(x))] * 2)
    rng = np.random.default_rng(1)
    forces = rng.normal(size=beads.shape)
    first, second = 1, 5  # of molecules 0 and 1
    beads[1, second] = beads[1, first] + [0.1, 0, 0] + [EDGE, 0, 0]  # over the box
    forces[1, first], forces[1, second], forces[1, 0] = [900, 0, 0], [-800, 0, 0], [0, 700, 0]
    found = largest_forces(made(mapping, beads, forces), 6)
    top = found[0]
    assert (top.set, top.column, top.frame, top.sample) == ("A", "raw", 8, 0)
    assert (top.bead, top.molecule, top.partner, top.partner_molecule) == (first, 0, second, 1)
    assert (top.bead_type, top.partner_type) == ("S", "S")
    assert top.force == pytest.approx(900.0)
    assert top.distance == pytest.approx(0.1, abs=1e-6)
    assert found[1].force < 10, "the same two molecules in the same frame are named once"
    assert [own.force for own in found] == sorted((own.force for own in found), reverse=True)
    pairs = [(own.frame, frozenset((own.molecule, own.partner_molecule))) for own in found]
    assert len(set(pairs)) == len(pairs) == 6
    assert (
        "frame 8: the force on bead 2 (S, molecule 1) is 900 kJ/mol/nm; bead 6 (S, molecule 2) is 0.100 nm"
        in (top.sentence())
    )


def test_agrees_with_a_search_over_everything(melt: tuple[Mapping, np.ndarray]) -> None:
    mapping, _ = melt
    rng = np.random.default_rng(2)
    beads = rng.uniform(0, EDGE, size=(2, mapping.n_beads, 3))
    result = made(mapping, beads, rng.normal(size=beads.shape))
    for own in largest_forces(result, 1000):
        row = {5: 0, 8: 1}[own.frame]
        away = result.beads[row] - result.beads[row, own.bead]
        distances = np.linalg.norm(away - EDGE * np.round(away / EDGE), axis=1)
        distances[result.molecule == own.molecule] = np.inf
        assert own.partner == distances.argmin()
        assert own.distance == pytest.approx(distances.min(), abs=1e-6)
        assert own.force == pytest.approx(result.magnitudes[row, own.bead])


def test_what_is_not_finite_is_worst_of_all(melt: tuple[Mapping, np.ndarray]) -> None:
    mapping, x = melt
    beads = np.stack([np.asarray(mapping.beads(x))] * 2)
    forces = np.ones(beads.shape)
    forces[0, 3] = np.nan
    forces[1, 4] = 1e30  # its square is beyond single precision
    found = largest_forces(made(mapping, beads, forces), 3)
    assert (found[0].frame, found[0].bead, found[0].force) == (5, 3, np.inf)
    assert "not a finite number" in found[0].sentence()
    assert json.loads(json.dumps(found[0].to_dict()))["force"] is None
    assert (found[1].frame, found[1].bead) == (8, 4)
    assert found[1].force == pytest.approx(np.sqrt(3) * 1e30, rel=1e-6)


def test_a_single_molecule_has_no_neighbour() -> None:
    molecule, template = chain(2)
    mapping = Mapping([template], Topology.from_template(molecule))
    beads = np.random.default_rng(3).normal(size=(2, mapping.n_beads, 3))
    result = made(mapping, beads, beads, box=False)
    found = largest_forces(result, 10)
    assert [own.frame for own in found] in ([5, 8], [8, 5])  # one a frame
    assert (found[0].partner, found[0].partner_molecule) == (-1, -1)
    assert found[0].to_dict()["distance"] is None
    assert found[0].sentence().endswith("kJ/mol/nm.")
    x = np.random.default_rng(4).normal(size=(mapping.n_atoms, 3))
    pair = two_molecules(found[0], x, beads[0], None, mapping)
    assert (pair.topology.n_molecules, len(pair.atoms), len(pair.beads)) == (1, molecule.n_atoms, 4)
    np.testing.assert_allclose(pair.positions, x - beads[0, found[0].bead], atol=1e-6)


def test_lists_of_several_sets_are_merged(melt: tuple[Mapping, np.ndarray]) -> None:
    mapping, x = melt
    beads = np.stack([np.asarray(mapping.beads(x))] * 2)
    rng = np.random.default_rng(5)
    lists = [largest_forces(made(mapping, beads, s * rng.normal(size=beads.shape)), 4) for s in (1, 3)]
    merged = worst_of(lists, 5)
    assert list(merged) == sorted([*lists[0], *lists[1]], key=lambda own: -own.force)[:5]


@pytest.mark.parametrize("molecules", [(0, 1), (4, 2)])
def test_two_molecules_are_whole_and_beside_each_other(
    melt: tuple[Mapping, np.ndarray], molecules: tuple[int, int]
) -> None:
    mapping, x = melt
    topology, bead_topology = mapping.topology, mapping.bead_topology()
    x = x.copy()
    rows = [np.flatnonzero(topology.molecule_index == m) for m in molecules]
    chains = [np.flatnonzero(bead_topology.molecule_index == m) for m in molecules]
    # the second molecule moves to the first one's other side, through the box
    x[rows[1]] += x[rows[0]].mean(0) - x[rows[1]].mean(0) + [0.45, 0, 0] - [EDGE, EDGE, 0]
    beads = np.asarray(mapping.beads(x))
    forces = np.zeros((2, *beads.shape))
    forces[:, chains[0][0]] = [[1.0, 0, 0]]
    own = largest_forces(made(mapping, np.stack([beads, beads]), forces), 1)[0]
    assert (own.molecule, own.partner_molecule) == molecules
    cut = np.asarray(wrap(x + 0.013, BOX))  # molecules cut by the box
    pair = two_molecules(own, cut, beads + 0.013, BOX, mapping)
    np.testing.assert_array_equal(pair.atoms, np.concatenate(rows))
    np.testing.assert_array_equal(pair.beads, np.concatenate(chains))
    names = [
        list(map(str, topology.atom_names[pair.atoms])),
        list(map(str, bead_topology.atom_names[pair.beads])),
    ]
    assert [list(map(str, t.atom_names)) for t in (pair.topology, pair.bead_topology)] == names
    np.testing.assert_allclose(pair.bead_positions[0], 0.0, atol=1e-6)
    near = pair.bead_positions[len(chains[0]) + int(np.searchsorted(chains[1], own.partner))]
    assert np.linalg.norm(near) == pytest.approx(own.distance, abs=1e-5)
    # atoms map onto the beads: whole, and in the same images
    templates = [mapping.blocks[0 if m < 4 else 1].template for m in molecules]
    again = Mapping(templates if len(pair.topology.molecules) > 1 else templates[:1], pair.topology)
    np.testing.assert_allclose(again.beads(pair.positions), pair.bead_positions, atol=1e-5)
