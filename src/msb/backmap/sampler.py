"""Sampling: passes over all beads, each placed among what it sees, many at a time."""

from __future__ import annotations

import time
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.backmap.onto_bead import OntoBead
from msb.backmap.placer import Draw, Placer
from msb.backmap.record import Placed, Sampled, SamplerOptions, Tally
from msb.backmap.schedule import Schedule
from msb.backmap.visit import CandidateEnergies, Visitor
from msb.core.arrays import BoolArray, FloatArray, IntArray
from msb.core.box import image_shifts
from msb.core.mapping import Mapping
from msb.core.projection import Constraints
from msb.core.scene import Phase, Scene, Tables
from msb.errors import ConfigError
from msb.units import BOLTZMANN

__all__ = ["Sampler"]

_ROUNDS, _STILL = 30, 1e-6  # of projections while some atoms are held, and when they end, nm


@dataclass(eq=False)
class Sampler:
    """Places all atoms of frames of beads.

    The result is that of visiting one bead after another: it depends neither on `max_batch` nor on which
    frames are given together.

    Attributes
    ----------
    placer : Placer
    tables : Tables
    mapping : Mapping
    energy : callable, optional
        Energies of candidates, see `CandidateEnergies`.
    options : SamplerOptions
    constraints : (pairs (K, 2), lengths (K,)), optional
        Rigid bonds, nm, that the final projection keeps.
    limits : mapping of str to Tensor (M,), optional
        By kind of pass (`stream`): energy of each bead's atoms that is hardly ever exceeded, kJ/mol.  With it
        the choice ``random`` draws again what lies above.

    Raises
    ------
    ConfigError
        If the choice needs energies and there are none.
    """

    placer: Placer
    tables: Tables
    mapping: Mapping
    energy: CandidateEnergies | None = None
    options: SamplerOptions = field(default_factory=SamplerOptions)
    constraints: Constraints | None = None
    limits: MappingOf[str, Tensor] | None = None

    def __post_init__(self) -> None:
        if self.energy is None and self.options.select != "random":
            raise ConfigError(
                f"the choice `{self.options.select}` needs energies; give the force field, or choose `random`"
            )

    def run(
        self,
        beads: FloatArray,
        boxes: FloatArray | None = None,
        seed: int = 0,
        numbers: IntArray | None = None,
        start: FloatArray | None = None,
        only: BoolArray | None = None,
        temperature: float | None = None,
    ) -> Sampled:
        """Place the atoms of frames.

        Parameters
        ----------
        beads : ndarray (F, M, 3)
            nm, molecules whole.
        boxes : ndarray (F, 3, 3), optional
            nm.
        seed : int
        numbers : int array (F,), optional
            Absolute frame numbers, the keys of the noise; 0 to F-1 by default.
        start : ndarray (F, N, 3), optional
            Atoms as they are, nm.  Without `only` they are where the Gibbs sweeps begin.
        only : bool array (N,), optional
            Atoms that are placed anew; the others stay exactly where `start` has them.
        temperature : float, optional
            K; needed by the choice ``boltzmann``.

        Raises
        ------
        ConfigError
            If the choice lacks a density or a temperature, or `only` comes without `start`.
        """
        if only is not None and start is None:
            raise ConfigError("`only` needs `start`: the positions of the atoms that are kept")
        if self.options.select == "boltzmann" and temperature is None:
            raise ConfigError("the choice `boltzmann` needs a temperature")
        frames = np.arange(len(beads)) if numbers is None else np.asarray(numbers, dtype=np.int64)
        chosen = None if only is None else torch.from_numpy(np.array(only, dtype=bool))
        size = max(1, self.options.max_atoms // max(1, self.tables.n_atoms))
        tally, begin, parts = Tally(), time.perf_counter(), []
        kT = None if temperature is None else BOLTZMANN * temperature
        near = self.options.project_candidates or self.options.bead_sd > 0
        onto = OntoBead.of(self.mapping, self.options.dtype) if near else None
        visitor = Visitor(self.placer, self.energy, self.options, self.limits or {}, chosen, kT, tally, onto)
        with torch.no_grad():
            for first in range(0, max(len(beads), 1), size):
                rows = slice(first, first + size)
                held = None if start is None else np.asarray(start[rows])
                cells = None if boxes is None else np.asarray(boxes[rows])
                parts.append(self._batch(visitor, np.asarray(beads[rows]), cells, seed, frames[rows], held))
        tally.seconds["total"] = time.perf_counter() - begin
        return Sampled.of(parts, tally)

    def _batch(
        self,
        visitor: Visitor,
        beads: FloatArray,
        boxes: FloatArray | None,
        seed: int,
        numbers: IntArray,
        start: FloatArray | None,
    ) -> Placed:
        """Sample frames that are kept in memory together."""
        chosen, tally = visitor.chosen, visitor.tally
        images = _images(start, beads, boxes, self.mapping.owner)
        atoms = None if start is None else start - images
        scene = Scene.of(self.tables, beads, boxes, self.placer.reach, self.options.dtype, atoms)
        phases = self.placer.phases(self.options.sweeps)
        if chosen is not None:
            scene.placed[:, chosen] = False
        elif start is not None:
            phases = [phase for phase in phases if phase.gibbs]
        self._sample(visitor, scene, phases, seed, numbers, beads)
        deviation = _deviation(self.mapping, scene)
        converged = np.ones(len(beads), dtype=bool)
        if self.options.project:
            converged = tally.timed("project", self._project, scene, beads, chosen)
        positions = scene.positions.numpy()
        if chosen is not None:
            moved: Any = np.where(chosen.numpy()[:, None], positions + images, start)
            positions = moved.astype(positions.dtype)
        return Placed(positions, deviation, converged)

    def _sample(
        self,
        visitor: Visitor,
        scene: Scene,
        phases: list[Phase],
        seed: int,
        numbers: IntArray,
        beads: FloatArray,
    ) -> None:
        """All passes."""
        known: dict[tuple[str, bytes], Schedule] = {}
        stages = []
        for phase in phases:
            if self._settles(phase, scene):
                visitor.tally.timed("project", self._settle, scene, beads, visitor.chosen)
            how = self.options.sweep_order if phase.gibbs else self.options.forward_order
            active = self._active(phase, visitor.chosen)
            key = how, active.tobytes()
            if key not in known:
                known[key] = visitor.tally.timed("schedule", Schedule.of, scene, how, numbers, seed, active)
            draw = Draw(seed, numbers, phase.number, dtype=self.options.dtype)
            rows = max(1, self.options.max_batch // self.options.candidates_in(phase))
            for frame, bead in known[key].pieces(rows):
                placed, positions = visitor.visit(scene, phase, frame, bead, draw)
                if visitor.chosen is not None:
                    placed = torch.where(visitor.chosen[placed.clamp(min=0)], placed, -1)
                scene.write(frame, placed, positions)
            stages.append(len(known[key].steps))
        visitor.tally.passed(phases, stages)
        if not bool(scene.placed.all()):
            raise ConfigError(
                f"{int((~scene.placed[0]).sum())} atoms were never placed: no pass of the model is for them"
            )

    def _settles(self, phase: Phase, scene: Scene) -> bool:
        """Whether a phase begins a sweep for which atoms are moved onto the beads."""
        wanted = self.options.settle and self.options.project
        return wanted and phase.gibbs and phase.atoms != "hydrogens" and bool(scene.placed.all())

    def _settle(self, scene: Scene, beads: FloatArray, chosen: Tensor | None) -> None:
        """Move atoms onto their beads and bonds, in frames where that succeeds."""
        before = scene.positions.clone()
        done = torch.from_numpy(self._project(scene, beads, chosen))
        scene.positions = torch.where(done[:, None, None], scene.positions, before)

    def _active(self, phase: Phase, chosen: Tensor | None) -> BoolArray:
        """Beads (M,) of which a phase places anything that may move."""
        atoms = self.tables.placed_in(phase, torch.arange(self.tables.n_beads))
        moving = atoms >= 0
        if chosen is not None:
            moving &= chosen[atoms.clamp(min=0)]
        return np.asarray(moving.any(1).numpy())

    def _project(self, scene: Scene, beads: FloatArray, chosen: Tensor | None) -> BoolArray:
        """Move atoms onto their beads, in place; whether rigid bonds are met, (F,)."""
        goal = torch.as_tensor(beads).to(scene.positions.dtype)
        done = self.mapping.project(scene.positions, goal, self.constraints)
        if chosen is None:
            scene.positions = done.positions
            return np.asarray(done.converged.numpy())
        held, x = ~chosen, scene.positions
        live = torch.arange(len(x))  # alternating projections: onto beads and bonds, onto what is held
        for _ in range(_ROUNDS):
            moved = self.mapping.project(x[live], goal[live], self.constraints).positions
            moved[:, held] = x[live][:, held]
            step = (moved - x[live]).abs().flatten(1).amax(1)
            x[live] = moved
            live = live[step > _STILL]
            if not len(live):
                break
        return np.isin(np.arange(len(x)), live.numpy(), invert=True)


def _images(
    start: FloatArray | None, beads: FloatArray, boxes: FloatArray | None, owner: IntArray
) -> NDArray[Any]:
    """Lattice vectors (F, N, 3) by which atoms are away from the image that is next to their bead."""
    if start is None or boxes is None:
        return np.zeros((), dtype=np.float32)
    cells = np.asarray(boxes, dtype=np.float64)
    away = np.nan_to_num(np.asarray(start, dtype=np.float64) - beads[:, owner])
    return np.asarray(image_shifts(away, cells) @ cells)


def _deviation(mapping: Mapping, scene: Scene) -> NDArray[Any]:
    away = mapping.beads(scene.positions) - scene.beads
    return np.asarray(away.norm(dim=-1).numpy())
