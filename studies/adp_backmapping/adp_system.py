"""Alanine dipeptide as the reference data has it: names, beads, torsions, and the OpenMM system behind it.

AMBER ff96 with OBC implicit solvent, bonds to hydrogen constrained, Langevin dynamics with friction 20/ps
and 2 fs steps; the beads are five backbone heavy atoms and the C-beta, single atoms.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BEADS",
    "BEAD_NAMES",
    "BONDS",
    "ELEMENTS",
    "FREE_TORSIONS",
    "METHYL_TORSIONS",
    "N_ATOMS",
    "load_data",
    "make_system",
    "paths",
    "pdb_text",
    "placing_torsions",
    "split",
    "torsions",
]

N_ATOMS = 22
BEADS = np.array([4, 6, 8, 10, 14, 16])
"""Atoms that are beads: C (ACE), N, CA, CB, C (ALA), N (NME)."""
BEAD_NAMES = ("C", "N", "CA", "CB", "C", "N")

FREE_TORSIONS: dict[str, tuple[int, int, int, int]] = {
    "methyl_ace": (0, 1, 4, 6),
    "omega_1": (1, 4, 6, 8),
    "carbonyl_1": (5, 4, 6, 8),
    "amide_1": (7, 6, 8, 14),
    "alpha_hydrogen": (4, 6, 8, 9),
    "methyl_beta": (6, 8, 10, 11),
    "carbonyl_2": (6, 8, 14, 15),
    "omega_2": (8, 14, 16, 18),
    "amide_2": (8, 14, 16, 17),
    "methyl_nme": (14, 16, 18, 19),
}
"""One torsion for each group of atoms that the beads leave free (atom indices)."""
METHYL_TORSIONS = ("methyl_ace", "methyl_beta", "methyl_nme")

_PLACING = {
    0: (0, 1, 4, 6), 1: (1, 4, 6, 8), 2: (2, 1, 4, 6), 3: (3, 1, 4, 6), 5: (5, 4, 6, 8), 7: (7, 6, 8, 14),
    9: (4, 6, 8, 9), 11: (6, 8, 10, 11), 12: (6, 8, 10, 12), 13: (6, 8, 10, 13), 15: (6, 8, 14, 15),
    17: (8, 14, 16, 17), 18: (8, 14, 16, 18), 19: (14, 16, 18, 19), 20: (14, 16, 18, 20),
    21: (14, 16, 18, 21),
}  # fmt: skip

_ATOMS = (
    ["1HH3", "CH3", "2HH3", "3HH3", "C", "O"],
    ["N", "H", "CA", "HA", "CB", "1HB", "2HB", "3HB", "C", "O"],
    ["N", "H", "C", "1H", "2H", "3H"],
)
_RESIDUES = ("ACE", "ALA", "NME")
ELEMENTS = tuple(name.lstrip("123")[0] for residue in _ATOMS for name in residue)
BONDS = (
    (0, 1), (1, 2), (1, 3), (1, 4), (4, 5), (4, 6), (6, 7), (6, 8), (8, 9), (8, 10), (10, 11), (10, 12),
    (10, 13), (8, 14), (14, 15), (14, 16), (16, 17), (16, 18), (18, 19), (18, 20), (18, 21),
)  # fmt: skip


def paths(length: int, heavy: bool = True) -> NDArray[np.int64]:
    """Return all chains of bonded atoms, of 2 (bonds), 3 (angles) or 4 (proper dihedrals) atoms, each once.

    Parameters
    ----------
    length : int
        Atoms in a chain.
    heavy : bool
        Without hydrogens.
    """
    atoms = [k for k in range(N_ATOMS) if not (heavy and ELEMENTS[k] == "H")]
    near = {k: {j for bond in BONDS if k in bond for j in bond if j != k and j in atoms} for k in atoms}
    chains = [(k,) for k in atoms]
    for _ in range(length - 1):
        chains = [(*chain, k) for chain in chains for k in sorted(near[chain[-1]]) if k not in chain]
    return np.array(sorted(chain for chain in chains if chain[0] < chain[-1]))


def placing_torsions() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the atoms that are no beads (16,) and a torsion placing each of them (16, 4)."""
    atoms = np.array(sorted(_PLACING))
    return atoms, np.array([_PLACING[int(i)] for i in atoms])


def split(n_frames: int) -> dict[str, slice]:
    """Return the frames that train (first 70 %), select (next 10 %) and test (last 20 %)."""
    first, second = n_frames * 7 // 10, n_frames * 8 // 10
    return {"train": slice(0, first), "select": slice(first, second), "test": slice(second, n_frames)}


def load_data(folder: Path, name: str = "adp_300K") -> NDArray[np.float32]:
    """Return all frames (F, 22, 3), nm, of one of the data's trajectories (a DCD in Angstrom)."""
    from mdtraj.formats import DCDTrajectoryFile

    with DCDTrajectoryFile(str(folder / f"{name}.dcd")) as file:
        positions = file.read()[0]
    return np.asarray(positions, dtype=np.float32) * np.float32(0.1)


def torsions(positions: NDArray[np.floating], quads: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return signed dihedrals (F, D), rad, of positions (F, N, 3) for atom quadruples (D, 4)."""
    import torch

    from msb.core.geometry import dihedrals

    return dihedrals(torch.from_numpy(np.asarray(positions, dtype=np.float64)), quads).numpy()


def pdb_text(positions: NDArray[np.floating]) -> str:
    """Return a PDB file of one structure.

    Parameters
    ----------
    positions : ndarray (22, 3)
        Atom positions in nm.
    """
    lines, serial = [], 0
    for residue, (name, atoms) in enumerate(zip(_RESIDUES, _ATOMS, strict=True), start=1):
        for atom in atoms:
            x, y, z = 10.0 * np.asarray(positions[serial], dtype=float)
            label = atom if len(atom) == 4 or atom[0].isdigit() else f" {atom}"
            element = atom.lstrip("123")[0]
            lines.append(
                f"ATOM  {serial + 1:5d} {label:<4s} {name} A{residue:4d}    {x:8.3f}{y:8.3f}{z:8.3f}"
                f"  1.00  0.00          {element:>2s}"
            )
            serial += 1
    return "\n".join([*lines, "TER", "END", ""])


def make_system(pdb: Path, *, implicit: bool = True, constrained: bool = True):
    """Return OpenMM's topology and system.

    Parameters
    ----------
    pdb : Path
        A structure of the 22 atoms, ``adp.pdb`` of the data or one written by :func:`pdb_text`.
    implicit : bool
        With the OBC implicit solvent; without it the vacuum energy of the comparison.
    constrained : bool
        Bonds to hydrogen constrained, as in the data.

    Returns
    -------
    topology : openmm.app.Topology
    system : openmm.System
    """
    from openmm import app

    from msb.energy import peptide_system

    topology = app.PDBFile(str(pdb)).topology
    system = peptide_system(
        topology,
        ("amber96.xml",),
        "h-bonds" if constrained else None,
        "amber96_obc.xml" if implicit else None,
    )
    return topology, system
