"""The reference data again: alanine dipeptide, AMBER ff96 with OBC implicit solvent, one frame a ps.

Langevin dynamics at 300 K, friction 20/ps, 2 fs steps, bonds to hydrogen constrained. Writes ``adp.pdb`` and
``adp_300K.dcd`` (float32) like the data's; another random sequence gives another trajectory of the same
ensemble. A killed run resumes at its last segment of 1,000 frames and ends with the same bytes.

Run ``python simulate.py OUT_FOLDER`` (165,000 frames, about 3 hours on one core); ``--temperature 400
--frames 60000`` is the transfer set; ``--smoke`` makes 6 frames. Explicit water, as in the paper, is not
built in: continue from
``make_system`` with a solvated topology.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from adp_system import make_system
from segments import gather, run_segments

HERE = Path(__file__).resolve().parent
FRICTION, STEP, STEPS_PER_FRAME, BURN_IN = 20.0, 0.002, 500, 50_000


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, then join."""
    import openmm
    from MDAnalysis import Universe
    from openmm import app

    from msb.io import Frames, open_writer

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--temperature", type=float, default=300.0, help="K")
    parser.add_argument("--frames", type=int, default=165_000)
    parser.add_argument("--segment", type=int, default=1000, help="frames a file while running")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--platform", default="Reference")
    parser.add_argument("--smoke", action="store_true", help="6 frames")
    options = parser.parse_args(arguments)
    burn_in = BURN_IN
    if options.smoke:
        options.frames, options.segment, burn_in = 6, 3, 500
    pdb = HERE / "adp.pdb"
    _, system = make_system(pdb)
    start = app.PDBFile(str(pdb)).getPositions(asNumpy=True)

    def context(seed: int):
        integrator = openmm.LangevinMiddleIntegrator(options.temperature, FRICTION, STEP)
        integrator.setRandomNumberSeed(seed)
        made = openmm.Context(system, integrator, openmm.Platform.getPlatformByName(options.platform))
        made.setPositions(start)
        openmm.LocalEnergyMinimizer.minimize(made)
        made.setVelocitiesToTemperature(options.temperature, seed)
        return made

    options.out.mkdir(parents=True, exist_ok=True)
    paths = run_segments(
        options.out / f"segments_{options.temperature:.0f}K",
        context,
        options.frames,
        steps=STEPS_PER_FRAME,
        segment=options.segment,
        seed=options.seed,
        burn_in=burn_in,
    )
    (options.out / "adp.pdb").write_bytes(pdb.read_bytes())
    target = options.out / f"adp_{options.temperature:.0f}K.dcd"
    positions = gather(paths)
    with open_writer(target, Universe(str(pdb)), timestep=1.0) as writer:
        writer.write(Frames(positions, None, np.arange(1.0, len(positions) + 1.0)))
    print(f"{target}: {len(positions)} frames")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
