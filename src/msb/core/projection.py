"""Projection of atoms onto given beads: the smallest mass-weighted displacement that meets them exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor

from msb.core.arrays import Array, FloatArray, IntArray
from msb.core.mapping_template import MappingTemplate
from msb.core.projection_long import LongComponent
from msb.core.projection_plan import Components, Plan, make_plan
from msb.core.projection_solver import RIDGE, System, solve
from msb.core.sparse_map import concatenate
from msb.errors import MappingError

__all__ = ["Block", "BlockPlan", "Constraints", "Projection", "Settings", "plan_blocks", "project_blocks"]

Constraints = tuple[Any, Any]
"""Pairs of atoms (K, 2) and the lengths (K,) of the bonds between them, in nm."""

_MEMORY = 64 * 2**20  # bytes; rows are solved in portions of about this size
_LONG = 600  # equations of a component, from which on sparse matrices are quicker than dense ones


@dataclass(frozen=True)
class Projection(Generic[Array]):
    """Atoms on their beads, and what it took.

    Attributes
    ----------
    positions : ndarray or Tensor (..., N, 3)
        nm.
    displacement : ndarray or Tensor (...)
        Root mean square displacement of all atoms of each frame, nm.
    displacement_max : ndarray or Tensor (...)
        Longest displacement of an atom in each frame, nm.
    converged : ndarray or Tensor (...) bool
        Whether every constrained bond of a frame has its length; the beads are met in any case.
    """

    positions: Array
    displacement: Array
    displacement_max: Array
    converged: Array


@dataclass(frozen=True)
class Block:
    """Copies of one molecule in a row: where they start, how many, and the atoms' masses (amu)."""

    template: MappingTemplate
    first_atom: int
    first_bead: int
    count: int
    masses: FloatArray


@dataclass(frozen=True)
class Settings:
    """Tolerance of beads and bonds, rounding of each frame's input (F,), both nm; the most iterations."""

    tolerance: float
    rounding: Tensor
    max_iterations: int


@dataclass(frozen=True)
class BlockPlan:
    """Copies of a block with the same constrained bonds: which, their plan, their lengths (copies, K)."""

    block: Block
    copies: Tensor
    plan: Plan
    lengths: Tensor


