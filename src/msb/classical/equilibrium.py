"""One conformation of a molecule at rest, made from its bonds alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msb.classical.embedding import Embedder, Schedule
from msb.classical.rest import RestGeometry
from msb.core.graph import spanning_tree
from msb.core.noise import normal_block
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology

__all__ = ["equilibrium_geometry"]

_TRIES = 8
_STEP = 0.14  # nm; from atom to atom of the walk that is the start
_SCHEDULE = Schedule(turning=350, settling=250, step=0.015)


def equilibrium_geometry(
    template: MoleculeTemplate, hands: NDArray[np.int8] | None = None, seed: int = 0
) -> NDArray[np.float32]:
    """Positions with the bond lengths, angles, planes and hands at rest; torsions are as they come.

    Values at rest are the topology's where its interactions have them, else usual ones; see
    :class:`msb.classical.rest.RestGeometry`.

    Parameters
    ----------
    template : MoleculeTemplate
    hands : int8 array (C,), optional
        Wanted sign of every stereocentre (:meth:`MoleculeTemplate.chirality`); 0 or None for any.
    seed : int
        Another seed gives another conformation.

    Returns
    -------
    float32 array (n, 3)
        nm, centred at the origin.

    Raises
    ------
    TopologyError
        If there is another number of hands than stereocentres.
    """
    rest = RestGeometry.of(template, hands)
    if template.n_atoms == 1:
        return np.zeros((1, 3), dtype=np.float32)
    mover = Embedder(Topology.from_template(template), [[rest]], None, _SCHEDULE)
    best, least = None, np.inf
    for attempt in range(_TRIES):
        noise = normal_block(seed, attempt, 4 * template.n_atoms).reshape(-1, 4).astype(np.float64)
        x = mover.run(_walk(template, noise[:, :3]), 0.1 * noise[:, 3])
        strain = _strain(x, rest)
        if strain < least:
            best, least = x, strain
        if least < 0.03:
            break
    assert best is not None
    return np.asarray(best - best.mean(0), dtype=np.float32)


def _strain(x: NDArray[np.float64], rest: RestGeometry) -> float:
    """Largest deviation of a distance, nm; infinite where a hand is wrong."""
    away = np.abs(np.linalg.norm(x[rest.pairs[:, 0]] - x[rest.pairs[:, 1]], axis=1) - rest.lengths)
    a, b, c, d = (x[rest.corners[:, k]] for k in range(4))
    signed = np.einsum("vk,vk->v", a - d, np.cross(b - d, c - d))
    wrong = (rest.volumes != 0) & (np.sign(signed) != np.sign(rest.volumes))
    return float("inf") if wrong.any() and _TRIES == 1 else float(away.max(initial=0.0) + wrong.sum())


def _walk(template: MoleculeTemplate, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every atom a bond away from the one before it, more or less straight on."""
    tree = spanning_tree([list(around) for around in template.neighbours])
    x = np.zeros((template.n_atoms, 3))
    heading = np.tile([1.0, 0.0, 0.0], (template.n_atoms, 1))
    seen, queue = set(), []
    for root in range(template.n_atoms):
        if root in seen:
            continue
        seen.add(root)
        queue = [root]
        for atom in queue:
            for other in template.neighbours[atom]:
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
                    way = heading[atom] + 0.5 * noise[other]
                    heading[other] = way / max(float(np.linalg.norm(way)), 1e-6)
                    x[other] = x[atom] + _STEP * heading[other]
    del tree
    return x
