"""How well a placer's beads fit into reference environments: divergences of bonds, angles and dihedrals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msb.analysis.divergence import js
from msb.analysis.histograms import histogram
from msb.backmap.placer import Draw, Placer
from msb.backmap.reference import ReferenceScene
from msb.core import geometry
from msb.core.arrays import FloatArray, IntArray
from msb.core.scene import Phase
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology

__all__ = ["Divergences", "Rows"]

_BOND_EDGES = np.linspace(-0.06, 0.06, 31)  # nm, about the reference's mean of that kind of bond
_ANGLE_EDGES = np.linspace(0.0, math.pi, 73)
_DIHEDRAL_EDGES = np.linspace(-math.pi, math.pi, 61)
_CHUNK = 64  # rows whose whole systems are in memory at a time
_SEED = 20_210_312

_Values = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Rows:
    """Beads (B,) of frames (B,) that are placed in one phase."""

    phase: Phase
    frame: Tensor
    bead: Tensor


@dataclass(frozen=True, eq=False)
class _Terms:
    """One sort of internal coordinates of a system.

    Attributes
    ----------
    atoms : Tensor (K, 2, 3 or 4)
    kind : int array (K,)
        Of the atoms' types.
    of_bead : Tensor (M, T)
        Terms with an atom that the bead owns, -1 filling up.
    edges : ndarray
    reference : list of (ndarray (bins,), float)
        Histogram of each kind over the reference, and what values are counted from.
    """

    atoms: Tensor
    kind: IntArray
    of_bead: Tensor
    edges: FloatArray
    reference: list[tuple[IntArray, float]]


class Divergences:
    """Small divergences of generated beads, for choosing among checkpoints.

    Every bead is placed alone, once, among reference atoms.  What is measured are the bonds, angles and
    dihedrals that have at least one placed atom and no atom that the placer did not see, by the types of
    their atoms, against the same kinds in all reference frames.

    Parameters
    ----------
    topology : Topology
    scene : ReferenceScene
        The selection split.
    phases : list of Phase
        Those to be measured.
    beads : int
        Beads drawn in each phase.
    """

    def __init__(
        self, topology: Topology, scene: ReferenceScene, phases: list[Phase], beads: int = 128
    ) -> None:
        self.scene = scene
        random = torch.Generator().manual_seed(_SEED)
        self.rows = [rows for phase in phases if (rows := _draw(scene, phase, beads, random)) is not None]
        made = {
            "bonds": (_collect(topology, _bonds), geometry.distances, _BOND_EDGES),
            "angles": (_collect(topology, _angles), geometry.angles, _ANGLE_EDGES),
            "dihedrals": (_collect(topology, _dihedrals), geometry.dihedrals, _DIHEDRAL_EDGES),
        }
        self.values: dict[str, _Values] = {name: values for name, (_, values, _) in made.items()}
        self.terms = {
            name: _terms(atoms, kind, scene, values, edges)
            for name, ((atoms, kind), values, edges) in made.items()
            if len(atoms)
        }

    @torch.no_grad()
    def figures(self, placer: Placer) -> dict[str, float]:
        """Place the beads and compare.

        Parameters
        ----------
        placer : Placer

        Returns
        -------
        dict of str to float
            `js_bonds`, `js_angles`, `js_dihedrals` (mean over kinds, weighted by their counts, nats),
            `bond_rms` (nm, deviation of the bonds from the mean of their kind), and `score`, the mean of the
            divergences.
        """
        numbers = np.arange(len(self.scene.beads))
        found: dict[str, list[tuple[IntArray, FloatArray]]] = {name: [] for name in self.terms}
        for rows in self.rows:
            draw = Draw(_SEED, numbers, rows.phase.number, dtype=self.scene.positions.dtype)
            for chunk in range(0, len(rows.bead), _CHUNK):
                part = slice(chunk, chunk + _CHUNK)
                frame, bead = rows.frame[part], rows.bead[part]
                placed = placer.place(self.scene, rows.phase, frame, bead, draw, 1)
                positions = placed.positions[:, 0].to(self.scene.positions)
                measured = self._measure(rows.phase, frame, bead, placed.atoms, positions)
                for name, values in measured.items():
                    found[name].append(values)
        return self._compare(found)

    def _measure(
        self, phase: Phase, frame: Tensor, bead: Tensor, atoms: Tensor, positions: Tensor
    ) -> dict[str, tuple[IntArray, FloatArray]]:
        """Kinds and values of the terms that hang on what was placed."""
        scene = self.scene
        near, seen = scene.visible(frame, bead, phase)
        count = scene.tables.n_atoms
        known = torch.zeros(len(bead), count + 1, dtype=torch.bool)  # the last column takes the fillings
        known.scatter_(1, torch.where(seen, near, count).flatten(1), True)
        made = torch.zeros_like(known)
        slots = torch.where(atoms >= 0, atoms, count)
        made.scatter_(1, slots, True)
        x = torch.cat([scene.positions[frame], torch.zeros(len(bead), 1, 3, dtype=positions.dtype)], 1)
        x.scatter_(1, slots[..., None].expand(-1, -1, 3), positions)
        made[:, count], known[:, count] = False, False
        known |= made
        results = {}
        for name, terms in self.terms.items():
            index = terms.of_bead[bead]  # (B, T)
            members = terms.atoms[index.clamp(min=0)]  # (B, T, n)
            row = torch.arange(len(bead))[:, None, None]
            counts = (index >= 0) & made[row, members].any(-1) & known[row, members].all(-1)
            rows, columns = counts.nonzero(as_tuple=True)
            chosen = members[rows, columns]
            points = x[rows[:, None], chosen]  # (V, n, 3)
            order = torch.arange(chosen.shape[1])[None]
            values = self.values[name](points, order)[:, 0].double().numpy()
            results[name] = (terms.kind[index[rows, columns].numpy()], values)
        return results

    def _compare(self, found: dict[str, list[tuple[IntArray, FloatArray]]]) -> dict[str, float]:
        figures: dict[str, float] = {}
        for name, pieces in found.items():
            kinds = np.concatenate([kind for kind, _ in pieces])
            values = np.concatenate([value for _, value in pieces])
            if not len(kinds):
                continue
            terms = self.terms[name]
            total = squares = 0.0
            for kind in np.unique(kinds).tolist():
                mine = values[kinds == kind]
                counts, origin = terms.reference[kind]
                mine = np.nan_to_num(mine, nan=1e3) - origin
                total += len(mine) * float(js(histogram(mine, terms.edges), counts))
                squares += float(np.square(mine).sum())
            figures[f"js_{name}"] = total / len(kinds)
            if name == "bonds":
                figures["bond_rms"] = math.sqrt(squares / len(kinds))
        divergences = [value for name, value in figures.items() if name.startswith("js_")]
        return {**figures, "score": float(np.mean(divergences)) if divergences else math.log(2)}


def _draw(scene: ReferenceScene, phase: Phase, beads: int, random: torch.Generator) -> Rows | None:
    """Beads that have atoms to place in a phase, each at most once a frame."""
    tables = scene.tables
    has = (tables.placed_in(phase, torch.arange(tables.n_beads)) >= 0).any(-1).nonzero()[:, 0]
    if not len(has):
        return None
    total = len(scene.beads) * len(has)
    chosen = torch.randperm(total, generator=random)[:beads]
    return Rows(phase, chosen // len(has), has[chosen % len(has)])


def _terms(
    atoms: IntArray, kind: IntArray, scene: ReferenceScene, values: _Values, edges: FloatArray
) -> _Terms:
    index = torch.from_numpy(atoms)
    measured = values(scene.positions.double(), index).numpy()  # (F, K)
    bonds = atoms.shape[1] == 2
    reference = []
    for number in range(int(kind.max()) + 1):
        mine = measured[:, kind == number]
        origin = float(mine.mean()) if bonds else 0.0
        reference.append((histogram(mine - origin, edges), origin))
    owner = scene.tables.owner[index].numpy()
    lists: list[list[int]] = [[] for _ in range(scene.tables.n_beads)]
    for term, owners in enumerate(owner.tolist()):
        for bead in set(owners):
            lists[bead].append(term)
    table = torch.full((len(lists), max(1, max(map(len, lists)))), -1)
    for row, terms in zip(table, lists, strict=True):
        row[: len(terms)] = torch.tensor(terms, dtype=torch.int64)
    return _Terms(index, kind, table, edges, reference)


def _collect(topology: Topology, of: Callable[[MoleculeTemplate], IntArray]) -> tuple[IntArray, IntArray]:
    """Terms (K, n) of a system and their kinds (K,), by the types of their atoms read either way."""
    numbers: dict[tuple[str, ...], int] = {}
    atoms, kinds = [], []
    for template, first, count in topology.blocks():
        rows = np.asarray(of(template), dtype=np.int64)
        if not len(rows):
            continue
        names = [tuple(template.atom_types[a] for a in row) for row in rows.tolist()]
        kind = [numbers.setdefault(min(name, name[::-1]), len(numbers)) for name in names]
        starts = first + template.n_atoms * np.arange(count)
        atoms.append((rows[None] + starts[:, None, None]).reshape(-1, rows.shape[1]))
        kinds.append(np.tile(kind, count))
    if not atoms:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.int64)
    return np.concatenate(atoms), np.concatenate(kinds).astype(np.int64)


def _bonds(template: MoleculeTemplate) -> IntArray:
    return np.asarray(template.bonds)


def _angles(template: MoleculeTemplate) -> IntArray:
    return np.asarray(template.angles)


def _dihedrals(template: MoleculeTemplate) -> IntArray:
    return np.asarray(template.dihedrals)
