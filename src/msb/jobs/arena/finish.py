"""What makes the arena's minimised and polished structures: the set's force field, beads held."""

from __future__ import annotations

from typing import Any

from msb.energy.amber import peptide_system
from msb.energy.finisher import Finisher
from msb.energy.gromacs import read_gromacs_system
from msb.energy.protocols import Finish
from msb.errors import EnergyError
from msb.jobs.arena.sets import Bout

__all__ = ["force_field", "make_finisher"]


def force_field(bout: Bout) -> Any:
    """Return the OpenMM System of a bout, or None where the set declares no force field.

    Raises
    ------
    EnergyError, FileFormatError
        The force field does not fit the system.
    """
    data = bout.data
    if bout.top is not None:
        box = bout.reference().boxes
        return read_gromacs_system(
            bout.top, None if box is None else box[0], cutoff=data.cutoff, dielectric=data.dielectric
        ).system
    if not data.force_field:
        return None
    from openmm import app

    try:
        topology = app.PDBFile(str(bout.structure)).topology
    except (ValueError, OSError) as error:
        raise EnergyError(f"{bout.structure}: OpenMM cannot read it: {error}") from error
    held = "h-bonds" if data.constraints == "h-bonds" else None
    return peptide_system(topology, data.force_field, held, data.implicit)


def make_finisher(bout: Bout, relax: str, polish: str) -> Finisher | None:
    """Return what relaxes or polishes a bout's frames; None without a force field.

    Parameters
    ----------
    bout : Bout
    relax, polish : str
        As :class:`msb.energy.protocols.Finish` takes them.
    """
    system = force_field(bout)
    if system is None:
        return None
    every = bout.data.constraints == "all-bonds"
    settings = Finish(relax, polish, bout.test.temperature, constrain=every)
    return Finisher.of(system, bout.mapping, settings, hands=bout.hands)
