"""Tetracosane in Martini: six beads C1 a molecule, and the simulation of their liquid with GROMACS.

S. J. Marrink et al., J. Phys. Chem. B 111, 7812 (2007): bonds of 0.47 nm, angles that want to be straight,
Lennard-Jones interactions that are shifted to zero between 0.9 and 1.2 nm.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from msb.core.bead_groups import BeadGroup
from msb.core.mapping_template import MappingTemplate
from msb.core.template import Interaction, MoleculeTemplate
from msb.core.topology import Topology
from msb.io.gromacs_writer import molecule_type_text, system_text

__all__ = ["BEADS", "KIND", "carbons_mapping", "molecule", "parameters_text", "top_text"]

BEADS, SHARE = 6, 4  # beads of a molecule, and carbons of each
KIND = "C1"
MASS = 72.0  # amu
SIGMA, EPSILON = 0.47, 3.5  # nm, kJ/mol: C1 with C1
BOND = (0.47, 1250.0)  # nm, kJ/mol/nm^2
ANGLE = (180.0, 25.0)  # degrees, kJ/mol: of the cosine
STEP = 0.01  # ps
SWITCH, CUTOFF = 0.9, 1.2  # nm
PRESSURE, COMPRESSIBILITY = 1.0, 1e-4  # bar, 1/bar
COSINE = 2  # GROMACS' number of angles that are harmonic in the cosine


def molecule() -> MoleculeTemplate:
    """Return one chain."""
    bonds = list(pairwise(range(BEADS)))
    angles = [(k, k + 1, k + 2) for k in range(BEADS - 2)]
    return MoleculeTemplate.from_atoms(
        "TCS",
        [f"{KIND[0]}{k + 1}" for k in range(BEADS)],
        bonds=np.array(bonds),
        atom_types=[KIND] * BEADS,
        elements=["X"] * BEADS,
        masses=[MASS] * BEADS,
        charges=[0.0] * BEADS,
        interactions=[
            *(Interaction("bonds", pair, 1, BOND) for pair in bonds),
            *(Interaction("angles", three, COSINE, ANGLE) for three in angles),
        ],
        nrexcl=1,
    )


def carbons_mapping(chain: MoleculeTemplate) -> MappingTemplate:
    """Return centres of mass of every four carbons with their hydrogens, in the order of the chain."""
    carbons = [k for k, element in enumerate(chain.elements) if element == "C"]
    groups = []
    for k in range(len(carbons) // SHARE):
        own = carbons[SHARE * k : SHARE * (k + 1)]
        light = [a for c in own for a in chain.neighbours[c] if chain.elements[a] == "H"]
        groups.append(BeadGroup(f"{KIND[0]}{k + 1}", tuple(sorted([*own, *light])), KIND))
    return MappingTemplate.from_mass(chain, groups)


def top_text(molecules: int) -> str:
    """Return the whole ``.top``."""
    lines = ["[ defaults ]", "; nbfunc  comb-rule", "1  2", "", "[ atomtypes ]"]
    lines += ["; name  mass  charge  ptype  sigma  epsilon"]
    lines += [f"{KIND}  {MASS}  0.0  A  {SIGMA}  {EPSILON}", ""]
    template = molecule()
    topology = Topology(((template, molecules),))
    return "\n".join(lines) + "\n" + molecule_type_text(template) + "\n" + system_text(topology, "Martini")


def parameters_text(ps: float, every: float, temperature: float, first: bool, seed: int) -> str:
    """Return the ``.mdp`` of `ps` at constant pressure with a snapshot after each `every`; 0 ps minimise."""
    forces = ["cutoff-scheme = Verlet", "coulombtype = Reaction-Field", f"rcoulomb = {CUTOFF}"]
    forces += ["vdw-modifier = Force-switch", f"rvdw-switch = {SWITCH}", f"rvdw = {CUTOFF}"]
    if not ps:
        return "\n".join(["integrator = steep", "nsteps = 500", "emtol = 100", *forces, ""])
    lines = ["integrator = md", f"dt = {STEP}", f"nsteps = {round(ps / STEP)}", "nstcomm = 100"]
    lines += ["tcoupl = V-rescale", "tc-grps = System", f"ref-t = {temperature:g}", "tau-t = 1"]
    lines += [
        "pcoupl = C-rescale",
        "tau-p = 4",
        f"ref-p = {PRESSURE}",
        f"compressibility = {COMPRESSIBILITY}",
    ]
    lines += [f"nstxout-compressed = {round(every / STEP)}", "compressed-x-precision = 10000"]
    lines += ["nstenergy = 1000", "nstlog = 100000", "nstcalcenergy = 100", f"ld-seed = {seed}"]
    if first:
        lines += ["gen-vel = yes", f"gen-temp = {temperature:g}", f"gen-seed = {seed}"]
    else:
        lines += ["gen-vel = no", "continuation = yes"]
    return "\n".join([*lines, *forces, ""])
