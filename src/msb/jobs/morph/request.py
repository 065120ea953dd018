"""What `msb morph` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msb.energy.protocols import POLISHES
from msb.errors import ConfigError
from msb.morph.units import How

__all__ = ["MorphRequest", "SchemeChoice", "check_request"]

SchemeChoice = Literal["A", "B", "auto"]


@dataclass(frozen=True)
class MorphRequest:
    """See `msb morph --help`.

    Attributes
    ----------
    structure, trajectory : path
        Top-down beads.
    models : tuple of str
        Morph models: folders, or names of shipped ones.
    scheme : {"A", "B", "auto"}
        Forward pass and sweeps, sweeps alone from the top-down beads, or whichever comes nearer.
    s : int or None
        Beads to a centre that the models must have.
    scale : "auto", "bond", "density" or float
        What makes nm of the file's lengths; see `msb.morph.length_scale`.
    per_chain : int or None
        Beads of every chain.
    top : path or None
        Topology with the bonds.
    sweeps : int or None
        The model's own without.
    polish : {"thermal", "none"}
        Whether short dynamics follow.
    """

    structure: str | Path
    trajectory: str | Path | None = None
    models: tuple[str, ...] = ()
    scheme: SchemeChoice = "auto"
    s: int | None = None
    scale: How = "auto"
    per_chain: int | None = None
    top: str | Path | None = None
    sweeps: int | None = None
    polish: str = "thermal"
    seed: int = 0
    lag: float | None = None


def check_request(request: MorphRequest) -> None:
    """Refuse what does not go together.

    Parameters
    ----------
    request : MorphRequest

    Raises
    ------
    ConfigError
        Something is missing, or excludes something else.
    """
    if not request.models:
        raise ConfigError(
            "there is no model to morph with: give one or more with -m (`msb train` makes them from "
            "snapshots of the target)"
        )
    if len(set(request.models)) < len(request.models):
        raise ConfigError("a model is given twice: name every model once after -m")
    if request.top is not None and request.per_chain is not None:
        raise ConfigError("--top and --per-chain both say what the chains are: give one of them")
    if request.polish not in POLISHES:
        raise ConfigError(f"there is no polish {request.polish!r}; there are {', '.join(POLISHES)}")
    if request.scheme == "B" and request.sweeps == 0:
        raise ConfigError("scheme B without sweeps changes nothing: give --sweeps 1 or more, or --scheme A")
