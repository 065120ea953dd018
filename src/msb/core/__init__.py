"""Arrays and tensors: molecules, mappings, boxes, geometry, voxels, noise; no files, no networks."""

from __future__ import annotations

from msb.core.bead_environment import BeadEnvironments, Environments, Vocabulary
from msb.core.bead_groups import BeadGroup
from msb.core.box import bonds_across, image_shifts, make_whole, minimum_image, volume, wrap
from msb.core.channel_tables import ChannelTables
from msb.core.channels import ChannelMap, default_channels
from msb.core.elements import COVALENT_RADII, NO_ELEMENT, STANDARD_MASSES, guess_element
from msb.core.environment import Surroundings, VoxelEnvironment, surroundings
from msb.core.features import LinearMean, bead_features, choose_frame
from msb.core.fragments import Unit, units_of
from msb.core.geometry import (
    angles,
    dihedrals,
    distances,
    kabsch,
    local_frames,
    place_atoms,
    random_rotations,
)
from msb.core.internal import InternalCoordinates, Placement
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.noise import normal, normal_block, uniform, uniform_block
from msb.core.order import atom_sequence, bead_ranks, colours, stages, visiting_order
from msb.core.polymer import polymer_template
from msb.core.projection import Projection
from msb.core.topology import Interaction, MoleculeTemplate, Topology
from msb.core.unfamiliarity import Familiarity
from msb.core.voxel import VoxelGrid

__all__ = [
    "COVALENT_RADII",
    "NO_ELEMENT",
    "STANDARD_MASSES",
    "BeadEnvironments",
    "BeadGroup",
    "ChannelMap",
    "ChannelTables",
    "Environments",
    "Familiarity",
    "Interaction",
    "InternalCoordinates",
    "LinearMean",
    "Mapping",
    "MappingTemplate",
    "MoleculeTemplate",
    "Placement",
    "Projection",
    "Surroundings",
    "Topology",
    "Unit",
    "Vocabulary",
    "VoxelEnvironment",
    "VoxelGrid",
    "angles",
    "atom_sequence",
    "bead_features",
    "bead_ranks",
    "bonds_across",
    "choose_frame",
    "colours",
    "default_channels",
    "dihedrals",
    "distances",
    "guess_element",
    "image_shifts",
    "kabsch",
    "local_frames",
    "make_whole",
    "minimum_image",
    "normal",
    "normal_block",
    "place_atoms",
    "polymer_template",
    "random_rotations",
    "stages",
    "surroundings",
    "uniform",
    "uniform_block",
    "units_of",
    "visiting_order",
    "volume",
    "wrap",
]
