"""What every test may rely on: one thread, reproducible properties, reference data or a reason."""

from __future__ import annotations

import os

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before anything imports torch or numpy: workers share few cores
os.environ.setdefault("OPENMM_CPU_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("developer", **_common)
settings.register_profile("ci", derandomize=True, print_blob=True, **_common)
settings.load_profile("ci" if os.environ.get("CI") else "developer")


@pytest.fixture(scope="session")
def msb_data() -> Path:
    """Folder of the reference data; they are not ours to ship, so the test is skipped without them."""
    folder = os.environ.get("MSB_DATA")
    if not folder:
        pytest.skip("MSB_DATA is not set: this test reads reference data that are not part of the project")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"MSB_DATA names {path}, which is not a folder")
    return path


@pytest.fixture(autouse=True)
def _leaves_no_trace() -> Iterator[None]:
    """Fail a test that leaves the environment, the working folder or torch's global settings changed."""
    environment, folder = dict(os.environ), Path.cwd()
    torch = sys.modules.get("torch")
    before = _torch_settings() if torch else None
    yield
    changed = {k for k in environment.keys() | os.environ.keys() if environment.get(k) != os.environ.get(k)}
    # imports of MDAnalysisTests, sklearn and torch set these
    theirs = ("PYTEST_CURRENT_TEST", "DUECREDIT_", "KMP_", "TORCHINDUCTOR_")
    changed = {k for k in changed if not k.startswith(theirs)}
    assert not changed, f"the test left environment variables changed: {sorted(changed)}"
    assert Path.cwd() == folder, "the test left the working folder changed"
    if before is not None:
        assert _torch_settings() == before, "the test left torch's global settings changed"


def _torch_settings() -> tuple[object, ...]:
    import torch

    return (
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(),
    )


@pytest.fixture(scope="session")
def paired():
    """Alanine dipeptide, the first 2,000 frames of the bundled sample, with its six single-atom beads."""
    import numpy as np
    from openmm import app

    from msb.core.mapping import Mapping
    from msb.core.mapping_template import MappingTemplate
    from msb.core.topology import Topology
    from msb.data.paired import PairedData
    from msb.data.samples import sample
    from msb.energy import peptide_system, system_to_xml
    from msb.io.trajectory import open_trajectory

    pdb = app.PDBFile(str(sample("adp_reference.pdb")))
    system = peptide_system(pdb.topology)
    topology = Topology.from_openmm(pdb.topology, system)
    template = topology.molecules[0][0]
    mapping = Mapping({template.name: MappingTemplate.from_atoms(template, [4, 6, 8, 10, 14, 16])}, topology)
    source = open_trajectory(sample("adp_reference.pdb"), sample("adp_reference.xtc"))
    positions = source.read(0, 2000).positions
    beads = np.asarray(mapping.beads(positions))
    splits = {"train": slice(0, 1600), "select": slice(1600, 1800), "test": slice(1800, 2000)}
    xml = {template.name: system_to_xml(system)}
    return PairedData(positions, beads, topology, mapping, splits, xml, {})
