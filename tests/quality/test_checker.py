"""Every planted defect is found, alone, wherever the system lies; nothing is found where nothing is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import ConfigError, MappingError, TopologyError
from msb.quality import KINDS, Checker, Examination, Finding, Limits, Verdict
from planted_defects import DEFECTS, clean, planted

TOPOLOGY, CLEAN, BOX = clean()
CHECKER = Checker(TOPOLOGY)


def kinds(x: np.ndarray, box: np.ndarray | None = BOX, checker: Checker = CHECKER) -> set[str]:
    return {finding.kind for finding in checker.check(x, box)}


def test_nothing_wrong():
    assert CHECKER.check(CLEAN, BOX) == []
    assert CHECKER.check(CLEAN) == []


@pytest.mark.parametrize("name", DEFECTS)
def test_planted(name):
    """Each defect is found by its kind, and only what it brings along."""
    found = kinds(planted(name)[1])
    consequences = {"swapped": {"bond", "hand"}, "piercing": {"clash"}, "broken": {"clash"}}
    assert found & {name, "bond"} if name == "swapped" else found >= {name}
    assert found <= {name} | consequences.get(name, set())


@settings(max_examples=20)
@given(
    name=st.sampled_from([*DEFECTS, None]),
    seed=st.integers(0, 2**31),
    shift=st.tuples(*[st.floats(-20, 20)] * 3),
    shear=st.tuples(*[st.integers(-2, 2)] * 3),
    wrapped=st.booleans(),
)
def test_the_frame_of_reference_does_not_matter(name, seed, shift, shear, wrapped):
    """Turned, moved, another cell of the same lattice, atoms in any image: the same findings."""
    x, box = (CLEAN if name is None else planted(name)[1]).astype(np.float64), BOX.astype(np.float64)
    before = CHECKER.check(x, box)
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    if np.linalg.det(rotation) < 0:
        rotation[:, 0] *= -1
    a, b, c = shear
    cell = np.array([[1, 0, 0], [a, 1, 0], [b, c, 1]]) @ box
    x, cell = x @ rotation + np.array(shift), cell @ rotation
    if wrapped and name != "broken":
        x = x - np.floor(x @ np.linalg.inv(cell)) @ cell
    elif name != "broken":
        x = x + rng.integers(-2, 3, size=x.shape) @ cell
    after = CHECKER.check(x, cell)
    assert sorted((f.kind, sorted(f.indices)) for f in after) == sorted(
        (f.kind, sorted(f.indices)) for f in before
    )
    assert sorted(f.value for f in after) == pytest.approx(sorted(f.value for f in before), abs=1e-3)


def test_frames_are_judged_one_by_one():
    """Together, one at a time, and with another number of the first frame."""
    x = np.stack([planted(name)[1] for name in DEFECTS] + [CLEAN])
    boxes = np.repeat(BOX[None], len(x), axis=0)
    together = CHECKER.examine(x, boxes, first=10)
    alone = [CHECKER.examine(x[k : k + 1], BOX, first=10 + k) for k in range(len(x))]
    assert together.findings == [f for each in alone for f in each.findings]
    for key, values in together.statistics.items():
        np.testing.assert_array_equal(values, np.concatenate([each.statistics[key] for each in alone]))
    assert {f.frame for f in together.findings} == set(range(10, 10 + len(DEFECTS)))


def test_mirrored_system():
    """All copies mirrored are as good as none: the majority decides; a reference knows better."""
    assert kinds(CLEAN * [-1, 1, 1]) == set()
    found = Checker(TOPOLOGY, reference=CLEAN).check(CLEAN * [-1, 1, 1], BOX)
    assert len(found) == 12
    assert {f.kind for f in found} == {"hand"}


# --- positions that are none ---


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("box", [None, BOX])
def test_not_finite(value, box):
    """Atoms without a position are named residue by residue; what else is wrong is found all the same."""
    x = planted("bond")[1]
    x[0, 1] = value
    x[60:72] = value
    found = CHECKER.check(x, box)
    assert [f.kind for f in found] == ["nan", "nan", "bond"]
    assert found[0].indices == (0,)
    assert found[1].indices == tuple(range(60, 72))
    assert found[1].residue.startswith("BNZ ")
    assert json.loads(json.dumps([f.to_json() for f in found], allow_nan=False))


def test_nothing_is_finite():
    found = CHECKER.check(np.full_like(CLEAN, np.nan), BOX)
    assert {f.kind for f in found} == {"nan"}
    assert sum(len(f.indices) for f in found) == len(CLEAN)


def test_all_atoms_on_one_point():
    """A file of zeros is judged quickly, and badly."""
    big = Topology(tuple((t, 40 * k) for t, k in TOPOLOGY.molecules))
    found = Checker(big).examine(np.zeros((1, big.n_atoms, 3)), BOX)
    assert len(found.findings) < 30 * big.n_atoms
    assert {"bond", "clash"} <= {f.kind for f in found.findings}


# --- wholeness ---


def test_chain_bonded_to_its_image_cannot_be_whole():
    ring = MoleculeTemplate.from_atoms(
        "P", ["C"] * 8, elements=["C"] * 8, bonds=[(k, (k + 1) % 8) for k in range(8)]
    )
    x = np.zeros((8, 3))
    x[:, 0] = 0.15 * np.arange(8)
    x[::2, 1] = 0.05
    found = Checker(Topology.from_template(ring)).check(x, np.diag([1.2, 3, 3]))
    assert {f.kind for f in found} == {"broken"}


def test_cut_molecules_are_counted():
    x = CLEAN.astype(np.float64) + 0.55
    examination = CHECKER.examine(x - np.floor(x / 3.3) * 3.3, BOX)
    assert examination.statistics["bonds_across_box"][0] > 0
    assert not examination.findings


# --- beads and energies ---


def mapped() -> Mapping:
    templates = {}
    for t in TOPOLOGY.templates:
        group = BeadGroup(f"B_{t.name}", tuple(range(t.n_atoms)))
        templates[t.name] = MappingTemplate.from_mass(t, [group])
    return Mapping(templates, TOPOLOGY)


def test_beads():
    """A bead moved by more than allowed is named, in any image."""
    mapping = mapped()
    checker = Checker(TOPOLOGY, mapping=mapping)
    beads = np.asarray(mapping.beads(CLEAN))
    shifted = beads + BOX[0] * np.array([[-1], [2]] * (len(beads) // 2))
    assert checker.check(CLEAN, BOX, shifted) == []
    shifted[3, 1] += 0.03
    (finding,) = checker.check(CLEAN, BOX, shifted)
    assert (finding.kind, finding.atoms, finding.indices) == ("bead", ("B_BCF",), tuple(range(15, 20)))
    assert finding.value == pytest.approx(0.03, abs=1e-5)
    statistics = checker.examine(CLEAN, BOX, shifted).statistics
    assert statistics["bead_deviation_max_nm"] == pytest.approx(0.03, abs=1e-5)
    with pytest.raises(MappingError, match="do not fit 1 frames of 22 beads"):
        checker.check(CLEAN, BOX, beads[:-1])


def test_beads_of_lost_atoms_are_not_judged():
    mapping = mapped()
    x = CLEAN.copy()
    x[2] = np.nan
    found = Checker(TOPOLOGY, mapping=mapping).check(x, BOX, mapping.beads(CLEAN))
    assert [f.kind for f in found] == ["nan"]


def test_energies():
    """From a function, an OpenMM System, or the project's own terms."""
    import openmm

    from msb.energy import Energy

    diatomic = MoleculeTemplate.from_atoms("N2", ["N1", "N2"], elements=["N", "N"], bonds=[(0, 1)])
    topology = Topology.from_template(diatomic)
    system = openmm.System()
    for _ in range(2):
        system.addParticle(14.0)
    bond = openmm.HarmonicBondForce()
    bond.addBond(0, 1, 0.11, 1e6)
    system.addForce(bond)
    x = np.array([[[0, 0, 0], [0.11, 0, 0]], [[0, 0, 0], [0.13, 0, 0]]])
    per_atom = 0.5 * 1e6 * 0.02**2 / 2
    given = (system, Energy.from_openmm(system), lambda x, boxes: 5e5 * (x[:, 1, 0] - 0.11) ** 2)
    for energy in given:
        checker = Checker(topology, energy=energy, limits=Limits(energy=50))
        examination = checker.examine(x)
        np.testing.assert_allclose(examination.statistics["energy_per_atom"], [0, per_atom], atol=1e-3)
        (finding,) = [f for f in examination.findings if f.kind == "energy"]
        assert (finding.frame, finding.residue, finding.indices) == (1, "", ())
        assert finding.value == pytest.approx(per_atom, rel=1e-5)


