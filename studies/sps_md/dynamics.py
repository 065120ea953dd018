"""One run of MD at constant pressure from a backmapped structure: energies kept as it goes, resumable."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.box import make_whole
from msb.energy.contexts import make_context, place_box, snapshot
from msb.energy.descent import descend
from msb.energy.restraints import RestrainedSystem
from msb.energy.systems import constrain_bonds
from msb.io.atomic import atomic_path

__all__ = ["Energies", "Run", "begun", "carry_on", "keep", "kept_so_far", "read_energies", "whole"]

STEP, FRICTION, PRESSURE = 0.002, 1.0, 1.0  # ps, 1/ps, bar
PART = 10  # energies between the files that a killed run goes on from
DESCENT = 15  # steps of minimisation with stiff bonds, before velocities are drawn
_TOLERANCE = 1e-6
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Energies:
    """What a run recorded: ps, kJ/mol, nm^3; `failed` says why it ended early."""

    times: Floats
    potential: Floats
    volume: Floats
    failed: str = ""


@dataclass(frozen=True)
class Run:
    """A run to be made.

    Attributes
    ----------
    path : Path
        Its file.
    positions, box : ndarray (N, 3), (3, 3)
        Where it starts, nm.
    temperature : float
        K.
    ps : float
    seed : int
    key : str
        Tells starts of one name apart.
    every : float
        ps between energies.
    descent : int
        Steps of minimisation before velocities are drawn.
    """

    path: Path
    positions: Floats
    box: Floats
    temperature: float
    ps: float
    seed: int
    key: str = ""
    every: float = 0.25
    descent: int = DESCENT


def carry_on(run: Run, force_field: Any, threads: int | None = None) -> Energies:
    """Make a run, from where its file stops; nothing where it is finished.

    Parameters
    ----------
    run : Run
    force_field : openmm.System
        With its pair interactions; all bonds are constrained here, and a barostat is added.
    threads : int, optional
        Of OpenMM.
    """
    kept, state = _read(run)
    if kept.failed or (len(kept.times) and kept.times[-1] >= run.ps - run.every / 2):
        return kept
    simulation = _Simulation(run, force_field, threads)
    rows = list(zip(kept.times, kept.potential, kept.volume, strict=True))
    try:
        if state:
            simulation.restore(state)
        else:
            simulation.begin()
            rows.append((0.0, *simulation.energies()))
        failed = ""
        while not failed and rows[-1][0] < run.ps - run.every / 2:
            for _ in range(PART):
                simulation.step(round(run.every / STEP))
                rows.append((rows[-1][0] + run.every, *simulation.energies()))
                if not np.isfinite(rows[-1][1]):
                    failed = f"not finite after {rows[-1][0]:g} ps"
                if failed or rows[-1][0] >= run.ps - run.every / 2:
                    break
            _write(run, _energies(rows, failed), "" if failed else simulation.state())
    except _failure() as error:
        said = str(error).partition("For more")[0].strip()
        failed = f"{said} after {len(rows) and rows[-1][0]:g} ps"
        _write(run, _energies(rows, failed), "")
    return _energies(rows, failed)


def begun(run: Run, force_field: Any, threads: int | None = None) -> tuple[Floats, Floats]:
    """Positions and velocities (N, 3) that dynamics starts with, nm and nm/ps."""
    simulation = _Simulation(run, force_field, threads)
    simulation.begin()
    return simulation.points()


def kept_so_far(run: Run) -> Energies | None:
    """What is kept of a run that was made by another engine, if it came to its end."""
    kept, _ = _read(run)
    return kept if kept.failed or len(kept.times) else None


def keep(run: Run, found: Energies) -> Energies:
    """Write the file of a run that another engine made."""
    _write(run, found, "")
    return found


def _failure() -> type[Exception]:
    import openmm

    return openmm.OpenMMException


def _energies(rows: list[tuple[float, float, float]], failed: str) -> Energies:
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return Energies(table[:, 0], table[:, 1], table[:, 2], failed)


class _Simulation:
    """Context with constrained bonds, thermostat and barostat."""

    def __init__(self, run: Run, force_field: Any, threads: int | None) -> None:
        import openmm

        self._run, self._threads = run, threads
        weights = np.zeros((1, len(run.positions)))
        weights[0, 0] = 1.0  # a bead is asked for; none is held
        self._prepared = RestrainedSystem(force_field, weights)
        system = self._prepared.unchanged()
        constrain_bonds(system)
        barostat = openmm.MonteCarloBarostat(PRESSURE, run.temperature)
        barostat.setRandomNumberSeed(run.seed + 1)
        system.addForce(barostat)
        self._integrator = openmm.LangevinMiddleIntegrator(run.temperature, FRICTION, STEP)
        self._integrator.setConstraintTolerance(_TOLERANCE)
        self._integrator.setRandomNumberSeed(run.seed + 1)
        self._context = make_context(system, self._integrator, run.box, "CPU", threads)

    def begin(self) -> None:
        """Bonds to their lengths, a few steps downhill, velocities at the temperature: no heating up."""
        run = self._run
        bent = make_context(self._prepared.stiff(all_bonds=True), None, run.box, "CPU", self._threads)
        place_box(bent, run.box)
        state, _ = descend(bent, np.asarray(run.positions, dtype=np.float64), run.descent, 10.0, run.seed)
        place_box(self._context, run.box)
        self._context.setPositions(state.positions if state.finite else run.positions)
        self._context.applyConstraints(_TOLERANCE)
        self._context.setVelocitiesToTemperature(run.temperature, run.seed + 1)

    def step(self, number: int) -> None:
        """Advance."""
        self._integrator.step(number)

    def energies(self) -> tuple[float, float]:
        """Potential energy, kJ/mol, and volume, nm^3."""
        box = self._context.getState().getPeriodicBoxVectors(asNumpy=True)._value
        return float(snapshot(self._context).energy), float(np.linalg.det(box))

    def points(self) -> tuple[Floats, Floats]:
        """Positions and velocities, nm and nm/ps."""
        state = self._context.getState(positions=True, velocities=True)
        return (
            np.asarray(state.getPositions(asNumpy=True)._value),
            np.asarray(state.getVelocities(asNumpy=True)._value),
        )

    def state(self) -> str:
        """Where it is, as text."""
        import openmm

        state = self._context.getState(positions=True, velocities=True, parameters=True)
        return str(openmm.XmlSerializer.serialize(state))

    def restore(self, text: str) -> None:
        """Go where a text says."""
        import openmm

        self._context.setState(openmm.XmlSerializer.deserialize(text))


def _read(run: Run) -> tuple[Energies, str]:
    if run.path.is_file():
        with np.load(run.path) as file:
            told = json.loads(str(file["meta"]))
            if told["key"] == run.key:
                return Energies(file["times"], file["potential"], file["volume"], told["failed"]), str(
                    file["state"]
                )
    return _energies([], ""), ""


def _write(run: Run, kept: Energies, state: str) -> None:
    run.path.parent.mkdir(parents=True, exist_ok=True)
    meta = json.dumps({"key": run.key, "failed": kept.failed})
    arrays = {"times": kept.times, "potential": kept.potential, "volume": kept.volume}
    with atomic_path(run.path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, meta=np.array(meta), state=np.array(state), **arrays)


def read_energies(path: Path) -> Energies:
    """What a run recorded so far."""
    with np.load(path) as file:
        told = json.loads(str(file["meta"]))
        return Energies(file["times"], file["potential"], file["volume"], told["failed"])


def whole(positions: NDArray[np.floating], box: Floats, topology: Any) -> Floats:
    """Molecules of one frame (N, 3) put together, nm."""
    return np.asarray(make_whole(np.asarray(positions, np.float64)[None], box[None], topology))[0]
