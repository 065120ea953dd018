"""Writers: other programs read what they write; joined parts are the whole, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import MDAnalysis
    import mdtraj

from msb.errors import FileFormatError, MsbError, MsbWarning, TrajectoryError
from msb.io import Frames, concatenate, open_trajectory, open_writer
from msb.io.atoms import AtomTable
from msb.io.writers import make_encoder

FORMATS = ["xtc", "trr", "dcd", "gro", "pdb"]
ROUNDING = {"xtc": 5.1e-6, "trr": 0, "dcd": 1e-6, "gro": 5.1e-4, "pdb": 5.1e-5}  # nm
TRICLINIC = np.array([[3.0, 0, 0], [0.3, 3.1, 0], [-0.2, 0.4, 2.9]], np.float32)


def universe(n_atoms: int = 22) -> MDAnalysis.Universe:
    """Residues of up to five atoms, bonded in a row."""
    residue = np.arange(n_atoms) // 5
    made = MDAnalysis.Universe.empty(n_atoms, residue[-1] + 1, atom_resindex=residue, trajectory=True)
    made.add_TopologyAttr("names", [f"C{i % 5}" if i else "1HH3" for i in range(n_atoms)])
    made.add_TopologyAttr("resnames", [f"R{i}" for i in range(residue[-1] + 1)])
    made.add_TopologyAttr("resids", np.arange(residue[-1] + 1) + 1)
    made.add_TopologyAttr("elements", ["C"] * n_atoms)
    made.add_TopologyAttr("bonds", [(i, i + 1) for i in range(n_atoms - 1)])
    return made


def frames(n_frames: int, n_atoms: int = 22, boxed: bool = True, seed: int = 0) -> Frames:
    positions = np.random.default_rng(seed).normal(0, 3, (n_frames, n_atoms, 3)).astype(np.float32)
    boxes = np.broadcast_to(TRICLINIC, (n_frames, 3, 3)).copy() if boxed else None
    return Frames(positions, boxes, 0.5 * np.arange(n_frames) + 3, 0)


def write(path: Path, parts: list[Frames], **options: float) -> None:
    with open_writer(path, universe(parts[0].n_atoms), **options) as writer:
        for part in parts:
            writer.write(part)


@pytest.mark.parametrize("boxed", [True, False])
@pytest.mark.parametrize("n_atoms", [1, 6, 9, 10, 22, 500])
@pytest.mark.parametrize("suffix", FORMATS)
def test_comes_back(tmp_path: Path, suffix: str, n_atoms: int, boxed: bool) -> None:
    path, whole = tmp_path / f"a.{suffix}", frames(7, n_atoms, boxed)
    write(path, [whole[:3], whole[3:3], whole[3:]], timestep=0.5)
    own = suffix in ("gro", "pdb")
    back = open_trajectory(path) if own else open_trajectory(tmp_path / "a.pdb", path)
    assert sorted(os.listdir(tmp_path)) == sorted({"a.gro" if suffix == "gro" else "a.pdb", f"a.{suffix}"})
    assert back.names.tolist() == universe(n_atoms).atoms.names.tolist()
    assert back.resnames.tolist() == universe(n_atoms).atoms.resnames.tolist()
    assert back.resids.tolist() == universe(n_atoms).atoms.resids.tolist()
    read = back.read()
    np.testing.assert_allclose(read.positions, whole.positions, atol=ROUNDING[suffix], rtol=1e-6)
    if boxed:
        np.testing.assert_allclose(read.boxes, whole.boxes, atol=1e-3 if suffix == "pdb" else 2e-5)
    else:
        assert read.boxes is None
    assert back.timestep == (0.5 if suffix in ("xtc", "trr") else None)


@pytest.mark.parametrize("suffix", ["xtc", "trr", "dcd", "pdb"])
def test_other_programs_read_it(tmp_path: Path, suffix: str) -> None:
    path, whole = tmp_path / f"a.{suffix}", frames(5)
    write(path, [whole], timestep=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = MDAnalysis.Universe(str(tmp_path / "a.pdb"), str(path))
        second = mdtraj.load(str(path), **({} if suffix == "pdb" else {"top": str(tmp_path / "a.pdb")}))
        positions = np.array([step.positions / 10 for step in first.trajectory])
    np.testing.assert_allclose(positions, whole.positions, atol=2 * ROUNDING[suffix] + 1e-6)
    np.testing.assert_allclose(second.xyz, whole.positions, atol=2 * ROUNDING[suffix] + 1e-6)
    np.testing.assert_allclose(
        first.trajectory.ts.triclinic_dimensions[0, 0], 30, atol=1e-2 if suffix == "pdb" else 1e-4
    )
    np.testing.assert_allclose(second.unitcell_lengths[0, 0], 3, atol=1e-4)
    assert len(first.bonds) == 21
    if suffix != "pdb":
        assert first.trajectory.dt == pytest.approx(0.5)


def test_trr_is_what_the_library_would_write(tmp_path: Path) -> None:
    """MDAnalysis' writer is the oracle, byte for byte."""
    from MDAnalysis.lib.formats.libmdaxdr import TRRFile

    whole = frames(4)
    write(tmp_path / "a.trr", [whole])
    with TRRFile(str(tmp_path / "b.trr"), "w") as file:
        for i in range(4):
            file.write(whole.positions[i], None, None, whole.boxes[i], i, whole.times[i], 0.0, 22)
    assert (tmp_path / "a.trr").read_bytes() == (tmp_path / "b.trr").read_bytes()


