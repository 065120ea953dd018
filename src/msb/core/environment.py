r"""What a bead sees, turned to its own axis and voxelised into channels.

Everything is shifted so that the bead is at the origin, and turned so that the bead it is aligned to lies on
the positive z axis and a third one in the half plane of x and z, x > 0: three translations and three
rotations less to learn.  What is left free on purpose is a turn about z, with which training is augmented and
sampling gets its candidates.

References
----------
Thesis section 4.3 (eqs. 4.4-4.10).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from msb.core.channel_tables import ChannelTables
from msb.core.geometry import local_frames
from msb.core.scene import Phase, Scene
from msb.core.voxel import VoxelGrid

__all__ = ["Surroundings", "VoxelEnvironment", "bead_axes", "surroundings"]

_APART = 1e-4  # nm; beads nearer than this are at one point and give no direction
_SINE = 1e-3  # of the angle below which a bead does not settle the turn about the axis
_MOVED = 1e-3  # nm; an atom further from where it is in the scene than this is a periodic image


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What beads see, each in its own axes.

    Attributes
    ----------
    origin : Tensor (B, 3)
        The beads, nm.
    axes : Tensor (B, 3, 3)
        Rows are the axes x, y, z of each.
    atom : Tensor (B, P)
        -1 where there is none.
    positions : Tensor (B, P, 3)
        nm, in the axes; 0 where there is no atom.
    image : bool Tensor (B, P)
        Whether an atom is there as a periodic image.
    bead : Tensor (B, Q)
        The bead itself first, -1 where there is none.
    bead_positions : Tensor (B, Q, 3)
        nm, in the axes.
    """

    origin: Tensor
    axes: Tensor
    atom: Tensor
    positions: Tensor
    image: Tensor
    bead: Tensor
    bead_positions: Tensor

    def to(self, device: torch.device | str) -> Surroundings:
        """The same on a device."""
        return Surroundings(*(getattr(self, field.name).to(device) for field in fields(self)))

    def rows(self, index: Tensor | slice) -> Surroundings:
        """Some of the beads."""
        return Surroundings(*(getattr(self, field.name)[index] for field in fields(self)))

    def local(self, positions: Tensor, turns: Tensor) -> Tensor:
        """Bring positions (B, A, 3) of the scene into each bead's axes, turned (B, K, A, 3), nm."""
        return turned((positions - self.origin[:, None]) @ self.axes.mT, turns)

    def absolute(self, positions: Tensor, turns: Tensor) -> Tensor:
        """Bring positions (B, K, A, 3) in the turned axes back into the scene, nm."""
        back = _about_z(positions, -turns[..., None])
        return back @ self.axes[:, None] + self.origin[:, None, None]


def turned(positions: Tensor, turns: Tensor) -> Tensor:
    """Turn points (B, P, 3) about z by each of (B, K) angles, radians; (B, K, P, 3)."""
    return _about_z(positions[:, None], turns[..., None])


def bead_axes(scene: Scene, frame: Tensor, bead: Tensor) -> Tensor:
    """Axes of beads, as functions of the beads alone: they turn with the system.

    z points to the bead named by the tables, or to the nearest other bead where none is named (a molecule of
    one bead) or it is at the same point.  x is on the side of the bead that the tables name for the plane, or
    of the nearest one that is not on the axis.  Without any such bead the axes are arbitrary, never NaN.

    Parameters
    ----------
    scene : Scene
    frame, bead : Tensor (B,)

    Returns
    -------
    Tensor (B, 3, 3)
        Rows x, y, z; det +1.
    """
    origin = scene.beads[frame, bead]
    near, shift = scene.beside(frame, bead)
    others = scene.beads[frame[:, None], near.clamp(min=0)] + shift - origin[:, None]
    distance = torch.where(near >= 0, others.norm(dim=-1), torch.inf)
    distance = torch.where(distance > _APART, distance, torch.inf)
    axis, plane = (
        torch.where((named >= 0)[:, None], scene.beads[frame, named.clamp(min=0)] - origin, 0.0)
        for named in (scene.tables.axis[bead], scene.tables.plane[bead])
    )
    axis = torch.where(axis.norm(dim=-1, keepdim=True) > _APART, axis, _nearest(others, distance))
    across = _sine(others, axis[:, None]) > _SINE
    second = _nearest(others, torch.where(across, distance, torch.inf))
    plane = torch.where((_sine(plane, axis) > _SINE)[:, None], plane, second)
    x, y, z = 1, 2, 0  # of the frame whose first row is the axis
    return local_frames(torch.zeros_like(axis), axis, plane)[:, [x, y, z]]


