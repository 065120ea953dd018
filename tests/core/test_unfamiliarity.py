"""The domain warning: calibrated on frames like those of training, loud on others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from msb.core.bead_environment import BeadEnvironments, Environments, Vocabulary
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.core.unfamiliarity import Familiarity
from msb.data.samples import sample
from msb.errors import MsbError
from msb.io.trajectory import open_trajectory


def comb(units: int, count: int, types: str = "BS") -> Mapping:
    """Chains B1 S1 B2 S2 ..."""
    n = 2 * units
    bonds = [(2 * k, 2 * k + 1) for k in range(units)] + [(2 * k, 2 * k + 2) for k in range(units - 1)]
    molecule = MoleculeTemplate.from_atoms("P", [f"C{k}" for k in range(n)], bonds=bonds, elements=["C"] * n)
    template = MappingTemplate.from_atoms(molecule, range(n), types=list(types * units))
    return Mapping([template], Topology.from_template(molecule, count))


def chains(units: int, count: int, frames: int, edge: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames of chains that start anywhere: bonds of fixed length with some noise, no two frames related."""
    rng = np.random.default_rng(seed)

    def directions(*shape: int) -> np.ndarray:
        v = rng.normal(size=(*shape, 3)) + np.array([1.5, 0, 0])
        return v / np.linalg.norm(v, axis=-1, keepdims=True) * rng.normal(0.3, 0.01, (*shape, 1))

    spine = np.cumsum(directions(frames, count, units), axis=2)
    x = np.stack([spine, spine + directions(frames, count, units)[..., [1, 2, 0]]], axis=3)
    x += rng.uniform(0, edge, (frames, count, 1, 1, 3))
    return x.reshape(frames, -1, 3), np.tile(np.eye(3) * edge, (frames, 1, 1))


@pytest.fixture(scope="module")
def trained():
    mapping = comb(4, 15)
    describe = BeadEnvironments(mapping)
    familiarity = Familiarity.fit(describe(*chains(4, 15, 120, 2.4, 0)))
    return describe, familiarity


def test_one_in_a_thousand_of_new_frames_is_outside(trained):
    describe, familiarity = trained
    share = familiarity.share_outside(describe(*chains(4, 15, 120, 2.4, 1)))
    assert share.shape == (120,)
    assert 0.0003 < share.mean() < 0.003


def test_other_densities_are_outside(trained):
    describe, familiarity = trained
    dense = describe(*chains(4, 15, 4, 1.2, 3))  # eight times as dense, chains as they were
    assert (familiarity.share_outside(dense) > 0.95).all()


@pytest.fixture(scope="module")
def melt():
    """Four frames of a polystyrene melt of the project's own: trained on three of them."""
    read = open_trajectory(sample("polystyrene_beads.gro"), sample("polystyrene_beads.xtc")).read()
    describe = BeadEnvironments(comb(10, 36))
    familiarity = Familiarity.fit(describe(read.positions[:3], read.boxes[:3]))
    return describe, familiarity, read.positions[3:].astype(float), read.boxes[3:]


def test_a_melt_knows_itself_and_not_its_like(melt):
    describe, familiarity, x, boxes = melt
    assert familiarity.share_outside(describe(x, boxes))[0] < 0.005
    assert familiarity.share_outside(describe(0.8 * x, 0.8 * boxes))[0] > 0.98  # compressed
    scrambled = x[:, np.random.default_rng(0).permutation(x.shape[1])]
    assert familiarity.share_outside(describe(scrambled, boxes))[0] == 1
    noisy = x + np.random.default_rng(0).normal(0, 0.05, x.shape)
    assert familiarity.share_outside(describe(noisy, boxes))[0] > 0.4


def test_two_beads_at_one_point_are_outside(melt):
    describe, familiarity, x, boxes = melt
    before = familiarity.ratios(describe(x, boxes))[0]
    x = x.copy()
    x[0, 105] = x[0, 5]  # two rings
    ratios = familiarity.ratios(describe(x, boxes))[0]
    assert max(before[5], before[105]) < 1 < min(ratios[5], ratios[105])


def test_kinds_never_seen_are_outside_and_named(trained):
    _, familiarity = trained
    longer = BeadEnvironments(comb(6, 10), familiarity.vocabulary)
    x = longer(*chains(6, 10, 2, 2.4, 5))
    assert set(familiarity.unknown(x)) == {
        longer.kinds[k] for k in (2, 4, 5)
    }  # chains of four never go on so far
    ratios = familiarity.ratios(x)
    new = np.isin(longer.kinds, familiarity.unknown(x))
    assert np.isinf(ratios[:, new]).all()
    assert (ratios[:, ~new] < 1).mean() > 0.98
    other = BeadEnvironments(comb(4, 15, "BT"), familiarity.vocabulary)
    assert familiarity.share_outside(other(*chains(4, 15, 1, 2.4, 6))).tolist() == [1.0]