@pytest.mark.parametrize("decimals", [1, 3, 4, 5, 6])
@pytest.mark.parametrize("suffix", ["xtc", "gro"])
def test_precision(tmp_path: Path, suffix: str, decimals: int) -> None:
    whole = frames(2)
    write(tmp_path / f"a.{suffix}", [whole], precision=decimals)
    back = open_trajectory(*[p for s in ("pdb", suffix) if (p := tmp_path / f"a.{s}").exists()])
    error = np.abs(back.read().positions - whole.positions).max()
    assert 0.3 * 10.0**-decimals < error < 0.5 * 10.0**-decimals + 1.5e-6


@settings(max_examples=25)
@given(
    suffix=st.sampled_from(FORMATS),
    cuts=st.lists(st.integers(0, 12), max_size=4).map(sorted),
    boxed=st.booleans(),
    timed=st.booleans(),
)
def test_how_frames_are_grouped_never_shows(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, cuts: list[int], boxed: bool, timed: bool
) -> None:
    """Frames written at once, in groups, or in files that are joined: the same bytes."""
    folder = tmp_path_factory.mktemp("writers")
    whole = frames(12, 11, boxed)
    whole = Frames(whole.positions, whole.boxes, whole.times if timed else None, 100)
    groups = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, 12], strict=True)]
    write(folder / f"one.{suffix}", [whole])
    write(folder / f"groups.{suffix}", groups)
    parts = [folder / f"part{number}.{suffix}" for number, group in enumerate(groups) if len(group)]
    for part, group in zip(parts, (group for group in groups if len(group)), strict=True):
        write(part, [group])
    concatenate(parts, folder / f"joined.{suffix}")
    expected = (folder / f"one.{suffix}").read_bytes()
    assert (folder / f"groups.{suffix}").read_bytes() == expected
    assert (folder / f"joined.{suffix}").read_bytes() == expected


def test_unknown_times_stay_unknown(tmp_path: Path) -> None:
    whole = frames(3)
    write(tmp_path / "a.xtc", [Frames(whole.positions, whole.boxes)])
    back = open_trajectory(tmp_path / "a.pdb", tmp_path / "a.xtc")
    assert back.timestep is None
    assert back.read().times is None


def test_nothing_stays_of_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.xtc").write_bytes(b"old")

    def fail() -> None:
        with open_writer(tmp_path / "a.xtc", universe()) as writer:
            writer.write(frames(3))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert os.listdir(tmp_path) == ["a.xtc"]
    assert (tmp_path / "a.xtc").read_bytes() == b"old"


