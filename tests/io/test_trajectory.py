"""Readers, on files that other programs wrote."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import MDAnalysis
    import MDAnalysisTests.datafiles as others

from msb.errors import TrajectoryError
from msb.io import open_trajectory
from msb.io.frame_index import index_dcd
from msb.io.sources import DcdSource, TrrSource, XtcSource

DCDS = [
    *("COORDINATES_DCD", "DCD", "DCD2", "DCD_NAMD_GBIS"),
    *("DCD_NAMD_TRICLINIC", "DCD_TRICLINIC", "LAMMPSdcd2", "waterDCD"),
]
SOURCES = {"XTC": XtcSource, "TRR": TrrSource, "DCD": DcdSource}
PAIRS = [
    ("PSF", "DCD"),
    ("GRO", "XTC"),
    ("GRO", "TRR"),
    ("PRMpbc", "TRJpbc_bz2"),
    ("PRM_NCBOX", "TRJ_NCBOX"),
    ("TPR_xvf", "TRR_xvf"),
    ("PDB_multiframe", None),
    ("PDB_cm_bz2", None),
    ("LAMMPSdata", None),
    ("COORDINATES_XTC_STRUCTURE", "COORDINATES_XTC"),
]


def _file(name: str) -> Path:
    if name == "COORDINATES_XTC_STRUCTURE":
        return Path(str(others.COORDINATES_TOPOLOGY))
    return Path(str(getattr(others, name)))


@pytest.mark.parametrize(("structure", "trajectory"), PAIRS)
def test_agrees_with_mdanalysis(structure: str, trajectory: str | None) -> None:
    """The oracle's frames, converted to nm, are ours, whatever the chunk."""
    files = [str(_file(structure))] + ([str(_file(trajectory))] if trajectory else [])
    ours = open_trajectory(*files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe(*files)
        assert (ours.n_frames, ours.n_atoms) == (len(universe.trajectory), len(universe.atoms))
        expected = [(step.positions / 10, step.triclinic_dimensions) for step in universe.trajectory]
    frames = [
        frame for chunk in ours.iter(chunk=4) for frame in zip(chunk.positions, _boxes(chunk), strict=True)
    ]
    assert len(frames) == len(expected)
    for (positions, box), (wanted, vectors) in zip(frames, expected, strict=True):
        np.testing.assert_allclose(positions, wanted, atol=2e-5, rtol=1e-6)
        np.testing.assert_allclose(box, 0 if vectors is None else vectors / 10, atol=2e-5, rtol=1e-5)
    if hasattr(universe.atoms, "names"):
        assert (ours.names == universe.atoms.names).all()


def _boxes(frames):
    return np.zeros((len(frames), 3, 3)) if frames.boxes is None else frames.boxes


@pytest.mark.parametrize("name", DCDS)
def test_every_kind_of_dcd(name: str) -> None:
    """Byte orders, cell conventions and headers of CHARMM, NAMD and LAMMPS; MDAnalysis is the oracle."""
    path = _file(name)
    source = DcdSource(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = MDAnalysis.coordinates.DCD.DCDReader(str(path))
        assert source.n_frames == len(reader)
        positions, boxes = source.read(range(source.n_frames))
        for place, step in enumerate(reader):
            np.testing.assert_allclose(positions[place], step.positions / 10, atol=1e-5)
            if step.dimensions is not None:
                np.testing.assert_allclose(boxes[place], step.triclinic_dimensions / 10, atol=1e-5)
    last = source.read(range(source.n_frames - 1, source.n_frames))[0]
    np.testing.assert_array_equal(last[0], positions[-1])


def test_fixed_atoms_of_a_dcd(tmp_path: Path) -> None:
    """A DCD in which atom 1 of 3 stands in the first frame only."""
    free, n_frames = np.array([1, 3], "<i4"), 4
    moving = np.random.default_rng(0).normal(size=(n_frames, 3, 3)).astype("<f4")
    moving[:, 1] = moving[0, 1]
    control = np.zeros(20, "<i4")
    control[[0, 2, 3, 8, 19]] = n_frames, 1, n_frames, 1, 24
    control[9:10] = np.array([1], "<f4").view("<i4")
    title = np.array([1], "<i4").tobytes() + b"fixed".ljust(80)
    records = [b"CORD" + control.tobytes(), title, np.array([3], "<i4").tobytes(), free.tobytes()]
    for frame in range(n_frames):
        atoms = slice(None) if frame == 0 else free - 1
        records += [np.ascontiguousarray(moving[frame, atoms, axis]).tobytes() for axis in range(3)]
    mark = [np.array([len(record)], "<i4").tobytes() for record in records]
    path = tmp_path / "fixed.dcd"
    path.write_bytes(b"".join(m + record + m for m, record in zip(mark, records, strict=True)))
    source = DcdSource(path)
    assert (source.n_frames, source.layout.n_fixed) == (n_frames, 1)
    np.testing.assert_allclose(source.read(range(n_frames))[0] * 10, moving, rtol=1e-6)
    np.testing.assert_allclose(source.read(range(2, 4))[0] * 10, moving[2:], rtol=1e-6)


@pytest.mark.parametrize(("structure", "trajectory"), [PAIRS[i] for i in (0, 1, 2, 4, 6)])
def test_parts_and_steps(structure: str, trajectory: str | None) -> None:
    ours = open_trajectory(*(str(_file(name)) for name in (structure, trajectory) if name))
    whole = ours.read()
    some = ours.read(1, ours.n_frames - 1, 3)
    np.testing.assert_array_equal(some.positions, whole.positions[1:-1:3])
    assert some.numbers.tolist() == list(range(1, ours.n_frames - 1, 3))
    if some.times is not None:
        np.testing.assert_array_equal(some.times, whole.times[1:-1:3])
    chunks = list(ours.iter(3, start=2))
    assert [chunk.index for chunk in chunks] == list(range(2, ours.n_frames, 3))
    np.testing.assert_array_equal(np.concatenate([c.positions for c in chunks]), whole.positions[2:])
    copy = pickle.loads(pickle.dumps(ours))
    np.testing.assert_array_equal(copy.read(1, 2).positions, whole.positions[1:2])


def test_only_some_formats_know_their_spacing(msb_data: Path) -> None:
    def spacing(*names: str, **options: float) -> tuple[float | None, str]:
        ours = open_trajectory(*(str(_file(name)) for name in names), **options)
        return ours.timestep, ours.spacing_note

    assert spacing("GRO", "XTC") == (100.0, "")
    assert spacing("GRO", "TRR") == (100.0, "")
    assert spacing("PSF", "DCD") == (None, "DCD files do not know their frame spacing")
    assert spacing("PDB_multiframe")[0] is None
    assert spacing("PSF", "DCD", lag=2.5) == (2.5, "")
    ours = open_trajectory(_file("PSF"), _file("DCD"), lag=2.5)
    np.testing.assert_array_equal(ours.read(3, 6).times, [7.5, 10.0, 12.5])
    timeless = open_trajectory(msb_data / "sps" / "cg.gro", msb_data / "sps" / "t568" / "cg.xtc")
    assert timeless.timestep is None
    assert "same time in every frame" in timeless.spacing_note
    assert timeless.read(0, 2).times is None


def test_the_project_reference_data(msb_data: Path) -> None:
    adp = open_trajectory(msb_data / "adp" / "adp.pdb", msb_data / "adp" / "adp_300K.dcd")
    assert (adp.n_frames, adp.n_atoms, adp.timestep) == (165_000, 22, None)
    assert adp.names[[4, 6, 8, 10, 14, 16]].tolist() == ["C", "N", "CA", "CB", "C", "N"]
    frames = adp.read(100_000, 100_005)
    assert frames.boxes is None
    bonds = np.linalg.norm(frames.positions[:, 8] - frames.positions[:, 10], axis=-1)
    assert ((bonds > 0.14) & (bonds < 0.17)).all()
    sps = open_trajectory(msb_data / "sps" / "aa.gro", msb_data / "sps" / "t568" / "aa.xtc")
    assert (sps.n_frames, sps.n_atoms) == (78, 5832)
    assert sps.read(5, 6).boxes[0, 1, 0] != 0


def test_universe_of_every_kind(msb_data: Path) -> None:
    for structure, trajectory in [PAIRS[0], PAIRS[1], PAIRS[6]]:
        ours = open_trajectory(*(str(_file(name)) for name in (structure, trajectory) if name))
        universe = ours.universe
        assert (universe.atoms.names == ours.names).all()
        np.testing.assert_allclose(universe.atoms.positions / 10, ours.read(0, 1).positions[0], atol=1e-5)
    assert universe.atoms.residues.n_residues == len(set(ours.atoms.residue))


def test_hdf5_through_mdtraj(tmp_path: Path, msb_data: Path) -> None:
    """HDF5 holds its own names and times; mdtraj writes and reads it."""
    import mdtraj

    adp = msb_data / "adp" / "adp.pdb"
    positions = np.random.default_rng(1).normal(size=(30, 22, 3)).astype(np.float32)
    boxes = np.broadcast_to(np.eye(3, dtype=np.float32) * 3, (30, 3, 3))
    written = mdtraj.Trajectory(positions, mdtraj.load(adp).topology, time=np.arange(30) * 0.5 + 10)
    written.unitcell_vectors = boxes
    written.save(str(tmp_path / "a.h5"))
    for files in [(tmp_path / "a.h5",), (adp, tmp_path / "a.h5")]:
        ours = open_trajectory(*files)
        assert (ours.n_frames, ours.timestep) == (30, 0.5)
        some = ours.read(3, 20, 4)
        np.testing.assert_array_equal(some.positions, positions[3:20:4])
        np.testing.assert_allclose(some.times, 10 + 0.5 * np.arange(3, 20, 4))
        np.testing.assert_allclose(some.boxes, boxes[:5], atol=1e-6)
    assert open_trajectory(tmp_path / "a.h5").universe.atoms.n_atoms == 22
    written.save(str(tmp_path / "a.lammpstrj"))
    other = open_trajectory(adp, tmp_path / "a.lammpstrj")
    assert other.timestep is None
    np.testing.assert_allclose(other.read(28, 30).positions, positions[28:], atol=1e-4)


@pytest.mark.parametrize("name", ["XTC", "TRR", "DCD"])
def test_a_cut_file_says_how_many_frames_are_whole(tmp_path: Path, name: str) -> None:
    """Cut anywhere: inside a header, a box, the coordinates."""
    kind = SOURCES[name]
    whole = kind(_file(name))
    data = _file(name).read_bytes()[: whole.index.offsets[3]]
    expected = whole.read(range(2))[0]
    for extra in (1, 20, 57, 93, 5_000):
        cut = tmp_path / f"cut{extra}.{name.lower()}"
        cut.write_bytes(data[: whole.index.offsets[2] + extra])
        with pytest.raises(TrajectoryError, match=f"is truncated: 2 whole frames, then {extra} bytes"):
            kind(cut)
        part = kind(cut, allow_truncated=True)
        assert part.n_frames == 2
        np.testing.assert_array_equal(part.read(range(2))[0], expected)
    with pytest.raises(TrajectoryError, match="is truncated: 2 whole frames"):
        open_trajectory(_file("PSF" if name == "DCD" else "GRO"), cut)


@pytest.mark.parametrize("name", ["XTC", "TRR"])
def test_damage_in_the_middle(tmp_path: Path, name: str) -> None:
    data = bytearray(_file(name).read_bytes())
    second = int(SOURCES[name](_file(name)).index.offsets[2])
    data[second : second + 4] = b"\0\0\0\0"
    broken = tmp_path / f"broken.{name.lower()}"
    broken.write_bytes(data)
    with pytest.raises(TrajectoryError, match=f"is damaged: after 2 whole frames, byte {second}"):
        open_trajectory(_file("GRO"), broken)


@pytest.mark.parametrize("place", [52, 84])
def test_xtc_headers_that_crash_the_library(tmp_path: Path, place: int) -> None:
    """A wrong count, or an index outside its table, is found before the library divides by zero."""
    data = bytearray(_file("XTC").read_bytes())
    second = int(XtcSource(_file("XTC")).index.offsets[2])
    data[second + place : second + place + 4] = b"\0\0\0\0"
    broken = tmp_path / "broken.xtc"
    broken.write_bytes(data)
    with pytest.raises(TrajectoryError, match=f"is damaged: after 2 whole frames, byte {second}"):
        open_trajectory(_file("GRO"), broken)


def test_a_frame_that_cannot_be_read(tmp_path: Path) -> None:
    """A model that lost atoms: MDAnalysis complains, the frame is named."""
    lines = _file("PDB_multiframe").read_text().splitlines(keepends=True)
    models = [number for number, line in enumerate(lines) if line.startswith("MODEL")]
    del lines[models[3] + 5 : models[3] + 9]
    broken = tmp_path / "broken.pdb"
    broken.write_text("".join(lines))
    ours = open_trajectory(broken)
    assert len(ours.read(0, 3)) == 3
    with pytest.raises(TrajectoryError, match="the frames 3 to 3 cannot be read"):
        list(ours.iter(1))


@pytest.mark.parametrize("suffix", ["xtc", "trr", "dcd"])
def test_garbage_is_refused(tmp_path: Path, suffix: str) -> None:
    garbage = tmp_path / f"garbage.{suffix}"
    garbage.write_bytes(b"this is no trajectory at all, but a text of some length" * 5)
    with pytest.raises(TrajectoryError, match=r"is not (XTC|TRR|DCD)"):
        open_trajectory(_file("PDB_multiframe"), garbage)


def test_empty_and_missing_files(tmp_path: Path) -> None:
    empty = tmp_path / "empty.xtc"
    empty.touch()
    with pytest.raises(TrajectoryError, match=r"empty\.xtc is empty \(0 bytes\)"):
        open_trajectory(_file("GRO"), empty)
    with pytest.raises(TrajectoryError, match=r"none\.xtc does not exist; check the name"):
        open_trajectory(_file("GRO"), tmp_path / "none.xtc")
    header = tmp_path / "header.dcd"
    header.write_bytes(_file("DCD").read_bytes()[: index_dcd(_file("DCD")).offsets[0]])
    with pytest.raises(TrajectoryError, match=r"header\.dcd is empty: it holds no whole frame"):
        open_trajectory(_file("PSF"), header)


def test_wrong_company() -> None:
    with pytest.raises(TrajectoryError, match=r"has 47681 atoms a frame, but .*adk\.psf has 3341"):
        open_trajectory(_file("PSF"), _file("XTC"))
    with pytest.raises(TrajectoryError, match=r"there is no reader of frames for '\.psf' files"):
        open_trajectory(_file("PSF"))
    with pytest.raises(TrajectoryError, match="cannot be read as a structure"):
        open_trajectory(Path(__file__))
    with pytest.raises(TrajectoryError, match="must be a positive number of ps, not 0"):
        open_trajectory(_file("PSF"), _file("DCD"), lag=0)
    with pytest.raises(TrajectoryError, match="has 98 frames; there is none from 98"):
        open_trajectory(_file("PSF"), _file("DCD")).read(98, 99)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_coordinate_that_is_no_number(tmp_path: Path, value: float) -> None:
    index = index_dcd(_file("DCD"))
    data = bytearray(_file("DCD").read_bytes())
    place = int(index.offsets[5]) + index.mark + 4 * 1234
    data[place : place + 4] = np.array([value], index.order + "f4").tobytes()
    broken = tmp_path / "broken.dcd"
    broken.write_bytes(data)
    ours = open_trajectory(_file("PSF"), broken)
    assert len(ours.read(0, 5)) == 5
    name = f"{ours.names[1234]} of {ours.resnames[1234]} {ours.resids[1234]}"
    with pytest.raises(TrajectoryError, match=rf"frame 5 .* at atom 1235 \({name}\)"):
        list(ours.iter(2))


def test_frames_check_and_slice() -> None:
    from msb.io import Frames

    positions = np.zeros((5, 2, 3), np.float32)
    frames = Frames(positions, None, np.arange(5.0), 10, 2)[1:4]
    assert (len(frames), frames.n_atoms) == (3, 2)
    assert frames.numbers.tolist() == [12, 14, 16]
    assert frames.times.tolist() == [1, 2, 3]
    for wrong in [
        (positions[0],),
        (
            positions,
            np.zeros((5, 3)),
        ),
        (positions, None, np.zeros(4)),
    ]:
        with pytest.raises(TrajectoryError, match="frames need"):
            Frames(*wrong)


def test_memory_is_bounded(msb_data: Path) -> None:
    """A chunk of 256 frames of 22 atoms is 68 kB; the whole trajectory would be 44 MB."""
    import tracemalloc

    adp = open_trajectory(msb_data / "adp" / "adp.pdb", msb_data / "adp" / "adp_300K.dcd")
    tracemalloc.start()
    total = sum(len(chunk) for chunk in adp.iter(256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 165_000
    assert peak < 500_000
