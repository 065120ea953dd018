"""The mapping of a whole system: molecule by molecule, all copies at once, in numpy and torch."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy import sparse

from msb.core.arrays import Array, FloatArray, IntArray, read_only
from msb.core.bead_groups import nearest_names
from msb.core.elements import NO_ELEMENT
from msb.core.mapping_template import MappingTemplate
from msb.core.projection import (
    Block,
    BlockPlan,
    Constraints,
    Projection,
    Settings,
    plan_blocks,
    project_blocks,
)
from msb.core.sparse_map import SparseMap, as_plain_array, concatenate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MappingError

__all__ = ["Mapping"]

_ROUNDING = 4.0  # machine epsilons of the largest coordinate, by which a sum or distance may be off
_PLANS = 4  # sets of constraints whose preparation is kept


class Mapping:
    """Atoms to beads for every molecule of a topology.

    Numpy arrays in, numpy arrays out; tensors in, tensors out, differentiable.  Molecules must be whole
    (`msb.core.box.make_whole`): a mapping knows no box.

    Parameters
    ----------
    templates : mapping of str to MappingTemplate, or sequence of MappingTemplate
        By molecule name, or one for each block of `topology.molecules`.
    topology : Topology

    Raises
    ------
    MappingError
        When a molecule has no mapping, or its atoms are others or in another order than the mapping's.
    """

    def __init__(
        self, templates: MappingOf[str, MappingTemplate] | Sequence[MappingTemplate], topology: Topology
    ) -> None:
        chosen = _assign(templates, topology)
        self.topology = topology
        self.templates: tuple[MappingTemplate, ...] = tuple(chosen)
        blocks, first_bead = [], 0
        for template, (molecule, first_atom, count) in zip(chosen, topology.blocks(), strict=True):
            _check_atoms(template, molecule)
            blocks.append(Block(template, first_atom, first_bead, count, np.asarray(molecule.masses)))
            first_bead += count * template.n_beads
        self.blocks: tuple[Block, ...] = tuple(blocks)
        self.n_atoms, self.n_beads = topology.n_atoms, first_bead
        self._weights = [SparseMap(block.template.weights) for block in blocks]
        self._plans: dict[Any, list[BlockPlan]] = {}

    def beads(self, positions: Array) -> Array:
        """Map positions to the beads, W x.

        Parameters
        ----------
        positions : ndarray or Tensor (..., N, 3)
            nm.

        Returns
        -------
        ndarray or Tensor (..., M, 3)
            nm.

        Raises
        ------
        MappingError
            When the number of atoms is another.
        """
        return self._apply(self._weights, positions)

    def bead_forces(self, forces: Array) -> Array:
        """Map forces to the beads, B f, with the consistent map of `msb.core.force_map.force_map`.

        B W^T = 1; plain sums over a bead's atoms where it shares none, otherwise
        B = (W M^-1 W^T)^-1 W M^-1.  Any such B has the same mean force, not the same distribution of forces.

        Parameters
        ----------
        forces : ndarray or Tensor (..., N, 3)
            kJ/mol/nm.

        Returns
        -------
        ndarray or Tensor (..., M, 3)
            kJ/mol/nm.

        Raises
        ------
        MappingError
            When the number of atoms is another, or the beads of a molecule are not independent.
        """
        return self._apply(self._force_maps, forces)

    @cached_property
    def _force_maps(self) -> list[SparseMap]:
        return [SparseMap(block.template.force_map(block.masses)) for block in self.blocks]

    @property
    def is_consistent(self) -> bool:
        """Whether the beads of every molecule are independent, so that forces and projections exist."""
        return all(template.is_consistent for template in self.templates)

    def project(
        self,
        positions: Array,
        beads: Array,
        constraints: Constraints | None = None,
        *,
        tolerance: float = 1e-7,
        max_iterations: int = 60,
    ) -> Projection[Array]:
        """Move the atoms as little as possible so that their beads are the given ones.

        Minimises ``sum_i m_i |x_i - positions_i|^2`` subject to W x = beads and ``|x_i - x_j| = length`` for
        the constrained bonds, all solved together (Newton iterations on the multipliers, in float64, molecule
        by molecule).  Weightless atoms follow their beads through constrained bonds only: without constraints
        the bonds to them, and those between beads, change.  A bond between two atoms that are beads by
        themselves has the length the beads give it, and is left out.  Frames that are met stay as they are.

        Parameters
        ----------
        positions : ndarray or Tensor (..., N, 3)
            nm, whole molecules in the same periodic image as their beads.
        beads : ndarray or Tensor (..., M, 3)
            nm.
        constraints : (pairs (K, 2), lengths (K,)), optional
            Bonds to bring to their lengths, by atoms of the system and in nm.
        tolerance : float
            nm; rounding of the input's precision comes on top.
        max_iterations : int

        Returns
        -------
        Projection
            Positions in the kind and precision they came in (differentiable with respect to both inputs),
            displacement per frame, and whether the bonds converged.

        Raises
        ------
        MappingError
            When numbers of atoms, beads or frames do not fit, beads are not independent, or a constraint
            makes no sense.
        """
        values = as_plain_array(positions)
        x = torch.as_tensor(values)
        target = torch.as_tensor(as_plain_array(beads), device=x.device)
        self._check_shape(x, self.n_atoms, "atoms")
        self._check_shape(target, self.n_beads, "beads")
        if x.shape[:-2] != target.shape[:-2]:
            raise MappingError(
                f"atoms of {tuple(x.shape[:-2])} frames cannot go with beads of {tuple(target.shape[:-2])}."
            )
        frames = x.shape[:-2]
        start, goal = (v.double().reshape(-1, *v.shape[-2:]) for v in (x, target))
        largest = start.detach().abs().flatten(1).amax(1)  # of each frame, so that no frame knows of another
        rounding = largest * (_ROUNDING * max(torch.finfo(v.dtype).eps for v in (x, target)))
        plans = self._plan(constraints)
        settings = Settings(tolerance, rounding, max_iterations)
        moved, met = project_blocks(plans, start, goal, settings)
        square = (moved - start).square().sum(-1)
        parts = (
            moved.to(x.dtype).reshape(x.shape),
            square.mean(-1).sqrt().to(x.dtype).reshape(frames),
            square.amax(-1).sqrt().to(x.dtype).reshape(frames),
            met.reshape(frames),
        )
        return Projection(*(parts if isinstance(values, torch.Tensor) else (part.numpy() for part in parts)))

    def _plan(self, constraints: Constraints | None) -> list[BlockPlan]:
        key: Any = None
        if constraints is not None:
            pairs, lengths = (
                np.asarray(constraints[0], dtype=np.int64),
                np.asarray(constraints[1], dtype=np.float64),
            )
            constraints, key = (pairs, lengths), (pairs.tobytes(), lengths.tobytes())
        if key not in self._plans:
            while len(self._plans) >= _PLANS:
                self._plans.pop(next(iter(self._plans)))
            self._plans[key] = plan_blocks(self.blocks, constraints)
        return self._plans[key]

    @cached_property
    def owner(self) -> IntArray:
        """Bead that places each atom (N,), counted through the system."""
        parts = [
            (b.template.owner + b.first_bead + b.template.n_beads * np.arange(b.count)[:, None]).ravel()
            for b in self.blocks
        ]
        return read_only(np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64))

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        """W of the whole system (M, N): beads = W @ atoms."""
        blocks = [sparse.kron(sparse.eye(b.count), b.template.weights) for b in self.blocks]
        return sparse.csr_matrix(sparse.block_diag(blocks))

    @cached_property
    def bead_masses(self) -> FloatArray:
        """Mass of each bead (M,), amu."""
        parts = [np.tile(b.template.bead_masses(b.masses), b.count) for b in self.blocks]
        return read_only(np.concatenate(parts) if parts else np.zeros(0))

    def bead_topology(self) -> Topology:
        """Describe the beads as a topology of their own, with masses, charges, residues and bonds."""
        return Topology(
            tuple(
                (_bead_molecule(block, molecule), block.count)
                for block, (molecule, _) in zip(self.blocks, self.topology.molecules, strict=True)
            )
        )

    def reorder(self, names: Sequence[str], residues: Sequence[Any] | None = None) -> IntArray:
        """Find the order that brings beads in another order within their molecules into this mapping's.

        Parameters
        ----------
        names : sequence of str (M,)
            Names of the beads as they come.
        residues : sequence (M,), optional
            Their residues' names, used where a molecule has several beads of one name.  Beads that are alike
            in both keep their order.

        Returns
        -------
        ndarray (M,) int64
            `beads[..., order, :]` fits this mapping; `arange(M)` where it did already.

        Raises
        ------
        MappingError
            When the number of beads is another, or a molecule has other beads; unknown names come with the
            nearest known ones.
        """
        if len(names) != self.n_beads:
            raise MappingError(f"there are {len(names)} beads; the mapping has {self.n_beads}.")
        parts = [np.arange(0)]
        for block in self.blocks:
            last = block.first_bead + block.count * block.template.n_beads
            parts.append(
                block.first_bead + _order_in_block(block, names, residues, slice(block.first_bead, last))
            )
        return np.concatenate(parts).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Templates, one for each block of the topology, as plain lists and numbers."""
        return {"templates": [template.to_dict() for template in self.templates]}

    @classmethod
    def from_dict(cls, data: MappingOf[str, Any], topology: Topology) -> Mapping:
        """Undo `to_dict`, for the same topology."""
        return cls([MappingTemplate.from_dict(entry) for entry in data["templates"]], topology)

    def _apply(self, maps: list[SparseMap], values: Array) -> Array:
        values = as_plain_array(values)
        self._check_shape(values, self.n_atoms, "atoms")
        parts = []
        for block, matrix in zip(self.blocks, maps, strict=True):
            n, m = block.template.n_atoms, block.template.n_beads
            part = values[..., block.first_atom : block.first_atom + n * block.count, :]
            frames = values.shape[:-2]
            parts.append(
                matrix(part.reshape(*frames, block.count, n, 3)).reshape(*frames, block.count * m, 3)
            )
        return concatenate(parts, -2)  # type: ignore[no-any-return]

    def _check_shape(self, values: Any, n: int, what: str) -> None:
        if values.ndim < 2 or tuple(values.shape[-2:]) != (n, 3):
            raise MappingError(
                f"the mapping has {n} {what}: it needs (..., {n}, 3), not {tuple(values.shape)}."
            )


