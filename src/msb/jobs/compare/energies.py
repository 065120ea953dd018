"""Energies that two ensembles are compared by, where a force field is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from msb.analysis.structure.energies import LennardJones
from msb.core.topology import Topology
from msb.energy import Energy, peptide_system
from msb.errors import ConfigError, EnergyError
from msb.io.frames import Frames
from msb.io.gromacs import read_gromacs
from msb.jobs.compare.measures import Energies, Measure, PairMeasure

__all__ = ["energy_measures"]

Floats = NDArray[np.floating]


def energy_measures(
    topology: Topology, sample: Frames, top: Path | None, force_field: str | None, structure: Path
) -> list[Measure]:
    """List what needs a force field, and the pair distances, which are seen on the way.

    A GROMACS topology gives Lennard-Jones energies per molecule, a force field of OpenMM's collection the
    potential energy of the system.

    Parameters
    ----------
    topology : Topology
        The system.
    sample : Frames
        Some frames of the reference; they decide the bins.
    top : path or None
        GROMACS topology.
    force_field : str or None
        Name of a force field, ``"amber96"``, or files, comma-separated.
    structure : path
        PDB file whose residues the force field has templates for.

    Raises
    ------
    ConfigError
        Both a topology and a force field are given, or the structure is no PDB file.
    EnergyError
        The force field has no parameters for a residue.
    """
    if top is not None and force_field is not None:
        raise ConfigError("--top and --ff both give a force field: give one of them")
    parameters = None if top is None else LennardJones.from_gromacs(read_gromacs(top), topology)
    pairs = PairMeasure(topology, parameters, sample.positions, sample.boxes)
    if force_field is None:
        return [pairs]
    if structure.suffix.lower() != ".pdb":
        raise ConfigError(f"--ff looks its templates up in a PDB file; {structure} is none")
    names = [name if name.endswith(".xml") else f"{name}.xml" for name in force_field.split(",")]
    system = peptide_system(_openmm_topology(structure), names)
    energy = Energy.from_openmm(system)

    def potential(positions: Floats, boxes: Floats | None) -> dict[str, Floats]:
        x = torch.as_tensor(np.asarray(positions, dtype=np.float64))
        return {"potential energy": np.asarray(energy(x).numpy())[:, None]}

    return [pairs, Energies(potential, sample.positions, None)]


def _openmm_topology(structure: Path) -> Any:
    from openmm import app

    try:
        return app.PDBFile(str(structure)).topology
    except (ValueError, OSError) as error:
        raise EnergyError(f"{structure}: OpenMM cannot read it: {error}") from error
