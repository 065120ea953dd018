"""Energies of beads that the reference hardly ever exceeds: what lies above is drawn again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from msb.backmap.placer import Candidates
from msb.backmap.record import stream
from msb.backmap.reference import ReferenceScene
from msb.core.fragments import units_of
from msb.core.mapping import Mapping
from msb.core.order import BeadOrder
from msb.core.scene import Phase, Scene, Tables
from msb.data.snapshots import Snapshots

__all__ = ["EnergyLimits", "bead_keys"]

_QUANTILE = 0.999
_FRAMES = 8  # of each system that are looked at

EnergyOf = Callable[[Scene, Phase, Tensor, Tensor, Candidates], Tensor]


@dataclass(frozen=True)
class EnergyLimits:
    """Limits by kind of pass and kind of bead.

    Attributes
    ----------
    values : dict of str to dict of str to float
        kJ/mol, by the pass (:func:`msb.backmap.record.stream`) and the bead (:func:`bead_keys`).
    """

    values: dict[str, dict[str, float]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.values)

    @classmethod
    def measure(
        cls,
        systems: Sequence[tuple[Snapshots, Callable[[Tables], EnergyOf]]],
        phases: Sequence[Phase],
        reach: float,
        order: BeadOrder = "depth",
    ) -> EnergyLimits:
        """Take them from snapshots, each bead as it is among what its pass would see.

        Parameters
        ----------
        systems : sequence of (Snapshots, callable)
            Each with what makes energies of candidates for tables.
        phases : sequence of Phase
            Passes of the placer; each kind is measured once.
        reach : float
            nm.
        order : {'depth', 'breadth', 'random', 'index'}
            Of beads in a molecule.
        """
        kinds = {stream(phase): phase for phase in reversed(phases)}
        found: dict[str, dict[str, list[NDArray[np.float64]]]] = {name: {} for name in kinds}
        for part, make in systems:
            tables = Tables.of(part.mapping, order)
            energy, keys = make(tables), np.array(bead_keys(part.mapping))
            for number in np.unique(np.linspace(0, len(part.positions) - 1, _FRAMES).astype(int)).tolist():
                some = part[number : number + 1]
                scene = ReferenceScene.make(tables, some.positions, some.beads, some.boxes, reach=reach)
                for name, phase in kinds.items():
                    values = _energies(scene, phase, energy)
                    for key in np.unique(keys).tolist():
                        own = values[keys == key]
                        found[name].setdefault(key, []).append(own[np.isfinite(own)])
        return cls({name: {k: _limit(v) for k, v in sorted(rows.items())} for name, rows in found.items()})

    def of(self, mapping: Mapping) -> dict[str, Tensor]:
        """Limits (M,) of the beads of a system, infinite where nothing is known."""
        keys = bead_keys(mapping)
        return {
            name: torch.tensor([rows.get(key, np.inf) for key in keys], dtype=torch.float64)
            for name, rows in self.values.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {name: dict(rows) for name, rows in self.values.items()}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> EnergyLimits:
        """Undo `to_dict`."""
        return cls({name: dict(rows) for name, rows in plain.items()})


def bead_keys(mapping: Mapping) -> list[str]:
    """A word for each bead (M,) of a system that is the same for beads of the same atoms and bonds.

    Parameters
    ----------
    mapping : Mapping
    """
    keys: list[str] = []
    for block, (molecule, _) in zip(mapping.blocks, mapping.topology.molecules, strict=True):
        own = [""] * block.template.n_beads
        for unit in units_of(molecule, block.template, "bead"):
            for bead in unit.beads:
                own[bead] = f"{block.template.bead_types[bead]}:{unit.keys[-1]}"
        keys += own * block.count
    return keys


def _energies(scene: Scene, phase: Phase, energy: EnergyOf) -> NDArray[np.float64]:
    """Energies (M,) of the beads of a scene's only frame as they are."""
    bead = torch.arange(scene.tables.n_beads)
    frame = torch.zeros_like(bead)
    atoms = scene.tables.placed_in(phase, bead)
    places = scene.positions[frame[:, None], atoms.clamp(min=0)]
    with torch.no_grad():
        values = energy(scene, phase, frame, bead, Candidates(atoms, places[:, None]))
    return np.asarray(values[:, 0].double())


def _limit(values: list[NDArray[np.float64]]) -> float:
    rows = np.concatenate(values)
    return float(np.quantile(rows, _QUANTILE, method="higher")) if len(rows) else float("inf")
