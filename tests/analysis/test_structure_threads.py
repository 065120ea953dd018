"""Forked workers after torch has used its threads: they must not wait for threads that a fork lacks."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import torch
from msb.analysis.structure import InternalDistributions
from msb.core.topology import Topology
from msb.data.samples import sample
import MDAnalysis
if __name__ == "__main__":
    torch.set_num_threads(2)
    (torch.randn(2000, 2000) ** 2).sum()
    universe = MDAnalysis.Universe(str(sample("adp_reference.pdb")), str(sample("adp_reference.xtc")))
    run = InternalDistributions(universe, Topology.from_universe(universe))
    run.run(stop=8, backend="multiprocessing", n_workers=2)
    print("done")
"""


def test_workers_end_although_the_parent_has_threads(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120)
    assert done.stdout.split()[-1:] == ["done"], done.stderr
