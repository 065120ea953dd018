"""All-atom structures of vermouth's tests to Martini beads and back."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import build_model
from msb.core.geometry import dihedrals, kabsch
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.energy.finisher import Finisher
from msb.energy.protocols import Finish
from msb.io.mapping_files import read_mapping
from msb.quality import Checker

__all__ = ["PROTEINS", "RoundTrip", "round_trip"]

PROTEINS = {"ubiquitin": "1UBQ", "BPTI": "bpti", "villin": "villin"}
FORCE_FIELD = "amber14/protein.ff14SB.xml"
SPRING = 1e4  # kJ/mol/nm^2, on the beads
_NAMES = {("SER", "HG"): "HG1", ("CYS", "HG"): "HG1", ("ILE", "CD1"): "CD"}
_RESIDUES = {"HIS": "HSD", "CYX": "CYS"}


@dataclass(frozen=True)
class RoundTrip:
    """What came back.

    Attributes
    ----------
    atoms, beads : int
    rmsd, backbone_rmsd : float
        Of the heavy atoms, and of N, CA, C, O, after superposition on the truth, nm.
    raw_rmsd : float
        Of the heavy atoms before the minimisation, nm.
    wrong_alpha, wrong_hands : int
        CA with the other hand than in the truth, and stereocentres of any kind.
    centres : int
        Stereocentres.
    cis, cis_in_truth, peptide_bonds : int
        Peptide bonds turned by less than 90 degrees.
    findings : dict of str to int
        Of the check, by kind.
    bead_rms : float
        Beads' distance from those wanted, nm.
    martinize_rms : float or None
        Distance of this mapping's beads from the pair's own Martini file, nm; None where it has other beads.
    """

    atoms: int
    beads: int
    rmsd: float
    backbone_rmsd: float
    raw_rmsd: float
    wrong_alpha: int
    wrong_hands: int
    centres: int
    cis: int
    cis_in_truth: int
    peptide_bonds: int
    findings: dict[str, int]
    bead_rms: float
    martinize_rms: float | None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def folder() -> Path:
    """Pairs in the tests of vermouth."""
    import vermouth

    return Path(vermouth.__file__).parent / "tests" / "data" / "integration_tests" / "tier-1"


def round_trip(name: str, residues: int | None = None, relax: str = "staged", seed: int = 0) -> RoundTrip:
    """Map a structure, place its atoms anew, relax them, and compare.

    Parameters
    ----------
    name : str
        Of `PROTEINS`.
    residues : int, optional
        Only the first ones.
    relax : str
        Protocol.
    seed : int
    """
    modeller, system = _with_hydrogens(folder() / PROTEINS[name] / "aa.pdb", residues)
    truth = np.array([list(v) for v in modeller.positions.value_in_unit(_nm())], dtype=np.float32)
    topology = Topology.from_openmm(_renamed(modeller.topology), system)
    files = [f for f in _mapping_folder().glob("???.charmm36.map") if f.name not in ("his.charmm36.map",)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hydrogens that chain ends and other protonations lack
        mapping = Mapping(read_mapping(sorted(files), topology), topology)
    beads = mapping.beads(truth)
    model = build_model(
        "geometric", None, topology, mapping, options={"placement": [str(f) for f in sorted(files)]}
    )
    raw = model.backmap(beads[None], seed=seed)[0]
    hands = _hands(topology, truth)
    settings = Finish(relax, force_constant=SPRING)
    found = Finisher.of(system, mapping, settings, threads=1).run(raw, beads, seed=seed)
    x = np.asarray(found.positions, dtype=np.float32)
    return _compared(topology, mapping, truth, raw, x, hands, found.bead_rms, _pair_beads(name), beads)


def _compared(
    topology: Topology,
    mapping: Mapping,
    truth: NDArray[np.float32],
    raw: NDArray[np.float32],
    x: NDArray[np.float32],
    hands: NDArray[np.int8],
    bead_rms: float,
    pair: NDArray[np.float32] | None,
    beads: NDArray[np.float32],
) -> RoundTrip:
    heavy = topology.elements != "H"
    main = np.isin(topology.atom_names, ("N", "CA", "C", "O"))
    centres = topology.expand(lambda t: np.array(t.stereocentres, dtype=np.int64).reshape(-1, 1))[:, 0]
    wrong = _hands(topology, x) != hands
    findings: dict[str, int] = {}
    for finding in Checker(topology, hands=hands, mapping=mapping).check(x[None]):
        findings[finding.kind] = findings.get(finding.kind, 0) + 1
    omegas = _omegas(topology)
    near = [int((np.abs(_torsions(positions, omegas)) < np.pi / 2).sum()) for positions in (x, truth)]
    martinize = None
    if pair is not None and len(pair) == len(beads):
        martinize = _rmsd(pair, beads, superpose=False)
    return RoundTrip(
        *(topology.n_atoms, mapping.n_beads),
        *(_rmsd(x[heavy], truth[heavy]), _rmsd(x[main], truth[main]), _rmsd(raw[heavy], truth[heavy])),
        int(wrong[topology.atom_names[centres] == "CA"].sum()),
        *(int(wrong.sum()), len(centres), near[0], near[1], len(omegas)),
        *(findings, float(bead_rms), martinize),
    )


def _rmsd(x: NDArray[np.float32], y: NDArray[np.float32], superpose: bool = True) -> float:
    import torch

    if superpose:
        rotation, shift = kabsch(torch.from_numpy(x), torch.from_numpy(y))
        x = x @ rotation.numpy() + shift.numpy()
    return float(np.sqrt(((x - y) ** 2).sum(-1).mean()))


def _torsions(positions: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    import torch

    found: NDArray[np.float32] = dihedrals(torch.from_numpy(positions), rows).numpy()
    return found


def _omegas(topology: Topology) -> NDArray[np.int64]:
    """CA-C-N-CA of every peptide bond."""
    names, rows = topology.atom_names, []
    neighbours: dict[int, list[int]] = {}
    for i, j in topology.bonds.tolist():
        neighbours.setdefault(i, []).append(j)
        neighbours.setdefault(j, []).append(i)
    for i, j in topology.bonds.tolist():
        if {names[i], names[j]} == {"C", "N"}:
            c, n = (i, j) if names[i] == "C" else (j, i)
            before = [a for a in neighbours[c] if names[a] == "CA"]
            after = [a for a in neighbours[n] if names[a] == "CA"]
            rows.append([before[0], c, n, after[0]])
    return np.array(rows, dtype=np.int64).reshape(-1, 4)


def _hands(topology: Topology, x: NDArray[np.float32]) -> NDArray[np.int8]:
    return np.concatenate([np.asarray(t.chirality(b)).ravel() for t, b in topology.split(x)])


def _nm() -> Any:
    from openmm import unit

    return unit.nanometer


def _mapping_folder() -> Path:
    import vermouth

    return Path(vermouth.__file__).parent / "data" / "mappings"


def _with_hydrogens(path: Path, residues: int | None) -> tuple[Any, Any]:
    """The protein's atoms with hydrogens, and its System."""
    from openmm import app

    structure = app.PDBFile(str(path))
    modeller = app.Modeller(structure.topology, structure.positions)
    standard = set(_three_letters())
    extra = [r for r in modeller.topology.residues() if r.name not in standard]
    kept = [r for r in modeller.topology.residues() if r.name in standard]
    modeller.delete(extra + (kept[residues:] if residues else []))
    field = app.ForceField(FORCE_FIELD)
    last = list(modeller.topology.residues())[-1]
    if not any(atom.name == "OXT" for atom in last.atoms()):
        _close(modeller, last)
    modeller.addHydrogens(field, pH=7.0)
    system = field.createSystem(modeller.topology, nonbondedMethod=app.NoCutoff, removeCMMotion=False)
    return modeller, system


