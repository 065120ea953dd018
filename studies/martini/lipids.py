"""The Martini bilayer of MDAnalysisTests: molecules, mapping, force field, wanted hands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from cip import labels, signs
from numpy.typing import NDArray

from msb.classical.modifiers import hands_of_rules, local_rules
from msb.core.mapping import Mapping
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.io.gro import read_gro
from msb.io.mapping_files import read_mapping
from msb.io.mapping_formats import read_placement

__all__ = ["NATURAL", "Bilayer", "Lipids", "mapping_files"]

FORCE_FIELD = "amber14/lipid17.xml"
NATURAL = {
    "DPPC": {"C2": "R"},  # 1,2-dipalmitoyl-sn-glycero-3-phosphocholine
    "CHOL": dict(zip(("C3", "C8", "C9", "C10", "C13", "C14", "C17", "C20"), "SSSRRSRR", strict=True)),
}
"""Hands in nature: sn-glycerol's middle carbon; cholesterol's eight centres by the steroid's numbering."""

STEROID = {
    "C1": "C3", "C5": "C4", "C8": "C5", "C9": "C6", "C11": "C7", "C14": "C8", "C37": "C9", "C39": "C10",
    "C34": "C11", "C31": "C12", "C26": "C13", "C16": "C14", "C18": "C15", "C21": "C16", "C24": "C17",
    "C50": "C20",
}  # fmt: skip
"""The mapping file's names of cholesterol's carbons, in the steroid's numbering."""

CHARMM = {"DPPC": "DPPC", "CHOL": "CHL1"}  # whose residue templates say what is bonded


def mapping_files() -> list[Path]:
    """Martini mappings of the two lipids that come with vermouth."""
    import vermouth

    folder = Path(vermouth.__file__).parent / "data" / "mappings"
    return [folder / "dppc.charmm36.map", folder / "chol.charmm36.map"]


@dataclass
class Lipids:
    """The two molecules, with their force field."""

    @cached_property
    def systems(self) -> dict[str, tuple[Any, Any]]:
        """OpenMM's Topology and System of one molecule each, by name."""
        from openmm import app

        known, field = app.ForceField("charmm36.xml"), app.ForceField(FORCE_FIELD)
        names = {name: _atom_names(path) for name, path in zip(CHARMM, mapping_files(), strict=True)}
        found = {}
        for name, residue in CHARMM.items():
            topology = _one_molecule(name, known._templates[residue], names[name])
            system = field.createSystem(topology, nonbondedMethod=app.NoCutoff, removeCMMotion=False)
            found[name] = topology, system
        return found

    @cached_property
    def templates(self) -> dict[str, MoleculeTemplate]:
        """The molecules by name."""
        return {name: Topology.from_openmm(*pair).only_template() for name, pair in self.systems.items()}

    def hands(self, name: str) -> NDArray[np.int8]:
        """Signs of the stereocentres in nature."""
        wanted = NATURAL[name]
        if name == "CHOL":
            back = {steroid: own for own, steroid in STEROID.items()}
            wanted = {back[centre]: label for centre, label in wanted.items()}
        return signs(self.templates[name], wanted)

    def hands_in_mapping(self, name: str) -> dict[str, str]:
        """R or S that the mapping file's rules `chiral` give, by atom; only the centres they fix."""
        template = self.templates[name]
        fixed = hands_of_rules(template, local_rules(template, read_placement(mapping_files())))
        known = labels(template, np.where(fixed == 0, 1, fixed))
        centres = [
            template.atom_names[c] for c, hand in zip(template.stereocentres, fixed, strict=True) if hand
        ]
        return {(STEROID[c] if name == "CHOL" else c): known[c] for c in centres}


@dataclass
class Bilayer:
    """The beads of the bilayer, and the all-atom system to be placed on them."""

    topology: Topology
    mapping: Mapping
    beads: NDArray[np.float32]
    box: NDArray[np.float32] | None
    hands: NDArray[np.int8]

    @classmethod
    def read(cls, lipids: Lipids, few: int | None = None) -> Bilayer:
        """The bilayer; `few` takes so many lipids around a cholesterol, without the box."""
        from MDAnalysisTests.datafiles import Martini_membrane_gro

        gro = read_gro(Martini_membrane_gro)
        numbers = np.asarray(gro.resids)
        starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
        kinds = [str(gro.resnames[k]) for k in starts]
        groups = np.split(np.arange(len(numbers)), starts[1:])
        box: NDArray[np.float32] | None = np.asarray(gro.box, dtype=np.float32)
        x = np.asarray(gro.positions, dtype=np.float32)
        chosen = range(len(groups))
        if few is not None:
            chosen, box = _around(x, groups, kinds, few), None
        runs = [(lipids.templates[kinds[k]], 1) for k in chosen]
        topology = Topology(tuple(runs))
        mapping = Mapping(read_mapping(mapping_files(), topology), topology)
        beads = np.concatenate([groups[k] for k in chosen])
        names = [str(gro.names[k]) for k in beads]
        if names != [
            n for t, b in zip(mapping.templates, mapping.blocks, strict=True) for n in t.bead_names * b.count
        ]:
            raise SystemExit("the bilayer's beads are not in the mapping's order")
        hands = np.concatenate([lipids.hands(kinds[k]) for k in chosen])
        return cls(topology, mapping, x[beads], box, hands)


def _around(x: NDArray[np.float32], groups: list[NDArray[np.int64]], kinds: list[str], few: int) -> list[int]:
    """The lipids nearest to one cholesterol near the middle of the box that are not cut by its faces."""
    whole = [k for k, rows in enumerate(groups) if np.ptp(x[rows], axis=0).max() < 4.0]
    middles = {k: x[groups[k]].mean(0) for k in whole}
    sterols = [k for k in whole if kinds[k] == "CHOL"]
    centre = x.mean(0)
    first = min(sterols, key=lambda k: float(np.linalg.norm((middles[k] - centre)[:2])))
    near = sorted(whole, key=lambda k: float(np.linalg.norm(middles[k] - middles[first])))[:few]
    return sorted(near)


def _atom_names(path: Path) -> list[str]:
    """Names in the `[ atoms ]` of a mapping file."""
    names, inside = [], False
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split(";")[0].split()
        if words and words[0].startswith("["):
            inside = "".join(words).strip("[]") == "atoms"
        elif words and inside:
            names.append(words[1])
    return names


def _one_molecule(name: str, residue: Any, names: list[str]) -> Any:
    """OpenMM Topology of one molecule with the mapping's names.

    CHARMM's residue templates have the mapping's atoms: under the same names (DPPC), or in the same order
    under others (cholesterol, whose elements are compared one by one).
    """
    from openmm import app

    atoms = list(residue.atoms)
    same = {atom.name for atom in atoms} == set(names)
    order = [residue.atomIndices[n] for n in names] if same else list(range(len(atoms)))
    if len(order) != len(names) or [atoms[k].element.symbol for k in order] != [n[0] for n in names]:
        raise SystemExit(f"the atoms of {name} in CHARMM36 and in the mapping file differ")
    topology = app.Topology()
    owner = topology.addResidue(name, topology.addChain())
    made = {k: topology.addAtom(n, atoms[k].element, owner) for k, n in zip(order, names, strict=True)}
    for i, j in residue.bonds:
        topology.addBond(made[i], made[j])
    return topology
