"""Names and residues of a chain cut from an oligomer: what counts through one counts through the other."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from msb.core.arrays import IntArray
from msb.core.template import MoleculeTemplate

__all__ = ["Label", "label_names", "label_residues"]


class Label(NamedTuple):
    """An atom of the new chain: its segment, its number in there, its model in the oligomer.

    Attributes
    ----------
    segment, local, old : int
        Segment of the new chain (0 is the head), number in the segment, atom of the oligomer.
    behind : bool
        Whether it is of head or tail and stands behind the repeats in the file.
    """

    segment: int
    local: int
    old: int
    behind: bool


def label_names(
    oligomer: MoleculeTemplate, segments: list[list[int]], atoms: list[Label], n: int
) -> tuple[str, ...]:
    """Return the names of the new chain's atoms; numbers at their ends that run through the repeats run on.

    Parameters
    ----------
    oligomer : MoleculeTemplate
        Where the names come from.
    segments : list of list of int
        Head, repeats, tail.
    atoms : list of Label
        The new chain.
    n : int
        Its number of units.

    Returns
    -------
    tuple of str
    """
    repeats = segments[1:-1]
    steps = [_step([oligomer.atom_names[part[k]] for part in repeats]) for k in range(len(repeats[0]))]
    common = steps[0] if len(set(steps)) == 1 else 0
    home = {atom: s for s, part in enumerate(segments) for atom in part}
    names = []
    for segment, local, old, behind in atoms:
        if 0 < segment <= n:
            shift = steps[local] * (segment - home[old])
        else:
            shift = common * (n - len(repeats)) if behind else 0
        names.append(_counted(oligomer.atom_names[old], shift))
    return tuple(names)


def _step(names: list[str]) -> int:
    """Return how much the number at the end of a name grows from repeat to repeat; 0 where it does not."""
    split = [_split(name) for name in names]
    if len({stem for stem, _ in split}) > 1 or any(number is None for _, number in split):
        return 0
    steps = {b - a for (_, a), (_, b) in pairwise(split) if a is not None and b is not None}
    return steps.pop() if len(steps) == 1 else 0


def _split(name: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(.*?)(\d+)", name)
    return (match[1], int(match[2])) if match else (name, None)


def _counted(name: str, shift: int) -> str:
    stem, number = _split(name)
    return name if number is None or not shift else f"{stem}{number + shift}"


def label_residues(
    oligomer: MoleculeTemplate, segments: list[list[int]], atoms: list[Label], n: int
) -> tuple[IntArray, tuple[str, ...], tuple[int, ...]]:
    """Return residue index, names and numbers of the new chain.

    Residues that lie in one repeat are repeated with it and count on; one that head and repeats share (a
    chain that is one residue) stays one.

    Parameters
    ----------
    oligomer, segments, atoms, n
        As in `label_names`.

    Returns
    -------
    index : ndarray (N,)
    names : tuple of str
    numbers : tuple of int
    """
    home = np.zeros(oligomer.n_atoms, dtype=np.int64)
    for s, part in enumerate(segments):
        home[part] = s
    where = [set(home[oligomer.residue_index == r].tolist()) for r in range(len(oligomer.residue_names))]
    tail = len(segments) - 1
    own = [r for r, at in enumerate(where) if len(at) == 1 and 0 < min(at) < tail]
    first = min(min(part) for part in segments[1:-1])
    behind = set(range(len(where))) - set(own) - set(oligomer.residue_index[: first + 1].tolist())
    per_unit = len(own) // (tail - 1)
    known: dict[tuple[int, int], int] = {}
    index: list[int] = []
    names: list[str] = []
    numbers: list[int] = []
    for segment, _, old, _ in atoms:
        residue = int(oligomer.residue_index[old])
        copy = segment if residue in own else 0
        key = (residue, copy)
        if key not in known:
            known[key] = len(names)
            passed = copy - int(home[old]) if copy else (n + 1 - tail) * (residue in behind)
            names.append(oligomer.residue_names[residue])
            numbers.append(oligomer.residue_numbers[residue] + per_unit * passed)
        index.append(known[key])
    return np.array(index, dtype=np.int64), tuple(names), tuple(numbers)
