"""Check structures from files, frame by frame, in memory that does not grow."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from msb.analysis.structure.stereo import handedness
from msb.core.topology import Topology
from msb.energy import read_gromacs_system
from msb.errors import ConfigError, MsbError, MsbWarning
from msb.io.trajectory import Trajectory
from msb.jobs.check.inputs import CheckInputs, open_inputs
from msb.quality import KINDS, Checker, Limits, Reference, Verdict
from msb.quality.amino_acids import natural_hands
from msb.quality.energies import EnergyFunction, energy_function
from msb.quality.reference import majority

__all__ = [
    "KEPT",
    "WORST",
    "CheckReport",
    "CheckSettings",
    "allowance",
    "check_files",
    "chunk_of",
    "limits_from",
    "make_checker",
    "open_files",
    "system_of_top",
    "wanted_hands",
]

Told = Callable[[int, int], None]

_ATOMS_IN_MEMORY = 200_000  # frames times atoms of a chunk
KEPT = 100_000  # findings that are listed one by one
WORST = 8  # of a kind that are named
_LARGEST = 100_000  # atoms, whose energy OpenMM still sums without asking for patience


@dataclass(frozen=True)
class CheckSettings:
    """What a check reads besides the structure.

    Attributes
    ----------
    top, reference : path or None
        Topology, and a structure that is right.
    cg : tuple of path
        Beads: structure, and trajectory where there are several frames.
    mapping : path or str or None
        Goes with `cg`.
    limits : Limits
        Thresholds.
    energy : bool
        Sum energies where the topology has a force field.
    """

    top: Path | None = None
    reference: Path | None = None
    cg: tuple[Path, ...] = ()
    mapping: str | Path | None = None
    limits: Limits = field(default_factory=Limits)
    energy: bool = True


@dataclass(frozen=True)
class CheckReport:
    """What was found, and how it was looked for.

    Attributes
    ----------
    path : Path
        What was checked.
    verdict : Verdict
        Of all frames.
    n_atoms, n_molecules : int
        Of the system.
    sources : dict of str to str
        Where bonds, hands, lengths, beads and energies come from, in words.
    limits : Limits
        Thresholds.
    seconds : float
        That the check took, without reading.
    repair : dict of str to Any
        What a repair did; empty without one.
    """

    path: Path
    verdict: Verdict
    n_atoms: int
    n_molecules: int
    sources: Mapping[str, str]
    limits: Limits
    seconds: float
    repair: Mapping[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the numbers, JSON-able."""
        plain = {
            "file": str(self.path),
            "n_atoms": self.n_atoms,
            "n_molecules": self.n_molecules,
            "n_frames": self.verdict.n_frames,
            "sources": dict(self.sources),
            "limits": self.limits.model_dump(),
            "seconds": round(self.seconds, 4),
            **self.verdict.to_json(),
        }
        return {**plain, "repair": dict(self.repair)} if self.repair else plain


def check_files(
    structure: str | Path,
    trajectory: str | Path | None = None,
    settings: CheckSettings | None = None,
    progress: Told | None = None,
) -> CheckReport:
    """Look every frame of a structure or trajectory through.

    Parameters
    ----------
    structure, trajectory : path
        As :func:`msb.io.trajectory.open_trajectory` takes them.
    settings : CheckSettings, optional
        What else to read, and thresholds.
    progress : callable, optional
        Told (frames done since the last call, frames in all).

    Raises
    ------
    MsbError
        As :func:`msb.jobs.check.inputs.open_inputs`.
    """
    settings = settings or CheckSettings()
    inputs = open_files(structure, trajectory, settings)
    checker, sources = make_checker(inputs, settings)
    verdict, seconds = Verdict(keep=KEPT, worst=WORST), 0.0
    for frames in inputs.trajectory.iter(chunk_of(inputs.topology)):
        beads = inputs.beads.read(frames.index, frames.index + len(frames)) if inputs.beads else None
        began = time.perf_counter()
        verdict.add(checker.examine(frames.positions, frames.boxes, beads, frames.index))
        seconds += time.perf_counter() - began
        if progress is not None:
            progress(len(frames), inputs.trajectory.n_frames)
    topology = inputs.topology
    return CheckReport(
        inputs.trajectory.path,
        verdict,
        topology.n_atoms,
        topology.n_molecules,
        sources,
        settings.limits,
        seconds,
    )


def open_files(structure: str | Path, trajectory: str | Path | None, settings: CheckSettings) -> CheckInputs:
    """Open what the settings name; see :func:`msb.jobs.check.inputs.open_inputs`."""
    return open_inputs(
        structure,
        trajectory,
        top=settings.top,
        cg=settings.cg,
        mapping=settings.mapping,
        reference=settings.reference,
    )


