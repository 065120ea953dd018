"""Compare ensembles of one system with a reference, frame by frame, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis.comparison import (
    BlockHistogram,
    Compared,
    EnsembleComparison,
    KineticComparison,
    Quantity,
    compare_counts,
)
from msb.core.topology import Topology
from msb.errors import ConfigError
from msb.jobs.compare.energies import energy_measures
from msb.jobs.compare.inputs import Ensemble, open_ensembles, topology_of
from msb.jobs.compare.kinetics import KineticPlan, compare_kinetics, plan_kinetics
from msb.jobs.compare.measures import Counted, Measure, internal_measures

__all__ = ["CompareSettings", "ComparisonReport", "compare_ensembles"]

Floats = NDArray[np.float64]
Told = Callable[[int, int], None]

_SAMPLE = 200  # frames of the reference that decide the bins
_ATOMS_IN_MEMORY = 100_000  # frames times atoms of a chunk


@dataclass(frozen=True)
class CompareSettings:
    """What to compare besides bonds, angles, dihedrals and pair distances.

    Attributes
    ----------
    top : path or None
        GROMACS topology: types to group by, and energies.
    force_field : str or None
        A force field of OpenMM's collection: ``"amber96"``.
    kinetics : str or None
        ``"phi-psi"``, ``"ca-distances"`` or a file of features.
    lag : float or None
        Longest lag time of the Markov models, ps.
    timestep : float or None
        Frame spacing in ps, for files that do not know it.
    temperature : float
        K, of the free energies.
    seed : int
        Of bootstrap and clustering.
    """

    top: Path | None = None
    force_field: str | None = None
    kinetics: str | None = None
    lag: float | None = None
    timestep: float | None = None
    temperature: float = 300.0
    seed: int = 0


@dataclass(frozen=True)
class ComparisonReport:
    """Everything that was compared, and with what.

    Attributes
    ----------
    structure, reference : Path
        The files.
    tests : tuple of EnsembleComparison
        One for each test trajectory.
    files : tuple of Path
        The test trajectories.
    n_atoms, n_molecules : int
        Of the system.
    """

    structure: Path
    reference: Path
    files: tuple[Path, ...]
    tests: tuple[EnsembleComparison, ...]
    n_atoms: int
    n_molecules: int

    def worst(self) -> tuple[str, str, float]:
        """Return test, quantity and excess where the excess is largest."""
        found = [(t.label, name, value) for t in self.tests for name, value in t.excesses().items()]
        return max(found, key=lambda item: item[2])

    def summary(self) -> dict[str, Any]:
        """Return the numbers, JSON-able."""
        return {
            "structure": str(self.structure),
            "reference": str(self.reference),
            "tests": [{"file": str(f), **t.summary()} for f, t in zip(self.files, self.tests, strict=True)],
            "n_atoms": self.n_atoms,
            "n_molecules": self.n_molecules,
        }


def compare_ensembles(
    structure: str | Path,
    reference: str | Path,
    tests: Sequence[str | Path],
    settings: CompareSettings | None = None,
    progress: Told | None = None,
) -> ComparisonReport:
    """Compare trajectories of one system with a reference.

    Parameters
    ----------
    structure : path
        Names of the atoms; bonds, or positions to guess them from.
    reference : path
        Trajectory to compare with.
    tests : sequence of path
        Trajectories to judge.
    settings : CompareSettings, optional
        What else to compare.
    progress : callable, optional
        Told (frames done since the last call, frames in all).

    Raises
    ------
    TopologyError
        The files hold different atoms; what differs is named.
    TrajectoryError
        A file cannot be read, is too short, or shorter than the lag.
    EnergyError, FileFormatError
        The force field does not fit the system.
    """
    settings = settings or CompareSettings()
    if not tests:
        raise ConfigError("there is nothing to compare with the reference: give a test trajectory")
    paths = [Path(path) for path in (reference, *tests)]
    topology = topology_of(structure, settings.top)
    ensembles = open_ensembles(structure, paths, timestep=settings.timestep)
    n_frames = ensembles[0].n_frames
    plan = plan_kinetics(settings.kinetics, ensembles[0].trajectory, n_frames, settings.lag)
    sample = ensembles[0].read(topology, 0, n_frames, max(1, n_frames // _SAMPLE))
    measures: list[Measure] = [
        *internal_measures(topology, sample.positions),
        *energy_measures(topology, sample, settings.top, settings.force_field, Path(structure)),
    ]
    runs = []
    for ensemble in ensembles:
        told = None if progress is None else _follow(progress, n_frames * len(ensembles))
        runs.append(_stream(ensemble, topology, measures, plan, told))
    slow = _slow(plan, ensembles, runs, settings)
    results = tuple(
        EnsembleComparison(
            ensemble.label,
            n_frames,
            _scores(run.counted, runs[0].counted, settings.seed),
            slow.get(ensemble.label),
        )
        for ensemble, run in zip(ensembles[1:], runs[1:], strict=True)
    )
    return ComparisonReport(
        Path(structure), paths[0], tuple(paths[1:]), results, topology.n_atoms, topology.n_molecules
    )


def _slow(
    plan: KineticPlan | None, ensembles: Sequence[Ensemble], runs: Sequence[_Run], settings: CompareSettings
) -> dict[str, KineticComparison]:
    if plan is None:
        return {}
    tests = {e.label: run.features for e, run in zip(ensembles[1:], runs[1:], strict=True)}
    return compare_kinetics(plan, runs[0].features, tests, settings.temperature, settings.seed)


@dataclass(frozen=True)
class _Run:
    """One trajectory, looked at once."""

    counted: dict[tuple[str, str], tuple[Quantity, BlockHistogram]]
    features: Floats


def _stream(
    ensemble: Ensemble,
    topology: Topology,
    measures: Sequence[Measure],
    plan: KineticPlan | None,
    told: Callable[[int], None] | None,
) -> _Run:
    chunk = max(1, _ATOMS_IN_MEMORY // topology.n_atoms)
    counted: dict[tuple[str, str], tuple[Quantity, BlockHistogram]] = {}
    seen: list[Floats] = []
    for start in range(0, ensemble.n_frames, chunk):
        frames = ensemble.read(topology, start, start + chunk)
        for measure in measures:
            for found in measure.count(frames.positions, frames.boxes):
                _add(counted, found, frames.numbers, ensemble.n_frames)
        if plan is not None:
            seen.append(plan.features.values(frames.positions))
        if told is not None:
            told(len(frames))
    return _Run(counted, np.concatenate(seen) if seen else np.empty((0, 0)))


def _add(
    counted: dict[tuple[str, str], tuple[Quantity, BlockHistogram]],
    found: Counted,
    numbers: NDArray[np.int64],
    n_frames: int,
) -> None:
    key = (found.quantity.kind, found.quantity.name)
    if key not in counted:
        counted[key] = (found.quantity, BlockHistogram(n_frames, len(found.quantity.edges) - 1))
    histogram = counted[key][1]
    if found.counts is not None:
        histogram.add_counts(numbers, found.counts)
    elif found.bins is not None:
        histogram.add(numbers, found.bins, found.values)


def _scores(
    test: dict[tuple[str, str], tuple[Quantity, BlockHistogram]],
    reference: dict[tuple[str, str], tuple[Quantity, BlockHistogram]],
    seed: int,
) -> tuple[Compared, ...]:
    """Score what both have; pairs of atoms that never come near each other are no quantity."""
    return tuple(
        compare_counts(quantity, test[key][1], histogram, seed)
        for key, (quantity, histogram) in reference.items()
        if histogram.counts.sum((0, 2)).all() and test[key][1].counts.sum((0, 2)).all()
    )


def _follow(progress: Told, total: int) -> Callable[[int], None]:
    return lambda done: progress(done, total)
