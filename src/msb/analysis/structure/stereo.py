"""Handedness of stereocentres, and tacticity of chains: meso and racemo pairs along the backbone."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.structure.distributions import checked_positions
from msb.core.box import make_whole
from msb.core.stereo import hands, signed_volumes
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import TopologyError

__all__ = ["Handedness", "Tacticity", "chain_centres", "handedness", "inverted_centres", "tacticity"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
SignArray = NDArray[np.int8]
_DEPTH = 8  # bonds that a branch is followed to tell it from another


@dataclass(frozen=True, eq=False)
class Handedness:
    """The hand of every stereocentre.

    Attributes
    ----------
    centres : ndarray (C,)
        Atoms, in the system's numbering.
    hands : ndarray (F, C)
        +1 or -1, 0 where flat; no R or S, see `MoleculeTemplate.chirality`.
    """

    centres: IntArray
    hands: SignArray

    @property
    def majority(self) -> SignArray:
        """The hand that each centre has in most frames, (C,); 0 for a tie."""
        return np.asarray(np.sign(self.hands.sum(axis=0, dtype=np.int64)), dtype=np.int8)


def handedness(positions: ArrayLike, topology: Topology, boxes: ArrayLike | None = None) -> Handedness:
    """Return the hand of every stereocentre in every frame.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    topology : Topology
        The system.
    boxes : array_like (F, 3, 3) or (3, 3), optional
        Row vectors, nm.

    Returns
    -------
    Handedness

    Raises
    ------
    TrajectoryError
        There is no frame, or positions do not fit.
    """
    x = _whole(positions, topology, boxes)
    signs = [
        np.asarray(template.chirality(block)).reshape(len(x), -1) for template, block in topology.split(x)
    ]
    centres = topology.expand(lambda t: np.array(t.stereocentres, dtype=np.int64).reshape(-1, 1))[:, 0]
    return Handedness(centres, np.concatenate(signs, axis=1).astype(np.int8))


def inverted_centres(test: Handedness, reference: Handedness) -> NDArray[np.bool_]:
    """Tell which centres have another hand than in the reference (its majority where it has several frames).

    Parameters
    ----------
    test, reference : Handedness
        Of the same system.

    Returns
    -------
    ndarray (F, C)
        True where inverted or flat; its mean is the share.

    Raises
    ------
    TopologyError
        The centres differ, or a centre of the reference has no hand.
    """
    if not np.array_equal(test.centres, reference.centres):
        raise TopologyError(
            f"the stereocentres differ: {len(test.centres)} in the test, {len(reference.centres)} in the "
            "reference, or other atoms; both must be of one system"
        )
    expected = reference.majority
    if not expected.all():
        atom = int(reference.centres[np.argmin(np.abs(expected))])
        raise TopologyError(f"atom {atom + 1} has no hand in the reference: it is flat, or both as often")
    return np.asarray(test.hands != expected)


@dataclass(frozen=True, eq=False)
class Tacticity:
    """Pairs of neighbouring stereocentres along chains.

    Attributes
    ----------
    dyads : ndarray (D, 2)
        Atoms of neighbouring centres, in the system's numbering.
    meso : ndarray (F, D)
        True for a meso pair (equal hands), False for a racemo pair.
    """

    dyads: IntArray
    meso: NDArray[np.bool_]

    @property
    def meso_share(self) -> float:
        """Share of meso pairs: 1 isotactic, 0 syndiotactic.

        Raises
        ------
        TopologyError
            There are no pairs.
        """
        if not self.meso.size:
            raise TopologyError("no chain has two stereocentres along its backbone, so there is no tacticity")
        return float(self.meso.mean())


def tacticity(positions: ArrayLike, topology: Topology, boxes: ArrayLike | None = None) -> Tacticity:
    """Tell meso from racemo pairs along every chain.

    A centre's hand is seen along the chain: previous backbone atom, next one, larger side group, smaller one;
    it does not depend on the order of the atoms. Equal hands are a meso pair.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    topology : Topology
        The system.
    boxes : array_like (F, 3, 3) or (3, 3), optional
        Row vectors, nm.

    Returns
    -------
    Tacticity

    Raises
    ------
    TrajectoryError
        There is no frame, or positions do not fit.
    """
    x = _whole(positions, topology, boxes)
    centres = {template: chain_centres(template) for template in topology.templates}
    meso = []
    for template, block in topology.split(x):
        signs = np.asarray(hands(signed_volumes(block, centres[template][:, 1:].tolist())))
        meso.append((signs[..., 1:] == signs[..., :-1]).reshape(len(x), -1))

    def dyads(template: MoleculeTemplate) -> IntArray:
        own = centres[template][:, 0]
        return np.stack([own[:-1], own[1:]], axis=1)

    return Tacticity(topology.expand(dyads), np.concatenate(meso, axis=1))


def chain_centres(template: MoleculeTemplate) -> IntArray:
    """Return the stereocentres along the backbone with what surrounds them, in order.

    The backbone is the path between the two stereocentres that are farthest apart.

    Parameters
    ----------
    template : MoleculeTemplate
        One chain.

    Returns
    -------
    ndarray (C, 5)
        Centre, previous and next backbone atom, larger and smaller side group; no rows where a molecule has
        fewer than two centres. An end whose continuation cannot be told from its side groups is left out.
    """
    path = _path(template)
    known = set(template.stereocentres)
    keys: set[tuple[object, ...]] = set()
    rows: list[tuple[int, ...]] = []
    for k in range(1, len(path) - 1):
        if path[k] in known:
            sides = [a for a in template.neighbours[path[k]] if a not in (path[k - 1], path[k + 1])]
            keys |= {_branch(template, a, path[k]) for a in sides}
            rows.append(_row(template, path[k], path[k - 1], path[k + 1], sides))
    for end, inner, first in ((path[:1], path[1:2], True), (path[-1:], path[-2:-1], False)):
        if not inner:
            continue
        onward = _continuation(template, end[0], inner[0], keys)
        if onward is None:
            continue
        sides = [a for a in template.neighbours[end[0]] if a not in (inner[0], onward)]
        before, after = (onward, inner[0]) if first else (inner[0], onward)
        rows.insert(0 if first else len(rows), _row(template, end[0], before, after, sides))
    return np.array(rows, dtype=np.int64).reshape(-1, 5)


def _path(template: MoleculeTemplate) -> list[int]:
    """Return the atoms between the two stereocentres farthest apart, both included."""
    centres = template.stereocentres
    if len(centres) < 2:
        return []
    ends = [centres[0], centres[0]]
    for turn in (0, 1):
        far = nx.single_source_shortest_path_length(template.graph, ends[turn])
        ends[1 - turn] = max(centres, key=lambda a: (far.get(a, -1), -a))
    path: list[int] = nx.shortest_path(template.graph, min(ends), max(ends))
    return path


def _continuation(
    template: MoleculeTemplate, end: int, inner: int, side_keys: set[tuple[object, ...]]
) -> int | None:
    """Return the neighbour of an end through which the chain goes on: no side group, or like the backbone."""
    others = [a for a in template.neighbours[end] if a != inner]
    left = [a for a in others if _branch(template, a, end) not in side_keys]
    if len(left) != 1:
        kind = template.elements[inner], len(template.neighbours[inner])
        left = [a for a in others if (template.elements[a], len(template.neighbours[a])) == kind]
    return left[0] if len(left) == 1 else None


def _row(
    template: MoleculeTemplate, centre: int, before: int, after: int, sides: list[int]
) -> tuple[int, ...]:
    ordered = sorted(sides, key=lambda a: _branch(template, a, centre), reverse=True)
    return (centre, before, after, *ordered)


def _branch(template: MoleculeTemplate, start: int, without: int) -> tuple[object, ...]:
    """Describe a branch by its masses, shell by shell: comparable, and independent of the atoms' order."""
    seen, shell, found = {without, start}, [start], []
    for _ in range(_DEPTH):
        found.append(tuple(sorted((float(round(template.masses[a], 1)) for a in shell), reverse=True)))
        shell = sorted({b for a in shell for b in template.neighbours[a]} - seen)
        seen.update(shell)
        if not shell:
            break
    return tuple(found)


def _whole(positions: ArrayLike, topology: Topology, boxes: ArrayLike | None) -> FloatArray:
    x = checked_positions(positions, topology)
    return x if boxes is None else make_whole(x, np.asarray(boxes, dtype=np.float64), topology)
