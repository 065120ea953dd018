"""One frame from beads to atoms: placed or carried, then relaxed and polished, then examined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.core.box import make_whole, minimum_image
from msb.energy.finisher import Finisher
from msb.jobs.backmap.frame_task import FrameTask, Placed
from msb.jobs.backmap.mender import Mender
from msb.quality import Checker, Examination

__all__ = ["FrameMade", "FrameMaker"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FrameMade:
    """A frame of atoms.

    Attributes
    ----------
    number : int
    positions : float32 array (N, 3)
        nm, molecules whole.
    beads : float32 array (M, 3)
        The wanted ones, whole, nm.
    examination : Examination
        What the check found.
    finish : dict
        Energies, deviation of the beads, whether it succeeded; empty where nothing was relaxed.
    notes : tuple of str
        What went wrong or was mended.
    placing : dict
        What the model says of the beads and of placing the atoms; see `DeepBackmapper.told`.
    """

    number: int
    positions: Floats
    beads: Floats
    examination: Examination
    finish: dict[str, float]
    notes: tuple[str, ...] = ()
    placing: dict[str, float] = field(default_factory=dict)


class FrameMaker:
    """Everything that a frame is made with; it can be pickled and sent to workers.

    Parameters
    ----------
    model : Backmapper
        Of the whole system.
    checker : Checker
        Of the same atoms.
    finisher : Finisher, optional
        Relaxes and polishes; the atoms stay as placed without.
    temperature : float, optional
        K, of the model's draw; its training temperature by default.
    mender : Mender, optional
        Repairs what the check finds.
    """

    def __init__(
        self,
        model: Backmapper,
        checker: Checker,
        finisher: Finisher | None = None,
        temperature: float | None = None,
        mender: Mender | None = None,
    ) -> None:
        self.model, self.checker, self.finisher, self.temperature = model, checker, finisher, temperature
        self.mender = mender
        self._bead_topology = model.mapping.bead_topology()

    def make(self, task: FrameTask) -> FrameMade:
        """Make one frame; the same task gives the same frame, whatever was made before.

        Parameters
        ----------
        task : FrameTask

        Returns
        -------
        FrameMade
        """
        beads = np.asarray(task.beads, dtype=np.float32)
        if task.box is not None:
            beads = np.asarray(make_whole(beads, task.box, self._bead_topology), dtype=np.float32)
        if task.previous is not None:
            step = np.asarray(minimum_image(beads - task.previous.beads, task.box), dtype=np.float32)
            beads = task.previous.beads + step
        atoms = self._placed(task, beads)
        boxes = None if task.box is None else task.box[None]
        told = getattr(self.model, "told", None)
        placing = {} if told is None else told(beads[None], boxes)
        finish: dict[str, float] = {}
        notes: tuple[str, ...] = ()
        if self.finisher is not None:
            done = self.finisher.run(atoms, beads, task.box, _key(task.seed, task.number))
            atoms, notes = np.asarray(done.positions, dtype=np.float32), done.notes
            finish = {
                "energy_before": done.energy_before,
                "energy": done.energy,
                "bead_rms": done.bead_rms,
                "bead_max": done.bead_max,
                "succeeded": float(done.succeeded),
            }
        found = self.checker.examine(atoms[None], boxes, beads[None], task.number)
        if self.mender is not None and found.findings:
            key = _key(task.seed, task.number)
            mended = self.mender.mend(self.model, self.checker, atoms, beads, task, found.findings, key)
            atoms, notes = mended.positions, (*notes, *self.mender.said(mended))
            found = self.checker.examine(atoms[None], boxes, beads[None], task.number)
        return FrameMade(task.number, atoms, beads, found, finish, notes, placing)

    def _placed(self, task: FrameTask, beads: Floats) -> Floats:
        """Atoms before anything is relaxed."""
        previous = task.previous
        if previous is not None and self.model.lag is None:
            return self._carried(previous, beads)
        options: dict[str, Any] = {} if previous is None else {"start": previous.atoms}
        atoms = self.model.backmap(
            beads[None],
            temperature=self.temperature,
            seed=task.seed,
            frames=np.array([task.number], dtype=np.int64),
            boxes=None if task.box is None else task.box[None],
            **options,
        )
        return np.asarray(atoms[0], dtype=np.float32)

    def _carried(self, previous: Placed, beads: Floats) -> Floats:
        """The atoms before, each moved as the bead that places it, then by as little as gives the beads."""
        mapping = self.model.mapping
        atoms = previous.atoms + (beads - previous.beads)[mapping.owner]
        if mapping.is_consistent:
            atoms = mapping.project(atoms, beads).positions
        return np.asarray(atoms, dtype=np.float32)


def _key(seed: int, frame: int) -> int:
    """A seed for a frame."""
    return int(np.random.SeedSequence([seed, frame]).generate_state(1)[0] & 0x7FFFFFFF)
