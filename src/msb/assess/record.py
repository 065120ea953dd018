"""What is known of one set of frames: where its atoms push its beads, and how good its atoms are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msb.errors import TrajectoryError

__all__ = ["COLUMNS", "KINDS", "Column", "Kind", "SetResult", "frames_of"]

Kind = Literal["reference", "in-distribution", "generalisation"]
Column = Literal["raw", "polished"]
KINDS: tuple[Kind, ...] = ("reference", "in-distribution", "generalisation")
COLUMNS: tuple[Column, ...] = ("raw", "polished")
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SetResult:
    """One set of frames in one column: beads, the forces on them, and what was found on the way.

    Attributes
    ----------
    name : str
        Of the set: `reference`, `in-distribution`, or the CG model's.
    kind : str
        `reference` (all-atom frames themselves), `in-distribution` (reference to beads and back) or
        `generalisation` (the beads of a CG model).
    column : str
        `raw` (as backmapped) or `polished` (beads held, then forces without whatever held them).
    frames : int array (F,)
        Numbers in the trajectory that they are of, ascending; with several samples each number comes
        once a sample, one sample after another.
    bead_forces : float32 array (F, M, 3)
        All-atom forces on the beads, kJ/mol/nm.
    beads : float32 array (F, M, 3)
        nm; chains of beads whole.
    bead_types : tuple of str (M,)
    molecule : int array (M,)
        Which molecule each bead is of.
    boxes : float32 array (F, 3, 3) or None
        nm.
    deviation : float array (F,) or None
        RMS distance of the re-mapped beads from those wanted, before anything put them right, nm; None
        where nothing was placed.
    findings : dict of str to int array (F,)
        How many findings of each kind :mod:`msb.quality` has in every frame.
    seconds : dict of str to float
        Spent in each step (`backmap`, `polish`, `forces`, `quality`, `rdf`), over all frames.
    samples : int array (F,) or None
        Which sample of its frame each is; None where there is one.
    """

    name: str
    kind: Kind
    column: Column
    frames: NDArray[np.int64]
    bead_forces: Floats
    beads: Floats
    bead_types: tuple[str, ...]
    molecule: NDArray[np.int64]
    boxes: Floats | None = None
    deviation: NDArray[np.float64] | None = None
    findings: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    samples: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together.

        Raises
        ------
        TrajectoryError
            If the arrays are not of the same frames and beads.
        """
        lead = (len(self.frames), len(self.bead_types))
        wrong = [
            f"{name} {value.shape}"
            for name, value in (("bead_forces", self.bead_forces), ("beads", self.beads))
            if value.shape != (*lead, 3)
        ]
        wrong += [f"molecule {self.molecule.shape}"] * (self.molecule.shape != lead[1:])
        series = {"deviation": self.deviation, "boxes": self.boxes, "samples": self.samples, **self.findings}
        wrong += [
            f"{name} of {len(value)} frames"
            for name, value in series.items()
            if value is not None and len(value) != lead[0]
        ]
        if wrong:
            raise TrajectoryError(
                f"the set {self.name} has {lead[0]} frames of {lead[1]} beads, but {', '.join(wrong)}"
            )

    @property
    def n_frames(self) -> int:
        """Number of frames, each sample counted."""
        return len(self.frames)

    @property
    def n_beads(self) -> int:
        """Number of beads."""
        return len(self.bead_types)

    @property
    def types(self) -> tuple[str, ...]:
        """The bead types, in the order in which they first occur."""
        return tuple(dict.fromkeys(self.bead_types))

    @property
    def magnitudes(self) -> Floats:
        """Force on every bead (F, M), kJ/mol/nm."""
        exact = self.bead_forces.astype(np.float64)  # squares of single precision overflow in clashes
        return np.asarray(np.linalg.norm(exact, axis=-1), dtype=np.float32)

    def beads_of(self, bead_type: str | None) -> NDArray[np.bool_]:
        """Mask (M,) of the beads of a type; all of them for None.

        Raises
        ------
        TrajectoryError
            If there are none.
        """
        if bead_type is None:
            return np.ones(self.n_beads, dtype=bool)
        chosen = np.array([own == bead_type for own in self.bead_types], dtype=bool)
        if not chosen.any():
            raise TrajectoryError(
                f"the set {self.name} has no beads of type {bead_type}; it has {', '.join(self.types)}"
            )
        return chosen

    def magnitudes_of(self, bead_type: str | None) -> Floats:
        """Force on every bead of a type (F, K), kJ/mol/nm; see :meth:`beads_of`."""
        return self.magnitudes[:, self.beads_of(bead_type)]


def frames_of(results: Sequence[SetResult]) -> int:
    """How many frames several sets have together, each sample counted."""
    return sum(result.n_frames for result in results)
