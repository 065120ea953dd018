"""A coarse-grained simulation of alanine dipeptide's six beads: bead frames that no atoms ever made.

The potential is the Boltzmann inversion of the training part of the 300 K data (its first 70 %) in twelve
internal coordinates, a tree without redundancy (so the Jacobian is a product and each distribution comes
back):

* five bonds, U = kT (b - b0)^2 / 2 var(b) + 2 kT ln b;
* the angles C-N-CA and CA-C-N, and the three coordinates that place CB and C around CA, N-CA-C, N-CA-CB and
  the torsion C-N-CA-CB about N-CA (this one holds the chirality), U = kT (q - q0) S^-1 (q - q0) / 2 + kT ln
  sin(angle) with S the 3 x 3 covariance around CA;
* (phi, psi): U = -kT ln p on a 72 x 72 periodic map, the histogram smoothed by 5 degrees and capped where no
  frame was.

Correlations beyond these are what the model leaves out; it is a *generalisation set*, not a copy of the test
set.

**The CG clock is not all-atom time.** Frames are 1 ps of the CG integrator apart. There are no hydrogens,
oxygens and solvent to move: at the all-atom run's friction (20/ps) phi and psi move 1.3 times as far in a
frame as in the all-atom data. The default friction, 60/ps, was chosen so that they move as far (0.37 and
0.42 rad); that is a calibration of one number, and slow events keep their own rates. ``cg_simulation.json``
gives both clocks' figures.

Run ``python cg_simulation.py OUT_FOLDER``; ``--smoke`` makes 4 frames.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from adp_system import BEAD_NAMES, BEADS, load_data, split, torsions
from numpy.typing import NDArray
from segments import gather, run_segments, save_arrays

KT = 0.008314462618153242 * 300.0  # kJ/mol
FRICTION, STEP, STEPS_PER_FRAME, BURN_IN = 60.0, 0.002, 500, 5000
MASSES = (43.045, 15.015, 13.019, 15.035, 28.010, 30.049)  # amu: bead and the atoms nearest to it
BONDS = ((0, 1), (1, 2), (2, 3), (2, 4), (4, 5))
ANGLES = ((0, 1, 2), (2, 4, 5), (1, 2, 4), (1, 2, 3))
PHASE, PHI, PSI = (4, 1, 2, 3), (0, 1, 2, 4), (1, 2, 4, 5)
MAP_SIZE, SMOOTHING = 72, 1.0  # cells; cells


def internal_coordinates(beads: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Return what the potential depends on, of beads (F, 6, 3), nm.

    ``bonds`` (F, 5) nm; ``angles`` (F, 4), ``phase`` (F,) and ``phi_psi`` (F, 2), rad.
    """
    x = np.asarray(beads, dtype=float)
    i, j = np.array(BONDS).T
    bonds = np.linalg.norm(x[:, i] - x[:, j], axis=-1)
    a, b, c = np.array(ANGLES).T
    u, v = x[:, a] - x[:, b], x[:, c] - x[:, b]
    cosine = (u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)
    dihedral = torsions(x, np.array([PHASE, PHI, PSI]))
    return {"bonds": bonds, "angles": np.arccos(cosine), "phase": dihedral[:, 0], "phi_psi": dihedral[:, 1:]}


