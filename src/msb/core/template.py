"""One molecule's chemistry: atoms, bonds, force-field interactions, and everything that follows from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from msb.core.arrays import FloatArray, IntArray, read_only
from msb.core.derived import BondedStructure
from msb.core.elements import NO_ELEMENT, STANDARD_MASSES, guess_element
from msb.core.graph import SpanningTree, spanning_tree
from msb.errors import TopologyError

__all__ = ["Interaction", "MoleculeTemplate", "same_atoms"]

_PER_ATOM = ("atom_types", "elements", "masses", "charges", "residue_index")


@dataclass(frozen=True, slots=True)
class Interaction:
    """One force-field entry of a molecule.

    Attributes
    ----------
    kind : str
        Its section as GROMACS names it: "bonds", "pairs", "angles", "dihedrals", "exclusions" ...
    atoms : tuple of int
        0-based atoms of the template.
    function : int
        GROMACS function number; 0 where the kind has none.
    parameters : tuple of float or str
        In GROMACS' units and order (nm, kJ/mol, degrees); a macro nobody defined stays the word it is.
    """

    kind: str
    atoms: tuple[int, ...]
    function: int = 0
    parameters: tuple[float | str, ...] = ()


@dataclass(frozen=True, eq=False)
class MoleculeTemplate(BondedStructure):
    """A molecule's atoms and bonds, without positions; two are equal when their content is.

    Handedness belongs to positions, not to the template: atactic chains share one. Residue numbers are
    carried but are not content, so that every water of a box is the same molecule.

    Attributes
    ----------
    name : str
        The molecule's name.
    atom_names, atom_types, elements : tuple of str, one an atom
        Names, force-field types, chemical symbols (`NO_ELEMENT` for beads and virtual sites).
    masses, charges : ndarray (n,)
        amu and e; mass 0 where it is not known.
    residue_index : ndarray (n,)
        The residue of every atom, counted from 0 within the molecule.
    residue_names : tuple of str, residue_numbers : tuple of int
        One a residue.
    bonds : ndarray (B, 2)
        i < j, sorted, no repeats.
    interactions : tuple of Interaction
        Force-field entries, in file order.
    nrexcl : int
        Pairs up to this many bonds apart have no non-bonded interaction.

    Raises
    ------
    TopologyError
        The pieces do not fit together; the message names the molecule and the piece.
    """

    name: str
    atom_names: tuple[str, ...]
    atom_types: tuple[str, ...]
    elements: tuple[str, ...]
    masses: FloatArray
    charges: FloatArray
    residue_index: IntArray
    residue_names: tuple[str, ...]
    residue_numbers: tuple[int, ...]
    bonds: IntArray
    interactions: tuple[Interaction, ...] = ()
    nrexcl: int = 3

    def __post_init__(self) -> None:
        """Bring the fields to their types, sort the bonds, and check that everything fits."""
        for field in ("atom_names", "atom_types", "elements", "residue_names"):
            self._set(field, tuple(str(word) for word in getattr(self, field)))
        self._set("residue_numbers", tuple(int(number) for number in self.residue_numbers))
        self._set("interactions", tuple(self.interactions))
        for field, kind in (("masses", np.float64), ("charges", np.float64), ("residue_index", np.int64)):
            self._set(field, read_only(np.array(getattr(self, field), dtype=kind)))
        bonds = np.sort(np.array(self.bonds, dtype=np.int64).reshape(-1, 2), axis=1)
        self._set("bonds", read_only(np.unique(bonds, axis=0)))
        self._check()

    def _set(self, field: str, value: Any) -> None:
        object.__setattr__(self, field, value)

    def _check(self) -> None:
        n, residues = self.n_atoms, len(self.residue_names)
        for field in _PER_ATOM:
            if len(getattr(self, field)) != n:
                found = len(getattr(self, field))
                raise TopologyError(
                    f"molecule {self.name!r} has {n} atoms but {found} {field}; give one an atom"
                )
        if len(self.residue_numbers) != residues:
            raise TopologyError(
                f"molecule {self.name!r} has {residues} residues, {len(self.residue_numbers)} numbers"
            )
        if n and not 0 <= self.residue_index.min() <= self.residue_index.max() < residues:
            raise TopologyError(f"molecule {self.name!r}: residue_index must lie in 0..{residues - 1}")
        if not (np.isfinite(self.masses).all() and np.isfinite(self.charges).all()):
            raise TopologyError(f"molecule {self.name!r} has a mass or a charge that is not a number")
        if len(self.bonds) and not 0 <= self.bonds.min() <= self.bonds.max() < n:
            raise TopologyError(f"molecule {self.name!r} has a bond to an atom outside 0..{n - 1}")
        if (self.bonds[:, 0] == self.bonds[:, 1]).any():
            raise TopologyError(f"molecule {self.name!r} has an atom bonded to itself")
        for entry in self.interactions:
            if entry.atoms and not 0 <= min(entry.atoms) <= max(entry.atoms) < n:
                raise TopologyError(
                    f"molecule {self.name!r}: {entry.kind} of atoms {entry.atoms}, outside 0..{n - 1}"
                )

    @classmethod
    def from_atoms(
        cls,
        name: str,
        atom_names: Sequence[str],
        *,
        bonds: Iterable[Sequence[int]] | IntArray = (),
        atom_types: Sequence[str] | None = None,
        elements: Sequence[str] | None = None,
        masses: npt.ArrayLike | None = None,
        charges: npt.ArrayLike | None = None,
        residue_index: npt.ArrayLike | None = None,
        residue_names: Sequence[str] | None = None,
        residue_numbers: Sequence[int] | None = None,
        interactions: Iterable[Interaction] = (),
        nrexcl: int = 3,
    ) -> MoleculeTemplate:
        """Make a template from what is known; what is not is guessed (elements, masses) or plain (the rest).

        Parameters
        ----------
        name, atom_names
            The molecule and its atoms.
        bonds : iterable of (i, j)
            Bonded pairs.
        atom_types, elements, masses, charges, residue_index, residue_names, residue_numbers
            As the attributes; without residues all atoms are in one, called after the molecule.
        interactions, nrexcl
            As the attributes.

        Returns
        -------
        MoleculeTemplate
        """
        n = len(atom_names)
        types = tuple(atom_types) if atom_types is not None else (None,) * n
        known = np.zeros(n) if masses is None else np.asarray(masses, dtype=np.float64)
        if elements is None:
            elements = [
                guess_element(a, t or "", m) for a, t, m in zip(atom_names, types, known, strict=True)
            ]
        if masses is None:
            known = np.array([STANDARD_MASSES.get(symbol, 0.0) for symbol in elements])
        index = (
            np.zeros(n, dtype=np.int64)
            if residue_index is None
            else np.asarray(residue_index, dtype=np.int64)
        )
        residues = (
            tuple(residue_names) if residue_names is not None else (name,) * int(index.max(initial=0) + 1)
        )
        return cls(
            name,
            tuple(atom_names),
            tuple(t if t is not None else e for t, e in zip(types, elements, strict=True)),
            tuple(elements),
            known,
            np.zeros(n) if charges is None else np.asarray(charges, dtype=np.float64),
            index,
            residues,
            tuple(residue_numbers) if residue_numbers is not None else tuple(range(1, len(residues) + 1)),
            np.array([list(pair) for pair in bonds], dtype=np.int64).reshape(-1, 2),
            tuple(interactions),
            nrexcl,
        )

    @cached_property
    def excluded_pairs(self) -> IntArray:
        """Pairs without non-bonded interaction, (P, 2): within `nrexcl` bonds, or listed as exclusions."""
        listed = [sorted(e.atoms) for e in self.interactions if e.kind == "exclusions"]
        pairs = [self.exclusions(self.nrexcl), np.array(listed, dtype=np.int64).reshape(-1, 2)]
        return read_only(np.unique(np.concatenate(pairs), axis=0))

    @cached_property
    def spanning_tree(self) -> SpanningTree:
        """A tree over the bonds, to make the molecule whole; virtual sites hang on what makes them."""
        linked = [list(around) for around in self.neighbours]
        made_of = {e.atoms[0]: e.atoms[1] for e in self.interactions if e.kind.startswith("virtual_sites")}
        for site, around in enumerate(self.neighbours):
            if not around and self.elements[site] == NO_ELEMENT:
                host = made_of.get(site, self._bonded_in_residue_of(site))
                if host is not None:
                    linked[site].append(host)
                    linked[host].append(site)
        return spanning_tree(linked)

    def _bonded_in_residue_of(self, atom: int) -> int | None:
        residue = np.flatnonzero(self.residue_index == self.residue_index[atom]).tolist()
        return next((other for other in residue if self.neighbours[other]), None)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of everything but the residue numbers."""
        content = self.to_dict()
        del content["residue_numbers"]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        """Equal content, whatever the residue numbers."""
        if not isinstance(other, MoleculeTemplate):
            return NotImplemented
        return self is other or self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def __repr__(self) -> str:
        return f"<MoleculeTemplate {self.name}: {self.n_atoms} atoms, {len(self.bonds)} bonds>"

    def to_dict(self) -> dict[str, Any]:
        """Return the template as JSON takes it.

        Returns
        -------
        dict
            `from_dict` undoes it.
        """
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            plain[field.name] = value.tolist() if isinstance(value, np.ndarray) else value
        for field_name in ("atom_names", "atom_types", "elements", "residue_names", "residue_numbers"):
            plain[field_name] = list(plain[field_name])
        plain["interactions"] = [
            [e.kind, list(e.atoms), e.function, list(e.parameters)] for e in self.interactions
        ]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> MoleculeTemplate:
        """Make the template that `to_dict` wrote.

        Parameters
        ----------
        plain : mapping
            From JSON.

        Returns
        -------
        MoleculeTemplate

        Raises
        ------
        TopologyError
            A key is missing or one is too many.
        """
        names = {field.name for field in fields(cls)}
        if set(plain) != names:
            odd = ", ".join(sorted(set(plain) ^ names))
            raise TopologyError(f"this is not a molecule template: missing or unknown keys {odd}")
        entries = tuple(Interaction(k, tuple(a), f, tuple(p)) for k, a, f, p in plain["interactions"])
        return cls(**{**plain, "interactions": entries})


def same_atoms(one: MoleculeTemplate, other: MoleculeTemplate) -> bool:
    """Whether two molecules have the same atoms and bonds, whatever their force fields say."""
    same = (one.elements, one.atom_names) == (other.elements, other.atom_names)
    return one is other or (same and np.array_equal(one.bonds, other.bonds))
