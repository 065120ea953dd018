"""Is our melt the published one? Density, distributions, energies and sizes beside the published MD.

    MSB_DATA=... python verify.py                     # out/sps568.xtc against sps/t568/aa.xtc
    MSB_DATA=... python verify.py --trajectory DIR/run001.xtc --structure DIR/start.gro

The rows are those of studies/sps_published; the excess is beyond what MD scores against itself. A trajectory
of a few hundred picoseconds and the published one are two short samples of the same chains' slow motions, so
an excess of the size of the floor is no difference. Writes ``out/NAME.json``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure import chain_statistics, term_values
from msb.core.box import make_whole, volume
from msb.io.atomic import atomic_write_json
from msb.io.trajectory import open_trajectory

sys.path.append(str(Path(__file__).resolve().parents[1] / "sps_common"))
from measure import Ensemble, System, figures, read_system

__all__ = ["compare", "main"]

HERE = Path(__file__).resolve().parent / "out"
FRAMES = 78  # at most, of either; spread evenly over ours
AMU_PER_NM3 = 1.66053907e-3  # g/cm^3
BACKBONE = "dihedral C-C-C-C"


def read(structure: Path, trajectories: Sequence[Path], system: System, skip: int = 0) -> Ensemble:
    """Return at most 78 frames, spread over the trajectories, molecules whole."""
    parts = [open_trajectory(structure, path) for path in trajectories]
    starts = np.cumsum([0, *(part.n_frames for part in parts)])
    wanted = set(np.linspace(skip, starts[-1] - 1, FRAMES).round().astype(int).tolist())
    kept = [
        frames
        for part, start in zip(parts, starts[:-1], strict=True)
        for frames in part.iter(chunk=1)
        if start + frames.index in wanted
    ]
    boxes = np.concatenate([np.asarray(frames.boxes, dtype=np.float64) for frames in kept])
    x = np.concatenate([frames.positions.astype(np.float64) for frames in kept])
    return Ensemble(np.asarray(make_whole(x, boxes, system.topology)), boxes)


def compare(system: System, ours: Ensemble, published: Ensemble) -> dict[str, Any]:
    """Return every figure of ours beside the published one, JSON-able."""
    n = min(len(ours.positions), len(published.positions))
    ours, published = _first(ours, n), _first(published, n)
    rows = {}
    for (row, column), figure in figures(system, {"md": published, "ours": ours}).items():
        rows.setdefault(row, {})[column] = figure
    both = {"published": published, "ours": ours}
    return {
        "frames": n,
        "rows": {row: _row(found) for row, found in rows.items()},
        "density": {name: _spread(_densities(system, e)) for name, e in both.items()},
        "chains": {name: _chains(system, e) for name, e in both.items()},
        "backbone": {name: _populations(system, e) for name, e in both.items()},
    }


def _first(ensemble: Ensemble, n: int) -> Ensemble:
    """Return n frames, spread evenly."""
    chosen = np.linspace(0, len(ensemble.positions) - 1, n).round().astype(int)
    return Ensemble(ensemble.positions[chosen], ensemble.boxes[chosen])


def _row(found: dict[str, Any]) -> dict[str, float | None]:
    ours, md = found["ours"], found["md"]
    return {"ours": ours.value, "md": md.value, "excess": ours.excess, "low": ours.low, "high": ours.high}


def _densities(system: System, ensemble: Ensemble) -> NDArray[np.float64]:
    """Densities (F,), g/cm^3."""
    return float(system.topology.masses.sum()) / np.abs(volume(ensemble.boxes)) * AMU_PER_NM3


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    return {"mean": float(values.mean()), "sd": float(values.std())}


def _chains(system: System, ensemble: Ensemble) -> dict[str, float | None]:
    found = next(iter(chain_statistics(ensemble.positions, system.topology).values()))
    means = {"end_to_end": found.end_to_end, "gyration": found.gyration}
    values = {name: mean.value for name, mean in means.items()}
    return {**values, **{f"{name}_error": mean.error for name, mean in means.items()}}


def _populations(system: System, ensemble: Ensemble) -> dict[str, float]:
    """Shares of trans and gauche along the backbone, and of two trans in a row."""
    term = system.terms[BACKBONE]
    values = np.degrees(term_values(ensemble.positions, term.kind, term.atoms))
    trans = np.abs(values) > 120
    chains = system.topology.n_molecules
    runs = trans.reshape(len(trans), chains, -1)
    return {
        "trans": float(trans.mean()),
        "gauche +": float(((values > 0) & ~trans).mean()),
        "gauche -": float(((values < 0) & ~trans).mean()),
        "trans-trans": float((runs[..., 1:] & runs[..., :-1]).mean()),
    }


def table(found: dict[str, Any]) -> str:
    """Return the comparison as text."""
    lines = [f"{found['frames']} frames of each; divergences from published MD beside MD's from itself"]
    for row, v in found["rows"].items():
        beyond = "" if v["excess"] is None else f"excess {v['excess']:+.5f}"
        beyond += "" if v["low"] is None else f"  [{v['low']:.5f}, {v['high']:.5f}]"
        lines.append(f"{row:48s} ours {v['ours']:9.5f}  MD {v['md']:9.5f}  {beyond}".rstrip())
    for what, unit in (("density", "g/cm3"), ("chains", "nm2"), ("backbone", "share")):
        for name, values in found[what].items():
            told = ", ".join(f"{key} {value:.4g}" for key, value in values.items() if value is not None)
            lines.append(f"{what} ({unit}), {name}: {told}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MSB_DATA", "data")) / "sps")
    parser.add_argument("--trajectory", type=Path, nargs="+", help="default: out/sps568*.xtc")
    parser.add_argument("--structure", type=Path, help="default: the .pdb beside the trajectory")
    parser.add_argument("--skip", type=int, default=0, help="first frames of ours that are left out")
    parser.add_argument("--temperature", type=int, choices=(568, 313), default=568)
    parser.add_argument("--output", type=Path, help="default: out/NAME.json")
    args = parser.parse_args(arguments)
    system = read_system(args.data)
    trajectories = args.trajectory or sorted(HERE.glob("sps568*.xtc"))
    structure = args.structure or trajectories[0].with_suffix(".pdb")
    published = read(args.data / "aa.gro", [args.data / f"t{args.temperature}" / "aa.xtc"], system)
    ours = read(structure, trajectories, system, args.skip)
    found = compare(system, ours, published)
    print(table(found))
    atomic_write_json(args.output or HERE / f"{trajectories[0].stem}.json", found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