def test_energy_that_is_no_number():
    checker = Checker(TOPOLOGY, energy=lambda x, boxes: np.full(len(x), np.nan))
    (finding,) = checker.check(CLEAN, BOX)
    assert finding.kind == "energy"
    assert finding.to_json()["value"] is None


# --- bad input ---


def test_wrong_shapes():
    with pytest.raises(TopologyError, match="do not fit 192 atoms"):
        CHECKER.check(CLEAN[:-1])
    with pytest.raises(TopologyError, match="one box a frame"):
        CHECKER.check(CLEAN, np.repeat(BOX[None], 3, axis=0))
    other = Topology(TOPOLOGY.molecules[:1])
    mapping = Mapping({"BCF": mapped().templates[0]}, other)
    with pytest.raises(MappingError, match="60 atoms"):
        Checker(TOPOLOGY, mapping=mapping)


def test_limits_are_strict():
    with pytest.raises(ConfigError, match="unknown key `contacts`; did you mean `contact`"):
        Limits.parse({"contacts": 1})


def test_nothing_to_check():
    empty = Checker(Topology(())).examine(np.zeros((2, 0, 3)))
    assert empty.findings == []
    assert CHECKER.examine(np.zeros((0, 192, 3))).n_frames == 0


# --- verdict ---


def finding(kind: str, frame: int = 0, severity: float = 1.0, residue: str = "A 1") -> Finding:
    return Finding(kind, frame, residue, ("C1",), 0.5, (0,), severity)


