"""Types of atoms and beads that a mixture network knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from msb.core.arrays import IntArray
from msb.core.mapping import Mapping
from msb.errors import MappingError

__all__ = ["Vocabulary"]


@dataclass(frozen=True)
class Vocabulary:
    """Types of atoms and beads that a network knows.

    Attributes
    ----------
    atoms, beads : tuple of str
    """

    atoms: tuple[str, ...]
    beads: tuple[str, ...]

    @classmethod
    def of(cls, *mappings: Mapping) -> Vocabulary:
        """Types of some systems, sorted."""
        molecules = {t for m in mappings for molecule, _ in m.topology.molecules for t in molecule.atom_types}
        beads = {t for m in mappings for template in m.templates for t in template.bead_types}
        return cls(tuple(sorted(molecules)), tuple(sorted(beads)))

    def atom_columns(self, types: Sequence[str]) -> IntArray:
        """Number of each atom's type.

        Raises
        ------
        MappingError
            Types that are not known; all are listed.
        """
        return _numbers(types, self.atoms, "atom types")

    def bead_columns(self, types: Sequence[str]) -> IntArray:
        """Number of each bead's type; see `atom_columns`."""
        return _numbers(types, self.beads, "bead types")


def _numbers(types: Sequence[str], known: tuple[str, ...], what: str) -> IntArray:
    place = {name: i for i, name in enumerate(known)}
    missing = sorted({t for t in types if t not in place})
    if missing:
        raise MappingError(
            f"{what} that the model does not know: {', '.join(missing)}; it knows {', '.join(known)}"
        )
    return np.array([place[t] for t in types], dtype=np.int64)
