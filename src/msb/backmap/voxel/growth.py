"""A bead's atoms one after another: each is placed among what is around and those placed before it.

The same code serves sampling and training: positions are differentiable with respect to the generator's
weights through the whole sequence (thesis section 4.4.2, figure 4.5).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from msb.core.environment import Surroundings, VoxelEnvironment
from msb.nn.precision import Precision
from msb.nn.voxel_generator import Encoding, VoxelGenerator

__all__ = ["Step", "grow", "retrace"]


@dataclass(frozen=True, eq=False)
class Step:
    """One atom of each bead of a batch that has so many, as the critic sees it; rows are (bead, turn) pairs.

    Attributes
    ----------
    slot : int
        Which atom of the sequence.
    rows : Tensor (R,)
        The pairs, as bead * K + turn.
    condition : Tensor (R, channels, n, n, n)
    density : Tensor (R, n, n, n)
    label : Tensor (R, labels)
    """

    slot: int
    rows: Tensor
    condition: Tensor
    density: Tensor
    label: Tensor


def grow(
    generator: VoxelGenerator,
    environment: VoxelEnvironment,
    around: Surroundings,
    atoms: Tensor,
    turns: Tensor,
    noise: Tensor,
    *,
    gibbs: bool,
    precision: Precision | None = None,
    steps: list[Step] | None = None,
) -> Tensor:
    """Place the atoms of beads, each bead in several turns of its environment.

    Parameters
    ----------
    generator : VoxelGenerator
        With `environment.n_static` channels and `n_dynamic` updates if that is shared, else with `n_dynamic`
        channels.
    environment : VoxelEnvironment
    around : Surroundings
        Of B beads.
    atoms : Tensor (B, A)
        In order of placement, -1 filling up.
    turns : Tensor (B, K)
        Radians about z.
    noise : Tensor (B, K, A, latent)
    gibbs : bool
        Whether this is a Gibbs pass.
    precision : Precision, optional
        How the generator runs; as it is by default.
    steps : list of Step, optional
        Filled with what the critic judges.

    Returns
    -------
    Tensor (B, K, A, 3)
        nm, in the turned axes; 0 where there is no atom.
    """
    beads, turn = turns.shape
    weight = next(generator.parameters())
    placed = [torch.zeros(beads, turn, 0, 3, dtype=turns.dtype, device=turns.device)]
    shared: Encoding | None = None
    static: Tensor | None = None
    for slot in range(atoms.shape[1]):
        index = torch.nonzero(atoms[:, slot] >= 0)[:, 0]
        if not len(index):
            break
        rows = _pairs(index, turn)
        label = environment.tables.labels(atoms[index, slot], gibbs).repeat_interleave(turn, 0)
        with precision.autocast() if precision else nullcontext():
            if environment.shared and shared is None:
                static = environment.static(around, turns).flatten(0, 1)
                shared = generator.encode(_ready(static, weight, precision))
            before = torch.cat(placed, 2)[index]
            some = around if len(index) == beads else around.rows(index)
            dynamic = environment.dynamic(some, turns[index], atoms[index, slot], atoms[index, :slot], before)
            update = _ready(dynamic.flatten(0, 1), weight, precision)
            encoding = (
                generator.encode(update) if shared is None else _rows(shared, rows, len(index) == beads)
            )
            z = noise[index, :, slot].flatten(0, 1).to(weight)
            point, density = generator.place(encoding, label, z, None if shared is None else update)
        if steps is not None:
            condition = dynamic.flatten(0, 1)
            if static is not None:
                condition = torch.cat([static[rows], condition], 1)
            steps.append(Step(slot, rows, condition, density, label))
        new = torch.zeros(beads * turn, 3, dtype=turns.dtype, device=turns.device)
        new = new.index_copy(0, rows, point.to(new)).reshape(beads, turn, 1, 3)
        placed.append(new)
    missing = 1 + atoms.shape[1] - len(placed)
    return torch.nn.functional.pad(torch.cat(placed, 2), (0, 0, 0, missing))


def retrace(
    environment: VoxelEnvironment,
    around: Surroundings,
    atoms: Tensor,
    turns: Tensor,
    positions: Tensor,
    *,
    gibbs: bool,
) -> list[Step]:
    """What the critic judges when atoms are placed where they are, those of a reference for instance.

    Parameters
    ----------
    environment, around, atoms, turns, gibbs
        As in :func:`grow`.
    positions : Tensor (B, K, A, 3)
        nm, in the turned axes (see :meth:`Surroundings.local`).

    Returns
    -------
    list of Step
    """
    turn = turns.shape[1]
    static = environment.static(around, turns).flatten(0, 1) if environment.shared else None
    steps = []
    for slot in range(atoms.shape[1]):
        index = torch.nonzero(atoms[:, slot] >= 0)[:, 0]
        if not len(index):
            break
        rows, placed = _pairs(index, turn), atoms[index, slot]
        condition = environment.dynamic(
            around.rows(index), turns[index], placed, atoms[index, :slot], positions[index, :, :slot]
        ).flatten(0, 1)
        if static is not None:
            condition = torch.cat([static[rows], condition], 1)
        density = environment.grid.densities(positions[index, :, slot]).flatten(0, 1)
        label = environment.tables.labels(placed, gibbs).repeat_interleave(turn, 0)
        steps.append(Step(slot, rows, condition, density, label))
    return steps


def _pairs(index: Tensor, turn: int) -> Tensor:
    """Rows of all turns of some beads."""
    return (index[:, None] * turn + torch.arange(turn, device=index.device)).flatten()


def _rows(encoding: Encoding, rows: Tensor, every: bool) -> Encoding:
    return encoding if every else encoding.rows(rows)


def _ready(condition: Tensor, weight: Tensor, precision: Precision | None) -> Tensor:
    """In the weights' type, and in the layout of the precision."""
    condition = condition.to(weight)
    return precision.arrange(condition) if precision else condition
