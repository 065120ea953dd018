"""What a model keeps of its training set beside the network's weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.bead_groups import nearest_names
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate, same_atoms
from msb.core.topology import Topology
from msb.data.rigid import RigidBonds
from msb.data.snapshots import Snapshots
from msb.data.training_set import TrainingSet
from msb.errors import MappingError

__all__ = ["Knowledge", "system_of_molecules"]

_AGREED = 0.8  # mean sign from which copies have one hand

Signs = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Knowledge:
    """Facts about a training set.

    Attributes
    ----------
    atom_types, bead_types : tuple of str
        Sorted.
    rigid : RigidBonds
        Bonds whose length never changed.
    hands : tuple of (MoleculeTemplate, int8 array (C,))
        Hand of every stereocentre that nine tenths of the copies have, 0 where there is no such majority.
    longest : float
        Largest distance of bonded beads, nm; 0 where no beads are bonded.
    """

    atom_types: tuple[str, ...] = ()
    bead_types: tuple[str, ...] = ()
    rigid: RigidBonds = field(default_factory=RigidBonds)
    hands: tuple[tuple[MoleculeTemplate, Signs], ...] = ()
    longest: float = 0.0

    @classmethod
    def of(cls, data: TrainingSet) -> Knowledge:
        """Take from a training set what there is to know.

        Parameters
        ----------
        data : TrainingSet
        """
        return cls(
            tuple(sorted({t for molecule, _ in data.molecules for t in molecule.atom_types})),
            tuple(sorted({t for _, mapping in data.molecules for t in mapping.bead_types})),
            data.rigid,
            _majorities(data.train),
            max(_longest(part) for part in data.train),
        )

    def require_types(self, topology: Topology, mapping: Mapping) -> None:
        """Refuse a system with types that training has not seen.

        Parameters
        ----------
        topology, mapping
            The system.

        Raises
        ------
        MappingError
            All unknown types of beads and of atoms are listed, with the nearest known ones.
        """
        beads = dict.fromkeys(
            (kind, template.molecule) for template in mapping.templates for kind in template.bead_types
        )
        atoms = dict.fromkeys((kind, m.name) for m, _ in topology.molecules for kind in m.atom_types)
        odd = [
            f"{what} type {kind} of {molecule}{nearest_names(kind, known)}"
            for what, found, known in (("bead", beads, self.bead_types), ("atom", atoms, self.atom_types))
            for kind, molecule in found
            if kind not in known
        ]
        if odd:
            raise MappingError(
                f"the model has never seen {'; '.join(odd)}; it knows the bead types "
                f"{', '.join(self.bead_types)} and the atom types {', '.join(self.atom_types)}: name them "
                "alike, or train with snapshots that hold them"
            )

    def hands_of(self, topology: Topology) -> Signs:
        """Hands (C,) of a system's stereocentres as training had them, 0 where it does not say.

        Parameters
        ----------
        topology : Topology
        """
        parts = [np.zeros(0, dtype=np.int8)]
        for template, count in topology.molecules:
            known = next((signs for other, signs in self.hands if same_atoms(template, other)), None)
            own = np.zeros(len(template.stereocentres), dtype=np.int8) if known is None else known
            parts.append(np.tile(own, count))
        return np.concatenate(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON; templates are left to the bundle's topology, by their place in it."""
        return {
            "atom_types": list(self.atom_types),
            "bead_types": list(self.bead_types),
            "rigid": self.rigid.to_dict(),
            "hands": [signs.tolist() for _, signs in self.hands],
            "longest": self.longest,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any], topology: Topology) -> Knowledge:
        """Undo `to_dict`; the topology has the molecules of `system_of_molecules`."""
        templates = topology.templates
        return cls(
            tuple(plain["atom_types"]),
            tuple(plain["bead_types"]),
            RigidBonds(dict(plain["rigid"])),
            tuple(
                (template, np.array(signs, dtype=np.int8))
                for template, signs in zip(templates, plain["hands"], strict=True)
            ),
            float(plain["longest"]),
        )


def system_of_molecules(
    molecules: Sequence[tuple[MoleculeTemplate, MappingTemplate]],
) -> tuple[Topology, Mapping]:
    """One molecule of each kind, with its mapping.

    Parameters
    ----------
    molecules : sequence of (MoleculeTemplate, MappingTemplate)
        One mapping a molecule.

    Raises
    ------
    MappingError
        A molecule comes with two mappings.
    """
    twice = [a.name for k, (a, _) in enumerate(molecules) if any(a == b for b, _ in molecules[:k])]
    if twice:
        raise MappingError(f"molecule {', '.join(twice)} has two mappings; a model knows one of each")
    topology = Topology(tuple((template, 1) for template, _ in molecules))
    return topology, Mapping([mapping for _, mapping in molecules], topology)


def _majorities(systems: Sequence[Snapshots]) -> tuple[tuple[MoleculeTemplate, Signs], ...]:
    found: dict[MoleculeTemplate, list[Signs]] = {}
    for part in systems:
        for template, positions in part.topology.split(part.positions):
            signs = np.asarray(template.chirality(positions.astype(np.float64)), dtype=np.int8)
            copies = int(np.prod(signs.shape[:-1]))
            found.setdefault(template, []).append(signs.reshape(copies, signs.shape[-1]))
    majorities = []
    for template, several in found.items():
        mean = np.concatenate(several).mean(axis=0)
        agreed = np.where(np.abs(mean) >= _AGREED, np.sign(mean), 0)
        majorities.append((template, agreed.astype(np.int8)))
    return tuple(majorities)


def _longest(part: Snapshots) -> float:
    bonds = np.asarray(part.mapping.bead_topology().bonds).reshape(-1, 2)
    if not len(bonds):
        return 0.0
    away = part.beads[:, bonds[:, 0]] - part.beads[:, bonds[:, 1]]
    return float(np.linalg.norm(away, axis=-1).max())
