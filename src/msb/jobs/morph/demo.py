"""What `msb morph --demo` morphs: a Kremer-Grest melt, to polystyrene."""

from __future__ import annotations

from msb.data import sample
from msb.jobs.morph.request import MorphRequest, SchemeChoice

__all__ = ["MODEL", "TITLE", "demo_request"]

MODEL = "kg-demo"
TITLE = "A Kremer-Grest melt, morphed to polystyrene"


def demo_request(
    scheme: SchemeChoice = "auto", sweeps: int | None = None, polish: str = "thermal", seed: int = 0
) -> MorphRequest:
    """Return what to morph; melt and model come with the package and are of the project's own simulations.

    Parameters
    ----------
    scheme : {"A", "B", "auto"}
    sweeps : int, optional
        The model's own by default.
    polish : {"thermal", "none"}
    seed : int
    """
    return MorphRequest(
        structure=sample("kremer_grest.gro"),
        trajectory=sample("kremer_grest.xtc"),
        models=(MODEL,),
        scheme=scheme,
        sweeps=sweeps,
        polish=polish,
        seed=seed,
    )
