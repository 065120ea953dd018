"""Liquid hexane in OPLS-AA at the state point of the VOTCA tutorial, and the tutorial's three beads."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MsbError

sys.path.append(str(Path(__file__).resolve().parents[1] / "melt_data"))
import hydrocarbons
from systems import Stage, System

__all__ = ["ATOMS", "LIQUID", "TEMPERATURE", "TUTORIAL", "box_of", "hexane", "mapping_of"]

FloatArray = NDArray[np.float64]
TUTORIAL = Path("/usr/share/votca/csg-tutorials/hexane/atomistic/conf.gro")  # Debian's votca-tutorials
TEMPERATURE = 300.0  # K
COUNT = 125  # molecules: half the tutorial's box along each axis
TUTORIAL_EDGE, TUTORIAL_COUNT = 6.04233, 1000
ATOMS = {"A1": range(0, 7), "B": range(7, 13), "A2": range(13, 20)}  # CH3-CH2, CH2-CH2, CH2-CH3
LORENTZ_BERTHELOT = 2  # rule of combination; OpenMM evaluates OPLS's own seven times more slowly
STEP = 4.0  # fs, with heavy hydrogens: no configuration is more or less likely for it


def hexane() -> MoleculeTemplate:
    """Return CH3-(CH2)4-CH3 with every carbon before its hydrogens, as the tutorial orders its atoms."""
    types = ["CT", "HC", "HC", "HC", *("CT", "HC", "HC") * 4, "CT", "HC", "HC", "HC"]
    carbons = [k for k, kind in enumerate(types) if kind == "CT"]
    bonds = [(carbons[k], carbons[k + 1]) for k in range(5)]
    bonds += [(max(c for c in carbons if c < h), h) for h, kind in enumerate(types) if kind == "HC"]
    charges = {c: -0.18 if c in (carbons[0], carbons[-1]) else -0.12 for c in carbons}
    return hydrocarbons.molecule("HEX", types, bonds, charges)


def mapping_of(topology: Topology) -> Mapping:
    """Return the tutorial's mapping: centres of mass of three pairs of carbons with their hydrogens."""
    names = hexane().atom_names
    groups = [BeadGroup(bead, tuple(names[a] for a in atoms), bead[0]) for bead, atoms in ATOMS.items()]
    return Mapping({"HEX": MappingTemplate.from_mass(hexane(), groups)}, topology)


def box_of(count: int) -> float:
    """Edge in nm of a cubic box with the tutorial's density."""
    return float(TUTORIAL_EDGE * (count / TUTORIAL_COUNT) ** (1 / 3))


def cut(system: System, generator: np.random.Generator) -> FloatArray:
    """Return the tutorial's molecules about a random point of its box, as many as the system has.

    Raises
    ------
    MsbError
        The tutorial is not there.
    """
    if not TUTORIAL.exists():
        raise MsbError(f"{TUTORIAL} is missing; on Debian and Ubuntu: apt install votca-tutorials")
    lines = TUTORIAL.read_text().splitlines()[2:-1]
    x = np.array([[float(line[k : k + 8]) for k in (20, 28, 36)] for line in lines])
    x = x.reshape(TUTORIAL_COUNT, -1, 3)
    x -= TUTORIAL_EDGE * np.round((x - x[:, :1]) / TUTORIAL_EDGE)
    x -= TUTORIAL_EDGE * generator.random(3)
    x -= TUTORIAL_EDGE * np.round(x.mean(axis=1, keepdims=True) / TUTORIAL_EDGE)
    far = np.abs(x.mean(axis=1)).max(axis=1)
    return np.asarray(x[np.sort(np.argsort(far)[: system.count])].reshape(-1, 3))


LIQUID = System(
    name="hexane300",
    template=hexane,
    types=partial(hydrocarbons.atom_types_text, LORENTZ_BERTHELOT),
    count=COUNT,
    edge=box_of(COUNT),
    start=cut,
    preparation=(
        Stage("minimise", 0, 0, None, integrator="steep"),
        Stage("push", 0.5, TEMPERATURE, None, step=0.5, integrator="sd"),
        Stage("settle", 8, TEMPERATURE, None, step=STEP),
    ),
    production=Stage("run", 10, TEMPERATURE, None, step=STEP),
    cutoff=hydrocarbons.CUTOFF,
    dielectric=hydrocarbons.DIELECTRIC,
)
