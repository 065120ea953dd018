"""A `data` section of snapshots: files by name and pattern, several systems, force fields, rigid bonds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msb.data.rigid import RigidBonds
from msb.data.settings import SnapshotSettings
from msb.data.snapshots import Snapshots
from msb.data.training_set import load_training, locate_all
from msb.energy.systems import system_from_xml
from msb.errors import ConfigError, MappingError, MsbWarning, TrajectoryError
from small_melt import Box, butane, chain, write_box


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Box:
    return write_box(tmp_path_factory.mktemp("box"), [chain()] * 3 + [butane()] * 2)


def settings(**changes: object) -> SnapshotSettings:
    plain: dict[str, object] = {
        "topology": ["topol.top"],
        "mapping": ["mapping.yaml"],
        "snapshots": ["a*.gro"],
        "temperature": 300.0,
    }
    return SnapshotSettings.parse({**plain, **changes})


def test_one_snapshot_trains_and_selects_with_a_warning(box: Box) -> None:
    with pytest.warns(MsbWarning, match="there is one snapshot only: it trains and selects"):
        data = load_training(settings(), box.top.parent)
    assert (data.n_frames, len(data.train), len(data.select)) == (1, 1, 1)
    assert [molecule.name for molecule, _ in data.molecules] == ["PVC", "BUT"]
    assert set(data.force_field) == {"PVC", "BUT"}
    assert system_from_xml(data.force_field["BUT"]).getNumParticles() == 14
    assert data.temperature == 300.0
    assert "aa.gro" in data.hashes


def test_the_last_frame_selects_where_there_are_several(box: Box, tmp_path: Path) -> None:
    other = write_box(tmp_path / "other", [chain()] * 3 + [butane()] * 2, seed=3)
    both = settings(snapshots=["aa.gro", str(other.atoms)])
    data = load_training(both, box.top.parent)
    assert len(data.train[0].positions) == len(data.select[0].positions) == 1
    assert not np.allclose(data.train[0].positions, data.select[0].positions)


def test_liquids_of_different_boxes_stay_systems_of_their_own(box: Box, tmp_path: Path) -> None:
    liquid = write_box(tmp_path / "liquid", [butane()] * 4)
    names = settings(snapshots=["aa.gro", str(liquid.atoms)], validation=["aa.gro"])
    data = load_training(names, box.top.parent)
    assert [part.topology.n_molecules for part in data.train] == [5, 4]
    assert [template.name for template, _ in data.molecules] == ["PVC", "BUT"]
    assert len(data.select) == 1


def test_a_name_that_stands_for_nothing(box: Box) -> None:
    with pytest.raises(ConfigError, match=r"`b\*\.gro` matches neither a file in"):
        locate_all(["b*.gro"], box.top.parent)
    with pytest.raises(ConfigError, match=r"`none\.gro` is neither a file in"):
        locate_all(["none.gro"], box.top.parent)


def test_an_itp_alone_is_no_force_field_and_says_so(box: Box, tmp_path: Path) -> None:
    text = box.top.read_text()
    kinds = text[text.index("[ moleculetype ]") : text.index("[ system ]")]
    (tmp_path / "molecules.itp").write_text(kinds)
    names = settings(
        topology=["molecules.itp"],
        mapping=[str(box.mapping)],
        snapshots=[str(box.atoms)],
        validation=[str(box.atoms)],
    )
    with pytest.warns(MsbWarning, match="energies are not known: .*no \\[ atomtypes \\] gives"):
        data = load_training(names, tmp_path)
    assert data.force_field == {}
    quiet = names.model_copy(update={"force_field": "none"})
    assert load_training(quiet, tmp_path).force_field == {}


def test_a_mapping_for_other_molecules(box: Box, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("msb_mapping: 1\nmolecules:\n  ETH:\n    beads:\n      - {name: A, atoms: [C1]}\n")
    with pytest.raises(MappingError):
        load_training(settings(mapping=[str(other)]), box.top.parent)


def test_rigid_bonds_are_found_by_their_kind_and_known_in_longer_chains(box: Box) -> None:
    data = load_training(settings(validation=["aa.gro"]), box.top.parent)
    part = data.train[0]
    rng = np.random.default_rng(0)
    still = np.repeat(part.topology.split(part.positions)[1][1][:, :1], 60, axis=1).reshape(1, -1, 3)
    from msb.core.mapping import Mapping
    from msb.core.topology import Topology

    template = part.topology.templates[1]
    topology = Topology(((template, 60),))
    mapping = Mapping([part.mapping.templates[1]], topology)
    moved = still.copy()
    carbon = int(np.flatnonzero(np.asarray(template.elements) == "C")[0])
    moved[0, carbon::14] += rng.normal(0, 0.003, (60, 3))
    found = RigidBonds.of([Snapshots.of(moved, mapping)])
    assert 0 < len(found.lengths) < len(RigidBonds.of([Snapshots.of(still, mapping)]).lengths)
    pairs, lengths = found.constraints(topology)
    assert pairs.shape == (len(lengths), 2)
    assert len(pairs) % 60 == 0
    x = moved[0].astype(float)
    assert np.abs(np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1) - lengths).max() < 2e-3
    assert RigidBonds(found.to_dict()) == found
    assert RigidBonds().constraints(topology) is None


@pytest.mark.filterwarnings("ignore:.*missing includes left out")
def test_the_published_melt(msb_data: Path) -> None:
    names = SnapshotSettings.parse(
        {
            "topology": ["sps/topol.top"],
            "mapping": ["polystyrene_mapping.yaml"],
            "snapshots": ["sps/train/aa/13*.gro"],
            "validation": ["sps/val/aa/100.gro"],
            "temperature": 568.0,
            "dielectric": 2.5,
        }
    )
    data = load_training(names, Path())
    template = data.train[0].topology.templates[0]
    assert data.train[0].topology.n_molecules == 36
    assert system_from_xml(data.force_field["PS1"]).getNumParticles() == 162
    pairs, lengths = data.rigid.constraints(data.train[0].topology)
    assert len(pairs) == 36 * len(template.bonds)  # all bonds are rigid in these simulations
    assert 0.107 < lengths.min() < lengths.max() < 0.16


def test_types_may_have_other_names(box: Box) -> None:
    plain = settings(validation=["aa.gro"])
    data = load_training(
        settings(validation=["aa.gro"], rename_atoms={"CL": "X", "H@C": "HX"}, rename_beads={"V": "Y"}),
        box.top.parent,
    )
    chain_template, mapping = data.molecules[0]
    assert "X" in chain_template.atom_types
    assert {"CL", "H"}.isdisjoint(chain_template.atom_types)
    assert set(mapping.bead_types) == {"B", "Y"}
    assert data.force_field == load_training(plain, box.top.parent).force_field
    with pytest.raises(ConfigError, match="there is no atom type CLL \\(nearest: CL"):
        load_training(settings(validation=["aa.gro"], rename_atoms={"CLL": "X"}), box.top.parent)


def test_snapshots_without_a_box_whose_molecules_are_broken(box: Box, tmp_path: Path) -> None:
    lines = box.atoms.read_text().splitlines()
    lines[2] = lines[2][:20] + f"{9.0:8.3f}" + lines[2][28:]
    lines[-1] = "0.0 0.0 0.0"
    (tmp_path / "broken.gro").write_text("\n".join(lines) + "\n")
    with pytest.raises(
        TrajectoryError, match=r"C1 .* of PVC 1 are bonded and \d.* nm apart: the molecule is"
    ):
        load_training(settings(snapshots=[str(tmp_path / "broken.gro")]), box.top.parent)


def test_a_bead_without_heavy_atoms(box: Box, tmp_path: Path) -> None:
    text = box.mapping.read_text()
    but = text[text.index("  BUT:") :]
    carbon_last = "{name: B2, type: B, atoms: [1, 2, 5, 6, 8, 9, 11, 12]}"
    hydrogens = "{name: B1, type: H, atoms: [3, 4, 7, 10, 13, 14]}"
    odd = text.replace(but, f"  BUT:\n    beads:\n      - {hydrogens}\n      - {carbon_last}\n")
    (tmp_path / "odd.yaml").write_text(odd)
    with pytest.warns(MsbWarning, match="no heavy atoms are placed by"):
        load_training(settings(mapping=[str(tmp_path / "odd.yaml")], validation=["aa.gro"]), box.top.parent)
