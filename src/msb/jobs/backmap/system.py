"""What is to be backmapped: the beads of a file as known molecules, and what is done with the rest."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from msb.core.elements import NO_ELEMENT
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.census import Census, Kind, Odd, take_census
from msb.errors import MappingError, MsbWarning
from msb.io.trajectory import Trajectory, open_trajectory
from msb.jobs.backmap.chains import chain_of
from msb.jobs.backmap.filling import Filling, filling_of
from msb.jobs.backmap.library import Library, bead_kind
from msb.jobs.backmap.stereochemistry import continued, resolve_hands

__all__ = ["System", "Unplaced", "resolve_system"]

_NAMED = 12  # kinds of unknown residues in a message
Unknown = Literal["copy", "skip", "fail"]
Solvent = Literal["drop", "keep", "fill"]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Unplaced:
    """Residues of the file that get no atoms.

    Attributes
    ----------
    residue : str
    count : int
    solvent : bool
    fate : str
        ``copied`` (its beads are written as they are), ``left out`` or ``filled``.
    """

    residue: str
    count: int
    solvent: bool
    fate: str


@dataclass(frozen=True)
class BeadFrame:
    """One frame of a file.

    Attributes
    ----------
    beads : float32 array (M, 3)
        In the order of the mapping, nm.
    aside : float32 array (A, 3)
        Particles that are written as they are, nm.
    solvent : float32 array (S, 3)
        Atoms that solvent beads were filled with, nm.
    box : float32 array (3, 3) or None
        Row vectors, nm.
    time : float
        ps.
    """

    beads: Floats
    aside: Floats
    solvent: Floats
    box: Floats | None
    time: float


@dataclass(frozen=True)
class System:
    """A file's molecules, ready to be backmapped.

    Attributes
    ----------
    trajectory : Trajectory
        The beads.
    topology, mapping
        Of the molecules that get atoms, in the file's order.
    order : ndarray (M,)
        Their beads in the file.
    hands : int8 array (C,) or None
        Wanted hand of every stereocentre; None to leave it to the model.
    aside : ndarray (A,)
        Particles of the file that are written as they are, after the molecules.
    aside_topology : Topology
        Of these.
    filling : Filling
        Solvent beads to be filled with molecules, which come last.
    unplaced : tuple of Unplaced
        What gets no atoms.
    grown : tuple of MoleculeTemplate
        Chains of other lengths than the library's.
    """

    trajectory: Trajectory
    topology: Topology
    mapping: Mapping
    order: NDArray[np.int64]
    hands: NDArray[np.int8] | None
    aside: NDArray[np.int64]
    aside_topology: Topology
    filling: Filling
    unplaced: tuple[Unplaced, ...] = ()
    grown: tuple[MoleculeTemplate, ...] = ()

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.trajectory.n_frames

    @property
    def spacing(self) -> float:
        """Time between frames, ps; 1 where the file does not know it."""
        return self.trajectory.timestep or 1.0

    @cached_property
    def written(self) -> Topology:
        """Everything that is written, in the output's order."""
        more = self.aside_topology.molecules + self.filling.topology.molecules
        return Topology(self.topology.molecules + more)

    def read(self, number: int, seed: int = 0) -> BeadFrame:
        """Read one frame.

        Parameters
        ----------
        number : int
            Counted from 0.
        seed : int
            Of the filled solvent.
        """
        frame = self.trajectory.read(number, number + 1)
        x = frame.positions[0]
        time = self.spacing * number if frame.times is None else float(frame.times[0])
        return BeadFrame(
            x[self.order],
            x[self.aside],
            self.filling.positions(x, seed, number),
            None if frame.boxes is None else frame.boxes[0],
            time,
        )


def resolve_system(
    structure: str | Path,
    trajectory: str | Path | None,
    library: Library,
    *,
    unknown: Unknown = "fail",
    solvent: Solvent = "drop",
    tacticity: str | None = None,
    hands: Literal["needed", "known", "free"] = "needed",
    seed: int = 0,
    lag: float | None = None,
) -> System:
    """Find the library's molecules in a file of beads.

    Residues are matched by their names and those of their beads, in whatever order these come; a residue of a
    known chain with another number of beads becomes a chain of that length.

    Parameters
    ----------
    structure, trajectory : path
        Beads, as :func:`msb.io.trajectory.open_trajectory` takes them.
    library : Library
        Known molecules.
    unknown : {"copy", "skip", "fail"}
        What becomes of residues and beads that the library does not know.
    solvent : {"drop", "keep", "fill"}
        What becomes of solvent beads and ions: left out, written as they are, or filled with molecules.
    tacticity : str, optional
        See `msb.jobs.backmap.stereochemistry.resolve_hands`.
    hands : {"needed", "known", "free"}
        Whether the hands of stereocentres must all be known from the library or `tacticity`, are wanted where
        they are known, or are left to the model.
    seed : int
        Of atactic chains.
    lag : float, optional
        Frame spacing, ps.

    Returns
    -------
    System

    Raises
    ------
    MappingError
        Unknown residues or beads (all are listed, with the nearest known), no molecule at all, or nothing
        says which hands the stereocentres are to have.
    TrajectoryError, FileFormatError
        A file cannot be read.

    Warns
    -----
    MsbWarning
        Beads came in another order, under other names, in other numbers than the topology says, or are left
        out.
    """
    beads = open_trajectory(structure, trajectory, lag=lag)
    grower = _Grower(library)
    census = take_census(beads.atoms, library.kinds, library.expected, grower)
    _refuse_unknown(census, library, beads, unknown)
    pairs = [*library.molecules, *grower.made]
    runs = census.runs()
    topology = Topology(tuple((pairs[kind][0], count) for kind, count in runs))
    mapping = Mapping(_merged([(pairs[kind], count) for kind, count in runs]), topology)
    _remark(census, library, beads)
    known = {
        **library.hands,
        **{t: continued(t, like, library.hands.get(like)) for t, like in grower.like.items()},
    }
    wanted = None
    if tacticity is not None or hands != "free":
        wanted = resolve_hands(topology, known, tacticity, seed, strict=hands == "needed")
    copied, filled, unplaced = _the_rest(census.odd, unknown, solvent)
    _say_unplaced(unplaced, beads)
    return System(
        beads,
        topology,
        mapping,
        census.order,
        wanted,
        _places(copied),
        _as_topology(copied),
        filling_of(filled),
        unplaced,
        tuple(grower.like),
    )


