"""Segments: however a run is divided and interrupted, the file is the one of an uninterrupted run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.errors import TrajectoryError
from msb.io import Frames, SegmentedWriter, open_trajectory, open_writer
from msb.io.atoms import AtomTable
from msb.io.segments import parts_folder

N_ATOMS = 12
JOB = {"seed": 7, "model": "ab" * 32, "temperature": 300.0}


def table(n_atoms: int = N_ATOMS) -> AtomTable:
    texts = np.full(n_atoms, "A")
    bonds = np.zeros((0, 2), np.int64)
    return AtomTable(texts, texts, np.ones(n_atoms, int), np.zeros(n_atoms, int), texts, texts, bonds)


def whole(n_frames: int) -> Frames:
    positions = np.random.default_rng(0).normal(size=(n_frames, N_ATOMS, 3)).astype(np.float32)
    boxes = np.broadcast_to(3 * np.eye(3, dtype=np.float32), (n_frames, 3, 3)).copy()
    return Frames(positions, boxes, np.arange(n_frames) * 1.0, 0)


def reference(path: Path, frames: Frames) -> bytes:
    with open_writer(path, table(), timestep=1.0) as writer:
        writer.write(frames)
    return path.read_bytes()


def start(path: Path, resume: bool = True, job: dict = JOB, **options: object) -> SegmentedWriter:
    return SegmentedWriter(path, table(), job, resume=resume, **{"timestep": 1.0, **options})


@settings(max_examples=10)
@given(
    suffix=st.sampled_from(["xtc", "trr", "dcd", "gro", "pdb"]),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    chunks=st.lists(st.integers(1, 4), min_size=9, max_size=9),
    again=st.lists(st.booleans(), min_size=9, max_size=9),
)
def test_pieces_steps_and_resumes_never_show(
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    lengths: list[int],
    chunks: list[int],
    again: list[bool],
) -> None:
    """K pieces of any lengths, steps of any sizes, resumed anywhere: the plain writer's bytes."""
    folder = tmp_path_factory.mktemp("segments")
    frames = whole(sum(lengths))
    expected = reference(folder / f"whole.{suffix}", frames)
    edges = np.cumsum([0, *lengths])
    path = folder / f"out.{suffix}"
    writer = start(path, pieces=len(lengths))
    for chunk, interrupt in zip(chunks, again, strict=True):
        done = writer.frames_done
        if done == lengths:
            break
        parts = [
            frames[edges[k] + done[k] : min(edges[k] + done[k] + chunk, edges[k + 1])]
            for k in range(len(lengths))
        ]
        writer.write(parts)
        if interrupt:
            writer = start(path, pieces=len(lengths))
        stops = [edges[k] + count for k, count in enumerate(writer.frames_done)]
        np.testing.assert_array_equal(writer.last_frames, frames.positions[np.array(stops) - 1])
    assert writer.frames_done == lengths
    assert writer.finish() == path
    assert path.read_bytes() == expected
    names = {f"whole.{suffix}", f"out.{suffix}"}
    companions = set() if suffix in ("gro", "pdb") else {"whole.pdb", "out.pdb"}
    assert set(os.listdir(folder)) == names | companions
    if companions:
        assert (folder / "out.pdb").read_bytes() == (folder / "whole.pdb").read_bytes()


_KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
import MDAnalysis.lib.formats.libmdaxdr
from msb.io import Frames, SegmentedWriter
from msb.io.atoms import AtomTable
from msb.io.segments import parts_folder

K, LENGTH, CHUNK, N = 3, 40, 6, 15
texts = np.full(N, "A")
atoms = AtomTable(texts, texts, np.ones(N, int), np.zeros(N, int), texts, texts, np.zeros((0, 2), int))

def work(path):
    # a chain of frames in which every frame depends on the last one, unrounded
    with SegmentedWriter(path, atoms, {"seed": 3}, pieces=K, resume=True) as writer:
        while (done := writer.frames_done[0]) < LENGTH:
            x = writer.last_frames if done else np.zeros((K, N, 3), np.float32)
            steps = min(CHUNK, LENGTH - done)
            chain = np.empty((K, steps, N, 3), np.float32)
            for i in range(steps):
                noise = np.random.default_rng([3, done + i]).normal(size=(K, N, 3)).astype(np.float32)
                x = (np.float32(0.9) * x + noise).astype(np.float32)
                chain[:, i] = x
            writer.write([Frames(chain[k], None, None, k * LENGTH + done) for k in range(K)])
        writer.finish()

def child(path):
    pid = os.fork()
    if pid == 0:
        work(path)
        os._exit(0)
    return pid

folder, kills, rng = Path(sys.argv[1]), int(sys.argv[2]), random.Random()
for suffix in sys.argv[3:]:
    start = time.perf_counter()
    assert os.waitpid(child(folder / f"whole.{suffix}"), 0)[1] == 0
    duration = time.perf_counter() - start
    expected = (folder / f"whole.{suffix}").read_bytes()
    path, killed, finished = folder / f"out.{suffix}", 0, 0
    while killed < kills or parts_folder(path).exists():
        pid = child(path)
        if killed < kills:
            time.sleep(rng.uniform(0, 0.6 * duration))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        assert status in (0, signal.SIGKILL), f"{suffix} cannot go on after {killed} kills"
        killed += status == signal.SIGKILL
        if not parts_folder(path).exists() and path.exists():
            assert path.read_bytes() == expected, f"{suffix} differs after {killed} kills"
            finished += 1
            path.unlink()
    print(suffix, killed, finished, len(os.listdir(folder)))
