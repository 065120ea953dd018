"""Write the bundled sample: 8 ns of the test split, atoms and beads, for the demonstration and the tests.

MSB_DATA=... python studies/adp_backmapping/make_sample.py [--output FOLDER] [--frames 8000]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.download import path
from msb.energy import peptide_system
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import open_trajectory
from msb.io.writers import open_writer

FIRST = 132_000  # of 165,000: the test split begins here
SAMPLES = Path(__file__).parents[2] / "src" / "msb" / "data" / "samples"


def main() -> None:
    """Map the frames and write both trajectories."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=SAMPLES)
    parser.add_argument("--frames", type=int, default=8000)
    args = parser.parse_args()
    from openmm import app

    pdb = app.PDBFile(str(path("adp/adp.pdb")))
    topology = Topology.from_openmm(pdb.topology, peptide_system(pdb.topology))
    mapping = Mapping(read_mapping(SAMPLES / "adp_mapping.yaml", topology), topology)
    source = open_trajectory(path("adp/adp.pdb"), path("adp/adp_300K.dcd"))
    frames = source.read(FIRST, FIRST + args.frames)
    frames = replace(frames, times=np.arange(args.frames, dtype=np.float64), index=0, boxes=None)
    args.output.mkdir(parents=True, exist_ok=True)
    with open_writer(args.output / "adp_reference.xtc", topology) as writer:
        writer.write(frames)
    with open_writer(args.output / "adp_beads.xtc", mapping.bead_topology()) as writer:
        writer.write(replace(frames, positions=np.asarray(mapping.beads(frames.positions))))


if __name__ == "__main__":
    main()
