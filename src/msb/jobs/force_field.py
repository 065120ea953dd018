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
from msb.jobs.system import System
from msb.jobs.top_out import write_top

__all__ = ["force_field_of"]

_CUTOFF = 1.0  # nm
_SHARE = 0.48  # of the box's smallest width


def force_field_of(
    system: System, top: str | Path | None, model: Backmapper | None = None, box: NDArray[Any] | None = None
) -> Any | None:
    """Return the OpenMM System of what gets atoms, or None where no force field is known.

    Parameters
    ----------
    system : System
    top : path, optional
        A topology file with the molecules' force field, whatever their numbers there.
    model : Backmapper, optional
        Whose bundle may hold one.
    box : float array (3, 3), optional
        nm; without one there are no periodic images.

    Returns
    -------
    openmm.System or None

    Raises
    ------
    FileFormatError
        The topology lacks parameters that its molecules need.
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


def _of_top(system: System, top: str | Path, box: NDArray[Any] | None) -> Any:
    """Read one molecule of each kind and copy it; all of them where two kinds have one name."""
    topology = system.topology
    names = [template.name for template in topology.templates]
    alone = Topology(tuple((template, 1) for template in topology.templates))
    distinct = len(set(names)) == len(names)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "system.top"
        write_top(path, top, alone if distinct else topology, system.grown)
        read = read_gromacs_system(path, box, cutoff=_cutoff(box)).system
    return system_of(topology, split_system(read, alone), box) if distinct else read


def _cutoff(box: NDArray[Any] | None) -> float:
    """Cutoff in nm: 1, or less where the box is narrower than twice that."""
    if box is None:
        return _CUTOFF
    widths = 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(box, dtype=np.float64)), axis=0)
    return float(min(_CUTOFF, _SHARE * widths.min()))
