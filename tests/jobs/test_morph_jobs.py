"""Morphing files: chains and bonds from files, what is measured, the choice, and runs that are killed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morph_case import BEADS, BOX, CHAINS, Case, bare, melt_topology, shared_case, walks, write
from msb.core.topology import Topology
from msb.errors import (
    BundleError,
    ConfigError,
    MappingError,
    MsbError,
    MsbWarning,
    TopologyError,
    TrajectoryError,
)
from msb.io.trajectory import open_trajectory
from msb.jobs.morph import run as runs
from msb.jobs.morph.choice import choose
from msb.jobs.morph.measures import FrameMeasures, Records, beyond, length_counts, size_sums
from msb.jobs.morph.prepare import Candidate, Prepared, prepare
from msb.jobs.morph.request import MorphRequest
from msb.jobs.morph.run import MorphOptions, morph
from msb.jobs.morph.top_down import chain_bonds, open_top_down
from msb.morph.chains import chain_topology
from msb.morph.morpher import load_morpher
from msb.morph.statistics import Ranges

ITP = """[ moleculetype ]
KG 1
[ atoms ]
{atoms}
[ bonds ]
{bonds}
"""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return shared_case(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def ready(case: Case) -> Prepared:
    return prepare(
        MorphRequest(case.structure, case.trajectory, (str(case.models[2]),), scheme="A", sweeps=0)
    )


@pytest.fixture(scope="module")
def rng_walk() -> np.ndarray:
    """A walk (1, N, 3) without gaps."""
    return np.cumsum(np.random.default_rng(2).normal(size=(1, 48, 3)) * 0.1, axis=1) + 5


def itp(path: Path, n: int, bonds: list[tuple[int, int]]) -> Path:
    atoms = "\n".join(f"{k + 1} FE 1 KG FE {k + 1} 0.0 1.0" for k in range(n))
    path.write_text(ITP.format(atoms=atoms, bonds="\n".join(f"{i + 1} {j + 1} 1" for i, j in bonds)))
    return path


def whole(chains: tuple[int, ...]) -> Topology:
    n = sum(chains)
    return chain_topology(chains, ["B"] * n, ["B"] * n)


def test_bonds_come_from_an_itp_of_one_chain(case: Case, tmp_path: Path) -> None:
    structure = bare(
        Path(write(tmp_path / "bare.gro", melt_topology(), np.zeros((1, CHAINS * BEADS, 3)), BOX))
    )
    chain = itp(tmp_path / "chain.itp", BEADS, [(k, k + 1) for k in range(BEADS - 1)])
    found = open_top_down(structure, top=chain)
    assert found.chains.lengths == (BEADS,) * CHAINS
    assert "bonds" in found.chains.how


@pytest.mark.parametrize(
    ("n", "bonds", "words"),
    [
        (BEADS, [(k, k + 1) for k in range(BEADS - 1)] + [(0, BEADS - 1)], "ring"),
        (BEADS, [(0, 1), (1, 2), (1, 3), (3, 4)], "branch"),
        (7, [(k, k + 1) for k in range(6)], "is of 7 beads"),
        (BEADS, [], "names no bonds"),
    ],
)
def test_a_topology_that_does_not_do(
    case: Case, tmp_path: Path, n: int, bonds: list[tuple[int, int]], words: str
) -> None:
    with pytest.raises(TopologyError, match=words):
        open_top_down(case.structure, top=itp(tmp_path / "chain.itp", n, bonds))


def test_frames_are_whole_and_scaled(case: Case, ready: Prepared) -> None:
    system = ready.candidates[0].system
    file = open_trajectory(case.structure, case.trajectory).read()
    for number in range(3):
        positions, box, time = system.read(number)
        assert time == number
        np.testing.assert_allclose(positions, file.positions[number] * system.factor, atol=1e-5)
        np.testing.assert_allclose(box, file.boxes[number] * system.factor, atol=1e-5)
    density = len(positions) / float(np.linalg.det(box))
    assert density == pytest.approx(ready.candidates[0].morpher.target.density, rel=1e-3)


def test_chains_cut_by_the_box_are_made_whole(
    case: Case, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    file = open_trajectory(case.structure, case.trajectory).read(0, 1)
    side = float(file.boxes[0, 0, 0])
    cut = write(tmp_path / "cut.gro", melt_topology("FE", "KG"), file.positions % side, side)
    found = open_top_down(cut)
    positions, _ = found.look()
    assert any("are made whole" in str(warning.message) for warning in recwarn)
    lengths = np.linalg.norm(np.diff(positions.reshape(CHAINS, BEADS, 3), axis=1), axis=-1)
    assert lengths.max() < 0.15


def test_many_chains_need_a_box(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    bare_pdb = write(tmp_path / "free.pdb", melt_topology(), walks(rng, 1, 0.1, 0.02, 120, 2.0), None)
    with pytest.raises(TrajectoryError, match="has no box"):
        open_top_down(bare_pdb)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6).map(tuple))
def test_chain_bonds_are_those_of_the_topology(lengths: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(chain_bonds(lengths), np.asarray(whole(lengths).bonds).reshape(-1, 2))


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.lists(st.integers(2, 7), min_size=1, max_size=4).map(tuple))
def test_sizes_by_hand(seed: int, lengths: tuple[int, ...]) -> None:
    x = np.random.default_rng(seed).normal(size=(sum(lengths), 3))
    expected, first = np.zeros(4), 0
    for length in lengths:
        own = x[first : first + length]
        centre = own - own.mean(0)
        contour = np.linalg.norm(np.diff(own, axis=0), axis=1).sum()
        expected += [((own[-1] - own[0]) ** 2).sum(), (centre**2).sum() / length, contour, 1]
        first += length
    np.testing.assert_allclose(size_sums(x, whole(lengths)), expected)


def test_what_is_beyond_the_target_is_counted_exactly() -> None:
    x = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [2, 3, 0], [0, 0.5, 0]], dtype=float)
    chain = whole((4, 1))
    ranges = Ranges((0.9, 1.1), (np.deg2rad(80), np.deg2rad(100)), 0.6)
    # bonds 1, 1, 3; angles 180 and 90; the lone bead is 0.5 from the first
    assert beyond(x, None, chain, ranges).tolist() == [1, 1, 1]
    counts = length_counts(x, chain, 1.0)
    assert counts.sum() == 3
    assert counts[-1] == 1  # 3 bonds and more are in the last bin


def test_measures_add_up_and_go_through_json(ready: Prepared, tmp_path: Path) -> None:
    candidate = ready.candidates[0]
    maker = candidate.maker
    made = [maker.make(candidate.task(number, 0)) for number in range(3)]
    records = Records(tmp_path)
    records.add([frame.measures for frame in made[:2]])
    records.add([made[2].measures])
    again = Records(tmp_path)
    again.take_up(2)
    total: FrameMeasures = again.total()
    straight = reduce(add, (frame.measures for frame in made))
    for name in ("before", "after", "centres"):
        for quantity, counts in getattr(straight, name).counts.items():
            np.testing.assert_array_equal(counts, getattr(total, name).counts[quantity])
    assert total.frames == 3
    assert total.moved == max(frame.measures.moved for frame in made)
    np.testing.assert_array_equal(total.lengths, straight.lengths)
    np.testing.assert_allclose(total.sizes, straight.sizes)
    before, after = total.chain_sizes
    assert all(size > 0 for size in (*before, *after))
    assert total.lengths.sum() == 2 * 3 * CHAINS * (BEADS - 1)


def test_chains_of_several_lengths(case: Case, tmp_path: Path, rng_walk: np.ndarray) -> None:
    lengths = (8, 5, 8, 3)
    structure = write(tmp_path / "mixed.pdb", whole(lengths), rng_walk[:, : sum(lengths)], 9.0)
    ready = prepare(MorphRequest(structure, None, (str(case.models[2]),), scheme="A", sweeps=0, scale=1.0))
    assert ready.system.chains.lengths == lengths  # CONECT says so, the distances do not
    [candidate] = ready.candidates
    assert candidate.morpher.bottleneck.n_beads == 4 + 3 + 4 + 2  # what is left over is a centre of its own
    made = candidate.maker.make(candidate.task(0, 0))
    assert made.measures.moved < 2e-6
    assert made.measures.sizes[0, 3] == len(lengths)


def test_the_centres_stay_exactly(ready: Prepared) -> None:
    candidate = ready.candidates[0]
    made = candidate.maker.make(candidate.task(0, 3))
    mapping = candidate.morpher.bottleneck
    given_, kept = (
        np.asarray(mapping.beads(x.astype(np.float64))) for x in (made.task.positions, made.positions)
    )
    assert np.abs(given_ - kept).max() < 1e-6
    assert made.measures.moved < 2e-6
    assert np.linalg.norm(made.positions - made.task.positions, axis=-1).mean() > 0.01  # and beads do not


def test_the_best_candidate_comes_first(case: Case) -> None:
    models = tuple(str(path) for path in case.models.values())
    ready = prepare(MorphRequest(case.structure, None, models))
    assert [bound.s for bound in ready.bounds] == [2, 3]
    assert [(c.morpher.s, c.scheme) for c in ready.candidates] == [(2, "A"), (2, "B"), (3, "A"), (3, "B")]
    trials = choose(ready.candidates)
    left = [trial.left for trial in trials]
    assert left == sorted(left)
    assert 0 < left[0] < 1  # nearer to the target than before
    assert choose(ready.candidates[:1]) == []
    assert {c.scheme for c in prepare(MorphRequest(case.structure, None, models, sweeps=0)).candidates} == {
        "A"
    }


def test_two_models_of_one_name_are_told_apart(case: Case, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(case.models[2], other)
    ready = prepare(MorphRequest(case.structure, None, (str(case.models[2]), str(other)), scheme="A"))
    assert [c.label for c in ready.candidates] == [f"{case.models[2]}, scheme A", f"{other}, scheme A"]
    assert [bound.model for bound in ready.bounds] == [str(case.models[2]), str(other)]


def test_frames_are_the_same_for_any_chunk_and_workers(ready: Prepared, tmp_path: Path) -> None:
    candidate = ready.candidates[0]
    made = {}
    for name, options in (
        ("plain", MorphOptions(seed=4)),
        ("workers", MorphOptions(seed=4, chunk=2, workers=2)),
    ):
        with pytest.warns(MsbWarning, match="independently"):
            done = morph(candidate, tmp_path / f"{name}.xtc", options)
        made[name] = done.outputs[0].read_bytes()
        assert done.measures.frames == 3
    assert made["plain"] == made["workers"]


def test_samples_are_runs_of_the_next_seeds(ready: Prepared, tmp_path: Path) -> None:
    candidate = ready.candidates[0]
    one = replace(candidate, system=open_like(candidate))
    done = morph(one, tmp_path / "out.gro", MorphOptions(seed=4, samples=2))
    assert [path.name for path in done.outputs] == ["out_s1.gro", "out_s2.gro"]
    second = morph(one, tmp_path / "again.gro", MorphOptions(seed=5))
    assert second.outputs[0].read_bytes() == done.outputs[1].read_bytes()
    assert done.outputs[0].read_bytes() != done.outputs[1].read_bytes()


def open_like(candidate: Candidate) -> object:
    """The first frame alone."""
    system = candidate.system
    return replace(open_top_down(system.trajectory.structure), factor=system.factor)


@pytest.mark.parametrize("stop", [1])
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    ready: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    candidate = ready.candidates[0]
    options = MorphOptions(seed=4, chunk=1, workers=1)
    with pytest.warns(MsbWarning, match="independently"):
        whole_run = morph(candidate, tmp_path / "whole.xtc", options)
    own = runs._Run.fill

    def dying(self):
        for done, count in enumerate(own(self)):
            if done == stop:
                raise KeyboardInterrupt
            yield count

    path = tmp_path / "killed.xtc"
    with monkeypatch.context() as patch:
        patch.setattr(runs._Run, "fill", dying)
        with pytest.warns(MsbWarning, match="independently"), pytest.raises(KeyboardInterrupt):
            morph(candidate, path, options)
    with pytest.raises(TrajectoryError, match="--resume"):
        morph(candidate, path, options)
    with pytest.warns(MsbWarning, match="independently"), pytest.raises(TrajectoryError, match="scheme"):
        morph(replace(candidate, scheme="B"), path, replace(options, resume=True))
    with pytest.warns(MsbWarning, match="independently"):
        done = morph(candidate, path, replace(options, resume=True))
    assert path.read_bytes() == whole_run.outputs[0].read_bytes()
    assert not path.with_name("killed.xtc.parts").exists()
    np.testing.assert_array_equal(done.measures.after.counts["bond"], whole_run.measures.after.counts["bond"])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"models": ()}, ConfigError, "no model to morph with"),
        ({"s": 3}, ConfigError, "trained for s = 2"),
        ({"top": "x.itp", "per_chain": 8}, ConfigError, "--top and --per-chain"),
        ({"scheme": "B", "sweeps": 0}, ConfigError, "changes nothing"),
        ({"per_chain": 7}, TopologyError, "not a whole number of chains"),
        ({"per_chain": 1}, TopologyError, "no bead is bonded"),
        ({"top": "nowhere.itp"}, MsbError, "nowhere.itp"),
        ({"top": "nowhere.pdb"}, TopologyError, "nowhere.pdb"),
        ({"models": ("nowhere",)}, BundleError, "nowhere"),
    ],
)
def test_what_does_not_go_together(case: Case, changes: dict, error: type, words: str) -> None:
    request = replace(MorphRequest(case.structure, None, (str(case.models[2]),)), **changes)
    with pytest.raises(error, match=words):
        prepare(request)


def test_a_target_of_several_types_wants_its_own_chains(case: Case, tmp_path: Path) -> None:
    model = load_morpher(case.models[2])
    replace(model, pattern=("A", "B", "A")).save(tmp_path / "aba")
    with pytest.raises(MappingError, match="chains of 3 beads"):
        prepare(MorphRequest(case.structure, None, (str(tmp_path / "aba"),)))
