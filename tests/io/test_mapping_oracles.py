"""Mapping files against independent programs and published data: vermouth, csg_map, polystyrene's beads."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from itertools import pairwise
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest

from msb.core.box import make_whole, minimum_image
from msb.core.mapping import Mapping
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MsbWarning
from msb.io.mapping_files import read_mapping, write_mapping
from msb.io.mapping_formats import parse_backward
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory

# --- vermouth reads its own files ------------------------------------------------------------------------


class AnyForceField:
    """Stands for every force field vermouth asks for: each block holds all words of the file."""

    def __init__(self, name: str, words: set[str]) -> None:
        self.name, self.words, self.blocks = name, words, self

    def __getitem__(self, molecule: str) -> object:
        from vermouth.molecule import Block

        block = Block(force_field=self)
        block.name = molecule
        for word in self.words:
            block.add_node(word, atomname=word)
        return block


class ForceFields(dict):
    def __init__(self, words: set[str]) -> None:
        self.words = words

    def __missing__(self, name: str) -> AnyForceField:
        return self.setdefault(name, AnyForceField(name, self.words))


def test_vermouth_reads_the_same_shares() -> None:
    vermouth = pytest.importorskip("vermouth", reason="vermouth, the oracle, is not installed")
    from vermouth.map_input import read_backmapping_file

    folder = Path(vermouth.DATA_PATH) / "mappings"
    files = sorted(folder.glob("*.map")) + sorted(folder.rglob("martini3IDP/*.charmm36.map"))
    assert len(files) > 50
    checked = 0
    for path in files:
        text = path.read_text()
        blocks = ForceFields({word.lstrip("!") for word in text.split()})
        found = read_backmapping_file(text.splitlines(), blocks)
        theirs = {name: entry for a in found.values() for b in a.values() for name, entry in b.items()}
        residues = parse_backward(path)
        assert residues.keys() == theirs.keys()
        for name, residue in residues.items():
            template = _map_residue(path, name, list(residue.atoms))
            expected = np.zeros((template.n_beads, template.n_atoms))
            for atom, shares in theirs[name].mapping.items():
                for bead, share in shares.items():
                    expected[template.bead_names.index(bead), template.atom_names.index(atom)] = share
            np.testing.assert_allclose(template.fractions.toarray(), expected, atol=1e-12)
            checked += 1
    assert checked >= len(files)


def _map_residue(path: Path, name: str, atoms: list[str]):
    bonds = [(i, i + 1) for i in range(len(atoms) - 1)]
    molecule = MoleculeTemplate.from_atoms(
        name, atoms, bonds=bonds, elements=["C"] * len(atoms), residue_names=[name]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # beads without atoms are said elsewhere
        return read_mapping(path, Topology(((molecule, 1),)))[name]


# --- csg_map on VOTCA's hexane tutorial ------------------------------------------------------------------

HEXANE = Path("/usr/share/votca/csg-tutorials/hexane/atomistic")
TOPOLOGY_XML = """<topology base="{base}"><molecules><clear/>
<define name="Protein" first="1" nbeads="20" nmols="{count}"/></molecules></topology>"""


def csg_map(
    folder: Path, base: Path, count: int, trajectory: Path, mapping: Path, *options: str
) -> np.ndarray:
    (folder / "topology.xml").write_text(TOPOLOGY_XML.format(base=base, count=count))
    command = ["csg_map", "--top", folder / "topology.xml", "--trj", trajectory, "--cg", mapping]
    command += ["--out", folder / "beads.trr", *options]
    subprocess.run([str(word) for word in command], check=True, capture_output=True, cwd=folder)
    reader = MDAnalysis.coordinates.TRR.TRRReader(str(folder / "beads.trr"))
    return reader[0]


@pytest.fixture(scope="module")
def hexane() -> MDAnalysis.Universe:
    if shutil.which("csg_map") is None:
        pytest.skip("csg_map (VOTCA), the oracle, is not installed")
    if not (HEXANE / "hexane.xml").is_file():
        pytest.skip(f"VOTCA's hexane tutorial is not installed ({HEXANE})")
    return MDAnalysis.Universe(str(HEXANE / "conf.gro"))


def hexane_topology(universe: MDAnalysis.Universe, count: int) -> Topology:
    atoms = universe.atoms[:20]
    carbons = [i for i, name in enumerate(atoms.names) if name == "C"]
    bonds = list(pairwise(carbons))
    bonds += [(max(c for c in carbons if c < i), i) for i in range(20) if i not in carbons]
    molecule = MoleculeTemplate.from_atoms(
        "Protein",
        list(atoms.names),
        bonds=bonds,
        elements=[name[0] for name in atoms.names],
        residue_index=atoms.resindices - atoms.resindices[0],
        residue_names=list(atoms.residues.resnames),
        residue_numbers=list(atoms.residues.resids),
    )
    return Topology(((molecule, count),))


def test_csg_map_puts_the_beads_at_the_same_places(hexane: MDAnalysis.Universe, tmp_path: Path) -> None:
    topology = hexane_topology(hexane, 1000)
    mapping = Mapping(read_mapping(HEXANE / "hexane.xml", topology), topology)
    assert mapping.templates[0].bead_bonds.tolist() == [[0, 1], [1, 2]]
    box = hexane.trajectory.ts.triclinic_dimensions / 10
    positions = make_whole(hexane.atoms.positions.astype(np.float64) / 10, box, topology)
    theirs = csg_map(tmp_path, HEXANE / "conf.gro", 1000, HEXANE / "conf.gro", HEXANE / "hexane.xml")
    away = minimum_image(mapping.beads(positions) - theirs.positions / 10, box)
    assert np.abs(away).max() < 2e-6


def test_csg_map_sums_the_same_forces(hexane: MDAnalysis.Universe, tmp_path: Path) -> None:
    count, topology = 3, hexane_topology(hexane, 3)
    few = hexane.atoms[: 20 * count]
    few.write(str(tmp_path / "few.gro"))
    forces = np.random.default_rng(0).normal(size=(len(few), 3)).astype(np.float32)
    with MDAnalysis.coordinates.TRR.TRRWriter(str(tmp_path / "few.trr"), len(few)) as writer:
        small = MDAnalysis.Merge(few)
        small.trajectory.ts.dimensions = hexane.dimensions
        small.trajectory.ts.forces = forces
        writer.write(small)
    mapping = Mapping(read_mapping(HEXANE / "hexane.xml", topology), topology)
    xml = HEXANE / "hexane.xml"
    theirs = csg_map(tmp_path, tmp_path / "few.gro", count, tmp_path / "few.trr", xml, "--force")
    written = MDAnalysis.coordinates.TRR.TRRReader(str(tmp_path / "few.trr"))[0].forces
    np.testing.assert_allclose(mapping.bead_forces(written), theirs.forces, rtol=1e-5, atol=1e-5)


# --- polystyrene: PS1.map with the half-mass rule --------------------------------------------------------


@pytest.fixture(scope="module")
def melt(msb_data: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MsbWarning)  # its posres.itp was never published
        topology = read_topology(msb_data / "sps" / "topol.top")
    frames = open_trajectory(msb_data / "sps" / "aa.gro", msb_data / "sps" / "t568" / "aa.xtc").read(0, 6)
    beads = open_trajectory(msb_data / "sps" / "cg.gro", msb_data / "sps" / "t568" / "cg.xtc").read(0, 6)
    return (
        topology,
        make_whole(frames.positions.astype(np.float64), frames.boxes, topology),
        frames.boxes,
        beads,
    )


def away(mapping: Mapping, melt) -> np.ndarray:
    """Largest distance along an axis from the published beads, for each of a chain's 20, nm."""
    _, positions, boxes, beads = melt
    difference = minimum_image(mapping.beads(positions) - beads.positions, boxes)
    return np.abs(difference).reshape(-1, 36, 20, 3).max(axis=(0, 1, 3))


