"""Internal coordinates, superposition, rotations and local frames, in torch and differentiable.

Every function that has a singularity (coincident points, collinear triples) uses a form whose value and
gradient stay finite there; the gradient at the singular point itself is zero.  Inputs are tensors; a numpy
array goes through ``torch.as_tensor`` at the caller.  For periodic systems apply the minimum image to the
difference vectors and use the ``vector_*`` functions.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

__all__ = [
    "angles",
    "dihedrals",
    "distances",
    "kabsch",
    "local_frames",
    "norms",
    "place_atoms",
    "random_rotations",
    "rotations_from_uniform",
    "unit_vectors",
    "vector_angles",
    "vector_dihedrals",
]

_DEGENERATE = 16.0  # sines below this many machine epsilons are rounding noise, taken as collinear


def norms(vectors: Tensor) -> Tensor:
    """Lengths of vectors, with gradient zero (not NaN) at the zero vector.

    A vector whose squared length underflows (shorter than 1e-19 in float32) counts as zero.

    Parameters
    ----------
    vectors : Tensor (..., 3)

    Returns
    -------
    Tensor (...)
        In the unit of `vectors`.
    """
    squares = vectors.square().sum(-1)
    positive = squares > torch.finfo(vectors.dtype).tiny  # below, the reciprocal's gradient overflows
    return torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)


def unit_vectors(vectors: Tensor) -> Tensor:
    """Vectors divided by their lengths; the zero vector stays zero, with gradient zero.

    Parameters
    ----------
    vectors : Tensor (..., 3)

    Returns
    -------
    Tensor (..., 3)
    """
    lengths = norms(vectors).unsqueeze(-1)
    positive = lengths > 0
    return torch.where(positive, vectors / torch.where(positive, lengths, 1.0), 0.0)


def vector_angles(u: Tensor, v: Tensor) -> Tensor:
    r"""Angles between vectors, :math:`\operatorname{atan2}(|u \times v|, u \cdot v)`.

    Unlike the arc cosine this is exact near 0 and pi and its gradient is finite there (zero at exactly
    0 and pi, and where `u` or `v` vanishes, where the angle is 0 by convention).

    Parameters
    ----------
    u, v : Tensor (..., 3)

    Returns
    -------
    Tensor (...)
        Radians, in [0, pi].
    """
    u, v = unit_vectors(u), unit_vectors(v)
    return _atan2(norms(torch.linalg.cross(u, v)), (u * v).sum(-1))


def vector_dihedrals(b1: Tensor, b2: Tensor, b3: Tensor) -> Tensor:
    r"""Signed dihedrals of three consecutive bond vectors.

    :math:`\phi = \operatorname{atan2}(|b_2|\, b_1 \cdot (b_2 \times b_3),
    (b_1 \times b_2) \cdot (b_2 \times b_3))`: IUPAC sign, 0 is cis, pi is trans.  Where three points in a
    row are collinear (to rounding) or coincide the dihedral is undefined; 0 with gradient 0 is returned.

    Parameters
    ----------
    b1, b2, b3 : Tensor (..., 3)
        From point 1 to 2, 2 to 3 and 3 to 4.

    Returns
    -------
    Tensor (...)
        Radians, in (-pi, pi].
    """
    b1, b2, b3 = unit_vectors(b1), unit_vectors(b2), unit_vectors(b3)
    first, second = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    limit = (_DEGENERATE * torch.finfo(b1.dtype).eps) ** 2
    defined = (first.square().sum(-1) > limit) & (second.square().sum(-1) > limit)
    sine = torch.where(defined, (b1 * second).sum(-1), 0.0)
    cosine = torch.where(defined, (first * second).sum(-1), 1.0)
    phi = torch.atan2(sine, cosine)
    return torch.where(phi <= -math.pi, phi + 2 * math.pi, phi)  # -0.0 over a negative number gives -pi


def distances(x: Tensor, pairs: Any) -> Tensor:
    """Distances between pairs of points; gradient zero where two points coincide.

    Parameters
    ----------
    x : Tensor (..., N, 3)
        Positions, nm.
    pairs : int array or Tensor (P, 2)
        Indices along the second last axis of `x`.

    Returns
    -------
    Tensor (..., P)
        nm.

    Raises
    ------
    ValueError
        If `pairs` has another shape.
    """
    i, j = _columns(x, pairs, 2)
    return norms(x.index_select(-2, j) - x.index_select(-2, i))


def angles(x: Tensor, triples: Any) -> Tensor:
    """Angles at the middle point of each triple; gradient zero at exactly 0 and pi.

    Parameters
    ----------
    x : Tensor (..., N, 3)
        Positions, nm.
    triples : int array or Tensor (A, 3)
        The vertex is the second index.

    Returns
    -------
    Tensor (..., A)
        Radians, in [0, pi].

    Raises
    ------
    ValueError
        If `triples` has another shape.
    """
    i, j, k = _columns(x, triples, 3)
    vertex = x.index_select(-2, j)
    return vector_angles(x.index_select(-2, i) - vertex, x.index_select(-2, k) - vertex)


def dihedrals(x: Tensor, quads: Any) -> Tensor:
    """Signed dihedrals (IUPAC: 0 is cis); 0 with gradient 0 where three points in a row are collinear.

    Parameters
    ----------
    x : Tensor (..., N, 3)
        Positions, nm.
    quads : int array or Tensor (D, 4)

    Returns
    -------
    Tensor (..., D)
        Radians, in (-pi, pi].

    Raises
    ------
    ValueError
        If `quads` has another shape.
    """
    p1, p2, p3, p4 = (x.index_select(-2, column) for column in _columns(x, quads, 4))
    return vector_dihedrals(p2 - p1, p3 - p2, p4 - p3)


def kabsch(mobile: Tensor, target: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Rotation and translation that superpose `mobile` on `target` with the least weighted square distance.

    ``mobile @ rotation + translation`` (``translation[..., None, :]`` for a batch) is closest to `target`;
    the rotation is proper (det +1), never a reflection.  Computed in float64 and returned in the dtype of
    `mobile`.  Not meant to be differentiated.

    Parameters
    ----------
    mobile, target : Tensor (..., N, 3)
        Positions, nm; leading axes broadcast.
    weights : Tensor (N,) or (..., N), optional
        Not negative, not all zero; masses for instance.  Default: equal.

    Returns
    -------
    rotation : Tensor (..., 3, 3)
    translation : Tensor (..., 3)
        nm.

    References
    ----------
    W. Kabsch, Acta Cryst. A 32, 922 (1976); A 34, 827 (1978).
    """
    p, q = mobile.to(torch.float64), target.to(torch.float64)
    w = torch.ones(p.shape[-2], dtype=p.dtype, device=p.device) if weights is None else weights.to(p)
    w = (w / w.sum(-1, keepdim=True)).unsqueeze(-1)
    p_centre, q_centre = (w * p).sum(-2, keepdim=True), (w * q).sum(-2, keepdim=True)
    covariance = (w * (p - p_centre)).transpose(-1, -2) @ (q - q_centre)
    u, _, vh = torch.linalg.svd(covariance)
    handedness = torch.linalg.det(u @ vh).sign()
    scale = torch.stack((torch.ones_like(handedness), torch.ones_like(handedness), handedness), dim=-1)
    rotation = (u * scale.unsqueeze(-2)) @ vh
    translation = (q_centre - p_centre @ rotation).squeeze(-2)
    return rotation.to(mobile.dtype), translation.to(mobile.dtype)


