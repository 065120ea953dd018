"""Cut out what the backmapper learns from: four snapshots of the liquid, and one that chooses its weights.

python training_set.py --out DIR           # as soon as the first 50 ps are done
msb train studies/tmbt/train.yaml          # reads runs/tmbt/tmbt450; see README.md

Writes ``tmbt_train.gro`` and ``.xtc`` and ``tmbt_valid.gro`` beside the all-atom run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cg_models import write
from simulate import EVERY, LIQUID, SMOKE_PS, smoke
from tmbt import TIMES, VALID

from msb.errors import MsbError

from snapshots import snapshots  # isort: skip  (melt_data's, which tmbt makes known)
from systems import System  # isort: skip

__all__ = ["cut", "main"]


def cut(system: System, folder: Path, times: Sequence[float], valid: float, every: float) -> None:
    """Write the snapshots at these times, ps, of a run with frames `every` ps.

    Parameters
    ----------
    system : System
    folder : Path
        Of the run.
    times : sequence of float
        To learn from.
    valid, every : float

    Raises
    ------
    MsbError
        The run has not come so far.
    """
    found = {}
    for frames in snapshots(folder, every, system.production.ps, system.topology):
        time = float(frames.times[0])
        found.update({wanted: frames for wanted in (*times, valid) if abs(time - wanted) < 1e-3})
        if time > valid:
            break
    lost = [f"{time:g}" for time in (*times, valid) if time not in found]
    if lost:
        raise MsbError(f"{folder}: no frames at {', '.join(lost)} ps yet; let simulate.py go on")
    for name, wanted in (("tmbt_train", times), ("tmbt_valid", (valid,))):
        x = np.concatenate([found[time].positions for time in wanted])
        boxes = np.concatenate([found[time].boxes for time in wanted])
        write(folder / name, x, boxes, 1.0, system.topology)


def main(arguments: list[str] | None = None) -> int:
    """Write both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run, as for simulate.py")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args(arguments)
    system, times, valid, every = LIQUID, TIMES, VALID, EVERY
    if args.smoke:
        every = SMOKE_PS / 4
        system, times, valid = smoke(LIQUID), (every, 2 * every), 3 * every
    cut(system, args.out / system.name, times, valid, every)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
