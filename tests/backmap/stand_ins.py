"""Placers and energies without a network: exactly reproducible, or of known distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from msb.backmap.placer import Candidates, Draw
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.scene import Phase, Scene
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology


@dataclass
class Exact:
    """What a bead gets depends on every atom that it sees, by exactly rounded sums, row by row.

    `largest` remembers the number of rows of the largest call.
    """

    reach: float
    together: bool = False
    largest: int = 0

    def phases(self, sweeps: int) -> list[Phase]:
        kinds = ["all"] if self.together else ["heavy", "hydrogens"]
        passes = [(gibbs > 0, atoms) for gibbs in range(sweeps + 1) for atoms in kinds]
        return [Phase(gibbs, atoms, number) for number, (gibbs, atoms) in enumerate(passes)]

    def place(
        self,
        scene: Scene,
        phase: Phase,
        frame: torch.Tensor,
        bead: torch.Tensor,
        draw: Draw,
        candidates: int,
    ) -> Candidates:
        self.largest = max(self.largest, len(bead) * candidates)
        atoms = scene.tables.placed_in(phase, bead)
        seen = environment(scene, phase, frame, bead)
        positions = torch.zeros(len(bead), candidates, atoms.shape[1], 3, dtype=scene.positions.dtype)
        noise = draw.normals(frame, atoms, candidates, 3)
        for a in range(atoms.shape[1]):
            centre = scene.beads[frame, bead] + 0.05 * (1 + 0.3 * a) * seen
            positions[:, :, a] = centre[:, None] + 0.02 * noise[:, :, a]
        return Candidates(atoms, positions, positions[..., 0, 0] * 3.0)

    def log_density(
        self, scene: Scene, phase: Phase, frame: torch.Tensor, bead: torch.Tensor
    ) -> torch.Tensor:
        atoms = scene.tables.placed_in(phase, bead)
        return scene.positions[frame, atoms[:, 0], 0] * 3.0

    def energy(
        self,
        scene: Scene,
        phase: Phase,
        frame: torch.Tensor,
        bead: torch.Tensor,
        candidates: Candidates,
    ) -> torch.Tensor:
        """Energies (B, K) that depend on all that is seen, between 0 and about 10."""
        there = (candidates.atoms >= 0)[:, None, :, None]
        away = torch.where(there, candidates.positions - scene.beads[frame, bead][:, None, None], 0.0)
        level = away[..., 0].cumsum(-1)[..., -1] + environment(scene, phase, frame, bead)[:, None, 1]
        return 5.0 + 20.0 * level * level - 2.0 * level


def environment(scene: Scene, phase: Phase, frame: torch.Tensor, bead: torch.Tensor) -> torch.Tensor:
    """Numbers (B, 3) between -1 and 1 from every visible atom."""
    around = scene.around(frame, bead, phase)
    rows = []
    for row, (f, b) in enumerate(zip(frame.tolist(), bead.tolist(), strict=True)):
        there = around.atom[row].numpy() >= 0
        away = around.positions[row].double().numpy()[there] - scene.beads[f, b].double().numpy()
        kind = 1.0 + around.atom[row].numpy()[there] % 7
        square = away[:, 0] * away[:, 0] + away[:, 1] * away[:, 1] + away[:, 2] * away[:, 2]
        terms = (kind * (1.3 - square))[:, None] * (away + 0.1)
        rows.append([math.tanh(0.1 * math.fsum(terms[:, k].tolist())) for k in range(3)])
    return torch.tensor(rows, dtype=scene.positions.dtype).reshape(-1, 3)


@dataclass
class Well:
    """A generator of known density: atoms about their bead, `width` times too wide and `off` from its middle.

    The target is a harmonic well of standard deviation `sd` (nm) in every direction.
    """

    sd: float = 0.1
    width: float = 1.0
    off: float = 0.0
    reach: float = 1.0

    def phases(self, sweeps: int) -> list[Phase]:
        return [Phase(number > 0, "all", number) for number in range(sweeps + 1)]

    def place(
        self,
        scene: Scene,
        phase: Phase,
        frame: torch.Tensor,
        bead: torch.Tensor,
        draw: Draw,
        candidates: int,
    ) -> Candidates:
        atoms = scene.tables.placed_in(phase, bead)
        z = draw.normals(frame, atoms, candidates, 3)
        positions = scene.beads[frame, bead][:, None, None] + self.sd * (self.off + self.width * z)
        return Candidates(atoms, positions, -0.5 * (z.double() ** 2).sum((-1, -2)))

    def log_density(
        self, scene: Scene, phase: Phase, frame: torch.Tensor, bead: torch.Tensor
    ) -> torch.Tensor:
        here = scene.positions[frame[:, None], scene.tables.placed_in(phase, bead)]
        z = ((here - scene.beads[frame, bead][:, None]).double() / self.sd - self.off) / self.width
        return -0.5 * (z**2).sum((-1, -2))

    def energy(
        self,
        scene: Scene,
        phase: Phase,
        frame: torch.Tensor,
        bead: torch.Tensor,
        candidates: Candidates,
    ) -> torch.Tensor:
        """The well, with kT = 1 kJ/mol."""
        away = (candidates.positions - scene.beads[frame, bead][:, None, None]).double() / self.sd
        return 0.5 * (away**2).sum((-1, -2))


def particles(count: int) -> tuple[Topology, Mapping]:
    """Molecules of a single atom that is a bead."""
    molecule = MoleculeTemplate.from_atoms("AR", ["AR"], bonds=[], elements=["Ar"])
    topology = Topology(((molecule, count),))
    return topology, Mapping([MappingTemplate.from_atoms(molecule, [0])], topology)


def scattered(mapping: Mapping, frames: int, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Beads (F, M, 3) anywhere in the box."""
    return rng.random((frames, mapping.n_beads, 3)) @ box
