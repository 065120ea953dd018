"""The channels of a system looked up fast: for any placed atom and anything around it, without a loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from msb.core.arrays import IntArray
from msb.core.bead_groups import nearest_names
from msb.core.channels import ChannelMap
from msb.core.graph import pairs_within
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.errors import MappingError

__all__ = ["EXTRA_LABELS", "ChannelTables"]

_NEAR = ("bond", "angle", "torsion")  # relations 1, 2, 3; 0 is anything else
EXTRA_LABELS = 4  # own hand, hands of up to two bonded stereocentres, whether in a Gibbs pass
_OUTSIDE = -1


@dataclass(frozen=True, eq=False)
class ChannelTables:
    """A channel map worked out for the atoms and beads of a system.

    Attributes
    ----------
    channels : ChannelMap
    kind : Tensor (N,)
        Number of each atom's type.
    bead_kind : Tensor (M,)
        Number of each bead's type.
    atom_features : Tensor (4, T, T, C)
        By relation, type of the placed atom and type of the other: weights in the channels.
    bead_features : Tensor (T', C)
    group : Tensor (N,)
        Class of each atom.
    hands : Tensor (N, 3)
        Wanted hand of the atom, if it is a stereocentre, and of the first two stereocentres bonded to it; 0
        where there is none or none is wanted.
    molecule, first, block : Tensor (N,)
        Molecule of each atom, that molecule's first atom, and its kind of molecule.
    base, size : Tensor (kinds of molecules,)
        Where the keys of a kind begin, and its number of atoms.
    keys, codes : Tensor (R,)
        Related pairs, base + size * placed + other with atoms counted in the molecule, sorted; and their
        relations (1 bond, 2 angle, 3 torsion).
    """

    channels: ChannelMap
    kind: Tensor
    bead_kind: Tensor
    atom_features: Tensor
    bead_features: Tensor
    group: Tensor
    hands: Tensor
    molecule: Tensor
    first: Tensor
    block: Tensor
    base: Tensor
    size: Tensor
    keys: Tensor
    codes: Tensor

    @classmethod
    def of(cls, channels: ChannelMap, mapping: Mapping, hands: ArrayLike | None = None) -> ChannelTables:
        """Work a channel map out for a system.

        Parameters
        ----------
        channels : ChannelMap
        mapping : Mapping
            Its topology is the system.
        hands : int array (C,), optional
            Wanted sign of every stereocentre of the system, in the order of its atoms.

        Raises
        ------
        MappingError
            Atom types or bead types that no channel takes, or atoms without a class; all of them at once.
        """
        topology = mapping.topology
        types = sorted({kind for template in topology.templates for kind in template.atom_types})
        beads = sorted({_bead_type(t, b, channels) for t in mapping.templates for b in t.bead_types})
        _check_known(channels, topology.templates, types, beads)
        number = {kind: i for i, kind in enumerate(types)}
        bead_number = {kind: i for i, kind in enumerate(beads)}
        per_atom: dict[str, list[IntArray]] = {"kind": [], "group": [], "first": [], "block": []}
        for template, first, count in topology.blocks():
            kinds = np.array([number[kind] for kind in template.atom_types], dtype=np.int64)
            per_atom["kind"].append(np.tile(kinds, count))
            per_atom["group"].append(np.tile(_classes(channels, template), count))
            starts = first + template.n_atoms * np.arange(count)
            per_atom["first"].append(np.repeat(starts, template.n_atoms))
            block = topology.templates.index(template)
            per_atom["block"].append(np.full(count * template.n_atoms, block))
        bead_kinds = [
            np.tile([bead_number[_bead_type(t, b, channels)] for b in t.bead_types], block.count)
            for t, block in zip(mapping.templates, mapping.blocks, strict=True)
        ]
        return cls(
            channels=channels,
            bead_kind=torch.as_tensor(np.concatenate(bead_kinds).astype(np.int64)),
            atom_features=torch.as_tensor(_atom_features(channels, types)),
            bead_features=torch.as_tensor(_bead_features(channels, beads)),
            hands=torch.as_tensor(_hands(mapping, hands)),
            molecule=torch.as_tensor(np.array(topology.molecule_index)),
            **{name: torch.as_tensor(np.concatenate(parts)) for name, parts in per_atom.items()},
            **_related(topology.templates),
        )

    @property
    def n_labels(self) -> int:
        """Number of what `labels` gives of an atom."""
        return len(self.channels.classes) + EXTRA_LABELS

    def to(self, device: torch.device | str) -> ChannelTables:
        """The same on a device."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "channels"}
        return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items()})

    def relation(self, placed: Tensor, atom: Tensor, image: Tensor | None = None) -> Tensor:
        """How atoms are related to the one that is placed.

        Parameters
        ----------
        placed : Tensor (B,)
        atom : Tensor (B, P)
            -1 where there is none.
        image : bool Tensor (B, P), optional
            True for periodic images, which are not bonded to the placed atom even in its own molecule.

        Returns
        -------
        Tensor (B, P), int64
            1 bond, 2 angle, 3 torsion, 0 anything else.
        """
        other, one = atom.clamp(min=0), placed[:, None]
        same = (self.molecule[other] == self.molecule[one]) & (atom >= 0)
        if image is not None:
            same = same & ~image
        if not len(self.keys):
            return torch.zeros_like(atom)
        block, first = self.block[one], self.first[one]
        key = self.base[block] + self.size[block] * (one - first) + (other - first)
        key = torch.where(same, key, _OUTSIDE)
        slot = torch.searchsorted(self.keys, key).clamp(max=len(self.keys) - 1)
        return torch.where(self.keys[slot] == key, self.codes[slot], 0)

    def atom_matrix(
        self, placed: Tensor, atom: Tensor, relation: Tensor, channels: list[int] | None = None
    ) -> Tensor:
        """Weights (B, P, C) of atoms (B, P) in channels, given the placed ones (B,) and relations (B, P)."""
        n = self.atom_features.shape[1]
        table = self.atom_features if channels is None else self.atom_features[..., channels]
        row = (relation * n + self.kind[placed][:, None]) * n + self.kind[atom.clamp(min=0)]
        return table.reshape(-1, table.shape[-1])[row] * (atom >= 0)[..., None]

    def bead_matrix(self, bead: Tensor, current: Tensor) -> Tensor:
        """Weights (B, Q, C) of beads (B, Q), -1 where there is none, of which some are current (B, Q)."""
        weights = self.bead_features[self.bead_kind[bead.clamp(min=0)]] * (bead >= 0)[..., None]
        if not self.channels.current:
            return weights
        return torch.cat([weights[..., :-1], current[..., None].to(weights)], -1)

    def feature_matrix(
        self,
        placed: Tensor,
        atom: Tensor,
        bead: Tensor,
        current: Tensor,
        image: Tensor | None = None,
    ) -> Tensor:
        """Weights of everything around in every channel, h and H of thesis eqs. 4.9-4.10.

        Parameters
        ----------
        placed : Tensor (B,)
            The atom that is placed.
        atom : Tensor (B, P)
            Atoms around, -1 where there is none.
        bead : Tensor (B, Q)
            Beads around, -1 where there is none.
        current : bool Tensor (B, Q)
            Which of them is the one whose atoms are placed.
        image : bool Tensor (B, P), optional
            See `relation`.

        Returns
        -------
        Tensor (B, P + Q, C)
        """
        atoms = self.atom_matrix(placed, atom, self.relation(placed, atom, image))
        return torch.cat([atoms, self.bead_matrix(bead, current)], 1)

    def labels(self, atom: Tensor, gibbs: bool) -> Tensor:
        """What the networks are told of placed atoms: class (one-hot), hands, and the kind of pass.

        Parameters
        ----------
        atom : Tensor (B,)
            -1 gives zeros.
        gibbs : bool

        Returns
        -------
        Tensor (B, n_labels)
        """
        there = atom.clamp(min=0)
        group = torch.nn.functional.one_hot(self.group[there], len(self.channels.classes))
        flag = torch.full_like(atom, int(gibbs))[:, None]
        parts = [group.to(self.hands), self.hands[there], flag.to(self.hands)]
        return torch.cat(parts, 1) * (atom >= 0)[:, None]


