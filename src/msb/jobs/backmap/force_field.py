"""The force field of a system that is to be relaxed: from its topology file, or from the model's bundle."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.core.topology import Topology
from msb.energy.gromacs import read_gromacs_system
from msb.energy.replicate import split_system, system_of
from msb.energy.systems import system_from_xml
from msb.errors import EnergyError
from msb.io.gromacs import GromacsTopology
from msb.jobs.backmap.system import System
from msb.jobs.backmap.top_out import write_top

__all__ = ["force_field_of"]

_CUTOFF = 1.0  # nm
_NAMED = 6  # types in a message
_SHARE = 0.48  # of the box's smallest width


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
    only = system.topology.molecules
    if box is None and len(only) == 1 and only[0][1] == 1:
        return fields[only[0][0].name]  # as it is, whatever its forces
    return system_of(system.topology, fields, box)


def _of_top(system: System, top: GromacsTopology, box: NDArray[Any] | None) -> Any:
    """Read one molecule of each kind and copy it; all of them where two kinds have one name."""
    _require_parameters(system, top)
    topology = system.topology
    names = [template.name for template in topology.templates]
    alone = Topology(tuple((template, 1) for template in topology.templates))
    distinct = len(set(names)) == len(names)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "system.top"
        write_top(path, top.path, alone if distinct else topology, system.grown)
        read = read_gromacs_system(path, box, cutoff=_cutoff(box)).system
    return system_of(topology, split_system(read, alone), box) if distinct else read


def _require_parameters(system: System, top: GromacsTopology) -> None:
    """Refuse molecules whose force field is not all there."""
    lacking = []
    for template in system.topology.templates:
        types = sorted(set(template.atom_types) - set(top.atom_types))
        if types:
            lacking.append(f"{template.name} has atom types {', '.join(types)} that no [ atomtypes ] gives")
    present = {template.name for template in system.topology.templates}
    odd: dict[str, list[str]] = {}
    for name, entry in top.without_parameters():
        if name in present:
            template = top.molecule_types[name]
            types = [template.atom_types[atom] for atom in entry.atoms]
            words = [value for value in entry.parameters if isinstance(value, str)]
            said = f"{'-'.join(types)}{' (macro ' + ', '.join(words) + ')' if words else ''}"
            odd.setdefault(f"{entry.kind} of {name}", []).append(said)
    for what, entries in odd.items():
        kinds = list(dict.fromkeys(entries))
        more = f" and {len(kinds) - _NAMED} more" if len(kinds) > _NAMED else ""
        lacking.append(f"{what} between types {', '.join(kinds[:_NAMED])}{more} have no parameters")
    if lacking:
        raise EnergyError(
            f"{top.path} is no whole force field: {'; '.join(lacking)}; add them, or choose --relax none "
            "--polish none"
        )


def _cutoff(box: NDArray[Any] | None) -> float:
    """Cutoff in nm: 1, or less where the box is narrower than twice that."""
    if box is None:
        return _CUTOFF
    widths = 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(box, dtype=np.float64)), axis=0)
    return float(min(_CUTOFF, _SHARE * widths.min()))
