"""Geometric backmapping: atoms at weighted means of beads, kicked, placed by rules, then brought to rest.

Every atom starts at the mean of the beads that hold it, in proportion to its shares in them; a random kick
tells coinciding atoms apart; the rules cis, trans, out and chiral of the mapping file place those that they
name.  Hydrogens and atoms that no bead holds start at what they are bonded to.  All are then moved until
bonds, angles, planes and hands are those at rest (:class:`msb.classical.embedding.Embedder`); `embed: false`
leaves that to the minimisation, which is the published scheme.

(T. A. Wassenaar, K. Pluhackova, R. A. Boeckmann, S. J. Marrink, D. P. Tieleman, J. Chem. Theory Comput. 10,
676 (2014).)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from msb.classical.config import GeometricConfig, GeometricOptions
from msb.classical.embedding import Embedder, Schedule
from msb.classical.modifiers import (
    LocalRule,
    apply_rules,
    hands_of_rules,
    local_rules,
    torsions_of_rules,
)
from msb.classical.rest import RestGeometry
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.noise import normal_block
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.paired import load_paired
from msb.data.snapshots import Snapshots
from msb.errors import MappingError
from msb.frame_method import FrameMethod, Request
from msb.io.mapping_formats.placement import PlacementRule, read_placement

__all__ = ["GeometricBackmapper", "build", "train"]

FloatArray = NDArray[np.float64]
_HANGING = 0.09  # nm; how far the atoms without a bead of their own are kicked from what they are bonded to
_FOURTH = 0.05  # nm
_TRIES = 3
_SHELLS = 3  # bonds around strained atoms that are placed anew with them


@dataclass
class GeometricBackmapper(FrameMethod):
    """Atoms from their beads, the mapping's rules and the bonds at rest; nothing is learned."""

    method: ClassVar[str] = "geometric"
    rules: tuple[PlacementRule, ...] = ()
    hands: NDArray[np.int8] | None = None
    _made: _Plan | None = field(default=None, repr=False)

    def place(self, request: Request) -> NDArray[np.float32]:
        """Atoms (F, N, 3) of frames, nm."""
        if self._made is None:
            options = GeometricOptions.parse(_options(self.settings), "geometric")
            self._made = _Plan(self.topology, self.mapping, self.rules, self.hands, options)
        return np.stack([self._made.frame(request, k) for k in range(len(request.beads))]).astype(np.float32)

    def learn(self, source: Snapshots) -> None:
        """Nothing is learned."""

    def retarget(self, known: FrameMethod, hands: NDArray[np.int8] | None) -> None:
        """Take the rules; any molecule will do."""
        assert isinstance(known, GeometricBackmapper)
        self.rules = known.rules
        self.hands = checked_hands(self.topology, hands)
        if hands is None and known.hands is not None and known.topology == self.topology:
            self.hands = known.hands

    def plain(self) -> dict[str, Any]:
        """The rules."""
        return {"rules": [[rule.kind, list(rule.atoms), rule.residue] for rule in self.rules]}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The wanted hands."""
        return {} if self.hands is None else {"hands": self.hands}

    def restore(self, plain: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`plain` and :meth:`arrays`."""
        self.rules = tuple(
            PlacementRule(kind, tuple(atoms), residue) for kind, atoms, residue in plain["rules"]
        )
        self.hands = arrays.get("hands")


def checked_hands(topology: Topology, hands: NDArray[np.int8] | None) -> NDArray[np.int8] | None:
    """The wanted hands.

    Raises
    ------
    MappingError
        If there is another number of them than of stereocentres.
    """
    if hands is None:
        return None
    centres = sum(len(template.stereocentres) * count for template, count in topology.molecules)
    wanted = np.asarray(hands, dtype=np.int8)
    if wanted.shape != (centres,):
        raise MappingError(
            f"the system has {centres} stereocentres, but {wanted.size} hands are wanted; give one for each"
        )
    return wanted


