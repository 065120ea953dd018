"""What two ensembles are compared by: internal coordinates grouped by types, pair distances, energies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msb.analysis import bin_edges
from msb.analysis.comparison import Quantity
from msb.analysis.structure.distributions import BINS
from msb.analysis.structure.energies import LennardJones
from msb.analysis.structure.pairs import NonbondedPairs, uniform_bins
from msb.analysis.structure.rdf import PairGroups
from msb.analysis.structure.terms import Term, bonded_terms, term_values
from msb.core.topology import Topology
from msb.errors import TrajectoryError

__all__ = ["Counted", "Energies", "Measure", "PairMeasure", "internal_measures", "type_labels"]

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
EnergyFunction = Callable[[Floats, Floats | None], dict[str, Floats]]

_ROUNDING = 1e-3  # nm; a bond that spreads less is constrained: files round to 0.001 nm


@dataclass(frozen=True)
class Counted:
    """What one measure saw in F frames: bins (F, K) with the values they come from, or histograms (F, B)."""

    quantity: Quantity
    bins: Ints | None = None
    values: Floats | None = None
    counts: Ints | None = None


class Measure(Protocol):
    """Looks at frames and counts."""

    def count(self, positions: Floats, boxes: Floats | None) -> Iterator[Counted]:
        """Count in frames (F, N, 3) of whole molecules, nm, with boxes (F, 3, 3) or None."""
        ...


def type_labels(topology: Topology) -> NDArray[np.str_]:
    """Atom types (N,) to group by: the force field's, else the element and its number of neighbours."""
    if (topology.atom_types != topology.elements).any():
        return topology.atom_types
    bonded = np.bincount(np.asarray(topology.bonds).ravel(), minlength=topology.n_atoms)
    return np.array(
        [e if k <= 1 else f"{e}{k}" for e, k in zip(topology.elements.tolist(), bonded.tolist(), strict=True)]
    )


@dataclass(frozen=True)
class _Internal:
    """One group of internal coordinates."""

    quantity: Quantity
    term: Term

    def count(self, positions: Floats, boxes: Floats | None) -> Iterator[Counted]:
        values = _values(self.term, positions)
        yield Counted(self.quantity, _clipped(values, self.quantity.edges), values)


def internal_measures(topology: Topology, sample: Floats) -> list[Measure]:
    """List the bonds, angles, proper and improper dihedrals of a system, grouped by the types of their atoms.

    Bins: bonds, 100 between the reference's 0.05 and 99.95 percentiles, widened by a fifth; angles and
    dihedrals as :data:`msb.analysis.structure.distributions.BINS`, in degrees. Values outside count in the
    first or last bin.

    Parameters
    ----------
    topology : Topology
        The system.
    sample : ndarray (F, N, 3)
        Some frames of the reference, whole molecules, nm: they decide the bins of the bonds.
    """
    terms = bonded_terms(topology, labels=type_labels(topology))
    return [_Internal(_quantity(term, sample), term) for term in terms]


def _quantity(term: Term, sample: Floats) -> Quantity:
    name, number = "-".join(term.types), len(term.atoms)
    if term.kind != "bond":
        return Quantity(name, term.kind, "°", np.degrees(BINS[term.kind]), number)
    lengths = _values(term, sample)
    if np.median(lengths.std(0)) >= _ROUNDING:
        return Quantity(name, "bond", "nm", bin_edges(lengths, 100), number)
    edges = np.linspace(lengths.mean() - 0.0405, lengths.mean() + 0.0405, 82)  # bins as wide as the rounding
    return Quantity(name, "bond", "nm", edges, number, constrained=True)


def _values(term: Term, positions: Floats) -> Floats:
    """Values (F, K) in nm or degrees."""
    values = term_values(positions, term.kind, term.atoms)
    return values if term.kind == "bond" else np.degrees(values)


def _clipped(values: Floats, edges: NDArray[np.float64]) -> Ints:
    places: Ints = np.clip(uniform_bins(np.asarray(values), edges), 0, len(edges) - 2)
    return places


