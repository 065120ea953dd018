"""Newton iterations for the smallest mass-weighted displacement onto bead positions and bond lengths."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import cast

import torch
from torch import Tensor

from msb.core.projection_long import LongComponent

__all__ = ["RIDGE", "System", "solve"]

_STEP = 0.1  # nm; the longest step of an atom in one iteration
_SETTLED = 3e-5  # nm; after a step this short, the next would be shorter than 1e-8 (quadratic convergence)
_COINCIDENT, _APART = 1e-6, 1e-4  # nm; ends of a bond closer than the one are put apart by the other
RIDGE = 1e-12  # by this the matrices' diagonals grow, so that repeated constraints do no harm


@dataclass(frozen=True)
class System:
    """Equations of R rows, each one component of one molecule in one frame, in float64.

    Attributes
    ----------
    start : Tensor (R, n, 3)
        Positions to stay close to, nm.
    anchors : Tensor (R, k, 3)
        What held neighbours add to the vectors along the bonds, nm.
    targets : Tensor (R, b, 3)
        What W x must be, nm.
    lengths : Tensor (R, k)
        Lengths of the constrained bonds, nm.
    incidence : Tensor (R, k, n)
        +1 and -1 where a moving atom is the first or second end of a bond.
    weights : Tensor (R, b, n)
        W of the moving atoms.
    response : Tensor (R, n, b)
        M^-1 W^T (W M^-1 W^T)^-1.
    gradients, coupling : Tensor (R, c, n), (R, c, c)
        G, the rows of W, each three times, and of the incidence (c = 3 b + k), and G M^-1 G^T.
    masses : Tensor (R, n)
        amu.
    long : LongComponent, optional
        The same equations as sparse matrices; there is one row then, and nothing to differentiate.
    """

    start: Tensor
    anchors: Tensor
    targets: Tensor
    lengths: Tensor
    incidence: Tensor
    weights: Tensor
    response: Tensor
    gradients: Tensor
    coupling: Tensor
    masses: Tensor
    long: LongComponent | None = None

    def rows(self, chosen: Tensor) -> System:
        """Keep some rows."""
        tensors = [part.name for part in fields(self) if part.name != "long"]
        return replace(self, **{name: getattr(self, name)[chosen] for name in tensors})

    @property
    def has_beads(self) -> bool:
        """Whether beads of several atoms take part."""
        return self.targets.shape[1] > 0

    def bonds(self, x: Tensor) -> Tensor:
        """Vectors along the constrained bonds (R, k, 3)."""
        return torch.baddbmm(self.anchors, self.incidence, x)

    def missing(self, x: Tensor) -> Tensor:
        """W x minus the targets (R, b, 3)."""
        return torch.baddbmm(self.targets, self.weights, x, beta=-1)

    def residual(self, x: Tensor, bonds: Tensor) -> Tensor:
        """By how much the worst bead coordinate or bond length of each row is off (R,), nm."""
        off = (torch.linalg.vector_norm(bonds, dim=-1) - self.lengths).abs_().amax(1)
        return torch.maximum(off, self.missing(x).abs_().flatten(1).amax(1)) if self.has_beads else off

    def on_beads(self, x: Tensor) -> Tensor:
        """Move the atoms onto the beads alone."""
        return x - self.response @ self.missing(x) if self.has_beads else x


def solve(system: System, skip: Tensor, tolerance: float, max_iterations: int) -> tuple[Tensor, Tensor]:
    """Find x that meets all equations with the least sum of ``m |x - start|^2``.

    Newton's method on the Karush-Kuhn-Tucker equations: in each step the bonds and beads are linearised
    together, the multipliers are those of least squares, and the curvature of the bonds enters through
    A = M + sum_k mu_k d_k d_k^T (d_k: +1 and -1 at the ends of bond k), the same for x, y and z.  Rows that
    have not settled after half of the iterations (no unique minimum) only restore the equations from there.

    Parameters
    ----------
    system : System
    skip : Tensor (R,)
        nm; rows that start no further off than this are left as they are.
    tolerance : float
        nm, for beads and bond lengths.
    max_iterations : int

    Returns
    -------
    Tensor (R, n, 3)
        nm; differentiable with respect to start, anchors and targets, by implicit differentiation.
    Tensor (R,) bool
        Whether each row met the tolerance.  Beads are met to rounding in any case.
    """
    if system.lengths.shape[1] == 1 and not system.has_beads:
        return _single_bonds(system, skip)
    with torch.no_grad():
        x, converged = _iterate(system, skip, tolerance, max_iterations)
    values = (system.start, system.anchors, system.targets)
    if torch.is_grad_enabled() and any(value.requires_grad for value in values):
        step = _step(system, x, system.bonds(x), restore=False)
        x = x + (step - step.detach())
    return x, converged


def _single_bonds(system: System, skip: Tensor) -> tuple[Tensor, Tensor]:
    """Stretch bonds that stand alone, each end by its share of the inverse masses."""
    start = _apart(system, system.start)
    vectors = system.bonds(start)
    length = torch.linalg.vector_norm(vectors, dim=-1)
    share = (system.incidence / system.masses[:, None]).mT  # [r, n, k]
    share = share / (system.incidence @ share)
    stretch = (system.lengths / length - 1.0) * ((length - system.lengths).detach().abs() > skip[:, None])
    x = start + share @ (stretch[..., None] * vectors)
    return x, torch.ones(len(x), dtype=torch.bool, device=x.device)


def _iterate(system: System, skip: Tensor, tolerance: float, max_iterations: int) -> tuple[Tensor, Tensor]:
    x = system.start.clone()
    converged = system.residual(x, system.bonds(x)) <= skip
    active = (~converged).nonzero()[:, 0]
    if not len(active):
        return x, converged
    current = system if len(active) == len(x) else system.rows(active)
    y = _apart(current, current.on_beads(current.start))
    bonds = current.bonds(y)
    for iteration in range(max_iterations):
        restore = iteration == 0 or iteration >= max_iterations // 2
        step = _step(current, y, bonds, restore)
        longest = torch.linalg.vector_norm(step, dim=-1).amax(1)
        y = y + step * (_STEP / longest).clamp(max=1.0)[:, None, None]
        bonds = current.bonds(y)
        done = (longest <= _SETTLED) & (current.residual(y, bonds) <= tolerance)
        if done.any():
            x[active[done]], converged[active[done]] = y[done], True
            if done.all():
                return x, converged
            going = ~done
            active, y, bonds, current = active[going], y[going], bonds[going], current.rows(going)
    usable = y.isfinite().flatten(1).all(1)[:, None, None]
    x[active] = current.on_beads(torch.where(usable, y, current.start))
    return x, converged


def _step(system: System, x: Tensor, bonds: Tensor, restore: bool) -> Tensor:
    """Take a Newton step (R, n, 3), towards the least displacement or to restore the equations alone.

    The gradient of equation c is gradients[c, atom] along directions[c]: x, y or z for a bead, the bond for a
    bond.  So J A^-1 J^T is the product of G A^-1 G^T and U U^T, entry by entry, and J is never formed.
    """
    gradients, masses = system.gradients, system.masses[..., None]
    directions, off = bonds, 0.5 * (bonds.square().sum(-1) - system.lengths.square())
    if system.long is not None:
        return _long_step(system, system.long, x, bonds, off, restore)
    if system.has_beads:
        unit = torch.eye(3, dtype=x.dtype, device=x.device).repeat(len(x), system.targets.shape[1], 1)
        directions = torch.cat([unit, bonds], dim=1)  # [r, c, 3]
        off = torch.cat([system.missing(x).flatten(1), off], dim=1)
    angles = directions @ directions.mT  # [r, c, c]
    coupling = system.coupling * angles

    def along(displacement: Tensor) -> Tensor:
        return ((gradients @ displacement) * directions).sum(-1)  # J v [r, c]

    if restore:
        return -(gradients.mT @ (_solve(coupling, off) * directions)) / masses
    moved = x - system.start
    multipliers = -_solve(coupling, along(moved))  # [r, c, 1]
    inverse = _inverse(system, multipliers[:, off.shape[1] - bonds.shape[1] :])
    follow = inverse @ gradients.mT  # [r, n, c]
    slope = inverse @ (masses * moved + gradients.mT @ (multipliers * directions))
    second = _solve((gradients @ follow) * angles, off - along(slope))
    return -slope - follow @ (second * directions)


def _long_step(
    system: System, long: LongComponent, x: Tensor, bonds: Tensor, off: Tensor, restore: bool
) -> Tensor:
    """The same by sparse matrices, for one row."""
    everything = torch.cat([system.missing(x).flatten(1), off], dim=1)
    moved = x - system.start
    step = long.step(moved[0].numpy(), bonds[0].numpy(), everything[0].numpy(), restore)
    return torch.from_numpy(step)[None]


def _apart(system: System, x: Tensor) -> Tensor:
    """Give bonds of length zero a direction, by moving their ends a little."""
    nothing = system.bonds(x.detach()).square().sum(-1) < _COINCIDENT**2
    if not nothing.any():
        return x
    turn = torch.arange(nothing.shape[1], dtype=x.dtype, device=x.device)
    along = torch.stack([turn.cos(), turn.sin(), torch.zeros_like(turn)], dim=-1)  # [k, 3]
    return x + _APART * (system.incidence.mT @ (nothing[..., None] * along))


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve positive systems (R, c, c) for (R, c), as columns (R, c, 1); one nearly singular, nearly."""
    ridge = RIDGE * torch.diag_embed(matrix.diagonal(dim1=-2, dim2=-1))
    solution, _ = torch.linalg.solve_ex(matrix + ridge, right[..., None])
    return cast(Tensor, solution)


def _inverse(system: System, mu: Tensor) -> Tensor:
    """Inverse (R, n, n) of A = M + D^T mu D (mu: (R, k, 1)); of M alone where A is not positive."""
    matrix = torch.diag_embed(system.masses) + system.incidence.mT @ (mu * system.incidence)
    _, failed = torch.linalg.cholesky_ex(matrix.detach())
    if failed.any():
        matrix = torch.where(failed.ne(0)[:, None, None], torch.diag_embed(system.masses), matrix)
    inverse, _ = torch.linalg.inv_ex(matrix)
    return cast(Tensor, inverse)
