"""The table as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frame_files import Task
from verdict import Verdict

__all__ = ["markdown", "told"]

COSTS = (
    ("CPU seconds a frame, this step", "cpu_mean", 1),
    ("failures", "failed", 0),
    ("share of the time inside the network", "network_share", 2),
    ("stages one after another", "stages", 0),
    ("beads off before projection, rms, nm", "bead_rms_before", 4),
    ("share of unfamiliar beads", "unfamiliar", 4),
    ("share of visits drawn anew", "redrawn", 4),
    ("share of visits left above the limit", "above", 4),
)
"""Title, key and digits of what is told of a column as a whole."""


def told(task: Task, meta: Mapping[str, Any], seconds: float) -> str:
    """Say what one frame cost."""
    steps = ", ".join(
        f"{name} {own['cpu']:.1f} s" + (f" (beads {own['bead_rms']:.4f} nm)" if "bead_rms" in own else "")
        for name, own in meta["columns"].items()
    )
    bad = " FAILED" if any(own.get("succeeded") is False for own in meta["columns"].values()) else ""
    return f"[{seconds:7.0f} s] {task.subset} {task.method} {task.frame}: {steps}{bad}"


def markdown(results: Mapping[str, Any], judged: Sequence[Verdict], title: str) -> str:
    """Return verdicts and tables, sets apart."""
    lines = [f"# {title}: results", ""]
    lines += ["Written by `run.py`; divergences in nats, excess over the floor with its 95 % interval.", ""]
    if judged:
        lines += ["## Bars", "", "| what | bar | found | |", "|---|---|---|---|"]
        lines += [f"| {v.text} | {v.bar} | {v.found} | {'✓' if v.passed else '✗'} |" for v in judged]
        lines.append("")
    for subset in dict.fromkeys(column["set"] for column in results["columns"]):
        own = [c for c in results["columns"] if c["set"] == subset and c["method"] != "md"]
        lines += [f"## {subset}", "", *_table(own), ""]
    return "\n".join(lines)


def _table(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    if not columns:
        return []
    titles = [f"{c['method']}, {c['column']}" for c in columns]
    lines = [f"| | floor, MD | {' | '.join(titles)} |", f"|---|---|{'---|' * len(columns)}"]
    lines.append(f"| frames | | {' | '.join(str(c['frames']) for c in columns)} |")
    for number, row in enumerate(columns[0]["rows"]):
        same = [c["rows"][number] for c in columns]
        base = row["floor"] if row["floor"] is not None else row["md"]
        lines.append(f"| {row['name']} | {_figure(base)} | {' | '.join(_cell(own) for own in same)} |")
    for title, key, digits in COSTS:
        if any(key in c for c in columns):
            cells = (f"{c[key]:.{digits}f}" if key in c else "" for c in columns)
            lines.append(f"| {title} | | {' | '.join(cells)} |")
    return lines


def _cell(row: Mapping[str, Any]) -> str:
    if row["excess"] is None:
        return _figure(row["value"])
    return f"{row['excess']:+.4f} ({row['low']:+.4f} … {row['high']:+.4f})"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
