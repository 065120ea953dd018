"""Repairs of frames while they are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.energy.local import LocalRelaxer
from msb.energy.systems import system_from_xml
from msb.jobs.backmap.frame_task import FrameTask
from msb.jobs.check.repair import Repaired, RepairSettings, repair
from msb.quality import Checker, Finding

__all__ = ["Mender"]


class Mender:
    """Draws anew and relaxes what a check found; it can be pickled and sent to workers.

    Parameters
    ----------
    force_field : str or None
        OpenMM System of all atoms, as XML; without it nothing is relaxed.
    """

    def __init__(self, force_field: str | None) -> None:
        self.force_field = force_field
        self._relaxer: LocalRelaxer | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a worker needs: no contexts."""
        return {"force_field": self.force_field, "_relaxer": None}

    def mend(
        self,
        model: Backmapper,
        checker: Checker,
        atoms: NDArray[np.float32],
        beads: NDArray[np.float32],
        task: FrameTask,
        findings: Sequence[Finding],
        seed: int,
    ) -> Repaired:
        """Repair one frame; see `msb.jobs.check.repair.repair`."""
        if self.force_field is not None and self._relaxer is None:
            self._relaxer = LocalRelaxer(system_from_xml(self.force_field), model.mapping.matrix)
        return repair(
            atoms,
            findings,
            checker,
            beads=beads,
            box=task.box,
            mapping=model.mapping,
            model=model,
            relaxer=self._relaxer,
            frame=task.number,
            settings=RepairSettings(seed=seed),
        )

    def said(self, mended: Repaired) -> tuple[str, ...]:
        """What was repaired and what was not, in words."""
        before, left = len(mended.before), len(mended.remaining)
        told = f"{before - left} of {before} findings repaired in {mended.tries} tries"
        listed = "; ".join(str(finding) for finding in mended.remaining[:3])
        return (f"{told}; left: {listed}" if left else told,)
