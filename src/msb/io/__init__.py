"""Every file format, streaming readers and writers, model bundles."""

from __future__ import annotations

from msb.io.atomic import atomic_folder, atomic_path, atomic_write_json, atomic_write_text, file_sha256
from msb.io.bundle import Bundle, read_bundle, shipped_models, write_bundle
from msb.io.gro import read_gro
from msb.io.segments import SegmentedWriter
from msb.io.trajectory import Frames, Trajectory, open_trajectory
from msb.io.writers import TrajectoryWriter, concatenate, open_writer

__all__ = [
    "Bundle",
    "Frames",
    "SegmentedWriter",
    "Trajectory",
    "TrajectoryWriter",
    "atomic_folder",
    "atomic_path",
    "atomic_write_json",
    "atomic_write_text",
    "concatenate",
    "file_sha256",
    "open_trajectory",
    "open_writer",
    "read_bundle",
    "read_gro",
    "shipped_models",
    "write_bundle",
]