def half_masses(published: str) -> str:
    """PS1.map with shares: each CH gives half of its mass to its own CH2's bead and half to the next one's.

    Bead 1 is the terminal carbon alone, and H1, H3, H161 and H162 belong to no bead's centre.
    """
    lines = ["[map]"]
    for line in published.split("[/map]")[0].splitlines()[1:]:
        atom, kind, bead, bead_type = line.split()
        number = (int(atom) - 1) % 16 + 1  # in the repeat unit: 1-3 CH2, 4-5 CH, 6-16 phenyl
        if bead_type == "BB" and (int(atom) > 160 or (bead == "1" and number in (1, 3))):
            lines.append(f"{line} 0")
        elif bead_type == "BB" and number in (4, 5):
            lines.append(f"{line} {0 if bead == '1' else 0.5}")
            if int(bead) < 19:
                lines.append(f"{atom} {kind} {int(bead) + 2} {bead_type} 0.5")
        else:
            lines.append(line)
    return "\n".join([*lines, "[/map]", ""])


def test_polystyrene_with_half_masses_gives_the_published_beads(msb_data: Path, melt, tmp_path: Path) -> None:
    topology = melt[0]
    published = msb_data / "sps" / "PS1.map"
    plain = away(Mapping(read_mapping(published, topology), topology), melt)
    assert (plain[::2] > 0.06).all()  # the backbone needs the half masses
    assert (plain[1::2] < 1e-3).all()
    (tmp_path / "half.map").write_text(half_masses(published.read_text()))
    templates = read_mapping(tmp_path / "half.map", topology)
    halves = Mapping(templates, topology)
    assert (away(halves, melt) < 1e-3).all()
    assert away(halves, melt)[0] < 1e-5 + 5e-4
    template = templates["PS1"]
    assert (template.owner == Mapping(read_mapping(published, topology), topology).templates[0].owner).all()
    write_mapping(tmp_path / "half.yaml", templates)
    assert read_mapping(tmp_path / "half.yaml") == templates
    assert template.is_consistent
    identity = template.force_map() @ template.weights.T
    np.testing.assert_allclose(identity.toarray(), np.eye(20), atol=1e-12)


def test_polystyrene_is_projected_with_its_bonds(msb_data: Path, melt, tmp_path: Path) -> None:
    topology, positions, _, _ = melt
    (tmp_path / "half.map").write_text(half_masses((msb_data / "sps" / "PS1.map").read_text()))
    mapping = Mapping(read_mapping(tmp_path / "half.map", topology), topology)
    pairs = topology.expand(lambda template: template.bonds)
    pairs = pairs[(topology.elements[pairs] == "H").any(axis=1)]
    x = positions[:1]
    lengths = np.linalg.norm(x[0, pairs[:, 0]] - x[0, pairs[:, 1]], axis=-1)
    start = x + 0.003 * np.random.default_rng(0).normal(size=x.shape)
    result = mapping.project(start, mapping.beads(x), (pairs, lengths))
    assert result.converged.all()
    moved = result.positions[0]
    assert np.abs(mapping.beads(moved) - mapping.beads(x[0])).max() < 1e-9
    assert np.abs(np.linalg.norm(moved[pairs[:, 0]] - moved[pairs[:, 1]], axis=-1) - lengths).max() < 1e-7
    assert result.displacement[0] < 0.005