def surroundings(
    scene: Scene, frame: Tensor, bead: Tensor, phase: Phase, cutoff: float, *, exact: bool = False
) -> Surroundings:
    """Collect what beads see in a phase.

    Parameters
    ----------
    scene : Scene
    frame, bead : Tensor (B,)
    phase : Phase
    cutoff : float
        Distance from the bead up to which atoms and beads are seen, nm; at most the scene's reach, which is
        between beads, less the size of a bead, if nothing is to be missed.
    exact : bool
        Leave no room for more than there is; otherwise rows are filled up, to a multiple of 16.

    Returns
    -------
    Surroundings
    """
    origin, axes = scene.beads[frame, bead], bead_axes(scene, frame, bead)
    around = scene.around(frame, bead, phase)
    away = around.positions - origin[:, None]
    seen = (around.atom >= 0) & (away.norm(dim=-1) < cutoff)
    slot = _compact(seen, 1 if exact else 16)
    atom = _pick(around.atom, slot, -1)
    there = scene.positions[frame[:, None], atom.clamp(min=0)]
    absolute = _pick(around.positions, slot, 0.0)
    image = ((absolute - there).abs() > _MOVED).any(-1) & (atom >= 0)

    near, shift = scene.beside(frame, bead)
    others = scene.beads[frame[:, None], near.clamp(min=0)] + shift - origin[:, None]
    close = (near >= 0) & (others.norm(dim=-1) < cutoff)
    slots = _compact(close, 1 if exact else 4)
    beads = torch.cat([bead[:, None], _pick(near, slots, -1)], 1)
    spots = torch.cat([torch.zeros_like(origin)[:, None], _pick(others, slots, 0.0)], 1)
    return Surroundings(
        origin,
        axes,
        atom,
        _pick(away, slot, 0.0) @ axes.mT,
        image,
        beads,
        spots @ axes.mT,
    )


@dataclass(frozen=True, eq=False)
class VoxelEnvironment:
    """Voxelises surroundings for networks that place one atom after another.

    Attributes
    ----------
    grid : VoxelGrid
    tables : ChannelTables
    shared : bool
        Whether what does not depend on the placed atom comes apart (`static`), to be encoded once for all
        atoms of a bead.  What does depend on it (`dynamic`) then holds the related atoms, and the bead's
        atoms placed a moment ago once more by the channels that do not.  If not shared, all channels come
        for each atom.
    """

    grid: VoxelGrid
    tables: ChannelTables
    shared: bool = True

    @property
    def n_static(self) -> int:
        """Channels of `static`; 0 unless shared."""
        return len(self.tables.channels.static) if self.shared else 0

    @property
    def n_dynamic(self) -> int:
        """Channels of `dynamic`."""
        channels = self.tables.channels
        if not self.shared:
            return channels.n_channels
        return len(channels.dynamic) + len(self._repeated)

    @property
    def _repeated(self) -> list[int]:
        """Channels of atoms that do not depend on the placed one."""
        channels = self.tables.channels
        return [c for c in channels.static if c < len(channels.atoms)]

    def to(self, device: torch.device | str) -> VoxelEnvironment:
        """The same on a device."""
        return VoxelEnvironment(self.grid, self.tables.to(device), self.shared)

    def static(self, around: Surroundings, turns: Tensor) -> Tensor:
        """Densities that are the same for all atoms of a bead.

        Parameters
        ----------
        around : Surroundings
            Of B beads.
        turns : Tensor (B, K)
            Radians about z.

        Returns
        -------
        Tensor (B, K, n_static, n, n, n)
        """
        tables = self.tables
        nobody = torch.zeros_like(around.atom[:, 0])  # which atom is placed makes no difference here
        related = torch.zeros_like(around.atom)
        weights = torch.cat(
            [
                tables.atom_matrix(nobody, around.atom, related, tables.channels.static),
                tables.bead_matrix(around.bead, _current(around))[..., tables.channels.static],
            ],
            1,
        )
        spots = turned(torch.cat([around.positions, around.bead_positions], 1), turns)
        return self.grid.densities(spots, weights[:, None])

    def dynamic(
        self, around: Surroundings, turns: Tensor, placed: Tensor, new: Tensor, positions: Tensor
    ) -> Tensor:
        """Densities for one atom of each bead.

        Parameters
        ----------
        around : Surroundings
            Of B beads.
        turns : Tensor (B, K)
            Radians about z.
        placed : Tensor (B,)
            The atom that is placed next.
        new : Tensor (B, A)
            Atoms of the bead that were placed before it, -1 where there is none.
        positions : Tensor (B, K, A, 3)
            Theirs, in the turned axes, nm; gradients go through.

        Returns
        -------
        Tensor (B, K, n_dynamic, n, n, n)
        """
        tables, channels = self.tables, self.tables.channels
        related = tables.relation(placed, around.atom, around.image)
        own = tables.relation(placed, new)
        if not self.shared:
            old = tables.feature_matrix(placed, around.atom, around.bead, _current(around), around.image)
            spots = turned(torch.cat([around.positions, around.bead_positions], 1), turns)
            weights = torch.cat([old, tables.atom_matrix(placed, new, own)], 1)
            return self.grid.densities(torch.cat([spots, positions], 2), weights[:, None])
        wanted = channels.dynamic
        distant = any(channels.atoms[c].relation in ("any", "lennard-jones") for c in wanted)
        slot = _compact((around.atom >= 0) & ((related > 0) | distant), 4)
        atom = _pick(around.atom, slot, -1)
        weights = torch.cat(
            [
                tables.atom_matrix(placed, atom, _pick(related, slot, 0), wanted),
                tables.atom_matrix(placed, new, own, wanted),
            ],
            1,
        )
        repeated = tables.atom_matrix(placed, new, own, self._repeated)
        repeated = torch.nn.functional.pad(repeated, (0, 0, slot.shape[1], 0))
        spots = torch.cat([turned(_pick(around.positions, slot, 0.0), turns), positions], 2)
        return self.grid.densities(spots, torch.cat([weights, repeated], -1)[:, None])


