"""Topologies from files, by their ending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msb.core.topology import Topology
from msb.errors import FileFormatError, TrajectoryError
from msb.io.atoms import AtomTable, quiet
from msb.io.gro import read_gro
from msb.io.gromacs import GromacsTopology, read_gromacs
from msb.units import NM_PER_ANGSTROM

__all__ = ["GromacsTopology", "read_gromacs", "read_topology"]

_GROMACS = (".top", ".itp")


def read_topology(
    path: str | Path,
    *,
    include_dirs: Sequence[str | Path] = (),
    defines: Sequence[str] | Mapping[str, str] = (),
    leave_out: Sequence[str] = (),
) -> Topology:
    """Read a topology: GROMACS' ``.top`` and ``.itp``, or any structure or topology MDAnalysis reads.

    Files without bonds (``.gro``, most ``.pdb``) get them from the distances of their first frame.

    Parameters
    ----------
    path : str or Path
        ``.top``, ``.itp``, ``.pdb``, ``.gro``, ``.psf``, ``.tpr``, ...
    include_dirs, defines, leave_out
        For ``.top`` and ``.itp``, as in `read_gromacs`.

    Returns
    -------
    Topology

    Raises
    ------
    FileFormatError
        The file is missing or cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(path, "there is no such file")
    if path.suffix.lower() in _GROMACS:
        return read_gromacs(path, include_dirs, defines, leave_out=leave_out).topology
    return Topology.from_universe(_universe(path))


def _universe(path: Path) -> Any:
    if path.suffix.lower() == ".gro":
        return _universe_of_gro(path)
    try:
        return AtomTable.from_structure(path)[1]
    except TrajectoryError as error:
        raise FileFormatError(
            path, f"MDAnalysis cannot read a topology from it ({error.__cause__})"
        ) from error


def _universe_of_gro(path: Path) -> Any:
    from MDAnalysis.lib.mdamath import triclinic_box

    frame = read_gro(path)
    universe = AtomTable.from_gro(frame).universe()
    with quiet():
        universe.atoms.positions = frame.positions / NM_PER_ANGSTROM
        if frame.box is not None:
            universe.dimensions = triclinic_box(*(frame.box / NM_PER_ANGSTROM))
    return universe
