"""What a bead sees in reference frames: the masks of the four streams, atom by atom, by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from msb.backmap.reference import ReferenceScene
from msb.backmap.voxel.streams import STREAMS
from msb.core.mapping import Mapping
from msb.core.scene import Phase, Tables
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from small_melt import BOX, butane, chain, placed, write_box

REACH = 0.9


@pytest.fixture(scope="module")
def melt(tmp_path_factory):
    """Two chains and two butanes: mapping, positions of one frame, beads."""
    molecules = [chain(4), chain(4), butane(), butane()]
    files = write_box(tmp_path_factory.mktemp("melt"), molecules)
    topology = read_topology(files.top)
    mapping = Mapping(read_mapping(files.mapping, topology), topology)
    positions = np.concatenate(placed(molecules))[None].astype(np.float32)
    return mapping, positions, np.asarray(mapping.beads(positions), dtype=np.float32)


def make(melt, how="rank"):
    mapping, positions, beads = melt
    return ReferenceScene.make(Tables.of(mapping), positions, beads, BOX[None], reach=REACH, how=how)


def wanted(scene, bead, phase):
    """Atoms that a bead sees, by the definition."""
    tables, turn = scene.tables, scene.turn[0]
    near = {bead, *(b for b in scene.near[0, bead].tolist() if b >= 0)}
    adjacent = {b for b in tables.adjacent[bead].tolist() if b >= 0}
    out = set()
    for atom in range(tables.n_atoms):
        owner, hydrogen = int(tables.owner[atom]), bool(tables.hydrogen[atom])
        if owner not in near:
            continue
        own, earlier = owner == bead, bool(turn[owner] < turn[bead])
        if phase.gibbs:
            hidden = (
                own and hydrogen
                if phase.atoms == "hydrogens"
                else own or (phase.hides and hydrogen and owner in adjacent)
            )
        elif phase.atoms == "heavy":
            hidden = hydrogen or not earlier
        elif phase.atoms == "hydrogens":
            hidden = hydrogen and not earlier
        else:
            hidden = not earlier
        if not hidden:
            out.add(atom)
    return out


@pytest.mark.parametrize("how", ["rank", "molecule", "colour"])
@pytest.mark.parametrize(
    "phase",
    [*(s.phase for s in STREAMS), Phase(False, "all", 9), Phase(True, "all", 9, hides=False)],
    ids=str,
)
def test_what_each_stream_sees(melt, phase, how):
    scene = make(melt, how)
    beads = torch.arange(scene.tables.n_beads)
    around = scene.around(torch.zeros_like(beads), beads, phase)
    for bead in beads.tolist():
        assert {a for a in around.atom[bead].tolist() if a >= 0} == wanted(scene, bead, phase)


def test_turns_are_a_permutation_and_the_first_sees_nothing(melt):
    scene = make(melt)
    assert scene.turn[0].sort().values.tolist() == list(range(scene.tables.n_beads))
    first = scene.turn[0].argmin()[None]
    assert (scene.around(torch.tensor([0]), first, STREAMS[0].phase).atom < 0).all()


def test_atoms_are_where_the_frame_has_them(melt):
    scene = make(melt)
    bead = torch.arange(scene.tables.n_beads)
    around = scene.around(torch.zeros_like(bead), bead, STREAMS[3].phase)
    rows, columns = (around.atom >= 0).nonzero(as_tuple=True)
    away = around.positions[rows, columns] - torch.from_numpy(melt[1][0])[around.atom[rows, columns]]
    shares = away.double() @ torch.from_numpy(np.linalg.inv(BOX))
    assert float((shares - shares.round()).abs().max()) < 1e-5
