"""The liquid: molecule and mapping as the study's files have them, the box, stages of its simulation."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from chemistry import atom_types_text
from numpy.typing import NDArray

from msb.classical.equilibrium import equilibrium_geometry
from msb.core.mapping import Mapping
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.io.gromacs import read_gromacs
from msb.io.mapping_files import read_mapping

sys.path.append(str(Path(__file__).resolve().parents[1] / "melt_data"))  # studies are no package
from build import pack
from systems import Stage, System

__all__ = [
    "EQUALISE",
    "LIQUID",
    "MAPPING",
    "TEMPERATURE",
    "TIMES",
    "TOPOLOGY",
    "VALID",
    "mapping_of",
    "start",
    "tmbt",
]

HERE = Path(__file__).resolve().parent
TOPOLOGY, MAPPING = HERE / "tmbt.top", HERE / "tmbt_mapping.yaml"
TEMPERATURE = 450.0  # K
HOT = 650.0  # K, where the molecules mix
COUNT, EDGE = 100, 8.5  # molecules, and nm of the cube that they are thrown into
CUTOFF, DIELECTRIC = 1.0, 3.0
SHAPES, APART = 8, 0.25  # conformations to begin with, nm between molecules
TIMES, VALID = (10.0, 20.0, 30.0, 40.0), 50.0  # ps of the production: to learn from, to choose weights by
EQUALISE = "press"  # the stage whose mean density the production has


def tmbt() -> MoleculeTemplate:
    """Return the molecule as `chemistry.molecule` types it."""
    return read_gromacs(TOPOLOGY).topology.templates[0]


def mapping_of(topology: Topology) -> Mapping:
    """Return the paper's mapping: A the triazine, B the phenyls (inner ones B1 ..., outer ones E1 ...)."""
    return Mapping(read_mapping(MAPPING, topology), topology)


def start(system: System, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return molecules (N, 3) in nm at random places, so thin that none is in the way of another."""
    template = system.template()
    shapes = [
        equilibrium_geometry(template, seed=k).astype(np.float64) for k in range(min(SHAPES, system.count))
    ]
    return pack(lambda k: shapes[k % len(shapes)], system.count, system.edge, APART, generator)


LIQUID = System(
    name="tmbt450",
    template=tmbt,
    types=atom_types_text,
    count=COUNT,
    edge=EDGE,
    start=start,
    preparation=(
        Stage("minimise", 0, 0, None, integrator="steep"),
        Stage("push", 2, HOT, None, step=0.5, integrator="sd"),
        Stage("squeeze", 81, HOT, 1000.0, step=3, heavy=True),
        Stage("mix", 201, HOT, step=3, heavy=True),
        Stage("cool", 60, TEMPERATURE, step=3, heavy=True, cool_from=HOT),
        Stage(EQUALISE, 120, TEMPERATURE, step=3, heavy=True),
        Stage("settle", 10, TEMPERATURE, None),
    ),
    production=Stage("run", 100, TEMPERATURE, None),
    cutoff=CUTOFF,
    dielectric=DIELECTRIC,
)
