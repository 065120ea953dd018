"""What each row of the published tables is, as functions of the three trajectories of one temperature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from published import CONTACTS, INVERTED, RING_WIDTH, SHORTEST, WRONG_SIDE

from msb.analysis import bin_numbers, block_bootstrap, excess_of_bins, js
from msb.analysis.structure import (
    LennardJones,
    NonbondedPairs,
    PairGroups,
    Term,
    bonded_terms,
    relative_l1,
    term_values,
)
from msb.analysis.structure.terms import Kind
from msb.core.box import make_whole
from msb.core.stereo import hands, signed_volumes
from msb.core.topology import Topology
from msb.io.topology_files import read_gromacs
from msb.io.trajectory import open_trajectory

__all__ = [
    "EDGES",
    "RADII",
    "WIDTHS",
    "Ensemble",
    "Figure",
    "FrameOfPairs",
    "System",
    "figures",
    "heavy_hands",
    "histogram_terms",
    "load",
    "nonbonded_frame",
    "read_system",
    "wrong_side",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TESTED = slice(None, None, 4)  # frames of every set that count
SECOND = slice(2, None, 4)  # with TESTED, every 2nd frame of MD, split even and odd: the floor
COUNTED = slice(None, None, 6)  # frames of the contact counts
CUTOFF = 0.8  # nm
FEWEST = 4  # frames that make two blocks of a bootstrap
BONDS_APART = 3  # non-bonded pairs are further apart than this
EDGES = {
    "angle": np.radians(np.linspace(40.0, 180.0, 281)),
    "dihedral": np.radians(np.linspace(-180.0, 180.0, 181)),
    "improper": np.radians(np.linspace(-60.0, 60.0, 241)),
}
RADII = np.linspace(0.0, CUTOFF, 151)

HISTOGRAMS: dict[str, tuple[str, ...]] = {
    "angle C-C-C backbone": ("angle C-C-C",),
    "angle C-C-C ring": ("angle C_AR-C_AR-C_AR",),
    "angle C-C-C_ar": ("angle C-C-C_AR",),
    "angle C-C-H": ("angle C-C-H",),
    "angle H-C-H": ("angle H-C-H",),
    "dihedral C-C-C-C backbone": ("dihedral C-C-C-C",),
    "dihedral C-C-C-H": ("dihedral C-C-C-H",),
    "dihedral ring link (C-C-C_ar-C_ar)": ("dihedral C-C-C_AR-C_AR",),
}
WIDTHS = {
    "bond sd, Å: C-C": "bond C-C",
    "bond sd, Å: C_ar-C_ar": "bond C_AR-C_AR",
    "bond sd, Å: C-H": "bond C-H",
}


@dataclass(frozen=True)
class System:
    """The melt: 36 chains, their terms, and who sees whom."""

    topology: Topology
    lennard_jones: LennardJones
    terms: Mapping[str, Term]
    pairs: NonbondedPairs
    carbons: PairGroups


@dataclass(frozen=True)
class Ensemble:
    """A trajectory with whole molecules, (F, N, 3) and (F, 3, 3), nm."""

    positions: FloatArray
    boxes: FloatArray

    def values(self, frames: slice, kind: Kind, atoms: IntArray) -> FloatArray:
        """Values (F', K) of internal coordinates in some frames, nm or radians."""
        return term_values(self.positions[frames], kind, atoms)


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes
    ----------
    value : float
    floor, excess : float or None
        Of a comparison with MD: what MD scores against itself, and what the ensemble scores beyond that.
    low, high : float or None
        95 % block-bootstrap interval: of the excess where there is one, else of the value.
    """

    value: float
    floor: float | None = None
    excess: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Nonbonded:
    """What the non-bonded pairs of one ensemble give, by frame number."""

    energies: Mapping[int, FloatArray]  # (2, molecules): all atoms, carbons; kJ/mol
    radial: Mapping[int, IntArray]  # (150,)
    shortest: Mapping[int, float]  # nm
    contacts: Mapping[int, IntArray]  # one a kind of contact


def read_system(data: Path) -> System:
    """Read the published force field."""
    force_field = read_gromacs(data / "topol.top")
    topology = force_field.topology
    carbons = PairGroups.between(topology.n_atoms, {"carbons": topology.elements == "C"})
    return System(
        topology,
        LennardJones.from_gromacs(force_field),
        {term.name: term for term in bonded_terms(topology)},
        NonbondedPairs(topology, BONDS_APART),
        carbons,
    )


def load(data: Path, temperature: int, system: System, stop: int | None = None) -> dict[str, Ensemble]:
    """Read the three trajectories of a temperature, the first `stop` frames, molecules made whole."""
    ensembles = {}
    for column, name in {"deepbackmap": "deepbackmap", "baseline": "baseline", "md": "aa"}.items():
        source = open_trajectory(data / "aa.gro", data / f"t{temperature}" / f"{name}.xtc")
        frames = source.read(0, source.n_frames if stop is None else min(stop, source.n_frames))
        boxes = np.asarray(frames.boxes, dtype=np.float64)
        x = frames.positions.astype(np.float64)
        ensembles[column] = Ensemble(np.asarray(make_whole(x, boxes, system.topology)), boxes)
    return ensembles


def figures(system: System, ensembles: Mapping[str, Ensemble]) -> dict[tuple[str, str], Figure]:
    """Measure every row of one temperature, by (row, column)."""
    found: dict[tuple[str, str], Figure] = {}
    for row, values, edges in _histogram_rows(system, ensembles):
        found |= {(row, column): figure for column, figure in _divergences(values, edges).items()}
    pairs = {column: _nonbonded(system, ensemble, column) for column, ensemble in ensembles.items()}
    found |= _nonbonded_rows(pairs, len(ensembles["md"].positions))
    found |= _width_rows(system, ensembles)
    found |= _stereo_rows(system, ensembles)
    return found


# ---- divergences of distributions


def histogram_terms(system: System) -> dict[str, tuple[Kind, IntArray]]:
    """Return kind and atoms (K, 2 to 4) of every row that is a distribution of angles or dihedrals."""
    impropers = [name for name, term in system.terms.items() if term.kind == "improper"]
    with_h = [name for name in impropers if any(t.startswith("H") for t in system.terms[name].types)]
    chosen = dict(HISTOGRAMS)
    chosen["improper, heavy"] = tuple(sorted(set(impropers) - set(with_h)))
    chosen["improper with H"] = tuple(with_h)
    return {
        row: (system.terms[names[0]].kind, np.concatenate([system.terms[name].atoms for name in names]))
        for row, names in chosen.items()
    }


def _histogram_rows(system: System, ensembles: Mapping[str, Ensemble]):
    """Yield (row, values by column, edges); MD's values are those of the tested and of the second frames."""
    for row, (kind, atoms) in histogram_terms(system).items():
        values = {column: ensemble.values(TESTED, kind, atoms) for column, ensemble in ensembles.items()}
        yield row, {**values, "second": ensembles["md"].values(SECOND, kind, atoms)}, EDGES[kind]


def _divergences(values: Mapping[str, FloatArray], edges: FloatArray) -> dict[str, Figure]:
    """Compare each column with MD in the same frames; the excess is taken from the second frames of MD."""
    bins = len(edges) - 1
    numbers = {column: bin_numbers(own, edges, "clip") for column, own in values.items()}
    counts = {column: np.bincount(own.ravel(), minlength=bins) for column, own in numbers.items()}
    floor = float(js(counts["md"], counts["second"]))
    found, shared = {"md": Figure(floor)}, len(numbers["second"])
    for column in numbers.keys() - {"md", "second"}:
        beyond = excess_of_bins(
            numbers[column][:shared], numbers["md"][:shared], bins, numbers["second"][:shared]
        )
        value = float(js(counts[column], counts["md"]))
        ends = (beyond.low, beyond.high) if shared >= FEWEST else (None, None)
        found[column] = Figure(value, floor, beyond.excess, *ends)
    return found


# ---- non-bonded pairs


def _nonbonded(system: System, ensemble: Ensemble, column: str) -> Nonbonded:
    """Search the pairs of the frames that count, once a frame."""
    found = Nonbonded({}, {}, {}, {})
    everything = range(len(ensemble.positions))
    wanted = {*everything[TESTED], *everything[COUNTED], *(everything[SECOND] if column == "md" else ())}
    for k in sorted(wanted):
        seen = nonbonded_frame(system, ensemble.positions[k], ensemble.boxes[k])
        found.energies[k], found.radial[k] = seen.energies, seen.radial
        found.shortest[k], found.contacts[k] = seen.shortest, seen.contacts
    return found


@dataclass(frozen=True)
class FrameOfPairs:
    """What the non-bonded pairs of one frame give: see `Nonbonded`."""

    energies: FloatArray
    radial: IntArray
    shortest: float
    contacts: IntArray


def nonbonded_frame(system: System, positions: FloatArray, box: FloatArray) -> FrameOfPairs:
    """Search the pairs of one frame (N, 3) in a box (3, 3), nm."""
    topology, carbon = system.topology, system.topology.elements == "C"
    pairs = system.pairs.find(positions, box, CUTOFF)
    owner, number = topology.molecule_index, topology.n_molecules
    energies = [system.lennard_jones.per_molecule(pairs, owner, number, chosen) for chosen in (None, carbon)]
    near = pairs[pairs.distances < max(distance for distance, _ in CONTACTS.values())]
    both = carbon[near.first] & carbon[near.second]
    contacts = [((near.distances < d) & (both | (not only))).sum() for d, only in CONTACTS.values()]
    return FrameOfPairs(
        np.stack(energies),
        system.carbons.count(pairs, RADII)[0],
        float(pairs.distances.min()),
        np.array(contacts),
    )


def _nonbonded_rows(pairs: Mapping[str, Nonbonded], n_frames: int) -> dict[tuple[str, str], Figure]:
    tested, second, counted = (range(n_frames)[part] for part in (TESTED, SECOND, COUNTED))
    found: dict[tuple[str, str], Figure] = {}
    for number, row in enumerate(("LJ energy per chain, all atoms", "LJ energy per chain, carbons")):
        values = {c: np.stack([own.energies[k][number] for k in tested]) for c, own in pairs.items()}
        values["second"] = np.stack([pairs["md"].energies[k][number] for k in second])
        mean, sd = values["md"].mean(), values["md"].std()
        edges = np.linspace(mean - 6 * sd, mean + 10 * sd, 65)
        found |= {(row, column): figure for column, figure in _divergences(values, edges).items()}
    radial = {c: np.stack([own.radial[k] for k in tested]) for c, own in pairs.items()}
    radial["second"] = np.stack([pairs["md"].radial[k] for k in second])
    found |= {("RDF carbons, relative L1", c): figure for c, figure in _radial_rows(radial).items()}
    for column, own in pairs.items():
        found[SHORTEST, column] = Figure(10.0 * min(own.shortest[k] for k in tested))
        for number, row in enumerate(CONTACTS):
            found[row, column] = _with_interval(np.mean, np.array([own.contacts[k][number] for k in counted]))
    return found


def _radial_rows(counts: Mapping[str, IntArray]) -> dict[str, Figure]:
    """Compare mean pair counts a frame: sum of absolute differences over MD's sum."""

    def beyond(test: IntArray, reference: IntArray, second: IntArray) -> float:
        other = second.mean(0)
        return relative_l1(test.mean(0), other) - relative_l1(reference.mean(0), other)

    floor = relative_l1(counts["second"].mean(0), counts["md"].mean(0))
    found, shared = {"md": Figure(floor)}, len(counts["second"])
    for column in counts.keys() - {"md", "second"}:
        series = [counts[name][:shared] for name in (column, "md", "second")]
        value = relative_l1(counts[column].mean(0), counts["md"].mean(0))
        found[column] = Figure(value, floor, beyond(*series), *_ends(beyond, *series))
    return found


# ---- widths and stereocentres


def _with_interval(statistic: Callable[..., float], series: NDArray[np.generic]) -> Figure:
    low, high = _ends(statistic, series)
    return Figure(float(statistic(series)), low=low, high=high)


def _ends(
    statistic: Callable[..., float], *series: NDArray[np.generic]
) -> tuple[float, float] | tuple[None, None]:
    """Ends of the block-bootstrap interval; none where the frames make one block only."""
    if len(series[0]) < FEWEST:
        return None, None
    low, high = block_bootstrap(statistic, *series)
    return float(low), float(high)


def _width_rows(system: System, ensembles: Mapping[str, Ensemble]) -> dict[tuple[str, str], Figure]:
    ring = system.terms["dihedral C_AR-C_AR-C_AR-C_AR"]
    found: dict[tuple[str, str], Figure] = {}
    for column, ensemble in ensembles.items():
        for row, name in WIDTHS.items():
            bonds = ensemble.values(TESTED, "bond", system.terms[name].atoms)
            found[row, column] = _with_interval(np.std, 10.0 * bonds)
        torsions = np.degrees(ensemble.values(slice(None), ring.kind, ring.atoms))
        found[RING_WIDTH, column] = _with_interval(np.std, torsions)
    return found


def _stereo_rows(system: System, ensembles: Mapping[str, Ensemble]) -> dict[tuple[str, str], Figure]:
    reference = heavy_hands(system, ensembles["md"])
    found: dict[tuple[str, str], Figure] = {}
    for column, ensemble in ensembles.items():
        found[INVERTED, column] = _with_interval(np.mean, heavy_hands(system, ensemble) != reference)
        found[WRONG_SIDE, column] = _with_interval(np.mean, wrong_side(system, ensemble))
    return found


def _centres(system: System) -> tuple[list[list[int]], list[int]]:
    """Three heavy neighbours and the centre itself (C, 4), and the hydrogen (C,), of one chain."""
    chain = system.topology.only_template()
    corners, hydrogens = [], []
    for centre in chain.stereocentres:
        around = chain.neighbours[centre]
        corners.append([*(a for a in around if chain.elements[a] != "H"), centre])
        hydrogens += [a for a in around if chain.elements[a] == "H"]
    return corners, hydrogens


def heavy_hands(system: System, ensemble: Ensemble) -> NDArray[np.int8]:
    """Hands (F, chains x C) of the centres: the sign of the volume their three heavy bonds span."""
    [(_, chains)] = system.topology.split(ensemble.positions)
    volumes = signed_volumes(chains, _centres(system)[0])
    return np.asarray(hands(volumes)).reshape(len(chains), -1)


def wrong_side(system: System, ensemble: Ensemble) -> NDArray[np.bool_]:
    """Which hydrogens (F, chains x C) of the centres lie on the side of the three heavy bonds."""
    [(_, chains)] = system.topology.split(ensemble.positions)
    corners, hydrogens = _centres(system)
    centre = chains[..., [row[3] for row in corners], :]
    heavy = sum(chains[..., [row[k] for row in corners], :] - centre for k in range(3))
    return ((heavy * (chains[..., hydrogens, :] - centre)).sum(-1) > 0).reshape(len(chains), -1)
