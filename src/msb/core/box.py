"""Periodic boxes: nearest images, wrapping, molecules made whole. NumPy and torch alike.

Boxes are row vectors (..., 3, 3) in nm; their leading axes match the first axes of the positions, so one
box or one a frame will do. ``None`` or an all-zero box is no periodicity. In torch the results are
differentiable in positions and box; which image is nearest counts as constant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from msb.core.arrays import Array, FloatArray, is_tensor, namespace_of
from msb.core.lattice import NEIGHBOURS, check_boxes, reduce_basis
from msb.errors import MsbError

if TYPE_CHECKING:
    from msb.core.topology import Topology

__all__ = ["bonds_across", "image_shifts", "make_whole", "minimum_image", "volume", "wrap"]

_NO_BOX = 1e15  # nm; an edge so long that nothing is ever moved


def minimum_image(vectors: Array, box: Array | None) -> Array:
    """Return the shortest image of every vector: v - n @ box with the integers n that make it shortest.

    Right for every box, however tilted: its lattice is first given a reduced basis, and where rounding in
    that basis is not provably enough, the 26 neighbouring images are compared too.

    Parameters
    ----------
    vectors : ndarray or Tensor (..., 3)
        nm.
    box : ndarray or Tensor (..., 3, 3), or None
        Row vectors, nm.

    Returns
    -------
    ndarray or Tensor (..., 3)
        nm.

    Raises
    ------
    MsbError
        A box has no volume or more leading axes than the vectors.
    """
    if box is None:
        return vectors
    vectors, box = _matched(vectors, box)
    return _moved(vectors, image_shifts(vectors, box), box)


def image_shifts(vectors: Array, box: Array) -> Array:
    """Return the whole numbers n of `minimum_image`: v - n @ box is the shortest image.

    Parameters
    ----------
    vectors : ndarray or Tensor (..., 3)
        nm.
    box : ndarray or Tensor (..., 3, 3)
        Row vectors, nm.

    Returns
    -------
    ndarray or Tensor (..., 3)
        Whole numbers in the vectors' dtype, without gradient.

    Raises
    ------
    MsbError
        As `minimum_image`.
    """
    vectors, box = _matched(vectors, box)
    xp: Any = namespace_of(vectors)
    plain = _constant(vectors)
    cells = _host(box)
    if not (cells - cells * np.eye(3)).any():
        lengths = np.diagonal(cells, axis1=-2, axis2=-1)
        return cast(Array, xp.round(plain / _like(plain, _between(lengths, plain.ndim, 1))))
    basis = reduce_basis(cells.reshape(-1, 3, 3)).reshape(cells.shape)
    reduced = basis @ cells
    shifts = xp.round(_times(plain, np.linalg.inv(reduced)))
    _search_neighbours(plain, shifts, reduced)
    return cast(Array, xp.round(_times(shifts, basis)))


def _search_neighbours(vectors: Any, shifts: Any, reduced: FloatArray) -> None:
    """Replace shifts in place where one of the 26 neighbouring images is nearer still."""
    rest = vectors - _times(shifts, reduced)
    # inside the sphere inscribed in the Voronoi cell nothing can be nearer
    safe = 0.25 * np.sum(reduced * reduced, axis=-1).min(axis=-1) * (1 - 1e-5)
    squares = (rest * rest).sum(-1)
    far = squares > _like(vectors, _between(safe, vectors.ndim - 1, 0))
    if not bool(far.any()):
        return
    number = np.arange(safe.size).reshape(safe.shape)
    which = np.broadcast_to(_between(number, vectors.ndim - 1, 0), tuple(squares.shape))
    box_of = which[np.asarray(far.cpu() if is_tensor(far) else far)] if safe.size > 1 else 0
    steps = NEIGHBOURS @ reduced.reshape(-1, 3, 3)
    shifts[far] += _best_steps(rest[far], _like(vectors, steps), box_of)


def _best_steps(rest: Any, steps: Any, box_of: Any) -> Any:
    """Return the step to the nearest neighbouring image of every vector, zero where it is nearest already.

    Of two opposite steps s only the one along the vector can help, and it changes |r|^2 by s^2 - 2 |r . s|.
    """
    xp: Any = namespace_of(rest)
    lengths = (steps * steps).sum(-1)
    best = xp.zeros_like(rest[:, 0])
    extra = xp.zeros_like(rest)
    for k, neighbour in enumerate(_like(rest, NEIGHBOURS)):
        along = (rest * steps[box_of, k]).sum(-1)
        change = lengths[box_of, k] - 2 * abs(along)
        better = change < best
        best = xp.where(better, change, best)
        extra = xp.where(better[:, None], xp.sign(along)[:, None] * neighbour, extra)
    return extra


def wrap(positions: Array, box: Array | None, topology: Topology | None = None) -> Array:
    """Put atoms, or whole molecules by their centres of geometry, into the box: fractions in [0, 1).

    Parameters
    ----------
    positions : ndarray or Tensor (..., N, 3)
        nm.
    box : ndarray or Tensor (..., 3, 3), or None
        Row vectors, nm.
    topology : Topology, optional
        With it molecules, which must be whole, stay whole.

    Returns
    -------
    ndarray or Tensor (..., N, 3)
        nm.

    Raises
    ------
    MsbError
        A box has no volume, or shapes do not fit.
    """
    if box is None:
        return positions
    positions, box = _matched(positions, box)
    if topology is None:
        once = _wrapped(positions, positions, box)
        return cast(Array, _wrapped(once, once, box))  # twice: -1e-9 + L rounds to L
    xp: Any = namespace_of(positions)
    parts: list[Any] = []
    block: Any
    for _, block in topology.split(positions):
        centres = block.mean(-2)[..., None, :]
        parts.append(_wrapped(block, centres, box).reshape((*block.shape[:-3], -1, 3)))
    return cast(Array, xp.concatenate(parts, -2))


def _wrapped(positions: Any, by: Any, box: Any) -> Any:
    plain = _constant(by)
    cells = np.linalg.inv(_host(box))
    return _moved(positions, namespace_of(plain).floor(_times(plain, cells)), box)


def make_whole(positions: Array, box: Array | None, topology: Topology) -> Array:
    """Move atoms by whole box vectors until bonded atoms are nearest images; first atoms stay where they are.

    All frames and all copies of a template are done at once: image shifts of the bonds of a spanning tree,
    summed along the tree. A molecule bonded to its own image cannot be whole; `bonds_across` of the result
    counts what is left.

    Parameters
    ----------
    positions : ndarray or Tensor (..., N, 3)
        nm.
    box : ndarray or Tensor (..., 3, 3), or None
        Row vectors, nm.
    topology : Topology
        The molecules.

    Returns
    -------
    ndarray or Tensor (..., N, 3)
        nm.

    Raises
    ------
    MsbError
        A box has no volume, or shapes do not fit.
    """
    if box is None:
        return positions
    positions, box = _matched(positions, box)
    xp: Any = namespace_of(positions)
    shifts = []
    for template, block in topology.split(positions):
        tree = template.spanning_tree
        steps: Any = image_shifts(block - block[..., tree.parent, :], box)
        cut = (steps != 0).any(-1).any(-1)
        if bool(cut.any()):
            rows = steps[cut]
            walk = xp.zeros_like(xp.concatenate([rows, rows], -2))
            walk[:, tree.enter] = rows
            walk[:, tree.leave] = -rows
            steps[cut] = walk.cumsum(-2)[:, tree.enter]
        shifts.append(steps.reshape((*steps.shape[:-3], -1, 3)))
    return _moved(positions, xp.concatenate(shifts, -2), box)


def bonds_across(positions: Array, box: Array | None, topology: Topology) -> Array:
    """Count the bonds that cross the box, that is, whose nearest image is not the one in the positions.

    Parameters
    ----------
    positions : ndarray or Tensor (..., N, 3)
        nm.
    box : ndarray or Tensor (..., 3, 3), or None
        Row vectors, nm.
    topology : Topology
        The molecules.

    Returns
    -------
    ndarray or Tensor (...), int64
        0 where all molecules are whole.

    Raises
    ------
    MsbError
        A box has no volume, or shapes do not fit.
    """
    xp: Any = namespace_of(positions)
    if box is None:
        return cast(Array, xp.zeros_like(positions[..., 0, 0], dtype=xp.int64))
    positions, box = _matched(positions, box)
    total: Any = xp.zeros_like(positions[..., 0, 0], dtype=xp.int64)
    for template, block in topology.split(positions):
        i, j = template.bonds.T
        crossing: Any = image_shifts(block[..., j, :] - block[..., i, :], box) != 0
        total = total + crossing.any(-1).sum(-1).sum(-1)
    return cast(Array, total)


def volume(box: Array) -> Array:
    """Return the volume of boxes.

    Parameters
    ----------
    box : ndarray or Tensor (..., 3, 3)
        Row vectors, nm.

    Returns
    -------
    ndarray or Tensor (...)
        nm^3.
    """
    xp: Any = namespace_of(box)
    return cast(Array, xp.abs(xp.linalg.det(box)))


def _matched(values: Array, box: Array) -> tuple[Array, Array]:
    """Bring the values to floats and the box to their kind, device and dtype."""
    if not is_tensor(values):
        real: Any = np.asarray(values)
        values = real if real.dtype.kind == "f" else real.astype(np.float64)
    if tuple(box.shape[-2:]) != (3, 3) or tuple(values.shape[-1:]) != (3,):
        raise MsbError(
            f"shapes {tuple(values.shape)} and {tuple(box.shape)}: (..., 3) and (..., 3, 3) are needed"
        )
    if box.ndim - 1 > values.ndim:
        raise MsbError(
            f"boxes of shape {tuple(box.shape)} have more frames than vectors of {tuple(values.shape)}"
        )
    matched: Array = _like(values, box)
    return values, matched


def _constant(values: Any) -> Any:
    return values.detach() if is_tensor(values) else values


def _like(values: Any, other: Any) -> Any:
    if is_tensor(values):
        import torch

        tensor = other if is_tensor(other) else torch.tensor(np.ascontiguousarray(other))
        return tensor.to(dtype=values.dtype, device=values.device)
    return np.asarray(other, dtype=values.dtype)


def _host(box: Any) -> FloatArray:
    """Return the boxes as float64 in NumPy, absent ones as endless."""
    cells = np.array(box.detach().cpu().numpy() if is_tensor(box) else box, dtype=np.float64)
    periodic = check_boxes(cells.reshape(-1, 3, 3)).reshape(cells.shape[:-2])
    if not periodic.all():
        cells[~periodic] = _NO_BOX * np.eye(3)
    return cells


def _between(values: Any, ndim: int, kept: int) -> Any:
    """Insert axes before the last `kept` ones until there are `ndim`."""
    lead = values.ndim - kept
    shape = tuple(values.shape)
    return values.reshape((*shape[:lead], *(1,) * (ndim - values.ndim), *shape[lead:]))


def _times(vectors: Any, matrices: Any) -> Any:
    """Return vectors @ matrices, one matrix a box."""
    matrix = _like(vectors, matrices)
    lead = matrix.ndim - 2
    flat = vectors.reshape((*vectors.shape[:lead], -1, 3))
    return (flat @ matrix).reshape(tuple(vectors.shape))


def _moved(vectors: Array, shifts: Any, box: Any) -> Array:
    """Return vectors - shifts @ box."""
    moved: Array = vectors - _times(shifts, box)
    return moved
