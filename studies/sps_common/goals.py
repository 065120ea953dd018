"""The bars of deepBackmap: every row of the issue's table that frames can tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import measure
from columns import BEADS, CONTACTS, LJ_ROWS, PIERCED, RDF, RING, SHORTEST, STEREO, Row, rows_of
from entrants import Findings, Judged
from frame_files import frames_of
from verdict import Verdict, below

__all__ = ["CLASSICAL", "against_fragment", "committed", "polished_goals", "raw_goals"]

CLASSICAL = Path(__file__).resolve().parents[1] / "sps_classical" / "out" / "results.json"
SHAPES = 10  # rows of angles, dihedrals and impropers
RAW_ENERGY = (0.045, 0.005)  # excess of all atoms' and of carbons' Lennard-Jones, at 568 K
SHAPE, ENERGY = 0.001, 0.004  # polished
WIDTH = {"raw": 0.15, "polished": 0.03}  # of the ring dihedral, relative
BOND = {"raw": 0.03, "polished": 0.006}  # Å
INVERTED = 0.1  # %
CLOSE = 0.5  # pairs a frame
BEFORE, AFTER, HELD = 0.004, 1e-4, 0.003  # nm, rms of the beads: as placed, projected, polished
SECONDS, POLISH_SECONDS = 30.0, 12.0
SHARE = 0.6  # of the time, in the network
MEMORY = 2048.0  # MB


def _shape_rows(own: Judged) -> list[Row]:
    rows = [row for row in own.rows.values() if row.excess is not None and row.name not in (*LJ_ROWS, RDF)]
    return rows[:SHAPES]


def _excess(who: str, row: Row, bar: float, told: str = "") -> Verdict:
    said = f"{row.excess:+.5f} ({row.low:+.5f} … {row.high:+.5f}), floor {row.floor:.5f}"
    return Verdict(f"{who}: {row.name}", f"excess ≤ {bar:.5g}{told}", said, bool(row.excess <= bar))


def _shared(who: str, column: str, own: Judged) -> list[Verdict]:
    """Rows that raw and polished structures both have."""
    rows, found = own.rows, []
    ring = rows[RING]
    share = ring.value / ring.md - 1
    text = f"within {WIDTH[column]:.0%} of MD"
    said = f"{ring.value:.3f}° beside {ring.md:.3f}°: {share:+.1%}"
    found.append(Verdict(f"{who}: {RING}", text, said, bool(abs(share) <= WIDTH[column])))
    for name in measure.WIDTHS:
        found.append(below(f"{who}: {name}", rows[name].value, BOND[column], 4))
    for name in STEREO.values():
        found.append(below(f"{who}: {name}", rows[name].value, INVERTED, 3))
    if PIERCED in rows:
        found.append(below(f"{who}: {PIERCED}", rows[PIERCED].value, 0.0, 3))
    return found


def raw_goals(found: Findings, subset: str, name: str) -> list[Verdict]:
    """Judge the network's own structures of one set."""
    key = subset, name, "raw"
    if key not in found.columns:
        return []
    own, who = found.columns[key], f"{subset}: {name}, raw"
    published = _in_the_same_frames(found.columns.get((subset, "deepbackmap", "raw")), own)
    verdicts = []
    if published is not None:
        for row in _shape_rows(own):
            verdicts.append(_excess(who, row, published[row.name].excess, ", the published model's"))
    for row_name, bar in zip(LJ_ROWS, RAW_ENERGY, strict=True):
        if subset == "t568":
            verdicts.append(_excess(who, own.rows[row_name], bar))
        elif published is not None:
            bar = published[row_name].excess
            verdicts.append(_excess(who, own.rows[row_name], bar, ", the published model's"))
    verdicts += _shared(who, "raw", own)
    for row_name in CONTACTS:
        verdicts.append(below(f"{who}: {row_name}", own.rows[row_name].value, CLOSE, 3))
    before = own.cost.get("bead_rms_before")
    if before is not None:
        verdicts.append(below(f"{who}: beads off before projection, rms, nm", before, BEFORE, 4))
    verdicts.append(below(f"{who}: {BEADS[0]}", own.rows[BEADS[0]].value, AFTER, 6))
    return [*verdicts, *_speed(who, own)]


def _in_the_same_frames(published: Judged | None, own: Judged) -> Mapping[str, Row] | None:
    """Rows of the published model in the frames that the entrant has."""
    if published is None or published.column.frames == own.column.frames:
        return None if published is None else published.rows
    frames = [k for k in own.column.frames if k in published.column.frames]
    return {row.name: row for row in rows_of(published.column.at(frames), published.reference.at(frames))}


def _speed(who: str, own: Judged) -> list[Verdict]:
    text = f"{who}: seconds a frame on two cores (CPU time / 2)"
    found = [below(text, own.cost["cpu_mean"] / 2, SECONDS, 1)]
    share = own.cost.get("network_share")
    if share is not None:
        text = f"{who}: share of the time inside the network"
        found.append(Verdict(text, f"≥ {SHARE:.0%}", f"{share:.0%}", bool(share >= SHARE)))
    return [*found, below(f"{who}: largest memory of the process, MB", own.cost["peak_mb"], MEMORY, 0)]