class PairMeasure:
    """What pairs of atoms more than three bonds apart tell: distances by elements, Lennard-Jones energies.

    Parameters
    ----------
    topology : Topology
        The system.
    parameters : LennardJones, optional
        For energies per molecule, of all atoms and of carbons alone; each pair's goes half and half to its
        two atoms.
    positions, boxes : ndarray (F, N, 3), (F, 3, 3) or None
        Some frames of the reference; they decide the bins of the energies.
    cutoff : float
        nm; 150 bins below it.
    """

    def __init__(
        self,
        topology: Topology,
        parameters: LennardJones | None,
        positions: Floats,
        boxes: Floats | None,
        cutoff: float = 0.8,
    ) -> None:
        self._cutoff, self._pairs, self._topology = cutoff, NonbondedPairs(topology, 3), topology
        self._groups = PairGroups.by_type(topology.elements)
        edges = np.linspace(0.0, cutoff, 151)
        self._distances = [Quantity(name, "rdf", "nm", edges) for name in self._groups.names]
        self._parameters, self._energies = parameters, {}
        self._masks = _masks(topology)
        if parameters is not None:
            sample = self._look(positions, boxes)[1]
            self._energies = {name: _energy_quantity(name, values) for name, values in sample.items()}

    def count(self, positions: Floats, boxes: Floats | None) -> Iterator[Counted]:
        """Histogram the distances of every frame, and sum its energies."""
        tables, energies = self._look(positions, boxes)
        for slot, quantity in enumerate(self._distances):
            yield Counted(quantity, counts=tables[:, slot])
        for name, values in energies.items():
            quantity = self._energies[name]
            yield Counted(quantity, _clipped(values, quantity.edges), values)

    def _look(self, positions: Floats, boxes: Floats | None) -> tuple[Ints, dict[str, Floats]]:
        owner, number = self._topology.molecule_index, self._topology.n_molecules
        tables, energies = [], []
        for k, frame in enumerate(positions):
            found = self._pairs.find(frame, None if boxes is None else boxes[k], self._cutoff)
            tables.append(self._groups.count(found, self._distances[0].edges))
            if self._parameters is not None:
                energies.append(
                    [self._parameters.per_molecule(found, owner, number, m) for m in self._masks.values()]
                )
        values = np.asarray(energies)
        told = {} if self._parameters is None else {name: values[:, k] for k, name in enumerate(self._masks)}
        return np.stack(tables), told


def _masks(topology: Topology) -> dict[str, NDArray[np.bool_] | None]:
    carbons = topology.elements == "C"
    masks: dict[str, NDArray[np.bool_] | None] = {"Lennard-Jones": None}
    return masks | ({} if carbons.all() or not carbons.any() else {"Lennard-Jones, carbons": carbons})


def _energy_quantity(name: str, sample: Floats) -> Quantity:
    mean, spread = float(sample.mean()), float(sample.std())
    if not spread > 0:
        raise TrajectoryError(f"{name}: the reference has one energy only, {mean:.6g} kJ/mol")
    return Quantity(
        name, "energy", "kJ/mol", np.linspace(mean - 6 * spread, mean + 10 * spread, 65), sample.shape[1]
    )


class Energies:
    """Energies per molecule, in 64 bins from the reference's mean - 6 to + 10 standard deviations.

    Parameters
    ----------
    energies : callable
        Positions (F, N, 3) in nm and boxes → kJ/mol (F, M) by name.
    positions, boxes : ndarray (F, N, 3), (F, 3, 3) or None
        Some frames of the reference; they decide the bins.

    Raises
    ------
    TrajectoryError
        The reference has one energy only.
    """

    def __init__(self, energies: EnergyFunction, positions: Floats, boxes: Floats | None) -> None:
        self._energies = energies
        found = energies(positions, boxes)
        self._quantities = {name: _energy_quantity(name, values) for name, values in found.items()}

    def count(self, positions: Floats, boxes: Floats | None) -> Iterator[Counted]:
        """Evaluate the energies of every molecule of every frame."""
        for name, values in self._energies(positions, boxes).items():
            quantity = self._quantities[name]
            yield Counted(quantity, _clipped(values, quantity.edges), values)
