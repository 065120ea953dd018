"""A configuration to start from for a new system: what was found in its files, and defaults that fit."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from msb.backmap.config import BackmapConfig
from msb.core.channels import default_channels
from msb.core.elements import NO_ELEMENT
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.scene import Tables
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.settings import SnapshotSettings
from msb.data.training_set import TrainingSet, load_training
from msb.errors import ConfigError, MsbWarning
from msb.io.atomic import atomic_write_text

__all__ = ["NewConfig", "new_config"]

_LINE = 100
_TEMPERATURE = 300.0  # K, where nobody says
_ONE_SNAPSHOT = "there is one snapshot only"

Network = Literal["mixture", "voxel"]


@dataclass(frozen=True)
class NewConfig:
    """What was written.

    Attributes
    ----------
    path : Path
    molecules : dict of str to int
        Of the first frame of every system.
    bead_types, atom_types : tuple of str
    n_frames : int
        Snapshots that would train.
    force_field : bool
        Whether energies are known.
    rigid : int
        Kinds of bonds that are rigid.
    assumed : tuple of str
        What the user should look at, as sentences.
    """

    path: Path
    molecules: dict[str, int]
    bead_types: tuple[str, ...]
    atom_types: tuple[str, ...]
    n_frames: int
    force_field: bool
    rigid: int
    assumed: tuple[str, ...]


def new_config(
    snapshots: Sequence[str | Path],
    mapping: Sequence[str | Path],
    output: str | Path,
    *,
    top: Sequence[str | Path] = (),
    temperature: float | None = None,
    network: Network = "mixture",
) -> NewConfig:
    """Look at a system's files and write a configuration of the method `backmap` for it.

    Parameters
    ----------
    snapshots : sequence of path
        All-atom structures, trajectories each after its structure.
    mapping : sequence of path
        Mapping files, or names of bundled ones.
    output : path
        YAML; the paths in it are relative to its folder.
    top : sequence of path
        GROMACS topologies; bonds are taken from the snapshots without.
    temperature : float, optional
        K.
    network : {'mixture', 'voxel'}

    Returns
    -------
    NewConfig

    Raises
    ------
    ConfigError
        The output is there already.
    MsbError
        A file cannot be read or does not fit the others; see `msb.data.training_set.load_training`.
    """
    path = Path(output)
    if path.exists():
        raise ConfigError(f"{path} is there already: choose another name with -o, or remove it")
    kelvin = _TEMPERATURE if temperature is None else temperature
    data = {
        "topology": [_named(name, path.parent) for name in top],
        "mapping": [_named(name, path.parent) for name in mapping],
        "snapshots": [_named(name, path.parent) for name in snapshots],
        "temperature": kelvin,
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _ONE_SNAPSHOT, MsbWarning)
        found = load_training(SnapshotSettings.parse(data), path.parent)
    assumed = _assumed(found, temperature)
    if not found.force_field:
        data["force_field"] = "none"
    config: dict[str, Any] = {
        "method": "backmap",
        "name": path.stem,
        "seed": 0,
        "data": data,
        "network": _network(network, found),
        "sampling": {"sweeps": 2, "candidates": 1, "select": "random"},
        "training": _training(network, bool(found.force_field)),
    }
    BackmapConfig.parse(config, path)
    atomic_write_text(path, _head(found, assumed) + _text(config))
    counts: dict[str, int] = {}
    for part in found.train:
        for template, count in part.topology.molecules:
            counts[template.name] = counts.get(template.name, 0) + count
    return NewConfig(
        path,
        counts,
        tuple(sorted({kind for _, beads in found.molecules for kind in beads.bead_types})),
        tuple(sorted({kind for molecule, _ in found.molecules for kind in molecule.atom_types})),
        found.n_frames,
        bool(found.force_field),
        len(found.rigid.lengths),
        assumed,
    )


def _named(name: str | Path, folder: Path) -> str:
    """A file relative to the configuration; what is no file is a name of the catalogue or of a sample."""
    path = Path(name)
    if not path.exists():
        return str(name)
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def _assumed(found: TrainingSet, temperature: float | None) -> tuple[str, ...]:
    said = []
    if temperature is None:
        said.append(f"temperature: {_TEMPERATURE:g} K is a guess; write that of the simulation")
    if not found.force_field:
        said.append("no force field is known: no energies, no choice by energy, no polish without --top")
    if found.n_frames < 4:
        frames = "1 snapshot" if found.n_frames == 1 else f"{found.n_frames} snapshots"
        said.append(f"{frames}: a network wants more than that; add `snapshots:`, and `validation:` apart")
    return tuple(said)


def _network(kind: Network, found: TrainingSet) -> dict[str, Any]:
    if kind == "mixture":
        return {"kind": "mixture"}
    molecules = tuple((molecule, 1) for molecule, _ in found.molecules)
    topology = Topology(molecules)
    channels = default_channels(Mapping([beads for _, beads in found.molecules], topology))
    return {"kind": "voxel", "width": "tiny", "head": "coordinate", "channels": channels.to_dict()}


def _training(kind: Network, energies: bool) -> dict[str, Any]:
    """Recipes that worked for polystyrene on one core (mixture) or two (voxel)."""
    if kind == "mixture":
        return {"steps": 30_000, "batch": 8, "learning_rate": 1.5e-3, "weight_decay": 1e-4, "clip": 10.0}
    recipe: dict[str, Any] = {
        **{"steps": 9000, "batch": 16, "pretrain": 5000, "pretrain_draws": 4, "pretrain_rate": 2e-3},
        **{"critic_first": 100, "critic_steps": 3, "generator_rate": 5e-5, "critic_rate": 2e-4},
        **{"ema": 0.995, "cooldown": 0.2, "penalty_every": 8, "penalty_share": 0.25, "multiplicity": "rare"},
    }
    if energies:
        ramp = {"ramp": [5500, 7500], "soft": 0.3}
        recipe["regulariser"] = {"kind": "match", "bonded": 4e-4, "lj": 4e-3, **ramp}
    return recipe


def _head(found: TrainingSet, assumed: Sequence[str]) -> str:
    """What was found, as comments."""
    lines = ["A configuration to start from, made by `msb new-config`; every key is in the documentation."]
    lines += [f"LOOK AT THIS: {sentence}." for sentence in assumed]
    rigid = len(found.rigid.lengths)
    lines.append(f"{rigid} kinds of bonds are rigid." if rigid else "No bonds are rigid.")
    for molecule, beads in found.molecules:
        lines += ["", *_molecule(molecule, beads)]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _molecule(molecule: MoleculeTemplate, beads: MappingTemplate) -> list[str]:
    """A molecule's beads: type, what each places in which order, and what its environment is turned to."""
    topology = Topology(((molecule, 1),))
    tables = Tables.of(Mapping([beads], topology))
    names, light = beads.bead_names, np.asarray(molecule.elements) == "H"
    lines = [f"{molecule.name}: {molecule.n_atoms} atoms, {beads.n_beads} beads, in order of placement:"]
    for bead in np.argsort(tables.ranks.numpy()).tolist():
        own = [a for a in tables.own[bead].tolist() if a >= 0]
        atoms = " ".join(molecule.atom_names[a] for a in own) or "nothing"
        heavy = sum(not light[a] and molecule.elements[a] != NO_ELEMENT for a in own)
        axis, plane = int(tables.axis[bead]), int(tables.plane[bead])
        turned = names[axis] if axis >= 0 else "nothing"
        turned += f", plane {names[plane]}" if plane >= 0 else ""
        text = f"  {names[bead]} ({beads.bead_types[bead]}; axis {turned}; {heavy} heavy): {atoms}"
        lines.append(text if len(text) <= _LINE else text[: _LINE - 2] + " …")
    return lines


def _text(config: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(config, sort_keys=False, default_flow_style=None, width=_LINE)
    return text
