"""Maps of structures: SOAP descriptors, kernels, landmarks, sketch-map, regions and their populations."""

from __future__ import annotations

from msb.analysis.maps.kernels import average_kernel, kernel_distances, structure_vectors
from msb.analysis.maps.landmarks import Landmarks, farthest_points
from msb.analysis.maps.regions import (
    MapDivergence,
    RegionComparison,
    Regions,
    compare_on_map,
    compare_regions,
    find_regions,
)
from msb.analysis.maps.sketchmap import SketchMap, fit_sketch_map
from msb.analysis.maps.soap import SoapVectors, soap_vectors
from msb.analysis.maps.transforms import Identity, Sigmoid, Transform

__all__ = [
    "Identity",
    "Landmarks",
    "MapDivergence",
    "RegionComparison",
    "Regions",
    "Sigmoid",
    "SketchMap",
    "SoapVectors",
    "Transform",
    "average_kernel",
    "compare_on_map",
    "compare_regions",
    "farthest_points",
    "find_regions",
    "fit_sketch_map",
    "kernel_distances",
    "soap_vectors",
    "structure_vectors",
]
