"""What the torsion between two rings costs in this force field, everything else at rest.

python torsions.py             # biphenyl, and a phenyl on the triazine of triphenyltriazine
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from chemistry import atom_types_text, molecule
from numpy.typing import NDArray

from msb.core.topology import Topology
from msb.errors import MsbError
from msb.io.gromacs_writer import molecule_type_text, system_text

__all__ = ["MOLECULES", "main", "scan"]

MOLECULES = {
    "biphenyl": ("c1ccccc1-c1ccccc1", "c:c-c:c"),
    "phenyl on triazine": ("n1c(-c2ccccc2)nc(-c2ccccc2)nc1-c1ccccc1", "c:c-c:n"),
}
HOLD = 5000.0  # kJ/mol
ANGLES = np.arange(0, 91, 10)


def scan(smiles: str, torsion: str, angles: NDArray[np.int64] = ANGLES) -> NDArray[np.float64]:
    """Return energies (A,) in kJ/mol above the least, the torsion held at each of the angles.

    Parameters
    ----------
    smiles : str
        Molecule of phenyl and triazine rings.
    torsion : str
        SMARTS of its four atoms; the first match.
    angles : ndarray (A,)
        Degrees.

    Raises
    ------
    MsbError
        RDKit is not installed.
    """
    import openmm
    from openmm import app

    try:
        from rdkit import Chem
        from rdkit.Chem import AllChem
    except ImportError:
        raise MsbError("the molecule is built by RDKit, which is not installed: pip install rdkit") from None
    found = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(found, randomSeed=1)
    pairs = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in found.GetBonds()]
    template = molecule("MOL", [a.GetSymbol() for a in found.GetAtoms()], pairs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "molecule.top"
        text = system_text(Topology(((template, 1),)), "scan")
        path.write_text(atom_types_text() + "\n" + molecule_type_text(template) + "\n" + text)
        system = app.GromacsTopFile(str(path)).createSystem(nonbondedMethod=app.NoCutoff)
    held = openmm.CustomTorsionForce(f"{HOLD}*(1-cos(theta-wanted))")
    held.addGlobalParameter("wanted", 0.0)
    held.addTorsion(*found.GetSubstructMatch(Chem.MolFromSmarts(torsion)), [])
    held.setForceGroup(1)
    system.addForce(held)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(found.GetConformer().GetPositions() / 10)
    energies = []
    for angle in angles.tolist():
        context.setParameter("wanted", float(np.radians(angle)))
        openmm.LocalEnergyMinimizer.minimize(context, 0.01, 2000)
        energies.append(context.getState(getEnergy=True, groups={0}).getPotentialEnergy()._value)
    return np.asarray(energies) - min(energies)


def main() -> int:
    """Print both scans."""
    for name, (smiles, torsion) in MOLECULES.items():
        print(
            f"{name}: "
            + ", ".join(f"{a} deg {e:.1f}" for a, e in zip(ANGLES, scan(smiles, torsion), strict=True))
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
