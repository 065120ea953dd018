"""One self-contained HTML page: cards, a 3-D view, figures and tables, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from msb.io.atomic import atomic_write_text

__all__ = ["Card", "Page", "Row", "Section", "Table", "Viewer", "render", "write_page"]


@dataclass(frozen=True)
class Card:
    """One number a reader should see first."""

    value: str
    label: str


@dataclass(frozen=True)
class Row:
    """Cells of a table's row; the last one is coloured by `verdict` where that is not None."""

    cells: tuple[str, ...]
    verdict: bool | None = None


@dataclass(frozen=True)
class Table:
    """Column titles and rows of as many cells."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Section:
    """A titled box: a sentence, then a figure (SVG), a table, commands or named facts."""

    title: str
    text: str = ""
    figure: str = ""
    table: Table | None = None
    commands: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Viewer:
    """The 3-D view; `data` comes from :func:`msb.report.viewer.viewer_data`."""

    title: str
    text: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """A whole page; the sections of one group stand side by side where the window is wide enough."""

    title: str
    summary: str
    cards: Sequence[Card] = ()
    viewer: Viewer | None = None
    groups: Sequence[Sequence[Section]] = ()
    footer: str = ""


def render(page: Page) -> str:
    """Return the page as one HTML text; styles, script, figures and frames are inside it."""
    templates = files("msb.report") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((templates / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        page=page,
        css=(templates / "page.css").read_text(encoding="utf-8"),
        script=(templates / "viewer.js").read_text(encoding="utf-8"),
    )


def write_page(page: Page, path: str | Path) -> None:
    """Write the page to a file, whole or not at all."""
    atomic_write_text(path, render(page))
