"""Bonds that a simulation held at their lengths: found in snapshots, known again in other molecules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.snapshots import Snapshots

__all__ = ["RigidBonds"]

_ENOUGH = 20  # lengths of a kind that say something about its spread
_SPREAD = 8e-4  # nm; twice what three decimals make of a constant length, a fifth of what heat makes


@dataclass(frozen=True)
class RigidBonds:
    """Lengths of rigid bonds by what is bonded.

    Attributes
    ----------
    lengths : dict of str to float
        nm, by kind of bond: the types of both atoms and of what each is bonded to.
    """

    lengths: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, systems: Sequence[Snapshots]) -> RigidBonds:
        """Find them.

        Parameters
        ----------
        systems : sequence of Snapshots
        """
        values: dict[str, list[NDArray[np.float64]]] = {}
        for part in systems:
            for molecule, positions in part.topology.split(part.positions):
                if not len(molecule.bonds):
                    continue
                i, j = np.asarray(molecule.bonds).T
                x = np.asarray(positions, dtype=np.float64)
                lengths = np.linalg.norm(x[..., i, :] - x[..., j, :], axis=-1).reshape(-1, len(i))
                for k, kind in enumerate(_kinds(molecule)):
                    values.setdefault(kind, []).append(lengths[:, k])
        joined = {kind: np.concatenate(parts) for kind, parts in values.items()}
        constant = {k: v for k, v in sorted(joined.items()) if len(v) >= _ENOUGH and v.std() < _SPREAD}
        return cls({kind: float(v.mean()) for kind, v in constant.items()})

    def constraints(self, topology: Topology) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """Rigid bonds of a system.

        Parameters
        ----------
        topology : Topology

        Returns
        -------
        pairs (K, 2), lengths (K,) in nm; None if there are none
        """
        pairs, lengths = [np.empty((0, 2), dtype=np.int64)], [np.empty(0)]
        for molecule, first, count in topology.blocks():
            kinds = _kinds(molecule) if len(molecule.bonds) else []
            known = [k for k, kind in enumerate(kinds) if kind in self.lengths]
            starts = first + molecule.n_atoms * np.arange(count)
            bonds = np.asarray(molecule.bonds, dtype=np.int64).reshape(-1, 2)[known]
            pairs.append((bonds[None] + starts[:, None, None]).reshape(-1, 2))
            lengths.append(np.tile([self.lengths[kinds[k]] for k in known], count))
        found = np.concatenate(pairs)
        return (found, np.concatenate(lengths)) if len(found) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return dict(self.lengths)


def _kinds(molecule: MoleculeTemplate) -> list[str]:
    """What each bond joins, in words that hold for the same bond of other molecules."""
    types = molecule.atom_types
    ends = [
        f"{types[a]}({','.join(sorted(types[b] for b in molecule.neighbours[a]))})"
        for a in range(molecule.n_atoms)
    ]
    return ["-".join(sorted((ends[i], ends[j]))) for i, j in np.asarray(molecule.bonds).tolist()]
