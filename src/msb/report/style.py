"""How figures look, and how they become text inside a page; no pyplot, so nothing global is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import matplotlib
from matplotlib.figure import Figure

__all__ = ["MODEL", "REFERENCE", "SOFT", "svg", "themed"]

REFERENCE = "#2f3e5c"  # what is compared with: filled, dark
MODEL = "#d1495b"  # what msb made: a line
SOFT = "#5f6675"  # axes and small text

_THEME: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": "#b9bec9",
    "axes.labelcolor": SOFT,
    "axes.titlesize": 10.5,
    "axes.titlecolor": "#1f2430",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "legend.frameon": False,
    "savefig.transparent": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "msb",
}


@contextmanager
def themed() -> Iterator[None]:
    """Draw with the package's look inside the block."""
    with matplotlib.rc_context(_THEME):  # type: ignore[arg-type]  # some releases type the keys
        yield


def svg(figure: Figure, transparent: bool = True) -> str:
    """Return a figure as an `<svg>` element; the same figure gives the same text."""
    text = StringIO()
    figure.savefig(
        text, format="svg", metadata={"Date": None, "Creator": None}, dpi=150, transparent=transparent
    )
    content = text.getvalue()
    return content[content.index("<svg") :]
