"""Results of frames on disk, one file each, so that a run that was killed goes on where it was."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.assess.bench import Measured
from msb.errors import ConfigError
from msb.io.atomic import atomic_path, atomic_write_json

__all__ = ["Kept", "Key", "Store"]

_INPUTS = "inputs.json"
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Key:
    """Which result: set, column, frame, sample."""

    name: str
    column: str
    number: int
    sample: int = 0


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept of a frame.

    Attributes
    ----------
    measured : Measured
    beads : float32 array (M, 3)
        Whole chains, nm.
    box : float32 array (3, 3) or None
        nm.
    deviation : float
        RMS distance of the re-mapped beads from those wanted, nm; NaN where nothing was placed.
    positions : float32 array (N, 3) or None
        nm; None where they were not to be kept.
    notes : tuple of str
    """

    measured: Measured
    beads: Floats
    box: Floats | None
    deviation: float
    positions: Floats | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Store:
    """A folder of results.

    Attributes
    ----------
    folder : Path
    """

    folder: Path

    def begin(self, inputs: Mapping[str, Any], resume: bool) -> None:
        """Say what the results depend on, or agree with what was said.

        Parameters
        ----------
        inputs : mapping
            JSON-able.
        resume : bool
            Go on with what is there; inputs that were not there before may be added.

        Raises
        ------
        ConfigError
            Results are there and `resume` is not set, or they are of other inputs.
        """
        path = self.folder / _INPUTS
        self.folder.mkdir(parents=True, exist_ok=True)
        wanted: dict[str, Any] = json.loads(json.dumps(inputs))
        if path.exists():
            known = json.loads(path.read_text(encoding="utf-8"))
            if not resume:
                raise ConfigError(
                    f"{self.folder} holds results already: go on with --resume, or remove it, or choose "
                    "another place"
                )
            other = sorted(name for name in known.keys() & wanted.keys() if known[name] != wanted[name])
            if other:
                raise ConfigError(
                    f"{self.folder} holds results of other inputs (these differ: {', '.join(other)}); remove "
                    "it, or choose another place"
                )
            wanted = {**known, **wanted}
        atomic_write_json(path, wanted)

    def path(self, key: Key) -> Path:
        """Where a result is."""
        plain = re.sub(r"[^A-Za-z0-9-]", "_", key.name)[:40]
        place = f"{plain}.{sha256(key.name.encode()).hexdigest()[:6]}"
        return self.folder / place / key.column / f"{key.number:08d}_{key.sample}.npz"

    def __contains__(self, key: Key) -> bool:
        """Whether it is there."""
        return self.path(key).exists()

    def write(self, key: Key, kept: Kept) -> None:
        """Write a result, whole or not at all."""
        path, measured = self.path(key), kept.measured
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {
            "bead_forces": measured.bead_forces,
            "findings": measured.findings,
            "pairs": measured.pairs,
            "numbers": np.array([measured.atom_rms, measured.inverse_volume, kept.deviation]),
            "beads": kept.beads,
            "told": np.array(json.dumps({"seconds": measured.seconds, "notes": kept.notes})),
        }
        arrays |= {} if kept.box is None else {"box": kept.box}
        arrays |= {} if kept.positions is None else {"positions": kept.positions}
        with atomic_path(path) as temporary:
            np.savez(temporary, **arrays)

    def read(self, key: Key, positions: bool = False) -> Kept:
        """Read a result.

        Parameters
        ----------
        key : Key
        positions : bool
            With the atoms.

        Raises
        ------
        ConfigError
            It is not there, or cannot be read.
        """
        path = self.path(key)
        try:
            with np.load(path) as found:
                told = json.loads(str(found["told"]))
                rms, inverse, deviation = found["numbers"].tolist()
                return Kept(
                    Measured(
                        *(found["bead_forces"], rms, found["findings"], found["pairs"], inverse),
                        told["seconds"],
                    ),
                    found["beads"],
                    found.get("box"),
                    deviation,
                    found["positions"] if positions and "positions" in found else None,
                    tuple(told["notes"]),
                )
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f"{path}: the result of frame {key.number} of {key.name} cannot be read ({error}); remove it "
                "and run again with --resume"
            ) from error