def free_energy_map(phi_psi: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return U(phi, psi), kJ/mol, on the points 2 pi k / 72 (72, 72), zero at its minimum.

    Empty regions are capped half a count (smoothed) below the rarest cell: the wall that no frame climbed.
    """
    from scipy.ndimage import gaussian_filter

    width = 2 * np.pi / MAP_SIZE
    cells = np.rint(phi_psi / width).astype(int) % MAP_SIZE
    counts = np.zeros((MAP_SIZE, MAP_SIZE))
    np.add.at(counts, (cells[:, 0], cells[:, 1]), 1.0)
    smooth = gaussian_filter(counts, SMOOTHING, mode="wrap")
    energy = -KT * np.log(np.maximum(smooth, 0.02))
    return energy - energy.min()


def invert(beads: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
    """Return the potential's parameters (means, variances, covariance, map) from beads (F, 6, 3), nm."""
    q = internal_coordinates(beads)
    phase = np.angle(np.exp(1j * (q["phase"] - q["phase"][0]))) + q["phase"][0]
    centre = np.stack([q["angles"][:, 2], q["angles"][:, 3], phase])
    return {
        "bond_means": q["bonds"].mean(0),
        "bond_variances": q["bonds"].var(0),
        "angle_means": q["angles"][:, :2].mean(0),
        "angle_variances": q["angles"][:, :2].var(0),
        "centre_means": centre.mean(1),
        "centre_covariance": np.cov(centre),
        "map": free_energy_map(q["phi_psi"]),
    }


def _bonded(parameters: dict[str, NDArray[np.float64]]) -> list:
    import openmm

    bonds = openmm.CustomBondForce("0.5*kT*(r-r0)^2/v + 2*kT*log(r)")
    angles = openmm.CustomAngleForce("0.5*kT*(theta-t0)^2/v + kT*log(sin(theta))")
    for force, names in ((bonds, ("r0", "v")), (angles, ("t0", "v"))):
        force.addGlobalParameter("kT", KT)
        for name in names:
            add = force.addPerBondParameter if force is bonds else force.addPerAngleParameter
            add(name)
    for k, (i, j) in enumerate(BONDS):
        bonds.addBond(i, j, [parameters["bond_means"][k], parameters["bond_variances"][k]])
    for k, (i, j, m) in enumerate(ANGLES[:2]):
        angles.addAngle(i, j, m, [parameters["angle_means"][k], parameters["angle_variances"][k]])
    return [bonds, angles]


def _centre(parameters: dict[str, NDArray[np.float64]]):
    import openmm

    stiffness = np.linalg.inv(parameters["centre_covariance"])
    terms = "+".join(f"{stiffness[i, j]:.10g}*q{i}*q{j}" for i in range(3) for j in range(3))
    a0, b0, p0 = (f"({value:.10g})" for value in parameters["centre_means"])
    force = openmm.CustomCompoundBondForce(
        4,
        f"0.5*kT*({terms}) + kT*(log(sin(a)) + log(sin(b)));"
        f"q0=a-{a0}; q1=b-{b0}; q2=d-two_pi*floor(d/two_pi+0.5); d=dihedral(p4,p1,p2,p3)-{p0};"
        "a=angle(p1,p2,p4); b=angle(p1,p2,p3); two_pi=6.283185307179586",
    )
    force.addGlobalParameter("kT", KT)
    force.addBond([1, 2, 3, 4], [])
    return force


def cg_system(parameters: dict[str, NDArray[np.float64]]):
    """Return the OpenMM system of the six beads."""
    import openmm

    system = openmm.System()
    for mass in MASSES:
        system.addParticle(mass)
    surface = openmm.CMAPTorsionForce()
    # OpenMM: element i + size*j belongs to the first torsion at i and the second at j
    surface.addMap(MAP_SIZE, parameters["map"].T.ravel().tolist())
    surface.addTorsion(0, *PHI, *PSI)
    for force in (*_bonded(parameters), _centre(parameters), surface):
        system.addForce(force)
    return system


def report(beads: NDArray[np.floating], reference: NDArray[np.floating]) -> dict[str, object]:
    """Return means and widths of both bead sets' coordinates, and how far phi and psi move in a frame."""
    rows: dict[str, object] = {}
    for name, frames in (("cg", beads), ("all_atom_training", reference)):
        q = internal_coordinates(frames)
        step = np.abs(np.angle(np.exp(1j * np.diff(q["phi_psi"], axis=0)))).mean(0)
        rows[name] = {
            "frames": len(frames),
            "bond_means_nm": q["bonds"].mean(0).round(5).tolist(),
            "bond_sd_nm": q["bonds"].std(0).round(5).tolist(),
            "angle_means_rad": q["angles"].mean(0).round(4).tolist(),
            "angle_sd_rad": q["angles"].std(0).round(4).tolist(),
            "phase_mean_sd_rad": [round(float(q["phase"].mean()), 4), round(float(q["phase"].std()), 4)],
            "phi_positive_fraction": round(float((q["phi_psi"][:, 0] > 0).mean()), 5),
            "psi_above_one_fraction": round(float((q["phi_psi"][:, 1] > 1).mean()), 4),
            "mean_abs_step_phi_psi_rad": step.round(4).tolist(),
        }
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Invert, run what is missing, join and report."""
    import openmm

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "adp")
    parser.add_argument("--frames", type=int, default=8000)
    parser.add_argument("--segment", type=int, default=1000)
    parser.add_argument("--friction", type=float, default=FRICTION, help="1/ps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--platform", default="Reference")
    parser.add_argument("--smoke", action="store_true", help="4 frames")
    options = parser.parse_args(arguments)
    burn_in = BURN_IN
    if options.smoke:
        options.frames, options.segment, burn_in = 4, 2, 100
    atoms = load_data(options.data)
    training = atoms[split(len(atoms))["train"]][: 5000 if options.smoke else None, BEADS]
    system = cg_system(invert(training))

    def context(seed: int):
        integrator = openmm.LangevinMiddleIntegrator(300.0, options.friction, STEP)
        integrator.setRandomNumberSeed(seed)
        made = openmm.Context(system, integrator, openmm.Platform.getPlatformByName(options.platform))
        made.setPositions(training[0].astype(float))
        made.setVelocitiesToTemperature(300.0, seed)
        return made

    options.out.mkdir(parents=True, exist_ok=True)
    paths = run_segments(
        options.out / "segments",
        context,
        options.frames,
        steps=STEPS_PER_FRAME,
        segment=options.segment,
        seed=options.seed,
        burn_in=burn_in,
    )
    beads = gather(paths)
    beads -= beads.mean(1, keepdims=True)
    save_arrays(options.out / "cg_beads.npz", positions=beads, names=np.array(BEAD_NAMES), atoms=BEADS)
    figures = report(beads, training)
    (options.out / "cg_simulation.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
