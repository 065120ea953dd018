"""What two topologies do not have in common, by residue and atom."""

from __future__ import annotations

import numpy as np

from msb.core.topology import Topology
from msb.errors import TopologyError

__all__ = ["require_same_topology", "topology_differences"]

_FIELDS = (("atom_names", "name"), ("elements", "element"))


def topology_differences(reference: Topology, test: Topology, limit: int = 5) -> tuple[str, ...]:
    """Say how two systems differ in what a comparison needs: atoms, residues, elements, bonds.

    Parameters
    ----------
    reference, test : Topology
        The systems.
    limit : int
        Differences of each sort that are written out; the rest is counted.

    Returns
    -------
    tuple of str
        Sentences without a full stop; empty where nothing differs. Residues and atoms are counted from 1.
    """
    if reference.content_hash == test.content_hash:
        return ()
    found = []
    for what in ("n_molecules", "n_residues", "n_atoms"):
        one, other = getattr(reference, what), getattr(test, what)
        if one != other:
            found.append(f"the reference has {one} {what[2:]}, the test {other}")
    found += _residues(reference, test, limit) + _atoms(reference, test, limit)
    if reference.n_atoms == test.n_atoms:
        found += _bonds(reference, test, limit)
    return tuple(found)


def require_same_topology(reference: Topology, test: Topology) -> None:
    """Refuse to compare different systems.

    Parameters
    ----------
    reference, test : Topology
        The systems.

    Raises
    ------
    TopologyError
        They differ; the sentence says in what.
    """
    found = topology_differences(reference, test, limit=3)
    if found:
        raise TopologyError(f"reference and test differ: {'; '.join(found)}. compare like with like")


def _residues(reference: Topology, test: Topology, limit: int) -> list[str]:
    number = min(reference.n_residues, test.n_residues)
    one, other = reference.residue_names[:number], test.residue_names[:number]
    rows = np.flatnonzero(one != other)
    said = [
        f"residue {reference.residue_numbers[k]} is {one[k]} in the reference and {other[k]} in the test"
        for k in rows[:limit]
    ]
    return said + _rest(len(rows), limit, "residues with other names")


def _atoms(reference: Topology, test: Topology, limit: int) -> list[str]:
    number, said = min(reference.n_atoms, test.n_atoms), []
    for field, what in _FIELDS:
        one, other = getattr(reference, field)[:number], getattr(test, field)[:number]
        rows = np.flatnonzero(one != other)
        said += [
            f"{describe_atom(reference, k)} has {what} {one[k]} in the reference and {other[k]} in the test"
            for k in rows[:limit].tolist()
        ]
        said += _rest(len(rows), limit, f"atoms with another {what}")
    if reference.n_atoms != test.n_atoms:
        longer, where = (reference, "reference") if reference.n_atoms > number else (test, "test")
        said.append(f"the first atom that only the {where} has is {describe_atom(longer, number)}")
    return said


def _bonds(reference: Topology, test: Topology, limit: int) -> list[str]:
    size, said = reference.n_atoms, []
    keys = [bonds[:, 0] * size + bonds[:, 1] for bonds in (reference.bonds, test.bonds)]
    for own, others, where in ((keys[0], keys[1], "reference"), (keys[1], keys[0], "test")):
        alone = np.setdiff1d(own, others)
        said += [
            f"only the {where} has the bond between {describe_atom(reference, int(key // size))} and "
            f"{describe_atom(reference, int(key % size))}"
            for key in alone[:limit]
        ]
        said += _rest(len(alone), limit, f"bonds that only the {where} has")
    return said


def describe_atom(topology: Topology, atom: int) -> str:
    """Return "residue 3 ALA atom 27 CB": the residue's own number, the atom counted from 1."""
    residue = int(topology.residue_index[atom])
    return (
        f"residue {topology.residue_numbers[residue]} {topology.residue_names[residue]} "
        f"atom {atom + 1} {topology.atom_names[atom]}"
    )


def _rest(number: int, limit: int, what: str) -> list[str]:
    return [f"{number - limit} more {what}"] if number > limit else []