def test_neighbours_of_a_type_never_seen_are_outside(trained):
    _, familiarity = trained
    x, boxes = chains(4, 15, 1, 2.4, 7)
    known = comb(4, 15)
    ion = MoleculeTemplate.from_atoms("ION", ["X"], elements=["C"])
    topology = Topology((*known.topology.molecules, (ion, 1)))
    mixture = Mapping([*known.templates, MappingTemplate.from_atoms(ion, [0], types=["X"])], topology)
    spot = x[:, 10:11] + [0.35, 0, 0]
    seen = BeadEnvironments(mixture, familiarity.vocabulary)(np.concatenate([x, spot], axis=1), boxes)
    ratios = familiarity.ratios(seen)[0]
    assert ratios[10] > 1
    assert np.isinf(ratios[-1])


def test_frames_that_are_not_finite_are_outside(trained):
    describe, familiarity = trained
    x, boxes = chains(4, 15, 2, 2.4, 8)
    x[1, 7] = np.nan
    share = familiarity.share_outside(describe(x, boxes))
    assert share[0] < 0.05
    assert share[1] == 1


def test_gaussian_numbers_have_the_distances_of_chi_squared():
    rng = np.random.default_rng(0)
    words = Vocabulary((), tuple(f"A A {k}" for k in range(3)))  # 7 columns, 6 of them filled
    mix = rng.normal(size=(6, 6))

    def drawn(n: int) -> Environments:
        values = np.concatenate([np.zeros((n, 1)), rng.normal(size=(n, 6)) @ mix], axis=1)
        return Environments(words, ("A: ",) * 10, values.reshape(-1, 10, 7))

    familiarity = Familiarity.fit(drawn(40000))
    assert familiarity.limits[0] == pytest.approx(np.sqrt(chi2.ppf(0.999, 6)), rel=0.03)
    assert familiarity.share_outside(drawn(40000)).mean() == pytest.approx(0.001, abs=0.0005)
    exact = np.linalg.norm(mix @ np.linalg.inv(mix), axis=1)  # a step along each hidden number is one sd
    steps = np.concatenate([np.zeros((6, 1)), mix], axis=1) + familiarity.means
    ratios = familiarity.ratios(Environments(words, ("A: ",) * 6, steps[None]))
    np.testing.assert_allclose(ratios[0] * familiarity.limits[0], exact, rtol=0.03)


def test_plain_arrays_there_and_back(trained):
    describe, familiarity = trained
    arrays = familiarity.to_arrays()
    assert all(array.dtype.kind in "iuf" for array in arrays.values())
    back = Familiarity.from_arrays(arrays)
    seen = describe(*chains(4, 15, 2, 2.4, 9))
    np.testing.assert_array_equal(back.ratios(seen), familiarity.ratios(seen))
    del arrays["limits"]
    with pytest.raises(MsbError, match="not what to_arrays wrote"):
        Familiarity.from_arrays(arrays)


def test_several_systems_in_one_vocabulary():
    one, two = comb(4, 10), comb(4, 10, "BT")
    words = Vocabulary.of(one, two)
    seen = [BeadEnvironments(m, words)(*chains(4, 10, 20, 2.4, k)) for k, m in enumerate((one, two))]
    familiarity = Familiarity.fit(*seen)
    assert len(familiarity.limits) == 3
    assert not familiarity.unknown(seen[0])
    for k, mapping in enumerate((one, two)):
        new = BeadEnvironments(mapping, words)(*chains(4, 10, 5, 2.4, 10 + k))
        assert familiarity.share_outside(new).mean() < 0.02
    with pytest.raises(MsbError, match="common vocabulary"):
        Familiarity.fit(seen[0], BeadEnvironments(one)(*chains(4, 10, 1, 2.4, 0)))
    with pytest.raises(MsbError, match="other columns"):
        familiarity.ratios(BeadEnvironments(one)(*chains(4, 10, 1, 2.4, 0)))


def test_little_or_nothing_to_learn_from():
    describe = BeadEnvironments(comb(4, 1))
    x, boxes = chains(4, 1, 1, 2.4, 0)
    familiarity = Familiarity.fit(describe(x, boxes))
    assert familiarity.share_outside(describe(x, boxes)).tolist() == [0.0]
    assert familiarity.share_outside(describe(2 * x, boxes))[0] > 0.9
    with pytest.raises(MsbError, match="no bead environments"):
        Familiarity.fit()
    broken = describe(np.full_like(x, np.nan), boxes)
    with pytest.raises(MsbError, match="not finite"):
        Familiarity.fit(broken)
    assert familiarity.share_outside(replace(broken, values=broken.values[:0])).shape == (0,)
