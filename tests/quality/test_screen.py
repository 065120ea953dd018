"""The quick look at small molecules finds what the examination finds, to the last finding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.core.topology import Topology
from msb.data import sample
from msb.io import open_trajectory
from msb.quality import Checker, Reference
from msb.quality.screen import Screen

BEADS = [4, 6, 8, 10, 14, 16]


@pytest.fixture(scope="module")
def dipeptide() -> tuple[Checker, np.ndarray, np.ndarray]:
    from msb.core.mapping import Mapping
    from msb.core.mapping_template import MappingTemplate

    source = open_trajectory(sample("adp_reference.pdb"), sample("adp_reference.xtc"))
    topology = Topology.from_universe(source.universe)
    mapping = Mapping([MappingTemplate.from_atoms(topology.templates[0], BEADS)], topology)
    x = source.read(0, 300).positions
    checker = Checker(topology, reference=Reference.of(topology, x[::3]), mapping=mapping)
    return checker, x, x[:, BEADS]


@settings(max_examples=25)
@given(
    noise=st.sampled_from([0.0, 0.003, 0.01, 0.03]),
    mirrored=st.integers(1, 40),
    off=st.floats(0, 0.05),
    seed=st.integers(0, 99),
)
def test_both_find_the_same(dipeptide, noise: float, mirrored: int, off: float, seed: int) -> None:
    checker, x, beads = dipeptide
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(x), 40)
    y = (x[rows] + rng.normal(0, noise + 1e-12, (40, 22, 3))).astype(np.float32)
    y[::mirrored, :, 0] *= -1
    given_beads = np.where(np.arange(40)[:, None, None] == 3, beads[rows] + np.float32(off), y[:, BEADS])
    quick, full = Screen(checker).examine(y, given_beads), checker.examine(y, None, given_beads)
    assert quick.findings == full.findings
    assert quick.n_frames == full.n_frames
    assert quick.statistics.keys() == full.statistics.keys()
    for name, values in full.statistics.items():
        np.testing.assert_allclose(quick.statistics[name], values, atol=2e-6, err_msg=name)


def test_atoms_without_a_position_are_left_to_the_examination(dipeptide) -> None:
    checker, x, beads = dipeptide
    y = x[:5].copy()
    y[2, 7] = np.nan
    found = Screen(checker).examine(y, beads[:5]).findings
    assert [(f.kind, f.frame, f.atoms) for f in found] == [("nan", 2, ("H",))]


def test_it_says_what_it_does_not_fit(dipeptide) -> None:
    checker = dipeptide[0]
    assert Screen.fits(checker)
    template = checker.topology.templates[0]
    assert not Screen.fits(Checker(Topology(((template, 2),))))
    assert not Screen.fits(Checker(checker.topology, energy=lambda x, boxes: np.zeros(len(x))))
