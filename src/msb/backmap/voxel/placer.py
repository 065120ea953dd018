"""Places beads with a voxel generator: several turns of the environment, each with noise of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from msb.backmap.placer import Candidates, Draw
from msb.backmap.voxel.growth import grow
from msb.core.environment import VoxelEnvironment, surroundings
from msb.core.scene import Phase, Scene
from msb.nn.precision import Precision
from msb.nn.voxel_generator import VoxelGenerator

__all__ = ["VoxelPlacer"]

_OFFSET = 1  # slot of the random turn; normal numbers have their own, so nothing is shared


@dataclass(eq=False)
class VoxelPlacer:
    """The papers' placer: heavy atoms, then hydrogens, each bead's atoms one after another.

    Candidates of a bead are equally spaced turns of its environment about its axis, from a random one on,
    each with its own noise.  It has no density, so the choice ``boltzmann`` is not for it.

    Attributes
    ----------
    generator : VoxelGenerator
    environment : VoxelEnvironment
        With the tables of the system whose atoms are placed.
    cutoff : float
        Distance from a bead up to which things are seen, nm.
    reach : float
        Distance up to which beads see each other, nm.
    precision : Precision, optional
        How the generator runs; as it is by default.
    max_rows : int
        Turns of environments that go through the network at once; results do not depend on it.
    """

    generator: VoxelGenerator
    environment: VoxelEnvironment
    cutoff: float
    reach: float
    precision: Precision | None = None
    max_rows: int = 512

    def phases(self, sweeps: int) -> list[Phase]:
        """Heavy atoms and hydrogens among what was placed before them, then as often as asked for anew."""
        passes = [(False, "heavy"), (False, "hydrogens"), *[(True, "heavy"), (True, "hydrogens")] * sweeps]
        return [
            Phase(gibbs, "heavy" if atoms == "heavy" else "hydrogens", number)
            for number, (gibbs, atoms) in enumerate(passes)
        ]

    def place(
        self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, draw: Draw, candidates: int
    ) -> Candidates:
        """Propose positions; see :class:`msb.backmap.placer.Placer`.

        Parameters
        ----------
        scene : Scene
        phase : Phase
        frame, bead : Tensor (B,)
        draw : Draw
        candidates : int
            Turns, K.

        Returns
        -------
        Candidates
        """
        atoms = scene.tables.placed_in(phase, bead)
        atoms = atoms[:, : max(1, int((atoms >= 0).sum(1).max()))]
        size = max(1, self.max_rows // candidates)
        parts = [
            self._some(
                scene, phase, frame[k : k + size], bead[k : k + size], atoms[k : k + size], draw, candidates
            )
            for k in range(0, len(bead), size)
        ]
        return Candidates(atoms, torch.cat(parts))

    def log_density(self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor) -> None:
        """None: the generator can be drawn from, not evaluated."""

    def _some(
        self,
        scene: Scene,
        phase: Phase,
        frame: Tensor,
        bead: Tensor,
        atoms: Tensor,
        draw: Draw,
        candidates: int,
    ) -> Tensor:
        """Positions (B, K, A, 3) of a part of the beads, absolute."""
        around = surroundings(scene, frame, bead, phase, self.cutoff)
        offset = draw.uniform(frame, atoms[:, 0], 1, _OFFSET).to(scene.beads)
        spaced = torch.arange(candidates, dtype=scene.beads.dtype) / candidates
        turns = 2 * math.pi * (offset + spaced)
        noise = draw.normals(frame, atoms, candidates, self.generator.latent)
        local = grow(
            self.generator,
            self.environment,
            around,
            atoms,
            turns,
            noise,
            gibbs=phase.gibbs,
            precision=self.precision,
        )
        return torch.where((atoms >= 0)[:, None, :, None], around.absolute(local, turns), 0.0)
