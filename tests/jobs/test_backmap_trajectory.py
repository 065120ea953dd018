"""The streaming job: chunks never show, a killed run ends in the same bytes, errors are sentences."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msb.errors import MappingError, MsbError, MsbWarning, TrajectoryError
from msb.io import Frames, open_trajectory, open_writer
from msb.jobs.backmap.trajectory import BackmapSettings, backmap_trajectory

from stub_backmapper import StubBackmapper, bead_frames

N_FRAMES = 23


@pytest.fixture(scope="module")
def model() -> StubBackmapper:
    return StubBackmapper.make()


@pytest.fixture(scope="module")
def beads(tmp_path_factory: pytest.TempPathFactory, model: StubBackmapper) -> Path:
    return write_beads(tmp_path_factory.mktemp("beads") / "cg.xtc", model)


def write_beads(path: Path, model: StubBackmapper, n_frames: int = N_FRAMES, step: float = 1.0) -> Path:
    with open_writer(path, model.mapping.bead_topology(), timestep=step) as writer:
        writer.write(Frames(bead_frames(n_frames), None, step * np.arange(n_frames, dtype=np.float64)))
    return path


def run(model: StubBackmapper, beads: Path, output: Path, **options: object) -> bytes:
    backmap_trajectory(model, beads.with_suffix(".pdb"), beads, output, BackmapSettings(**options))
    return output.read_bytes()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunk=st.integers(1, 40), segments=st.sampled_from([1, 2, 5, 23]))
def test_chunks_never_change_a_byte(
    model: StubBackmapper, beads: Path, tmp_path: Path, chunk: int, segments: int
) -> None:
    whole = run(model, beads, tmp_path / "whole.xtc", segments=segments, chunk=10_000)
    assert run(model, beads, tmp_path / "cut.xtc", segments=segments, chunk=chunk) == whole


def test_one_segment_is_the_model_called_once(model: StubBackmapper, beads: Path, tmp_path: Path) -> None:
    run(model, beads, tmp_path / "aa.trr", seed=5, chunk=4)
    given_beads = open_trajectory(beads.with_suffix(".pdb"), beads).read().positions
    expected = model.backmap(given_beads, seed=5)
    written = open_trajectory(tmp_path / "aa.pdb", tmp_path / "aa.trr").read()
    assert np.abs(written.positions - expected).max() < 1e-6
    assert np.array_equal(written.times, np.arange(N_FRAMES))


def test_segments_start_by_themselves(model: StubBackmapper, beads: Path, tmp_path: Path) -> None:
    run(model, beads, tmp_path / "aa.trr", seed=5, segments=2)
    given_beads = open_trajectory(beads.with_suffix(".pdb"), beads).read().positions
    second = model.backmap(given_beads[12:], seed=5, frames=np.arange(12, N_FRAMES))
    written = open_trajectory(tmp_path / "aa.pdb", tmp_path / "aa.trr").read(12, N_FRAMES).positions
    assert np.abs(written - second).max() < 1e-6


def test_seeds_differ_and_samples_are_seeds(model: StubBackmapper, beads: Path, tmp_path: Path) -> None:
    result = backmap_trajectory(
        model, beads.with_suffix(".pdb"), beads, tmp_path / "aa.xtc", BackmapSettings(seed=3, samples=2)
    )
    assert [path.name for path in result.outputs] == ["aa_s1.xtc", "aa_s2.xtc"]
    single = [run(model, beads, tmp_path / f"single{seed}.xtc", seed=seed) for seed in (3, 4)]
    assert [path.read_bytes() for path in result.outputs] == single
    assert single[0] != single[1]


class Interrupted(StubBackmapper):
    """Fails after some calls, as a full disk or a power cut would."""

    left = 0

    def backmap(self, *arguments: object, **keywords: object) -> np.ndarray:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return super().backmap(*arguments, **keywords)


@pytest.mark.parametrize("calls", [0, 1, 3])
@pytest.mark.parametrize("segments", [1, 3])
def test_a_resumed_run_gives_the_same_bytes(
    model: StubBackmapper, beads: Path, tmp_path: Path, calls: int, segments: int
) -> None:
    whole = run(model, beads, tmp_path / "whole.xtc", segments=segments)
    broken = Interrupted.make()
    broken.left = calls
    with pytest.raises(KeyboardInterrupt):
        run(broken, beads, tmp_path / "cut.xtc", segments=segments, chunk=6)
    assert not (tmp_path / "cut.xtc").exists()
    with pytest.raises(TrajectoryError, match="--resume"):
        run(model, beads, tmp_path / "cut.xtc", segments=segments, chunk=6)
    with pytest.raises(TrajectoryError, match="seed"):
        run(model, beads, tmp_path / "cut.xtc", segments=segments, seed=1, resume=True)
    assert run(model, beads, tmp_path / "cut.xtc", segments=segments, chunk=9, resume=True) == whole


class Slow(StubBackmapper):
    """Takes its time, so that a kill finds it at work."""

    def backmap(self, *arguments: object, **keywords: object) -> np.ndarray:
        time.sleep(0.004)
        return super().backmap(*arguments, **keywords)


def test_kill_at_random_moments(model: StubBackmapper, tmp_path: Path) -> None:
    beads = write_beads(tmp_path / "cg.xtc", model, 120)
    whole = run(model, beads, tmp_path / "whole.xtc", segments=2)
    output, killed, slow = tmp_path / "killed.xtc", 0, Slow.make()
    rng = np.random.default_rng(0)
    for _ in range(10):
        child = os.fork()  # the same run in a process of its own, without starting Python again
        if child == 0:
            try:
                run(slow, beads, output, chunk=1, segments=2, resume=True)
            finally:
                os._exit(0)
        time.sleep(float(rng.uniform(0.0, 0.12)))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert killed >= 3
    assert run(slow, beads, output, chunk=1, segments=2, resume=True) == whole
    assert not output.with_name("killed.xtc.parts").exists()


def test_beads_in_another_order_are_matched_by_residue_and_name(
    model: StubBackmapper, beads: Path, tmp_path: Path
) -> None:
    order = np.array([5, 3, 0, 2, 4, 1])
    universe = model.mapping.bead_topology().to_universe()
    given_beads = open_trajectory(beads.with_suffix(".pdb"), beads).read()
    with open_writer(tmp_path / "cg.xtc", universe.atoms[order]) as writer:
        writer.write(Frames(given_beads.positions[:, order], None, given_beads.times))
    with pytest.warns(MsbWarning, match="another order.*matched by residue and name"):
        shuffled = run(model, tmp_path / "cg.xtc", tmp_path / "aa.xtc")
    assert shuffled == run(model, beads, tmp_path / "straight.xtc")


def test_frame_spacing(model: StubBackmapper, beads: Path, tmp_path: Path) -> None:
    slow = write_beads(tmp_path / "slow.xtc", model, 5, step=2.0)
    with pytest.raises(TrajectoryError, match=r"2 ps apart, the model was trained on 1 ps.*--lag 1"):
        run(model, slow, tmp_path / "aa.xtc")
    assert run(model, slow, tmp_path / "aa.xtc", lag=1.0)
    with pytest.raises(TrajectoryError, match=r"--lag says that the frames are 3 ps apart"):
        run(model, beads, tmp_path / "aa2.xtc", lag=3.0)
    dcd = write_beads(tmp_path / "cg.dcd", model)
    with pytest.warns(MsbWarning, match=r"1 ps, the model's, are assumed \(--lag PS"):
        run(model, dcd, tmp_path / "aa3.xtc")
    assert run(StubBackmapper.make(lag=None), slow, tmp_path / "aa4.xtc")


def test_temperature_reaches_the_model(model: StubBackmapper, beads: Path, tmp_path: Path) -> None:
    result = backmap_trajectory(model, beads.with_suffix(".pdb"), beads, tmp_path / "a.xtc")
    assert (result.temperature, result.n_frames, result.n_atoms) == (300.0, N_FRAMES, 22)
    assert run(model, beads, tmp_path / "b.xtc", temperature=400.0) != (tmp_path / "a.xtc").read_bytes()


def test_what_does_not_fit_is_a_sentence(model: StubBackmapper, beads: Path, tmp_path: Path) -> None:
    names = model.mapping.bead_topology().to_universe()
    with open_writer(tmp_path / "few.xtc", names.atoms[:4]) as writer:
        writer.write(Frames(bead_frames(2)[:, :4], None, np.arange(2.0)))
    with pytest.raises(MappingError, match=r"4 beads a frame, the model places 6 \(C of ACE, N of ALA"):
        run(model, tmp_path / "few.xtc", tmp_path / "aa.xtc")
    names.residues.resnames = ["ACE", "GLY", "NME"]
    with open_writer(tmp_path / "other.xtc", names) as writer:
        writer.write(Frames(bead_frames(2), None, np.arange(2.0)))
    with pytest.raises(
        MappingError, match=r"residue GLY 2 is unknown to the model, which knows ACE, ALA, NME"
    ):
        run(model, tmp_path / "other.xtc", tmp_path / "aa.xtc")
    with pytest.raises(MsbError, match="is an input too and would be overwritten"):
        run(model, beads, beads)
    with pytest.raises(TrajectoryError, match="23 frames cannot be cut into 24 segments"):
        run(model, beads, tmp_path / "aa.xtc", segments=24)
    assert not list(tmp_path.glob("aa*"))
