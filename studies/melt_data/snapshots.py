"""Cut the training set out of the production: whole molecules, one snapshot every 20 ps.

python snapshots.py --out DIR --system sps568                 # writes out/sps568.xtc, .pdb and .top
python snapshots.py --out DIR --system sps568 --every 40 --to elsewhere
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from systems import SYSTEMS, System, topology_text

from msb.core.box import make_whole
from msb.core.topology import Topology
from msb.errors import MsbError
from msb.io.atomic import atomic_write_text
from msb.io.frames import Frames
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

__all__ = ["collect", "main", "snapshots"]

HERE = Path(__file__).resolve().parent / "out"
PRECISION = 4  # decimals, nm
PART = 151  # snapshots in a file: less than 5 MB


def snapshots(folder: Path, every: float, segment: float, topology: Topology) -> Iterator[Frames]:
    """Yield single frames of the production, `every` ps, in order; a segment still running gives what it has.

    Parameters
    ----------
    folder : Path
        Of one system's run.
    every : float
        ps; a divisor of the segments' length.
    segment : float
        Length of a segment, ps.
    topology : Topology
        The system.

    Raises
    ------
    MsbError
        There is no production yet.
    """
    parts = sorted(folder.glob("run[0-9][0-9][0-9].xtc"))
    if not parts:
        raise MsbError(f"{folder}: no production yet (no run001.xtc)")
    number = 0
    for part, path in enumerate(parts):
        trajectory = open_trajectory(folder / "start.gro", path)
        for frames in trajectory.iter(chunk=1):
            time = float(
                frames.times[0]
            )  # each segment begins at zero, with the last frame of the one before
            if time < 1e-3 or abs(time / every - round(time / every)) > 1e-3:
                continue
            whole = np.asarray(make_whole(frames.positions, frames.boxes, topology), dtype=np.float32)
            yield Frames(whole, frames.boxes, np.array([part * segment + time]), number)
            number += 1


def collect(system: System, run: Path, output: Path, every: float, skip: float = 0.0) -> int:
    """Write the snapshots after the first `skip` ps, and the topology; return how many there are.

    Files hold `PART` snapshots each: ``NAME.xtc``, ``NAME_2.xtc`` ..., so that a longer run adds files.
    """
    output.mkdir(parents=True, exist_ok=True)
    topology = system.topology
    kept = (f for f in snapshots(run, every, system.production.ps, topology) if f.times[0] > skip)
    count = number = 0
    while part := list(islice(kept, PART)):
        number += 1
        name = system.name if number == 1 else f"{system.name}_{number}"
        with open_writer(output / f"{name}.xtc", topology, PRECISION) as writer:
            for frames in part:
                writer.write(frames)
        count += len(part)
        if number > 1:
            (output / f"{name}.pdb").unlink()  # one structure serves all parts
    atomic_write_text(output / f"{system.name}.top", topology_text(system))
    return count


def main(arguments: list[str] | None = None) -> int:
    """Collect one system's snapshots."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, as for simulate.py")
    parser.add_argument("--system", choices=sorted(SYSTEMS), default="sps568")
    parser.add_argument("--every", type=float, default=20.0, help="ps between snapshots (20)")
    parser.add_argument("--skip", type=float, default=1000.0, help="first ps that are left out (1000)")
    parser.add_argument("--to", type=Path, default=HERE)
    args = parser.parse_args(arguments)
    system = SYSTEMS[args.system]
    count = collect(system, args.out / system.name, args.to, args.every, args.skip)
    print(f"{args.to / system.name}*.xtc: {count} snapshots, {args.every:g} ps apart")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
