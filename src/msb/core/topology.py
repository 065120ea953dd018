"""A system as an ordered list of (molecule template, count): a melt costs what one chain costs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from msb.core.arrays import Array, FloatArray, IntArray, read_only
from msb.core.template import Interaction, MoleculeTemplate
from msb.errors import TopologyError

if TYPE_CHECKING:
    import MDAnalysis
    import mdtraj
    import openmm

__all__ = ["Interaction", "MoleculeTemplate", "Topology"]


@dataclass(frozen=True)
class Topology:
    """Molecules in file order; the atoms of every molecule are consecutive.

    Everything with one entry an atom is expanded when first asked for and kept; what is said in templates
    (`molecules`, `offsets`, `blocks`, `split`) never is, so 100,000 copies are as light as one.

    Attributes
    ----------
    molecules : tuple of (MoleculeTemplate, int)
        Templates and how many copies follow one another; equal neighbours are merged, empty ones dropped.

    Raises
    ------
    TopologyError
        A count is negative.
    """

    molecules: tuple[tuple[MoleculeTemplate, int], ...]

    def __post_init__(self) -> None:
        """Merge equal neighbours and drop empty ones."""
        merged: list[tuple[MoleculeTemplate, int]] = []
        for template, count in self.molecules:
            if count < 0:
                raise TopologyError(f"{count} copies of {template.name!r}: a count cannot be negative")
            if merged and count and merged[-1][0] == template:
                merged[-1] = (merged[-1][0], merged[-1][1] + int(count))
            elif count:
                merged.append((template, int(count)))
        object.__setattr__(self, "molecules", tuple(merged))

    @classmethod
    def from_template(cls, template: MoleculeTemplate, count: int = 1) -> Topology:
        """Return `count` copies of one molecule.

        Parameters
        ----------
        template : MoleculeTemplate
            The molecule.
        count : int
            Copies.

        Returns
        -------
        Topology
        """
        return cls(((template, count),))

    @classmethod
    def from_universe(cls, universe: MDAnalysis.Universe, *, guess_bonds: bool | None = None) -> Topology:
        """Make a topology from an MDAnalysis Universe; see `msb.core.convert.from_universe`."""
        from msb.core.convert import from_universe

        return from_universe(universe, guess_bonds=guess_bonds)

    @classmethod
    def from_openmm(cls, topology: openmm.app.Topology, system: openmm.System | None = None) -> Topology:
        """Make a topology from OpenMM's; see `msb.core.convert_openmm.from_openmm`."""
        from msb.core.convert_openmm import from_openmm

        return from_openmm(topology, system)

    @classmethod
    def from_mdtraj(cls, topology: mdtraj.Topology) -> Topology:
        """Make a topology from mdtraj's; see `msb.core.convert.from_mdtraj`."""
        from msb.core.convert import from_mdtraj

        return from_mdtraj(topology)

    @classmethod
    def polymer(
        cls,
        oligomer: MoleculeTemplate | Topology,
        head: int | Sequence[int],
        unit: int | Sequence[int],
        tail: int | Sequence[int],
        n: int,
        *,
        count: int = 1,
        strict: bool = True,
    ) -> Topology:
        """Return `count` chains head + `n` units + tail, cut from an oligomer; see `polymer_template`."""
        from msb.core.polymer import polymer_template

        if isinstance(oligomer, Topology):
            oligomer = oligomer.only_template()
        return cls.from_template(polymer_template(oligomer, head, unit, tail, n, strict=strict), count)

    def only_template(self) -> MoleculeTemplate:
        """Return the template of a system of one kind of molecule.

        Raises
        ------
        TopologyError
            There is none, or there are several.
        """
        if len(self.templates) != 1:
            names = ", ".join(template.name for template in self.templates) or "nothing"
            raise TopologyError(f"one kind of molecule is needed here, but the system holds {names}")
        return self.templates[0]

    @cached_property
    def templates(self) -> tuple[MoleculeTemplate, ...]:
        """The different templates, in the order of their first appearance."""
        return tuple(dict.fromkeys(template for template, _ in self.molecules))

    @cached_property
    def offsets(self) -> IntArray:
        """First atom of every block, and the number of atoms at the end, (blocks + 1,)."""
        sizes = [template.n_atoms * count for template, count in self.molecules]
        return read_only(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return int(self.offsets[-1])

    @property
    def n_molecules(self) -> int:
        """Number of molecules."""
        return sum(count for _, count in self.molecules)

    @property
    def n_residues(self) -> int:
        """Number of residues."""
        return sum(len(template.residue_names) * count for template, count in self.molecules)

    def blocks(self) -> Iterator[tuple[MoleculeTemplate, int, int]]:
        """Yield (template, first atom, count) for every run of equal molecules."""
        for (template, count), first in zip(self.molecules, self.offsets.tolist(), strict=False):
            yield template, first, count

    def split(self, values: Array) -> list[tuple[MoleculeTemplate, Array]]:
        """Return views of per-atom values, block by block, with molecules and their atoms on own axes.

        Parameters
        ----------
        values : ndarray or Tensor (..., n_atoms, 3)
            Positions, forces, anything with atoms on the last axis but one.

        Returns
        -------
        list of (MoleculeTemplate, ndarray or Tensor (..., count, template.n_atoms, 3))

        Raises
        ------
        TopologyError
            The values are for another number of atoms.
        """
        if values.ndim < 2 or values.shape[-2] != self.n_atoms:
            raise TopologyError(
                f"values of shape {tuple(values.shape)} do not fit {self.n_atoms} atoms (..., N, 3)"
            )
        shape: tuple[int, ...] = tuple(values.shape)
        return [
            (t, values[..., a : a + t.n_atoms * k, :].reshape((*shape[:-2], k, t.n_atoms, shape[-1])))
            for t, a, k in self.blocks()
        ]

    def expand(self, of: Callable[[MoleculeTemplate], IntArray]) -> IntArray:
        """Return atom indices of all molecules, from indices of their templates.

        Parameters
        ----------
        of : callable
            Gives the template's own indices, (K, m): ``lambda template: template.angles``.

        Returns
        -------
        ndarray (total, m)
            Molecule by molecule, in the system's numbering.
        """
        parts = []
        for template, first, count in self.blocks():
            local = np.asarray(of(template), dtype=np.int64)
            starts = first + template.n_atoms * np.arange(count)
            parts.append((local[None] + starts.reshape(-1, *[1] * local.ndim)).reshape(-1, *local.shape[1:]))
        return np.concatenate(parts) if parts else np.empty((0, 2), dtype=np.int64)

    def _tile(self, field: str, dtype: type[np.generic]) -> npt.NDArray[Any]:
        parts = [np.tile(np.asarray(getattr(t, field), dtype=dtype), count) for t, count in self.molecules]
        return read_only(np.concatenate(parts) if parts else np.empty(0, dtype=dtype))

    @cached_property
    def atom_names(self) -> npt.NDArray[np.str_]:
        """Names, (N,)."""
        return self._tile("atom_names", np.str_)

    @cached_property
    def atom_types(self) -> npt.NDArray[np.str_]:
        """Force-field types, (N,)."""
        return self._tile("atom_types", np.str_)

    @cached_property
    def elements(self) -> npt.NDArray[np.str_]:
        """Chemical symbols, (N,)."""
        return self._tile("elements", np.str_)

    @cached_property
    def masses(self) -> FloatArray:
        """Masses in amu, (N,)."""
        return self._tile("masses", np.float64)

    @cached_property
    def charges(self) -> FloatArray:
        """Charges in e, (N,)."""
        return self._tile("charges", np.float64)

    @cached_property
    def residue_names(self) -> npt.NDArray[np.str_]:
        """Residue names, one a residue."""
        return self._tile("residue_names", np.str_)

    @cached_property
    def residue_numbers(self) -> IntArray:
        """Residue numbers, one a residue.

        Molecules of several residues keep their own; those of one are counted through after the largest of
        them, as GROMACS does.
        """
        own = [max(t.residue_numbers) for t, _ in self.molecules if len(t.residue_names) > 1]
        last, parts = max(own, default=0), []
        for template, count in self.molecules:
            numbers = np.tile(np.array(template.residue_numbers, dtype=np.int64), count)
            if len(template.residue_names) == 1:
                numbers = last + 1 + np.arange(count)
                last += count
            parts.append(numbers)
        return read_only(np.concatenate(parts) if parts else np.empty(0, dtype=np.int64))

    @cached_property
    def residue_index(self) -> IntArray:
        """The residue of every atom, counted through the system, (N,)."""
        parts, first = [np.empty(0, dtype=np.int64)], 0
        for template, count in self.molecules:
            steps = len(template.residue_names) * np.arange(count)
            parts.append((first + steps[:, None] + template.residue_index).ravel())
            first += len(template.residue_names) * count
        return read_only(np.concatenate(parts))

    @cached_property
    def molecule_index(self) -> IntArray:
        """The molecule of every atom, counted through the system, (N,)."""
        sizes = [np.full(count, template.n_atoms) for template, count in self.molecules]
        repeats = np.concatenate([np.empty(0, dtype=np.int64), *sizes])
        return read_only(np.repeat(np.arange(self.n_molecules), repeats))

    @cached_property
    def bonds(self) -> IntArray:
        """All bonds, (B, 2)."""
        return read_only(self.expand(lambda template: template.bonds))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the templates' content and their counts."""
        text = "\n".join(f"{template.content_hash} {count}" for template, count in self.molecules)
        return hashlib.sha256(text.encode()).hexdigest()

    def __repr__(self) -> str:
        parts = ", ".join(f"{count} x {template.name}" for template, count in self.molecules)
        return f"<Topology {parts}: {self.n_atoms} atoms>"

    def to_dict(self) -> dict[str, Any]:
        """Return the system as JSON takes it, every template once.

        Returns
        -------
        dict
            `from_dict` undoes it.
        """
        number = {template: n for n, template in enumerate(self.templates)}
        return {
            "templates": [template.to_dict() for template in self.templates],
            "molecules": [[number[template], count] for template, count in self.molecules],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Topology:
        """Make the system that `to_dict` wrote.

        Parameters
        ----------
        plain : mapping
            From JSON.

        Returns
        -------
        Topology

        Raises
        ------
        TopologyError
            This is not a topology.
        """
        if set(plain) != {"templates", "molecules"}:
            raise TopologyError(f"this is not a topology: keys {', '.join(sorted(plain))}")
        templates = [MoleculeTemplate.from_dict(entry) for entry in plain["templates"]]
        return cls(tuple((templates[number], count) for number, count in plain["molecules"]))

    def to_universe(
        self, positions: npt.ArrayLike | None = None, box: npt.ArrayLike | None = None
    ) -> MDAnalysis.Universe:
        """Return an MDAnalysis Universe; see `msb.core.convert.to_universe`."""
        from msb.core.convert import to_universe

        return to_universe(self, positions, box)
