"""A peptide with thermal noise, and OpenMM's Reference platform as the judge of every energy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import openmm
import pytest
import torch
from openmm import app

from msb.energy import Energy, peptide_system

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def dipeptide() -> app.PDBFile:
    """Alanine dipeptide with hydrogens, 22 atoms."""
    return app.PDBFile(str(HERE / "alanine_dipeptide.pdb"))


@pytest.fixture(scope="session")
def dipeptide_positions(dipeptide) -> np.ndarray:
    """Five distorted copies, nm, shape (5, 22, 3): no torsion is planar, no term is at rest."""
    ideal = dipeptide.getPositions(asNumpy=True)._value
    return ideal + 0.01 * np.random.default_rng(0).standard_normal((5, *ideal.shape))


@pytest.fixture(scope="session")
def charmm_dipeptide(dipeptide, tmp_path_factory) -> Any:
    """Alanine dipeptide in CHARMM36 (2024): OpenMM's file, reduced to what the molecule needs.

    The whole file has 100,000 atom types and takes minutes to match; the reduced one gives the same System.
    In CHARMM the caps are patches, so the molecule is one residue.
    """
    root = ElementTree.parse(Path(app.forcefield.__file__).parent / "data" / "charmm36_2024.xml").getroot()
    caps = ("ACE_1", "CT3_1")

    def keep(parent: Any, wanted: Callable[[Any], bool]) -> None:
        for child in [child for child in parent if not wanted(child)]:
            parent.remove(child)

    keep(root.find("Residues"), lambda residue: residue.get("name") == "ALA")
    keep(root.find("Residues")[0], lambda part: part.tag != "AllowPatch" or part.get("name") in caps)
    keep(root.find("Patches"), lambda patch: patch.get("name") in caps)
    types = {a.get("type") for tag in ("Residues", "Patches") for a in root.find(tag).iter()} - {None}
    keep(root.find("AtomTypes"), lambda atom: atom.get("name") in types)
    kinds = {atom.get("class") for atom in root.find("AtomTypes")} | {""}
    for tag in (child.tag for child in root if child.tag.endswith("Force")):
        keep(
            root.find(tag),
            lambda entry: all(
                value in (kinds if key.startswith("class") else types)
                for key, value in entry.attrib.items()
                if key.startswith(("class", "type"))
            ),
        )
    path = tmp_path_factory.mktemp("charmm") / "dipeptide.xml"
    path.write_text(ElementTree.tostring(root, encoding="unicode"))
    topology = app.Topology()
    residue = topology.addResidue("ALA", topology.addChain())
    atoms = [topology.addAtom(f"X{a.index}", a.element, residue) for a in dipeptide.topology.atoms()]
    for i, j in dipeptide.topology.bonds():
        topology.addBond(atoms[i.index], atoms[j.index])
    return peptide_system(topology, (str(path),))


Reference = Callable[..., tuple[dict[str, np.ndarray], np.ndarray]]


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Energies (per force) and forces of OpenMM's Reference platform, for (B, N, 3) positions."""

    def evaluate(
        system: Any, positions: np.ndarray, box: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        names: dict[int, str] = {}
        for group, force in enumerate(system.getForces()):
            force.setForceGroup(group)
            before = sum(f.getName() == force.getName() for f in system.getForces()[:group])
            names[group] = f"{force.getName()} {before + 1}" if before else force.getName()
        context = openmm.Context(
            system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatform("Reference")
        )
        energies: dict[str, list[float]] = {name: [] for name in names.values()}
        forces = []
        for k, frame in enumerate(positions):
            if box is not None:
                context.setPeriodicBoxVectors(*np.broadcast_to(box, (len(positions), 3, 3))[k])
            context.setPositions(frame)
            for group, name in names.items():
                state = context.getState(energy=True, groups={group})
                energies[name].append(state.getPotentialEnergy()._value)
            forces.append(context.getState(forces=True).getForces(asNumpy=True)._value)
        return {name: np.array(values) for name, values in energies.items()}, np.array(forces)

    return evaluate


@pytest.fixture(scope="session")
def assert_agrees(reference) -> Callable[..., Energy]:
    """Compare a system's torch energy with OpenMM: 1e-5 relative per force, 1e-4 for the forces."""

    def compare(system: Any, positions: np.ndarray, box: np.ndarray | None = None, **options: Any) -> Energy:
        energy = Energy.from_openmm(system, **options)
        wanted, wanted_forces = reference(system, positions, box)
        boxes = None if box is None else torch.as_tensor(np.array(box, dtype=np.float64))
        x = torch.as_tensor(positions).requires_grad_(True)
        got = energy.terms(x, boxes)
        for name, values in got.items():
            scale = np.maximum(np.abs(wanted[name]), 1.0)
            np.testing.assert_array_less(
                np.abs(values.detach().numpy() - wanted[name]) / scale, 1e-5, err_msg=name
            )
        forces = -torch.autograd.grad(sum(got.values()).sum(), x)[0].numpy()
        scale = max(np.abs(wanted_forces).max(), 1.0)
        np.testing.assert_array_less(np.abs(forces - wanted_forces), 1e-4 * scale)
        return energy

    return compare
