"""How far the atoms of several samples are apart, written beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.backmap.spread import spread
from msb.core.topology import Topology
from msb.io.atomic import atomic_write_json, atomic_write_text
from msb.io.atoms import AtomTable
from msb.io.frames import Frames
from msb.io.text_encoders import PdbEncoder
from msb.io.trajectory import Trajectory, open_trajectory

__all__ = ["Spread", "write_spread"]

_PDB_ATOMS = 99_999
_PDB_LINES = 2_000_000
_B_FACTOR = 8 * np.pi**2 / 3 * 100  # square angstrom for a square nm
_LARGEST = 999.99

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Spread:
    """What was written.

    Attributes
    ----------
    path : Path
    mean, largest : float
        Root mean square deviation of an atom from its mean over samples: over all atoms and frames, nm.
    """

    path: Path
    mean: float
    largest: float


def write_spread(samples: Sequence[Path], topology: Topology, output: str | Path) -> Spread:
    """Write how far every atom is from its mean over samples of the same frames.

    `OUTPUT_spread.pdb` has the atoms of the first sample and their B factors, 8 pi^2/3 times the mean square
    deviation; a system that a PDB does not hold gets `OUTPUT_spread.json` with the root mean square
    deviation of each atom over all frames, in nm.

    Parameters
    ----------
    samples : sequence of path
    topology : Topology
        Of what they hold.
    output : path
        What the name follows from.

    Returns
    -------
    Spread

    Raises
    ------
    MsbError
        A file cannot be read or written.
    """
    where = Path(output)
    first = _opened(samples[0])
    if topology.n_atoms <= _PDB_ATOMS and first.n_frames * topology.n_atoms <= _PDB_LINES:
        return _as_pdb(samples, topology, where.with_name(f"{where.stem}_spread.pdb"))
    return _as_json(samples, topology, where.with_name(f"{where.stem}_spread.json"))


def _as_pdb(samples: Sequence[Path], topology: Topology, path: Path) -> Spread:
    encoder = PdbEncoder(path, AtomTable.of(topology))
    parts, every = [encoder.header(0).decode()], []
    for frames, apart in _frames(samples):
        parts.append(_filled_in(encoder.frames(frames, path).decode(), apart[0]))
        every.append(apart[0].astype(np.float64))
    atomic_write_text(path, "".join([*parts, encoder.footer().decode()]))
    values = np.stack(every)
    return Spread(path, float(np.sqrt((values**2).mean())), float(values.max()))


def _as_json(samples: Sequence[Path], topology: Topology, path: Path) -> Spread:
    count, largest, squares = 0, 0.0, np.zeros(topology.n_atoms)
    for _, apart in _frames(samples):
        squares += apart[0].astype(np.float64) ** 2
        largest, count = max(largest, float(apart.max())), count + 1
    atoms = np.sqrt(squares / count)
    plain = {
        "what": "root mean square deviation of each atom from its mean over samples, over all frames, nm",
        "samples": len(samples),
        "frames": count,
        "atoms": [round(float(value), 6) for value in atoms],
    }
    atomic_write_json(path, plain, indent=None)
    return Spread(path, float(np.sqrt((atoms**2).mean())), largest)


def _frames(samples: Sequence[Path]) -> Iterator[tuple[Frames, Floats]]:
    """Frames of the first sample, one by one, and how far the atoms (1, N) of all are apart."""
    sources = [_opened(path) for path in samples]
    for number in range(sources[0].n_frames):
        read = [source.read(number, number + 1) for source in sources]
        yield read[0], spread([frames.positions for frames in read], read[0].boxes)


def _opened(path: Path) -> Trajectory:
    text = path.suffix.lower() in (".gro", ".pdb")
    return open_trajectory(path) if text else open_trajectory(path.with_suffix(".pdb"), path)


def _filled_in(text: str, deviations: Floats) -> str:
    """A model with B factors in its atoms' lines, in their order."""
    lines, k = [], 0
    for line in text.splitlines():
        if line.startswith(("ATOM", "HETATM")):
            factor = min(_B_FACTOR * float(deviations[k]) ** 2, _LARGEST)
            lines.append(f"{line[:60]}{factor:6.2f}{line[66:]}")
            k += 1
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
