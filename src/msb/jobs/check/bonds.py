"""Bonds of molecules from others of their kind, where a structure's own distances would hide a defect.

Without a topology file bonds are read off distances, and a bond that is stretched too far is none: the
molecule falls in two, both of them fine. So molecules are told by the names of their atoms, and take the
bonds that most of their kind have, or those that the reference has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.io.atoms import AtomTable

__all__ = ["by_majority", "by_names"]

_Labels = list[tuple[str, str]]


def by_names(atoms: AtomTable, known: Topology) -> Topology | None:
    """Assemble a system from known molecules, told by the names of their residues and atoms.

    Parameters
    ----------
    atoms : AtomTable
        The system's atoms.
    known : Topology
        Molecules with bonds.

    Returns
    -------
    Topology, or None
        None where some of the atoms are of none of the molecules.
    """
    labels = list(zip(atoms.resnames.tolist(), atoms.names.tolist(), strict=True))
    longest = sorted(known.templates, key=lambda t: -t.n_atoms)
    return _walk(labels, longest, None)


def by_majority(topology: Topology) -> tuple[Topology, int]:
    """Give every molecule the bonds that most molecules of the same names have.

    A molecule is left alone where it is bonded to what follows or goes before it, so that a chain is not read
    as monomers.

    Parameters
    ----------
    topology : Topology
        By distances.

    Returns
    -------
    topology : Topology
    changed : int
        Atoms whose bonds are others now.
    """
    copies: Counter[MoleculeTemplate] = Counter()
    for template, count in topology.molecules:
        copies[template] += count
    if len(copies) < 2:
        return topology, 0
    common = sorted(copies, key=lambda t: (-copies[t], -t.n_atoms))
    rows = topology.bonds
    steps = np.zeros(topology.n_atoms + 1, dtype=np.int64)
    np.add.at(steps, rows.min(axis=1) + 1, 1)
    np.add.at(steps, rows.max(axis=1) + 1, -1)
    labels = list(
        zip(
            topology.residue_names[topology.residue_index].tolist(), topology.atom_names.tolist(), strict=True
        )
    )
    found = _walk(labels, common, np.cumsum(steps))
    if found is None or found.content_hash == topology.content_hash:
        return topology, 0
    return found, _changed(topology, found)


def _walk(
    labels: _Labels, templates: Sequence[MoleculeTemplate], crossing: NDArray[np.int64] | None
) -> Topology | None:
    """Match molecules one after another; `crossing` counts the bonds over the gap before each atom."""
    known = [(_labels(template), template) for template in templates]
    starting: dict[tuple[str, str], list[tuple[_Labels, MoleculeTemplate]]] = {}
    for own, template in known:
        starting.setdefault(own[0], []).append((own, template))
    place, blocks = 0, []
    while place < len(labels):
        for own, template in starting.get(labels[place], ()):
            end = place + len(own)
            if crossing is not None and (crossing[place] or crossing[min(end, len(crossing) - 1)]):
                continue
            if labels[place:end] == own:
                blocks.append((template, 1))
                place = end
                break
        else:
            return None
    return Topology(tuple(blocks))


def _labels(template: MoleculeTemplate) -> _Labels:
    residues = [template.residue_names[k] for k in template.residue_index.tolist()]
    return list(zip(residues, template.atom_names, strict=True))


def _changed(one: Topology, other: Topology) -> int:
    """Atoms that have another set of bonds."""
    size = np.int64(one.n_atoms)
    keys = [np.sort(t.bonds, axis=1) @ np.array([size, 1]) for t in (one, other)]
    differ = np.setxor1d(*keys)
    return len(np.unique(np.concatenate([differ // size, differ % size])))
