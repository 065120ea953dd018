"""What backmapping makes of morphed and unmorphed beads: rows, effects, both studies' scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from morph_case import model
from msb.analysis.structure import term_values
from msb.core.topology import Topology
from msb.jobs.train_model import train_model

Study = Callable[[str, str], ModuleType]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def shared(study: Study) -> ModuleType:
    return study("morph_common", "after_backmapping")


def seen(shared: ModuleType, counts: np.ndarray, values: list[float]) -> list:
    """Frames (F, k, B) of one distribution and one figure."""
    rows = zip(counts, values, strict=True)
    return [shared.Seen({"bond C-C": own}, {"clashes": value}) for own, value in rows]


def test_effect_is_morphed_minus_unmorphed_frame_by_frame(shared: ModuleType) -> None:
    """A common shift of frames is no noise; the interval is Student's; equal sets have no effect."""
    rng = np.random.default_rng(0)
    weights = np.arange(1, 21) / 210
    noise = 50.0 * rng.normal(size=6)
    counts = rng.multinomial(4000, weights, size=(3, 6, 2))
    other = rng.multinomial(4000, weights[::-1], size=(6, 2))
    sets = {
        shared.BEFORE: seen(shared, other, (100 + noise).tolist()),
        shared.AFTER: seen(shared, counts[0], (90 + noise + [0.1, -0.1] * 3).tolist()),
        shared.OWN: seen(shared, counts[1], (80 + noise).tolist()),
    }
    bond, clashes = shared.compare(sets, shared.OWN)
    assert bond.floor == pytest.approx(0.0, abs=0.003)
    assert bond.excess[shared.BEFORE] > 0.1
    assert abs(bond.excess[shared.AFTER]) < 0.002
    assert bond.closed == pytest.approx(1.0, abs=0.01)
    assert clashes.effect.mean == pytest.approx(-10.0)
    assert clashes.effect.high - clashes.effect.mean == pytest.approx(2.5706 * 0.1095 / 6**0.5, rel=0.01)
    assert clashes.effect.sign == -1
    same = shared.compare({**sets, shared.AFTER: sets[shared.BEFORE]}, shared.OWN)
    assert [row.effect.sign for row in same] == [0, 0]
    level = shared.Level("To all atoms", "", {name: 6 for name in sets}, [bond, clashes])
    assert "Lower: bond C-C" in shared.verdict(level)
    assert "| clashes | " in shared.markdown("Title", [], [level])


def test_three_frames_have_no_interval(shared: ModuleType) -> None:
    effect = shared.Effect.of([1.0, 2.0, 3.0])
    assert (effect.mean, effect.low, effect.sign) == (2.0, None, 0)


def test_frames_are_kept_by_what_they_are_made_of(shared: ModuleType, study: Study, tmp_path: Path) -> None:
    """The second call makes nothing; other beads, another box and another way are made anew."""
    sets = study("morph_common", "sets")
    asked = []

    def place(beads: np.ndarray, box: np.ndarray, number: int) -> np.ndarray:
        asked.append(number)
        return beads + 1

    boxes = np.tile(np.eye(3, dtype=np.float32), (2, 1, 1))
    own = sets.BeadSet("own", np.zeros((2, 4, 3), np.float32), boxes, None)
    for how, moved, expected in (("a", 0, 2), ("a", 0, 2), ("b", 0, 4), ("a", 1, 6)):
        beads = own.moved_to("own", own.positions + np.float32(moved))
        made = shared.backmapped({"own": beads}, None, place, tmp_path, how)["own"]
        assert len(asked) == expected
        assert np.array_equal(made.positions, beads.positions + 1)


def test_beads_of_the_published_model_keep_their_hands(study: Study, msb_data: Path) -> None:
    """Torsions of odd and even monomers have opposite signs in the target, and in what is put back."""
    study("kg_morph", "run")
    down = study("kg_morph", "down")
    published = down.Published(msb_data, (10,))
    own = published.training
    beads = np.asarray(published.mapping.beads(own.positions.astype(np.float64)), dtype=np.float32)
    made = published.place(beads[0], own.boxes[0], 0)
    again = np.asarray(published.mapping.beads(made[None].astype(np.float64)))
    assert np.abs(again - beads).max() < 1e-4
    for x in (own.positions[0], made):
        chains = x.reshape(down.CHAINS, -1, 3).astype(np.float64)
        rows = [np.arange(4) + np.arange(start, 2 * down.MONOMERS - 4, 4)[:, None] for start in (0, 2)]
        mean = [np.sin(term_values(chains, "dihedral", atoms)).mean() for atoms in rows]
        assert mean[0] < -0.45
        assert mean[1] > 0.45


