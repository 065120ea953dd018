"""Rows of figures from the frames that are there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import numpy as np
from numpy.typing import NDArray

from msb.analysis.bootstrap import block_bootstrap
from msb.analysis.comparison import BlockHistogram
from msb.analysis.divergence import excess_of_counts
from msb.analysis.structure import relative_l1

__all__ = [
    "BEADS",
    "CONTACTS",
    "LJ_ROWS",
    "PIERCED",
    "RDF",
    "RING",
    "SHORTEST",
    "STEREO",
    "Column",
    "Row",
    "costs",
    "read_column",
    "rows_of",
    "spread",
]

Array = NDArray[np.generic]
LJ_ROWS = ("LJ energy per chain, all atoms", "LJ energy per chain, carbons")
RDF, RING = "RDF carbons, relative L1", "ring-dihedral sd, deg"
SHORTEST = "shortest non-bonded distance, Å"
STEREO = {"hands": "inverted stereocentres, %", "wrong side": "wrong-side H, %"}
BEADS = ("beads off, rms, nm", "beads off, most, nm")
PIERCED = "pierced rings a frame"
CONTACTS = ("C–C pairs < 0.28 nm a frame", "any pair < 0.17 nm a frame")
REPLICATES = 200


@dataclass(frozen=True)
class Column:
    """What is kept of one column of one method: arrays with a leading axis of frames, and their costs."""

    frames: tuple[int, ...]
    arrays: Mapping[str, Array]
    meta: tuple[Mapping[str, Any], ...]

    def at(self, frames: Sequence[int]) -> Column:
        """The same of some of the frames."""
        places = [self.frames.index(k) for k in frames]
        return Column(
            tuple(frames),
            {name: values[places] for name, values in self.arrays.items()},
            tuple(self.meta[k] for k in places),
        )


@dataclass(frozen=True)
class Row:
    """One figure: a divergence with floor, excess and interval, or a value with its interval, beside MD's."""

    name: str
    value: float
    floor: float | None = None
    excess: float | None = None
    low: float | None = None
    high: float | None = None
    md: float | None = None


def read_column(folder: Path, column: str, frames: Sequence[int], key: str = "") -> Column:
    """Read what there is of a column made by the model of that key, without positions."""
    kept, arrays, meta = [], [], []
    for frame in frames:
        path = folder / f"{frame:03d}.npz"
        if not path.is_file():
            continue
        with np.load(path) as file:
            told = json.loads(str(file["meta"]))
            if column not in told["columns"] or told.get("key", "") != key:
                continue
            names = [n for n in file.files if n.startswith(f"{column}/") and not n.endswith("/positions")]
            arrays.append({name.partition("/")[2]: file[name] for name in names})
        kept.append(frame)
        meta.append({**told["columns"][column], "peak_mb": told.get("peak_mb")})
    shared = [name for name in (arrays[0] if arrays else ()) if all(name in own for own in arrays)]
    stacked = {name: np.stack([own[name] for own in arrays]) for name in shared}
    return Column(tuple(kept), stacked, tuple(meta))


def rows_of(test: Column, reference: Column) -> list[Row]:
    """Every row of a column, beside MD in the same frames."""
    reference = reference.at(test.frames)
    found = [
        _divergence(name.removeprefix("count "), counts, reference.arrays[name])
        for name, counts in test.arrays.items()
        if name.startswith("count ")
    ]
    found += [_energy(number, test, reference) for number in range(len(LJ_ROWS))]
    found.append(_radial(test.arrays["radial"], reference.arrays["radial"]))
    for row in measure.WIDTHS:
        found.append(_width(row, f"moments {row}", test, reference, 10.0))
    found.append(_width(RING, "moments ring dihedral", test, reference, np.degrees(1.0)))
    shortest = [10.0 * float(own.arrays["shortest"].min()) for own in (test, reference)]
    found.append(Row(SHORTEST, shortest[0], md=shortest[1]))
    inverted = (test.arrays["hands"] != reference.arrays["hands"]).mean(1)
    found.append(_mean(STEREO["hands"], 100.0 * inverted, 0.0))
    wrong = [100.0 * own.arrays["wrong side"].mean(1) for own in (test, reference)]
    found.append(_mean(STEREO["wrong side"], wrong[0], float(wrong[1].mean())))
    for k, row in enumerate(CONTACTS):
        counts = [own.arrays["contacts"][:, k] for own in (test, reference)]
        found.append(_mean(row, counts[0], float(counts[1].mean())))
    if all("piercings" in own.arrays for own in (test, reference)):  # older frames were not searched
        pierced = [own.arrays["piercings"] for own in (test, reference)]
        found.append(_mean(PIERCED, pierced[0], float(pierced[1].mean())))
    away = [own.arrays["away"].astype(np.float64) for own in (test, reference)]
    rms = [float(np.sqrt((own**2).mean())) for own in away]
    return [
        *found,
        Row(BEADS[0], rms[0], md=rms[1]),
        Row(BEADS[1], float(away[0].max()), md=float(away[1].max())),
    ]


