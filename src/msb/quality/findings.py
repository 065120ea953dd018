"""What a check found: one entry a defect, and the plain counts beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "Examination", "Finding", "Hits", "Kind"]

Kind = Literal["nan", "broken", "bond", "angle", "clash", "hand", "cis", "piercing", "bead", "energy"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds of findings."""

_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    frame : int
        Absolute number of the frame, from 0.
    residue : str
        Name and number of the first atom's residue, "ALA 3"; "" where the finding is about a whole frame.
    atoms : tuple of str
        Names, in the order of `indices`; an atom of another residue carries it, "GLY 4:CA". A bead's name for
        a bead.
    value : float
        What was measured: nm for "bond", "clash", "broken", "bead" and "piercing" (from the ring's centre);
        degrees for "angle" and "cis"; the hand found, +1 or -1, for "hand"; kJ/mol per atom for "energy"; the
        number of atoms for "nan".
    indices : tuple of int
        Atoms, in the system's numbering from 0. The ring's atoms, then the two of the bond, for "piercing";
        the centre, then its neighbours, for "hand"; the bead's own atoms for "bead".
    severity : float
        Deviation in units of what is allowed, over 1; compares findings of one kind.
    """

    kind: Kind
    frame: int
    residue: str
    atoms: tuple[str, ...]
    value: float
    indices: tuple[int, ...]
    severity: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """Return kind, frame, residue, atoms and value, as JSON takes them."""
        value = round(self.value, _DIGITS) if np.isfinite(self.value) else None
        return {
            "kind": self.kind,
            "frame": self.frame,
            "residue": self.residue,
            "atoms": list(self.atoms),
            "value": value,
        }

    def __str__(self) -> str:
        """Describe the finding in a line."""
        unit = {"angle": " deg", "cis": " deg", "hand": "", "nan": " atoms", "energy": " kJ/mol per atom"}
        sign = "+" if self.kind == "hand" else ""
        where = " ".join(part for part in (self.residue, "-".join(self.atoms)) if part)
        return f"{self.kind}: frame {self.frame}, {where}: {self.value:{sign}.4g}{unit.get(self.kind, ' nm')}"


@dataclass(frozen=True, eq=False)
class Hits:
    """What one detector found in some frames, as arrays.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    frames : ndarray (H,)
        Counted from the first of these frames.
    atoms : ndarray (H, k)
        In the system's numbering, named or not.
    values, severities : ndarray (H,)
        As in `Finding`.
    """

    kind: Kind
    frames: NDArray[np.int64]
    atoms: NDArray[np.int64]
    values: NDArray[np.float64]
    severities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: NDArray[Any]) -> Hits:
        """Take some."""
        return Hits(self.kind, self.frames[rows], self.atoms[rows], self.values[rows], self.severities[rows])


@dataclass(frozen=True)
class Examination:
    """Some frames looked through.

    Attributes
    ----------
    findings : list of Finding
        Frame by frame, the gravest kinds first.
    statistics : mapping of str to ndarray (F,)
        Plain counts and extremes of every frame, whatever the limits; see `Checker.examine`.
    first : int
        Absolute number of the first frame.
    n_frames : int
        How many frames.
    """

    findings: list[Finding]
    statistics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    first: int = 0
    n_frames: int = 0
