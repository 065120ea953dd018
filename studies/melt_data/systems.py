"""What is simulated: molecules, force field, box to start from, stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import hydrocarbons
import numpy as np
import polystyrene
from build import chain, pack, syndiotactic
from numpy.typing import NDArray

from msb.classical.equilibrium import equilibrium_geometry
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
    hands = syndiotactic(template.n_atoms // polystyrene.MONOMER)
    return pack(lambda _: chain(template, hands, generator), system.count, system.edge, 0.28, generator)


def _liquid_start(system: System, generator: np.random.Generator) -> NDArray[np.float64]:
    template = system.template()
    shapes = [equilibrium_geometry(template, seed=k).astype(np.float64) for k in range(_SHAPES)]
    return pack(lambda k: shapes[k % _SHAPES], system.count, system.edge, 0.22, generator)


_SHAPES = 16  # conformations that a liquid begins with
_SOFT = (
    Stage("minimise", 0, 0, None, integrator="steep"),
    Stage("push", 1, 350, None, step=0.5, integrator="sd"),
)
_MELT = System(
    name="sps568",
    template=polystyrene.polystyrene,
    types=polystyrene.atom_types_text,
    count=36,
    edge=8.0,
    start=_polystyrene_start,
    preparation=(
        *(replace(stage, temperature=568) for stage in _SOFT),
        Stage("squeeze", 60, 650, 500.0, step=3, heavy=True),
        Stage("mix", 200, 700, step=4, heavy=True),
        Stage("cool", 80, 568, step=4, heavy=True, cool_from=700),
        Stage("settle", 20, 568),
    ),
    production=Stage("run", 200, 568),
    cutoff=polystyrene.CUTOFF,
    dielectric=polystyrene.DIELECTRIC,
)
_OCTANE = System(
    name="octane350",
    template=hydrocarbons.octane,
    types=hydrocarbons.atom_types_text,
    count=215,
    edge=6.0,
    start=_liquid_start,
    preparation=(
        *_SOFT,
        Stage("squeeze", 40, 400, 300.0, step=3, heavy=True),
        Stage("mix", 100, 400, step=4, heavy=True),
        Stage("settle", 40, 350),
    ),
    production=Stage("run", 200, 350),
    cutoff=hydrocarbons.CUTOFF,
    dielectric=hydrocarbons.DIELECTRIC,
)
_CUMENE = replace(_OCTANE, name="cumene350", template=hydrocarbons.cumene, count=265)
_TETRACOSANE = replace(
    _OCTANE,
    name="tetracosane400",
    template=hydrocarbons.tetracosane,
    count=168,
    edge=9.0,
    preparation=(
        *(replace(stage, temperature=400) for stage in _SOFT),
        Stage("squeeze", 60, 600, 500.0, step=3, heavy=True),
        Stage("mix", 200, 600, step=4, heavy=True),
        Stage("cool", 80, 400, step=4, heavy=True, cool_from=600),
        Stage("settle", 120, 400, step=4, heavy=True),
    ),
    production=Stage("run", 200, 400, step=4, heavy=True),  # only structures are taken from it
)
SYSTEMS = {system.name: system for system in (_MELT, _OCTANE, _CUMENE, _TETRACOSANE)}