def polished_goals(found: Findings, subset: str, name: str) -> list[Verdict]:
    """Judge structures after the polish."""
    key = subset, name, "polished"
    if key not in found.columns:
        return []
    own, who = found.columns[key], f"{subset}: {name}, polished"
    verdicts = [_excess(who, row, SHAPE) for row in _shape_rows(own)]
    verdicts += [_excess(who, own.rows[row_name], ENERGY) for row_name in LJ_ROWS]
    verdicts += _shared(who, "polished", own)
    carbons, closest = CONTACTS
    most = _mean_above(own.reference.arrays["contacts"][:, 0])
    verdicts.append(below(f"{who}: {carbons}, MD's own with its interval", own.rows[carbons].value, most, 3))
    verdicts.append(below(f"{who}: {closest}", own.rows[closest].value, 0.0, 3))
    verdicts.append(below(f"{who}: {BEADS[0]}", own.rows[BEADS[0]].value, HELD, 4))
    failed, frames = int(own.cost["failed"]), int(own.cost["frames"])
    verdicts.append(Verdict(f"{who}: failures in {frames} frames", "0", str(failed), failed == 0))
    text = f"{who}: seconds more a frame on two cores (CPU time / 2)"
    return [*verdicts, below(text, own.cost["cpu_mean"] / 2, POLISH_SECONDS, 1)]


def _mean_above(counts: Any) -> float:
    """Mean of counts a frame, and twice its Poisson error above (one count where there is none)."""
    total = max(float(counts.sum()), 1.0)
    return (total + 2 * total**0.5) / len(counts)


# ---- against fragments


def against_fragment(found: Findings, subset: str, name: str, results: Mapping[str, Any]) -> list[Verdict]:
    """Judge beside the committed columns of `fragment`, where the frames are the same."""
    theirs = {
        c["column"]: ({row["name"]: row for row in c["rows"]}, c)
        for c in results["columns"]
        if (c["set"], c["method"]) == (subset, "fragment")
    }
    verdicts: list[Verdict] = []
    for column, judge in (("raw", _better), ("polished", _as_good)):
        own = found.columns.get((subset, name, column))
        if own is None or column not in theirs or own.column.frames != tuple(frames_of(subset)):
            continue
        rows, cost = theirs[column]
        verdicts += judge(f"{subset}: {name}, {column}, against fragment", own, rows)
        if column == "polished":
            spent = sum(c["cpu_mean"] for _, c in theirs.values()) / 2
            mine = sum(
                other.cost["cpu_mean"] for key, other in found.columns.items() if key[:2] == (subset, name)
            )
            text = f"{subset}: {name}, polished, against fragment: seconds a frame on two cores"
            verdicts.append(Verdict(text, f"< {spent:.1f}", f"{mine / 2:.1f}", bool(mine / 2 < spent)))
            text = f"{subset}: {name}, polished, against fragment: failures"
            failed = int(own.cost["failed"])
            verdicts.append(Verdict(text, f"≤ {cost['failed']}", str(failed), failed <= cost["failed"]))
    return verdicts


def _better(who: str, own: Judged, rows: Mapping[str, Any]) -> list[Verdict]:
    """Judge every non-bonded row of raw structures: lower, or for the shortest distance higher."""
    found = []
    for name in (*LJ_ROWS, RDF):
        mine, other = own.rows[name].excess, rows[name]["excess"]
        found.append(Verdict(f"{who}: {name}", f"excess < {other:+.5f}", f"{mine:+.5f}", bool(mine < other)))
    for name in CONTACTS:
        mine, other = own.rows[name].value, rows[name]["value"]
        passed = mine < other or mine == other == 0
        found.append(Verdict(f"{who}: {name}", f"< {other:.3f}", f"{mine:.3f}", bool(passed)))
    mine, other = own.rows[SHORTEST].value, rows[SHORTEST]["value"]
    return [*found, Verdict(f"{who}: {SHORTEST}", f"> {other:.3f}", f"{mine:.3f}", bool(mine > other))]


def _as_good(who: str, own: Judged, rows: Mapping[str, Any]) -> list[Verdict]:
    """Judge every divergence after the polish: not above the other's by more than the intervals allow."""
    found = []
    for name, row in own.rows.items():
        if row.excess is None:
            continue
        other = rows[name]
        allowed = max(other["high"], other["excess"])
        said = f"{row.excess:+.5f} (from {row.low:+.5f}), fragment {other['excess']:+.5f}"
        text = f"lower end ≤ {allowed:+.5f}"
        found.append(Verdict(f"{who}: {name}", text, said, bool(min(row.low, row.excess) <= allowed)))
    return found


def committed() -> dict[str, Any]:
    """The results of `sps_classical`."""
    return dict(json.loads(CLASSICAL.read_text(encoding="utf-8")))
