"""Peptides in the AMBER and CHARMM force fields that come with OpenMM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msb.errors import EnergyError

__all__ = ["peptide_system"]


def peptide_system(
    topology: Any,
    force_field: Sequence[str] = ("amber96.xml",),
    constraints: str | None = None,
    implicit: str | None = None,
) -> Any:
    """OpenMM System of a peptide without a box: no cutoff, no centre-of-mass remover.

    Parameters
    ----------
    topology : openmm.app.Topology
        With hydrogens and bonds; capped or not.
    force_field : sequence of str
        Files of OpenMM's own collection, or paths: ``("amber96.xml",)``, ``("amber99sbildn.xml",)``,
        ``("amber14-all.xml",)``, ``("charmm36_2024.xml",)``.
    constraints : {None, "h-bonds", "all-bonds"}
        Bonds held at their length; their springs stay in the System all the same.
    implicit : str, optional
        File of an implicit solvent that goes with the force field, ``"amber96_obc.xml"`` or
        ``"implicit/obc2.xml"``.

    Returns
    -------
    openmm.System

    Raises
    ------
    EnergyError
        If a file is missing or the force field has no template for a residue.
    """
    from openmm import app

    kinds = {None: None, "h-bonds": app.HBonds, "all-bonds": app.AllBonds}
    if constraints not in kinds:
        raise EnergyError(f"`constraints` must be one of {list(kinds)}, got {constraints!r}")
    files = [*force_field, *([implicit] if implicit else [])]
    springs = {"flexibleConstraints": True} if constraints else {}
    try:
        return app.ForceField(*files).createSystem(
            topology,
            nonbondedMethod=app.NoCutoff,
            constraints=kinds[constraints],
            rigidWater=False,
            removeCMMotion=False,
            **springs,
        )
    except (ValueError, OSError) as error:
        raise EnergyError(f"force field {', '.join(files)}: {error}") from error
