"""Beads that are centres of mass: no atom is fixed, the projection makes beads and rigid bonds exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.errors import MsbWarning
from msb.temporal import training
from msb.temporal.config import TemporalConfig

DATA = {"structure": "-", "trajectory": "-", "mapping": "-", "temperature": 300, "lag": 1, "library": 50}


@pytest.fixture(scope="module")
def centres(paired):
    template = paired.topology.molecules[0][0]
    groups = [range(0, 6), range(6, 10), range(10, 14), range(14, 22)]
    beads = [BeadGroup(f"B{k}", tuple(group)) for k, group in enumerate(groups)]
    mapping = Mapping({template.name: MappingTemplate.from_mass(template, beads)}, paired.topology)
    return replace(paired, mapping=mapping, beads=np.asarray(mapping.beads(paired.positions)))


@pytest.fixture(scope="module")
def model(centres, tmp_path_factory):
    folder = tmp_path_factory.mktemp("centres")
    settings = {
        "name": "centres",
        "data": DATA,
        "training": {"steps": 150, "batch": 256, "validate_every": 50},
        "network": {"kind": "flow", "width": 48, "layers": 4},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "load_paired", lambda *_: centres)
        with pytest.warns(MsbWarning, match="strains the structure"):
            return training.train(TemporalConfig.parse(settings), folder, folder)


def test_beads_and_rigid_bonds_are_exact(model, centres):
    beads = centres.beads[1800:1850]
    atoms = model.backmap(beads, seed=2)
    assert np.abs(centres.mapping.beads(atoms) - beads).max() < 1e-5
    pairs, lengths = model.rigid
    found = np.linalg.norm(atoms[:, pairs[:, 0]] - atoms[:, pairs[:, 1]], axis=-1)
    assert np.abs(found - lengths).max() < 1e-4


def test_what_the_projection_needs_is_recorded(model):
    assert model.metrics["select_projection_nm"] > 0.01


def test_stereochemistry_survives(model, centres):
    """Even a short training puts CB on its side of CA in nearly every frame."""
    atoms = model.backmap(centres.beads[1800:2000], seed=3)

    def side(x):
        ca, n, c, cb = (x[:, k] for k in (8, 6, 14, 10))
        return np.sign(np.einsum("fi,fi->f", np.cross(n - ca, c - ca), cb - ca))

    expected = side(centres.positions[1800:2000])
    assert (side(atoms) == expected).mean() > 0.97
