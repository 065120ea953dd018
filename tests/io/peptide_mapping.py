"""A small molecule, and reading mapping texts for it: what the tests of mapping files share."""

from __future__ import annotations

from pathlib import Path

import pytest

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import FileFormatError, MappingError
from msb.io.mapping_files import read_mapping

PEPTIDE = MoleculeTemplate.from_atoms(
    "ACE-ALA",
    ["CH3", "C", "O", "N", "H", "CA", "HA", "CB", "C", "O", "NO"],
    bonds=[(0, 1), (1, 2), (1, 3), (3, 4), (3, 5), (5, 6), (5, 7), (5, 8), (8, 9), (8, 10)],
    elements=list("CCONHCHCCON"),
    residue_index=[0] * 3 + [1] * 8,
    residue_names=("ACE", "ALA"),
    residue_numbers=(7, 8),
)
TOPOLOGY = Topology(((PEPTIDE, 2),))


def read(
    folder: Path, text: str, name: str = "mapping", topology: Topology | None = TOPOLOGY, **options: object
):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_mapping(path, topology, **options)


def refuse(folder: Path, text: str, match: str, topology: Topology | None = TOPOLOGY) -> None:
    with pytest.raises((MappingError, FileFormatError), match=match):
        read(folder, text, topology=topology)
