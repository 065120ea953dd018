"""The table of the ADP study: perfect structures pass, each kind of mistake fails in its own rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FEW = {"replicates": 5, "blocks": 10, "seed": 0}
FREE = [k for k in range(22) if k not in (4, 6, 8, 10, 14, 16)]


@pytest.fixture
def metrics(study: Callable[[str, str], ModuleType]) -> ModuleType:
    return study("adp_backmapping", "metrics")


@pytest.fixture
def frames(metrics: ModuleType) -> np.ndarray:
    """1,750 structures of MD (with frozen beads, 50 places after each other)."""
    with np.load(metrics.HERE / "out" / "frozen_beads.npz") as file:
        return file["positions"].reshape(-1, 22, 3)


def failed(metrics: ModuleType, test: np.ndarray, reference: np.ndarray) -> set[str]:
    rows = metrics.evaluate(test, reference, n_states=10, options=FEW)
    return {row.name for row in rows if row.passed is False}


def test_the_reference_passes_and_every_row_is_there(metrics: ModuleType, frames: np.ndarray) -> None:
    rows = metrics.evaluate(frames, frames.copy(), n_states=10, options=FEW, projection=np.full(9, 0.002))
    assert [row.name for row in rows if row.passed is False] == []
    assert {row.name for row in rows if row.passed is None} == {
        "C-beta hydrogens' displacement: mean",
        "drift of vacuum energy: last less first tenth",
        "drift of C-beta hydrogens' displacement: last less first tenth",
    }
    assert sum(row.detail for row in rows) == 9 + 11 + 10
    names = " ".join(row.name for row in rows)
    for words in (
        "vacuum energy",
        "relaxation",
        "omega 1",
        "N-H plane",
        "worst of 10",
        "methyl CB",
        "broken",
    ):
        assert words in names
    for words in ("implied timescale 3", "(phi, psi)", "beads: largest", "project needed"):
        assert words in names


def test_noise_on_the_atoms(metrics: ModuleType, frames: np.ndarray) -> None:
    noisy = frames.copy()
    noisy[:, FREE] += np.random.default_rng(0).normal(0, 0.006, (len(frames), 16, 3)).astype(np.float32)
    found = failed(metrics, noisy, frames)
    assert {"vacuum energy", "vacuum energy: mean, off by", "heavy-atom bonds, worst of 9"} <= found
    assert "width of N-H plane 1 (O-C-N-H)" in found
    assert not any(name.startswith(("beads", "implied", "(phi")) for name in found)


def test_a_mirror_image(metrics: ModuleType, frames: np.ndarray) -> None:
    found = failed(metrics, frames * np.float32([-1, 1, 1]), frames)
    assert {
        "chirality at CA (side of HA and of CB)",
        "broken structures",
        "beads: largest deviation",
    } <= found
    assert {f"order of the hydrogens of methyl {name}" for name in ("ACE", "CB", "NME")} <= found


def test_two_hydrogens_exchanged(metrics: ModuleType, frames: np.ndarray) -> None:
    swapped = frames.copy()
    swapped[:, [11, 12]] = frames[:, [12, 11]]
    rows = {row.name: row for row in metrics.evaluate(swapped, frames, n_states=10, options=FEW)}
    assert rows["order of the hydrogens of methyl CB"].measured == len(frames)
    assert rows["order of the hydrogens of methyl ACE"].passed
    assert rows["broken structures"].passed


def test_a_stretched_bond_is_broken(metrics: ModuleType, frames: np.ndarray) -> None:
    stretched = frames.copy()
    stretched[7, 5] += (frames[7, 5] - frames[7, 4]) * np.float32(0.3)
    rows = {row.name: row for row in metrics.evaluate(stretched, frames, n_states=10, options=FEW)}
    assert rows["broken structures"].measured == 1
    assert "frame 7" in rows["broken structures"].note


def test_a_memoryless_methyl(metrics: ModuleType, study: Callable, msb_data: Path) -> None:
    """The methyl turned by 120 degrees at random: energies stay, displacements and relaxation do not."""
    from msb.io import open_trajectory

    source = open_trajectory(msb_data / "adp" / "adp.pdb", msb_data / "adp" / "adp_300K.dcd")
    reference = source.read(132000, 135000).positions
    test = reference.copy()
    turns = np.random.default_rng(0).integers(3, size=len(test))
    order = np.array([[11, 12, 13], [12, 13, 11], [13, 11, 12]])[turns]
    test[:, 11:14] = np.take_along_axis(reference, order[..., None], axis=1)
    assert failed(metrics, test, reference) == {
        "C-beta hydrogens' displacement over 1 ps",
        "C-beta methyl torsion: relaxation time",
    }


def test_spread(metrics: ModuleType, tmp_path: Path) -> None:
    """MD's sparse structures pass against MD's torsions; the same structure every time has collapsed."""
    frozen = metrics.HERE / "out" / "frozen_beads.npz"
    with np.load(frozen) as file:
        positions = file["positions"]
    np.savez(tmp_path / "md.npz", positions=positions)
    rows = metrics.evaluate_spread(tmp_path / "md.npz", frozen, FEW)
    assert len(rows) == 12
    assert all(row.passed for row in rows[:10])
    np.savez(tmp_path / "one.npz", positions=np.repeat(positions[:, :1], 20, axis=1))
    rows = metrics.evaluate_spread(tmp_path / "one.npz", frozen, FEW)
    assert not any(row.passed for row in rows[:11])


def test_energies_are_openmms(metrics: ModuleType, study: Callable, frames: np.ndarray) -> None:
    import openmm

    structure = study("adp_backmapping", "structure_rows")
    system = study("adp_backmapping", "adp_system").make_system(
        metrics.HERE / "adp.pdb", implicit=False, constrained=False
    )[1]
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference")
    )
    expected = []
    for x in frames[:5]:
        context.setPositions(x.astype(float))
        expected.append(context.getState(getEnergy=True).getPotentialEnergy()._value)
    np.testing.assert_allclose(structure.vacuum_energies(frames[:5]), expected, rtol=1e-6)


def test_command_line(
    metrics: ModuleType, frames: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "test.npz", positions=frames)
    output = tmp_path / "out" / "results.json"
    arguments = [
        str(tmp_path / "test.npz"),
        "--reference",
        str(tmp_path / "test.npz"),
        "--frames",
        "0:",
        "--smoke",
    ]
    assert metrics.main([*arguments, "-o", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "rows pass" in printed
    assert "MISS" not in printed
    content = json.loads(output.read_text())
    assert content["frames"] == 600
    assert content["passed"] == content["judged"]
    assert metrics.main([*arguments, "--unpaired"]) == 0
    assert "broken structures" in capsys.readouterr().out


def test_sentences(metrics: ModuleType, frames: np.ndarray) -> None:
    with pytest.raises(SystemExit, match="1750 frames, the reference 1749"):
        metrics.evaluate(frames, frames[1:])
    broken = frames.copy()
    broken[3] = np.nan
    with pytest.raises(SystemExit, match="first in frame 3"):
        metrics.evaluate(broken, frames)
    with pytest.raises(SystemExit, match="not \\(frames, 22, 3\\)"):
        metrics.evaluate(frames[:, :6], frames)


def test_other_rows_are_not_judged_without_a_twin(metrics: ModuleType, frames: np.ndarray) -> None:
    rows = metrics.unjudged(metrics.evaluate(frames, frames, n_states=10, options=FEW))
    judged = {row.name for row in rows if row.passed is not None}
    assert "broken structures" in judged
    assert "vacuum energy" not in judged
    assert len(judged) == 8
