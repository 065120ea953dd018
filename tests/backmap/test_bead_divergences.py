"""Divergences of beads placed in reference environments: near zero for the reference, growing with error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from msb.backmap.divergences import Divergences
from msb.backmap.placer import Candidates
from msb.backmap.reference import ReferenceScene
from msb.backmap.voxel.streams import STREAMS
from msb.core.mapping import Mapping
from msb.core.scene import Tables
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.data.snapshots import load_snapshots
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology


class Echo:
    """Puts atoms where the reference has them, shaken by so many nm."""

    reach = 0.9

    def __init__(self, shake: float = 0.0) -> None:
        self.shake = shake
        self.seen: list[str] = []

    def place(self, scene, phase, frame, bead, draw, candidates):
        atoms = scene.tables.placed_in(phase, bead)
        positions = scene.positions[frame[:, None], atoms.clamp(min=0)]
        self.seen.append(phase.atoms)
        noise = torch.stack([draw.normal(frame, bead, atoms.shape[1], slot) for slot in range(3)], -1)
        return Candidates(atoms, (positions + self.shake * noise)[:, None])


@pytest.fixture(scope="module")
def melt():
    """Six chains of the bundled melt, two frames, without a box."""
    whole = read_topology(sample("polystyrene.top"))
    chain = whole.molecules[0][0]
    files = [sample("polystyrene_snapshot.gro"), sample("polystyrene_reference.xtc")]
    positions = load_snapshots(files, whole, "polystyrene_mapping.yaml").positions[:2, : 6 * chain.n_atoms]
    topology = Topology(((chain, 6),))
    mapping = Mapping(read_mapping(sample("polystyrene_mapping.yaml"), topology), topology)
    return topology, ReferenceScene.make(Tables.of(mapping), positions, mapping.beads(positions), reach=0.9)


def test_they_grow_with_the_error(melt):
    divergences = Divergences(*melt, [stream.phase for stream in STREAMS], beads=64)
    figures = [divergences.figures(Echo(shake)) for shake in (0.0, 0.003, 0.01, 0.03, 0.1)]
    scores = [f["score"] for f in figures]
    assert scores == sorted(scores)
    assert scores[0] < 0.02
    assert scores[-1] > 0.3
    assert figures[0]["bond_rms"] < 1e-3
    assert figures[2]["bond_rms"] == pytest.approx(0.01 * 2**0.5, rel=0.25)  # one or both ends shaken
    assert {"js_bonds", "js_angles", "js_dihedrals", "bond_rms", "score"} == figures[0].keys()


def test_they_are_the_same_every_time(melt):
    phases = [STREAMS[2].phase]
    first, second = (Divergences(*melt, phases, beads=32).figures(Echo(0.02)) for _ in range(2))
    assert first == second


def test_only_terms_of_what_was_seen_count(melt):
    """Heavy atoms shaken by nothing but hydrogens left where they are not: hydrogens are in no heavy term."""
    topology, scene = melt
    torn = scene.positions.clone()
    torn[:, scene.tables.hydrogen] += 5.0
    moved = ReferenceScene(**{**vars(scene), "positions": torn})
    divergences = Divergences(topology, scene, [STREAMS[0].phase], beads=64)
    whole = divergences.figures(Echo())
    divergences.scene = moved
    assert divergences.figures(Echo()) == whole


def test_what_is_not_a_number_scores_badly(melt):
    divergences = Divergences(*melt, [STREAMS[0].phase], beads=16)
    assert divergences.figures(Echo(float("nan")))["score"] > 0.3


def test_every_bead_at_most_once_a_frame(melt):
    rows = Divergences(*melt, [STREAMS[1].phase], beads=10_000).rows[0]
    pairs = np.stack([rows.frame, rows.bead])
    assert len(np.unique(pairs, axis=1).T) == pairs.shape[1] == 2 * 120
