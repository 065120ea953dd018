"""Measure the published polystyrene trajectories again and compare with every published figure.

    MSB_DATA=... python run.py            # 78 frames a set: 30 s on one core
    MSB_DATA=... python run.py --smoke    # 8 frames: every row, no verdict

Writes ``out/results.json`` (a smoke run only where ``--output`` says) and exits 1 if a figure is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from msb.io.atomic import atomic_write_json

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sps_common"))  # studies are no package
from measure import Figure, figures, load, read_system
from published import TEMPERATURES, targets

RESULTS = Path(__file__).resolve().parent / "out" / "results.json"
RELATIVE, ABSOLUTE = 0.03, 3e-4  # whichever is larger
SMOKE = 8  # frames


@dataclass(frozen=True)
class Row:
    """A figure beside the published one; `matched` is None where nothing was published."""

    temperature: int
    name: str
    column: str
    target: float | None
    measured: Figure

    @property
    def matched(self) -> bool | None:
        """Whether the two agree."""
        if self.target is None:
            return None
        return abs(self.measured.value - self.target) <= max(RELATIVE * abs(self.target), ABSOLUTE)

    def to_dict(self) -> dict[str, object]:
        """Return what results.json holds."""
        plain = asdict(self)
        return {**plain, **plain.pop("measured"), "matched": self.matched}


def measure_all(data: Path, smoke: bool) -> list[Row]:
    """Every row of both tables."""
    system, rows = read_system(data), []
    for temperature in TEMPERATURES:
        found = figures(system, load(data, temperature, system, SMOKE if smoke else None))
        rows += [Row(t, n, c, target, found[n, c]) for t, n, c, target in targets() if t == temperature]
    return rows


def table(rows: list[Row], smoke: bool) -> str:
    """Return the rows as text."""
    lines = []
    for row in rows:
        m = row.measured
        target = "-" if row.target is None else f"{row.target:.5g}"
        beyond = "" if m.excess is None else f"floor {m.floor:.5f}  excess {m.excess:+.5f}"
        interval = "" if m.low is None else f"[{m.low:.5f}, {m.high:.5f}]"
        verdict = "" if smoke or row.matched is None else "matched" if row.matched else "MISSED"
        lines.append(
            f"{row.temperature} K  {row.name:46s} {row.column:12s} {target:>8s} {m.value:10.5f}  {verdict:8s}"
            f"{beyond} {interval}".rstrip()
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "sps")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE} frames a set, no verdict")
    args = parser.parse_args(arguments)
    rows = measure_all(args.data, args.smoke)
    print(table(rows, args.smoke))
    judged = [row for row in rows if row.target is not None]
    missed = [row for row in judged if not row.matched]
    if args.smoke:
        print(f"{len(rows)} figures of {SMOKE} frames: too few to judge")
    else:
        print(f"{len(judged) - len(missed)} of {len(judged)} published figures matched, {len(missed)} missed")
    if not args.smoke or args.output != RESULTS:  # a smoke run must not replace the committed figures
        args.output.parent.mkdir(parents=True, exist_ok=True)
        summary = {"relative": RELATIVE, "absolute": ABSOLUTE, "smoke": args.smoke}
        summary |= {"judged": len(judged), "missed": len(missed)}
        atomic_write_json(args.output, {**summary, "rows": [row.to_dict() for row in rows]})
    return 1 if missed and not args.smoke else 0


if __name__ == "__main__":
    raise SystemExit(main())