def plan_blocks(blocks: Sequence[Block], constraints: Constraints | None) -> list[BlockPlan]:
    """Prepare the projection of a whole system; copies with the same constrained bonds share a plan.

    Parameters
    ----------
    blocks : sequence of Block
    constraints : (pairs, lengths) or None
        Pairs (K, 2) of atoms of the system and lengths (K,), nm.

    Raises
    ------
    MappingError
        For constraints that name no atom, join two molecules or have no positive length.
    """
    pairs, lengths = _checked(blocks, constraints)
    plans = []
    for block in blocks:
        n = block.template.n_atoms
        inside = (pairs[:, 0] >= block.first_atom) & (pairs[:, 0] < block.first_atom + n * block.count)
        local, values = pairs[inside] - block.first_atom, lengths[inside]
        copy = local[:, 0] // n
        if (copy != local[:, 1] // n).any():
            i, j = pairs[inside][np.flatnonzero(copy != local[:, 1] // n)[0]]
            raise MappingError(
                f"the constrained bond between atoms {i + 1} and {j + 1} joins two molecules;"
                " projection keeps bonds inside molecules only."
            )
        for members, own, length in _patterns(copy, local % n, values, block.count):
            plan = make_plan(block.template, block.masses, own)
            plans.append(BlockPlan(block, torch.from_numpy(members), plan, torch.from_numpy(length)))
    return plans


def _checked(blocks: Sequence[Block], constraints: Constraints | None) -> tuple[IntArray, FloatArray]:
    if constraints is None:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0)
    pairs = np.asarray(constraints[0], dtype=np.int64).reshape(-1, 2)
    lengths = np.asarray(constraints[1], dtype=np.float64).reshape(-1)
    n_atoms = sum(block.count * block.template.n_atoms for block in blocks)
    if len(pairs) != len(lengths):
        raise MappingError(f"{len(pairs)} constrained bonds need as many lengths, not {len(lengths)}.")
    bad = np.flatnonzero(~(lengths > 0) | ~np.isfinite(lengths) | (pairs[:, 0] == pairs[:, 1]))
    bad = bad if len(bad) else np.flatnonzero((pairs < 0).any(axis=1) | (pairs >= n_atoms).any(axis=1))
    if len(bad):
        i, j = pairs[bad[0]]
        raise MappingError(
            f"constrained bond {bad[0] + 1} (atoms {i + 1} and {j + 1} of {n_atoms}, {lengths[bad[0]]:g} nm)"
            " must join two atoms of the system at a positive length."
        )
    ordered, place = np.unique(np.sort(pairs, axis=1), axis=0, return_index=True)
    return ordered, lengths[place]


def _patterns(
    copy: IntArray, local: IntArray, lengths: FloatArray, count: int
) -> list[tuple[IntArray, IntArray, FloatArray]]:
    """Group copies with the same local pairs: their numbers (P,), the pairs (K, 2), the lengths (P, K)."""
    split = np.searchsorted(copy, np.arange(1, count))  # constraints come sorted by atom, so by copy
    per_copy = len(local) // count
    if len(local) == per_copy * count and (copy == np.repeat(np.arange(count), per_copy)).all():
        own = local.reshape(count, per_copy, 2)
        if (own == own[:1]).all():
            return [(np.arange(count), own[0], lengths.reshape(count, per_copy))]
    groups: dict[bytes, tuple[list[int], IntArray, list[FloatArray]]] = {}
    parts = zip(np.split(local, split), np.split(lengths, split), strict=True)
    for number, (own, values) in enumerate(parts):
        members, _, rows = groups.setdefault(own.tobytes(), ([], own, []))
        members.append(number)
        rows.append(values)
    return [(np.array(members), own, np.stack(rows)) for members, own, rows in groups.values()]


def project_blocks(
    plans: Sequence[BlockPlan],
    positions: Tensor,
    beads: Tensor,
    settings: Settings,
) -> tuple[Tensor, Tensor]:
    """Project the frames of a system, in float64.

    Parameters
    ----------
    plans : sequence of BlockPlan
    positions : Tensor (F, N, 3) float64
    beads : Tensor (F, M, 3) float64
    settings : Settings

    Returns
    -------
    Tensor (F, N, 3), Tensor (F,) bool
        Positions, and whether all bonds of a frame converged.
    """
    result = positions.clone()
    converged = torch.ones(len(positions), dtype=torch.bool, device=positions.device)
    for part in plans:
        block, n, m = part.block, part.block.template.n_atoms, part.block.template.n_beads
        every = len(part.copies) == block.count
        copies = part.copies.to(positions.device)
        atoms = _copies(positions, block.first_atom, n, block.count)
        targets = _copies(beads, block.first_bead, m, block.count)
        moved, met = _project(
            part,
            atoms if every else atoms[:, copies],
            targets if every else targets[:, copies],
            settings,
        )
        converged &= met
        view = _copies(result, block.first_atom, n, block.count)
        if every:
            view.copy_(moved)
        else:
            view[:, copies] = moved
    return result, converged


def _copies(values: Tensor, first: int, n: int, count: int) -> Tensor:
    """View a block as (F, count, n, 3)."""
    return values[:, first : first + n * count].view(len(values), count, n, 3)


def _project(part: BlockPlan, atoms: Tensor, targets: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    plan = part.plan.to(atoms.device)
    x = atoms.clone()
    x[:, :, plan.held_atoms] = targets[:, :, plan.held_beads]
    converged = torch.ones(len(x), dtype=torch.bool, device=x.device)
    spread = bool(plan.linear) or any(len(c.beads.flatten()) for c in plan.components)
    missing = targets - plan.weights(x) if spread else targets
    start = x
    if plan.linear is not None:
        met = missing.detach() * (missing.detach().abs() <= settings.rounding[:, None, None, None])
        x = x + plan.linear(missing - met)  # what is met to rounding stays as it is
    for components in plan.components:
        moved, met = _solve_components(components, part, start, missing, settings)
        x = x.clone()
        x[:, :, components.atoms] = moved
        converged &= met
    return x, converged


def _solve_components(
    parts: Components, part: BlockPlan, x: Tensor, missing: Tensor, settings: Settings
) -> tuple[Tensor, Tensor]:
    """Move the components of one size: atoms (F, P, C, n, 3), and whether each frame converged (F,)."""
    frames, copies = x.shape[:2]
    start = x[:, :, parts.atoms]  # [f, p, C, n, 3]
    anchors = parts.anchors @ x[:, :, parts.fixed]
    targets = parts.weights @ start + missing[:, :, parts.beads]
    lengths = part.lengths.to(x.device)[:, parts.bonds]  # [p, C, k]
    every = (frames, copies, len(parts.atoms))
    values = [start, anchors, targets, lengths.expand(frames, -1, -1, -1)]
    if parts.gradients.shape[1] > _LONG and not any(v.requires_grad for v in values):
        return _solve_long(parts, values, settings)
    values += [v.expand(*every, *v.shape[1:]) for v in parts.constant]
    portion = max(1, _MEMORY // (parts.row_bytes * copies * len(parts.atoms)))
    enough = (settings.tolerance + settings.rounding).repeat_interleave(copies * len(parts.atoms))
    enough = enough.split(portion * copies * len(parts.atoms))  # type: ignore[no-untyped-call]
    limits = (0.1 * settings.tolerance, settings.max_iterations)
    solved = [
        solve(_system([v[first : first + portion].flatten(0, 2) for v in values]), skip, *limits)
        for first, skip in zip(range(0, frames, portion), enough, strict=True)
    ]
    moved, met = concatenate([m for m, _ in solved], 0), concatenate([c for _, c in solved], 0)
    return moved.reshape(start.shape), met.reshape(frames, -1).all(1)


def _system(values: Sequence[Tensor]) -> System:
    """Equations of what `System` begins with, in its order."""
    names = (part.name for part in fields(System) if part.name != "long")
    own: dict[str, Any] = dict(zip(names, values, strict=True))
    return System(**own)


def _solve_long(parts: Components, values: list[Tensor], settings: Settings) -> tuple[Tensor, Tensor]:
    """The same for components of many equations, one after another; on the CPU, whatever the device."""
    device, shape = values[0].device, values[0].shape
    values, constant = [v.detach().cpu() for v in values], [v.cpu() for v in parts.constant]
    enough = (settings.tolerance + settings.rounding).cpu()
    limits = (0.1 * settings.tolerance, settings.max_iterations)
    moved, met = torch.empty_like(values[0]), torch.ones(shape[:3], dtype=torch.bool)
    for number in range(shape[2]):
        own = [part[number] for part in constant]
        incidence, weights, masses = (own[k].numpy() for k in (0, 1, 5))
        long = LongComponent(incidence, weights, masses, RIDGE)
        for frame, copy in np.ndindex(*shape[:2]):
            row = [v[frame, copy, number][None] for v in values]
            system = replace(_system([*row, *(part[None] for part in own)]), long=long)
            x, done = solve(system, enough[[frame]], *limits)
            moved[frame, copy, number], met[frame, copy, number] = x[0], done[0]
    return moved.to(device), met.flatten(1).all(1).to(device)