def _atom_features(channels: ChannelMap, types: list[str]) -> Any:
    """Weights (4, T, T, C), float32."""
    table = np.zeros((1 + len(_NEAR), len(types), len(types), channels.n_channels), dtype=np.float32)
    codes = {"lennard-jones": [0], "any": [0, 1, 2, 3], **{name: [i] for i, name in enumerate(_NEAR, 1)}}
    for c, channel in enumerate(channels.atoms):
        others = [i for i, kind in enumerate(types) if not channel.types or kind in channel.types]
        placed = [i for i, kind in enumerate(types) if not channel.placed or kind in channel.placed]
        table[np.ix_(codes[channel.relation], placed, others, [c])] = 1.0
    return table


def _bead_features(channels: ChannelMap, beads: list[str]) -> Any:
    """Weights (T', C), float32; the current bead's channel is left to whoever knows which that is."""
    table = np.zeros((len(beads), channels.n_channels), dtype=np.float32)
    for c, channel in enumerate(channels.beads, start=len(channels.atoms)):
        for i, kind in enumerate(beads):
            table[i, c] = not channel.types or kind in channel.types
    return table


def _bead_type(template: MappingTemplate, kind: str, channels: ChannelMap) -> str:
    """The name under which the channels know a bead's type: its own, else one of its other names."""
    known = {word for channel in channels.beads for word in channel.types}
    if kind in known:
        return kind
    return next((other for other in template.aliases.get(kind, ()) if other in known), kind)


