"""What of a projection is prepared once per molecule: held atoms, linear parts, coupled components."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from msb.core.arrays import FloatArray, IntArray
from msb.core.force_map import response
from msb.core.mapping_template import MappingTemplate
from msb.core.sparse_map import SparseMap
from msb.errors import MappingError

__all__ = ["Components", "Plan", "make_plan"]


@dataclass(frozen=True)
class Components:
    """C parts of a molecule of equal size, each a small system of equations of its own.

    Attributes
    ----------
    atoms : Tensor (C, n)
        Atoms that move, by their index in the molecule.
    fixed : Tensor (C, f)
        Held atoms at the other ends of bonds.
    beads : Tensor (C, b)
        Beads of several atoms.
    bonds : Tensor (C, k)
        Constrained bonds, by their place in the list of pairs.
    incidence, anchors : Tensor (C, k, n), (C, k, f)
        +1 and -1 where a moving or held atom is the first or second end of a bond.
    weights : Tensor (C, b, n)
        Weights of the moving atoms in the beads.
    response : Tensor (C, n, b)
        M^-1 W^T (W M^-1 W^T)^-1, how the atoms follow the beads alone.
    gradients, coupling : Tensor (C, c, n), (C, c, c)
        G, the rows of the weights, each three times, and of the incidence (c = 3 b + k), and G M^-1 G^T.
    masses : Tensor (C, n)
        amu.
    """

    atoms: Tensor
    fixed: Tensor
    beads: Tensor
    bonds: Tensor
    incidence: Tensor
    anchors: Tensor
    weights: Tensor
    response: Tensor
    gradients: Tensor
    coupling: Tensor
    masses: Tensor

    def to(self, device: torch.device) -> Components:
        """Copy to a device."""
        return Components(**{part.name: getattr(self, part.name).to(device) for part in fields(self)})

    @property
    def constant(self) -> tuple[Tensor, ...]:
        """What every row needs, in the order of `msb.core.projection_solver.System`."""
        return (
            self.incidence,
            self.weights,
            self.response,
            self.gradients,
            self.coupling,
            self.masses,
        )

    @property
    def row_bytes(self) -> int:
        """Memory that solving one copy of one component takes, roughly."""
        equations, n = self.gradients.shape[1:]
        return 8 * (3 * n * equations + 6 * equations**2 + 4 * n**2)


@dataclass(frozen=True)
class Plan:
    """A molecule's projection, prepared: applied to any number of copies and frames.

    Attributes
    ----------
    held_atoms, held_beads : IntArray (S,)
        Atoms that are beads by themselves: their positions are the beads'.
    weights : SparseMap
        beads = W x atoms.
    linear : SparseMap
        Displacement of the atoms per residual of the beads that no constrained bond touches.
    components : tuple of Components
        The rest, by size.
    """

    held_atoms: Tensor
    held_beads: Tensor
    weights: SparseMap
    linear: SparseMap | None
    components: tuple[Components, ...]
    _moved: dict[torch.device, Plan] = field(default_factory=dict, compare=False, repr=False)

    def to(self, device: torch.device) -> Plan:
        """Copy to a device, once."""
        if device not in self._moved:
            parts = tuple(part.to(device) for part in self.components)
            held = self.held_atoms.to(device), self.held_beads.to(device)
            self._moved[device] = Plan(*held, self.weights, self.linear, parts)
        return self._moved[device]


def make_plan(template: MappingTemplate, masses: FloatArray, pairs: IntArray) -> Plan:
    """Prepare the projection of one molecule.

    Parameters
    ----------
    template : MappingTemplate
    masses : ndarray (n_atoms,)
        amu.
    pairs : ndarray (K, 2) int64
        Bonds to keep at their lengths, by atoms of the molecule; one between two held atoms has no say.

    Raises
    ------
    MappingError
        When beads are not independent, or an atom that must move has no mass.
    """
    template.response(masses)  # refuses dependent beads and massless atoms
    lengths = np.diff(template.weights.indptr)
    held_beads = np.flatnonzero(lengths == 1)
    held_atoms = template.weights.indices[template.weights.indptr[held_beads]].astype(np.int64)
    held = np.zeros(template.n_atoms, dtype=bool)
    held[held_atoms] = True
    massless = [template.atom_names[a] for a in np.unique(pairs) if not (held[a] or masses[a] > 0)]
    if massless:
        raise MappingError(
            f"mapping of {template.molecule}: {', '.join(massless[:8])} have constrained bonds but no mass."
        )
    spread_beads = np.flatnonzero(lengths > 1)
    movable = np.where(held, np.inf, np.where(masses > 0, masses, 1.0))
    label = _component_labels(template, held, spread_beads, pairs)
    free = _free_components(template, label, held, spread_beads, pairs)
    linear_beads = np.array([b for part in free if not len(part[2]) for b in part[1]], dtype=np.int64)
    return Plan(
        torch.from_numpy(held_atoms),
        torch.from_numpy(held_beads),
        SparseMap(template.weights),
        _linear_map(template, movable, linear_beads),
        _grouped(template, movable, held, pairs, [part for part in free if len(part[2])]),
    )


def _component_labels(template: MappingTemplate, held: Any, beads: IntArray, pairs: IntArray) -> IntArray:
    """Label atoms by the component they move with, through beads of several atoms and constrained bonds."""
    first, second = [], []
    for bead in beads:
        atoms = _members(template, int(bead))
        atoms = atoms[~held[atoms]]
        first += [np.full(len(atoms) - 1, atoms[0])] if len(atoms) else []
        second += [atoms[1:]]
    moving = pairs[~held[pairs].any(axis=1)]
    ends = np.concatenate([*first, moving[:, 0]]), np.concatenate([*second, moving[:, 1]])
    graph = csr_matrix((np.ones(len(ends[0])), ends), shape=(template.n_atoms, template.n_atoms))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _free_components(
    template: MappingTemplate, label: IntArray, held: Any, beads: IntArray, pairs: IntArray
) -> list[tuple[IntArray, IntArray, IntArray]]:
    """Atoms, beads and bonds (places in `pairs`) of each component that has an equation to meet."""
    beads_of: dict[int, list[int]] = defaultdict(list)
    bonds_of: dict[int, list[int]] = defaultdict(list)
    for bead in beads:
        atoms = _members(template, int(bead))
        beads_of[int(label[atoms[~held[atoms]][0]])].append(int(bead))
    for bond, (i, j) in enumerate(pairs):
        if not (held[i] and held[j]):
            bonds_of[int(label[j if held[i] else i])].append(bond)
    atoms_of: dict[int, list[int]] = defaultdict(list)
    for atom in np.flatnonzero(~held):
        atoms_of[int(label[atom])].append(int(atom))
    return [
        (
            np.array(atoms_of[part]),
            np.array(beads_of[part], dtype=np.int64),
            np.array(bonds_of[part], dtype=np.int64),
        )
        for part in sorted(beads_of.keys() | bonds_of.keys())
    ]


def _linear_map(template: MappingTemplate, movable: FloatArray, beads: IntArray) -> SparseMap | None:
    if not len(beads):
        return None
    follow = response(template.weights[beads], movable)
    place = csr_matrix(
        (np.ones(len(beads)), (np.arange(len(beads)), beads)), shape=(len(beads), template.n_beads)
    )
    return SparseMap(csr_matrix(follow @ place))


def _grouped(
    template: MappingTemplate,
    movable: FloatArray,
    held: Any,
    pairs: IntArray,
    parts: list[tuple[IntArray, IntArray, IntArray]],
) -> tuple[Components, ...]:
    groups: dict[tuple[int, ...], list[dict[str, Any]]] = defaultdict(list)
    for atoms, beads, bonds in parts:
        ends = pairs[bonds]
        fixed = np.unique(ends[held[ends]])
        place = {int(a): p for p, a in enumerate([*atoms, *fixed])}
        places = np.array([[place[int(i)], place[int(j)]] for i, j in ends], dtype=np.int64)
        incidence = np.zeros((len(bonds), len(atoms) + len(fixed)))
        incidence[np.arange(len(bonds)), places[:, 0]] = 1.0
        incidence[np.arange(len(bonds)), places[:, 1]] = -1.0
        weights = template.weights[beads][:, atoms].toarray()
        follow = response(csr_matrix(weights), movable[atoms]).toarray() if len(beads) else weights.T
        gradients = np.concatenate([weights.repeat(3, axis=0), incidence[:, : len(atoms)]])
        groups[len(atoms), len(fixed), len(beads), len(bonds)].append(
            {
                "atoms": atoms,
                "fixed": fixed,
                "beads": beads,
                "bonds": bonds,
                "incidence": incidence[:, : len(atoms)],
                "anchors": incidence[:, len(atoms) :],
                "weights": weights,
                "response": follow,
                "gradients": gradients,
                "coupling": gradients / movable[atoms] @ gradients.T,
                "masses": movable[atoms],
            }
        )
    return tuple(
        Components(**{name: torch.as_tensor(np.stack([part[name] for part in group])) for name in group[0]})
        for group in groups.values()
    )


def _members(template: MappingTemplate, bead: int) -> IntArray:
    start, stop = template.weights.indptr[bead : bead + 2]
    return np.asarray(template.weights.indices[start:stop], dtype=np.int64)
