"""Named data sets, verified downloads, bundled samples, splits."""

from __future__ import annotations

from msb.data.catalogue import Entry, data_path, entry_names, fetch, find_data, list_entries
from msb.data.download import cache_folder
from msb.data.samples import file_or_sample, list_samples, sample
from msb.data.splits import contiguous_split, split_frames

path = data_path

__all__ = [
    "Entry",
    "cache_folder",
    "contiguous_split",
    "data_path",
    "entry_names",
    "fetch",
    "file_or_sample",
    "find_data",
    "list_entries",
    "list_samples",
    "path",
    "sample",
    "split_frames",
]
