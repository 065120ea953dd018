"""Frames made one by one: the same whatever the workers, the chunks and a kill; coherent where asked for."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from msb.cli.backmap import POLISHES as SAID_POLISHES
from msb.cli.backmap import RELAXATIONS
from msb.core import pool
from msb.energy.protocols import POLISHES, PROTOCOLS
from msb.errors import MsbError, MsbWarning, TrajectoryError
from msb.io import Frames, open_trajectory, open_writer
from msb.jobs.backmap.frame_maker import FrameMaker
from msb.jobs.backmap.frame_task import FrameTask
from msb.jobs.backmap.run import BackmapOptions, backmap
from msb.jobs.backmap.setup import Prepared, Request, prepare
from small_melt import BOX, Box, butane, chain, wrapped, write_box

N_FRAMES = 5


@dataclass(frozen=True)
class Melt:
    box: Box
    beads: Path


@pytest.fixture(scope="module")
def melt(tmp_path_factory: pytest.TempPathFactory) -> Melt:
    """Three chains and two butanes in a triclinic box, and five frames of their beads, which wander."""
    folder = tmp_path_factory.mktemp("melt")
    box = write_box(folder, [chain()] * 3 + [butane()] * 2)
    start = open_trajectory(box.beads).read().positions[0]
    rng = np.random.default_rng(1)
    steps = np.cumsum(
        np.concatenate([np.zeros((1, *start.shape)), rng.normal(0, 0.004, (4, *start.shape))]), 0
    )
    drift = np.arange(N_FRAMES)[:, None, None] * np.array([0.3, -0.2, 0.1])
    x = wrapped(start + steps + drift).astype(np.float32)
    path = folder / "cg.xtc"
    with open_writer(path, open_trajectory(box.beads)) as writer:
        boxes = np.tile(BOX.astype(np.float32), (N_FRAMES, 1, 1))
        writer.write(Frames(x, boxes, np.arange(float(N_FRAMES))))
    return Melt(box, path)


def prepared(melt: Melt, relax: str = "none", trajectory: bool = True, **options: object) -> Prepared:
    return prepare(
        Request(
            melt.box.beads,
            melt.beads if trajectory else None,
            method="fragment",
            snapshots=(melt.box.atoms,),
            top=melt.box.top,
            mapping=(melt.box.mapping,),
            relax=relax,
            **options,
        )
    )


@pytest.fixture(scope="module")
def ready(melt: Melt) -> Prepared:
    return prepared(melt)


def run(ready: Prepared, path: Path, **options: object) -> bytes:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        backmap(ready.system, ready.maker, path, BackmapOptions(**options), identity=ready.identity)
    texts = [str(w.message) for w in said if issubclass(w.category, MsbWarning)]
    assert any("is not (--coherent" in text for text in texts) != bool(options.get("coherent"))
    return path.read_bytes()


def test_workers_and_chunks_never_change_a_byte(melt: Melt, tmp_path: Path) -> None:
    ready = prepared(melt, "em", temperature=300.0)
    assert ready.polish == "thermal"
    ready.maker.finisher.settings = replace(ready.maker.finisher.settings, relax=(), steps=20)
    alone = run(ready, tmp_path / "one.xtc", workers=1, seed=4)
    assert run(ready, tmp_path / "two.xtc", workers=2, chunk=2, seed=4) == alone
    assert run(ready, tmp_path / "free.xtc", chunk=1, seed=4) == alone
    assert run(ready, tmp_path / "other.xtc", workers=1, seed=5) != alone


def test_atoms_sit_on_their_beads_whole_and_in_the_box_of_the_frame(ready: Prepared, tmp_path: Path) -> None:
    with pytest.warns(MsbWarning, match="placed independently"):
        done = backmap(ready.system, ready.maker, tmp_path / "aa.trr", BackmapOptions(workers=1))
    atoms = open_trajectory(tmp_path / "aa.pdb", tmp_path / "aa.trr").read()
    assert (done.n_frames, done.n_atoms) == atoms.positions.shape[:2] == (N_FRAMES, 124)
    assert np.array_equal(atoms.times, np.arange(N_FRAMES))
    bonds = ready.system.topology.bonds
    lengths = np.linalg.norm(atoms.positions[:, bonds[:, 0]] - atoms.positions[:, bonds[:, 1]], axis=-1)
    assert lengths.max() < 0.25  # whole molecules: no bond crosses the box
    wanted = np.stack([ready.system.read(k).beads for k in range(N_FRAMES)])
    off = (ready.system.mapping.beads(atoms.positions) - wanted) @ np.linalg.inv(BOX)
    assert np.abs((off - np.round(off)) @ BOX).max() < 5e-3
    assert done.verdicts[0].counts["hand"] == 0
    assert done.verdicts[0].counts["bead"] == 0


def test_samples_differ_and_the_first_is_reproduced(melt: Melt, tmp_path: Path) -> None:
    ready = prepared(melt, trajectory=False, samples=2)
    backmap(ready.system, ready.maker, tmp_path / "aa.gro", BackmapOptions(samples=2, seed=3))
    first, second = (tmp_path / f"aa_s{k}.gro" for k in (1, 2))
    assert first.read_bytes() != second.read_bytes()
    backmap(ready.system, ready.maker, tmp_path / "again.gro", BackmapOptions(seed=4))
    assert (tmp_path / "again.gro").read_bytes() == second.read_bytes()


def test_coherent_frames_start_from_the_one_before(ready: Prepared, tmp_path: Path) -> None:
    """Between two frames the beads moved by 0.004 nm, and so did the atoms, hydrogens included."""
    run(ready, tmp_path / "aa.trr", coherent=True)
    x = open_trajectory(tmp_path / "aa.pdb", tmp_path / "aa.trr").read().positions
    assert np.abs(np.diff(x, axis=0) - [0.3, -0.2, 0.1]).max() < 0.05
    whole = run(ready, tmp_path / "b.xtc", coherent=True)
    assert run(ready, tmp_path / "c.xtc", coherent=True, chunk=1) == whole


@pytest.mark.filterwarnings("ignore::msb.errors.MsbWarning")
@pytest.mark.parametrize("coherent", [False, True])
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    melt: Melt, ready: Prepared, tmp_path: Path, coherent: bool
) -> None:
    whole = run(ready, tmp_path / "whole.xtc", coherent=coherent, workers=1)

    class Dies(FrameMaker):
        def make(self, task: FrameTask):
            if task.number == 3:
                raise MsbError("killed")
            return super().make(task)

    mortal = Dies(ready.maker.model, ready.maker.checker)
    options = {"coherent": coherent, "workers": 1, "chunk": 2}
    with pytest.raises(MsbError, match="killed"):
        backmap(ready.system, mortal, tmp_path / "aa.xtc", BackmapOptions(**options), identity=ready.identity)
    assert not (tmp_path / "aa.xtc").exists()
    with pytest.raises(TrajectoryError, match="go on with --resume"):
        run(ready, tmp_path / "aa.xtc", **options)
    with pytest.raises(TrajectoryError, match="begun with seed"):
        run(ready, tmp_path / "aa.xtc", **options, resume=True, seed=1)
    assert run(ready, tmp_path / "aa.xtc", **options, resume=True) == whole


def test_what_was_found_before_a_kill_is_known_after_it(melt: Melt, tmp_path: Path) -> None:
    ready = prepared(melt)
    checker = ready.maker.checker
    checker._contacts._least[:] = 0.3  # every frame has something to find
    whole = backmap(ready.system, ready.maker, tmp_path / "a.xtc", BackmapOptions(coherent=True))
    assert whole.verdicts[0].total
    made = ready.maker.make
    ready.maker.make = lambda task: made(task) if task.number < 3 else 1 / 0
    with pytest.raises(ZeroDivisionError):
        backmap(ready.system, ready.maker, tmp_path / "b.xtc", BackmapOptions(coherent=True, chunk=1))
    del ready.maker.make
    options = BackmapOptions(coherent=True, chunk=1, resume=True)
    again = backmap(ready.system, ready.maker, tmp_path / "b.xtc", options)
    assert again.verdicts[0].to_json() == whole.verdicts[0].to_json()


def test_a_mistake_in_a_worker_is_a_sentence(ready: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_MAKER", ready.maker)
    answer = pool._make(FrameTask(0, np.zeros((3, 3), np.float32), None, 0))
    assert answer[0] is None
    with pytest.raises(MsbError, match="beads"):
        pool._taken(pickle.loads(pickle.dumps(answer)))


def test_no_temperature_no_polish(melt: Melt) -> None:
    ready = prepared(melt, "em", trajectory=False)
    assert (ready.relax, ready.polish) == ("em", "none")
    assert any("no --temperature: the atoms are relaxed and not polished" in said for said in ready.said)


def test_the_command_knows_all_relaxations() -> None:
    assert tuple(PROTOCOLS) == RELAXATIONS
    assert SAID_POLISHES == POLISHES
