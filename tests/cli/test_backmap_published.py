"""`msb backmap` on published files: a melt, and two liquids in one box."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from msb.io import open_trajectory
from small_melt import grompp, write_gro


def test_polystyrene_from_one_snapshot(msb: Callable, msb_data: Path, tmp_path: Path) -> None:
    """The melt's 36 chains from another snapshot: placed, nothing inverted, beads where they were."""
    folder = msb_data / "sps"
    known = ["--method", "fragment", "--from", folder / "train/aa/135.gro", "--top", folder / "topol.top"]
    words = ["backmap", folder / "cg.gro", *known, "--mapping", "polystyrene_mapping.yaml", "--relax", "none"]
    said = msb(*words, "-o", tmp_path / "aa.gro", "--top-out", tmp_path / "aa.top", "--json")
    assert said.code == 0, said
    told = json.loads(said.out)
    quality = told["quality"][0]
    assert told["atoms"] == 5832
    assert quality["counts"]["hand"] == quality["counts"]["bead"] == quality["counts"]["broken"] == 0
    assert quality["statistics"]["meso_share"] == 0.0
    if shutil.which("gmx"):
        grompp(tmp_path)


def test_octane_and_cumene_from_their_pure_liquids(msb: Callable, msb_data: Path, tmp_path: Path) -> None:
    """Two real liquids in one file of beads; a .map calls cumene's ring A where the beads call it S."""
    names = {"octane": "L49C", "cumene": "G065"}
    includes = "".join(f'#include "{msb_data}/{kind}/{name}_aa.itp"\n' for kind, name in names.items())
    head = '#include "gromos54a7.ff/forcefield.itp"\n' + includes
    top = tmp_path / "topol.top"
    top.write_text(head + "[ system ]\nmixture\n[ molecules ]\nL49C 215\nG065 265\n")
    maps = [tmp_path / f"{name}.map" for name in names.values()]
    for path, kind in zip(maps, names, strict=True):
        path.write_text((msb_data / kind / path.name).read_text().replace("   A", "   S"))
    rows, side = [], 0.0
    for kind in names:
        beads = open_trajectory(sorted((msb_data / kind / "train/cg").glob("*.gro"))[0])
        frame = beads.read(0, 1)
        shifted = frame.positions[0] + np.array([side, 0, 0])
        rows += list(zip(beads.resids.tolist(), beads.resnames, beads.names, shifted, strict=True))
        side += float(frame.boxes[0, 0, 0])
    cg = write_gro(tmp_path / "cg.gro", rows, np.diag([side, 4.0, 4.0]))
    shown = [sorted((msb_data / kind / "train/aa").glob("*.gro"))[1] for kind in names]
    words = ["backmap", cg, "--method", "fragment", "--from", *shown, "--top", top, "--mapping", *maps]
    said = msb(*words, "--relax", "none", "-o", tmp_path / "aa.gro", "--json")
    assert said.code == 0, said
    told = json.loads(said.out)
    assert told["molecules"] == [["L49C", 215], ["G065", 265]]
    assert told["quality"][0]["counts"]["broken"] == told["quality"][0]["counts"]["bead"] == 0
