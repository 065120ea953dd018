"""OpenMM Systems from GROMACS topologies."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.energy.preprocess import flatten_topology, gromacs_folder
from msb.energy.systems import make_bonded_periodic
from msb.errors import EnergyError, FileFormatError, MsbWarning

__all__ = ["GromacsSystem", "gro_box", "read_gromacs_system"]

_METHODS = ("reaction-field", "cutoff", "none", "PME")
# sections that OpenMM's reader passes over and that carry no energy of the molecules
_NO_ENERGY = {"system", "position_restraints", "implicit_genborn_params", "settles", "constrainttypes"}
_READ = {
    *(
        "defaults",
        "moleculetype",
        "molecules",
        "atoms",
        "bonds",
        "angles",
        "dihedrals",
        "exclusions",
        "pairs",
    ),
    *("constraints", "settles", "cmap", "atomtypes", "bondtypes", "angletypes", "dihedraltypes", "pairtypes"),
    *("cmaptypes", "nonbond_params", "virtual_sites2", "dummies2", "virtual_sites3", "dummies3"),
}


@dataclass(frozen=True)
class GromacsSystem:
    """What a GROMACS topology describes.

    Parameters
    ----------
    system : openmm.System
        Bonded forces take minimum images where there is a box.
    topology : openmm.app.Topology
    box : float array (3, 3) or None
        nm.
    """

    system: Any
    topology: Any
    box: NDArray[np.float64] | None


def read_gromacs_system(
    path: str | Path,
    box: ArrayLike | str | Path | None = None,
    *,
    method: str | None = None,
    cutoff: float = 1.0,
    switching: float | None = None,
    dielectric: float = 78.3,
    dispersion_correction: bool = True,
    include_dirs: Sequence[str | Path] = (),
    defines: Mapping[str, str] | None = None,
    leave_out: Collection[str] = (),
) -> GromacsSystem:
    """Read a GROMACS topology as an OpenMM System, all bonds flexible.

    Parameters
    ----------
    path : str or Path
        A ``.top`` file; what it includes is looked for beside it, in `include_dirs`, and in the force
        fields of an installed GROMACS.
    box : array (3, 3), or path of a .gro file, optional
        Row vectors, nm.  Without one there are no periodic images.
    method : {"reaction-field", "cutoff", "none", "PME"}, optional
        Electrostatics; "cutoff" is a reaction field of dielectric constant 1.  Default: "reaction-field"
        with a box, "none" (all pairs, no cutoff) without.
    cutoff, switching : float
        Of electrostatics and Lennard-Jones, and where Lennard-Jones begins to be switched off, nm.
    dielectric : float
        Of the reaction field (GROMACS' ``epsilon_rf``).
    dispersion_correction : bool
        Add the mean Lennard-Jones energy beyond the cutoff.
    include_dirs, defines, leave_out
        As for :func:`msb.energy.preprocess.flatten_topology`; ``FLEXIBLE`` is always defined.

    Returns
    -------
    GromacsSystem

    Raises
    ------
    FileFormatError
        If the topology or an include is missing or cannot be read.
    EnergyError
        If an option is unknown.

    Notes
    -----
    OpenMM's reaction field leaves out excluded pairs and self terms, which GROMACS counts: Coulomb
    energies differ by that; bonded and Lennard-Jones energies are the same.
    """
    vectors = None if box is None else _box(box)
    chosen = method or ("none" if vectors is None else "reaction-field")
    if chosen not in _METHODS:
        raise EnergyError(f"`method` must be one of {', '.join(_METHODS)}, got {chosen!r}")
    if chosen == "PME" and vectors is None:
        raise EnergyError("PME needs a box: give one, or method='none'")
    installed = gromacs_folder()
    folders = [*include_dirs, *([installed] if installed else [])]
    text = flatten_topology(path, folders, {"FLEXIBLE": "1", **(defines or {})}, leave_out)
    _report_sections(text, path)
    top = _parse(text, path, vectors)
    system = _create(top, path, chosen, cutoff, switching, dispersion_correction, vectors is not None)
    for force in system.getForces():
        if type(force).__name__ == "NonbondedForce":
            force.setReactionFieldDielectric(1.0 if chosen == "cutoff" else dielectric)
    if vectors is not None:
        make_bonded_periodic(system)
    return GromacsSystem(system, top.topology, vectors)


def gro_box(path: str | Path) -> NDArray[np.float64]:
    """Box of the last frame of a .gro file.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    float array (3, 3)
        Row vectors, nm.

    Raises
    ------
    FileFormatError
        If the last line holds neither three nor nine numbers.
    """
    lines = Path(path).read_text().rstrip().splitlines()
    try:
        numbers = np.array(lines[-1].split(), dtype=np.float64)
    except (ValueError, IndexError):
        numbers = np.empty(0)
    if numbers.size not in (3, 9):
        raise FileFormatError(path, "the last line should hold the box, three or nine numbers", len(lines))
    box = np.diag(numbers[:3])
    if numbers.size == 9:
        box[[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]] = numbers[3:]
    return box


def _box(box: Any) -> NDArray[np.float64]:
    """Box vectors in the reduced form that OpenMM asks for."""
    from openmm import unit
    from openmm.app.internal.unitcell import reducePeriodicBoxVectors

    vectors = gro_box(box) if isinstance(box, (str, Path)) else np.asarray(box, dtype=np.float64)
    if vectors.shape != (3, 3) or not np.linalg.det(vectors) > 0:
        raise EnergyError(f"a box must be three vectors that span a volume, got {np.array2string(vectors)}")
    reduced = reducePeriodicBoxVectors(vectors * unit.nanometer)
    return np.array(reduced.value_in_unit(unit.nanometer), dtype=np.float64)


def _report_sections(text: str, path: str | Path) -> None:
    """Warn of sections that OpenMM's reader would pass over in silence."""
    sections = {line.strip("[] \t") for line in text.splitlines() if line.startswith("[")}
    unknown = sections - _READ - _NO_ENERGY
    if unknown:
        names = ", ".join(f"[ {name} ]" for name in sorted(unknown))
        warnings.warn(f"{path}: no energy is taken from {names}", MsbWarning, stacklevel=3)


def _parse(text: str, path: str | Path, box: NDArray[np.float64] | None) -> Any:
    """Let OpenMM read the flattened text from a temporary folder."""
    from openmm import unit
    from openmm.app import GromacsTopFile

    with tempfile.TemporaryDirectory() as folder:
        flat = Path(folder) / "flat.top"
        flat.write_text(text)
        try:
            vectors = None if box is None else box * unit.nanometer
            return GromacsTopFile(str(flat), periodicBoxVectors=vectors, includeDir=folder)
        except KeyError as error:
            message = f"{error} is used but never defined: a type that the force field lacks"
            raise FileFormatError(path, message) from error
        except (ValueError, IndexError) as error:
            raise FileFormatError(path, f"OpenMM cannot read this topology: {error}") from error


def _create(
    top: Any,
    path: str | Path,
    method: str,
    cutoff: float,
    switching: float | None,
    dispersion_correction: bool,
    periodic: bool,
) -> Any:
    """System of a parsed topology."""
    from openmm import app, unit

    cut = app.CutoffPeriodic if periodic else app.CutoffNonPeriodic
    methods = {"none": app.NoCutoff, "PME": app.PME, "cutoff": cut, "reaction-field": cut}
    try:
        return top.createSystem(
            nonbondedMethod=methods[method],
            nonbondedCutoff=cutoff * unit.nanometer,
            switchDistance=None if switching is None or method == "none" else switching * unit.nanometer,
            constraints=None,
            rigidWater=False,
            removeCMMotion=False,
            useDispersionCorrection=dispersion_correction,
        )
    except (ValueError, KeyError) as error:
        raise FileFormatError(path, f"OpenMM cannot make a system of this topology: {error}") from error