def _classes(channels: ChannelMap, template: MoleculeTemplate) -> IntArray:
    """Class of each atom of a molecule, -1 where none fits."""
    found = np.full(template.n_atoms, -1, dtype=np.int64)
    for atom, kind in enumerate(template.atom_types):
        near = sorted(template.elements[other] for other in template.neighbours[atom])
        found[atom] = next((i for i, entry in enumerate(channels.classes) if entry.fits(kind, near)), -1)
    return found


def _check_known(
    channels: ChannelMap, templates: Iterable[MoleculeTemplate], types: list[str], beads: list[str]
) -> None:
    """Name everything of a system that the channels do not know."""
    problems: list[str] = []
    groups = (
        ("atom types", types, [channel.types for channel in channels.atoms]),
        ("bead types", beads, [channel.types for channel in channels.beads]),
    )
    for what, names, taken in groups:
        if not taken or not all(taken):
            continue  # left out on purpose, or a channel takes every type
        known = {word for words in taken for word in words}
        missing = [name + nearest_names(name, known) for name in names if name not in known]
        if missing:
            problems.append(f"no channel for the {what} {', '.join(missing)}")
    lost: dict[str, None] = {}
    for template in templates:
        for atom in np.flatnonzero(_classes(channels, template) < 0).tolist():
            near = "".join(sorted(template.elements[other] for other in template.neighbours[atom]))
            lost.setdefault(f"{template.atom_types[atom]} ({near})")
    if lost:
        known = {entry.name for entry in channels.classes}
        named = ", ".join(name + nearest_names(name, known) for name in lost)
        problems.append(f"no class for atoms of type (and neighbours) {named}")
    if problems:
        raise MappingError(
            f"the channel map does not fit this system: {'; '.join(problems)}. Declare them, or use a model "
            "trained on molecules that have them."
        )


def _hands(mapping: Mapping, hands: ArrayLike | None) -> Any:
    """Wanted hands (N, 3) float32: own, and of the first two stereocentres bonded to the atom."""
    topology = mapping.topology
    table = np.zeros((topology.n_atoms, 3), dtype=np.float32)
    if hands is None:
        return table
    centres = topology.expand(lambda t: np.array(t.stereocentres, dtype=np.int64).reshape(-1, 1))[:, 0]
    signs = np.asarray(hands)
    if signs.shape != centres.shape:
        raise MappingError(
            f"there are {len(centres)} stereocentres and hands of shape {signs.shape}; give one for each"
        )
    table[centres, 0] = signs
    wanted = table[:, 0]
    bonds = np.concatenate([topology.bonds, topology.bonds[:, ::-1]])
    bonds = bonds[np.isin(bonds[:, 1], centres)]
    bonds = bonds[np.lexsort((bonds[:, 1], bonds[:, 0]))]
    place = np.arange(len(bonds)) - np.searchsorted(bonds[:, 0], bonds[:, 0])
    for slot in (0, 1):
        rows = bonds[place == slot]
        table[rows[:, 0], 1 + slot] = wanted[rows[:, 1]]
    return table


def _related(templates: tuple[MoleculeTemplate, ...]) -> dict[str, Tensor]:
    """Keys and codes of related pairs, and where each kind of molecule begins."""
    sizes = np.array([template.n_atoms for template in templates], dtype=np.int64)
    base = np.concatenate([[0], np.cumsum(sizes**2)[:-1]]).astype(np.int64)
    keys, codes = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for start, template in zip(base.tolist(), templates, strict=True):
        for code, pairs in enumerate(pairs_within(template.n_atoms, template.bonds, len(_NEAR)), start=1):
            both = np.concatenate([pairs, pairs[:, ::-1]])
            keys.append(start + template.n_atoms * both[:, 0] + both[:, 1])
            codes.append(np.full(len(both), code, dtype=np.int64))
    joined = np.concatenate(keys)
    order = np.argsort(joined)
    return {
        "base": torch.as_tensor(base),
        "size": torch.as_tensor(sizes),
        "keys": torch.as_tensor(joined[order]),
        "codes": torch.as_tensor(np.concatenate(codes)[order]),
    }