class _Plan:
    """What is the same for all frames of a system."""

    def __init__(
        self,
        topology: Topology,
        mapping: Mapping,
        rules: tuple[PlacementRule, ...],
        hands: NDArray[np.int8] | None,
        options: GeometricOptions,
    ) -> None:
        self.topology, self.options = topology, options
        self.blocks: list[_Block] = []
        first_bead = first_centre = 0
        geometries: list[list[RestGeometry]] = []
        for (molecule, first, count), template in zip(topology.blocks(), mapping.templates, strict=True):
            own = local_rules(molecule, rules)
            block = _Block(molecule, template, own, first, first_bead, count)
            centres = len(molecule.stereocentres)
            wanted = None
            if hands is not None:
                wanted = hands[first_centre : first_centre + count * centres].reshape(count, centres)
            geometries.append(_geometries(molecule, own, wanted, count))
            block.rest = geometries[-1][0]
            self.blocks.append(block)
            first_bead += count * template.n_beads
            first_centre += count * centres
        schedule = Schedule(turning=options.turning, settling=options.settling)
        self.embedder = Embedder(topology, geometries, mapping, schedule) if options.embed else None

    def frame(self, request: Request, k: int) -> FloatArray:
        """Atoms (N, 3) of one frame, nm."""
        x, only = self._start(request, k, 0), request.only
        if only is not None and request.start is not None:
            x[~only] = request.start[k][~only]
        if self.embedder is None:
            return x
        x = self._embedded(x, request, k, only, 0)
        for attempt in range(1, _TRIES):
            wrong = np.zeros(len(x), dtype=bool)
            wrong[self._around(self.embedder.strained(x))] = True
            if only is not None:
                wrong &= only
            if not wrong.any():
                break
            again = np.where(wrong[:, None], self._start(request, k, attempt), x)
            again = self._embedded(again, request, k, wrong, attempt)
            x = self._better(x, again)
        return x

    def _start(self, request: Request, k: int, attempt: int) -> FloatArray:
        """Rough places (N, 3)."""
        beads = request.beads[k].astype(np.float64)
        sweep = 2 * attempt
        kick = normal_block(request.seed, int(request.numbers[k]), 3 * self.topology.n_atoms, sweep)
        noise = kick.reshape(-1, 3).astype(np.float64)
        x = np.empty((self.topology.n_atoms, 3))
        for block in self.blocks:
            rows = slice(block.first_atom, block.first_atom + block.count * block.molecule.n_atoms)
            x[rows] = block.start(beads, noise[rows], self.options.kick)
        return x

    def _embedded(
        self, x: FloatArray, request: Request, k: int, only: NDArray[np.bool_] | None, attempt: int
    ) -> FloatArray:
        assert self.embedder is not None
        noise = normal_block(request.seed, int(request.numbers[k]), len(x), 2 * attempt + 1)
        box = None if request.boxes is None else request.boxes[k].astype(np.float64)
        return self.embedder.run(
            x, _FOURTH * noise.astype(np.float64), request.beads[k].astype(np.float64), box, only
        )

    def _around(self, atoms: NDArray[np.int64]) -> NDArray[np.int64]:
        """Atoms up to some bonds from others."""
        chosen = np.zeros(self.topology.n_atoms, dtype=bool)
        chosen[atoms] = True
        first, second = self.topology.bonds.reshape(-1, 2).T
        for _ in range(_SHELLS):
            grown = chosen.copy()
            grown[first] |= chosen[second]
            grown[second] |= chosen[first]
            chosen = grown
        return np.flatnonzero(chosen)

    def _better(self, old: FloatArray, new: FloatArray) -> FloatArray:
        """Molecule by molecule, the places with fewer strained atoms."""
        assert self.embedder is not None
        molecule = self.topology.molecule_index
        worse = [
            np.bincount(molecule[self.embedder.strained(x)], minlength=self.topology.n_molecules)
            for x in (old, new)
        ]
        return np.where((worse[1] < worse[0])[molecule][:, None], new, old)