class _Grower:
    """Makes chains of other lengths on demand."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.made: list[tuple[MoleculeTemplate, MappingTemplate]] = []
        self.like: dict[MoleculeTemplate, MoleculeTemplate] = {}

    def __call__(self, residue: str, names: tuple[str, ...]) -> Kind | None:
        for (template, mapping), kind in zip(self.library.molecules, self.library.kinds, strict=False):
            if len(kind.residues) > 1 or residue not in kind.known_as or len(names) == len(kind.names):
                continue
            longer = chain_of(template, mapping, len(names))
            if longer is None or sorted(longer[1].bead_names) != sorted(names):
                continue
            self.made.append(longer)
            self.like[longer[0]] = template
            return bead_kind(longer[1])
        return None


def _merged(runs: Sequence[tuple[tuple[MoleculeTemplate, MappingTemplate], int]]) -> list[MappingTemplate]:
    """Mappings of a topology's blocks, equal neighbours being one."""
    blocks: list[tuple[MoleculeTemplate, MappingTemplate]] = []
    for (template, mapping), _ in runs:
        if not blocks or blocks[-1][0] != template:
            blocks.append((template, mapping))
    return [mapping for _, mapping in blocks]


def _refuse_unknown(census: Census, library: Library, beads: Trajectory, unknown: Unknown) -> None:
    odd = [entry for entry in census.odd if not entry.solvent]
    known = ", ".join(dict.fromkeys(kind.name for kind in library.kinds))
    if odd and unknown == "fail":
        said = "; ".join(entry.said(library.kinds) for entry in odd[:_NAMED])
        more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
        raise MappingError(
            f"{beads.structure} holds what {library.source} does not know: {said}{more}; known are {known}. "
            "Name them alike, add them to the mapping, or choose --unknown copy or skip"
        )
    if not len(census.molecules):
        raise MappingError(f"{beads.structure} holds no molecule of {library.source}, which knows {known}")


def _remark(census: Census, library: Library, beads: Trajectory) -> None:
    if census.reordered:
        _warn(
            f"the beads of {census.reordered} molecules of {beads.structure} stand in another order than the "
            "mapping's: they were matched by their names"
        )
    if census.renamed:
        told = (
            f"{' '.join(names[:8])} for {' '.join(census.kinds[kind].names[:8])} of {census.kinds[kind].name}"
            for kind, names in census.names.items()
        )
        _warn(
            f"the beads of {census.renamed} molecules of {beads.structure} have other names than the "
            f"mapping's and are taken in its order: {'; '.join(told)}"
        )
    if library.expected and census.molecules.tolist() != list(library.expected):
        said, held = (
            _counted(which, census.kinds) for which in (library.expected, census.molecules.tolist())
        )
        what = f"{said}, {beads.structure} holds {held}" if said != held else f"{said} in another order"
        _warn(f"{library.source} says {what}: the beads' numbers and order are taken")


def _counted(molecules: Sequence[int], kinds: Sequence[Kind]) -> str:
    """Molecules by name, in words."""
    counts = Counter(kinds[kind].name for kind in molecules)
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _the_rest(
    odd: Sequence[Odd], unknown: Unknown, solvent: Solvent
) -> tuple[list[Odd], list[Odd], tuple[Unplaced, ...]]:
    """What is copied, what is filled, and a record of both and of what is left out."""
    fates = {"copy": "copied", "keep": "copied", "fill": "filled"}
    fate = [fates.get(solvent if entry.solvent else unknown, "left out") for entry in odd]
    record = tuple(
        Unplaced(entry.residue, len(entry.places), entry.solvent, what)
        for entry, what in zip(odd, fate, strict=True)
    )
    chosen = {what: [e for e, f in zip(odd, fate, strict=True) if f == what] for what in ("copied", "filled")}
    return chosen["copied"], chosen["filled"], record


def _say_unplaced(unplaced: Sequence[Unplaced], beads: Trajectory) -> None:
    said = {
        "left out": "are left out",
        "copied": "stay beads",
        "filled": "are filled with molecules, not relaxed",
    }
    for fate, what in said.items():
        listed = ", ".join(f"{entry.count} {entry.residue}" for entry in unplaced if entry.fate == fate)
        if listed:
            _warn(f"{beads.structure}: {listed} {what}")


def _places(odd: Sequence[Odd]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, dtype=np.int64), *(place for entry in odd for place in entry.places)])


def _as_topology(odd: Sequence[Odd]) -> Topology:
    """Beads that stay beads, as molecules without bonds."""
    return Topology(
        tuple(
            (
                MoleculeTemplate.from_atoms(
                    entry.residue or "UNK",
                    entry.names,
                    elements=[NO_ELEMENT] * len(entry.names),
                    masses=np.zeros(len(entry.names)),
                ),
                len(entry.places),
            )
            for entry in odd
        )
    )


def _warn(message: str) -> None:
    warnings.warn(message, MsbWarning, stacklevel=4)
