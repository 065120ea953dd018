"""Reference for "spread at fixed beads": all-atom dynamics with the bead atoms held where a frame has them.

Fifty evenly spaced frames of the test split; each runs 400 ps at 300 K with every bead atom on a spring of
10^6 kJ/mol/nm^2 to its position, the first 50 ps are dropped. One file a frame while running (a killed run
resumes at the frame it was at), then one ``frozen_beads.npz`` with

==============  ==================  ==========================================================================
``frames``      (50,) int           absolute frame numbers in ``adp_300K.dcd``
``beads``       (50, 6, 3) float32  positions held, nm
``start``       (50, 22, 3)         the frame itself, nm
``atoms``       (16,) int           the atoms that are no beads
``quads``       (16, 4) int         a torsion placing each of them
``torsions``    (50, T, 16) float16 those torsions every ``torsion_ps``, rad
``positions``   (50, P, 22, 3)      whole structures every ``position_ps``, float32, nm
==============  ==================  ==========================================================================

On its spring a bead still jitters by 0.0016 nm in each direction, which adds to what is measured: most of
all to the alpha hydrogen, whose variance is 16 % smaller when the beads cannot move at all (``--exact``:
bead atoms without mass, no constraints, 1 fs). The springs are the yardstick; the exact run says what a
perfect sampler scores on it.

Run ``python frozen_beads.py OUT_FOLDER`` (about twelve minutes on one core); ``--smoke`` takes two frames of
12 ps.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from adp_system import BEADS, ELEMENTS, load_data, make_system, placing_torsions, split, torsions
from numpy.typing import NDArray
from segments import save_arrays

SPRING = 1.0e6  # kJ/mol/nm^2
TEMPERATURE, FRICTION, STEP, EXACT_STEP = 300.0, 20.0, 0.002, 0.001  # K, 1/ps, ps, ps
SAVE_PS, TORSION_PS, POSITION_PS = 0.25, 0.5, 10.0


def frozen(pdb: Path, seed: int, platform: str):
    """Return an OpenMM context whose bead atoms have no mass: they cannot move, and allow no constraints."""
    import openmm

    _, system = make_system(pdb, constrained=False)
    for atom, element in enumerate(ELEMENTS):
        if element == "H":
            system.setParticleMass(atom, 2.0)  # masses change no equilibrium; these keep 1 fs stable
    for atom in BEADS:
        system.setParticleMass(int(atom), 0.0)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, EXACT_STEP)
    integrator.setRandomNumberSeed(seed)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName(platform))


def sprung(pdb: Path, beads: NDArray[np.floating], seed: int, platform: str):
    """Return an OpenMM context whose bead atoms hang on springs at ``beads`` (6, 3), nm."""
    import openmm

    _, system = make_system(pdb)
    spring = openmm.CustomExternalForce("0.5*k*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
    spring.addGlobalParameter("k", SPRING)
    for name in ("x0", "y0", "z0"):
        spring.addPerParticleParameter(name)
    for atom, point in zip(BEADS, beads, strict=True):
        spring.addParticle(int(atom), [float(value) for value in point])
    system.addForce(spring)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, FRICTION, STEP)
    integrator.setRandomNumberSeed(seed)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName(platform))


def sample(
    pdb: Path, start: NDArray[np.floating], seed: int, length: float, drop: float, platform: str, exact: bool
) -> NDArray[np.float32]:
    """Return the structures (T, 22, 3), nm, every 0.25 ps after ``drop`` ps of a run of ``length`` ps."""
    context = frozen(pdb, seed, platform) if exact else sprung(pdb, start[BEADS], seed, platform)
    step = EXACT_STEP if exact else STEP
    context.setPositions(start.astype(float))
    context.applyConstraints(1e-6)
    context.setVelocitiesToTemperature(TEMPERATURE, seed)
    integrator = context.getIntegrator()
    stride = round(SAVE_PS / step)
    integrator.step(round(drop / step))
    frames = np.empty((round((length - drop) / SAVE_PS), 22, 3), dtype=np.float32)
    for index in range(len(frames)):
        integrator.step(stride)
        frames[index] = context.getState(getPositions=True).getPositions(asNumpy=True)._value
    return frames


def collect(folder: Path, frames: NDArray[np.integer], start: NDArray[np.float32]) -> Path:
    """Join the frames' files into ``frozen_beads.npz`` (torsions each 0.5 ps, structures each 10 ps)."""
    atoms, quads = placing_torsions()
    runs = [np.load(folder / "frames" / f"{frame}.npz")["positions"] for frame in frames]
    thin = [torsions(run[:: round(TORSION_PS / SAVE_PS)], quads) for run in runs]
    sparse = [run[:: round(POSITION_PS / SAVE_PS)] for run in runs]
    path = folder / "frozen_beads.npz"
    save_arrays(
        path,
        frames=frames,
        beads=start[:, BEADS],
        start=start,
        atoms=atoms,
        quads=quads,
        torsions=np.stack(thin).astype(np.float16),
        positions=np.stack(sparse),
        torsion_ps=np.array(TORSION_PS),
        position_ps=np.array(POSITION_PS),
    )
    return path


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, then join."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "adp")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--length", type=float, default=400.0, help="ps")
    parser.add_argument("--drop", type=float, default=50.0, help="ps at the start that are not kept")
    parser.add_argument("--platform", default="Reference")
    parser.add_argument("--exact", action="store_true", help="beads without mass instead of on springs")
    parser.add_argument("--smoke", action="store_true", help="2 frames of 12 ps")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.frames, options.length, options.drop = 2, 12.0, 1.0
    (options.out / "frames").mkdir(parents=True, exist_ok=True)
    pdb = options.data / "adp.pdb"
    data = load_data(options.data)
    test = split(len(data))["test"]
    frames = np.linspace(test.start, test.stop - 1, options.frames).round().astype(int)
    start = data[frames]
    for position, frame in zip(start, frames, strict=True):
        path = options.out / "frames" / f"{frame}.npz"
        if not path.exists():
            run = sample(
                pdb, position, int(frame), options.length, options.drop, options.platform, options.exact
            )
            save_arrays(path, positions=run)
            print(f"frame {frame}: {len(run)} structures", flush=True)
    print(collect(options.out, frames, start))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
