"""What a bundle says of itself, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.io.atomic import file_sha256
from msb.io.bundle import find_bundle, read_bundle

__all__ = ["ModelDescription", "describe_model", "model_identity"]


@dataclass(frozen=True)
class ModelDescription:
    """A model in words.

    Attributes
    ----------
    headline : dict of str to str
        What a person asks first.
    details : dict
        Everything but the weights, JSON-able.
    card : str
        The bundle's own text.
    """

    headline: dict[str, str]
    details: dict[str, Any]
    card: str


def describe_model(path_or_name: str | Path) -> ModelDescription:
    """Describe a model from its bundle, without building it.

    Raises
    ------
    BundleError
        There is no such model, or its bundle is damaged, foreign or newer than this program.
    """
    bundle = read_bundle(path_or_name)
    topology = Topology.from_dict(bundle.topology)
    mapping = Mapping.from_dict(bundle.mapping, topology)
    molecules = ", ".join(f"{count} {template.name}" for template, count in topology.molecules)
    beads = mapping.bead_topology()
    residues = beads.residue_names[beads.residue_index]
    names = [f"{name}({residue})" for name, residue in zip(beads.atom_names, residues, strict=True)]
    size = sum(file.stat().st_size for file in bundle.folder.iterdir() if file.is_file())
    headline = {
        "folder": str(bundle.folder),
        "method": bundle.method,
        "molecules": molecules,
        "atoms": str(topology.n_atoms),
        "beads": f"{mapping.n_beads}: {' '.join(names[:24])}{' …' if len(names) > 24 else ''}",
        "trained on": _training(bundle.config),
        "force field": ", ".join(bundle.force_field_xml) or "none",
        "size": f"{size / 1e6:.2f} MB, bundle format {bundle.format_version}",
    }
    details = {
        "folder": str(bundle.folder),
        "method": bundle.method,
        "format_version": bundle.format_version,
        "n_atoms": topology.n_atoms,
        "n_beads": mapping.n_beads,
        "beads": names,
        "molecules": {template.name: count for template, count in topology.molecules},
        "config": bundle.config,
        "metrics": bundle.metrics,
        "data_hashes": bundle.data_hashes,
        "versions": bundle.versions,
        "files": bundle.files,
    }
    return ModelDescription(headline, details, bundle.card)


def _training(config: MappingOf[str, Any]) -> str:
    """Return frame spacing and temperature of the training data, which every method's configuration has."""
    data = config.get("data", {})
    told = [
        f"{data[key]:g} {unit}" for key, unit in (("lag", "ps a frame"), ("temperature", "K")) if key in data
    ]
    return ", ".join(told) or "not said"


def model_identity(path_or_name: str | Path) -> str:
    """Return one hash of all that a bundle says, the hashes of its weights and arrays included."""
    return file_sha256(find_bundle(path_or_name) / "model.json")
