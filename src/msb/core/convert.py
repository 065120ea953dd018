"""To and from other programs' topologies: MDAnalysis and mdtraj."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from msb.core.arrays import BoolArray, FloatArray, IntArray
from msb.core.assemble import AtomTable, assemble
from msb.core.bonds import guess_bonds as bonds_from_distances
from msb.core.elements import NO_ELEMENT, STANDARD_MASSES, guess_element, normalise_symbol
from msb.core.topology import Topology
from msb.errors import MsbWarning, TopologyError
from msb.units import NM_PER_ANGSTROM

if TYPE_CHECKING:
    import MDAnalysis
    import mdtraj

__all__ = ["from_mdtraj", "from_universe", "to_universe"]


def from_universe(universe: MDAnalysis.Universe, *, guess_bonds: bool | None = None) -> Topology:
    """Make a topology from a Universe: molecules are what bonds connect, identical ones share a template.

    Elements, masses and types that MDAnalysis guessed are guessed anew, since its masses follow its elements.
    Without bonds they are guessed from the distances of the current frame; where that finds none inside a
    residue (beads), the residue counts as a molecule, with a warning.

    Parameters
    ----------
    universe : MDAnalysis.Universe
        Its current frame is read only when bonds are guessed.
    guess_bonds : bool, optional
        True guesses even where bonds are given, False never; by default only where there are none.

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError
        The universe has no atoms.
    """
    atoms = universe.atoms
    if not len(atoms):
        raise TopologyError("the universe has no atoms: nothing to make a topology from")
    names = _attribute(universe, "names", "types")
    names = np.array([f"A{n + 1}" for n in range(len(atoms))]) if names is None else names
    types, masses = (_attribute(universe, field) for field in ("types", "masses"))
    charges, given = _attribute(universe, "charges"), _attribute(universe, "elements", guessed=True)
    elements = _elements(names, types, masses, given)
    resnames = getattr(universe.residues, "resnames", None)
    resids = getattr(universe.residues, "resids", None)
    count = len(universe.residues)
    bonds = _given_bonds(universe)
    links = _consecutive(_attribute(universe, "molnums"))
    if guess_bonds or (guess_bonds is None and not len(bonds)):
        bonds = _guessed_bonds(universe, elements)
        bare = _unbonded_residues(atoms.resindices, bonds)
        links = np.concatenate([links, _consecutive(np.where(bare, atoms.resindices, -1))])
        if given is None:
            elements = [NO_ELEMENT if bead else symbol for bead, symbol in zip(bare, elements, strict=True)]
    if masses is None:
        masses = np.array([STANDARD_MASSES.get(symbol, 0.0) for symbol in elements])
    return assemble(
        AtomTable(
            names,
            elements if types is None else types,
            elements,
            np.asarray(masses, dtype=np.float64),
            np.zeros(len(atoms)) if charges is None else np.asarray(charges, dtype=np.float64),
            np.asarray(atoms.resindices, dtype=np.int64),
            ["MOL"] * count if resnames is None else [str(name) for name in resnames],
            list(range(1, count + 1)) if resids is None else [int(number) for number in resids],
            bonds,
            molecule_names=_attribute(universe, "moltypes"),
            links=links,
        )
    )


def _attribute(universe: MDAnalysis.Universe, *fields: str, guessed: bool = False) -> npt.NDArray[Any] | None:
    """Return the first per-atom attribute that a file gave, None where MDAnalysis only guessed."""
    for field in fields:
        attribute = getattr(universe._topology, field, None)
        if attribute is not None and (guessed or not attribute.is_guessed):
            values = np.asarray(getattr(universe.atoms, field))
            return values if values.dtype != object else values.astype(np.str_)
    return None


def _elements(
    names: npt.NDArray[Any],
    types: npt.NDArray[Any] | None,
    masses: npt.NDArray[Any] | None,
    given: npt.NDArray[Any] | None,
) -> list[str]:
    """Return an element for every atom: the given one where it is one, none where the given mass is 0."""
    n = len(names)
    known: dict[tuple[Any, ...], str] = {}
    typed = types if types is not None else np.full(n, "")
    weighed = masses if masses is not None else np.zeros(n)
    stated = given if given is not None else np.full(n, "")
    elements = []
    sites = (weighed == 0) & (weighed > 0).any()
    for key in zip(names.tolist(), typed.tolist(), weighed.tolist(), stated.tolist(), sites, strict=True):
        if key not in known:
            symbol = normalise_symbol(key[3])
            if symbol == NO_ELEMENT or key[4]:
                symbol = NO_ELEMENT if key[4] else guess_element(str(key[0]), str(key[1]), key[2])
            known[key] = symbol
        elements.append(known[key])
    return elements


def _given_bonds(universe: MDAnalysis.Universe) -> IntArray:
    if not hasattr(universe._topology, "bonds"):
        return np.empty((0, 2), dtype=np.int64)
    return np.array(universe._topology.bonds.values, dtype=np.int64).reshape(-1, 2)


def _guessed_bonds(universe: MDAnalysis.Universe, elements: list[str]) -> IntArray:
    placed = getattr(universe, "_trajectory", None) is not None and np.ptp(universe.atoms.positions) > 0
    if not placed:  # no coordinates, or all of them where a new Universe puts them
        return np.empty((0, 2), dtype=np.int64)
    box = universe.trajectory.ts.triclinic_dimensions
    return bonds_from_distances(
        universe.atoms.positions * NM_PER_ANGSTROM, elements, None if box is None else box * NM_PER_ANGSTROM
    )


def _unbonded_residues(residues: IntArray, bonds: IntArray) -> BoolArray:
    """Mark the atoms of residues of several atoms in which no bond was found; say how many there are."""
    counts = np.bincount(residues)
    bonded = np.zeros(len(counts), dtype=bool)
    bonded[residues[bonds.ravel()]] = True
    bare = (counts > 1) & ~bonded
    if bare.any():
        warnings.warn(
            f"no bonds were given or found in {int(bare.sum())} of {len(counts)} residues: "
            "each counts as one molecule of beads without bonds",
            MsbWarning,
            stacklevel=3,
        )
    return np.asarray(bare[residues])


def _consecutive(labels: npt.NDArray[Any] | None) -> IntArray:
    """Return (i, i + 1) wherever two consecutive atoms carry the same label, which is not negative."""
    if labels is None:
        return np.empty((0, 2), dtype=np.int64)
    first = np.flatnonzero((labels[1:] == labels[:-1]) & (labels[1:] >= 0)).astype(np.int64)
    return np.stack([first, first + 1], axis=1)


def from_mdtraj(topology: mdtraj.Topology) -> Topology:
    """Make a topology from mdtraj's; the bonds of standard residues are added where it has none.

    Parameters
    ----------
    topology : mdtraj.Topology
        Left as it is.

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError
        It has no atoms.
    """
    if not topology.n_atoms:
        raise TopologyError("the mdtraj topology has no atoms: nothing to make a topology from")
    if not topology.n_bonds:
        topology = topology.copy()
        topology.create_standard_bonds()
    atoms, residues = list(topology.atoms), list(topology.residues)
    symbols = [normalise_symbol(atom.element.symbol) if atom.element else NO_ELEMENT for atom in atoms]
    elements = [
        s if s != NO_ELEMENT or _virtual(a) else guess_element(a.name)
        for s, a in zip(symbols, atoms, strict=True)
    ]
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds], dtype=np.int64).reshape(-1, 2)
    return assemble(
        AtomTable(
            [atom.name for atom in atoms],
            elements,
            elements,
            np.array([STANDARD_MASSES.get(symbol, 0.0) for symbol in elements]),
            np.array([getattr(atom, "charge", None) or 0.0 for atom in atoms], dtype=np.float64),
            np.array([atom.residue.index for atom in atoms], dtype=np.int64),
            [residue.name for residue in residues],
            [residue.resSeq for residue in residues],
            bonds,
        )
    )


def _virtual(atom: Any) -> bool:
    """Tell an mdtraj atom that is stated to be no atom from one whose element is just not known."""
    return atom.element is not None and atom.element.atomic_number == 0 and atom.element.symbol == "VS"


def to_universe(
    topology: Topology, positions: npt.ArrayLike | None = None, box: npt.ArrayLike | None = None
) -> MDAnalysis.Universe:
    """Return an MDAnalysis Universe with names, types, elements, masses, charges, residues and bonds.

    Parameters
    ----------
    topology : Topology
        The system.
    positions : array (N, 3) or (F, N, 3), optional
        nm; frames in memory.
    box : array (3, 3) or (F, 3, 3), optional
        Row vectors, nm.

    Returns
    -------
    MDAnalysis.Universe

    Raises
    ------
    TopologyError
        The positions are not for these atoms.
    """
    import MDAnalysis

    universe = MDAnalysis.Universe.empty(
        topology.n_atoms,
        n_residues=topology.n_residues,
        atom_resindex=topology.residue_index,
        residue_segindex=np.zeros(topology.n_residues, dtype=np.int64),
    )
    elements = np.where(topology.elements == NO_ELEMENT, "", topology.elements).astype(object)
    for field, values in (
        ("names", topology.atom_names.astype(object)),
        ("types", topology.atom_types.astype(object)),
        ("elements", elements),
        ("masses", topology.masses.copy()),
        ("charges", topology.charges.copy()),
        ("resnames", topology.residue_names.astype(object)),
        ("resids", topology.residue_numbers.copy()),
        ("segids", np.array(["SYSTEM"], dtype=object)),
    ):
        universe.add_TopologyAttr(field, values)
    universe.add_TopologyAttr("bonds", [tuple(pair) for pair in topology.bonds.tolist()])
    if positions is not None:
        _load(universe, np.asarray(positions, dtype=np.float32), box)
    return universe


def _load(universe: MDAnalysis.Universe, positions: FloatArray, box: npt.ArrayLike | None) -> None:
    from MDAnalysis.lib.mdamath import triclinic_box

    frames = positions[None] if positions.ndim == 2 else positions
    if frames.ndim != 3 or frames.shape[1:] != (len(universe.atoms), 3):
        raise TopologyError(f"positions of shape {positions.shape} do not fit {len(universe.atoms)} atoms")
    dimensions = None
    if box is not None:
        boxes = np.asarray(box, dtype=np.float64) / NM_PER_ANGSTROM
        each = np.array([triclinic_box(*one) for one in boxes.reshape(-1, 3, 3)], dtype=np.float32)
        dimensions = each[0] if len(each) == 1 else each
    universe.load_new(frames / NM_PER_ANGSTROM, order="fac", dimensions=dimensions)
