"""Hands of stereocentres, and bonds that must not turn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from msb.core.geometry import place_atoms
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import TopologyError
from msb.quality import Checker, Limits, Reference
from msb.quality.planes import stiff_bonds


def molecule(text: str, bonds: str, name: str = "M") -> MoleculeTemplate:
    """Elements in a word, bonds as pairs of numbers."""
    elements = text.split()
    pairs = [tuple(map(int, pair.split("-"))) for pair in bonds.split()]
    return MoleculeTemplate.from_atoms(name, elements, elements=elements, bonds=pairs)


# --- which bonds ---


def bonds_of(template: MoleculeTemplate) -> set[tuple[int, int]]:
    return {tuple(sorted(row[1:3])) for row in stiff_bonds(template).atoms.tolist()}


def test_butene_and_butadiene():
    butene = molecule("C C C C H H H H H H H H", "0-1 1-2 2-3 0-4 0-5 0-6 1-7 2-8 3-9 3-10 3-11")
    assert bonds_of(butene) == {(1, 2)}
    assert stiff_bonds(butene).sided.tolist() == [True]
    assert stiff_bonds(butene).atoms.tolist() == [[0, 1, 2, 3]]
    butadiene = molecule("C C C C H H H H H H", "0-1 1-2 2-3 0-4 0-5 1-6 2-7 3-8 3-9")
    assert bonds_of(butadiene) == {(0, 1), (2, 3)}
    assert not stiff_bonds(butadiene).sided.any()


def phenyl(first: int) -> tuple[list[str], list[tuple[int, int]]]:
    ring = [first + k for k in range(6)]
    bonds = [(ring[k], ring[(k + 1) % 6]) for k in range(6)]
    return ["C"] * 6 + ["H"] * 5, bonds + [(ring[k], first + 5 + k) for k in range(1, 6)]


def test_bonds_between_rings_are_single():
    one, bonds = phenyl(0)
    other, more = phenyl(11)
    biphenyl = MoleculeTemplate.from_atoms(
        "B", one + other, elements=one + other, bonds=[*bonds, *more, (0, 11)]
    )
    assert not bonds_of(biphenyl)
    middle = ["C", "C", "H", "H"]
    stilbene = MoleculeTemplate.from_atoms(
        "S", one + other + middle, elements=one + other + middle,
        bonds=[*bonds, *more, (0, 22), (11, 23), (22, 23), (22, 24), (23, 25)],
    )  # fmt: skip
    assert bonds_of(stilbene) == {(22, 23)}
    assert stiff_bonds(stilbene).sided.all()


def test_long_conjugated_chain():
    """Polyacetylene, 300 carbons: every second bond is double; one more carbon, and none is for certain."""
    for n in (300, 301):
        hydrogens = [(k, n + k) for k in range(n)] + [(0, 2 * n), (n - 1, 2 * n + 1)]
        elements = ["C"] * n + ["H"] * (n + 2)
        bonds = [(k, k + 1) for k in range(n - 1)] + hydrogens
        template = MoleculeTemplate.from_atoms("PA", elements, elements=elements, bonds=bonds)
        expected = {(k, k + 1) for k in range(0, n, 2)} if n == 300 else set()
        assert bonds_of(template) == expected


def test_odd_rings():
    """Fulvene: the bond out of the five-ring is double."""
    template = molecule("C C C C C C H H H H H H", "0-1 1-2 2-3 3-4 4-0 0-5 1-6 2-7 3-8 4-9 5-10 5-11")
    assert bonds_of(template) == {(0, 5)}


def test_carbonyls_are_not_turned():
    acrolein = molecule("C C C O H H H H", "0-1 1-2 2-3 0-4 0-5 1-6 2-7")
    assert bonds_of(acrolein) == {(0, 1)}
    acid = molecule("C C O O H H H", "0-1 1-2 1-3 0-4 0-5 0-6")
    assert not bonds_of(acid)


def test_peptide_bonds():
    amide = molecule("C C O N H C H H H H H H", "0-1 1-2 1-3 3-4 3-5 0-6 0-7 0-8 5-9 5-10 5-11")
    stiff = stiff_bonds(amide)
    assert stiff.atoms.tolist() == [[0, 1, 3, 5]]
    assert stiff.wanted.tolist() == [-1]
    primary = molecule("C C O N H H H H H", "0-1 1-2 1-3 3-4 3-5 0-6 0-7 0-8")
    assert stiff_bonds(primary).wanted.tolist() == [0]
    heavy = molecule("C C O N C", "0-1 1-2 1-3 3-4")
    assert stiff_bonds(heavy).wanted.tolist() == [-1]


def test_proline_may_be_either():
    proline = molecule(
        "C C O N C C C C H H H H H H H H H H H", "0-1 1-2 1-3 3-4 4-5 5-6 6-7 7-3 0-8 0-9 0-10 4-11 4-12"
    )
    assert stiff_bonds(proline).wanted.tolist() == [0]
    assert not stiff_bonds(proline).sided.any()


def test_united_atoms_and_bare_structures_have_no_double_bonds():
    isobutane = MoleculeTemplate.from_atoms(
        "I", ["CH3", "CH", "CH", "CH3", "CH3", "CH3", "H"], elements=["C"] * 6 + ["H"],
        masses=[15.035, 13.019, 13.019, 15.035, 15.035, 15.035, 1.008],
        bonds=[(0, 1), (1, 2), (2, 3), (1, 4), (2, 5), (0, 6)],
    )  # fmt: skip
    assert not bonds_of(isobutane)
    assert not bonds_of(molecule("C C C C C C", "0-1 1-2 2-3 1-4 2-5"))


# --- turned or not ---

AMIDE = molecule("C C O N H C", "0-1 1-2 1-3 3-4 3-5")


def amide(omega: float) -> np.ndarray:
    turn = np.radians(120)
    x = np.zeros((6, 3))
    x[0], x[3] = [0.15, 0, 0], [0.135 * np.cos(turn), 0.135 * np.sin(turn), 0]
    x[2] = [0.123 * np.cos(turn), -0.123 * np.sin(turn), 0]

    def put(length: float, dihedral: float) -> np.ndarray:
        a, b, c = (torch.from_numpy(x[k]) for k in (3, 1, 0))
        return place_atoms(a, b, c, length, turn, np.radians(dihedral)).numpy()

    x[5], x[4] = put(0.145, omega), put(0.1, omega + 180)
    return x


@pytest.mark.parametrize(
    ("omega", "turned"), [(180, 0), (-150, 0), (125, 0), (115, 1), (30, 1), (0, 1), (-90, 1)]
)
def test_peptides_are_trans(omega, turned):
    topology = Topology.from_template(AMIDE)
    found = [f for f in Checker(topology).check(amide(omega)) if f.kind == "cis"]
    assert len(found) == turned
    if turned:
        assert found[0].value == pytest.approx(omega, abs=1e-6)
        assert found[0].indices == (0, 1, 3, 5)


def test_reference_says_cis():
    """A cis bond of the reference is wanted cis; in other numbers of molecules, too."""
    topology = Topology.from_template(AMIDE)
    reference = Reference.of(topology, amide(5))
    assert not Checker(topology, reference=reference).check(amide(-20))
    (finding,) = Checker(topology, reference=reference).check(amide(175))
    assert finding.kind == "cis"
    two = Topology.from_template(AMIDE, 2)
    both = np.concatenate([amide(3), amide(180) + 2])
    assert [f.indices[0] for f in Checker(two, reference=reference).check(both)] == [6]


def test_double_bonds_follow_the_majority():
    """One trans among eleven cis butenes is turned; two copies say nothing, unless twisted."""
    template = molecule("F C C F H H", "0-1 1-2 2-3 1-4 2-5")
    cis = np.array(
        [[0.12, 0.07, 0], [0, 0, 0], [0, -0.134, 0], [0.12, -0.2, 0], [-0.1, 0.05, 0], [-0.1, -0.18, 0]]
    )
    trans = cis[[0, 1, 2, 5, 4, 3]]
    twisted = cis.copy()
    twisted[[3, 5]] = [[0, -0.2, 0.12], [0, -0.18, -0.1]]

    def turned(*shapes: np.ndarray) -> list[int]:
        x = np.concatenate([s + np.array([k, 0, 0]) for k, s in enumerate(shapes)])
        found = Checker(Topology.from_template(template, len(shapes))).check(x)
        return [f.indices[1] // 6 for f in found if f.kind == "cis"]

    assert turned(*[cis] * 6, trans, *[cis] * 5) == [6]
    assert turned(cis, trans) == []
    assert turned(cis, twisted) == [1]


# --- hands ---


def test_tacticity_of_polymers_only():
    """The share of meso pairs is told of chains, not of rings and proteins."""
    chain = molecule(
        "C C F H C C F H C H H H H H H H H",
        "0-1 1-2 1-3 1-4 4-5 5-6 5-7 5-8 0-9 0-10 0-11 4-12 4-13 8-14 8-15 8-16",
    )
    x = np.random.default_rng(0).normal(size=(1, 17, 3))
    share = Checker(Topology.from_template(chain)).examine(x).statistics
    assert len(chain.stereocentres) == 2
    assert share["meso_share"][0] in (0.0, 1.0)
    assert "meso_share" not in Checker(Topology.from_template(CENTRE)).examine(RIGHT).statistics


CENTRE = molecule("C H F Cl Br", "0-1 0-2 0-3 0-4")
CORNERS = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
RIGHT = CORNERS * np.array([0, 0.109, 0.136, 0.176, 0.193])[:, None]
LEFT = RIGHT * [1, 1, -1]


def lined_up(*shapes: np.ndarray) -> np.ndarray:
    return np.concatenate([s + np.array([k, 0, 0]) for k, s in enumerate(shapes)])


def inverted(x: np.ndarray, count: int, **options) -> list[int]:
    found = Checker(Topology.from_template(CENTRE, count), **options).check(x)
    assert {f.kind for f in found} <= {"hand"}
    return [f.indices[0] // 5 for f in found]


def test_wanted_hands():
    x = lined_up(RIGHT, LEFT, RIGHT)
    sign = int(CENTRE.chirality(RIGHT)[0])
    assert inverted(x, 3, hands=[sign, sign, -sign]) == [1, 2]
    assert inverted(x, 3, hands=[0, 0, sign]) == []
    with pytest.raises(TopologyError, match="2 wanted hands do not fit the system's 3 stereocentres"):
        Checker(Topology.from_template(CENTRE, 3), hands=[1, 1])


def test_hands_of_a_reference():
    """Of the same system centre by centre; of other numbers of molecules all alike."""
    x = lined_up(RIGHT, LEFT, RIGHT)
    assert inverted(lined_up(RIGHT, RIGHT, RIGHT), 3, reference=x) == [1]
    one = Reference.of(Topology.from_template(CENTRE), LEFT)
    assert inverted(x, 3, reference=one) == [0, 2]
    mixed = Reference.of(Topology.from_template(CENTRE, 2), lined_up(LEFT, RIGHT))
    assert inverted(x, 3, reference=mixed) == []


def test_majority_needs_copies_and_agreement():
    assert inverted(lined_up(*[RIGHT] * 9, LEFT), 10) == [9]
    assert inverted(lined_up(*[RIGHT] * 8, LEFT), 9) == []
    assert inverted(lined_up(*[RIGHT] * 7, *[LEFT] * 5), 12) == []
    assert inverted(lined_up(*[RIGHT] * 7, *[LEFT] * 5), 12, limits=Limits(hand_majority=0.55)) == [
        7,
        8,
        9,
        10,
        11,
    ]


def test_finding_names_centre_and_neighbours():
    (finding,) = Checker(Topology.from_template(CENTRE), hands=-CENTRE.chirality(RIGHT)).check(RIGHT)
    assert finding.atoms == ("C", "H", "F", "Cl", "Br")
    assert finding.residue == "M 1"
    assert finding.value == CENTRE.chirality(RIGHT)[0]
