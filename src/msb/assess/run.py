"""Assess coarse-grained models: every frame of every set worked on once, then all of them looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msb.assess.assessment import Assessment
from msb.assess.collect import concluded
from msb.assess.frame_work import Assessor
from msb.assess.plan import Plan
from msb.assess.sets import AssessOptions, CGSet, ReferenceSet
from msb.assess.store import Store
from msb.backmapper import Backmapper
from msb.core.pool import in_order

__all__ = ["assess"]

Progress = Callable[[int, int], None]


def assess(
    reference: ReferenceSet,
    models: Sequence[CGSet],
    backmapper: Backmapper | None,
    options: AssessOptions | None = None,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    identity: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Assessment:
    """Put atoms back into frames of beads, and compare the forces on the beads with the reference's.

    Frames are read one by one and worked on side by side; results go to a folder, one file a frame.

    Parameters
    ----------
    reference : ReferenceSet
    models : sequence of CGSet
        May be none: then the backmapper alone is assessed.
    backmapper : Backmapper or None
        Of the reference's system, for the set in-distribution; None leaves it out.
    options : AssessOptions, optional
    folder : path, optional
        For results of frames; a temporary one by default.
    resume : bool
        Go on with the results in the folder; with more frames, models, samples or the polish, if need be.
    identity : mapping, optional
        What the results depend on beside all this, JSON-able: hashes of files, the model's name.
    progress : callable, optional
        Told how many frames were done since the last call, and how many there are to do in all.

    Returns
    -------
    Assessment

    Raises
    ------
    ConfigError
        Names occur twice, or the folder holds results that do not belong here.
    MsbError
        A frame cannot be read, placed or evaluated; what is done is kept for `resume`.
    """
    chosen = options or AssessOptions()
    plan = Plan(reference, models, backmapper, chosen)
    held = None
    if folder is None:
        held = tempfile.TemporaryDirectory(prefix="msb-assess-")
    store = Store(Path(held.name if held is not None else str(folder)))
    store.begin(plan.depends_on(identity or {}), resume)
    steps = plan.missing(store)
    assessor = Assessor(plan.jobs, store, chosen.seed, chosen.keep_positions)
    for _ in in_order(assessor, plan.work(steps), len(steps), chosen.workers):
        if progress is not None:
            progress(1, len(steps))
    return concluded(plan, store, held)
