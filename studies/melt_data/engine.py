"""Stages run by GROMACS, each resumable from its last checkpoint."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from systems import SNAPSHOT, Stage, System

from msb.errors import MsbError

__all__ = ["find_gromacs", "parameters_text", "run_stage"]

NICE = 15
CHECKPOINT_MINUTES = 1
COMPRESSIBILITY = 1e-4  # 1/bar; only how fast the volume relaxes


def find_gromacs() -> str:
    """Return the ``gmx`` program.

    Raises
    ------
    MsbError
        It is not installed.
    """
    found = shutil.which("gmx")
    if found is None:
        raise MsbError("the program gmx is not installed; on Debian and Ubuntu: apt install gromacs")
    return found


def parameters_text(system: System, stage: Stage, first: bool, seed: int) -> str:
    """Return a stage's ``.mdp``; the `first` stage with dynamics draws velocities."""
    if stage.integrator == "steep":
        lines = ["integrator = steep", "nsteps = 3000", "emtol = 200", "emstep = 0.002", "lincs-iter = 4"]
        return "\n".join([*lines, *_forces(system), ""])
    steps = round(1000 * stage.ps / stage.step)
    every = max(1, round(1000 * SNAPSHOT / stage.step))
    friction = 0.5 if stage.integrator == "sd" else 0.2  # ps
    lines = [
        f"integrator = {stage.integrator}",
        f"dt = {stage.step / 1000:g}",
        f"nsteps = {steps}",
        f"nstxout-compressed = {max(1, min(every, steps))}",
        "compressed-x-precision = 10000",
        "nstenergy = 250",
        "nstlog = 25000",
        "nstcalcenergy = 50",
        "nstcomm = 100",
        f"lincs-iter = {2 if stage.heavy else 1}",
        f"lincs-order = {6 if stage.heavy else 4}",
        "tc-grps = System",
        f"ref-t = {stage.temperature:g}",
        f"tau-t = {friction}",
        f"ld-seed = {seed}",
    ]
    if stage.integrator == "md":
        lines.append("tcoupl = V-rescale")
    if stage.pressure is not None:
        lines += ["pcoupl = C-rescale", "tau-p = 2", f"compressibility = {COMPRESSIBILITY}"]
        lines += [f"ref-p = {stage.pressure:g}", "nstpcouple = 10"]
    if stage.cool_from is not None:
        lines += ["annealing = single", "annealing-npoints = 2", f"annealing-time = 0 {stage.ps / 2:g}"]
        lines.append(f"annealing-temp = {stage.cool_from:g} {stage.temperature:g}")
    if first:
        lines += ["gen-vel = yes", f"gen-temp = {stage.temperature:g}", f"gen-seed = {seed}"]
    else:
        lines += ["gen-vel = no", "continuation = yes"]
    return "\n".join([*lines, *_forces(system), ""])


def _forces(system: System) -> list[str]:
    return [
        "cutoff-scheme = Verlet",
        f"rcoulomb = {system.cutoff}",
        f"rvdw = {system.cutoff}",
        "coulombtype = Reaction-Field",
        f"epsilon-rf = {system.dielectric}",
        "DispCorr = EnerPres",
        "constraints = all-bonds",
        "constraint-algorithm = lincs",
    ]


def run_stage(
    folder: Path,
    name: str,
    parameters: str,
    top: str,
    before: str,
    threads: int,
    velocities: bool,
    *,
    extra: Sequence[str] = (),
    nice: int = NICE,
) -> None:
    """Run a stage to its end, from its checkpoint where there is one; nothing where it is finished.

    Parameters
    ----------
    folder : Path
        Where all files are.
    name : str
        The stage's files are ``name.tpr``, ``name.xtc`` ...; ``name.gro`` exists when it is finished.
    parameters : str
        The ``.mdp``.
    top : str
        Topology file.
    before : str
        Stage (or structure) to start from.
    threads : int
        Of GROMACS.
    velocities : bool
        Whether to take velocities and box from the checkpoint of the stage before.
    extra : sequence of str
        Further words for mdrun.
    nice : int
        How far it stands back for other programs.

    Raises
    ------
    MsbError
        GROMACS failed; the message has the end of what it said.
    """
    if (folder / f"{name}.gro").exists():
        return
    gmx = find_gromacs()
    if not (folder / f"{name}.tpr").exists():
        (folder / f"{name}.mdp").write_text(parameters)
        command = [
            gmx,
            "grompp",
            "-f",
            f"{name}.mdp",
            "-p",
            top,
            "-c",
            f"{before}.gro",
            "-o",
            f"{name}.part.tpr",
        ]
        command += ["-po", f"{name}.out.mdp", "-maxwarn", "3"]
        if velocities:
            command += ["-t", f"{before}.cpt"]
        _call(command, folder, nice)
        (folder / f"{name}.part.tpr").rename(folder / f"{name}.tpr")
    command = [gmx, "mdrun", "-deffnm", name, "-nt", str(threads), "-pin", "off"]
    command += ["-cpt", str(CHECKPOINT_MINUTES)]
    if (folder / f"{name}.cpt").exists():
        command += ["-cpi", f"{name}.cpt"]
    _call([*command, *extra], folder, nice)
    if not (folder / f"{name}.gro").exists():
        raise MsbError(f"{name}: stopped before its end; run again to go on")


def _call(command: list[str], folder: Path, nice: int) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | {"GMX_MAXBACKUP": "-1"}
    done = subprocess.run(
        ["nice", "-n", str(max(0, nice - os.nice(0))), *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise MsbError(f"{' '.join(command[:2])} failed in {folder}:\n{done.stderr[-2000:]}")