def _assign(
    templates: MappingOf[str, MappingTemplate] | Sequence[MappingTemplate], topology: Topology
) -> list[MappingTemplate]:
    """Give each block its template."""
    if not isinstance(templates, MappingOf):
        if len(templates) != len(topology.molecules):
            raise MappingError(
                f"there are {len(templates)} mappings for {len(topology.molecules)} blocks of molecules;"
                " give one for each."
            )
        return list(templates)
    chosen = []
    for molecule, _ in topology.molecules:
        found = templates.get(molecule.name)
        if found is None:
            fitting = [t for t in templates.values() if t.atom_names == tuple(molecule.atom_names)]
            if len(fitting) != 1:
                known = ", ".join(sorted(templates)) or "none"
                raise MappingError(
                    f"molecule {molecule.name} has no mapping (there are: {known});"
                    " add one, or leave the molecule out of the topology."
                )
            found = fitting[0]
        chosen.append(found)
    return chosen


def _check_atoms(template: MappingTemplate, molecule: MoleculeTemplate) -> None:
    ours, theirs = template.atom_names, tuple(molecule.atom_names)
    if ours == theirs:
        return
    start = f"mapping of {template.molecule} and molecule {molecule.name} differ: "
    if len(ours) != len(theirs):
        raise MappingError(f"{start}{len(ours)} atoms against {len(theirs)}.")
    first = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
    where = f"atom {first + 1} is {ours[first]} in the mapping and {theirs[first]} in the molecule"
    if sorted(ours) == sorted(theirs):
        raise MappingError(f"{start}the same atoms in another order ({where}); use the mapping's order.")
    missing = [f"{name}{nearest_names(name, theirs)}" for name in dict.fromkeys(ours) if name not in theirs]
    raise MappingError(f"{start}{where}; not in the molecule: {', '.join(missing[:12]) or 'none'}.")


