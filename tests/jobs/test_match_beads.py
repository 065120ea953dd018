"""Beads are found by residue and name: any shuffle that keeps labels distinct is undone exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msb.errors import MappingError
from msb.jobs import ParticleNames, match_beads

DIPEPTIDE = ParticleNames(
    ("C", "N", "CA", "CB", "C", "N"), ("ACE", "ALA", "ALA", "ALA", "ALA", "NME"), (1, 2, 2, 2, 2, 3)
)


def reordered(beads: ParticleNames, order: list[int], offset: int = 0) -> ParticleNames:
    return ParticleNames(
        tuple(beads.names[i] for i in order),
        tuple(beads.residue_names[i] for i in order),
        tuple(beads.residues[i] + offset for i in order),
    )


@given(st.permutations(range(6)), st.integers(-5, 500))
def test_any_shuffle_is_undone(order: list[int], offset: int) -> None:
    found = match_beads(reordered(DIPEPTIDE, order, offset), DIPEPTIDE, "x.pdb")
    assert [order[i] for i in found] == list(range(6))


@given(st.permutations(range(10)))
def test_a_polymer_is_matched_by_residue_number(order: list[int]) -> None:
    chain = ParticleNames(("A", "B") * 5, ("STY",) * 10, tuple(i // 2 + 1 for i in range(10)))
    found = match_beads(reordered(chain, order), chain, "x.pdb")
    assert [order[i] for i in found] == list(range(10))


def test_same_names_keep_their_order_even_where_they_repeat() -> None:
    beads = ParticleNames(("W",) * 4, ("SOL",) * 4, (1, 1, 1, 1))
    assert np.array_equal(match_beads(beads, beads, "x.gro"), np.arange(4))


def test_without_residue_names_the_names_decide() -> None:
    bare = ParticleNames(DIPEPTIDE.names, ("",) * 6, (1,) * 6)
    assert np.array_equal(match_beads(bare, DIPEPTIDE, "x.xyz"), np.arange(6))
    with pytest.raises(MappingError, match="cannot be told apart"):
        match_beads(reordered(bare, [1, 0, 2, 3, 4, 5]), DIPEPTIDE, "x.xyz")


@pytest.mark.parametrize(
    ("beads", "sentence"),
    [
        (
            reordered(DIPEPTIDE, [0, 1, 2]),
            r"x\.pdb has 3 beads in a frame, the model has 6 \(C of ACE 1, N of",
        ),
        (
            ParticleNames(DIPEPTIDE.names, (*DIPEPTIDE.residue_names[:5], "GLY"), DIPEPTIDE.residues),
            "residue GLY 3 is unknown to the model, which has ACE, ALA, NME",
        ),
        (
            ParticleNames(("C", "N", "CA", "CG", "C", "N"), DIPEPTIDE.residue_names, DIPEPTIDE.residues),
            r"bead CB of ALA 2 is not there, but bead CG of ALA 2 \(number 4\) is",
        ),
    ],
)
def test_what_does_not_fit_is_named(beads: ParticleNames, sentence: str) -> None:
    with pytest.raises(MappingError, match=sentence):
        match_beads(beads, DIPEPTIDE, "x.pdb")
