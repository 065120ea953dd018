"""The force field of a system that is to be relaxed: from its topology file, or from the model's bundle."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.energy.gromacs import read_gromacs_system
from msb.energy.systems import system_from_xml
from msb.jobs.system import System
from msb.jobs.top_out import write_top

__all__ = ["force_field_of"]


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
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder) / "system.top"
            write_top(own, top, system.topology, system.grown)
            return read_gromacs_system(own, box).system
    texts: dict[str, str] = getattr(model, "force_field", None) or {}
    molecules = system.topology.molecules
    if len(molecules) == 1 and molecules[0][1] == 1 and molecules[0][0].name in texts:
        return system_from_xml(texts[molecules[0][0].name])
    return None
