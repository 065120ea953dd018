"""Chains cut from oligomers against chains made whole by another route."""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.core.polymer import polymer_template
from msb.core.topology import Interaction, MoleculeTemplate, Topology
from msb.errors import MsbWarning, TopologyError
from msb.io.topology_files import read_gromacs

Unit = tuple[int, list[tuple[int, int]], tuple[int, int], str]


@st.composite
def units(draw: st.DrawFn) -> Unit:
    """A connected unit: its size, its bonds, the bond from one to the next, its elements."""
    size = draw(st.integers(1, 5))
    bonds = [(i, draw(st.integers(0, i - 1))) for i in range(1, size)]
    link = (draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1)))
    return size, bonds, link, draw(st.text("CNO", min_size=size, max_size=size))


def chain(unit: Unit, monomers: int, residues: bool) -> MoleculeTemplate:
    """H-unit-...-unit-F, every angle and dihedral with parameters, the end hydrogen listed last."""
    size, inner, link, elements = unit
    n = size * monomers
    bonds = [(i + k * size, j + k * size) for k in range(monomers) for i, j in inner]
    bonds += [(link[0] + k * size, link[1] + (k + 1) * size) for k in range(monomers - 1)]
    bonds += [(n - size + link[0], n), (link[1], n + 1)]
    kinds = [*(elements * monomers), "F", "H"]
    index = [k // size for k in range(n)] + [monomers - 1, monomers] if residues else [0] * (n + 2)
    plain = MoleculeTemplate.from_atoms(
        "chain",
        [f"{kind}{number}" for number, kind in enumerate(kinds, start=1)],
        elements=kinds,
        bonds=bonds,
        residue_index=index,
        residue_names=["MON"] * monomers + ["END"] if residues else ["POL"],
    )
    entries = [Interaction("angles", tuple(a), 1, _of(kinds, a)) for a in plain.angles.tolist()]
    entries += [Interaction("dihedrals", tuple(d), 9, _of(kinds, d)) for d in plain.dihedrals.tolist()]
    return dataclasses.replace(plain, interactions=tuple(entries))


def _of(kinds: list[str], atoms: list[int]) -> tuple[float, ...]:
    letters = sorted(kinds[atom] for atom in atoms)
    return (float(sum(map(ord, letters))),)


def same_chemistry(one: MoleculeTemplate, other: MoleculeTemplate) -> None:
    """Everything equal, interactions as a set whatever their direction."""
    first, second = one.to_dict(), other.to_dict()
    entries = [Counter(map(_undirected, template.interactions)) for template in (one, other)]
    assert entries[0] == entries[1]
    for key in set(first) - {"interactions"}:
        assert first[key] == second[key], key


def _undirected(entry: Interaction) -> tuple:
    return entry.kind, min(entry.atoms, entry.atoms[::-1]), entry.function, entry.parameters


@settings(max_examples=40)
@given(units(), st.integers(6, 8), st.integers(3, 9), st.booleans())
def test_cut_and_lengthened_is_made_long(unit: Unit, monomers: int, n: int, residues: bool) -> None:
    """For any unit: cutting a short chain and making it longer or shorter gives the chain of that length."""
    size = unit[0]
    oligomer = chain(unit, monomers, residues)
    head = [*range(size), oligomer.n_atoms - 1]
    tail = range(size * (monomers - 1), size * monomers + 1)
    middle = range(size * 2, size * 3)
    same_chemistry(polymer_template(oligomer, head, middle, tail, n), chain(unit, n + 2, residues))


PS_HEAD, PS_UNIT, PS_TAIL = [*range(16), 160], range(64, 80), [*range(144, 160), 161]


@pytest.fixture(scope="module")
def styrene(msb_data: Path) -> MoleculeTemplate:
    """The Mueller-Plathe 10-mer with all its parameters; its end hydrogens are listed last."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)
        return read_gromacs(msb_data / "sps/topol.top").topology.only_template()


def test_ten_styrenes_are_rebuilt(styrene: MoleculeTemplate) -> None:
    again = polymer_template(styrene, PS_HEAD, PS_UNIT, PS_TAIL, 8)
    same_chemistry(again, styrene)


def test_ten_styrenes_give_ninety_six(styrene: MoleculeTemplate) -> None:
    long = Topology.polymer(styrene, PS_HEAD, PS_UNIT, PS_TAIL, 94, count=24)
    template = long.only_template()
    assert long.n_molecules == 24
    assert template.n_atoms == 96 * 16 + 2
    assert len(template.bonds) == len(styrene.bonds) + 86 * 17
    assert len(template.stereocentres) == 95  # the last CH2 has two hydrogens
    assert [len(ring) for ring in template.rings] == [6] * 96
    assert template.components.max() == 0
    assert template.atom_names[-2:] == ("H1537", "H1538")
    assert template.masses.sum() == pytest.approx(styrene.masses.sum() + 86 * styrene.masses[16:32].sum())
    assert template.charges.sum() == pytest.approx(styrene.charges.sum(), abs=1e-9)
    # all that the 10-mer says of its middle is said of every repeat, all with parameters
    kinds = Counter(entry.kind for entry in template.interactions)
    inner = [e for e in styrene.interactions if 64 <= min(e.atoms) < 80]
    middle = Counter(e.kind for e in inner)
    for kind, count in Counter(e.kind for e in styrene.interactions).items():
        assert kinds[kind] == count + 86 * middle[kind]
    assert all(e.parameters for e in template.interactions if e.kind != "exclusions")
    angles = {min(a, a[::-1]) for a in (e.atoms for e in template.interactions if e.kind == "angles")}
    assert angles == {min(a, a[::-1]) for a in map(tuple, template.angles.tolist())}


def test_ten_beads_give_the_published_chain_of_ninety_six(msb_data: Path) -> None:
    """Two beads a monomer, two monomers a repeat (types alternate): atoms, bonds and entries as published."""
    oligomer = read_gromacs(msb_data / "sps/PS1_cg.itp").topology
    published = read_gromacs(msb_data / "fritz/PSR.itp").topology.only_template()
    made = Topology.polymer(oligomer, range(4), range(4, 8), range(16, 20), 46).only_template()
    same_chemistry(made, published)


def peptide(residues: int) -> MoleculeTemplate:
    """Residues of two atoms, N-C, between an acetyl and an amide."""
    names = ["C1", *["N", "CA"] * residues, "N1"]
    return MoleculeTemplate.from_atoms(
        "peptide",
        names,
        bonds=[(i, i + 1) for i in range(len(names) - 1)],
        residue_index=[0, *(1 + k // 2 for k in range(2 * residues)), residues + 1],
        residue_names=["ACE", *["GLY"] * residues, "NME"],
        charges=[0.1, *[-0.3, 0.3] * residues, -0.1],
    )


@pytest.mark.parametrize("n", [1, 2, 7])
def test_pieces_by_residues(n: int) -> None:
    same_chemistry(polymer_template(peptide(3), 1, 1, 1, n), peptide(n))
    same_chemistry(polymer_template(peptide(4), 1, 2, 1, n), peptide(2 * n))
    assert polymer_template(peptide(3), 1, 1, 1, n).residue_numbers == tuple(range(1, n + 3))


def test_pieces_that_do_not_fit_get_a_sentence() -> None:
    four = peptide(4)
    for arguments, message in (
        ((1, 3, 1, 2), "4 residues between head and tail are not whole repeats of 3"),
        ((1, 1, 6, 2), "in the head and in the tail"),
        ((3, 1, 3, 2), "0 residues between"),
        (([0, 77], 1, 1, 2), "the head must be atoms between 0 and 9"),
        ((1, [2, 3], 1, 2), "the unit is none of the 4 repeats"),
        ((1, 1, 1, 0), "at least one is needed"),
        ((1, 4, 1, 2), "reach over 2 consecutive pieces"),
    ):
        with pytest.raises(TopologyError, match=message):
            polymer_template(four, *arguments)
    ring = dataclasses.replace(four, bonds=np.concatenate([four.bonds, [[0, 9]]]))
    with pytest.raises(TopologyError, match=r"reach over|ties head and tail"):
        polymer_template(ring, 1, 1, 1, 2)


def test_repeats_that_differ_get_a_sentence_or_are_overruled() -> None:
    charged = dataclasses.replace(peptide(5), charges=np.array([0.1, *[-0.3, 0.3] * 4, -0.2, 0.2, -0.1]))
    with pytest.raises(TopologyError, match=r"charges of atom N in repeat 5 is -0\.2, in repeat 3 -0\.3"):
        polymer_template(charged, 1, 1, 1, 2)
    assert polymer_template(charged, 1, 1, 1, 2, strict=False).charges.tolist() == [
        0.1,
        -0.3,
        0.3,
        -0.3,
        0.3,
        -0.1,
    ]
    extra = (Interaction("angles", (3, 4, 5), 1, (109.5, 400.0)),)
    with pytest.raises(TopologyError, match="the \\[ angles \\] entry N-CA-N of repeat 2 has no equal"):
        polymer_template(dataclasses.replace(peptide(5), interactions=extra), 1, 1, 1, 2)
    missing = dataclasses.replace(peptide(6), bonds=np.delete(peptide(6).bonds, 5, axis=0))
    with pytest.raises(TopologyError, match=r"the bond N-CA of repeat . has no equal in repeat"):
        polymer_template(missing, 1, 1, 1, 2)


def test_interactions_need_their_room() -> None:
    """A restraint over three residues needs as many units, in the oligomer and in the chain."""
    springs = tuple(Interaction("bonds", (i, i + 4), 9, (19.0, 1.0)) for i in range(1, 9, 2))
    six = dataclasses.replace(peptide(6), interactions=springs)
    made = polymer_template(six, 1, 1, 1, 4)
    assert [e.atoms for e in made.interactions] == [(1, 5), (3, 7)]
    anchored = dataclasses.replace(six, interactions=(*springs, Interaction("bonds", (0, 3), 9, (1.0, 1.0))))
    with pytest.raises(TopologyError, match="reaches over more than the 1 units wanted"):
        polymer_template(anchored, 1, 1, 1, 1)
