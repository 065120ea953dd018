"""`msb morph` killed at random moments goes on with --resume to the same bytes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from morph_case import BOX, SIGMA, melt_topology, shared_case, walks, write
from msb.cli.main import main

FRAMES, KILLS = 6, 10


def test_killed_at_random_moments(
    msb: Callable, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    case = shared_case(tmp_path_factory.getbasetemp())
    box = BOX * SIGMA / 0.36
    x = walks(np.random.default_rng(5), FRAMES, 0.97 * SIGMA, 0.02, 150.0, box)
    series = write(tmp_path / "kg.xtc", melt_topology("FE", "KG"), x, box)
    own = ["-m", case.models[2], "--scheme", "A", "--sweeps", 0, "--seed", 5, "--workers", 1, "--chunk", 1]
    assert msb("morph", case.structure, *own, "-o", tmp_path / "one.gro").code == 0  # all is imported now
    words = [str(word) for word in ("morph", case.structure, series, *own, "-o")]
    began = time.perf_counter()
    assert msb(*words, tmp_path / "whole.xtc").code == 0
    whole, seconds = (tmp_path / "whole.xtc").read_bytes(), time.perf_counter() - began
    output, parts = tmp_path / "killed.xtc", tmp_path / "killed.xtc.parts"
    rng, killed, halfway, tries = np.random.default_rng(0), 0, 0, 0
    while killed < KILLS or not halfway:  # later and later, however busy the machine is
        tries += 1
        output.unlink(missing_ok=True)  # of a child that was quicker
        child = os.fork()  # the same command in a process of its own, without starting Python again
        if child == 0:
            try:
                main([*words, str(output), "--resume"])
            finally:
                os._exit(0)
        time.sleep(float(rng.uniform(0.0, 0.5)) * seconds * (1 + tries / 20))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        halfway += (parts / "000000.json").exists()
    if (parts / "000000.json").exists():
        assert "go on with --resume" in msb(*words, output).err
    assert msb(*words, output, "--resume").code == 0
    assert output.read_bytes() == whole
    assert not parts.exists()
