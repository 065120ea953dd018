"""Force fields of single molecules, cut out of GROMACS topologies or made from OpenMM's XML files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.top_out import write_top
from msb.energy.amber import peptide_system
from msb.energy.gromacs import read_gromacs_system
from msb.energy.replicate import split_system
from msb.errors import EnergyError
from msb.io.gromacs import GromacsTopology

__all__ = ["molecule_fields", "require_parameters", "safe_cutoff", "xml_fields"]

_ADVICE = "add them, or choose --relax none --polish none"
_CUTOFF = 1.0  # nm
_NAMED = 6  # types in a message
_SHARE = 0.48  # of the box's smallest width


def molecule_fields(
    top: GromacsTopology,
    templates: Sequence[MoleculeTemplate],
    grown: Sequence[MoleculeTemplate] = (),
    *,
    box: NDArray[Any] | None = None,
    cutoff: float = _CUTOFF,
    dielectric: float = 78.3,
    advice: str = _ADVICE,
) -> dict[str, Any]:
    """OpenMM Systems of single molecules, with the force field of a topology file.

    Parameters
    ----------
    top : GromacsTopology
    templates : sequence of MoleculeTemplate
        Each with a name of its own.
    grown : sequence of MoleculeTemplate
        Those of them that the file does not have; their types must be its own.
    box : float array (3, 3), optional
        nm; without one there are no periodic images.
    cutoff, dielectric : float
        nm, and of the reaction field.
    advice : str
        What to do where parameters are missing.

    Returns
    -------
    dict of str to openmm.System
        By template name.

    Raises
    ------
    EnergyError
        The topology lacks types or parameters that the molecules need: all are listed.
    """
    require_parameters(top, templates, advice)
    alone = Topology(tuple((template, 1) for template in dict.fromkeys(templates)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "molecules.top"
        write_top(path, top.path, alone, grown)
        read = read_gromacs_system(path, box, cutoff=cutoff, dielectric=dielectric).system
    return split_system(read, alone)


def xml_fields(
    files: Sequence[str], templates: Sequence[MoleculeTemplate], *, cutoff: float, dielectric: float
) -> dict[str, Any]:
    """OpenMM Systems of single molecules, with OpenMM's force-field files.

    Parameters
    ----------
    files : sequence of str
        OpenMM's own, or paths.
    templates : sequence of MoleculeTemplate
        Whose residues the files must know.
    cutoff, dielectric : float
        nm, and of the reaction field, for when the molecules are many.

    Returns
    -------
    dict of str to openmm.System
        By template name; without images.

    Raises
    ------
    EnergyError
        A file is missing or knows no such residue.
    """
    fields = {}
    for template in dict.fromkeys(templates):
        system = peptide_system(_openmm_topology(template), tuple(files))
        for force in system.getForces():
            if type(force).__name__ == "NonbondedForce":
                force.setCutoffDistance(cutoff)
                force.setReactionFieldDielectric(dielectric)
        fields[template.name] = system
    return fields


def _openmm_topology(template: MoleculeTemplate) -> Any:
    from openmm import app

    topology = app.Topology()
    chain = topology.addChain()
    residues = [topology.addResidue(name, chain) for name in template.residue_names]
    atoms = []
    for a, (name, element) in enumerate(zip(template.atom_names, template.elements, strict=True)):
        kind = app.Element.getBySymbol(element)
        atoms.append(topology.addAtom(name, kind, residues[int(template.residue_index[a])]))
    for i, j in np.asarray(template.bonds).tolist():
        topology.addBond(atoms[i], atoms[j])
    return topology


def require_parameters(
    top: GromacsTopology, templates: Sequence[MoleculeTemplate], advice: str = _ADVICE
) -> None:
    """Refuse molecules whose force field is not all there.

    Parameters
    ----------
    top : GromacsTopology
    templates : sequence of MoleculeTemplate
    advice : str
        What to do where parameters are missing.

    Raises
    ------
    EnergyError
        Atom types or parameters are missing: all are listed.
    """
    lacking = []
    for template in templates:
        types = sorted(set(template.atom_types) - set(top.atom_types))
        if types:
            lacking.append(f"{template.name} has atom types {', '.join(types)} that no [ atomtypes ] gives")
    present = {template.name for template in templates}
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
        raise EnergyError(f"{top.path} is no whole force field: {'; '.join(lacking)}; {advice}")


def safe_cutoff(box: NDArray[Any] | None) -> float:
    """Cutoff in nm: 1, or less where the box is narrower than twice that."""
    if box is None:
        return _CUTOFF
    widths = 1.0 / np.linalg.norm(np.linalg.inv(np.asarray(box, dtype=np.float64)), axis=0)
    return float(min(_CUTOFF, _SHARE * widths.min()))