def chunk_of(topology: Topology) -> int:
    """Return how many frames to have in memory."""
    return max(1, _ATOMS_IN_MEMORY // max(1, topology.n_atoms))


def make_checker(inputs: CheckInputs, settings: CheckSettings) -> tuple[Checker, dict[str, str]]:
    """Make the checker of some files, and say in words what it goes by."""
    topology = inputs.topology
    reference = None
    if inputs.reference is not None:
        other, frames = inputs.reference
        reference = Reference.of(other, frames.positions, frames.boxes)
    hands = None if reference is not None else wanted_hands(topology, inputs.trajectory, settings.limits)
    energy, energy_from = _energy(inputs, settings)
    checker = Checker(
        topology,
        limits=settings.limits,
        hands=hands,
        reference=reference,
        mapping=None if inputs.beads is None else inputs.beads.mapping,
        energy=energy,
    )
    named = any(
        entry.kind == "bonds" and entry.parameters for t in topology.templates for entry in t.interactions
    )
    sources = {
        "bonds": inputs.bonds_from,
        "lengths and angles": str(settings.top)
        if named
        else str(settings.reference)
        if reference is not None
        else "the elements",
        "stereocentres": _hands_from(topology, settings, hands),
        "beads": "no beads were given" if inputs.beads is None else str(inputs.beads.trajectory.path),
        "energy": energy_from,
    }
    return checker, sources


def wanted_hands(topology: Topology, trajectory: Trajectory, limits: Limits) -> NDArray[np.int8] | None:
    """Return the hands of a system with amino acids: nature's, elsewhere the majority of a frame's copies.

    Parameters
    ----------
    topology : Topology
        The system.
    trajectory : Trajectory
        Its first frame is read where there are amino acids.
    limits : Limits
        Of the majority.

    Returns
    -------
    ndarray (C,), or None
        None where there are no amino acids, so that every frame's own majority is to count.
    """
    natural = natural_hands(topology)
    if not natural.any():
        return None
    first = trajectory.read(0, 1)
    if not np.isfinite(first.positions).all():
        return natural
    signs = handedness(first.positions[:1], topology, first.boxes).hands[0]
    parts, start = [], 0
    for template, _, count in topology.blocks():
        n = len(template.stereocentres)
        block = signs[start : start + n * count].reshape(count, n)
        parts.append(np.tile(majority(block, limits.hand_majority, limits.hand_copies), count))
        start += n * count
    return np.where(natural != 0, natural, np.concatenate(parts)).astype(np.int8)


def limits_from(pairs: Sequence[str] = (), temperature: float | None = None) -> Limits:
    """Return thresholds with some changed.

    Parameters
    ----------
    pairs : sequence of str
        ``"contact=0.7"``.
    temperature : float, optional
        K.

    Raises
    ------
    ConfigError
        A threshold is unknown, or out of range.
    """
    data: dict[str, Any] = {} if temperature is None else {"temperature": temperature}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(
                f"--limit {pair}: write it as KEY=VALUE, one of {', '.join(Limits.model_fields)}"
            )
        data[key.strip()] = yaml.safe_load(value)
    return Limits.parse(data, "--limit")


def allowance(pairs: Sequence[str]) -> dict[str, float]:
    """Return how many findings a frame are tolerated, by kind; ``"all=2"`` is for kinds not named.

    Raises
    ------
    ConfigError
        A kind is unknown, or a number is none.
    """
    found: dict[str, float] = {}
    for pair in pairs:
        kind, _, number = pair.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if kind not in (*KINDS, "all") or not value >= 0:
            raise ConfigError(
                f"--allow {pair}: write it as KIND=N, N findings a frame, KIND one of all, {', '.join(KINDS)}"
            )
        found[kind] = value
    rest = found.pop("all", None)
    return found if rest is None else {kind: found.get(kind, rest) for kind in KINDS}


def system_of_top(top: str | Path, box: NDArray[np.floating[Any]] | None) -> Any:
    """Return the OpenMM System of a GROMACS topology; the last one is kept.

    Parameters
    ----------
    top : path
        The topology.
    box : ndarray (3, 3) or None
        nm.

    Raises
    ------
    FileFormatError, EnergyError
        As `read_gromacs_system`.
    """
    changed = Path(top).stat().st_mtime_ns if Path(top).exists() else 0
    return _system(str(top), changed, None if box is None else np.asarray(box, dtype=np.float64).tobytes())


@lru_cache(maxsize=1)
def _system(top: str, changed: int, box: bytes | None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say was said when the bonds were read
        cell = None if box is None else np.frombuffer(box).reshape(3, 3)
        return read_gromacs_system(top, box=cell).system


def _energy(inputs: CheckInputs, settings: CheckSettings) -> tuple[EnergyFunction | None, str]:
    """Energies from the topology's force field, tried on the first frame."""
    n_atoms = inputs.topology.n_atoms
    if settings.top is None or not settings.energy:
        return None, "not summed" if settings.top is not None else "no force field was given"
    if n_atoms > _LARGEST:
        return None, f"not summed, for more than {_LARGEST:,} atoms"
    first = inputs.trajectory.read(0, 1)
    box = None if first.boxes is None else first.boxes[0]
    try:
        energies = energy_function(system_of_top(settings.top, box))
        if np.isfinite(first.positions).all():
            energies(
                first.positions[:1].astype(np.float64), None if box is None else box[None].astype(np.float64)
            )
    except MsbError as error:
        warnings.warn(f"energies are left out: {error}", MsbWarning, stacklevel=3)
        return None, "not summed"
    return energies, str(settings.top)


def _hands_from(topology: Topology, settings: CheckSettings, hands: NDArray[np.int8] | None) -> str:
    centres = sum(len(t.stereocentres) * count for t, count in topology.molecules)
    if not centres:
        return "there are none"
    if settings.reference is not None:
        return str(settings.reference)
    most = max(count for t, count in topology.molecules if t.stereocentres)
    common = (
        f"the majority of the copies of a molecule, where there are {settings.limits.hand_copies} or more"
    )
    if hands is not None:
        return f"L amino acids; else {common}"
    return common if most >= settings.limits.hand_copies else "not judged: no --reference, and too few copies"
