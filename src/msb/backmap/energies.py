"""Force-field energies of candidates for beads, in their surroundings, many at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from msb.backmap.energy_families import bonded_families, rigid_bonds
from msb.backmap.energy_kinds import DUMMIES, BeadKinds, Slots
from msb.backmap.energy_pairs import PairForce, pair_forces
from msb.backmap.energy_surroundings import Surroundings
from msb.backmap.placer import Candidates
from msb.core.scene import Phase, Scene, Tables
from msb.energy.systems import system_from_xml
from msb.errors import EnergyError
from msb.units import BOLTZMANN

__all__ = ["KINDS", "CandidateEnergy"]

#: Kinds of energy.
KINDS = ("bond", "angle", "dihedral", "lj", "coulomb")

_ROWS = 2**19  # beads times atoms around them, handled at once
_TERMS = 2**17  # bonded interactions evaluated at once


class CandidateEnergy:
    """What of a system's energy depends on where the atoms of one bead are, for many beads and candidates.

    Counted are all bonded interactions with at least one atom that is being placed and no atom that is
    invisible, and Lennard-Jones and Coulomb of the placed atoms with one another and with everything visible
    within the scene's reach, up to the force's cutoff.  Which atoms those are follows from the beads alone,
    so that differences between candidates are differences of one energy function of all atoms; it is the
    system's own if the scene reaches the cutoff plus the extents of two beads.

    Parameters
    ----------
    system : openmm.System or str
        Of all atoms, or its XML.  Constants that no candidate changes (tails) are left out.
    tables : Tables
        Of the same atoms.
    soft : float
        Softening of Lennard-Jones spheres and charges, alpha of a soft core; 0 is the force field itself.
    bond_sd : float or None
        Rigid bonds get springs of this thermal width, nm; None: they have no energy.
    temperature : float
        K, of those springs.
    cutoff : float, optional
        nm; shortens the cutoff of pair forces.
    exclude : collection of str
        Names or classes of forces to leave out.
    reaction_field_for_pme : bool
        Take Ewald sums as a reaction field.

    Raises
    ------
    EnergyError
        If a force is unknown here or the atoms are not the tables'.

    Examples
    --------
    >>> energy = CandidateEnergy(system, tables)  # doctest: +SKIP
    >>> energy(scene, phase, frame, bead, candidates)  # (B, K) kJ/mol  # doctest: +SKIP
    """

    def __init__(
        self,
        system: Any,
        tables: Tables,
        soft: float = 0.0,
        bond_sd: float | None = 0.003,
        temperature: float = 300.0,
        cutoff: float | None = None,
        exclude: Collection[str] = (),
        reaction_field_for_pme: bool = False,
    ) -> None:
        system = system_from_xml(system) if isinstance(system, str) else system
        if system.getNumParticles() != tables.n_atoms:
            raise EnergyError(
                f"the force field has {system.getNumParticles()} atoms and the beads own {tables.n_atoms}: "
                "both must describe the same system"
            )
        stiffness = None if bond_sd is None else BOLTZMANN * temperature / bond_sd**2
        families = rigid_bonds(system, bonded_families(system, exclude), stiffness)
        self.tables = tables
        self.forces: list[PairForce] = pair_forces(system, exclude, soft, reaction_field_for_pme, cutoff)
        self.kinds = BeadKinds.of(tables, families, self.forces)

    def __call__(
        self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, candidates: Candidates
    ) -> Tensor:
        """Energies of candidates; differences between those of one bead are what is meant.

        Parameters
        ----------
        scene : Scene
        phase : Phase
            Says what is visible.
        frame, bead : Tensor (B,)
        candidates : Candidates
            K for each of B beads.

        Returns
        -------
        Tensor (B, K)
            kJ/mol, in the dtype of the candidates' positions and differentiable in them.
        """
        terms = self.terms(scene, phase, frame, bead, candidates)
        return torch.stack(list(terms.values())).sum(0)

    def terms(
        self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, candidates: Candidates
    ) -> dict[str, Tensor]:
        """Energies (B, K) by kind: "bond", "angle", "dihedral", "lj", "coulomb"; arguments as for the sum."""
        width = (scene.near.shape[-1] + 1) * self.tables.own.shape[1]
        step = max(1, _ROWS // width)
        parts = []
        with torch.autocast(candidates.positions.device.type, enabled=False):
            for start in range(0, max(1, len(bead)), step):
                rows = slice(start, start + step)
                some = Candidates(candidates.atoms[rows], candidates.positions[rows])
                parts.append(self._some(scene, phase, frame[rows], bead[rows], some))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _some(
        self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, candidates: Candidates
    ) -> dict[str, Tensor]:
        """Energies of as many beads as go into memory at once."""
        x = candidates.positions
        centre = scene.beads[frame, bead].to(x.dtype)
        there = (candidates.atoms >= 0)[:, None, :, None]
        candidates = Candidates(candidates.atoms, torch.where(there, x - centre[:, None, None], 0.0))
        around = Surroundings.of(scene, phase, frame, bead, candidates, centre, self.kinds)
        atoms = self._atoms(scene, frame, bead, candidates, centre, around)
        total = {name: x.new_zeros(x.shape[:2]) for name in KINDS}
        for slots in self.kinds.families:
            for name, values in self._family(slots, self.kinds.kind[bead], atoms).items():
                total[name] = total[name] + values
        for number, force in enumerate(self.forces):
            for name, values in around.energies(force, number).items():
                total[name] = total[name] + values
        return total

    def _atoms(
        self,
        scene: Scene,
        frame: Tensor,
        bead: Tensor,
        candidates: Candidates,
        centre: Tensor,
        around: Surroundings,
    ) -> _Atoms:
        """Atoms that bonded terms know: own, context, dummies."""
        x, own = candidates.positions, self.tables.own[bead]
        column = _columns(candidates.atoms, self.kinds.slot, own.shape[1])
        moved = column >= 0
        context, known = around.context()
        fixed = torch.cat([own.clamp(min=0), context], 1)
        nothing = known.new_zeros(len(bead), DUMMIES)
        usable = torch.cat([moved | around.mine, known, nothing], 1)
        spots = scene.positions[frame[:, None], fixed].to(x.dtype) - centre[:, None]
        spots = torch.cat([spots, spots.new_zeros(len(bead), DUMMIES, 3)], 1)
        spots = torch.where(usable[..., None], spots, _nowhere(spots.shape[1], x))
        chosen = column.clamp(min=0)[:, None, :, None].expand(-1, x.shape[1], -1, 3)
        mine = torch.where(moved[:, None, :, None], x.gather(2, chosen), spots[:, None, : own.shape[1]])
        rest = spots[:, None, own.shape[1] :].expand(-1, x.shape[1], -1, 3)
        moved = torch.cat([moved, torch.zeros_like(usable[:, own.shape[1] :])], 1)
        return _Atoms(torch.cat([mine, rest], 2), usable, moved)

    def _family(self, slots: Slots, kind: Tensor, atoms: _Atoms) -> dict[str, Tensor]:
        """Energies (B, K) of the interactions of a family."""
        numbers = slots.atoms[kind]
        flat = numbers.flatten(1)
        usable = atoms.usable.gather(1, flat).view(numbers.shape).all(-1)
        active = slots.there[kind] & usable & atoms.moved.gather(1, flat).view(numbers.shape).any(-1)
        most = int(active.sum(1).max()) if active.numel() else 0
        if not most:
            return {}
        order = active.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
        numbers = numbers.gather(1, order[..., None].expand(-1, -1, numbers.shape[-1]))
        active = active.gather(1, order)
        table = slots.parameters.on(atoms.positions)
        columns = {name: column[kind[:, None], order] for name, column in table.items()}
        step = max(1, _TERMS // (most * atoms.positions.shape[1]))
        parts = []
        for start in range(0, len(kind), step):
            rows = slice(start, start + step)
            some = {name: column[rows, None] for name, column in columns.items()}
            values = slots.family.values(_vectors(atoms.positions[rows], numbers[rows]), some)
            mask = active[rows, None]
            parts.append({name: torch.where(mask, v, 0.0).sum(-1) for name, v in values.items()})
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True, eq=False)
class _Atoms:
    """Atoms of beads that bonded terms know: positions (B, K, L, 3), which are visible, which are placed."""

    positions: Tensor
    usable: Tensor
    moved: Tensor


def _columns(atoms: Tensor, slot: Tensor, width: int) -> Tensor:
    """Column of the candidates (B, A) in which each own atom is, -1 for those that are not placed."""
    column = torch.full((len(atoms), width + 1), -1)
    place = torch.where(atoms >= 0, slot[atoms.clamp(min=0)], width)
    return column.scatter_(1, place, torch.arange(atoms.shape[1]).expand_as(atoms))[:, :width]


def _nowhere(count: int, like: Tensor) -> Tensor:
    """Points (count, 3) for what is invisible, on a helix: no three in a row, no two in one place."""
    turn = torch.arange(count, dtype=like.dtype, device=like.device)
    return torch.stack([turn.cos(), turn.sin(), 0.3 * turn], -1)


def _vectors(positions: Tensor, numbers: Tensor) -> list[Tensor]:
    """Vectors (B, K, T, 3) from atom to atom of tuples (B, T, k) of atoms (B, K, L, 3)."""
    corners = []
    for column in numbers.unbind(-1):
        index = column[:, None, :, None].expand(-1, positions.shape[1], -1, 3)
        corners.append(positions.gather(2, index))
    return [end - start for start, end in pairwise(corners)]