def _bead_molecule(block: Block, molecule: MoleculeTemplate) -> MoleculeTemplate:
    template = block.template
    single = np.diff(template.weights.indptr) == 1
    atom = template.weights.indices[template.weights.indptr[:-1]]
    elements = [molecule.elements[a] if alone else NO_ELEMENT for a, alone in zip(atom, single, strict=True)]
    return MoleculeTemplate.from_atoms(
        template.molecule,
        template.bead_names,
        bonds=template.bead_bonds,
        atom_types=template.bead_types,
        elements=elements,
        masses=template.bead_masses(block.masses),
        charges=np.asarray(template.fractions @ np.asarray(molecule.charges)),
        residue_index=template.bead_residue,
        residue_names=template.residue_names,
        residue_numbers=template.residue_numbers,
    )


def _order_in_block(
    block: Block, names: Sequence[str], residues: Sequence[Any] | None, where: slice
) -> IntArray:
    """Order (count * n_beads,) of the beads of one block, from its first."""
    template, m = block.template, block.template.n_beads
    own: list[Any] = list(template.bead_names)
    given: list[Any] = list(names[where])
    unknown = sorted(set(given) - set(own))
    if unknown:
        hints = ", ".join(name + nearest_names(name, own) for name in unknown[:12])
        raise MappingError(f"mapping of {template.molecule} has no beads named {hints}.")
    if residues is not None and len(set(own)) < m:
        of_bead = [template.residue_names[r] for r in template.bead_residue]
        own = list(zip(of_bead, own, strict=True))
        given = [(str(r), n) for r, n in zip(residues[where], given, strict=True)]
    code = {key: number for number, key in enumerate(dict.fromkeys([*own, *given]))}
    ours = np.array([code[key] for key in own], dtype=np.int64)
    theirs = np.array([code[key] for key in given], dtype=np.int64).reshape(block.count, m)
    source, goal = np.argsort(theirs, axis=1, kind="stable"), np.argsort(ours, kind="stable")
    wrong = np.flatnonzero((np.take_along_axis(theirs, source, axis=1) != ours[goal]).any(axis=1))
    if len(wrong):
        raise MappingError(
            f"molecule {wrong[0] + 1} of {template.molecule} does not have the mapping's beads, each as"
            f" often; it has {', '.join(map(str, given[wrong[0] * m : wrong[0] * m + m][:24]))}."
        )
    order = np.empty((block.count, m), dtype=np.int64)
    order[:, goal] = source
    return np.asarray((order + m * np.arange(block.count)[:, None]).ravel())
