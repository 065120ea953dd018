"""Molecule types as GROMACS reads them."""

from __future__ import annotations

from msb.core.template import Interaction, MoleculeTemplate
from msb.core.topology import Topology

__all__ = ["molecule_type_text", "system_text"]

_LISTS = frozenset({"exclusions"})  # sections without function numbers


def molecule_type_text(template: MoleculeTemplate) -> str:
    """Return a molecule as a ``[ moleculetype ]`` with its atoms and interactions.

    Parameters
    ----------
    template : MoleculeTemplate
        With the interactions that a topology file gave it; their parameters are written out.

    Returns
    -------
    str
    """
    lines = ["[ moleculetype ]", f"{template.name}  {template.nrexcl}", "", "[ atoms ]"]
    for k, (name, kind) in enumerate(zip(template.atom_names, template.atom_types, strict=True)):
        residue = int(template.residue_index[k])
        label = f"{template.residue_numbers[residue]:6d} {template.residue_names[residue]:>6}"
        lines.append(
            f"{k + 1:6d} {kind:>8} {label} {name:>6} {k + 1:6d} {template.charges[k]:12.6f} "
            f"{template.masses[k]:10.4f}"
        )
    for kind in dict.fromkeys(entry.kind for entry in template.interactions):
        lines += ["", f"[ {kind} ]", *(_line(e) for e in template.interactions if e.kind == kind)]
    return "\n".join([*lines, ""])


def system_text(topology: Topology, title: str) -> str:
    """Return ``[ system ]`` and ``[ molecules ]``, the molecules in the system's order.

    Parameters
    ----------
    topology : Topology
    title : str

    Returns
    -------
    str
    """
    lines = [f"{template.name:<16} {count}" for template, count in topology.molecules]
    return "\n".join(["[ system ]", title or "backmapped", "", "[ molecules ]", *lines, ""])


def _line(entry: Interaction) -> str:
    words = [f"{atom + 1:6d}" for atom in entry.atoms]
    if entry.kind not in _LISTS and entry.function:
        words.append(f"{entry.function:4d}")
    return " ".join([*words, *(v if isinstance(v, str) else f"{v:.10g}" for v in entry.parameters)])
