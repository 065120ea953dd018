"""OpenMM as the judge of candidate energies, and systems to be judged on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import torch

from msb.backmap.energies import CandidateEnergy
from msb.backmap.placer import Candidates
from msb.core.bead_groups import BeadGroup
from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.scene import Phase, Scene, Tables
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.energy import read_gromacs_system
from msb.io.mapping_files import read_mapping
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory

ALL = Phase(True, "all", 0)

#: Two kinds of molecules with charges and interactions over three bonds scaled down, in any combination rule.
LIQUID = """
[ defaults ]
1 {rule} yes 0.5 0.8333
[ atomtypes ]
C 12.011 0.0 A 0.35 0.28
O 15.999 0.0 A 0.31 0.65
H 1.008 0.0 A 0.23 0.13
[ moleculetype ]
AAA 3
[ atoms ]
1 C 1 AAA C1 1 0.1
2 C 1 AAA C2 1 -0.2
3 H 1 AAA H3 1 0.1
4 C 1 AAA C4 1 0.2
5 O 1 AAA O5 1 -0.3
6 H 1 AAA H6 1 0.1
[ bonds ]
1 2 1 0.153 2e5
2 3 1 0.109 3e5
2 4 1 0.153 2e5
4 5 1 0.143 2e5
5 6 1 0.100 3e5
[ pairs ]
1 5 1
3 5 1
2 6 1
[ angles ]
1 2 3 1 109.0 400
1 2 4 1 111.0 500
3 2 4 1 109.0 400
2 4 5 1 109.0 400
4 5 6 1 109.0 400
[ dihedrals ]
1 2 4 5 3 1.0 2.0 0.5 -1.5 0.2 0.1
2 4 5 6 9 0.0 2.0 3
2 4 5 6 9 180.0 1.0 1
4 1 2 3 2 35.0 300.0
[ moleculetype ]
BBB 2
[ atoms ]
1 O 1 BBB O1 1 -0.4
2 C 1 BBB C2 1 0.4
[ bonds ]
1 2 1 0.143 3e5
[ system ]
liquid
[ molecules ]
AAA 5
BBB 6
"""
TILTED = np.array([[2.3, 0, 0], [0.5, 2.2, 0], [-0.6, 0.7, 2.1]])


@dataclass(frozen=True)
class Case:
    """A system with whole molecules."""

    system: Any
    mapping: Mapping
    positions: np.ndarray
    box: np.ndarray | None

    def tables(self, hydrogens: bool = False) -> Tables:
        """Tables; by default no atom is a hydrogen, so that nothing placed is ever hidden."""
        tables = Tables.of(self.mapping)
        hydrogen = tables.hydrogen if hydrogens else torch.zeros_like(tables.hydrogen)
        return dataclasses.replace(tables, hydrogen=hydrogen)

    def scene(self, tables: Tables, reach: float, dtype: torch.dtype = torch.float64) -> Scene:
        boxes = None if self.box is None else self.box[None]
        beads = np.asarray(self.mapping.beads(self.positions[None]))
        return Scene.of(tables, beads, boxes, reach, dtype, self.positions[None])


def displaced(
    scene: Scene, bead: torch.Tensor, k: int, phase: Phase = ALL, width: float = 0.01, seed: int = 0
) -> Candidates:
    """Candidates near where the atoms of beads are."""
    atoms = scene.tables.placed_in(phase, bead)
    there = scene.positions[0][atoms.clamp(min=0)][:, None]
    noise = np.random.default_rng(seed).normal(0, width, (len(bead), k, atoms.shape[1], 3))
    return Candidates(atoms, there + torch.as_tensor(noise).to(there))


def energies(system: Any, frames: Sequence[np.ndarray], box: np.ndarray | None) -> np.ndarray:
    """Energy of the whole system, kJ/mol."""
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    if box is not None:
        context.setPeriodicBoxVectors(*box)
    found = []
    for frame in frames:
        context.setPositions(frame)
        found.append(context.getState(energy=True).getPotentialEnergy()._value)
    return np.array(found)


def worst(case: Case, reach: float, beads: Sequence[int] | None = None, k: int = 3, **options: Any) -> float:
    """Largest deviation of differences between candidates from those of the whole system, kJ/mol."""
    tables = case.tables()
    scene = case.scene(tables, reach)
    bead = torch.arange(tables.n_beads) if beads is None else torch.as_tensor(beads)
    candidates = displaced(scene, bead, k)
    found = CandidateEnergy(case.system, tables, **options)
    got = found(scene, ALL, torch.zeros_like(bead), bead, candidates).numpy()
    frames = []
    for b in range(len(bead)):
        atoms = candidates.atoms[b].numpy()
        for positions in candidates.positions[b].numpy():
            frames.append(case.positions.copy())
            frames[-1][atoms[atoms >= 0]] = positions[atoms >= 0]
    wanted = energies(case.system, frames, case.box).reshape(got.shape)
    assert np.ptp(wanted, axis=1).min() > 0.1, "the candidates tell nothing"
    return float(np.abs((got - got[:, :1]) - (wanted - wanted[:, :1])).max())


def chains(folder: Path, count: int, periodic: bool = True, cutoff: float = 0.8) -> Case:
    """Some of the chains of the bundled melt."""
    whole = read_topology(sample("polystyrene.top"))
    lines = sample("polystyrene.top").read_text().splitlines()
    top = folder / "chains.top"
    top.write_text("\n".join([*(line for line in lines if line.split() != ["PS1", "36"]), f"PS1 {count}"]))
    topology = Topology(((whole.molecules[0][0], count),))
    frame = open_trajectory(sample("polystyrene_snapshot.gro")).read(0, 1)
    box = frame.boxes[0].astype(np.float64)
    x = np.asarray(make_whole(frame.positions.astype(np.float64), box[None], whole))[0]
    x = x[: topology.n_atoms]
    options = {"cutoff": cutoff, "dielectric": 2.5}
    system = read_gromacs_system(top, box if periodic else None, **options).system
    mapping = Mapping(read_mapping(sample("polystyrene_mapping.yaml"), topology), topology)
    return Case(system, mapping, x, box if periodic else None)


def liquid(
    folder: Path, rule: int = 2, box: np.ndarray | None = TILTED, text: str = LIQUID, **options: Any
) -> Case:
    """The small liquid, two beads and one bead a molecule."""
    path = folder / "liquid.top"
    path.write_text(text.format(rule=rule))
    topology = read_topology(path)
    groups = {"AAA": [("A1", "A", [0, 1, 2]), ("A2", "A", [3, 4, 5])], "BBB": [("B1", "B", [0, 1])]}
    templates = {t.name: mapped(t, groups[t.name]) for t, _ in topology.molecules}
    rng = np.random.default_rng(4)
    cell = np.eye(3) * 2.2 if box is None else box
    grid = np.stack(np.meshgrid(*[np.arange(3) / 3] * 3, indexing="ij"), -1).reshape(-1, 3)[:11] @ cell
    chain = {"AAA": np.array([0, 1, 1, 2, 3, 4]), "BBB": np.array([0, 1])}
    parts = []
    for number, name in enumerate(["AAA"] * 5 + ["BBB"] * 6):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        x = 0.13 * chain[name][:, None] * [1.0, 0, 0] + 0.06 * (chain[name] % 2)[:, None] * [0, 1.0, 0]
        x = x + 0.1 * (np.arange(len(x)) == 2)[:, None] * [0, 0, 1.0] + rng.normal(0, 0.005, (len(x), 3))
        parts.append((x - x.mean(0)) @ turn + grid[number])
    system = read_gromacs_system(path, box, **{"cutoff": 0.7, "dielectric": 5.0, **options}).system
    return Case(system, Mapping(templates, topology), np.concatenate(parts), box)


def mapped(template: Any, groups: list[tuple[str, str, list[int]]]) -> MappingTemplate:
    """Beads at centres of mass."""
    made = [BeadGroup(name, tuple(atoms), kind) for name, kind, atoms in groups]
    return MappingTemplate.from_mass(template, made)
