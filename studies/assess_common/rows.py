"""An assessment as rows, one a set and column, and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from msb.assess import Assessment

__all__ = ["POOLED", "Row", "rows_of", "table"]

POOLED = "pooled"


@dataclass(frozen=True)
class Row:
    """One set in one column.

    Attributes
    ----------
    name, kind, column : str
    frames : int
    deviation : float or None
        Of the re-mapped beads before any projection, rms, nm.
    scores : dict of str to dict of str to float
        Divergence of the force magnitudes, nats: js, floor, excess, low, high by bead type and `pooled`.
    overflow : float or None
        Share of the forces larger than any of the reference.
    median, largest : float
        Force on a bead, kJ/mol/nm.
    findings : int
        Of the quality check.
    seconds : dict of str to float
        Of all frames.
    """

    name: str
    kind: str
    column: str
    frames: int
    deviation: float | None
    scores: Mapping[str, Mapping[str, float]]
    overflow: float | None
    median: float
    largest: float
    findings: int
    seconds: Mapping[str, float]

    @property
    def excess(self) -> float:
        """Of all beads together, nats."""
        return self.scores[POOLED]["excess"]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def rows_of(found: Assessment) -> list[Row]:
    """Every set in every column, the reference first.

    Parameters
    ----------
    found : Assessment
    """
    rows = []
    for own in found.to_dict()["sets"]:
        overflow = own.get("overflow")
        rows.append(
            Row(
                name=own["name"],
                kind=own["kind"],
                column=own["column"],
                frames=len(own["frames"]),
                deviation=own.get("deviation_nm"),
                scores=own.get("scores", {}),
                overflow=None if overflow is None else overflow[POOLED],
                median=own["force_median"],
                largest=own["force_largest"],
                findings=sum(own["findings"].values()),
                seconds=own["seconds"],
            )
        )
    return rows


def table(rows: Sequence[Row]) -> list[str]:
    """Markdown lines: divergences with their intervals, and what stands beside them.

    Parameters
    ----------
    rows : sequence of Row
    """
    types = list(dict.fromkeys(name for row in rows for name in row.scores))
    types = [POOLED, *(name for name in types if name != POOLED)]
    head = ["set", "column", "frames", "beads off, rms, nm", *(f"excess, {name}" for name in types)]
    head += ["beyond the reference", "median force", "largest", "findings"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [row.name, row.column, str(row.frames), _figure(row.deviation, 4)]
        cells += [_score(row.scores.get(name)) for name in types]
        cells.append("" if row.overflow is None else f"{row.overflow:.2%}")
        lines.append(
            f"| {' | '.join([*cells, f'{row.median:.4g}', f'{row.largest:.4g}', str(row.findings)])} |"
        )
    return lines


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _score(score: Mapping[str, float | None] | None) -> str:
    if score is None or score["excess"] is None:
        return ""
    if score["low"] is None or score["high"] is None:
        return f"{score['excess']:+.4f}"
    return f"{score['excess']:+.4f} ({score['low']:+.4f} … {score['high']:+.4f})"
