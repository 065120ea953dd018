"""One method in the arena: built, run and timed in a process of its own, whose memory is its own too."""

from __future__ import annotations

import resource
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper, build_model, load_model
from msb.energy.finisher import Finisher
from msb.errors import MsbError
from msb.io.frames import Frames
from msb.io.writers import open_writer
from msb.jobs.arena.finish import make_finisher
from msb.jobs.arena.sets import Bout
from msb.quality.contest import Cost

__all__ = ["Entrant", "enter"]

Floats = NDArray[np.float32]
_ATOMS_AT_ONCE = 200_000  # frames times atoms of a chunk


@dataclass(frozen=True)
class Entrant:
    """Who fights, and how the raw structures are finished.

    Attributes
    ----------
    label : str
        For tables.
    method : str or None
        Of the registry, without training.
    model : str or None
        A trained model's name or folder, in place of a method.
    relax, polish : str
        Of :class:`msb.energy.protocols.Finish`: what makes the minimised and the polished structures;
        "none" leaves a column out.
    seed : int
        Of placement and polish.
    device : str
        Of trained models.
    """

    label: str
    method: str | None
    model: str | None
    relax: str = "staged"
    polish: str = "thermal"
    seed: int = 0
    device: str = "cpu"


def enter(
    entrant: Entrant, bout: Bout, folder: Path, told: Callable[[int], None] = lambda frames: None
) -> dict[str, tuple[Path, Cost]]:
    """Run an entrant in a process of its own.

    Parameters
    ----------
    entrant : Entrant
    bout : Bout
    folder : Path
        Trajectories go there: ``LABEL raw.xtc`` and so on.
    told : callable
        Told how many frames were placed, or finished, since the last call.

    Returns
    -------
    dict of str to (Path, Cost)
        By column: "raw", "minimised", "polished".

    Raises
    ------
    MsbError
        What the method raised, or that its process was killed.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_fight, args=(entrant, bout, folder, sender))
    process.start()
    sender.close()
    outcome: Any = None
    try:
        while True:
            kind, outcome = receiver.recv()
            if kind == "frames":
                told(outcome)
            elif kind == "warning":
                warnings.warn(f"{entrant.label}: {outcome}", stacklevel=2)
            else:
                break
    except EOFError:
        kind = "killed"
    process.join()
    if kind == "done":
        return dict(outcome)
    if kind == "failed":
        raise outcome
    raise MsbError(
        f"{entrant.label}: its process ended without a word (exit code {process.exitcode}); it was probably "
        "out of memory: try fewer --frames"
    )


def _fight(entrant: Entrant, bout: Bout, folder: Path, sender: Connection) -> None:
    """Body of the process."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outcome = _columns(entrant, bout, folder, lambda done: sender.send(("frames", done)))
        for text in dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, UserWarning)):
            sender.send(("warning", text))
        sender.send(("done", outcome))
    except MsbError as error:
        sender.send(("failed", MsbError(f"{entrant.label}: {error}")))
    except Exception as error:  # a fault of one method does not end the others
        sender.send(("failed", MsbError(f"{entrant.label}: {type(error).__name__}: {error}")))
    finally:
        sender.close()


def _columns(
    entrant: Entrant, bout: Bout, folder: Path, told: Callable[[int], None]
) -> dict[str, tuple[Path, Cost]]:
    reference = bout.reference()
    beads = bout.beads(reference)
    clock = _Clock()
    model = _model(entrant, bout)
    built = clock.lap()[0]
    atoms = _placed(model, beads, reference.boxes, bout, entrant.seed, told)
    wall, cpu = clock.lap()
    found = {"raw": (atoms, Cost(wall, cpu, built, _peak()))}
    for column, relax, polish in (("minimised", entrant.relax, "none"), ("polished", "none", entrant.polish)):
        if relax == polish == "none":
            continue
        finisher = make_finisher(bout, relax, polish)
        if finisher is None:
            continue
        clock.lap()
        atoms, failures = _finished(finisher, atoms, beads, reference, entrant.seed, told)
        step = clock.lap()
        wall, cpu = wall + step[0], cpu + step[1]
        found[column] = (atoms, Cost(wall, cpu, built, _peak(), failures))
    return {
        column: (_write(folder / f"{entrant.label} {column}.xtc", x, reference, bout), cost)
        for column, (x, cost) in found.items()
    }


def _model(entrant: Entrant, bout: Bout) -> Backmapper:
    """Make or load the model."""
    if entrant.model is not None:
        return load_model(entrant.model, entrant.device)
    method = entrant.method or entrant.label
    source = bout.snapshots() if needs_snapshots(method) else None
    target = bout.topology, bout.mapping
    model = build_model(method, source, *target, model_name=method, temperature=bout.data.temperature)
    return model.onto(*target, bout.hands) if len(bout.hands) else model


def needs_snapshots(method: str) -> bool:
    """Whether a method learns; random and geometric placement do not."""
    return method not in ("random", "geometric")


def _placed(
    model: Backmapper,
    beads: Floats,
    boxes: Floats | None,
    bout: Bout,
    seed: int,
    told: Callable[[int], None],
) -> Floats:
    """Place all frames; what a model remembers passes from chunk to chunk where frames are neighbours."""
    chunk = max(1, _ATOMS_AT_ONCE // bout.topology.n_atoms)
    numbers = bout.numbers
    parts: list[Floats] = []
    for first in range(0, len(beads), chunk):
        part = slice(first, first + chunk)
        following = beads[min(part.stop, len(beads) - 1)] if bout.data.consecutive else None
        parts.append(
            model.backmap(
                beads[part],
                start=parts[-1][-1] if parts and bout.data.consecutive else None,
                seed=seed,
                frames=numbers[part],
                boxes=None if boxes is None else boxes[part],
                following=following,
            )
        )
        told(len(parts[-1]))
    return np.concatenate(parts)


def _finished(
    finisher: Finisher,
    atoms: Floats,
    beads: Floats,
    reference: Frames,
    seed: int,
    told: Callable[[int], None],
) -> tuple[Floats, int]:
    """Relax or polish frame by frame; returns the structures and how many frames were given up on."""
    finished, failures = [], 0
    for k, (x, own) in enumerate(zip(atoms, beads, strict=True)):
        box = None if reference.boxes is None else reference.boxes[k]
        result = finisher.run(x, own, box, seed + k)
        finished.append(np.asarray(result.positions, dtype=np.float32))
        failures += not result.succeeded
        told(1)
    return np.stack(finished), failures


def _write(path: Path, positions: Floats, reference: Frames, bout: Bout) -> Path:
    with open_writer(path, bout.topology) as writer:
        writer.write(Frames(positions, reference.boxes, reference.times))
    return path


class _Clock:
    """Wall and CPU time between laps, threads and all."""

    def __init__(self) -> None:
        self._last = perf_counter(), process_time()

    def lap(self) -> tuple[float, float]:
        """Return wall and CPU seconds since the last lap."""
        now = perf_counter(), process_time()
        wall, cpu = now[0] - self._last[0], now[1] - self._last[1]
        self._last = now
        return wall, cpu


def _peak() -> float:
    """Return the largest memory of this process so far, MB."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1024**2 if sys.platform == "darwin" else 1024)