def _divergence(name: str, test: Array, reference: Array) -> Row:
    sets = []
    for counts in (test, reference):
        histogram = BlockHistogram(len(counts), counts.shape[1])
        histogram.add_counts(np.arange(len(counts)), counts)
        sets.append(histogram.counts)
    score = excess_of_counts(*sets, replicates=REPLICATES)
    return Row(name, score.js, score.floor, score.excess, score.low, score.high)


def _energy(number: int, test: Column, reference: Column) -> Row:
    values = [own.arrays["energies"][:, number] for own in (test, reference)]
    mean, sd = values[1].mean(), values[1].std()
    edges = np.linspace(mean - 6 * sd, mean + 10 * sd, 65)
    counts = [
        np.stack([np.histogram(np.clip(frame, edges[0], edges[-1]), edges)[0] for frame in own])
        for own in values
    ]
    return _divergence(LJ_ROWS[number], *counts)


def _radial(test: Array, reference: Array) -> Row:
    def crossed(own: Array, other: Array) -> float:
        pairs = ((0, 1), (1, 0))
        return float(np.mean([relative_l1(own[a::2].mean(0), other[b::2].mean(0)) for a, b in pairs]))

    def beyond(own: Array, other: Array) -> float:
        return crossed(own, other) - crossed(other, other)

    low, high = _interval(beyond, test, reference)
    return Row(
        RDF, crossed(test, reference), crossed(reference, reference), beyond(test, reference), low, high
    )


def _width(row: str, name: str, test: Column, reference: Column, unit: float) -> Row:
    low, high = _interval(spread, test.arrays[name])
    values = [spread(own.arrays[name]) for own in (test, reference)]
    return Row(row, unit * values[0], low=unit * low, high=unit * high, md=unit * values[1])


def spread(moments: Array) -> float:
    """Standard deviation over all values of the frames."""
    _, mean, square = moments.mean(0)
    return float(np.sqrt(max(square - mean**2, 0.0)))


def _mean(row: str, values: Array, md: float) -> Row:
    low, high = _interval(np.mean, values)
    return Row(row, float(values.mean()), low=low, high=high, md=md)


def _interval(statistic: Callable[..., Any], *series: Array) -> tuple[float, float]:
    low, high = block_bootstrap(statistic, *series, replicates=REPLICATES)
    return float(low), float(high)


def costs(column: Column) -> dict[str, float]:
    """Mean and longest time of a column's own step, seconds, and the largest memory of its process."""
    wall, cpu = (np.array([own[kind] for own in column.meta]) for kind in ("wall", "cpu"))
    peak = max(own["peak_mb"] or 0.0 for own in column.meta)
    failed = sum(own.get("succeeded") is False for own in column.meta)
    told = [own.get("facts") or {} for own in column.meta]
    return {
        "frames": len(column.frames),
        "wall_mean": float(wall.mean()),
        "cpu_mean": float(cpu.mean()),
        "cpu_most": float(cpu.max()),
        "peak_mb": float(peak),
        "failed": failed,
        **(_told(told) if all(told) else {}),
    }


def _told(facts: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What a model told of its frames: see `facts.told_by`."""
    seconds = {name: sum(own["seconds"][name] for own in facts) for name in ("network", "total")}
    found = {
        "network_share": seconds["network"] / seconds["total"],
        "bead_rms_before": float(np.sqrt(np.mean([own["bead_rms_before"] ** 2 for own in facts]))),
        "stages": float(np.mean([sum(own["stages"]) for own in facts])),
    }
    for name in ("redrawn", "above"):
        found[name] = float(np.mean([own[name] for own in facts]))
    shares = [own["unfamiliar"] for own in facts]
    return found if None in shares else {**found, "unfamiliar": float(np.mean(shares))}
