"""What `msb msm`, `tica`, `rdf` and `fes` compute: one ensemble looked at by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.analysis import free_energy, histogram_2d
from msb.analysis.kinetics import TICA, Features, ProcessComparison, TicaModel, compare
from msb.analysis.structure import NonbondedPairs, PairGroups, RadialCounter, RadialDistribution
from msb.core.box import make_whole
from msb.core.topology import Topology
from msb.errors import ConfigError, TrajectoryError
from msb.io.trajectory import Trajectory, open_trajectory
from msb.jobs.compare.features import FeatureSet, resolve_features
from msb.jobs.compare.inputs import topology_of

__all__ = [
    "FeatureSeries",
    "Surface",
    "independent_components",
    "markov_study",
    "radial_functions",
    "read_series",
    "surface_of",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureSeries:
    """Features of every frame of a trajectory.

    Attributes
    ----------
    features : FeatureSet
        What was asked for.
    values : ndarray (F, D)
        nm, or radians.
    timestep : float
        ps between frames.
    path : Path
        Of the frames.
    """

    features: FeatureSet
    values: Floats
    timestep: float
    path: Path

    @property
    def flat(self) -> Features:
        """Features without a seam."""
        return self.features.flat(self.values)


def read_series(
    structure: str | Path, trajectory: str | Path | None, asked: str, timestep: float | None
) -> FeatureSeries:
    """Read the features of a trajectory.

    Parameters
    ----------
    structure, trajectory : path
        As :func:`msb.io.trajectory.open_trajectory` takes them.
    asked : str
        ``"phi-psi"``, ``"ca-distances"`` or a file.
    timestep : float, optional
        ps between frames, for files that do not know it.

    Raises
    ------
    ConfigError
        The frame spacing is unknown.
    TrajectoryError, TopologyError
        A file cannot be read, or there are no such features.
    """
    source = open_trajectory(structure, trajectory, lag=timestep)
    if source.timestep is None:
        raise ConfigError(f"{source.spacing_note}: give the frame spacing with --timestep PS")
    features = resolve_features(asked, source)
    topology: Topology | None = None
    parts = []
    for frames in source.iter(_chunk(source)):
        positions = frames.positions
        if frames.boxes is not None:
            topology = topology or topology_of(structure, None)
            positions = make_whole(positions, frames.boxes, topology)
        parts.append(features.values(positions))
    return FeatureSeries(features, np.concatenate(parts), source.timestep, source.path)


def markov_study(
    series: FeatureSeries, lag: float, n_states: int, samples: int, seed: int
) -> ProcessComparison:
    """Markov models of one ensemble over lags; see :func:`msb.analysis.kinetics.compare`.

    Raises
    ------
    TrajectoryError
        The trajectory is not longer than the lag, has fewer frames than states, or falls apart.
    ConfigError
        The lag is no multiple of the frame spacing.
    """
    _longer_than(series, lag)
    return compare(
        series.flat,
        n_states=n_states,
        lag=lag,
        timestep=series.timestep,
        tica=None if series.features.values_are_a_map or series.values.shape[1] <= 2 else 2,
        samples=samples,
        seed=seed,
    )


def independent_components(series: FeatureSeries, lag: float, dim: int | None) -> tuple[TicaModel, Floats]:
    """Fit the slowest components; return the model and the frames on them (F, K).

    Raises
    ------
    TrajectoryError
        The trajectory is not longer than the lag.
    ConfigError
        More components than independent features.
    """
    _longer_than(series, lag)
    model = TICA(lag, dim, timestep=series.timestep).fit(series.flat).fetch_model()
    return model, model.transform(series.flat.joined)


def _longer_than(series: FeatureSeries, lag: float) -> None:
    frames = len(series.values)
    if round(lag / series.timestep) + 1 >= frames:
        raise TrajectoryError(
            f"{series.path}: {frames} frames of {series.timestep:g} ps are not longer than a lag of "
            f"{lag:g} ps: give a shorter --lag or a longer trajectory"
        )


@dataclass(frozen=True)
class Surface:
    """Free energy over two coordinates.

    Attributes
    ----------
    axes : (str, str)
        Names with units.
    edges : (ndarray (A + 1,), ndarray (B + 1,))
        Of the bins.
    counts : ndarray (A, B)
        Frames.
    energy : ndarray (A, B)
        kJ/mol; NaN where nothing was seen.
    """

    axes: tuple[str, str]
    edges: tuple[Floats, Floats]
    counts: NDArray[np.int64]
    energy: Floats


def surface_of(series: FeatureSeries, temperature: float, bins: int, lag: float | None = None) -> Surface:
    """Count frames over two coordinates: the features themselves where they are two, else the slowest two.

    Parameters
    ----------
    series : FeatureSeries
        Of every frame.
    temperature : float
        K.
    bins : int
        Along each axis.
    lag : float, optional
        ps, for the slowest two; by default ten frames.

    Raises
    ------
    TrajectoryError
        The trajectory is not longer than the lag.
    """
    if series.values.shape[1] == 2:
        periodic = series.features.periodic
        points = np.where(periodic, np.degrees(series.values), series.values)
        first, second = (
            f"{label} / {'°' if turn else 'nm'}"
            for label, turn in zip(series.features.labels, periodic, strict=True)
        )
        spans = [(-180.0, 180.0) if turn else _span(x) for turn, x in zip(periodic, points.T, strict=True)]
    else:
        points = independent_components(series, lag or 10 * series.timestep, 2)[1]
        first, second = "TICA 1", "TICA 2"
        spans = [_span(x) for x in points.T]
    edges = (np.linspace(*spans[0], bins + 1), np.linspace(*spans[1], bins + 1))
    counts = histogram_2d(points[:, 0], points[:, 1], *edges, "clip")
    energy = np.asarray(free_energy(counts, temperature).filled(np.nan))
    return Surface((first, second), edges, counts, energy)


def _span(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def radial_functions(
    structure: str | Path,
    trajectory: str | Path | None,
    top: str | Path | None,
    *,
    cutoff: float,
    bins: int,
    exclude_bonds: int,
    by: str,
) -> dict[str, RadialDistribution]:
    """Count the pairs of non-bonded atoms by distance, for every pair of elements or types.

    Parameters
    ----------
    structure, trajectory : path
        As :func:`msb.io.trajectory.open_trajectory` takes them.
    top : path, optional
        GROMACS topology, for types.
    cutoff : float
        nm.
    bins : int
        Below the cutoff.
    exclude_bonds : int
        Pairs up to this many bonds apart do not count.
    by : {"elements", "types"}
        What the atoms are grouped by.

    Raises
    ------
    TrajectoryError, TopologyError
        A file cannot be read, or topology and structure do not fit.
    """
    topology: Topology = topology_of(structure, top)
    source = open_trajectory(structure, trajectory)
    groups = PairGroups.by_type(topology.elements if by == "elements" else topology.atom_types)
    edges = np.linspace(0.0, cutoff, bins + 1)
    counter = RadialCounter(groups, edges, NonbondedPairs(topology, exclude_bonds))
    counts = np.zeros((len(groups.names), bins), dtype=np.int64)
    inverse = 0.0
    for frames in source.iter(_chunk(source)):
        for k, frame in enumerate(frames.positions):
            box = None if frames.boxes is None else frames.boxes[k]
            counts += groups.count(counter.pairs.find(frame, box, cutoff), edges)
            inverse += counter.inverse_volume(box)
    return counter.result(counts, inverse, source.n_frames)


def _chunk(source: Trajectory, atoms: int = 200_000) -> int:
    return max(1, atoms // source.n_atoms)
