"""R and S by the sequence rules of Cahn, Ingold and Prelog (rule 1: atomic numbers, sphere by sphere)."""

from __future__ import annotations

from functools import cmp_to_key

import numpy as np
from numpy.typing import NDArray

from msb.core.template import MoleculeTemplate

__all__ = ["labels", "signs"]

NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8, "P": 15, "S": 16}
_DEPTH = 9
Path = tuple[int, ...]  # atoms from the centre outwards; a duplicate atom ends with -1 and its original


def labels(template: MoleculeTemplate, hands: NDArray[np.int8]) -> dict[str, str]:
    """R or S of every stereocentre, by its name."""
    return {
        template.atom_names[centre]: "R" if hand * _order_sign(template, centre) < 0 else "S"
        for centre, hand in zip(template.stereocentres, hands.tolist(), strict=True)
    }


def signs(template: MoleculeTemplate, wanted: dict[str, str]) -> NDArray[np.int8]:
    """Signs of `MoleculeTemplate.chirality` for R or S of every stereocentre."""
    names = [template.atom_names[centre] for centre in template.stereocentres]
    if set(names) != set(wanted):
        raise ValueError(f"{template.name} has the stereocentres {', '.join(names)}, not {', '.join(wanted)}")
    return np.array(
        [
            _order_sign(template, centre) * (-1 if wanted[name] == "R" else 1)
            for centre, name in zip(template.stereocentres, names, strict=True)
        ],
        dtype=np.int8,
    )


def _order_sign(template: MoleculeTemplate, centre: int) -> int:
    """+1 if descending priority is an even permutation of ascending atoms; counter-clockwise is S."""
    doubles = _doubles(template)

    def compare(a: int, b: int) -> int:
        return _compare(template, doubles, (centre, a), (centre, b))

    ranked = sorted(template.neighbours[centre], key=cmp_to_key(compare), reverse=True)
    swaps = sum(a > b for k, a in enumerate(ranked) for b in ranked[k + 1 :])
    return 1 if swaps % 2 == 0 else -1


def _doubles(template: MoleculeTemplate) -> dict[int, list[int]]:
    """Double bonds: C=O by its oxygen with one neighbour, C=C between two planar carbons."""
    planar = set(template.impropers[:, 0].tolist())
    found: dict[int, list[int]] = {a: [] for a in range(template.n_atoms)}
    for i, j in template.bonds.tolist():
        carbonyl = {template.elements[i], template.elements[j]} == {"C", "O"} and (
            (i in planar and len(template.neighbours[j]) == 1)
            or (j in planar and len(template.neighbours[i]) == 1)
        )
        if carbonyl or (i in planar and j in planar and template.elements[i] == template.elements[j] == "C"):
            found[i].append(j)
            found[j].append(i)
    return found


def _children(template: MoleculeTemplate, doubles: dict[int, list[int]], path: Path) -> list[Path]:
    if len(path) > 2 and path[-2] == -1:
        return []  # a duplicate bears nothing
    atom, before = path[-1], path[-2]
    found: list[Path] = []
    for other in template.neighbours[atom]:
        if other == before:
            continue
        found.append((*path, -1, other) if other in path else (*path, other))
    found += [(*path, -1, other) for other in doubles[atom]]
    return found


def _number(template: MoleculeTemplate, path: Path) -> int:
    return NUMBERS[template.elements[path[-1]]]


def _compare(template: MoleculeTemplate, doubles: dict[int, list[int]], one: Path, other: Path) -> int:
    """Positive where the first branch goes before the second."""
    spheres = [one], [other]
    for _ in range(_DEPTH):
        a, b = ([_number(template, p) for p in sphere] for sphere in spheres)
        if a != b:
            return 1 if a > b else -1
        grown: list[list[Path]] = []
        rows: list[list[list[int]]] = []
        for sphere in spheres:
            row, after = [], []
            for path in sphere:
                branches = _children(template, doubles, path)
                branches.sort(key=lambda p: _key(template, doubles, p), reverse=True)
                row.append([_number(template, p) for p in branches] + [0] * (3 - len(branches)))
                after += branches
            rows.append(row)
            grown.append(after)
        if rows[0] != rows[1]:
            return 1 if rows[0] > rows[1] else -1
        spheres = grown[0], grown[1]
    return 0


def _key(
    template: MoleculeTemplate, doubles: dict[int, list[int]], path: Path
) -> tuple[int, list[int], list[list[int]]]:
    """An atom, what it bears, and what that bears: enough to order equal atoms here."""
    children = _children(template, doubles, path)
    numbers = sorted((_number(template, p) for p in children), reverse=True)
    beyond = sorted(
        (
            sorted((_number(template, q) for q in _children(template, doubles, p)), reverse=True)
            for p in children
        ),
        reverse=True,
    )
    return _number(template, path), numbers, beyond
