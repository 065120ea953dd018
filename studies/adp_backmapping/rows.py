"""One line of the study's table: what was asked, what came out, and whether it is enough."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from msb.analysis import Excess

__all__ = ["Row", "excess_row", "table", "verdict"]


@dataclass(frozen=True)
class Row:
    """A figure and its bar.

    Attributes
    ----------
    name : str
        What is measured.
    bar : str
        What must be true, in words; empty for figures that are shown only.
    measured : float or None
        Of the test: a divergence where the row has a floor, else in ``unit``.
    unit : str
    reference : float or None
        The same figure of the reference.
    floor, excess : float or None
        Of divergences, nats.
    low, high : float or None
        95 % block-bootstrap interval of the excess where there is one, else of the measured figure.
    passed : bool or None
        None where no bar applies.
    note : str
    detail : bool
        One of many of its kind; printed only when it is missed.
    """

    name: str
    bar: str = ""
    measured: float | None = None
    unit: str = ""
    reference: float | None = None
    floor: float | None = None
    excess: float | None = None
    low: float | None = None
    high: float | None = None
    passed: bool | None = None
    note: str = ""
    detail: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return asdict(self)


def excess_row(name: str, found: Excess, bar: float | None, note: str = "", *, detail: bool = False) -> Row:
    """Return a row of a divergence; it passes where the excess does not exceed the bar."""
    return Row(
        name,
        f"excess JS <= {bar:g}" if bar is not None else "",
        found.js,
        "nats",
        None,
        found.floor,
        found.excess,
        found.low,
        found.high,
        None if bar is None else found.excess <= bar,
        note,
        detail,
    )


def verdict(rows: list[Row]) -> tuple[int, int]:
    """Return how many rows passed and how many had a bar."""
    judged = [row.passed for row in rows if row.passed is not None]
    return sum(judged), len(judged)


def table(rows: list[Row]) -> str:
    """Return the rows as text, one a line; of the details only what is missed."""
    head = ("", "row", "measured", "reference", "floor", "excess", "95 % interval", "bar", "note")
    cells = [head]
    for row in rows:
        if row.detail and row.passed is not False:
            continue
        mark = {True: "ok", False: "MISS", None: "-"}[row.passed]
        interval = f"{_figure(row.low)} .. {_figure(row.high)}" if row.low is not None else ""
        value = (
            _figure(row.measured) + (f" {row.unit}" if row.unit else "") if row.measured is not None else ""
        )
        figures = (_figure(row.reference), _figure(row.floor), _figure(row.excess))
        cells.append((mark, row.name, value, *figures, interval, row.bar, row.note))
    widths = [max(len(line[k]) for line in cells) for k in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(line.rstrip() for line in lines)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
