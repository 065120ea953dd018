"""Random mapping: rigid pieces of a molecule at rest, turned at random about their beads.

It knows bonds and hands and nothing else: the floor under every other method, and a start that a minimisation
must survive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from msb.classical.config import RandomConfig, RandomOptions
from msb.classical.equilibrium import equilibrium_geometry
from msb.classical.geometric import checked_hands, hands_of, majority
from msb.core.fragments import Unit, units_of
from msb.core.geometry import rotations_from_uniform
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.noise import uniform_block
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.paired import load_paired
from msb.data.snapshots import Snapshots
from msb.frame_method import FrameMethod, Request

__all__ = ["RandomBackmapper", "build", "train"]

FloatArray = NDArray[np.float64]


@dataclass
class RandomBackmapper(FrameMethod):
    """Rigid pieces at rest, turned at random about their beads; nothing is learned."""

    method: ClassVar[str] = "random"
    hands: NDArray[np.int8] | None = None
    _made: list[_Block] | None = field(default=None, repr=False)

    def place(self, request: Request) -> NDArray[np.float32]:
        """Atoms (F, N, 3) of frames, nm."""
        if self._made is None:
            unit = RandomOptions.parse(_options(self.settings), "random").unit
            self._made = _blocks(self.topology, self.mapping, self.hands, unit)
        turns = sum(block.count * len(block.units) for block in self._made)
        numbers = uniform_block(request.seed, request.numbers, 3 * turns, dtype=np.float64)
        draws = torch.from_numpy(numbers.reshape(len(request.beads), turns, 3))
        rotations = rotations_from_uniform(draws).numpy()
        atoms = np.empty((len(request.beads), self.topology.n_atoms, 3), dtype=np.float32)
        first = 0
        for block in self._made:
            many = block.count * len(block.units)
            block.place(atoms, request.beads, rotations[:, first : first + many])
            first += many
        return atoms

    def learn(self, source: Snapshots) -> None:
        """Nothing is learned."""

    def retarget(self, known: FrameMethod, hands: NDArray[np.int8] | None) -> None:
        """Any molecule will do."""
        assert isinstance(known, RandomBackmapper)
        self.hands = checked_hands(self.topology, hands)
        if hands is None and known.hands is not None and known.topology == self.topology:
            self.hands = known.hands

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The wanted hands."""
        return {} if self.hands is None else {"hands": self.hands}

    def restore(self, plain: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`arrays`."""
        self.hands = arrays.get("hands")


@dataclass
class _Block:
    """Copies of one molecule, and the pieces that it is cut into.

    `pieces` has one array (count, atoms, 3) a unit: its atoms about the middle of its beads, nm.
    """

    units: tuple[Unit, ...]
    pieces: list[FloatArray]
    first_atom: int
    first_bead: int
    count: int
    n_atoms: int
    n_beads: int

    def place(self, atoms: NDArray[np.float32], beads: NDArray[np.float32], rotations: FloatArray) -> None:
        """Write the atoms of all copies in all frames; `rotations` are (F, count * units, 3, 3)."""
        frames = len(beads)
        last_bead = self.first_bead + self.count * self.n_beads
        own = beads[:, self.first_bead : last_bead].reshape(frames, self.count, self.n_beads, 3)
        turns = rotations.reshape(frames, self.count, len(self.units), 3, 3)
        placed = np.empty((frames, self.count, self.n_atoms, 3), dtype=np.float32)
        for k, (unit, piece) in enumerate(zip(self.units, self.pieces, strict=True)):
            middle = own[:, :, list(unit.beads)].mean(2, keepdims=True)
            placed[:, :, unit.atoms] = np.einsum("cax,fcxy->fcay", piece, turns[:, :, k]) + middle
        last_atom = self.first_atom + self.count * self.n_atoms
        atoms[:, self.first_atom : last_atom] = placed.reshape(frames, -1, 3)


def _blocks(topology: Topology, mapping: Mapping, hands: NDArray[np.int8] | None, unit: Any) -> list[_Block]:
    blocks: list[_Block] = []
    first_bead = first_centre = 0
    for (molecule, first, count), template in zip(topology.blocks(), mapping.templates, strict=True):
        centres = len(molecule.stereocentres)
        wanted = np.zeros((count, centres), dtype=np.int8)
        if hands is not None:
            wanted = hands[first_centre : first_centre + count * centres].reshape(count, centres)
        units = units_of(molecule, template, unit)
        pieces = _Pieces(molecule, template, units).for_copies(wanted)
        blocks.append(_Block(units, pieces, first, first_bead, count, molecule.n_atoms, template.n_beads))
        first_bead += count * template.n_beads
        first_centre += count * centres
    return blocks


class _Pieces:
    """Pieces of a molecule at rest, with any hands."""

    def __init__(self, molecule: MoleculeTemplate, mapping: MappingTemplate, units: tuple[Unit, ...]) -> None:
        self.molecule, self.weights, self.units = molecule, mapping.weights, units
        self.known: list[tuple[NDArray[np.int8], FloatArray]] = []

    def for_copies(self, wanted: NDArray[np.int8]) -> list[FloatArray]:
        """One array (count, atoms, 3) a unit, for wanted hands (count, C)."""
        pieces = [np.empty((len(wanted), len(unit.atoms), 3)) for unit in self.units]
        kinds, code = np.unique(wanted, axis=0, return_inverse=True)
        code = np.ravel(code) if wanted.shape[1] else np.zeros(len(wanted), dtype=int)
        if not len(kinds):
            kinds = wanted[:1]
        for number, row in enumerate(kinds):
            for piece, unit in zip(pieces, self.units, strict=True):
                piece[code == number] = self._one(unit, row)
        return pieces

    def _one(self, unit: Unit, row: NDArray[np.int8]) -> FloatArray:
        """A piece about the middle of its beads; the mirror image of a known one serves where it fits."""
        own = row[list(unit.centres)]
        for hands, x in self.known:
            found = hands[list(unit.centres)]
            for sign in (1, -1):
                if np.all((own == 0) | (own == sign * found)):
                    return self._cut(unit, x * np.array([1.0, 1.0, sign]))
        x = equilibrium_geometry(self.molecule, row if row.any() else None).astype(np.float64)
        self.known.append((np.asarray(self.molecule.chirality(x)), x))
        return self._cut(unit, x)

    def _cut(self, unit: Unit, x: FloatArray) -> FloatArray:
        middle = np.asarray(self.weights[list(unit.beads)] @ x).mean(0)
        return np.asarray(x[unit.atoms] - middle)


def _options(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in RandomOptions.model_fields if key in settings}


def build(
    source: Snapshots | None,
    topology: Topology,
    mapping: Mapping,
    *,
    name: str,
    temperature: float | None,
    options: dict[str, Any],
) -> RandomBackmapper:
    """Random placement for a system; no snapshot is needed, and only hands are taken from those given."""
    parsed = RandomOptions.parse(options, "random")
    plain = parsed.model_dump(mode="json")
    model = RandomBackmapper.of_options(topology, mapping, name, temperature, plain)
    model.hands = hands_of(source, topology)
    return model


def train(
    config: RandomConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[..., None] | None = None,
) -> RandomBackmapper:
    """Take the molecule and its hands from the training split."""
    data = load_paired(config.data, base)
    model = RandomBackmapper.of_training(config, data)
    model.hands = majority(data.part("train")[0], data.topology)
    return model
