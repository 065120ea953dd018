"""Molecules found in a file of beads: names in any order, other numbers, other lengths, stereochemistry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msb.analysis.structure.stereo import handedness, tacticity
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.census import Kind, take_census
from msb.errors import ConfigError, FileFormatError, MappingError, MsbWarning, TopologyError
from msb.io.atoms import AtomTable
from msb.io.gromacs import read_gromacs
from msb.io.trajectory import open_trajectory
from msb.jobs.backmap.chains import chain_of, period
from msb.jobs.backmap.library import Library, read_snapshots
from msb.jobs.backmap.stereochemistry import continued, hands_of_copies, resolve_hands
from msb.jobs.backmap.system import System, resolve_system
from small_melt import Box, Molecule, bead_rows, butane, chain, placed, write_box, write_gro


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    return write_box(tmp_path_factory.mktemp("box"), [chain()] * 3 + [butane()] * 2)


@pytest.fixture(scope="module")
def library(box: Box) -> Library:
    top = read_gromacs(box.top)
    shown = Library.of_snapshots(read_snapshots([box.atoms], top, [box.mapping]))
    return Library.of_top(top, [box.mapping]).with_hands_of(shown)


def beads_of(path: Path, molecules: list[Molecule], change: object = None) -> Path:
    rows = bead_rows(molecules, placed(molecules, 5))
    return write_gro(path, change(rows) if callable(change) else rows)


def resolved(path: Path, library: Library, **options: object) -> System:
    return resolve_system(path, None, library, **options)


def test_the_molecules_are_those_of_the_file(box: Box, library: Library) -> None:
    system = resolved(box.beads, library)
    assert [(t.name, n) for t, n in system.topology.molecules] == [("PVC", 3), ("BUT", 2)]
    assert system.order.tolist() == list(range(34))
    atoms = open_trajectory(box.atoms).read()
    whole = Mapping(list(system.mapping.templates), system.topology).beads(atoms.positions)
    off = whole[0] - system.read(0).beads
    shares = off @ np.linalg.inv(atoms.boxes[0])
    assert np.abs((shares - np.round(shares)) @ atoms.boxes[0]).max() < 2e-3


def test_other_numbers_and_order_are_taken_from_the_file(library: Library, tmp_path: Path) -> None:
    path = beads_of(tmp_path / "cg.gro", [butane(), chain(), butane(), chain(), chain(), chain()])
    with pytest.warns(MsbWarning, match="says 2 BUT, 3 PVC, .* holds 2 BUT, 4 PVC"):
        system = resolved(path, library)
    assert [(t.name, n) for t, n in system.topology.molecules] == [
        ("BUT", 1),
        ("PVC", 1),
        ("BUT", 1),
        ("PVC", 3),
    ]


def test_beads_in_another_order_are_matched_by_name_and_said_once(
    box: Box, library: Library, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)

    def shuffled(rows: list) -> list:
        return [
            row
            for n in range(1, 6)
            for row in rng.permutation(np.array([r for r in rows if r[0] == n], object))
        ]

    molecules = [chain()] * 3 + [butane()] * 2
    plain = resolved(beads_of(tmp_path / "a.gro", molecules), library)
    with pytest.warns(MsbWarning, match="stand in another order than the mapping's") as said:
        system = resolved(beads_of(tmp_path / "b.gro", molecules, shuffled), library)
    assert len(said) == 1
    assert np.array_equal(system.read(0).beads, plain.read(0).beads)


def test_other_bead_names_are_matched_by_type(library: Library, tmp_path: Path) -> None:
    path = beads_of(
        tmp_path / "cg.gro",
        [chain()] * 3 + [butane()] * 2,
        lambda rows: [(n, r, f"{name[0]}{k % 10 + 20}", x) for k, (n, r, name, x) in enumerate(rows)],
    )
    with pytest.warns(MsbWarning, match="other names than the mapping's and are taken in its order: B20 V21"):
        assert resolved(path, library).topology.n_molecules == 5


def test_everything_unknown_is_listed_at_once(library: Library, tmp_path: Path) -> None:
    def odd(rows: list) -> list:
        extra = [(90, "PVD", "B1", np.ones(3)), (91, "XYZ", "Q", np.ones(3)), (92, "XYZ", "Q", np.ones(3))]
        short = [(93, "PVC", "B1", np.ones(3)), (94, "BUT", "B1", np.ones(3)), (94, "BUT", "BX", np.ones(3))]
        return rows + extra + short

    path = beads_of(tmp_path / "cg.gro", [chain()] * 3 + [butane()] * 2, odd)
    with pytest.raises(MappingError) as error:
        resolved(path, library)
    said = str(error.value)
    for part in (
        "residue PVD (B1) (nearest: PVC",
        "residue XYZ 2 times (Q)",
        "bead BX (nearest: B",
        "PVC has 10",
    ):
        assert part in said, said
    assert "--unknown copy or skip" in said
    with pytest.warns(MsbWarning, match="1 PVD, 2 XYZ, 1 PVC, 1 BUT are left out"):
        skipped = resolved(path, library, unknown="skip")
    assert skipped.written.n_atoms == skipped.topology.n_atoms
    with pytest.warns(MsbWarning, match="stay beads"):
        copied = resolved(path, library, unknown="copy")
    assert copied.written.n_atoms == copied.topology.n_atoms + 6
    assert len(copied.read(0).aside) == 6


def test_solvent_is_left_out_or_kept(library: Library, tmp_path: Path) -> None:
    def wet(rows: list) -> list:
        return [
            *rows,
            *((60 + k, "W", "W", np.full(3, 0.1 * k)) for k in range(4)),
            (70, "ION", "NA+", np.ones(3)),
        ]

    path = beads_of(tmp_path / "cg.gro", [chain()] * 3 + [butane()] * 2, wet)
    with pytest.warns(MsbWarning, match="4 W, 1 ION are left out"):
        assert resolved(path, library).unplaced[0].solvent
    with pytest.warns(MsbWarning, match="4 W, 1 ION stay beads"):
        system = resolved(path, library, solvent="keep")
    assert system.written.residue_names[-5:].tolist() == ["W"] * 4 + ["ION"]


@pytest.mark.parametrize("monomers", [4, 8])
def test_chains_of_other_lengths_are_made_from_the_known_one(
    library: Library, tmp_path: Path, monomers: int
) -> None:
    path = beads_of(tmp_path / "cg.gro", [chain(monomers)] * 2)
    with pytest.warns(MsbWarning, match="says 2 BUT, 3 PVC"):
        system = resolved(path, library)
    made, truth = system.topology.only_template(), chain(monomers)
    assert made.n_atoms == len(truth.names)
    assert [e for e in made.elements] == truth.elements
    assert made.bonds.tolist() == [list(b) for b in truth.bonds]
    assert [np.flatnonzero(system.mapping.templates[0].owner == b).tolist() for b in range(2 * monomers)] == [
        sorted(atoms) for _, _, atoms in truth.beads
    ]
    frame = np.concatenate(placed([truth] * 2, 5)).astype(np.float32)
    assert np.array_equal(system.hands, handedness(frame[None], system.topology).hands[0])
    assert system.grown == (made,)


def test_a_chain_of_its_own_length_is_itself(library: Library) -> None:
    template, mapping = library.molecules[0]
    again, beads = chain_of(template, mapping, mapping.n_beads) or (None, None)
    assert period(mapping) == 2
    assert again.bonds.tolist() == template.bonds.tolist()
    assert (beads.weights != mapping.weights).nnz == 0
    assert (beads.owner == mapping.owner).all()
    assert chain_of(template, mapping, 11) is None


def test_hands_come_from_copies_that_agree(tmp_path: Path) -> None:
    same = write_box(tmp_path / "same", [chain()] * 3)
    read = read_snapshots([same.atoms], read_gromacs(same.top), [same.mapping])
    known = hands_of_copies(read.topology, read.positions, read.boxes)
    template = read.topology.only_template()
    assert len(known[template]) == 4
    assert np.array_equal(resolve_hands(read.topology, known), np.tile(known[template], 3))
    mixed = write_box(tmp_path / "mixed", [chain(), chain(meso=True)])
    read = read_snapshots([mixed.atoms], read_gromacs(mixed.top), [mixed.mapping])
    differing = hands_of_copies(read.topology, read.positions, read.boxes)
    assert differing[template] is None
    with pytest.raises(
        MappingError, match=r"PVC \(4 centres\).*differ\): give --tacticity iso, syndio, atactic:P"
    ):
        resolve_hands(read.topology, differing)


@pytest.mark.parametrize(("word", "share"), [("iso", 1.0), ("syndio", 0.0)])
def test_tacticity_is_what_is_asked_for(box: Box, word: str, share: float) -> None:
    topology = Topology.from_template(read_gromacs(box.top).molecule_types["PVC"], 2)
    hands = resolve_hands(topology, {}, word)
    molecule = chain(meso=word == "iso")
    frame = np.concatenate([molecule.positions, molecule.positions * [1, 1, -1]])
    assert tacticity(frame[None], topology).meso_share == share
    found = handedness(frame[None], topology).hands[0]
    assert np.array_equal(np.abs(hands.reshape(2, -1) @ found.reshape(2, -1).T), np.full((2, 2), 4))


def test_atactic_chains_follow_the_seed_and_the_share(box: Box) -> None:
    template = read_gromacs(box.top).molecule_types["PVC"]
    topology = Topology.from_template(template, 400)
    hands = resolve_hands(topology, {}, "atactic:0.7", seed=3).reshape(400, 4)
    assert abs((hands[:, 1:] == hands[:, :-1]).mean() - 0.7) < 0.05
    assert np.array_equal(hands.ravel(), resolve_hands(topology, {}, "atactic:0.7", seed=3))
    assert not np.array_equal(hands.ravel(), resolve_hands(topology, {}, "atactic:0.7", seed=4))
    assert continued(template, template, hands[0]) is None or len(set(hands[0, 1:] == hands[0, :-1])) == 1


def test_tacticity_from_files(box: Box, tmp_path: Path) -> None:
    topology = read_gromacs(box.top).topology
    atoms = open_trajectory(box.atoms).read()
    truth = handedness(atoms.positions, topology, atoms.boxes).hands[0]
    assert np.array_equal(resolve_hands(topology, {}, str(box.atoms)), truth)
    (tmp_path / "dyads.txt").write_text("rrr  # for all\n")
    racemo = resolve_hands(topology, {}, str(tmp_path / "dyads.txt"))
    assert np.array_equal(racemo * racemo[0], truth * truth[0])  # or its mirror image
    (tmp_path / "signs.txt").write_text("++--\n+-+-\n----\n")
    assert resolve_hands(topology, {}, str(tmp_path / "signs.txt")).tolist() == [
        1,
        1,
        -1,
        -1,
        1,
        -1,
        1,
        -1,
        *[-1] * 4,
    ]
    (tmp_path / "bad.txt").write_text("mm\n")
    with pytest.raises(FileFormatError, match="PVC needs 4 signs"):
        resolve_hands(topology, {}, str(tmp_path / "bad.txt"))


@pytest.mark.parametrize("word", ["isotactic", "atactic", "atactic:2", "atactic:x"])
def test_a_tacticity_that_is_none(box: Box, word: str) -> None:
    with pytest.raises(ConfigError, match="--tacticity"):
        resolve_hands(read_gromacs(box.top).topology, {}, word)


def test_a_molecule_without_bonds_is_refused(box: Box, tmp_path: Path) -> None:
    text = box.top.read_text()
    first = text.index("[ bonds ]", text.index("PVC 3"))
    (tmp_path / "topol.top").write_text(text[:first] + text[text.index("[ angles ]", first) :])
    with pytest.raises(TopologyError, match=r"molecule PVC has 32 atoms in 32 pieces .* \[ bonds \]"):
        Library.of_top(read_gromacs(tmp_path / "topol.top"), [box.mapping])


def test_a_mixture_is_learnt_from_pure_liquids(box: Box, tmp_path: Path) -> None:
    chains, liquid = write_box(tmp_path / "a", [chain()] * 2), write_box(tmp_path / "b", [butane()] * 4)
    top = read_gromacs(box.top)
    read = read_snapshots([chains.atoms, liquid.atoms, liquid.atoms], top, [box.mapping])
    assert [(t.name, n) for t, n in read.topology.molecules] == [("PVC", 2), ("BUT", 8)]
    assert read.boxes is None
    assert np.abs(read.mapping.beads(read.positions) - read.beads).max() < 1e-6
    pure = read_snapshots([liquid.atoms], top, [box.mapping])
    assert np.array_equal(read.positions[0, 64 : 64 + 56], pure.positions[0])


def test_a_hundred_thousand_beads_are_counted_quickly() -> None:
    kind = Kind("OCT", ("B1", "B2", "B3", "B4"), (0,) * 4, ("OCT",))
    n = 120_000
    residue = np.arange(n) // 4
    atoms = AtomTable(
        np.tile(["B2", "B1", "B3", "B4"], n // 4),
        np.full(n, "OCT"),
        residue % 100_000,
        residue,
        np.full(n, ""),
        np.full(n, ""),
        np.empty((0, 2), dtype=np.int64),
    )
    census = take_census(atoms, [kind])
    assert census.runs() == [(0, n // 4)]
    assert census.reordered == n // 4
    assert census.order[:4].tolist() == [1, 0, 2, 3]


def test_polystyrene_is_found_in_its_melt(msb_data: Path) -> None:
    folder = msb_data / "sps"
    with pytest.warns(MsbWarning, match="posres"):
        top = read_gromacs(folder / "topol.top")
    shown = Library.of_snapshots(
        read_snapshots([folder / "train/aa/135.gro"], top, ["polystyrene_mapping.yaml"])
    )
    system = resolved(
        folder / "cg.gro", Library.of_top(top, ["polystyrene_mapping.yaml"]).with_hands_of(shown)
    )
    assert system.topology.n_atoms == 5832
    assert system.hands.reshape(36, 9).tolist() == [[1, -1, 1, -1, 1, -1, 1, -1, 1]] * 36