def _close(modeller: Any, last: Any) -> None:
    """Add the second oxygen of a chain's end, opposite the first."""
    from openmm import Vec3, app, unit

    place = {
        atom.name: np.array(modeller.positions[atom.index].value_in_unit(unit.nanometer))
        for atom in last.atoms()
    }
    middle = (place["CA"] + place["O"]) / 2
    way = place["C"] - middle
    where = place["C"] + 0.125 * way / np.linalg.norm(way)
    extra = app.Topology()
    owner = extra.addResidue(last.name, extra.addChain())
    made = app.Topology()
    made.setPeriodicBoxVectors(modeller.topology.getPeriodicBoxVectors())
    positions, copies = [], {}
    for chain in modeller.topology.chains():
        new_chain = made.addChain(chain.id)
        for residue in chain.residues():
            new = made.addResidue(residue.name, new_chain, residue.id)
            for atom in residue.atoms():
                copies[atom] = made.addAtom(atom.name, atom.element, new)
                positions.append(modeller.positions[atom.index])
            if residue is last:
                oxygen = made.addAtom("OXT", app.element.oxygen, new)
                positions.append(Vec3(*where) * unit.nanometer)
                carbon = next(copies[a] for a in residue.atoms() if a.name == "C")
    for bond in modeller.topology.bonds():
        made.addBond(copies[bond[0]], copies[bond[1]])
    made.addBond(carbon, oxygen)
    del owner
    modeller.topology, modeller.positions = (
        made,
        unit.Quantity([p.value_in_unit(unit.nanometer) for p in positions], unit.nanometer),
    )


def _three_letters() -> tuple[str, ...]:
    return (
        *("ALA", "ARG", "ASN", "ASP", "CYS", "CYX", "GLN", "GLU", "GLY", "HIS", "HID", "HIE", "ILE", "LEU"),
        *("LYS", "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR", "VAL"),
    )


def _renamed(topology: Any) -> Any:
    """CHARMM's names of atoms and residues, which the mapping files have."""
    for residue in topology.residues():
        names = {atom.name for atom in residue.atoms()}
        if residue.name in ("HIS", "HID", "HIE", "HIP"):
            both = {"HD1", "HE2"} <= names
            residue.name = "HSP" if both else ("HSD" if "HD1" in names else "HSE")
        residue.name = _RESIDUES.get(residue.name, residue.name)
        for atom in residue.atoms():
            atom.name = _NAMES.get((residue.name, atom.name), atom.name)
            if atom.name == "H":
                atom.name = "HN"
    return topology


def _pair_beads(name: str) -> NDArray[np.float32] | None:
    """Beads of the pair's Martini file, nm."""
    path = folder() / PROTEINS[name] / "martinize2" / "cg.pdb"
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("ATOM")]
    values = [[float(row[k : k + 8]) for k in (30, 38, 46)] for row in rows]
    return np.array(values, dtype=np.float32) / 10
