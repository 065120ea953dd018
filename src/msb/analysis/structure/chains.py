"""Sizes of chains: end-to-end distance, radius of gyration and contour length, with block errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.bootstrap import block_numbers
from msb.analysis.structure.distributions import checked_positions
from msb.core.box import make_whole
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import TopologyError

__all__ = ["ChainStatistics", "Mean", "backbone", "block_error", "chain_sizes", "chain_statistics"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Mean:
    """A mean with its error.

    Attributes
    ----------
    value : float
        The mean over chains and frames.
    error : float or None
        Standard error from the means of blocks of frames; None with fewer than four frames.
    """

    value: float
    error: float | None


@dataclass(frozen=True)
class ChainStatistics:
    """Mean sizes of the chains of one kind.

    Attributes
    ----------
    name : str
        Of the molecule.
    n_chains, n_frames : int
        What the means are over.
    end_to_end, gyration : Mean
        Mean squares, nm^2.
    contour : Mean
        Mean length along the backbone, nm.
    """

    name: str
    n_chains: int
    n_frames: int
    end_to_end: Mean
    gyration: Mean
    contour: Mean


def backbone(template: MoleculeTemplate) -> IntArray:
    """Return the longest chain of a molecule: no hydrogens, and no ring atoms where the rest hangs together.

    Parameters
    ----------
    template : MoleculeTemplate
        One molecule.

    Returns
    -------
    ndarray (L,)
        Atoms from end to end.

    Raises
    ------
    TopologyError
        The molecule has no atoms but hydrogens, or is not connected.
    """
    heavy = [a for a, element in enumerate(template.elements) if element != "H"]
    rings = {a for ring in template.rings for a in ring}
    graph = template.graph.subgraph([a for a in heavy if a not in rings])
    if not graph or not nx.is_connected(graph):
        graph = template.graph.subgraph(heavy)
    if not graph or not nx.is_connected(graph):
        raise TopologyError(
            f"the atoms of {template.name} form no single chain: give its backbone, atom by atom"
        )
    start = min(graph)
    for _ in range(2):  # farthest from anywhere, then farthest from there: exact for trees
        far = nx.single_source_shortest_path_length(graph, start)
        last, start = start, max(far, key=lambda a: (far[a], -a))
    path: list[int] = nx.shortest_path(graph, min(start, last), max(start, last))
    return np.array(path, dtype=np.int64)


def chain_sizes(
    positions: ArrayLike,
    topology: Topology,
    boxes: ArrayLike | None = None,
    backbones: Mapping[str, ArrayLike] | None = None,
) -> dict[str, FloatArray]:
    """Return the sizes of every chain in every frame.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    topology : Topology
        The system.
    boxes : array_like (F, 3, 3) or (3, 3), optional
        Row vectors, nm.
    backbones : mapping of molecule name to atoms (L,), optional
        Atoms of the template from end to end; by default `backbone`.

    Returns
    -------
    dict of str to ndarray (F, chains, 3)
        By molecule: squared end-to-end distance and squared radius of gyration (about the centre of mass;
        of geometry where masses are unknown), nm^2, and length along the backbone, nm. Molecules with fewer
        than two backbone atoms are left out.

    Raises
    ------
    TrajectoryError
        There is no frame, or positions do not fit.
    TopologyError
        A backbone is no chain of bonded atoms, or of a molecule that is not there.
    """
    x = checked_positions(positions, topology)
    x = x if boxes is None else make_whole(x, np.asarray(boxes, dtype=np.float64), topology)
    paths = template_backbones(topology, backbones)
    found: dict[str, list[FloatArray]] = {}
    for template, block in topology.split(x):
        if template.name in paths:
            found.setdefault(template.name, []).append(_sizes(block, template, paths[template.name]))
    return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}


def template_backbones(
    topology: Topology, given: Mapping[str, ArrayLike] | None = None
) -> dict[str, IntArray]:
    """Return the backbone of every kind of molecule that has two or more backbone atoms."""
    unknown = set(given or {}) - {template.name for template in topology.templates}
    if unknown:
        present = ", ".join(template.name for template in topology.templates)
        raise TopologyError(f"backbones of {', '.join(sorted(unknown))}: the system has {present}")
    paths = {}
    for template in topology.templates:
        own = (given or {}).get(template.name)
        path = backbone(template) if own is None else np.asarray(own, dtype=np.int64)
        for one, other in zip(path[:-1].tolist(), path[1:].tolist(), strict=True):
            if not 0 <= one < template.n_atoms or other not in template.neighbours[one]:
                raise TopologyError(f"backbone of {template.name}: atoms {one} and {other} are not bonded")
        if len(path) > 1:
            paths[template.name] = path
    return paths


def _sizes(block: FloatArray, template: MoleculeTemplate, path: IntArray) -> FloatArray:
    """Return (F, chains, 3) of positions (F, chains, n, 3)."""
    chain = block[..., path, :]
    ends = np.square(chain[..., -1, :] - chain[..., 0, :]).sum(-1)
    weights = np.asarray(template.masses if (template.masses > 0).all() else np.ones(template.n_atoms))
    weights = weights / weights.sum()
    centre = np.einsum("fcni,n->fci", block, weights)
    gyration = np.einsum("fcni,fcni,n->fc", *[block - centre[..., None, :]] * 2, weights)
    contour = np.linalg.norm(np.diff(chain, axis=-2), axis=-1).sum(-1)
    return np.stack([ends, gyration, contour], axis=-1)


def block_error(series: ArrayLike, blocks: int = 10) -> float | None:
    """Return the standard error of the mean of a correlated series from the means of its blocks.

    Parameters
    ----------
    series : array_like (F,)
        One number a frame, in order.
    blocks : int
        Contiguous blocks, fewer where frames are few.

    Returns
    -------
    float or None
        In the unit of the series; None where there are fewer than two blocks of two frames.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < 4 or blocks < 2:
        return None
    numbers = block_numbers(len(values), blocks)
    means = np.bincount(numbers, values) / np.bincount(numbers)
    return float(means.std(ddof=1) / np.sqrt(len(means)))


def chain_statistics(
    positions: ArrayLike,
    topology: Topology,
    boxes: ArrayLike | None = None,
    backbones: Mapping[str, ArrayLike] | None = None,
    *,
    blocks: int = 10,
) -> dict[str, ChainStatistics]:
    """Return mean squared end-to-end distances and radii of gyration, and contour lengths, by molecule.

    Parameters
    ----------
    positions, topology, boxes, backbones
        As `chain_sizes`.
    blocks : int
        For the errors, see `block_error`.

    Returns
    -------
    dict of str to ChainStatistics

    Raises
    ------
    TrajectoryError, TopologyError
        As `chain_sizes`.
    """
    sizes = chain_sizes(positions, topology, boxes, backbones)
    return {name: summary(name, values.mean(1), values.shape[1], blocks) for name, values in sizes.items()}


def summary(name: str, series: FloatArray, n_chains: int, blocks: int) -> ChainStatistics:
    """Make statistics of series (F, 3) of means over chains."""
    means = [Mean(float(column.mean()), block_error(column, blocks)) for column in series.T]
    return ChainStatistics(name, n_chains, len(series), *means)
