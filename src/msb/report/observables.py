"""What is compared on alanine dipeptide: quantities of the atoms that its six beads do not fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from msb.analysis import Excess, bin_edges, circular_mean, excess, histogram, local_displacements, wrap_about
from msb.core.geometry import dihedrals
from msb.core.topology import Topology
from msb.errors import TopologyError

__all__ = [
    "Comparison",
    "Quantity",
    "atoms_named",
    "compare",
    "hydrogens_of",
    "quantities",
    "torsions",
]

Floats = NDArray[np.floating]
Values = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Quantity:
    """A number, or several alike, of each frame.

    Attributes
    ----------
    title, unit : str
        For axes and tables.
    values : callable
        Positions (F, N, 3) in nm → (F',) or (F', K).
    bins : int
        Between the reference's 0.05 and 99.95 percentiles, widened by a fifth.
    bar : float
        Largest excess divergence of a good model, nats.
    circular : bool
        Values are angles in degrees.
    """

    title: str
    unit: str
    values: Values
    bins: int
    bar: float
    circular: bool = False


@dataclass(frozen=True)
class Comparison:
    """A quantity of the model beside the same of the reference, on the same frames.

    Attributes
    ----------
    quantity : Quantity
        What was compared.
    edges : ndarray (B + 1,)
        Bin edges.
    reference, model : ndarray (B,)
        Counts.
    means, spreads : (float, float)
        Mean and standard deviation of the reference, and of the model.
    score : Excess
        Divergence, floor and what lies between.
    """

    quantity: Quantity
    edges: Floats
    reference: NDArray[np.int64]
    model: NDArray[np.int64]
    means: tuple[float, float]
    spreads: tuple[float, float]
    score: Excess

    @property
    def good(self) -> bool:
        """Whether the excess is within the quantity's bar."""
        return self.score.excess <= self.quantity.bar


def atoms_named(topology: Topology, *labels: str) -> tuple[int, ...]:
    """Return the indices of atoms given as `RESIDUE:NAME`.

    Raises
    ------
    TopologyError
        There is no such atom, or there are several.
    """
    residues = topology.residue_names[topology.residue_index]
    names = [f"{residue}:{name}" for residue, name in zip(residues, topology.atom_names, strict=True)]
    for label in labels:
        if names.count(label) != 1:
            raise TopologyError(
                f"the molecule has {names.count(label)} atoms {label}; this comparison needs one"
            )
    return tuple(names.index(label) for label in labels)


def hydrogens_of(topology: Topology, atom: int) -> tuple[int, ...]:
    """Return the hydrogens bonded to an atom; programs agree on the bonds, not on hydrogens' names."""
    bonds = np.asarray(topology.bonds)
    partners = np.concatenate([bonds[bonds[:, 0] == atom, 1], bonds[bonds[:, 1] == atom, 0]])
    return tuple(int(partner) for partner in np.sort(partners) if topology.elements[partner] == "H")


def torsions(positions: Floats, *quads: tuple[int, ...]) -> Floats:
    """Return signed torsions (F, D) of D quadruples of atoms, in radians."""
    points = torch.as_tensor(np.asarray(positions, dtype=np.float64))
    return np.asarray(dihedrals(points, torch.as_tensor(quads)).numpy())


def quantities(topology: Topology, energy: Values, lag: float) -> list[Quantity]:
    """List what a demonstration on alanine dipeptide compares.

    Parameters
    ----------
    topology : Topology
        With the atom names of ACE-ALA-NME.
    energy : callable
        Positions (F, N, 3) in nm → potential energy (F,) in kJ/mol.
    lag : float
        Frame spacing, ps.

    Raises
    ------
    TopologyError
        An atom is not there.
    """

    def at(*labels: str) -> tuple[int, ...]:
        return atoms_named(topology, *labels)

    def torsion(title: str, *quad: int) -> Quantity:
        return Quantity(title, "°", lambda x: np.degrees(torsions(x, quad))[:, 0], 100, 0.05, circular=True)

    methyl, carbonyl, oxygen = at("ACE:CH3", "ACE:C", "ACE:O")
    nitrogen, alpha, beta, carbon = at("ALA:N", "ALA:CA", "ALA:CB", "ALA:C")
    hydrogens, amide = hydrogens_of(topology, beta), hydrogens_of(topology, nitrogen)[0]
    return [
        Quantity("Potential energy", "kJ mol⁻¹", energy, 60, 0.02),
        Quantity(
            f"Cβ-H displacement in {lag:g} ps",
            "nm",
            lambda x: local_displacements(x, hydrogens, (alpha, nitrogen, carbon)),
            100,
            0.03,
        ),
        torsion("Cβ methyl torsion", nitrogen, alpha, beta, hydrogens[0]),
        torsion("ω of the first peptide bond", methyl, carbonyl, nitrogen, alpha),
        torsion("C=O out of the peptide plane", oxygen, carbonyl, nitrogen, alpha),
        torsion("N-H out of the peptide plane", oxygen, carbonyl, nitrogen, amide),
    ]


def compare(quantity: Quantity, reference: Floats, model: Floats) -> Comparison:
    """Compare one quantity of the same frames.

    Parameters
    ----------
    quantity : Quantity
        What to compute.
    reference, model : ndarray (F, N, 3)
        Positions, nm.
    """
    ours, theirs = quantity.values(model), quantity.values(reference)
    if quantity.circular:
        centre = float(np.degrees(circular_mean(np.radians(theirs.ravel()))))
        ours, theirs = wrap_about(ours, centre, 360.0), wrap_about(theirs, centre, 360.0)
    edges = bin_edges(theirs, quantity.bins)
    if quantity.circular and edges[-1] - edges[0] > 360:
        edges = np.linspace(centre - 180, centre + 180, quantity.bins + 1)
    return Comparison(
        quantity,
        edges,
        histogram(theirs, edges),
        histogram(ours, edges),
        (float(theirs.mean()), float(ours.mean())),
        (float(theirs.std()), float(ours.std())),
        excess(ours, theirs, edges),
    )
