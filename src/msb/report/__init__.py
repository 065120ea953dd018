"""Pages that show what was made: figures, tables and a 3-D view in one self-contained file."""

from __future__ import annotations

from msb.report.figures import Distribution, distributions, ramachandran, timescales
from msb.report.page import Card, Page, Row, Section, Table, Viewer, render, write_page
from msb.report.viewer import viewer_data

__all__ = [
    "Card",
    "Distribution",
    "Page",
    "Row",
    "Section",
    "Table",
    "Viewer",
    "distributions",
    "ramachandran",
    "render",
    "timescales",
    "viewer_data",
    "write_page",
]
