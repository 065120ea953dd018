"""Where a relaxation starts from: what no descent can do, since a wall lies between, is done by hand.

An inverted stereocentre is pushed through the plane of three of its neighbours, with its smallest branch; a
speared ring is pulled off the bond that goes through it, over its nearest edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msb.core.box import make_whole, minimum_image
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.jobs.check.repair_regions import Region

__all__ = ["bonded", "prepared"]

Floats = NDArray[np.float64]

_BRANCH = 12  # atoms of the largest branch that goes through a plane with its centre
_LEAST_HEIGHT = 0.03  # nm, of a centre over the plane of its three neighbours
_MARGIN = 0.06  # nm, that a ring is pulled beyond the bond it was on
_KICK = 0.012  # nm, times the number of the try


def prepared(
    positions: NDArray[np.float32],
    regions: Sequence[Region],
    topology: Topology,
    box: NDArray[np.floating] | None,
    seed: int,
    number: int,
) -> NDArray[np.float32]:
    """Return positions to relax from, the atoms outside the regions untouched.

    Parameters
    ----------
    positions : float array (N, 3)
        nm, all finite; molecules may straddle the box.
    regions : sequence of Region
        What was found, and which atoms may move.
    topology : Topology
        The system.
    box : float array (3, 3), optional
        nm.
    seed : int
        Of the kicks.
    number : int
        Of the try: from the second on, free atoms are kicked, harder each time.
    """
    cell = None if box is None else np.asarray(box, dtype=np.float64)
    given = positions.astype(np.float64)
    whole = np.array(make_whole(given, cell, topology))
    images = given - whole
    generator = np.random.default_rng(seed)
    for region in regions:
        may = np.zeros(len(whole), dtype=bool)
        may[region.atoms] = True
        for finding in region.findings:
            if finding.kind == "hand":
                _through_plane(whole, finding.indices, topology, may)
            elif finding.kind == "piercing":
                _off_bond(whole, finding.indices, topology, may, cell, number)
        if number:
            whole[region.atoms] += generator.normal(0.0, _KICK * number, (len(region.atoms), 3))
    return np.asarray(whole + images, dtype=np.float32)


def bonded(topology: Topology, atom: int) -> tuple[MoleculeTemplate, int]:
    """Return an atom's template and the first atom of its molecule."""
    for template, first, count in topology.blocks():
        if atom < first + template.n_atoms * count:
            return template, first + (atom - first) // template.n_atoms * template.n_atoms
    raise IndexError(f"there is no atom {atom}")


def _through_plane(x: Floats, atoms: Sequence[int], topology: Topology, may: NDArray[np.bool_]) -> None:
    """Push a stereocentre, and its smallest branch, through the plane of its other neighbours."""
    template, first = bonded(topology, atoms[0])
    centres = [atom - first for atom in atoms if atom - first in template.stereocentres]
    if not centres:
        return
    centre = centres[0]
    branches = {n: _branch(template, n, centre) for n in template.neighbours[centre]}
    fitting = {n: b for n, b in branches.items() if len(b) <= _BRANCH and may[[first + a for a in b]].all()}
    others = []
    if len(branches) == 4 and fitting:
        arm = min(fitting, key=lambda n: (len(fitting[n]), float(template.masses[n])))
        others = [first + n for n in branches if n != arm]
    if not others or not may[first + centre]:
        return
    a, b, c = x[others]
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal) + 1e-12
    side = -1.0 if (x[first + arm] - a) @ normal >= 0 else 1.0  # where the arm is to be
    height = (x[first + centre] - a) @ normal
    length = float(np.clip(np.linalg.norm(x[first + arm] - x[first + centre]), 0.09, 0.2))
    x[first + centre] += (side * max(abs(height), _LEAST_HEIGHT) - height) * normal
    branch = [first + atom for atom in fitting[arm]]
    heights = (x[branch] - a) @ normal
    x[branch] -= 2 * heights[:, None] * normal
    x[branch] += x[first + centre] + side * length * normal - x[first + arm]


def _branch(template: MoleculeTemplate, start: int, without: int) -> list[int]:
    """Atoms that hang on the molecule through one bond; all of it, where that bond is in a ring."""
    seen, edge = {start, without}, [start]
    while edge:
        onward = [(atom, n) for atom in edge for n in template.neighbours[atom]]
        if len(seen) > _BRANCH + 1 or any(n == without and atom != start for atom, n in onward):
            return list(range(template.n_atoms))
        edge = list(dict.fromkeys(n for _, n in onward if n not in seen))
        seen.update(edge)
    return sorted(seen - {without})


def _off_bond(
    x: Floats,
    atoms: Sequence[int],
    topology: Topology,
    may: NDArray[np.bool_],
    box: Floats | None,
    number: int,
) -> None:
    """Pull a ring off the bond that goes through it, over one of its edges; the nearest first."""
    ring, bond = _ring_and_bond(atoms, topology)
    if not ring or len(bond) != 2:
        return
    centre = x[ring].mean(axis=0)
    middle = x[bond].mean(axis=0)
    there = centre + np.asarray(minimum_image((middle - centre)[None], box))[0]
    normal = np.linalg.svd(x[ring] - centre)[2][2]
    along = x[bond[1]] - x[bond[0]]
    slope = along @ normal
    spot = there if abs(slope) < 1e-6 else there - ((there - centre) @ normal) / slope * along
    starts, ends = x[ring], x[np.roll(ring, -1)]
    share = ((spot - starts) * (ends - starts)).sum(1) / ((ends - starts) ** 2).sum(1)
    edges = starts + np.clip(share, 0, 1)[:, None] * (ends - starts)
    ways = spot - edges
    order = np.argsort(np.linalg.norm(ways, axis=1))
    way = ways[order[(number // 2) % len(order)]]
    away = way * (1 + _MARGIN / (np.linalg.norm(way) + 1e-9))
    moved, shift = (
        (_with_ends(ring, topology), away) if number % 2 == 0 else (_with_ends(bond, topology), -away)
    )
    moved = [atom for atom in moved if may[atom]]
    x[moved] += shift


def _ring_and_bond(atoms: Sequence[int], topology: Topology) -> tuple[list[int], list[int]]:
    """Split what a piercing names into the ring, walked round, and the bond."""
    named = set(atoms)
    for atom in atoms:
        template, first = bonded(topology, atom)
        for members in template.rings:
            ring = [first + member for member in members]
            if named.issuperset(ring):
                return ring, sorted(named.difference(ring))
    return [], []


def _with_ends(atoms: Sequence[int], topology: Topology) -> list[int]:
    """Atoms with the ends of the molecule that hang on them: hydrogens, mostly."""
    found = set(atoms)
    for atom in atoms:
        template, first = bonded(topology, atom)
        local = template.neighbours[atom - first]
        found.update(first + n for n in local if len(template.neighbours[n]) == 1)
    return sorted(found)
