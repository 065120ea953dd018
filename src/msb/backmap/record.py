"""How atoms are sampled, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from msb.backmap.selection import Choice
from msb.core.order import VisitingOrder
from msb.core.scene import Phase
from msb.errors import ConfigError

__all__ = ["Sampled", "SamplerOptions", "Tally", "stream"]


def stream(phase: Phase) -> str:
    """Name of the kind of pass, such as ``forward-heavy`` or ``gibbs-hydrogens``."""
    return f"{'gibbs' if phase.gibbs else 'forward'}-{phase.atoms}"


@dataclass(frozen=True)
class SamplerOptions:
    """How atoms are sampled.

    Attributes
    ----------
    sweeps : int
        Gibbs sweeps after the forward pass.
    candidates : int
        For each bead at each visit.
    select : {'random', 'min', 'boltzmann'}
        See `msb.backmap.selection`.
    forward_order, sweep_order : {'rank', 'molecule', 'colour', 'random'}
        Order of the beads of a frame in either kind of pass.
    max_batch : int
        Candidates that are placed together.
    max_atoms : int
        Atoms of the frames that are kept in memory together; at least one frame is.
    redraws : int
        How often a bead of which every candidate is above its limit gets new ones.
    project : bool
        Whether atoms are moved onto the beads at the end.
    settle : bool
        Whether they are before each sweep, too, so that errors do not travel from pass to pass.
    project_candidates : bool
        Whether every candidate is moved onto its bead before energies are compared, where all atoms of the
        bead are there; not with `boltzmann`, whose densities are those of what was drawn.
    hydrogen_candidates : int
        At most so many where only hydrogens are placed; 0: as many.
    bead_sd : float
        With `boltzmann`, nm: beads are held by springs of this width in every direction while candidates are
        weighed, since the ensemble that is sought has them where they are given; 0: by none.
    dtype : torch.dtype
        Of positions.
    """

    sweeps: int = 2
    candidates: int = 1
    select: Choice = "random"
    forward_order: VisitingOrder = "rank"
    sweep_order: VisitingOrder = "colour"
    max_batch: int = 1024
    max_atoms: int = 200_000
    redraws: int = 4
    project: bool = True
    settle: bool = True
    project_candidates: bool = False
    hydrogen_candidates: int = 0
    bead_sd: float = 0.0
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        least = min(self.sweeps, self.redraws, self.hydrogen_candidates, self.bead_sd)
        if least < 0 or min(self.candidates, self.max_batch, self.max_atoms) < 1:
            raise ConfigError(
                "sampling needs at least one candidate, one row a batch and one atom in memory, and no "
                f"negative number of sweeps, redraws or hydrogens' candidates, nor width of springs: {self}"
            )
        if self.project_candidates and self.select == "boltzmann":
            raise ConfigError(
                "the choice `boltzmann` weighs candidates as they were drawn: leave out `project_candidates`"
            )

    def candidates_in(self, phase: Phase) -> int:
        """Candidates for each bead in a pass."""
        most = self.hydrogen_candidates if phase.atoms == "hydrogens" else 0
        return min(self.candidates, most) if most else self.candidates


@dataclass(frozen=True, eq=False)
class Sampled:
    """Atoms of frames and what it took to place them.

    Attributes
    ----------
    positions : ndarray (F, N, 3)
        nm, molecules whole.
    deviation : ndarray (F, M)
        Distance of each bead of the atoms from where it should be, before the projection, nm.
    converged : bool array (F,)
        Whether the projection met all rigid bonds.
    passes : list of str
        Kind of each pass over the beads, by `stream`.
    stages : list of int
        Steps of each pass that had to follow one another; the largest number of all frames.
    seconds : dict of str to float
        In all (``total``), in the placer (``network``), in energies, in the order of the beads
        (``schedule``) and in the projection (``project``).
    visits, redrawn, above, kept : int
        Beads that were visited, counted each time; drawn anew, likewise; left above their limit; left as they
        were because the present atoms were chosen.
    """

    positions: NDArray[Any]
    deviation: NDArray[Any]
    converged: NDArray[np.bool_]
    passes: list[str]
    stages: list[int]
    seconds: dict[str, float]
    visits: int
    redrawn: int
    above: int
    kept: int

    @classmethod
    def of(cls, parts: Sequence[Placed], tally: Tally) -> Sampled:
        """Put batches of frames together."""
        return cls(
            np.concatenate([part.positions for part in parts]),
            np.concatenate([part.deviation for part in parts]),
            np.concatenate([part.converged for part in parts]),
            tally.passes,
            tally.stages,
            tally.seconds,
            tally.visits,
            tally.redrawn,
            tally.above,
            tally.kept,
        )


@dataclass(frozen=True, eq=False)
class Placed:
    """Positions (F, N, 3), deviation (F, M) and convergence (F,) of a batch of frames."""

    positions: NDArray[Any]
    deviation: NDArray[Any]
    converged: NDArray[np.bool_]


@dataclass
class Tally:
    """What is counted while sampling; attributes as those of `Sampled`."""

    passes: list[str] = field(default_factory=list)
    stages: list[int] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    visits: int = 0
    redrawn: int = 0
    above: int = 0
    kept: int = 0

    def __post_init__(self) -> None:
        self.seconds |= dict.fromkeys(("total", "network", "energy", "schedule", "project"), 0.0)

    def timed(self, what: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call, and add the time to a sum."""
        begin = time.perf_counter()
        result = call(*arguments)
        self.seconds[what] += time.perf_counter() - begin
        return result

    def passed(self, phases: Sequence[Phase], stages: Sequence[int]) -> None:
        """Keep the largest number of stages of each pass."""
        self.passes = [stream(phase) for phase in phases]
        before = self.stages or [0] * len(phases)
        self.stages = [max(pair) for pair in zip(before, stages, strict=True)]
