"""What an arena finds out: methods over the same frames, with their costs, divergences and defects."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis.comparison import EnsembleComparison
from msb.quality.verdict import Verdict

__all__ = ["COLUMNS", "ArenaReport", "Contender", "Contest", "Cost"]

COLUMNS = ("raw", "minimised", "polished")


@dataclass(frozen=True)
class Cost:
    """What one column of one entrant took.

    Attributes
    ----------
    wall, cpu : float
        Seconds for all frames, of this step and of those before it.
    built : float
        Seconds that the model took to be made or loaded.
    peak_mb : float
        Largest memory of the process so far, MB.
    failures : int
        Frames that relaxation or polish gave up on.
    """

    wall: float
    cpu: float
    built: float
    peak_mb: float
    failures: int = 0


@dataclass(frozen=True)
class Contender:
    """One column of one entrant, judged.

    Attributes
    ----------
    entrant, column : str
        Who, and "raw", "minimised", "polished" or "published".
    trajectory : Path
        The structures.
    cost : Cost or None
        None for published structures, whose cost is not known here.
    comparison : EnsembleComparison
        Beside the reference.
    quality : Verdict
        Findings of every frame.
    bead_rms, bead_max : float
        Distance of the beads from the given ones, nm.
    """

    entrant: str
    column: str
    trajectory: Path
    cost: Cost | None
    comparison: EnsembleComparison
    quality: Verdict
    bead_rms: float
    bead_max: float

    @property
    def label(self) -> str:
        """Entrant and column."""
        return self.entrant if self.column == "published" else f"{self.entrant}, {self.column}"

    def summary(self, n_frames: int, n_atoms: int) -> dict[str, Any]:
        """Return the numbers, JSON-able."""
        cost = None if self.cost is None else asdict(self.cost)
        if self.cost is not None and cost is not None:
            cost |= {
                "seconds_a_frame": self.cost.wall / n_frames,
                "cpu_seconds_a_frame": self.cost.cpu / n_frames,
                "atoms_per_second": n_frames * n_atoms / self.cost.wall,
            }
        findings = {"counts": self.quality.counts, "statistics": self.quality.statistics}
        return {
            "entrant": self.entrant,
            "column": self.column,
            "trajectory": str(self.trajectory),
            "cost": cost,
            "bead_rms_nm": self.bead_rms,
            "bead_max_nm": self.bead_max,
            "quality": findings,
            "comparison": self.comparison.summary(),
        }


@dataclass(frozen=True)
class Contest:
    """All contenders over one test.

    Attributes
    ----------
    name, title : str
        Of test and data set.
    contenders : tuple of Contender
        Entrant by entrant, column by column; published ones last.
    numbers : ndarray (F,)
        Frames of the reference.
    reference : Verdict
        What the check says of the reference itself.
    temperature : float
        K.
    n_atoms, n_molecules : int
        Of the system.
    missing : dict of str to str
        Entrants that could not take part, and why.
    force_field : bool
        Whether the set declares one, to minimise and polish with.
    """

    name: str
    title: str
    contenders: tuple[Contender, ...]
    numbers: NDArray[np.int64]
    reference: Verdict
    temperature: float
    n_atoms: int
    n_molecules: int
    missing: dict[str, str]
    force_field: bool

    def summary(self) -> dict[str, Any]:
        """Return the numbers, JSON-able."""
        reference = {"counts": self.reference.counts, "statistics": self.reference.statistics}
        return {
            "test": self.name,
            "frames": self.numbers.tolist(),
            "temperature": self.temperature,
            "n_atoms": self.n_atoms,
            "n_molecules": self.n_molecules,
            "reference": reference,
            "missing": self.missing,
            "force_field": self.force_field,
            "contenders": [own.summary(len(self.numbers), self.n_atoms) for own in self.contenders],
        }


@dataclass(frozen=True)
class ArenaReport:
    """All contests over one data set."""

    data: str
    title: str
    contests: tuple[Contest, ...]

    def summary(self) -> dict[str, Any]:
        """Return the numbers, JSON-able."""
        return {
            "data": self.data,
            "title": self.title,
            "contests": [contest.summary() for contest in self.contests],
        }