@pytest.mark.parametrize("by", ["fragment", "sps"])
def test_chains_of_another_length_get_all_their_atoms(
    study: Study, msb_data: Path, tmp_path: Path, by: str
) -> None:
    """Two chains of six monomers: hands, rings and energies are told, and one frame has a floor."""
    study("kg_morph", "run")
    down = study("kg_morph", "down")
    own = down.Published(msb_data, (10,)).training
    rows = np.arange(2)[:, None] * 2 * down.MONOMERS + np.arange(12)
    short = Topology(((down.chain(6).only_template(), 2),))
    few = down.BeadSet("few", own.positions[:, rows.ravel()], own.boxes, short)
    level = down.atom_level({down.after.BEFORE: few, down.after.OWN: few}, tmp_path, by)
    rows = {row.name: row for row in level.rows}
    assert rows["inverted centres, %"].sets[down.after.OWN] < 30
    assert "pierced rings" in rows
    assert np.isfinite(rows["Lennard-Jones a monomer, mean, kJ/mol"].sets[down.after.BEFORE])
    bonds = [row for name, row in rows.items() if name.startswith("bond ") and "shape" not in name]
    assert len(bonds) >= 4
    assert all(row.floor is not None and row.sets[down.after.BEFORE] == 0.0 for row in bonds)
    assert study("morph_common", "after_backmapping").verdict(level).endswith("(`--model`).")


def test_smoke_run_of_the_melt(
    study: Study, msb_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files in, table and JSON out, a model that hardly knows anything among the sets."""
    target = study("kg_morph", "target")
    study("kg_morph", "run")
    down = study("kg_morph", "down")
    monkeypatch.setattr(down, "UNITS", {"unit": "bead", "sweeps": 0, "mirrors": False})
    split = {"train": (10, 9), "validation": (3,), "test": (2, 1)}
    target.write_target(msb_data, tmp_path / "target", split)
    toy = model(tmp_path / "toy", 2, tmp_path / "target/train/*.gro")
    words = ["--smoke", "--runs", str(tmp_path), "--model", str(toy)]
    assert down.main(words) == 0
    told = json.loads((tmp_path / "out/after.json").read_text())
    [level] = told["levels"]
    assert level["frames"] == {"unmorphed": 2, "morphed": 2, "the target's own beads": 2, "published": 2}
    rows = {row["name"]: row for row in level["rows"]}
    assert rows["bond A-B"]["sets"]["published"] == 0.0
    assert {"angle A-B-A", "angle B-A-B", "dihedral A-B-A-B", "g(r) A-A", "g(r) B-B"} <= set(rows)
    assert "2 frames a set, too few for an interval" in (tmp_path / "out/AFTER.md").read_text()


def first_molecules(source: Path, folder: Path, atoms: int, names: list[str]) -> Path:
    """Copies of structures with their first molecules only."""
    folder.mkdir()
    for name in names:
        lines = (source / name).read_text().splitlines()
        kept = [lines[0], f" {atoms}", *lines[2 : 2 + atoms], lines[-1]]
        (folder / name).write_text("\n".join(kept) + "\n")
    return folder


def test_smoke_run_of_dodecane(study: Study, msb_data: Path, tmp_path: Path) -> None:
    """A hundred molecules: no rings and no centres, the force field of the assessed liquid."""
    study("dodecane_morph", "run")
    down = study("dodecane_morph", "down")
    data, files = msb_data / "dodecane", [f"{k}.gro" for k in (30, 35, 70, 80, 85)]
    target = first_molecules(data / "400K_mapped", tmp_path / "target", 300, files)
    martini = [f"{k}.gro" for k in (1, 4, 8, 11, 14, 18, 21, 24, 28, 31, 34, 38, 41, 44, 48)]
    top_down = first_molecules(data / "400K_martini_rescaled", tmp_path / "martini", 300, martini)
    atoms = first_molecules(data / "aa", tmp_path / "aa", 3800, ["80.gro"])
    changes = ["s=3", "training.steps=2", "sampling.sweeps=1", "sampling.candidates=2"]
    changes += [f"data.snapshots={target}/3*.gro", f"data.validation={target}/7*.gro"]
    config = REPOSITORY / "configs/morph/dodecane.yaml"
    trained = train_model(config, tmp_path / "s3", overrides=changes).bundle
    words = ["--smoke", "--runs", str(tmp_path), "--model", str(trained), "--target", str(target)]
    words += ["--top-down", str(top_down), "--snapshots", str(atoms / "80.gro")]
    assert down.main(words) == 0
    [level] = json.loads((tmp_path / "out/after.json").read_text())["levels"]
    rows = {row["name"]: row for row in level["rows"]}
    assert "pierced rings" not in rows
    assert rows["clashes"]["effect"]["low"] is None
    assert rows["clashes"]["sets"][down.KNOWN] == 0
    assert rows["Lennard-Jones a molecule, mean, kJ/mol"]["sets"][down.KNOWN] < 0
