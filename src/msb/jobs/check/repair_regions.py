"""Which atoms a repair may move: those of the beads where something was found, and of their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.quality import Finding

__all__ = ["Region", "regions_of"]

_BONDS = 4  # that a neighbourhood reaches where there are no beads

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Region:
    """Atoms that are placed together, and what was found among them."""

    atoms: Indices
    findings: tuple[Finding, ...]


def regions_of(
    findings: Sequence[Finding], topology: Topology, mapping: Mapping | None = None, hops: int = 1
) -> list[Region]:
    """Return disjoint regions around findings; those that share an atom become one.

    Parameters
    ----------
    findings : sequence of Finding
        Of one frame; those without atoms (an energy of the whole frame) have no region.
    topology : Topology
        The system.
    mapping : Mapping, optional
        Regions are whole beads; without it, all atoms within four bonds.
    hops : int
        How many bonded neighbours are taken along on every side: beads, or two bonds each beyond the first.

    Returns
    -------
    list of Region
    """
    local = [finding for finding in findings if finding.indices]
    if not local:
        return []
    if mapping is None:
        owner, steps = np.arange(topology.n_atoms), _BONDS + 2 * (hops - 1)
        bonds, n_units = topology.bonds, topology.n_atoms
    else:
        owner, steps = mapping.owner, hops
        bonds, n_units = mapping.bead_topology().bonds, mapping.n_beads
    members = _units(local, owner, n_units)
    near = _adjacency(bonds.tobytes(), n_units)
    for _ in range(steps):
        members = members @ near
    members.data[:] = 1
    groups = csgraph.connected_components(members @ members.T, directed=False)[1]
    atoms_of, starts = (
        np.argsort(owner, kind="stable"),
        np.searchsorted(np.sort(owner), np.arange(n_units + 1)),
    )
    regions = []
    for group in range(groups.max() + 1):
        rows = np.flatnonzero(groups == group)
        units = np.unique(members[rows].indices)
        atoms = np.concatenate([atoms_of[starts[u] : starts[u + 1]] for u in units])
        regions.append(Region(np.sort(atoms), tuple(local[row] for row in rows)))
    return regions


def _units(findings: Sequence[Finding], owner: Indices, n_units: int) -> sparse.csr_matrix:
    """Which beads (or atoms) each finding touches, (findings, units)."""
    rows = np.repeat(np.arange(len(findings)), [len(finding.indices) for finding in findings])
    columns = owner[np.concatenate([np.array(finding.indices, dtype=np.int64) for finding in findings])]
    ones = np.ones(len(rows), dtype=np.int32)
    return sparse.csr_matrix((ones, (rows, columns)), (len(findings), n_units))


@lru_cache(maxsize=2)
def _adjacency(bonds: bytes, n_units: int) -> sparse.csr_matrix:
    """Bonded neighbours, and each unit itself."""
    i, j = np.frombuffer(bonds, dtype=np.int64).reshape(-1, 2).T
    own = np.arange(n_units)
    rows, columns = np.concatenate([i, j, own]), np.concatenate([j, i, own])
    return sparse.csr_matrix((np.ones(len(rows), dtype=np.int32), (rows, columns)), (n_units, n_units))
