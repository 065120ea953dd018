"""Only chosen atoms move, beads are met, and what cannot work is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_ins import Exact, Well, particles, scattered

from msb.backmap.record import SamplerOptions
from msb.backmap.sampler import Sampler
from msb.core.bead_groups import BeadGroup
from msb.core.box import minimum_image, wrap
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.scene import Phase, Tables
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import ConfigError
from toy_chains import grown_system, random_hands, system

REACH = 0.6
BOX = np.array([[4.1, 0, 0], [0.5, 3.9, 0], [-0.4, 0.3, 4.0]])


@pytest.fixture(scope="module")
def grown():
    """Topology, mapping, positions (2, N, 3) of whole chains in a box of their own, boxes."""
    topology, mapping = system((3, 2), (2, 1))
    rng = np.random.default_rng(4)
    hands = np.concatenate([random_hands(m, rng) for m, count in topology.molecules for _ in range(count)])
    frames = np.stack([grown_system(topology, hands, rng) for _ in range(2)])
    boxes = np.stack([BOX, BOX]).astype(np.float32)
    return topology, mapping, frames, boxes


def sampler(mapping, **options):
    placer = Exact(REACH)
    return Sampler(placer, Tables.of(mapping), mapping, None, SamplerOptions(**{"sweeps": 1, **options}))


def test_beads_are_met_and_the_deviation_is_that_before(grown) -> None:
    _, mapping, positions, boxes = grown
    beads = mapping.beads(positions)
    raw = sampler(mapping, project=False).run(beads, boxes)
    made = sampler(mapping, settle=False).run(beads, boxes)
    assert np.abs(mapping.beads(made.positions) - beads).max() < 1e-5
    expected = np.linalg.norm(mapping.beads(raw.positions) - beads, axis=-1)
    np.testing.assert_allclose(made.deviation, expected, atol=1e-6)
    assert expected.max() > 1e-3
    assert made.converged.all()


def test_atoms_settle_before_each_sweep(grown) -> None:
    """A sweep begins on the beads: it then ends as one that is started from projected atoms."""
    _, mapping, positions, boxes = grown
    beads = mapping.beads(positions)
    made = sampler(mapping).run(beads, boxes, start=positions + 0.01)
    settled = mapping.project((positions + 0.01).astype(np.float32), beads.astype(np.float32)).positions
    plain = sampler(mapping, settle=False).run(beads, boxes, start=settled)
    np.testing.assert_allclose(made.positions, plain.positions, atol=1e-5)


def test_rigid_bonds_are_kept(grown) -> None:
    _, mapping, positions, boxes = grown
    bonds = np.array([[0, 1], [0, 2], [20, 21]])
    lengths = np.array([0.109, 0.11, 0.112])
    beads = mapping.beads(positions)
    one = sampler(mapping)
    one.constraints = (bonds, lengths)
    made = one.run(beads, boxes)
    found = np.linalg.norm(made.positions[:, bonds[:, 0]] - made.positions[:, bonds[:, 1]], axis=-1)
    np.testing.assert_allclose(found[made.converged], np.broadcast_to(lengths, found.shape)[made.converged],
                               atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("partly", [False, True])
def test_only_chosen_atoms_move(grown, wrapped: bool, partly: bool) -> None:
    _, mapping, positions, boxes = grown
    beads = mapping.beads(positions)
    start = wrap(positions, boxes) if wrapped else positions
    only = np.isin(mapping.owner, [2, 3, 9])
    if partly:
        only[np.flatnonzero(only)[::2]] = False
    made = sampler(mapping).run(beads, boxes, start=start, only=only)
    np.testing.assert_array_equal(made.positions[:, ~only], start[:, ~only])
    alone = mapping.owner[only] % 2 == 1  # a fluorine is a bead by itself: it stays
    assert (made.positions[:, only] != start[:, only])[:, ~alone].any(-1).all()
    away = np.linalg.norm(minimum_image(made.positions - start, boxes), axis=-1)
    assert away.max() < 0.6
    full = 2 * (3 + 1) * 2  # frames, beads with heavy atoms and with hydrogens, passes
    assert made.visits < full if partly else made.visits == full
    if not wrapped:
        assert np.abs(mapping.beads(made.positions) - beads).max() < 1e-4


def test_a_hole_is_filled(grown) -> None:
    """Atoms that are chosen need no position to begin with."""
    _, mapping, positions, boxes = grown
    only = mapping.owner == 4
    start = positions.copy()
    start[:, only] = np.nan
    made = sampler(mapping).run(mapping.beads(positions), boxes, start=start, only=only)
    assert np.isfinite(made.positions).all()


def test_what_is_not_seen_does_not_matter(grown) -> None:
    """Where only some beads are placed anew, the world ends at their reach."""
    _, mapping, positions, boxes = grown
    beads = mapping.beads(positions)
    only = mapping.owner == 0
    far = np.linalg.norm(minimum_image(beads[:, mapping.owner] - beads[:, :1], boxes), axis=-1).min(0) > REACH
    other = positions.copy()
    other[:, far] += 0.01
    made = [sampler(mapping, project=False).run(beads, boxes, start=x, only=only) for x in (positions, other)]
    assert far.any()
    np.testing.assert_array_equal(made[0].positions[:, only], made[1].positions[:, only])


def test_start_alone_goes_on_with_sweeps(grown) -> None:
    _, mapping, positions, boxes = grown
    beads = mapping.beads(positions)
    made = sampler(mapping, sweeps=2).run(beads, boxes, start=positions)
    assert made.passes == ["gibbs-heavy", "gibbs-hydrogens"] * 2
    assert len(made.stages) == 4
    none = sampler(mapping, sweeps=0, project=False).run(beads, boxes, start=positions)
    np.testing.assert_allclose(none.positions, positions, atol=1e-6)


def test_noise_is_that_of_seed_and_frame(grown) -> None:
    _, mapping, positions, boxes = grown
    beads = np.repeat(mapping.beads(positions)[:1], 3, axis=0)
    cells = np.repeat(boxes[:1], 3, axis=0)
    made = sampler(mapping).run(beads, cells, 7, np.array([3, 3, 4])).positions
    np.testing.assert_array_equal(made[0], made[1])
    assert np.abs(made[0] - made[2]).max() > 1e-3
    other = sampler(mapping).run(beads[:1], cells[:1], 8, np.array([3])).positions
    assert np.abs(made[0] - other[0]).max() > 1e-3


def test_without_a_box() -> None:
    _, mapping = system((2, 3))
    beads = scattered(mapping, 2, np.eye(3), np.random.default_rng(0))
    made = sampler(mapping).run(beads)
    assert np.abs(mapping.beads(made.positions) - beads).max() < 1e-5


class Forgetful(Exact):
    """Places no hydrogens."""

    def phases(self, sweeps: int) -> list[Phase]:
        return [Phase(False, "heavy", 0)]


def test_what_cannot_work_is_said(grown) -> None:
    _, mapping, positions, boxes = grown
    beads, tables = mapping.beads(positions), Tables.of(mapping)
    with pytest.raises(ConfigError, match="start"):
        sampler(mapping).run(beads, boxes, only=mapping.owner == 0)
    with pytest.raises(ConfigError, match="energies"):
        sampler(mapping, select="min")
    with pytest.raises(ConfigError, match="never placed"):
        Sampler(Forgetful(REACH), tables, mapping).run(beads, boxes)
    with pytest.raises(ConfigError, match="candidate"):
        SamplerOptions(candidates=0)
    single, well = particles(2)[1], Well()
    weighed = Sampler(well, Tables.of(single), single, well.energy, SamplerOptions(select="boltzmann"))
    with pytest.raises(ConfigError, match="temperature"):
        weighed.run(np.zeros((1, 2, 3)))
    well.log_density = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="density"):
        weighed.run(np.zeros((1, 2, 3)), temperature=300.0)


def test_a_partly_held_bead_takes_the_lower_energy() -> None:
    """Where some of its atoms may not move a bead has no density, and low energies are preferred."""
    _, mapping = system((1, 2))
    well = Well(reach=REACH)
    options = SamplerOptions(1, 16, "boltzmann", project=False)
    beads = scattered(mapping, 1, np.eye(3), np.random.default_rng(0))
    start = beads[:, mapping.owner].astype(np.float32)
    only = np.zeros(mapping.n_atoms, dtype=bool)
    only[:2] = True
    one = Sampler(well, Tables.of(mapping), mapping, well.energy, replace(options, dtype=torch.float32))
    made = one.run(beads, start=start, only=only, temperature=120.0)
    np.testing.assert_array_equal(made.positions[:, 2:], start[:, 2:])
    assert np.linalg.norm(made.positions[0, :2] - beads[0, 0], axis=-1).max() < 0.3


@pytest.mark.parametrize("partly", [False, True])
def test_candidates_are_moved_onto_their_bead(grown, partly: bool) -> None:
    """A bead of whole atoms moves as one, so that it is met before the final projection."""
    _, mapping, positions, boxes = grown
    beads = mapping.beads(positions)
    some = {"start": positions, "only": mapping.owner == 0} if partly else {}
    options = SamplerOptions(sweeps=0, project_candidates=True, project=False, dtype=torch.float64)
    plain = replace(options, project_candidates=False)
    raw = Sampler(Exact(REACH, True), Tables.of(mapping), mapping, None, plain)
    onto = Sampler(Exact(REACH, True), Tables.of(mapping), mapping, None, options)
    made, before = onto.run(beads, boxes, **some), raw.run(beads, boxes, **some)
    assert made.deviation.max() < 1e-6 < 1e-3 < before.deviation.max()
    if partly:
        moved = (made.positions - before.positions)[:, mapping.owner == 0]
        np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1], moved.shape), atol=1e-6)


def test_a_bead_that_shares_an_atom_is_met_by_its_own_atoms() -> None:
    names, bonds = ["C1", "C2", "C3", "C4"], [(0, 1), (1, 2), (2, 3)]
    molecule = MoleculeTemplate.from_atoms("BUT", names, bonds=bonds, elements=["C"] * 4)
    groups = [
        BeadGroup("A", (0, 1), fractions=(1.0, 0.5)),
        BeadGroup("B", (1, 2, 3), fractions=(0.5, 1.0, 1.0)),
    ]
    topology = Topology(((molecule, 3),))
    mapping = Mapping([MappingTemplate.from_mass(molecule, groups)], topology)
    beads = scattered(mapping, 2, np.eye(3), np.random.default_rng(5))
    options = SamplerOptions(sweeps=2, sweep_order="rank", project_candidates=True, project=False)
    made = Sampler(Exact(REACH, True), Tables.of(mapping), mapping, None, options).run(beads)
    assert made.deviation.max() < 1e-6
    with pytest.raises(ConfigError, match="as they were drawn"):
        replace(options, select="boltzmann")


class Counting(Exact):
    """Remembers how many candidates each kind of pass asked for."""

    def __init__(self, reach: float) -> None:
        super().__init__(reach)
        self.asked: dict[str, set[int]] = {}

    def place(self, scene, phase, frame, bead, draw, candidates):
        self.asked.setdefault(phase.atoms, set()).add(candidates)
        return super().place(scene, phase, frame, bead, draw, candidates)


def test_hydrogens_may_get_fewer_candidates(grown) -> None:
    _, mapping, positions, boxes = grown
    placer = Counting(REACH)
    options = SamplerOptions(sweeps=1, candidates=3, hydrogen_candidates=2)
    Sampler(placer, Tables.of(mapping), mapping, None, options).run(mapping.beads(positions), boxes)
    assert placer.asked.pop("hydrogens", {2}) == {2}
    assert placer.asked
    assert all(found == {3} for found in placer.asked.values())
    assert SamplerOptions(candidates=3).candidates_in(Phase(True, "hydrogens", 1)) == 3
    assert SamplerOptions(candidates=1, hydrogen_candidates=4).candidates_in(Phase(True, "hydrogens", 1)) == 1
