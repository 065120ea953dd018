"""A trained network and chains of another length than its own: its force field is not theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.errors import ConfigError, MsbWarning
from msb.io.frames import Frames
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer
from msb.jobs.backmap.chains import chain_of
from msb.jobs.backmap.frame_maker import FrameMade
from msb.jobs.backmap.frame_task import FrameTask
from msb.jobs.backmap.setup import Prepared, Request, prepare

TOP, MAPPING = sample("polystyrene.top"), sample("polystyrene_mapping.yaml")
BEADS = 12  # the model's chains have 20


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first half of one of the bundled chains, as beads."""
    [(molecule, _)] = read_topology(TOP).molecules
    known = read_mapping(MAPPING, Topology(((molecule, 1),)))[molecule.name]
    shorter, beads = chain_of(molecule, known, BEADS)
    frame = open_trajectory(sample("polystyrene_beads.gro")).read()
    path = tmp_path_factory.mktemp("longer") / "beads.gro"
    mapping = Mapping({shorter.name: beads}, Topology(((shorter, 1),)))
    with open_writer(path, mapping.bead_topology()) as writer:
        writer.write(Frames(frame.positions[:, :BEADS], frame.boxes, None, 0))
    return path


def made(ready: Prepared) -> FrameMade:
    frame = ready.system.read(0)
    return ready.maker.make(FrameTask(0, frame.beads, frame.box, 0))


def test_the_models_force_field_is_not_taken_for_theirs(chain: Path) -> None:
    """Without a topology nothing is polished, and the draw says what it lacks."""
    ready = prepare(Request(chain, model="sps"))
    assert ready.polish == "none"
    assert any("no force field is known" in sentence for sentence in ready.said)
    with pytest.raises(ConfigError, match=r"give it \(--top topol.top\)"):
        made(ready)
    drawn = made(prepare(Request(chain, model="sps", sampling={"select": "random"})))
    assert drawn.examination.statistics["bead_deviation_max_nm"].max() < 1e-3


def test_a_topology_serves_the_draw(chain: Path) -> None:
    how = {"relax": "none", "polish": "none", "sampling": {"sweeps": 0}}
    with pytest.warns(MsbWarning, match="says 36 PS1"):
        ready = prepare(Request(chain, model="sps", top=TOP, mapping=(MAPPING,), **how))
    found = made(ready)
    assert found.examination.statistics["bead_deviation_max_nm"].max() < 1e-3
