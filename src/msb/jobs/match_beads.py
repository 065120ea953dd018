"""Find a model's beads in a file by residue and name, whatever order the file has them in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.errors import MappingError

__all__ = ["ParticleNames", "match_beads"]


@dataclass(frozen=True)
class ParticleNames:
    """Name, residue name and residue number of N particles, in order.

    Attributes
    ----------
    names : tuple of str, length N
        Particle names.
    residue_names : tuple of str, length N
        Empty strings where a file has none.
    residues : tuple of int, length N
        Residue numbers; only their order matters, so an offset does no harm.
    """

    names: tuple[str, ...]
    residue_names: tuple[str, ...]
    residues: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    def label(self, index: int) -> str:
        """Return a particle as a person writes it, such as `CB of ALA 2`."""
        return f"{self.names[index]} of {self.residue_names[index] or 'residue'} {self.residues[index]}"


def match_beads(given: ParticleNames, expected: ParticleNames, where: str) -> NDArray[np.int64]:
    """Return the order that turns the given beads into the expected ones.

    Tried in turn: the same (rank of residue, residue name, name), each once; the same names in the same order;
    the same (residue name, name), each once. A file without residue names is matched by its names' order alone.

    Parameters
    ----------
    given, expected : ParticleNames
        Beads of the file, and of the model.
    where : str
        Name of the file, for messages.

    Returns
    -------
    ndarray (M,) of int
        `given[order]` are the expected beads; 0, 1, 2, … where nothing had to be moved.

    Raises
    ------
    MappingError
        The number of beads differs, the model does not know a residue or a bead, or two cannot be told apart.
    """
    if len(given) != len(expected):
        listed = ", ".join(expected.label(i) for i in range(min(len(expected), 12)))
        raise MappingError(
            f"{where} has {len(given)} beads in a frame, the model has {len(expected)} "
            f"({listed}{', …' if len(expected) > 12 else ''}): give it that system's beads, or another model"
        )
    if not any(given.residue_names):
        expected = ParticleNames(expected.names, ("",) * len(expected), (1,) * len(expected))
    _refuse_unknown_residues(given, expected, where)
    order = _order(_ranked_keys(given), _ranked_keys(expected))
    if order is None and _plain_keys(given) == _plain_keys(expected):
        order = np.arange(len(given))
    if order is None:
        order = _order(_plain_keys(given), _plain_keys(expected))
    if order is not None:
        return order
    raise MappingError(_difference(given, expected, where))


def _refuse_unknown_residues(given: ParticleNames, expected: ParticleNames, where: str) -> None:
    known = set(expected.residue_names)
    for index, name in enumerate(given.residue_names):
        if name not in known:
            raise MappingError(
                f"{where}: residue {name or '(without a name)'} {given.residues[index]} is unknown to the "
                f"model, which has {', '.join(sorted(known))}: rename it, or give another model"
            )


def _ranked_keys(beads: ParticleNames) -> list[Hashable]:
    ranks = np.unique(np.asarray(beads.residues), return_inverse=True)[1]
    return list(zip(ranks.tolist(), beads.residue_names, beads.names, strict=True))


def _plain_keys(beads: ParticleNames) -> list[Hashable]:
    return list(zip(beads.residue_names, beads.names, strict=True))


def _order(given: Sequence[Hashable], expected: Sequence[Hashable]) -> NDArray[np.int64] | None:
    place = {key: index for index, key in enumerate(given)}
    if len(place) != len(given) or place.keys() != set(expected):
        return None
    return np.asarray([place[key] for key in expected], dtype=np.int64)


def _difference(given: ParticleNames, expected: ParticleNames, where: str) -> str:
    have, want = Counter(_plain_keys(given)), Counter(_plain_keys(expected))
    for index, key in enumerate(_plain_keys(expected)):
        if have[key] < want[key]:
            extra = next(i for i, k in enumerate(_plain_keys(given)) if have[k] > want[k])
            return (
                f"{where}: the model's bead {expected.label(index)} is not there, but bead "
                f"{given.label(extra)} (number {extra + 1}) is, which the model does not have: "
                "rename the beads as the model names them"
            )
    return (
        f"{where}: beads of the same residue and name stand in another order than the model's and cannot be "
        "told apart: number the residues, or write the beads in the model's order"
    )
