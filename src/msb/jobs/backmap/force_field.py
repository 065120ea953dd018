"""The force field of a system that is to be relaxed: from its topology file, or from the model's bundle."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.data.force_fields import molecule_fields, require_parameters, safe_cutoff
from msb.data.top_out import write_top
from msb.energy.gromacs import read_gromacs_system
from msb.energy.replicate import system_of
from msb.energy.systems import system_from_xml
from msb.io.gromacs import GromacsTopology
from msb.jobs.backmap.system import System

__all__ = ["force_field_of"]


def force_field_of(
    system: System,
    top: GromacsTopology | None,
    model: Backmapper | None = None,
    box: NDArray[Any] | None = None,
) -> Any | None:
    """Return the OpenMM System of what gets atoms, or None where no force field is known.

    Parameters
    ----------
    system : System
    top : GromacsTopology, optional
        With the molecules' force field, whatever their numbers there.
    model : Backmapper, optional
        Whose bundle may hold one.
    box : float array (3, 3), optional
        nm; without one there are no periodic images.

    Returns
    -------
    openmm.System or None

    Raises
    ------
    EnergyError
        The topology lacks types or parameters that the molecules need: all are listed.
    """
    if top is not None:
        return _of_top(system, top, box)
    texts: dict[str, str] = getattr(model, "force_field", None) or {}
    if not texts or not {t.name for t in system.topology.templates} <= set(texts):
        return None
    fields = {name: system_from_xml(text) for name, text in texts.items()}
    if any(fields[t.name].getNumParticles() != t.n_atoms for t in system.topology.templates):
        return None  # chains of another length
    only = system.topology.molecules
    if box is None and len(only) == 1 and only[0][1] == 1:
        return fields[only[0][0].name]  # as it is, whatever its forces
    return system_of(system.topology, fields, box)


def _of_top(system: System, top: GromacsTopology, box: NDArray[Any] | None) -> Any:
    """Read one molecule of each kind and copy it; all of them where two kinds have one name."""
    topology = system.topology
    templates = list(topology.templates)
    if len({t.name for t in templates}) == len(set(templates)):
        fields = molecule_fields(top, templates, system.grown, box=box, cutoff=safe_cutoff(box))
        return system_of(topology, fields, box)
    require_parameters(top, templates)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "system.top"
        write_top(path, top.path, topology, system.grown)
        return read_gromacs_system(path, box, cutoff=safe_cutoff(box)).system
