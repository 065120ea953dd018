"""A bead trajectory, checked against the model that is to put the atoms back."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.core.topology import Topology
from msb.errors import MappingError, MsbWarning, TrajectoryError
from msb.io.frames import Frames
from msb.io.trajectory import Trajectory, open_trajectory

__all__ = ["BeadInput", "open_beads"]

_SAME = 1e-3  # relative difference of two frame spacings that files' float32 times may show


@dataclass(frozen=True)
class BeadInput:
    """Bead frames in the order of a model's mapping.

    Attributes
    ----------
    trajectory : Trajectory
        The file.
    order : ndarray (M,) of int
        Positions of the model's beads in the file.
    spacing : float
        Time between two frames in ps: the file's, the one that was given, or the one that was assumed.
    """

    trajectory: Trajectory
    order: NDArray[np.int64]
    spacing: float

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.trajectory.n_frames

    def read(self, start: int, stop: int) -> Frames:
        """Read frames start to before stop, the beads in the model's order and with times."""
        frames = self.trajectory.read(start, stop)
        times = frames.times
        if times is None:
            times = self.spacing * np.arange(start, stop, dtype=np.float64)
        return Frames(frames.positions[:, self.order], frames.boxes, times, start)


def open_beads(
    structure: str | Path,
    trajectory: str | Path | None,
    model: Backmapper,
    *,
    lag: float | None = None,
) -> BeadInput:
    """Open a bead trajectory and check that the model is meant for it.

    Parameters
    ----------
    structure, trajectory : path
        As :func:`msb.io.trajectory.open_trajectory` takes them.
    model : Backmapper
        Its mapping says which beads, its lag which frame spacing.
    lag : float, optional
        What one frame is in all-atom time, in ps, whatever the file says.

    Raises
    ------
    MappingError
        Another number of beads, a residue or a bead that the model does not know.
    TrajectoryError
        The frames are not as far apart as the model's; or the file cannot be read.

    Warns
    -----
    MsbWarning
        The beads came in another order; or the spacing is unknown and the model's was assumed.
    """
    beads = open_trajectory(structure, trajectory, lag=lag)
    return BeadInput(beads, _order(beads, model), _spacing(beads, model, lag))


def _order(beads: Trajectory, model: Backmapper) -> NDArray[np.int64]:
    expected = model.mapping.bead_topology()
    if beads.n_atoms != expected.n_atoms:
        listed = [f"{name} of {residue}" for name, residue in zip(*_labels(expected), strict=True)]
        raise MappingError(
            f"{beads.path} has {beads.n_atoms} beads a frame, the model places {expected.n_atoms} "
            f"({', '.join(listed[:12])}{', …' if len(listed) > 12 else ''}): "
            "give the beads of that system (`msb map` makes them from atoms), or another model"
        )
    known = set(expected.residue_names.tolist())
    named = [str(name) for name in beads.resnames]
    if any(named):
        for bead, name in enumerate(named):
            if name not in known:
                raise MappingError(
                    f"{beads.structure}: residue {name or '(no name)'} {beads.resids[bead]} is unknown "
                    f"to the model, which knows {', '.join(sorted(known))}: rename it, or give another model"
                )
    try:
        order = model.mapping.reorder([str(name) for name in beads.names], named if any(named) else None)
    except MappingError as error:
        raise MappingError(f"{beads.structure}: {error}") from None
    if not np.array_equal(order, np.arange(len(order))):
        warnings.warn(
            f"the beads of {beads.structure} stand in another order than the model's: "
            "they were matched by residue and name",
            MsbWarning,
            stacklevel=2,
        )
    return order


def _spacing(beads: Trajectory, model: Backmapper, lag: float | None) -> float:
    spacing = beads.timestep if lag is None else lag
    if model.lag is None or (beads.n_frames == 1 and lag is None):
        return spacing or model.lag or 1.0
    if spacing is None:
        warnings.warn(
            f"{beads.spacing_note}: {model.lag:g} ps, the model's, are assumed (--lag PS says otherwise)",
            MsbWarning,
            stacklevel=2,
        )
        return model.lag
    if abs(spacing - model.lag) > _SAME * model.lag:
        whose = f"the frames of {beads.path} are" if lag is None else "--lag says that the frames are"
        raise TrajectoryError(
            f"{whose} {spacing:g} ps apart, the model was trained on {model.lag:g} ps: give it frames "
            f"{model.lag:g} ps apart or, where the file's clock is not all-atom time, "
            f"say what a frame is worth with --lag {model.lag:g}"
        )
    return spacing


def _labels(topology: Topology) -> tuple[list[str], list[str]]:
    return list(topology.atom_names), list(topology.residue_names[topology.residue_index])