"""


def test_kill_at_random_moments(tmp_path: Path) -> None:
    """SIGKILL ten times a format, anywhere from the first file to the last rename: the same bytes."""
    formats = ["xtc", "dcd"]
    command = [sys.executable, "-c", _KILLED, str(tmp_path), "10", *formats]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == formats
    assert all(line[1] == "10" and int(line[2]) >= 1 for line in lines)


def test_an_unfinished_run_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.xtc"
    start(path).write(whole(3))
    with pytest.raises(TrajectoryError, match=r"a\.xtc\.parts holds an unfinished run; go on with --resume"):
        start(path, resume=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"job": {**JOB, "seed": 8}}, "was begun with seed = 7, not 8"),
        ({"job": {"seed": 7, "temperature": 300.0}}, r'was begun with model = "abab.*\.\.\., not null'),
        ({"pieces": 2}, "was begun with pieces = 1, not 2"),
        ({"precision": 4}, "was begun with precision = 5, not 4"),
        ({"timestep": 2.0}, r"was begun with timestep = 1\.0, not 2\.0"),
    ],
)
def test_other_options_are_refused(tmp_path: Path, options: dict, message: str) -> None:
    path = tmp_path / "a.xtc"
    start(path).write(whole(3))
    with pytest.raises(TrajectoryError, match=message):
        start(path, **options)
    assert start(path).frames_done == [3]


def test_misuse(tmp_path: Path) -> None:
    path, frames = tmp_path / "a.xtc", whole(9)
    writer = start(path, pieces=2)
    with pytest.raises(TrajectoryError, match="no frame was written"):
        writer.finish()
    with pytest.raises(TrajectoryError, match="has 2 pieces; 1 were given"):
        writer.write(frames)
    with pytest.raises(TrajectoryError, match="the first step must have a frame of every piece"):
        writer.write([frames[:3], frames[3:3]])
    writer.write([frames[:3], frames[5:7]])
    assert writer.next_frames == [3, 7]
    with pytest.raises(TrajectoryError, match="piece 1 goes on with frame 7, not 8"):
        writer.write([frames[3:5], frames[8:]])
    broken = whole(9)
    broken.positions[4] = np.nan
    with pytest.raises(TrajectoryError, match=r"frame 4 .* is not written"):
        writer.write([broken[3:5], frames[7:]])
    assert start(path, pieces=2).frames_done == [3, 2]
    with pytest.raises(TrajectoryError, match="at least 1 piece, not 0"):
        start(path, pieces=0)
    with pytest.raises(TrajectoryError, match="there is no folder"):
        start(tmp_path / "no" / "a.xtc")
    foreign = tmp_path / "b.xtc.parts"
    foreign.mkdir()
    (foreign / "mine").touch()
    with pytest.raises(TrajectoryError, match="is not from an unfinished run; move it away"):
        start(tmp_path / "b.xtc")


def test_a_damaged_step_is_made_again(tmp_path: Path) -> None:
    """A part shorter than recorded does not count; without the state before it, the run is refused."""
    path, frames = tmp_path / "a.trr", whole(9)
    for first in (0, 3, 6):
        start(path).write(frames[first : first + 3])
    folder = parts_folder(path)
    assert json.loads((folder / "000002.json").read_text())["frames"] == [3]
    os.truncate(folder / "000002.part", 10)
    with pytest.raises(TrajectoryError, match=r"is damaged \(000001\.npy is missing\)"):
        start(path)


_FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from msb.errors import MsbError
from msb.io import Frames, SegmentedWriter
from msb.io.atoms import AtomTable
from msb.io.segments import parts_folder
N = 50
texts = np.full(N, "A")
atoms = AtomTable(texts, texts, np.ones(N, int), np.zeros(N, int), texts, texts, np.zeros((0, 2), int))
x = np.random.default_rng(0).normal(size=(400, N, 3)).astype(np.float32)

def run(path, limit=resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with SegmentedWriter(path, atoms, {}, resume=True) as writer:
            for first in range(writer.frames_done[0], 400, 50):
                writer.write(Frames(x[first : first + 50], index=first))
            writer.finish()
    except MsbError as error:
        print(error, path.exists(), parts_folder(path).exists())

folder = Path(sys.argv[1])
run(folder / "whole.xtc")
for limit in (5_000, 20_000, 60_000):
    run(folder / f"{limit}.xtc", limit)
    run(folder / f"{limit}.xtc")
    assert (folder / f"{limit}.xtc").read_bytes() == (folder / "whole.xtc").read_bytes()
"""


def test_disk_full_keeps_what_is_done(tmp_path: Path) -> None:
    """Full in a step, or while the steps are joined: a sentence; with room, the same bytes."""
    command = [sys.executable, "-c", _FULL, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    for line, place in zip(lines, ["000000.part", "000000.part", "60000.xtc"], strict=True):
        assert f"{place} could not be written: the largest allowed file size is reached" in line
        assert line.endswith("False True")
    assert len(os.listdir(tmp_path)) == 8


def test_a_piece_is_read_back(tmp_path: Path) -> None:
    path, frames = tmp_path / "a.xtc", whole(10)
    with start(path, pieces=2) as writer:
        writer.write([frames[:5], frames[5:]])
        writer.finish()
    back = open_trajectory(tmp_path / "a.pdb", path)
    assert back.timestep == 1.0
    np.testing.assert_allclose(back.read().positions, frames.positions, atol=6e-6)
