"""The rules cis, trans, out and chiral of a mapping file, applied to the atoms of all molecules at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.classical.rest import RestGeometry
from msb.core.geometry import place_atoms, unit_vectors
from msb.core.template import MoleculeTemplate
from msb.io.mapping_formats.placement import PlacementRule

__all__ = ["LocalRule", "apply_rules", "hands_of_rules", "local_rules", "torsions_of_rules"]

_LENGTH = 0.13  # nm; from an atom to the one that it stands on, where they are not bonded
_ANGLE = np.radians(117.0)
_ALONG, _ACROSS = (
    0.61,
    0.79,
)  # of a substituent of a tetrahedron: away from two others, and out of their plane


@dataclass(frozen=True)
class LocalRule:
    """A rule with the atoms of one molecule, from 0."""

    kind: str
    atoms: tuple[int, ...]


def local_rules(template: MoleculeTemplate, rules: Sequence[PlacementRule]) -> list[LocalRule]:
    """Rules of a molecule, residue by residue in the files' order.

    A rule whose atoms a residue does not all have (a chain's end, another protonation) is not for it.

    Parameters
    ----------
    template : MoleculeTemplate
    rules : sequence of PlacementRule
    """
    found: list[LocalRule] = []
    for number, residue in enumerate(template.residue_names):
        own = np.flatnonzero(template.residue_index == number).tolist()
        named = {template.atom_names[a]: a for a in own}
        for rule in rules:
            if rule.residue in ("", residue, template.name) and all(name in named for name in rule.atoms):
                found.append(LocalRule(rule.kind, tuple(named[name] for name in rule.atoms)))
    return found


def hands_of_rules(template: MoleculeTemplate, rules: Sequence[LocalRule]) -> NDArray[np.int8]:
    """Signs of the stereocentres that rules of five atoms fix; 0 for the others.

    Parameters
    ----------
    template : MoleculeTemplate
    rules : sequence of LocalRule

    Returns
    -------
    int8 array (C,)
        As `MoleculeTemplate.chirality`.
    """
    hands = np.zeros(len(template.stereocentres), dtype=np.int8)
    place = {centre: k for k, centre in enumerate(template.stereocentres)}
    for rule in rules:
        if rule.kind == "chiral" and len(rule.atoms) == 5 and rule.atoms[1] in place:
            corners = (rule.atoms[0], *rule.atoms[2:])
            if sorted(corners) == list(template.neighbours[rule.atoms[1]]):
                hands[place[rule.atoms[1]]] = _parity(corners)
    return hands


def torsions_of_rules(
    template: MoleculeTemplate, rules: Sequence[LocalRule]
) -> dict[tuple[int, int, int, int], bool]:
    """Torsions of bonded atoms that rules make cis (True) or trans (False)."""
    found: dict[tuple[int, int, int, int], bool] = {}
    for rule in rules:
        if rule.kind in ("cis", "trans"):
            i, j, k, m = rule.atoms
            if j in template.neighbours[i] and k in template.neighbours[j] and m in template.neighbours[k]:
                found[(i, j, k, m) if j < k else (m, k, j, i)] = rule.kind == "cis"
    return found


def apply_rules(
    positions: NDArray[np.float64], rules: Sequence[LocalRule], rest: RestGeometry
) -> NDArray[np.float64]:
    """Place atoms by rules, in their order; each sees what those before it placed.

    Parameters
    ----------
    positions : ndarray (..., n, 3)
        Of all copies of a molecule, nm.
    rules : sequence of LocalRule
    rest : RestGeometry
        Whose bond lengths are taken.

    Returns
    -------
    ndarray (..., n, 3)
    """
    pairs = rest.pairs[: rest.n_bonds].tolist()
    lengths = {(i, j): value for (i, j), value in zip(pairs, rest.lengths.tolist(), strict=False)}
    x = torch.from_numpy(positions.copy())
    for rule in rules:
        a, b, *others = rule.atoms
        length = lengths.get((min(a, b), max(a, b)), _LENGTH)
        around = [x[..., atom, :] for atom in others]
        x[..., a, :] = _placed(rule.kind, x[..., b, :], around, length)
    moved: NDArray[np.float64] = x.numpy()
    return moved


def _placed(kind: str, base: Tensor, around: list[Tensor], length: float) -> Tensor:
    if kind in ("cis", "trans"):
        return place_atoms(
            base, around[0], around[1], length, float(_ANGLE), 0.0 if kind == "cis" else float(np.pi)
        )
    middle = torch.stack(around).mean(0)
    away = unit_vectors(base - middle)
    if kind == "out":
        return base + length * away
    if len(around) == 3:
        c, d, e = around
        across = unit_vectors(torch.linalg.cross(d - c, e - c))
        return base + length * across
    across = unit_vectors(torch.linalg.cross(around[0] - base, around[1] - base))
    return base + length * (_ALONG * away + _ACROSS * across)


def _parity(corners: Sequence[int]) -> int:
    """+1 for an even permutation of ascending order, else -1."""
    order = tuple(int(k) for k in np.argsort(corners))
    return _PARITY[order]


_PARITY = {
    order: 1 if sum(a > b for k, a in enumerate(order) for b in order[k + 1 :]) % 2 == 0 else -1
    for order in permutations(range(4))
}