def rotations_from_uniform(uniform: Tensor) -> Tensor:
    """Rotation matrices, uniform on SO(3) when `uniform` is uniform on the unit cube.

    Parameters
    ----------
    uniform : Tensor (..., 3)
        Numbers in [0, 1), for instance from :mod:`msb.core.noise`.

    Returns
    -------
    Tensor (..., 3, 3)
        det +1.

    References
    ----------
    K. Shoemake, Uniform random rotations, Graphics Gems III (1992), pp. 124-132.
    """
    u1, u2, u3 = uniform.unbind(-1)
    first, second = (1 - u1).sqrt(), u1.sqrt()
    alpha, beta = 2 * math.pi * u2, 2 * math.pi * u3
    x, y, z, w = first * alpha.sin(), first * alpha.cos(), second * beta.sin(), second * beta.cos()
    elements = (
        *(1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
        *(2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
        *(2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack(elements, dim=-1).reshape(*u1.shape, 3, 3)


def random_rotations(
    n: int, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """`n` rotations drawn uniformly from SO(3).

    Parameters
    ----------
    n : int
    generator : torch.Generator, optional
        Source of randomness; the result lies on its device.  Default: torch's global one.
    dtype : torch.dtype

    Returns
    -------
    Tensor (n, 3, 3)
        det +1.
    """
    device = generator.device if generator is not None else None
    uniform = torch.rand(n, 3, generator=generator, dtype=torch.float64, device=device)
    return rotations_from_uniform(uniform).to(dtype)


def local_frames(origin: Tensor, axis: Tensor, plane: Tensor) -> Tensor:
    """Right-handed orthonormal frames from three points each; never NaN.

    Row 0 points from `origin` to `axis`, row 1 lies in the plane of the three points on the side of
    `plane`, row 2 is their cross product.  ``(x - origin) @ frame.mT`` are coordinates in the frame and
    ``local @ frame + origin`` brings them back.  Where the three points are collinear, row 1 is some
    perpendicular of row 0; where `origin` and `axis` coincide, row 0 is the x direction.  In those cases
    the frame is still proper, but does not turn with the points.

    Parameters
    ----------
    origin, axis, plane : Tensor (..., 3)
        Points, nm; leading axes broadcast.

    Returns
    -------
    Tensor (..., 3, 3)
        Rows are the axes; det +1.
    """
    return _frames_from_vectors(axis - origin, plane - origin)


def place_atoms(
    a: Tensor, b: Tensor, c: Tensor, r: Tensor | float, theta: Tensor | float, phi: Tensor | float
) -> Tensor:
    """Points at distance `r` from `a`, angle `theta` at `a` to `b`, and dihedral `phi` about a-b to `c`.

    The placed point d satisfies ``distance(d, a) = r``, ``angle(d, a, b) = theta`` and
    ``dihedral(d, a, b, c) = phi``.  Where a, b, c are collinear the direction of phi = 0 is arbitrary, but
    the distance and the angle hold; nothing becomes NaN.

    Parameters
    ----------
    a, b, c : Tensor (..., 3)
        Points already placed, nm.
    r : Tensor (...) or float
        nm.
    theta, phi : Tensor (...) or float
        Radians.

    Returns
    -------
    Tensor (..., 3)
        nm; the broadcast shape of all arguments.

    References
    ----------
    J. Parsons et al., J. Comput. Chem. 26, 1063 (2005), the natural extension reference frame.
    """
    frame = _frames_from_vectors(a - b, c - b)
    r, theta, phi = (torch.as_tensor(value, dtype=a.dtype, device=a.device) for value in (r, theta, phi))
    along, across = -theta.cos(), theta.sin()
    x, y = across * phi.cos(), across * phi.sin()
    e1, e2, e3 = frame.unbind(-2)
    return a + r[..., None] * (along[..., None] * e1 + x[..., None] * e2 + y[..., None] * e3)


def _columns(x: Tensor, indices: Any, width: int) -> tuple[Tensor, ...]:
    """Columns of an index table as long tensors on the device of `x`."""
    table = torch.as_tensor(indices, dtype=torch.long, device=x.device)
    if table.numel() == 0:
        table = table.reshape(0, width)
    if table.ndim != 2 or table.shape[1] != width:
        raise ValueError(f"indices must have shape (n, {width}), got {tuple(table.shape)}")
    return table.unbind(1)


def _atan2(sine: Tensor, cosine: Tensor) -> Tensor:
    """Arc tangent of two arguments, 0 with gradient 0 where both vanish."""
    defined = (sine != 0) | (cosine != 0)
    return torch.atan2(sine, torch.where(defined, cosine, 1.0))


def _frames_from_vectors(u: Tensor, v: Tensor) -> Tensor:
    """Rows: u normalised, v made perpendicular to it, their cross product; fallbacks where degenerate."""
    u, v = unit_vectors(u), unit_vectors(v)
    default = torch.zeros_like(u)
    default[..., 0] = 1.0
    first = torch.where((u != 0).any(-1, keepdim=True), u, default)
    across = v - (v * first).sum(-1, keepdim=True) * first
    first = first.expand_as(across)
    degenerate = across.square().sum(-1, keepdim=True) <= (_DEGENERATE * torch.finfo(u.dtype).eps) ** 2
    second = unit_vectors(torch.where(degenerate, _perpendicular(first), across))
    second = unit_vectors(second - (second * first).sum(-1, keepdim=True) * first)  # once more: rounding
    return torch.stack((first, second, torch.linalg.cross(first, second)), dim=-2)


def _perpendicular(unit: Tensor) -> Tensor:
    """Return some vector perpendicular to a unit vector, from the coordinate axis farthest from it."""
    farthest = unit.detach().abs().argmin(-1)
    axis: Tensor = torch.eye(3, dtype=unit.dtype, device=unit.device)[farthest]
    perpendicular: Tensor = torch.linalg.cross(unit, axis)
    return perpendicular
