"""Frames of an assessment: which ones, whole, in the wanted order, and the forces that a TRR file holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assess_case import Case, write_case, write_frames
from msb.errors import ConfigError, TrajectoryError
from msb.io import open_trajectory
from msb.jobs.assess.frames import WholeFrames, chosen_frames
from msb.jobs.assess.request import AssessRequest, CGFiles, check_request
from small_melt import BOX, wrapped


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return write_case(tmp_path_factory.mktemp("frames"), 2)


@given(st.integers(1, 500), st.none() | st.integers(1, 600), st.integers(1, 20))
def test_frames_are_evenly_spread_and_each_once(n: int, most: int | None, stride: int) -> None:
    numbers = chosen_frames(n, most, stride)
    every = range(0, n, stride)
    assert len(numbers) == min(len(every), most or n)
    assert set(numbers.tolist()) <= set(every)
    assert (np.diff(numbers) > 0).all()
    if len(numbers) > 1:
        steps = np.diff(numbers)
        assert numbers[0] == 0
        assert numbers[-1] == every[-1]
        assert steps.max() - steps.min() <= stride


def test_molecules_cut_by_the_box_come_out_whole(case: Case, tmp_path: Path) -> None:
    topology = case.mapping.topology
    file = write_frames(tmp_path / "cut.trr", topology, wrapped(case.positions + 1.0))
    frames = WholeFrames(open_trajectory(file.with_suffix(".pdb"), file), topology, "the file")
    with pytest.warns(match="bonds of frame 0 cross the box; molecules are made whole"):
        box = frames.look()
    np.testing.assert_allclose(box, BOX, atol=1e-5)
    x, _ = frames(1)
    i, j = np.asarray(topology.bonds).T
    assert np.linalg.norm(x[i] - x[j], axis=1).max() < 0.2
    raw, _ = frames.raw(1)
    assert np.linalg.norm(raw[i] - raw[j], axis=1).max() > 1.0


def test_forces_are_read_where_a_trr_file_holds_them(case: Case, tmp_path: Path) -> None:
    from MDAnalysis.lib.formats.libmdaxdr import TRRFile

    topology = case.mapping.bead_topology()
    n = topology.n_atoms
    forces = np.random.default_rng(0).normal(0, 100, (2, n, 3)).astype(np.float32)
    path = tmp_path / "forces.trr"
    with TRRFile(str(path), "w") as file:
        for k in range(2):
            x = case.beads[k].astype(np.float32)
            file.write(x, None, forces[k], BOX.astype(np.float32), k, float(k), 0.0, n)
    order = np.arange(n)[::-1].copy()
    trajectory = open_trajectory(case.good.with_suffix(".pdb"), path)
    frames = WholeFrames(trajectory, topology, "the model", order)
    read = frames.forces_reader()
    assert read is not None
    np.testing.assert_array_equal(read(1), forces[1][order])
    plain = WholeFrames(open_trajectory(case.good.with_suffix(".pdb"), case.good), topology, "the model")
    assert plain.forces_reader() is None
    with pytest.raises(TrajectoryError, match="frame 0 has no forces"):
        plain.forces(0)


def test_a_request_needs_a_model_and_names_of_their_own() -> None:
    with pytest.raises(ConfigError, match="no CG model"):
        check_request(AssessRequest("aa.gro", method="fragment"))
    with pytest.raises(ConfigError, match="reference and in-distribution are taken"):
        check_request(AssessRequest("aa.gro", cg=(CGFiles("reference", "cg.gro"),), method="fragment"))
    with pytest.raises(ConfigError, match="leave out --from"):
        check_request(AssessRequest("aa.gro", cg=(CGFiles("a", "a.gro"),), model="m", snapshots=("b.gro",)))
