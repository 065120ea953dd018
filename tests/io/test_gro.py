"""The tolerant GRO reader: good files agree with MDAnalysis, shifted ones are repaired or refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import MDAnalysis
    import MDAnalysisTests.datafiles as others

from msb.errors import FileFormatError, MsbWarning, TrajectoryError
from msb.io import open_trajectory, read_gro
from msb.io.gro import index_gro

SHIFTED = [f"fritz/cg/{number}.gro" for number in range(1, 11)]


@pytest.mark.parametrize("name", ["GRO", "GRO_velocity", "two_water_gro", "GRO_sameresid_diffresname"])
def test_agrees_with_mdanalysis(name: str) -> None:
    _compare(Path(str(getattr(others, name))))


@pytest.mark.parametrize(
    "name", ["sps/aa.gro", "sps/cg.gro", "octane/train/aa/350.gro", "dodecane/aa/0.gro", "fritz/kg/1.gro"]
)
def test_agrees_with_mdanalysis_on_reference_data(msb_data: Path, name: str) -> None:
    _compare(msb_data / name)


def _compare(path: Path) -> None:
    ours = read_gro(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe(str(path))
        step = universe.trajectory.ts
    assert ours.repaired == 0
    assert (ours.names == universe.atoms.names).all()
    assert (ours.resnames == universe.atoms.resnames).all()
    assert (ours.resids % 100_000 == universe.atoms.resids % 100_000).all()
    np.testing.assert_allclose(ours.positions, step.positions / 10, atol=1e-6)
    np.testing.assert_allclose(ours.box, step.triclinic_dimensions / 10, atol=1e-5)
    if step.has_velocities:
        np.testing.assert_allclose(ours.velocities, step.velocities / 10, atol=1e-6)
    else:
        assert ours.velocities is None


@pytest.mark.parametrize("name", SHIFTED)
def test_the_shifted_files_are_repaired(msb_data: Path, name: str) -> None:
    """One column too few in the residue field: MDAnalysis fails, here one counted warning."""
    with pytest.warns(MsbWarning, match=r"of 4608 of 4608 lines are shifted") as caught:
        frame = read_gro(msb_data / name)
    assert len(caught) == 1
    assert (frame.resids == np.repeat(np.arange(1, 25), 192)).all()
    expected = [f"{letter}{number}" for number in range(1, 97) for letter in "AB"]
    assert (frame.names.reshape(24, 192) == expected).all()
    assert set(frame.resnames) == {"PSR"}
    words = [line.split()[-3:] for line in (msb_data / name).read_text().splitlines()[2:-1]]
    np.testing.assert_allclose(frame.positions, np.array(words, float), atol=1e-6)


def test_open_trajectory_reads_them(msb_data: Path) -> None:
    with pytest.warns(MsbWarning, match="shifted") as caught:
        beads = open_trajectory(msb_data / SHIFTED[0])
    assert len(caught) == 1
    frames = beads.read()
    assert frames.positions.shape == (1, 4608, 3)
    np.testing.assert_allclose(np.diagonal(frames.boxes[0]), [7.26516, 7.26517, 7.26516], atol=1e-6)
    assert beads.universe.residues.n_residues == 24


def _gro(rows: list[str], box: str = "   5.00000   5.00000   5.00000", title: str = "t") -> str:
    return "\n".join([title, f"{len(rows):5d}", *rows, box]) + "\n"


def _rows(positions: np.ndarray, decimals: int, names: list[str], shift: str = "") -> list[str]:
    """Rows of a GRO; `shift` narrows or widens the residue name's field."""
    width = {"": 5, "-": 4, "+": 6}[shift]
    return [
        f"{i // 2 + 1:5d}{'PSR':<{width}}{name:>5}{(i + 1) % 100_000:5d}"
        + "".join(f"{value:{decimals + 5}.{decimals}f}" for value in position)
        for i, (name, position) in enumerate(zip(names, positions, strict=True))
    ]