def _current(around: Surroundings) -> Tensor:
    """The bead itself, not its images: the first one."""
    current = torch.zeros_like(around.bead, dtype=torch.bool)
    current[:, 0] = True
    return current


def _about_z(points: Tensor, angles: Tensor) -> Tensor:
    """Turn points (..., 3) by angles that broadcast against their leading axes."""
    cosine, sine = angles.cos(), angles.sin()
    x, y, z = points.unbind(-1)
    across, up = cosine * x - sine * y, sine * x + cosine * y
    return torch.stack((across, up, z.expand_as(across)), -1)


def _sine(a: Tensor, b: Tensor) -> Tensor:
    """Sine of the angle between vectors (..., 3), 0 where one is zero."""
    product = torch.linalg.cross(a, b.expand_as(a)).norm(dim=-1)
    sine: Tensor = product / (a.norm(dim=-1) * b.norm(dim=-1)).clamp_min(1e-12)
    return sine


def _nearest(vectors: Tensor, distance: Tensor) -> Tensor:
    """The vector (B, 3) of (B, J, 3) with the least distance (B, J); 0 where all are infinite."""
    best, index = distance.min(1)
    chosen = vectors.gather(1, index[:, None, None].expand(-1, 1, 3))[:, 0]
    return torch.where(torch.isfinite(best)[:, None], chosen, 0.0)


def _compact(seen: Tensor, multiple: int) -> Tensor:
    """Columns (B, W) of what is seen (B, P), in order, -1 filling up to a common width."""
    counts = seen.sum(1)
    width = int(counts.max()) if len(counts) else 0
    width = max(1, -(-width // multiple)) * multiple
    slot = torch.full((len(seen), width), -1, dtype=torch.long, device=seen.device)
    row, column = seen.nonzero(as_tuple=True)
    slot[row, (seen.cumsum(1) - 1)[row, column]] = column
    return slot


def _pick(values: Tensor, slot: Tensor, empty: float) -> Tensor:
    """Values (B, W, ...) of columns (B, W), `empty` where there is none."""
    index, there = slot.clamp(min=0), slot >= 0
    rows = torch.arange(len(slot), device=slot.device)[:, None]
    picked: Tensor = values[rows, index]
    there = there.reshape(there.shape + (1,) * (picked.ndim - 2))
    return picked.masked_fill(~there, empty)