@pytest.mark.parametrize("suffix", FORMATS)
def test_bad_frames(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(TrajectoryError, match="is for 22 atoms a frame, not 21"):
        write_one(path, frames(1, 21))
    broken = frames(4)
    broken.positions[2, 7, 1] = np.nan
    with pytest.raises(TrajectoryError, match=r"frame 2 .* at atom 8 \(C2 of R1 2\); it is not written"):
        write_one(path, broken)
    with pytest.raises(TrajectoryError, match="no frame was written"):
        write_one(path, frames(0))
    with pytest.raises(FileFormatError, match="the precision must be 1 to 6 decimals"):
        open_writer(path, universe(), precision=9)
    with pytest.raises(MsbError, match=r"the folder .* does not exist"):
        open_writer(tmp_path / "no" / path.name, universe())
    assert os.listdir(tmp_path) == []


def write_one(path: Path, part: Frames) -> None:
    with open_writer(path, universe()) as writer:
        writer.write(part)


def test_what_does_not_fit(tmp_path: Path) -> None:
    far = Frames(np.full((1, 22, 3), 30_000, np.float32))
    with pytest.raises(TrajectoryError, match=r"beyond 21475 nm do not fit into XTC with 5 decimals"):
        write_one(tmp_path / "a.xtc", far)
    with pytest.raises(TrajectoryError, match="do not fit into PDB"):
        write_one(tmp_path / "a.pdb", far)
    with pytest.raises(TrajectoryError, match=r"written as dcd, gro, pdb, trr, xtc, not '\.h5md'"):
        open_writer(tmp_path / "a.h5md", universe())
    with pytest.raises(TrajectoryError, match="atom names cannot be taken from a list"):
        open_writer(tmp_path / "a.xtc", ["CA"])
    long = universe()
    long.atoms.names = ["LONGNAME"] * 22
    with pytest.warns(MsbWarning, match="22 atom names are longer than the format's 5 characters"):
        make_encoder(tmp_path / "a.gro", AtomTable.of(long))
    with pytest.raises(TrajectoryError, match="can only be joined from one or more"):
        concatenate([tmp_path / "a.dcd"], tmp_path / "a.xtc")


def test_a_pdb_that_is_not_ours_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.pdb").write_text("REMARK my own reference\n")
    with pytest.warns(MsbWarning, match=r"was not written by msb, so it is kept; .* are in .*a\.xtc\.pdb"):
        write(tmp_path / "a.xtc", [frames(2)])
    assert (tmp_path / "a.pdb").read_text() == "REMARK my own reference\n"
    back = open_trajectory(tmp_path / "a.xtc.pdb", tmp_path / "a.xtc")
    assert back.n_frames == 2
    write(tmp_path / "b.xtc", [frames(2)])
    write(tmp_path / "b.xtc", [frames(3)])
    assert sorted(os.listdir(tmp_path)) == ["a.pdb", "a.xtc", "a.xtc.pdb", "b.pdb", "b.xtc"]


def test_many_atoms_in_text(tmp_path: Path) -> None:
    """Numbers wrap at 100,000 (and residues at 10,000 in PDB); every column stays where it belongs."""
    n_atoms = 100_005
    empty, numbers = np.full(n_atoms, ""), np.arange(n_atoms)
    names = np.array(["A", "B", "C"] * (n_atoms // 3))
    table = AtomTable(
        names, np.full(n_atoms, "X"), numbers + 1, numbers, empty, empty, np.zeros((0, 2), np.int64)
    )
    positions = frames(1, n_atoms)
    for suffix in ("gro", "pdb"):
        with open_writer(tmp_path / f"a.{suffix}", table) as writer:
            writer.write(positions)
    back = open_trajectory(tmp_path / "a.gro")
    assert (back.names == names).all()
    np.testing.assert_allclose(back.read().positions, positions.positions, atol=6e-4)
    rows = [line for line in (tmp_path / "a.pdb").read_text().splitlines() if line.startswith("ATOM")]
    assert len(rows) == n_atoms
    assert {len(row) for row in rows} == {80}
    assert rows[100_001][6:26] == "    2  C   X       2"
    assert [float(rows[-1][30 + 8 * k : 38 + 8 * k]) for k in range(3)] == pytest.approx(
        (10 * positions.positions[0, -1]).tolist(), abs=6e-4
    )


_FULL = """
import resource, sys, warnings
import numpy as np
from msb.errors import MsbError
from msb.io import Frames, open_writer
from msb.io.atoms import AtomTable
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
empty = np.full(22, "")
atoms = AtomTable(np.full(22, "A"), np.full(22, "R"), np.ones(22, int), np.zeros(22, int), empty, empty,
                  np.zeros((0, 2), int))
positions = np.random.default_rng(0).normal(size=(100, 22, 3)).astype(np.float32)
for path in sys.argv[1:]:
    try:
        with open_writer(path, atoms) as writer:
            for number in range(30):
                writer.write(Frames(positions, index=100 * number))
        print("written")
    except MsbError as error:
        print(error)
"""


def test_disk_full(tmp_path: Path) -> None:
    """A limit on the file size stands for the disk: a sentence, and nothing left behind."""
    paths = [str(tmp_path / f"a.{suffix}") for suffix in FORMATS]
    command = [sys.executable, "-c", _FULL, *paths]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == len(paths)
    for path, line in zip(paths, lines, strict=True):
        assert f"{path} could not be written: the largest allowed file size is reached" in line
    assert os.listdir(tmp_path) == []