@settings(max_examples=50)
@given(
    decimals=st.integers(1, 9),
    shift=st.sampled_from(["", "-", "+"]),
    positions=st.lists(
        st.tuples(*(st.floats(-99, 999, allow_nan=False, width=32) for _ in range(3))), min_size=1, max_size=9
    ),
)
def test_any_precision_and_a_shift_of_one(
    tmp_path_factory: pytest.TempPathFactory, decimals: int, shift: str, positions: list
) -> None:
    path = tmp_path_factory.mktemp("gro") / "a.gro"
    names = [f"{'AB'[i % 2]}{i}" for i in range(len(positions))]
    path.write_text(_gro(_rows(np.array(positions), decimals, names, shift)))
    frame = read_gro(path, warn=False)
    assert frame.precision == decimals
    assert frame.repaired == (len(positions) if shift else 0)
    assert frame.names.tolist() == names
    assert set(frame.resnames) == {"PSR"}
    assert frame.resids.tolist() == [i // 2 + 1 for i in range(len(positions))]
    np.testing.assert_allclose(frame.positions, positions, atol=0.51 * 10.0**-decimals, rtol=1e-6)


def test_a_single_shifted_line_is_repaired(tmp_path: Path) -> None:
    positions = np.random.default_rng(0).uniform(0, 5, (6, 3)).round(3)
    names = ["A1", "B1", "A2", "B2", "A3", "B3"]
    rows = _rows(positions, 3, names)
    rows[3] = rows[3].replace("PSR  ", "PSR ")
    path = tmp_path / "a.gro"
    path.write_text(_gro(rows))
    with pytest.warns(MsbWarning, match="of 1 of 6 lines"):
        frame = read_gro(path)
    assert frame.names.tolist() == names
    np.testing.assert_allclose(frame.positions, positions, atol=1e-6)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("    1P R   A1    1   1.000   2.000   3.000", r"line 3, column 23: .* no layout of residue number"),
        ("    2PS  A 1A2    1   1.000   2.000   3.000", r"line 3, column 24: .* no layout"),
        ("    1PSR     A1    1   1.000   2.0x0   3.000", r"line 3, column 29: expected a number"),
        (
            "    1PSR     A1    1   1.000  2.0000   3.000",
            r"line 3, column 29: expected three coordinates of 8",
        ),
        ("    xPSR     A1    1   1.000   2.000   3.000", r"line 3, column 1: expected a residue number"),
    ],
)
def test_what_cannot_be_read_is_placed(tmp_path: Path, row: str, message: str) -> None:
    good = "    1PSR     B1    2   1.500   2.500   3.500"
    path = tmp_path / "a.gro"
    path.write_text(_gro([row, good]))
    with pytest.raises(FileFormatError, match=message):
        read_gro(path)


def test_two_readings_are_refused(tmp_path: Path) -> None:
    """PSRA + BCDEF, or PSRAB + CDEF, in nine columns where ten belong."""
    rows = [f"    1PSRABCDEF   7{number}   1.000   2.000   3.000" for number in (7, 8)]
    path = tmp_path / "a.gro"
    path.write_text(_gro(rows))
    with pytest.raises(FileFormatError, match=r"line 3, column 24: .* can be read as .* or as"):
        read_gro(path)


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """`nan` passes the GRO reader; the trajectory names frame and atom."""
    rows = _rows(np.ones((3, 3)), 3, ["A", "B", "C"])
    rows[1] = rows[1][:20] + "     nan     nan     nan"
    path = tmp_path / "a.gro"
    path.write_text(_gro(rows))
    assert np.isnan(read_gro(path).positions[1]).all()
    with pytest.raises(TrajectoryError, match=r"frame 0 .* at atom 2 \(B of PSR 1\)"):
        open_trajectory(path).read()


def test_several_frames(tmp_path: Path) -> None:
    positions = np.random.default_rng(0).uniform(0, 5, (4, 3, 3)).round(3)
    frames = [_gro(_rows(x, 3, ["A", "B", "C"]), title=f"frame t= {i}.0") for i, x in enumerate(positions)]
    path = tmp_path / "a.gro"
    path.write_text("".join(frames))
    assert index_gro(path)[1].tolist() == [1, 7, 13, 19]
    series = open_trajectory(path)
    assert (series.n_frames, series.timestep) == (4, None)
    np.testing.assert_allclose(series.read(1, 3).positions, positions[1:3], atol=1e-6)
    path.write_text("".join(frames)[: -len(frames[3]) + 20])
    with pytest.raises(TrajectoryError, match=r"is truncated: it announces 3 atoms .* 3 whole frames"):
        open_trajectory(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t\nmany\n", r"line 2: expected the number of atoms, found 'many'"),
        ("t\n0\n  1 1 1\n", r"line 2: the number of atoms is 0"),
        (_gro(_rows(np.ones((1, 3)), 3, ["A"]), box="1 2"), r"line 4: expected a box of 3 or 9 numbers"),
        (
            _gro(_rows(np.ones((1, 3)), 3, ["A"]), box="1 2 x"),
            r"expected a box of 3 or 9 numbers, found '1 2 x'",
        ),
    ],
)
def test_broken_frames(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.gro"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=message):
        open_trajectory(path)


def test_names_beyond_ascii_and_zero_boxes(tmp_path: Path) -> None:
    path = tmp_path / "a.gro"
    path.write_text(_gro(_rows(np.ones((1, 3)), 3, ["A"]), box="0 0 0", title="é"), encoding="utf-8")
    frame = read_gro(path)
    assert (frame.title, frame.box) == ("é", None)
