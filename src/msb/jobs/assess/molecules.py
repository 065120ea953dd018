"""The molecules of an all-atom reference: from its topology file, or from a model that knows them."""

from __future__ import annotations

import numpy as np

from msb.backmapper import Backmapper
from msb.core.mapping import Mapping
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.data.census import take_census
from msb.data.systems import atom_kind, mapping_files, require_bonds, topology_of
from msb.errors import ConfigError, MappingError
from msb.io.gromacs import GromacsTopology
from msb.io.mapping_files import read_mapping
from msb.io.trajectory import Trajectory
from msb.jobs.assess.request import AssessRequest

__all__ = ["reference_mapping"]


def reference_mapping(
    request: AssessRequest, atoms: Trajectory, top: GromacsTopology | None, model: Backmapper | None
) -> Mapping:
    """Find the reference's molecules, and how they become beads.

    Parameters
    ----------
    request : AssessRequest
    atoms : Trajectory
        The reference.
    top : GromacsTopology or None
    model : Backmapper or None
        Whose molecules and mapping are taken where no files say them.

    Returns
    -------
    Mapping
        Its topology is the reference's.

    Raises
    ------
    MappingError
        Structure, topology and mapping do not fit together.
    ConfigError
        Nothing says which atoms make which molecules.
    """
    if top is not None:
        topology = topology_of(atoms.structure, (top,))
        _same_number(topology, atoms, str(top.path))
        for template in topology.templates:
            require_bonds(template, top.path)
    elif model is not None:
        topology = _topology_of_model(atoms, model)
    else:
        raise ConfigError("--top topol.top is needed: it says which atoms make which molecules")
    if request.mapping:
        return Mapping(read_mapping(mapping_files(request.mapping), topology), topology)
    assert model is not None  # check_request saw to it
    own = {template.molecule: template for template in model.mapping.templates}
    lacking = sorted({t.name for t in topology.templates} - set(own))
    if lacking:
        raise MappingError(
            f"the model {request.model} has no mapping for {', '.join(lacking)} of {atoms.structure}: it "
            f"knows {', '.join(sorted(own))}; give --mapping map.yaml, or another model"
        )
    return Mapping(own, topology)


def _same_number(topology: Topology, atoms: Trajectory, source: str) -> None:
    if topology.n_atoms != atoms.n_atoms:
        raise MappingError(
            f"{source} describes {topology.n_atoms} atoms, {atoms.structure} holds {atoms.n_atoms}: give the "
            "topology that belongs to the structure"
        )


def _topology_of_model(atoms: Trajectory, model: Backmapper) -> Topology:
    """Find the model's molecules among the reference's atoms."""
    if atoms.n_atoms == model.topology.n_atoms:
        return model.topology
    templates: list[MoleculeTemplate] = list(model.topology.templates)
    census = take_census(atoms.atoms, [atom_kind(template) for template in templates])
    if census.odd:
        said = "; ".join(odd.said(census.kinds) for odd in census.odd[:12])
        raise MappingError(
            f"{atoms.structure} holds what the model does not know: {said}; give --top and --mapping"
        )
    if not np.array_equal(census.order, np.arange(atoms.n_atoms)):
        raise MappingError(
            f"the atoms of {atoms.structure} stand in another order than the model's: bring them to that "
            "order"
        )
    return Topology(tuple((templates[kind], count) for kind, count in census.runs()))
