"""The bars of classical backmapping."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
import measure
from columns import BEADS, LJ_ROWS, RDF, STEREO, Column, Row, spread
from verdict import Verdict, below

__all__ = ["verdicts"]

SHAPE_BAR, ENERGY_BAR, BEAD_BAR, TIME_BAR, WIDTH_BAR = 0.001, 0.004, 0.003, 20.0, 0.006
KEPT_BAR = 0.99  # of the stereocentres, geometric with minimisation
NARROW = ("angle C-C-C ring", "angle C-C-H", "angle H-C-H", "improper, heavy", "improper with H")


def verdicts(
    table: Mapping[tuple[str, str, str], list[Row]],
    cost: Mapping[tuple[str, str, str], Any],
    columns: Mapping[tuple[str, str, str], Column],
    references: Mapping[str, Column],
) -> list[Verdict]:
    """Judge every bar for which there are frames."""
    found: list[Verdict] = []
    for subset in references:
        if (subset, "fragment", "polished") in table:
            found += _polished(subset, table, cost)
        if (subset, "geometric", "minimised") in table:
            key = (subset, "geometric", "minimised")
            found += _geometric(subset, table[key], columns[key], references[subset].at(columns[key].frames))
    return found


def _polished(subset: str, table: Mapping[Any, list[Row]], cost: Mapping[Any, Any]) -> list[Verdict]:
    rows = {row.name: row for row in table[subset, "fragment", "polished"]}
    own = [cost[subset, "fragment", column] for column in ("raw", "minimised", "polished")]
    who, found = f"{subset}: fragment, staged, polished", []
    for name, row in rows.items():
        if row.excess is None or name == RDF:
            continue
        bar = ENERGY_BAR if name in LJ_ROWS else SHAPE_BAR
        said = f"{row.excess:+.5f} ({row.low:+.5f} … {row.high:+.5f}), floor {row.floor:.5f}"
        found.append(Verdict(f"{who}: {name}", f"excess ≤ {bar:g}", said, row.excess <= bar))
    for name in measure.WIDTHS:
        found.append(below(f"{who}: {name}", rows[name].value, WIDTH_BAR, 4))
    found.append(below(f"{who}: {BEADS[0]}", rows[BEADS[0]].value, BEAD_BAR, 4))
    failed = sum(column["failed"] for column in own[1:])
    frames = own[-1]["frames"]
    found.append(Verdict(f"{who}: failures in {frames} frames", "0", str(failed), failed == 0))
    for kind in STEREO.values():
        found.append(below(f"{who}: {kind}", rows[kind].value, 0.0, 3))
    on_two = sum(column["cpu_mean"] for column in own) / 2
    text = f"{who}: seconds a frame on two cores (CPU time / 2)"
    return [*found, below(text, on_two, TIME_BAR, 1)]


def _geometric(subset: str, rows: list[Row], test: Column, reference: Column) -> list[Verdict]:
    who, found = f"{subset}: geometric, minimised", []
    for name in NARROW:
        own, md = (np.degrees(spread(column.arrays[f"moments {name}"])) for column in (test, reference))
        said = f"sd {own:.2f}° beside {md:.2f}°"
        found.append(Verdict(f"{who}: {name} over-narrow", "sd below MD's", said, bool(own < md)))
    for k, name in enumerate(LJ_ROWS):
        own, md = (float(np.median(column.arrays["energies"][:, k])) for column in (test, reference))
        said = f"{own:.1f} beside {md:.1f} kJ/mol"
        found.append(Verdict(f"{who}: {name} too low", "median below MD's", said, own < md))
    kept = 100.0 - next(row.value for row in rows if row.name == STEREO["hands"])
    text = f"{who}: stereocentres kept"
    return [*found, Verdict(text, f"≥ {KEPT_BAR:.0%}", f"{kept:.2f} %", kept >= 100 * KEPT_BAR)]
