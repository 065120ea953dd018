"""Polystyrene: dynamics is clean, published outputs have their known defects, planted ones are found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msb.core.box import make_whole
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory
from msb.quality import Checker, Reference, Verdict

pytestmark = pytest.mark.filterwarnings("ignore::msb.errors.MsbWarning")


class Melt:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.topology = read_topology(folder / "topol.top")
        self.truth = self.frames("t568/aa.xtc", slice(0, 78))
        self.reference = Reference.of(self.topology, *(a[:1] for a in self.truth))
        self.checker = Checker(self.topology, reference=self.reference)

    def frames(self, name: str, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        read = open_trajectory(self.folder / "aa.gro", self.folder / name).read(0, 78)
        return read.positions[rows], read.boxes[rows]

    def verdict(self, name: str) -> Verdict:
        """Of every sixth frame, those of the published table."""
        return Verdict.of([self.checker.examine(*self.frames(name, slice(0, None, 6)))])


@pytest.fixture(scope="module")
def melt(msb_data) -> Melt:
    return Melt(msb_data / "sps")


def test_molecular_dynamics_is_clean(melt):
    """78 frames at 568 K, with a reference and without."""
    assert melt.checker.check(*melt.truth) == []
    examination = Checker(melt.topology).examine(*(a[::13] for a in melt.truth))
    assert examination.findings == []
    assert set(examination.statistics["stereocentres_judged"]) == {324.0}
    assert set(examination.statistics["meso_share"]) == {0.0}
    assert 300 < examination.statistics["bonds_across_box"].mean() < 354


@pytest.mark.parametrize(
    ("name", "inverted", "piercings", "carbons", "pairs"),
    [
        ("t313/deepbackmap.xtc", (0, 0), 0, 0.15, 0.46),
        ("t568/deepbackmap.xtc", (0.006, 0.009), 0, 0.54, 2.31),
        ("t313/baseline.xtc", (0.45, 0.49), 1.54, 3.6, 0),
        ("t568/baseline.xtc", (0.45, 0.49), 0.08, 0.23, 0.23),
    ],
)
def test_published_counts(melt, name, inverted, piercings, carbons, pairs):
    found = melt.verdict(name).statistics
    assert inverted[0] <= found["inverted_share"] <= inverted[1]
    assert found["ring_piercings"] == pytest.approx(piercings, abs=0.005)
    assert found["carbon_pairs_below_0.28_nm"] == pytest.approx(carbons, abs=0.02)
    assert found["pairs_below_0.17_nm"] == pytest.approx(pairs, abs=0.005)


# --- defects planted in the first frame ---


@pytest.fixture
def one(melt) -> tuple[np.ndarray, np.ndarray]:
    positions, boxes = melt.truth
    box = boxes[0].astype(np.float64)
    return np.asarray(make_whole(positions[0].astype(np.float64), box, melt.topology)), box


def kinds(melt, x, box) -> set[str]:
    return {f.kind for f in melt.checker.check(x, box)}


def test_mirrored_centre(melt, one):
    """A hydrogen and the chain change sides: reflect the two smaller arms through the plane of the others."""
    x, box = one
    first, centre = 162 * 7, 162 * 7 + 36  # C37 of chain 8: C34 chain, C38 ring, H36, C50 chain
    template = melt.topology.only_template()
    around = template.neighbours[36]
    hydrogen = first + next(a for a in around if template.elements[a] == "H")
    ring = [first + 37 + k for k in range(11)]
    chain = [first + a for a in around if a not in (37, hydrogen - first)]
    u = sum((x[a] - x[centre]) / np.linalg.norm(x[a] - x[centre]) for a in chain)
    v = np.cross(x[ring[0]] - x[centre], x[hydrogen] - x[centre])
    normal = np.cross(u, v)  # the plane of u and v halves the angle between hydrogen and ring
    normal /= np.linalg.norm(normal)
    moved = [hydrogen, *ring]
    x[moved] -= 2 * ((x[moved] - x[centre]) @ normal)[:, None] * normal
    found = [f for f in melt.checker.check(x, box) if f.kind == "hand"]
    assert [f.indices[0] for f in found] == [centre]
    assert "bond" not in kinds(melt, x, box)


def test_speared_ring(melt, one):
    """A chain end's hydrogen is drawn through the nearest strange ring."""
    x, box = one
    template = melt.topology.only_template()
    ring = 162 * 5 + np.array(template.rings[4])
    corners = x[ring] - x[ring].mean(axis=0)
    normal = np.linalg.svd(corners)[2][2]
    end = 162 * 20
    x[end : end + 162] += x[ring].mean(axis=0) - x[[end, end + 1]].mean(axis=0)
    along = (x[end + 1] - x[end]) / np.linalg.norm(x[end + 1] - x[end])
    axis, cosine = np.cross(along, normal), along @ normal
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + skew + skew @ skew / (1 + cosine)
    middle = x[[end, end + 1]].mean(axis=0)
    x[end : end + 162] = (x[end : end + 162] - middle) @ turn.T + middle
    x -= np.floor(x @ np.linalg.inv(box)) @ box
    found = [f for f in melt.checker.check(x, box) if f.kind == "piercing"]
    assert (*ring.tolist(), end, end + 1) in {f.indices for f in found}


def test_contact(melt, one):
    """Two chains: an atom of one is put 0.09 nm from one of the other."""
    x, box = one
    x[:162] += x[162 * 9 + 60] + [0.09, 0, 0] - x[80]
    clashes = {frozenset(f.indices): f.value for f in melt.checker.check(x, box) if f.kind == "clash"}
    assert clashes[frozenset({80, 162 * 9 + 60})] == pytest.approx(0.09, abs=1e-6)
    assert kinds(melt, x, box) <= {"clash", "piercing"}


def test_stretched_bond(melt, one):
    """C-H from 0.11 to 0.14 nm."""
    x, box = one
    x[0] = x[1] + (x[0] - x[1]) * 0.14 / 0.11
    (finding,) = melt.checker.check(x, box)
    assert (finding.kind, finding.indices) == ("bond", (0, 1))
    assert finding.value == pytest.approx(0.14, abs=1e-3)


def test_cut_by_another_box(melt, one):
    """Atoms wrapped into a box that is not the one in the file."""
    x, box = one
    x -= np.floor(x @ np.linalg.inv(box)) @ box
    assert kinds(melt, x, box) == set()
    assert "broken" in kinds(melt, x, box * 1.1)
    assert "broken" in {f.kind for f in melt.checker.check(x)}


@pytest.mark.parametrize("pair", [(3, 4), (5, 6), (36, 37)])
def test_swapped_atoms(melt, one, pair):
    x, box = one
    x[list(pair)] = x[list(pair[::-1])]
    assert kinds(melt, x, box) & {"bond", "angle", "hand"}
    assert all(set(f.indices) & set(pair) for f in melt.checker.check(x, box))
