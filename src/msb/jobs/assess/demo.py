"""What `msb assess-cg --demo` assesses: liquid hexane, and two CG models of it with the same bonds."""

from __future__ import annotations

from msb.data import sample
from msb.jobs.assess.request import AssessRequest, CGFiles

__all__ = ["demo_request"]

_TEMPERATURE = 300.0  # K


def demo_request(
    seed: int = 0, workers: int | None = None, frames: int | None = None, polish: bool = False
) -> AssessRequest:
    """Return what to assess; every file comes with the package and is of the project's own simulations.

    Parameters
    ----------
    seed : int
    workers : int, optional
        Processes.
    frames : int, optional
        Of every set; all 20 by default.
    polish : bool
        With the polished column, which takes some 20 s a frame on one core.
    """
    models = (("with angle", "hexane_bend"), ("without angle", "hexane_nobend"))
    return AssessRequest(
        structure=sample("hexane_reference.gro"),
        trajectory=sample("hexane_reference.xtc"),
        cg=tuple(CGFiles(name, sample(f"{file}.gro"), sample(f"{file}.xtc")) for name, file in models),
        top=sample("hexane.top"),
        mapping=(sample("hexane_mapping.yaml"),),
        method="fragment",
        snapshots=(sample("hexane_reference.gro"),),
        temperature=_TEMPERATURE,
        polish=polish,
        frames=frames,
        seed=seed,
        workers=workers,
        title="Liquid hexane: two coarse-grained models, with and without the angle",
    )
