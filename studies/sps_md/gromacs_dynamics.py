"""The same runs by GROMACS, five times as fast on a CPU: OpenMM makes the start, GROMACS goes on from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from dynamics import FRICTION, PRESSURE, STEP, Energies, Floats, Run, begun, keep, kept_so_far

from msb.core.topology import Topology
from msb.data import sample
from msb.errors import MsbError
from msb.io.atomic import atomic_write_text

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "melt_data"))  # studies are no package
from engine import find_gromacs, run_stage

__all__ = ["carry_on", "parameters_text", "start_text"]

CUTOFF, DIELECTRIC = 1.0, 2.5  # nm; of the reaction field
NAME = "npt"


def parameters_text(run: Run) -> str:
    """The .mdp: Langevin dynamics and stochastic cell rescaling, all bonds constrained."""
    every = round(run.every / STEP)
    return "\n".join(
        [
            "integrator = sd",
            f"dt = {STEP}",
            f"nsteps = {round(run.ps / STEP)}",
            "tc-grps = System",
            f"ref-t = {run.temperature:g}",
            f"tau-t = {1 / FRICTION:g}",
            f"ld-seed = {run.seed + 1}",
            "pcoupl = C-rescale",
            "tau-p = 2",
            "compressibility = 1e-4",
            f"ref-p = {PRESSURE:g}",
            "cutoff-scheme = Verlet",
            f"rcoulomb = {CUTOFF}",
            f"rvdw = {CUTOFF}",
            "coulombtype = Reaction-Field",
            f"epsilon-rf = {DIELECTRIC}",
            "DispCorr = EnerPres",
            "constraints = all-bonds",
            "constraint-algorithm = lincs",
            "gen-vel = no",
            "continuation = yes",
            f"nstenergy = {every}",
            f"nstcalcenergy = {every}",
            "nstcomm = 100",
            "nstxout-compressed = 0",
            "",
        ]
    )


def start_text(positions: Floats, velocities: Floats, box: Floats, topology: Topology) -> str:
    """A .gro with velocities of (N, 3) nm and nm/ps."""
    names = topology.atom_names
    [(residue, _)] = [(template.name, count) for template, count in topology.molecules]
    lines = []
    for k, (x, v) in enumerate(zip(positions, velocities, strict=True)):
        places = "".join(f"{value:10.5f}" for value in x) + "".join(f"{value:10.6f}" for value in v)
        lines.append(f"{1:5d}{residue:<5}{names[k]:>5}{(k + 1) % 100000:5d}{places}")
    order = (0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)
    cell = " ".join(f"{box[i, j]:.5f}" for i, j in order)
    return "\n".join(["start", str(len(lines)), *lines, cell, ""])


def carry_on(run: Run, force_field: Any, topology: Topology, threads: int = 2) -> Energies:
    """Make a run, from GROMACS' checkpoint where there is one; nothing where it is finished.

    Parameters
    ----------
    run : Run
    force_field : openmm.System
        For the steps before dynamics.
    topology : Topology
        Of the system; GROMACS gets the bundled topology file of the same atoms.
    threads : int
    """
    kept = kept_so_far(run)
    if kept is not None:
        return kept
    folder = run.path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "start.gro").exists():
        atomic_write_text(folder / "melt.top", sample("polystyrene.top").read_text())
        try:
            start = begun(run, force_field, threads)
        except openmm.OpenMMException as error:
            said = str(error).partition("For more")[0].strip(" .")
            return keep(run, Energies(*np.zeros((3, 0)), failed=f"{said} before dynamics"))
        atomic_write_text(folder / "start.gro", start_text(*start, run.box, topology))
    try:
        run_stage(folder, NAME, parameters_text(run), "melt.top", "start", threads, velocities=False)
    except MsbError as error:
        said = next(
            (line for line in str(error).splitlines() if "Fatal" in line or "rror" in line), str(error)
        )
        return keep(run, Energies(*np.zeros((3, 0)), failed=said.strip()))
    return keep(run, _energies(folder))


def _energies(folder: Path) -> Energies:
    """What GROMACS kept of a finished run."""
    command = [find_gromacs(), "energy", "-f", f"{NAME}.edr", "-o", "energy.xvg", "-dp"]
    done = subprocess.run(
        command, cwd=folder, input="Potential\nVolume\n\n", capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise MsbError(f"gmx energy failed in {folder}:\n{done.stderr[-1000:]}")
    rows = [line for line in (folder / "energy.xvg").read_text().splitlines() if line[:1] not in "#@"]
    table = np.array([line.split() for line in rows], dtype=np.float64)
    failed = "" if np.isfinite(table).all() else "not finite"
    return Energies(table[:, 0], table[:, 1], table[:, 2], failed)
