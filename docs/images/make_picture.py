"""Draw the README's picture from what `msb demo` wrote.

msb demo && python docs/images/make_picture.py msb-demo docs/images/adp.svg
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from msb.analysis import autocorrelation
from msb.backmapper import Backmapper, load_model
from msb.core.geometry import kabsch
from msb.data import sample
from msb.energy import Energy, system_from_xml
from msb.io import open_trajectory, read_bundle
from msb.io.atomic import atomic_write_text
from msb.report.figures import Distribution, draw_distribution, draw_memory
from msb.report.observables import atoms_named, compare, hydrogens_of, quantities, torsions
from msb.report.style import svg, themed

AMBER, COLOURS = "#e0a458", {"C": "#6b7280", "N": "#3b6fd4", "O": "#d64545", "H": "#cfd3da"}
FRAME, DRAWS = 2300, 14  # which frame of the sample is drawn, and how many consecutive ones behind it


def superposed(positions: NDArray[np.float32], beads: NDArray[np.float32]) -> NDArray[np.float64]:
    """Frames (F, N, 3) turned so that their beads (F, M, 3) lie flat and on those of the first frame."""
    flat = np.linalg.svd(beads[0] - beads[0].mean(0))[2]
    target = (beads[0] - beads[0].mean(0)) @ (flat.T * [1, 1, np.linalg.det(flat)])
    moving = torch.as_tensor(beads, dtype=torch.float64)
    turn, shift = kabsch(moving, torch.as_tensor(target, dtype=torch.float64).expand_as(moving))
    return np.asarray(positions @ turn.numpy() + shift.numpy()[:, None])


def draw_beads(axes: Axes, beads: NDArray[np.float64], bonds: NDArray[np.int64]) -> None:
    """Draw beads as balls and their bonds as sticks."""
    for i, j in bonds:
        axes.plot(
            *beads[[i, j], :2].T, color=AMBER, alpha=0.45, linewidth=11, solid_capstyle="round", zorder=1
        )
    axes.scatter(*beads[:, :2].T, s=420, color=AMBER, edgecolor="white", linewidth=1.5, zorder=2)


def draw_atoms(axes: Axes, frames: NDArray[np.float64], model: Backmapper) -> None:
    """Draw one frame of atoms whole, and the others as shadows behind it."""
    elements, bonds = model.topology.elements, np.asarray(model.topology.bonds)
    size = {"H": 60, "C": 130, "N": 130, "O": 130}
    for number, atoms in reversed(list(enumerate(frames))):
        first = number == 0
        alpha = 1.0 if first else 0.10
        for i, j in bonds:
            depth = 10 * (atoms[i, 2] + atoms[j, 2]) + (100 if first else 0)
            axes.plot(*atoms[[i, j], :2].T, color="#8b91a0", alpha=alpha, linewidth=3.2, zorder=depth)
        for k in np.argsort(atoms[:, 2]):
            depth = 20 * atoms[k, 2] + 1 + (100 if first else 0)
            colour, area = COLOURS[elements[k]], size[elements[k]]
            edge = "white" if first else "none"
            axes.scatter(*atoms[k, :2], s=area, color=colour, edgecolor=edge, alpha=alpha, zorder=depth)


def main(folder: Path, output: Path) -> None:
    """Draw the four panels."""
    model = load_model("adp", "cpu")
    generated = open_trajectory(folder / "atoms.pdb", folder / "atoms.xtc").read().positions
    reference = open_trajectory(sample("adp_reference.pdb"), sample("adp_reference.xtc")).read().positions
    energy = Energy.from_openmm(system_from_xml(next(iter(read_bundle("adp").force_field_xml.values()))))
    quantity = quantities(model.topology, lambda x: energy(torch.as_tensor(x).double()).numpy(), 1.0)[0]
    energies = compare(quantity, reference, generated)
    axis = atoms_named(model.topology, "ALA:N", "ALA:CA", "ALA:CB")
    methyl = [(*axis, hydrogen) for hydrogen in hydrogens_of(model.topology, axis[2])]
    curves = [autocorrelation(torsions(x, *methyl), 100) for x in (reference, generated)]
    shown = slice(FRAME, FRAME + DRAWS)
    beads = np.asarray(model.mapping.beads(generated[shown]))
    atoms = superposed(generated[shown], beads)
    with themed():
        figure = Figure(figsize=(11.6, 2.75), layout="constrained", facecolor="white")
        grid = figure.subplots(1, 4, width_ratios=[1, 1, 1.15, 1.15])
        draw_beads(grid[0], superposed(beads, beads)[0], model.mapping.bead_topology().bonds)
        draw_atoms(grid[1], atoms, model)
        for axes, title in zip(grid, ("six beads in", "22 atoms out, frame after frame"), strict=False):
            axes.set(title=title, aspect="equal", xlim=(-0.43, 0.43), ylim=(-0.34, 0.34))
            axes.set_axis_off()
        panel = Distribution(
            "potential energy", "kJ mol⁻¹", energies.edges, energies.reference, energies.model
        )
        draw_distribution(grid[2], panel)
        grid[2].legend(fontsize=8.5, handlelength=1.4)
        draw_memory(grid[3], np.arange(101.0), *curves)
        grid[3].set_title("memory of a methyl group")
        atomic_write_text(output, svg(figure, transparent=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
