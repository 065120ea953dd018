"""SOAP descriptors: what they must not notice, what they must; DScribe itself is another package's work."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from msb.analysis.maps import average_kernel, soap_vectors
from msb.errors import ConfigError, TopologyError, TrajectoryError

KINDS = ["C", "C", "C", "O", "O", "H", "H", "N"]


@pytest.fixture
def soap() -> None:
    pytest.importorskip("dscribe")


def cluster(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.0, 0.35, (2, 8, 3))


@pytest.mark.usefixtures("soap")
def test_turning_moving_and_exchanging_like_atoms_change_nothing() -> None:
    positions = cluster()
    found = soap_vectors(positions, KINDS, [0, 3])
    assert found.kinds == ("C", "N", "O")
    assert found.values.shape[:2] == (2, 2)
    np.testing.assert_allclose(np.linalg.norm(found.values, axis=-1), 1.0)
    turn = Rotation.random(random_state=1).as_matrix()
    moved = positions @ turn.T + [1.0, -2.0, 0.5]
    np.testing.assert_allclose(soap_vectors(moved, KINDS, [0, 3]).values, found.values, atol=1e-9)
    swapped = positions[:, [0, 2, 1, 3, 4, 6, 5, 7]]
    np.testing.assert_allclose(soap_vectors(swapped, KINDS, [0, 3]).values, found.values, atol=1e-9)


@pytest.mark.usefixtures("soap")
def test_moving_one_atom_or_its_kind_is_noticed_and_a_hydrogen_is_not() -> None:
    positions = cluster()
    values = soap_vectors(positions, KINDS, [0]).values
    for atom, noticed in ((4, True), (5, False)):
        other = positions.copy()
        other[:, atom] += 0.05
        change = np.abs(soap_vectors(other, KINDS, [0]).values - values).max()
        assert (change > 1e-3) == noticed
    kinds = ["N" if k == "O" else "O" if k == "N" else k for k in KINDS]
    assert np.abs(soap_vectors(positions, kinds, [0]).values - values).max() > 1e-3


@pytest.mark.usefixtures("soap")
def test_beads_of_any_name_and_neighbours_through_the_box() -> None:
    positions, kinds = cluster(), ["PS", "PS", "B", "B", "S", "S", "S", "PS"]
    boxes = np.broadcast_to(2.0 * np.eye(3), (2, 3, 3))
    whole = soap_vectors(positions, kinds, [0], ignore=())
    np.testing.assert_allclose(
        soap_vectors(positions, kinds, [0], boxes, ignore=()).values, whole.values, atol=1e-9
    )
    cut = (positions + 1.85) % 2.0
    assert np.ptp(cut, axis=1).max() > 1
    np.testing.assert_allclose(
        soap_vectors(cut, kinds, [0], boxes, ignore=()).values, whole.values, atol=1e-9
    )


@pytest.mark.usefixtures("soap")
def test_descriptors_make_a_kernel() -> None:
    positions = np.concatenate([cluster(0), cluster(1), cluster(0)])
    kernel = average_kernel(soap_vectors(positions, KINDS, [0, 1, 2]).values)
    assert np.linalg.eigvalsh(kernel).min() > -1e-12
    np.testing.assert_allclose(kernel[:2, 4:].diagonal(), 1.0)
    assert kernel[0, 2] < 0.999


@pytest.mark.usefixtures("soap")
def test_bad_input_is_a_sentence() -> None:
    positions = cluster()
    with pytest.raises(TopologyError, match="7 kinds for 8 atoms"):
        soap_vectors(positions, KINDS[:7], [0])
    with pytest.raises(TopologyError, match="centres must be atoms 0 to 7, got 8 to 8"):
        soap_vectors(positions, KINDS, [8])
    with pytest.raises(TopologyError, match="got 0 after leaving out"):
        soap_vectors(positions, KINDS, [0], ignore=tuple(KINDS))
    with pytest.raises(ConfigError, match="`cutoff` must be above"):
        soap_vectors(positions, KINDS, [0], cutoff=0.0)
    with pytest.raises(TrajectoryError, match=r"boxes must be \(2, 3, 3\)"):
        soap_vectors(positions, KINDS, [0], np.eye(3))
    lonely = positions.copy()
    lonely[1, 5] += 9.0
    with pytest.raises(TrajectoryError, match=r"frame 1 .* within the cutoff of atom 5"):
        soap_vectors(lonely, KINDS, [5])
    lonely[0, 0, 0] = np.nan
    with pytest.raises(TrajectoryError, match=r"frame 0 .* not finite"):
        soap_vectors(lonely, KINDS, [5])


def test_without_dscribe_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dscribe.descriptors", None)
    monkeypatch.setitem(sys.modules, "dscribe", None)
    with pytest.raises(ConfigError, match=r"pip install 'msb-suite\[soap\]'"):
        soap_vectors(cluster(), KINDS, [0])
