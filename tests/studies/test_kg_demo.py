"""The target and the top-down melt of `msb morph --demo`: made by their script, parted in time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msb.core.topology import Topology
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory

OUT = Path(__file__).resolve().parents[2] / "studies" / "kg_morph" / "out"


@pytest.fixture
def script(study: Callable[[str, str], ModuleType]) -> ModuleType:
    return study("kg_morph", "demo_target")


def test_a_bead_is_the_centre_of_mass_of_two_monomers(script: ModuleType) -> None:
    chain = read_topology(script.SOURCE / "sps568.top").templates[0]
    mapping = script.dimer_mapping(chain)
    masses = [chain.masses[mapping.owner == bead].sum() for bead in range(5)]
    inner, ends = 2 * (8 * 12.011 + 8 * 1.008), 1.008
    assert masses == pytest.approx([inner + ends, inner, inner, inner, inner + ends])
    dense = mapping.weights.toarray()
    assert dense[1, 32:64] == pytest.approx(chain.masses[32:64] / inner)
    bonded = {tuple(sorted(mapping.owner[list(pair)])) for pair in chain.bonds}
    assert bonded == {(k, k) for k in range(5)} | {(k, k + 1) for k in range(4)}


def test_the_committed_target_is_what_the_script_makes(script: ModuleType, tmp_path: Path) -> None:
    """Early snapshots train, late ones validate, those between serve nobody."""
    frames, mapping = script.mapped()
    beads: Topology = mapping.bead_topology()
    assert script.write_target(frames, beads, tmp_path, script.TRAIN, script.BETWEEN) == {
        "train": 200,
        "validation": 60,
    }
    times = {}
    for part in ("train", "validation"):
        made, kept = (
            open_trajectory(folder / "sps568_beads.gro", folder / f"sps568_{part}.xtc").read()
            for folder in (tmp_path, OUT)
        )
        np.testing.assert_allclose(made.positions, kept.positions, atol=1.1e-4)
        np.testing.assert_array_equal(made.times, kept.times)
        times[part] = made.times
    assert times["validation"].min() - times["train"].max() > 100  # ps


def test_the_sample_is_spread_over_a_melts_snapshots(script: ModuleType, tmp_path: Path) -> None:
    script.write_sample(OUT / "kg_64x10", tmp_path)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["kremer_grest.gro", "kremer_grest.xtc"]
    made = open_trajectory(tmp_path / "kremer_grest.gro", tmp_path / "kremer_grest.xtc").read().positions
    whole = open_trajectory(OUT / "kg_64x10.gro", OUT / "kg_64x10.xtc").read().positions
    np.testing.assert_allclose(made, whole[[0, 16, 33, 49]], atol=1.1e-4)
