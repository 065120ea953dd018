"""The whole way on real data: monomers of polystyrene, published model against energy-minimised fragments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msb.analysis import maps
from msb.io.topology_files import read_topology
from msb.io.trajectory import open_trajectory


def test_published_model_fills_the_regions_and_the_baseline_does_not(msb_data: Path) -> None:
    """Thesis figures 5.5 and 5.12: the baseline's monomers lie elsewhere on the map."""
    pytest.importorskip("dscribe")
    with pytest.warns(UserWarning, match="posre"):
        topology = read_topology(msb_data / "sps/topol.top")
    chain = topology.molecules[0][0]
    ring = {atom for members in chain.rings for atom in members}
    bearing = [
        atom
        for atom in range(chain.n_atoms)
        if chain.elements[atom] == "C" and atom not in ring and ring & set(chain.neighbours[atom])
    ]
    inner = np.array(bearing[1:-1])
    firsts = np.arange(0, topology.n_atoms, chain.n_atoms)
    centres = (firsts[:, None] + inner).ravel()
    vectors = {}
    for name in ("aa", "deepbackmap", "baseline"):
        frames = open_trajectory(msb_data / "sps/aa.gro", msb_data / f"sps/t568/{name}.xtc").read(60, 61)
        found = maps.soap_vectors(frames.positions, topology.elements, centres, frames.boxes)
        assert found.kinds == ("C",)
        vectors[name] = found.values[0]
    chosen = maps.farthest_points(vectors["aa"], 120)
    plane = maps.fit_sketch_map(vectors["aa"][chosen.indices], weights=chosen.weights)
    places = {name: plane.transform(values) for name, values in vectors.items()}
    regions = maps.find_regions(places["aa"], 5, outliers=0.05)
    model, baseline = (
        maps.compare_regions(regions, places["aa"], places[name]) for name in ("deepbackmap", "baseline")
    )
    apart = {
        name: maps.compare_on_map(places["aa"], places[name], 568.0, bins=15, replicates=50).excess
        for name in ("deepbackmap", "baseline")
    }
    assert model.js < 0.02
    assert model.kept > 0.6
    assert baseline.js > 0.2
    assert baseline.test[-1] > 0.7  # outliers; 5 % of the reference
    assert apart["deepbackmap"].low < 0.02
    assert apart["baseline"].low > 0.3
