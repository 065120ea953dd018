"""The arena: methods place the same frames, and are compared, checked and timed the same way."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import METHODS
from msb.core.box import minimum_image
from msb.errors import ConfigError, MsbError, MsbWarning
from msb.io.frames import Frames
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer
from msb.jobs.arena.entrants import Entrant, enter
from msb.jobs.arena.sets import Bout, bouts
from msb.jobs.compare.run import CompareSettings, compare_ensembles
from msb.quality import Checker, Verdict
from msb.quality.contest import ArenaReport, Contender, Contest, Cost

__all__ = ["ArenaSettings", "run_arena"]

Told = Callable[[int, int], None]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ArenaSettings:
    """Who fights over what.

    Attributes
    ----------
    data : str
        A name of `arena_names()`, or a file of the same form.
    tests : tuple of str
        Some of the set's tests; all by default.
    methods, models : tuple of str or None
        Registered methods, and trained models by name or folder; those the set declares by default.
    frames : int or None
        Of each test.
    relax : str
        Protocol of the minimised structures; "none" for no such column.
    polish : bool
        Whether there are polished structures.
    seed : int
        Of placement, polish and bootstrap.
    device : str
        Of trained models.
    """

    data: str
    tests: tuple[str, ...] = ()
    methods: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    frames: int | None = None
    relax: str = "staged"
    polish: bool = True
    seed: int = 0
    device: str = "cpu"


def run_arena(settings: ArenaSettings, folder: str | Path, progress: Told | None = None) -> ArenaReport:
    """Let methods place the same frames; compare, check and time them.

    Parameters
    ----------
    settings : ArenaSettings
    folder : path
        The trajectories go there, one folder a test.
    progress : callable, optional
        Told (frames done since the last call, frames in all).

    Raises
    ------
    ConfigError
        There is no such data set, test or method, or nobody could take part.
    MsbError
        A file of the data set is neither here nor to be downloaded.
    """
    chosen = bouts(settings.data, settings.frames, settings.tests)
    entrants = _entrants(settings, chosen[0])
    fights = [(bout, Path(folder) / bout.name.replace(" ", "_")) for bout in chosen]
    total = sum(len(bout.numbers) * _columns(settings, bout) * len(entrants) for bout in chosen)
    told = (lambda done: None) if progress is None else (lambda done: progress(done, total))
    contests = tuple(_contest(bout, entrants, own, settings, told) for bout, own in fights)
    return ArenaReport(str(settings.data), chosen[0].data.title, contests)


def _entrants(settings: ArenaSettings, bout: Bout) -> list[Entrant]:
    """List who takes part; naming methods or models replaces the set's own."""
    named = settings.methods is not None or settings.models is not None
    methods = settings.methods or (() if named else bout.data.methods)
    models = settings.models or (() if named else bout.data.models)
    unknown = [method for method in methods if method not in METHODS or not METHODS[method].build]
    if unknown:
        able = ", ".join(sorted(name for name, method in METHODS.items() if method.build))
        raise ConfigError(
            f"`{unknown[0]}` is no method that works without training; there are: {able}. Trained models "
            "enter with -m"
        )
    polish = "thermal" if settings.polish else "none"
    options: dict[str, Any] = {"relax": settings.relax, "polish": polish}
    options |= {"seed": settings.seed, "device": settings.device}
    found = [Entrant(method, method, None, **options) for method in dict.fromkeys(methods)]
    for model in dict.fromkeys(models):
        label = Path(model).name if Path(model).name != "model" else Path(model).resolve().parent.name
        found.append(Entrant(label, None, model, **options))
    if not found:
        raise ConfigError("nobody takes part: name methods with --methods, or models with -m")
    return found


def _columns(settings: ArenaSettings, bout: Bout) -> int:
    return 1 + ((settings.relax != "none") + settings.polish if _has_field(bout) else 0)


def _has_field(bout: Bout) -> bool:
    return bout.data.top is not None or bool(bout.data.force_field)


def _contest(
    bout: Bout,
    entrants: Sequence[Entrant],
    folder: Path,
    settings: ArenaSettings,
    told: Callable[[int], None],
) -> Contest:
    folder.mkdir(parents=True, exist_ok=True)
    reference = bout.reference()
    files = {"reference": _write(folder / "reference.xtc", reference, bout)}
    taken: dict[tuple[str, str], tuple[Path, Cost | None]] = {}
    missing: dict[str, str] = {}
    for entrant in entrants:
        try:
            found = enter(entrant, bout, folder, told)
        except MsbError as error:  # one that cannot take part does not stop the others
            missing[entrant.label] = str(error).removeprefix(f"{entrant.label}: ")
            warnings.warn(f"{error}; it takes no part in {bout.name}", MsbWarning, stacklevel=2)
            continue
        taken |= {(entrant.label, column): outcome for column, outcome in found.items()}
    for label, frames in bout.published().items():
        taken[label, "published"] = (_write(folder / f"{label}.xtc", frames, bout), None)
    if not taken:
        raise ConfigError(f"nobody could take part in {bout.name}: {'; '.join(missing.values())}")
    contenders, own = _judged(bout, reference, files["reference"], taken, settings.seed)
    topology = bout.topology
    return Contest(
        *(bout.name, bout.data.title, contenders, bout.numbers, own, bout.test.temperature),
        *(topology.n_atoms, topology.n_molecules, missing, _has_field(bout)),
    )


def _judged(
    bout: Bout,
    reference: Frames,
    file: Path,
    taken: dict[tuple[str, str], tuple[Path, Cost | None]],
    seed: int,
) -> tuple[tuple[Contender, ...], Verdict]:
    """Compare and check everybody's structures as they were written."""
    settings = CompareSettings(
        top=bout.top,
        force_field=",".join(bout.data.force_field) or None,
        temperature=bout.test.temperature,
        seed=seed,
    )
    compared = compare_ensembles(bout.structure, file, [path for path, _ in taken.values()], settings)
    checker = Checker(bout.topology, reference=reference.positions, mapping=bout.mapping)
    beads = bout.beads(reference)
    found = []
    for ((entrant, column), (path, cost)), comparison in zip(taken.items(), compared.tests, strict=True):
        frames = open_trajectory(bout.structure, path).read()
        away = _away(bout, frames, beads)
        found.append(
            Contender(
                *(entrant, column, path, cost, comparison),
                _quality(checker, frames, beads),
                *(float(np.sqrt((away**2).mean())), float(away.max())),
            )
        )
    return tuple(found), _quality(checker, reference, beads)


def _quality(checker: Checker, frames: Frames, beads: Floats) -> Verdict:
    verdict = Verdict(keep=0)
    for k, positions in enumerate(frames.positions):
        part = slice(k, k + 1)
        box = None if frames.boxes is None else frames.boxes[part]
        verdict.add(checker.examine(positions[None], box, beads[part], first=k))
    return verdict


def _away(bout: Bout, frames: Frames, beads: Floats) -> NDArray[np.float64]:
    """Distances (F, M) of the atoms' beads from the given ones, nm."""
    difference = np.asarray(bout.mapping.beads(frames.positions), dtype=np.float64) - beads
    if frames.boxes is not None:
        difference = np.asarray(minimum_image(difference, frames.boxes.astype(np.float64)))
    return np.asarray(np.linalg.norm(difference, axis=-1), dtype=np.float64)


def _write(path: Path, frames: Frames, bout: Bout) -> Path:
    with open_writer(path, bout.topology) as writer:
        writer.write(frames)
    return path
