"""What is simulated: molecules, force field, box to start from, stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from build import chain, pack, syndiotactic
from numpy.typing import NDArray
from polystyrene import CUTOFF, DIELECTRIC, atom_types_text, polystyrene

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.io.gromacs_writer import molecule_type_text, system_text

__all__ = ["SYSTEMS", "Stage", "System", "topology_text"]

HEAVY = 3.0  # amu added to the hydrogens, taken from what they are bonded to, while equilibrating
SNAPSHOT = 4.0  # ps between frames of the production


@dataclass(frozen=True)
class Stage:
    """One GROMACS run: ps of dynamics at a temperature and a pressure, or a minimisation.

    `step` is in fs, `pressure` in bar (None: constant volume), `cool_from` a temperature in K from which
    the thermostat goes down evenly. `heavy`: with heavy hydrogens, which changes the speed and not the place.
    """

    name: str
    ps: float
    temperature: float
    pressure: float | None = 1.0
    step: float = 2.0
    heavy: bool = False
    integrator: str = "md"
    cool_from: float | None = None


@dataclass(frozen=True)
class System:
    """Molecules in a box and how they come to rest."""

    name: str
    template: Callable[[], MoleculeTemplate]
    types: Callable[[], str]
    count: int
    edge: float
    start: Callable[[System, np.random.Generator], NDArray[np.float64]]
    preparation: tuple[Stage, ...]
    production: Stage  # of one segment
    cutoff: float
    dielectric: float
    pairs14: str = ""

    @property
    def topology(self) -> Topology:
        """The box."""
        return Topology(((self.template(), self.count),))


def topology_text(system: System, heavy: bool = False) -> str:
    """Return the whole ``.top``, its hydrogens heavy where asked."""
    template = system.template()
    if heavy:
        template = replace(template, masses=_heavy(template))
    head = f"; {system.name}: written by studies/melt_data\n\n{system.types()}\n"
    topology = Topology(((template, system.count),))
    return head + molecule_type_text(template) + "\n" + system_text(topology, system.name)


def _heavy(template: MoleculeTemplate) -> NDArray[np.float64]:
    masses = template.masses.copy()
    for i, j in template.bonds.tolist():
        light, other = (i, j) if template.elements[i] == "H" else (j, i)
        if template.elements[light] == "H":
            masses[light] += HEAVY - 1
            masses[other] -= HEAVY - 1
    return masses


def _polystyrene_start(system: System, generator: np.random.Generator) -> NDArray[np.float64]:
    template = system.template()
    hands = syndiotactic(template.n_atoms // 16)
    return pack(lambda _: chain(template, hands, generator), system.count, system.edge, 0.28, generator)


_SOFT = (
    Stage("minimise", 0, 0, None, integrator="steep"),
    Stage("push", 1, 568, None, step=0.5, integrator="sd"),
)
_HOT = (
    *_SOFT,
    Stage("squeeze", 60, 650, 500.0, step=3, heavy=True),
    Stage("mix", 200, 700, step=4, heavy=True),
    Stage("cool", 120, 568, step=4, heavy=True, cool_from=700),
    Stage("settle", 60, 568),
)
_MELT = System(
    "sps568", polystyrene, atom_types_text, 36, 8.0, _polystyrene_start, _HOT, Stage("run", 200, 568),
    CUTOFF, DIELECTRIC,
)  # fmt: skip
SYSTEMS = {system.name: system for system in (_MELT,)}