class _Block:
    """Copies of one molecule."""

    rest: RestGeometry

    def __init__(
        self,
        molecule: MoleculeTemplate,
        mapping: MappingTemplate,
        rules: list[LocalRule],
        first_atom: int,
        first_bead: int,
        count: int,
    ) -> None:
        self.molecule, self.rules = molecule, rules
        self.first_atom, self.first_bead, self.count = first_atom, first_bead, count
        self.n_beads = mapping.n_beads
        shares = mapping.fractions.toarray().T
        total = shares.sum(1)
        held = total > 0
        self.shares = np.zeros_like(shares)
        self.shares[held] = shares[held] / total[held, None]
        self.shares[np.flatnonzero(~held), mapping.owner[~held]] = 1.0
        self.hanging = _hanging(molecule, held)

    def start(self, beads: FloatArray, noise: FloatArray, kick: float) -> FloatArray:
        """Rough places (count * n, 3), nm."""
        own = beads[self.first_bead : self.first_bead + self.count * self.n_beads]
        noise = noise.reshape(self.count, -1, 3)
        x = np.einsum("ab,cbk->cak", self.shares, own.reshape(self.count, self.n_beads, 3)) + kick * noise
        for atom, host in self.hanging:
            x[:, atom] = x[:, host] + _HANGING * noise[:, atom]
        x = apply_rules(x, self.rules, self.rest)
        placed = sorted({rule.atoms[0] for rule in self.rules})
        x[:, placed] += 0.2 * kick * noise[:, placed]
        return x.reshape(-1, 3)


def _hanging(molecule: MoleculeTemplate, held: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Hydrogens, and atoms that no bead holds, each with the atom that it starts from."""
    found: list[tuple[int, int]] = []
    settled = {a for a in range(molecule.n_atoms) if held[a] and molecule.elements[a] != "H"}
    settled |= {a for a in range(molecule.n_atoms) if not molecule.neighbours[a]}
    queue = sorted(settled) or [0]
    settled.update(queue)
    for atom in queue:
        for other in molecule.neighbours[atom]:
            if other not in settled:
                settled.add(other)
                queue.append(other)
                found.append((other, atom))
    return found


def _geometries(
    molecule: MoleculeTemplate, rules: list[LocalRule], wanted: NDArray[np.int8] | None, count: int
) -> list[RestGeometry]:
    """Geometry at rest: one for all copies, or one for each where their hands differ."""
    ruled, torsions = hands_of_rules(molecule, rules), torsions_of_rules(molecule, rules)
    if wanted is None:
        return [RestGeometry.of(molecule, ruled, torsions)]
    rows = np.where(wanted != 0, wanted, ruled)
    kinds = {row.tobytes(): RestGeometry.of(molecule, row, torsions) for row in np.unique(rows, axis=0)}
    if len(kinds) == 1:
        return list(kinds.values())
    return [kinds[row.tobytes()] for row in rows]


def _options(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: settings[key] for key in GeometricOptions.model_fields if key in settings}


def build(
    source: Snapshots | None,
    topology: Topology,
    mapping: Mapping,
    *,
    name: str,
    temperature: float | None,
    options: dict[str, Any],
) -> GeometricBackmapper:
    """Geometric placement for a system; no snapshot is needed, and only hands are taken from those given.

    `options` are those of :class:`msb.classical.config.GeometricOptions`; `placement` names the mapping files
    whose rules are used.
    """
    parsed = GeometricOptions.parse(options, "geometric")
    plain = parsed.model_dump(mode="json")
    model = GeometricBackmapper.of_options(topology, mapping, name, temperature, plain)
    model.rules = read_placement(parsed.placement)
    model.hands = hands_of(source, topology)
    return model


def train(
    config: GeometricConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[..., None] | None = None,
) -> GeometricBackmapper:
    """Take the molecule and its hands from the training split."""
    data = load_paired(config.data, base)
    model = GeometricBackmapper.of_training(config, data)
    model.rules = read_placement([base / entry for entry in config.placement])
    model.hands = majority(data.part("train")[0], data.topology)
    return model


def hands_of(source: Snapshots | None, topology: Topology) -> NDArray[np.int8] | None:
    """Hands that snapshots of the same system show (C,); None without them."""
    return None if source is None or source.topology != topology else majority(source.positions, topology)


def majority(positions: NDArray[np.float32], topology: Topology) -> NDArray[np.int8]:
    """The hand that every stereocentre of a system has in most frames (C,)."""
    counts = [
        np.asarray(template.chirality(block)).reshape(len(positions), -1).sum(0)
        for template, block in topology.split(positions)
    ]
    return np.asarray(np.sign(np.concatenate(counts)), dtype=np.int8)
