"""The mapping of one molecule: which atoms make a bead, in what proportions, and who places each atom."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from msb.core.arrays import FloatArray, IntArray
from msb.core.bead_groups import BeadGroup, Unlisted, Weighting, bead_matrix
from msb.core.force_map import dependent_beads, force_map, response
from msb.core.mapping_checks import (
    canonical,
    check_template,
    equal_shares,
    frozen,
    rows_from_lists,
    rows_to_lists,
    sorted_pairs,
)
from msb.core.template import MoleculeTemplate
from msb.errors import MappingError

__all__ = ["MappingTemplate"]


@dataclass(frozen=True, eq=False)
class MappingTemplate:
    """Beads of one molecule as a sparse matrix: beads = W x atoms.

    Attributes
    ----------
    molecule : str
        Name of the molecule.
    atom_names : tuple of str (n_atoms,)
    bead_names, bead_types : tuple of str (n_beads,)
    weights : csr_matrix (n_beads, n_atoms)
        W; no entry is negative and every row sums to 1.
    owner : ndarray (n_atoms,) int64
        The bead that places each atom; weightless atoms have one too.
    bead_bonds : ndarray (K, 2) int64
        Bonds between beads, i < j, sorted.
    aliases : dict of str to tuple of str
        Other names of the bead types.
    fractions : csr_matrix (n_beads, n_atoms)
        Share of each atom's mass that the bead holds; a column sums to at most 1.
    weighting : {'mass', 'geometry', 'given'}
        Where the weights came from.
    masses : ndarray (n_atoms,) or None
        In amu; what the weights were made with, where known.
    residue_index : ndarray (n_atoms,) int64
        Residue of each atom, from 0; `residue_names` and `residue_numbers` describe the residues.
    bead_residue : ndarray (n_beads,) int64
        Residue of each bead: that of its heaviest atom.

    Raises
    ------
    MappingError
        Where the parts do not fit together.
    """

    molecule: str
    atom_names: tuple[str, ...]
    bead_names: tuple[str, ...]
    bead_types: tuple[str, ...]
    weights: csr_matrix
    owner: IntArray
    bead_bonds: IntArray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fractions: csr_matrix = None
    weighting: Weighting = "given"
    masses: FloatArray | None = None
    residue_index: IntArray = None  # type: ignore[assignment]  # one residue
    residue_names: tuple[str, ...] = ()
    residue_numbers: tuple[int, ...] = ()
    bead_residue: IntArray = None  # type: ignore[assignment]  # the heaviest atom's

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        weights = canonical(self.weights)
        put("weights", weights)
        put("fractions", equal_shares(weights) if self.fractions is None else canonical(self.fractions))
        put("owner", frozen(self.owner, np.int64))
        put("bead_bonds", sorted_pairs(self.bead_bonds))
        put("masses", None if self.masses is None else frozen(self.masses, np.float64))
        put("aliases", {name: tuple(others) for name, others in self.aliases.items()})
        index = np.zeros(len(self.atom_names)) if self.residue_index is None else self.residue_index
        put("residue_index", frozen(index, np.int64))
        put("residue_names", tuple(self.residue_names) or (self.molecule,))
        put("residue_numbers", tuple(self.residue_numbers) or tuple(range(1, len(self.residue_names) + 1)))
        if self.bead_residue is None and weights.shape == (self.n_beads, self.n_atoms):
            put("bead_residue", self.residue_index[np.asarray(weights.argmax(axis=1)).ravel()])
        put("bead_residue", frozen(self.bead_residue, np.int64))
        check_template(self)

    @classmethod
    def from_mass(
        cls,
        template: MoleculeTemplate,
        groups: Sequence[BeadGroup],
        *,
        unlisted: Unlisted = "error",
        bead_bonds: Any = None,
        aliases: MappingOf[str, Sequence[str]] | None = None,
    ) -> MappingTemplate:
        """Put each bead at the centre of mass of its shares of atoms.

        Parameters
        ----------
        template : MoleculeTemplate
            The molecule.
        groups : sequence of BeadGroup
        unlisted : {'error', 'nearest'}
            Atoms that no bead names: refused, or weightless and placed by the bead nearest along the bonds.
        bead_bonds : array_like (K, 2), optional
            By default, beads whose atoms are bonded are bonded.
        aliases : mapping of str to sequence of str, optional

        Raises
        ------
        MappingError
            See `msb.core.bead_groups.bead_matrix`.
        """
        return cls._build(template, groups, "mass", unlisted, bead_bonds, aliases)

    @classmethod
    def from_geometry(
        cls,
        template: MoleculeTemplate,
        groups: Sequence[BeadGroup],
        *,
        unlisted: Unlisted = "error",
        bead_bonds: Any = None,
        aliases: MappingOf[str, Sequence[str]] | None = None,
    ) -> MappingTemplate:
        """Put each bead at the plain mean of its shares of atoms; parameters as for `from_mass`."""
        return cls._build(template, groups, "geometry", unlisted, bead_bonds, aliases)

    @classmethod
    def given(
        cls,
        template: MoleculeTemplate,
        groups: Sequence[BeadGroup],
        *,
        unlisted: Unlisted = "error",
        bead_bonds: Any = None,
        aliases: MappingOf[str, Sequence[str]] | None = None,
    ) -> MappingTemplate:
        """Put each bead at the mean weighted by the groups' `weights`; parameters as for `from_mass`."""
        return cls._build(template, groups, "given", unlisted, bead_bonds, aliases)

    @classmethod
    def from_atoms(
        cls, template: MoleculeTemplate, atoms: Sequence[int], *, types: Sequence[str] | None = None
    ) -> MappingTemplate:
        """Make single atoms the beads, with the atoms' names; the nearest bead places every other atom.

        Parameters
        ----------
        template : MoleculeTemplate
        atoms : sequence of int
            Indices from 0.
        types : sequence of str, optional
            Bead types; the names by default.
        """
        names = [template.atom_names[a] if 0 <= a < len(template.atom_names) else f"#{a + 1}" for a in atoms]
        kinds = names if types is None else types
        groups = [BeadGroup(n, (int(a),), kind) for n, a, kind in zip(names, atoms, kinds, strict=True)]
        return cls._build(template, groups, "mass", "nearest", None, None)

    @classmethod
    def _build(
        cls,
        template: MoleculeTemplate,
        groups: Sequence[BeadGroup],
        weighting: Weighting,
        unlisted: Unlisted,
        bead_bonds: Any,
        aliases: MappingOf[str, Sequence[str]] | None,
    ) -> MappingTemplate:
        made = bead_matrix(template, groups, weighting, unlisted)
        crossing = made.owner[np.asarray(template.bonds, dtype=np.int64).reshape(-1, 2)]
        derived = crossing[crossing[:, 0] != crossing[:, 1]]
        return cls(
            molecule=template.name,
            atom_names=tuple(template.atom_names),
            bead_names=tuple(group.name for group in groups),
            bead_types=tuple(group.type or group.name for group in groups),
            weights=made.weights,
            owner=made.owner,
            bead_bonds=derived if bead_bonds is None else bead_bonds,
            aliases={name: tuple(others) for name, others in (aliases or {}).items()},
            fractions=made.fractions,
            weighting=weighting,
            masses=np.asarray(template.masses),
            residue_index=np.asarray(template.residue_index),
            residue_names=tuple(template.residue_names),
            residue_numbers=tuple(template.residue_numbers),
            bead_residue=made.residue,
        )

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.atom_names)

    @property
    def n_beads(self) -> int:
        """Number of beads."""
        return len(self.bead_names)

    def bead_masses(self, masses: FloatArray | None = None) -> FloatArray:
        """Sum each bead's shares of the atoms' masses (n_beads,), amu; `masses` are its own by default."""
        return np.asarray(self.fractions @ self._masses(masses))

    def force_map(self, masses: FloatArray | None = None) -> csr_matrix:
        """Matrix B (n_beads, n_atoms) with B W^T = 1 that makes bead forces of atomic ones.

        See `msb.core.force_map.force_map`.

        Raises
        ------
        MappingError
            When beads are not independent, or an atom with weight has no mass.
        """
        return force_map(self.weights, self._for_inversion(masses))

    def response(self, masses: FloatArray | None = None) -> csr_matrix:
        """How atoms follow beads at the least mass-weighted displacement (n_atoms, n_beads).

        See `msb.core.force_map.response`; raises as `force_map`.
        """
        return response(self.weights, self._for_inversion(masses))

    @cached_property
    def is_consistent(self) -> bool:
        """Whether the beads are independent, so that a force map with B W^T = 1 exists."""
        return dependent_beads(self.weights) is None

    def _for_inversion(self, masses: FloatArray | None) -> FloatArray:
        masses = self._masses(masses)
        massless = [self.atom_names[a] for a in np.unique(self.weights.indices) if not masses[a] > 0]
        if massless:
            raise MappingError(
                f"mapping of {self.molecule}: {', '.join(massless[:8])} have weight but no mass;"
                " mass-weighted forces and displacements need one."
            )
        beads = dependent_beads(self.weights)
        if beads is not None:
            names = ", ".join(self.bead_names[b] for b in beads[:8])
            raise MappingError(
                f"mapping of {self.molecule}: the beads {names} are"
                " not independent (some stand on the same atoms), so no force map exists and not every set of"
                " bead positions can be met. Merge them or change their weights."
            )
        return masses

    def _masses(self, masses: FloatArray | None) -> FloatArray:
        chosen = self.masses if masses is None else np.asarray(masses, dtype=np.float64)
        if chosen is None:
            raise MappingError(f"mapping of {self.molecule} has no masses of its own: give the atoms'.")
        if len(chosen) != self.n_atoms:
            raise MappingError(f"mapping of {self.molecule} has {self.n_atoms} atoms, not {len(chosen)}.")
        return chosen

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain lists and numbers, fit for JSON."""
        w, f = self.weights, self.fractions
        return {
            "molecule": self.molecule,
            "atom_names": list(self.atom_names),
            "bead_names": list(self.bead_names),
            "bead_types": list(self.bead_types),
            "weights": rows_to_lists(w),
            "fractions": rows_to_lists(f),
            "owner": self.owner.tolist(),
            "bead_bonds": self.bead_bonds.tolist(),
            "aliases": {name: list(others) for name, others in sorted(self.aliases.items())},
            "weighting": self.weighting,
            "masses": None if self.masses is None else self.masses.tolist(),
            "residue_index": self.residue_index.tolist(),
            "residue_names": list(self.residue_names),
            "residue_numbers": list(self.residue_numbers),
            "bead_residue": self.bead_residue.tolist(),
        }

    @classmethod
    def from_dict(cls, data: MappingOf[str, Any]) -> MappingTemplate:
        """Undo `to_dict`; raises MappingError when a part is missing or does not fit."""
        try:
            parts = dict(data)
            shape = (len(parts["bead_names"]), len(parts["atom_names"]))
            for name in ("weights", "fractions"):
                parts[name] = rows_from_lists(parts[name], shape)
            for name in ("atom_names", "bead_names", "bead_types", "residue_names", "residue_numbers"):
                parts[name] = tuple(parts[name])
            return cls(**parts)
        except (KeyError, TypeError, ValueError) as error:
            raise MappingError(f"this is not a mapping as written by to_dict: {error}.") from error

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything but the residues' numbers; equal mappings have equal hashes."""
        content = self.to_dict()
        del content["residue_numbers"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MappingTemplate) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)
