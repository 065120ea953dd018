"""Formats of mapping files, one module each; `msb.io.mapping_files` tells them apart and reads them."""

from __future__ import annotations

from msb.io.mapping_formats.backward import backward_recipes, parse_backward
from msb.io.mapping_formats.deepbackmap import DeepBackmapFile, parse_deepbackmap
from msb.io.mapping_formats.placement import PlacementRule, read_placement
from msb.io.mapping_formats.recipe import Recipe, build_all
from msb.io.mapping_formats.votca import parse_votca
from msb.io.mapping_formats.yaml_reader import parse_yaml
from msb.io.mapping_formats.yaml_writer import to_yaml

__all__ = [
    "DeepBackmapFile",
    "PlacementRule",
    "Recipe",
    "backward_recipes",
    "build_all",
    "parse_backward",
    "parse_deepbackmap",
    "parse_votca",
    "parse_yaml",
    "read_placement",
    "to_yaml",
]