def test_verdict_adds_up():
    ones = {"nearest_contact_nm": np.array([0.2, np.nan]), "stereocentres_judged": np.array([4.0, 4.0])}
    ones["inverted_stereocentres"] = np.array([1.0, 0.0])
    verdict = Verdict(keep=2, worst=2)
    verdict.add(Examination([finding("clash", 0, k) for k in (1.5, 4.0, 2.5)], ones, 0, 2))
    verdict.add(Examination([finding("hand", 3, residue="B 2")], {}, 2, 2))
    assert verdict.counts == {**dict.fromkeys(KINDS, 0), "clash": 3, "hand": 1}
    assert verdict.n_frames == 4
    assert [f.severity for f in verdict.worst("clash")] == [4.0, 2.5]
    assert len(verdict.findings) == 2
    assert verdict.statistics["nearest_contact_nm"] == 0.2
    assert verdict.statistics["inverted_share"] == 1 / 8
    assert verdict.by_frame[3] == {"hand": 1}
    assert verdict.by_residue["B 2"] == {"hand": 1}
    assert verdict.failures() == {"clash": 0.75, "hand": 0.25}
    assert verdict.failures({"clash": 0.75}) == {"hand": 0.25}
    assert verdict.passed(1.0)
    assert not verdict.passed()
    plain = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    assert plain["findings_left_out"] == 2
    assert plain["findings"][0] == {
        "kind": "clash",
        "frame": 0,
        "residue": "A 1",
        "atoms": ["C1"],
        "value": 0.5,
    }


def test_atoms_of_other_residues_carry_them():
    found = min(
        (f for f in CHECKER.check(planted("clash")[1], BOX) if f.kind == "clash"), key=lambda f: f.value
    )
    assert found.atoms == ("F1", "BUT 17:H1")
    assert str(found) == "clash: frame 0, BCF 1 F1-BUT 17:H1: 0.09 nm"
