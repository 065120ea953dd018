"""Slow processes of alanine dipeptide: timescales, their test, eigenvectors, free energies, and 400 K.

    MSB_DATA=... python studies/adp_kinetics/run.py
    MSB_DATA=... python studies/adp_kinetics/run.py --smoke --out runs/smoke

Writes ``out/results.json`` and five figures, and prints the table; less than two minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from msb.analysis import free_energy_surface
from msb.analysis.bootstrap import block_bootstrap
from msb.analysis.kinetics import BackboneTorsions, Features, ProcessComparison, compare
from msb.analysis.plots import kinetics as plots
from msb.analysis.timescales import torsion_features
from msb.io.atomic import atomic_write_text
from msb.io.trajectory import open_trajectory

HERE = Path(__file__).resolve().parent
TEMPERATURES = {"300 K": 300.0, "400 K": 400.0}
EDGES = np.linspace(-180.0, 180.0, 61)
LAG, LAGS = 5.0, (1.0, 2.0, 5.0, 10.0, 15.0, 20.0)
PLACES = (("β", -105.0, 110.0), ("α$_R$", -105.0, -75.0), ("α$_L$", 60.0, 100.0), ("C7$_{ax}$", 118.0, -90.0))


def torsions(data: Path, name: str, frames: int | None) -> NDArray[np.float64]:
    """Return phi and psi (F, 2) in radians."""
    source = open_trajectory(data / "adp.pdb", data / f"{name}.dcd", lag=1.0)
    angles = BackboneTorsions("angles")(source)
    return angles[:frames]


def regions(angles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 0 (beta and polyproline), 1 (right-handed) or 2 (left-handed helix) for each frame."""
    phi, psi = np.degrees(angles.T)
    right = (psi > -130) & (psi < 50)
    return np.where(phi > 0, 2, np.where(right, 1, 0))


def populations(angles: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return share, low and high of each region."""
    one_hot = np.eye(3)[regions(angles)]
    low, high = block_bootstrap(lambda rows: rows.mean(0), one_hot, blocks=50, replicates=200)
    return {
        name: [float(v) for v in row]
        for name, *row in zip(("beta", "alpha_R", "alpha_L"), one_hot.mean(0), low, high, strict=True)
    }


def study(angles: dict[str, NDArray[np.float64]], smoke: bool) -> ProcessComparison:
    """Markov models of both runs on the states of the first."""
    names = ("cos phi", "cos psi", "sin phi", "sin psi")
    given = {name: Features((torsion_features(a),), names) for name, a in angles.items()}
    return compare(
        given["300 K"],
        {"400 K": given["400 K"]},
        n_states=12 if smoke else 100,
        lag=LAG,
        lags=(1.0, 5.0) if smoke else LAGS,
        n_timescales=2 if smoke else 3,
        n_sets=2 if smoke else 4,
        multiples=(1, 2) if smoke else (1, 2, 3, 4),
        samples=5 if smoke else 100,
    )


def centre_angles(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return phi and psi (S, 2) in degrees of cluster centres."""
    return np.degrees(np.arctan2(centres[:, 2:], centres[:, :2]))


def degrees_axes(ax: Any) -> None:
    """Label a plane of phi and psi."""
    ax.set_xlim(-180, 180)
    ax.set_ylim(-180, 180)
    ax.set_xticks((-180, -90, 0, 90, 180))
    ax.set_yticks((-180, -90, 0, 90, 180))
    ax.set_xlabel("φ (°)")
    ax.set_ylabel("ψ (°)")
    ax.set_aspect("equal")


def figures(found: ProcessComparison, angles: dict[str, NDArray[np.float64]], out: Path) -> None:
    """Write the five figures."""
    model, test = found.reference.model, found.reference.test
    figure = Figure(figsize=(6, 4), layout="constrained")
    plots.plot_timescales(found.reference.timescales, figure.subplots())
    figure.savefig(out / "timescales.png", dpi=110)

    n_sets = test.predicted.shape[-1]
    figure = Figure(figsize=(2.6 * n_sets, 2.2 * n_sets), layout="constrained")
    plots.plot_chapman_kolmogorov(test, figure.subplots(n_sets, n_sets, sharex=True, sharey=True))
    figure.savefig(out / "chapman_kolmogorov.png", dpi=110)

    k = found.reference.timescales.timescales.shape[1]
    vectors, points = model.eigenvectors(k), centre_angles(found.centres)[model.states]
    times = model.timescales(k)
    figure = Figure(figsize=(3.6 * (k + 1), 3.6), layout="constrained")
    axes = figure.subplots(1, k + 1)
    for n in range(k):
        plots.plot_eigenvector(
            vectors[:, n],
            points,
            axes[n],
            weights=model.stationary,
            title=f"process {n + 1}: {times[n]:.0f} ps",
        )
    plots.plot_sets(test.sets, points, axes[k])
    axes[k].set_title("metastable sets", fontsize=10)
    for ax in axes:
        degrees_axes(ax)
    figure.savefig(out / "eigenvectors.png", dpi=110)

    figure = Figure(figsize=(8.6, 4), layout="constrained")
    axes = figure.subplots(1, 2)
    for ax, (name, series) in zip(axes, angles.items(), strict=True):
        phi, psi = np.degrees(series.T)
        surface = free_energy_surface(phi, psi, EDGES, EDGES, TEMPERATURES[name])
        drawn = plots.plot_free_energy(surface, (EDGES, EDGES), ax, limit=25.0, levels=11, labels=PLACES)
        ax.set_title(name)
        degrees_axes(ax)
    figure.colorbar(drawn, ax=axes, label="free energy (kJ/mol)", shrink=0.85)
    figure.savefig(out / "free_energy.png", dpi=110)
    found.plot().savefig(out / "comparison.png", dpi=90)


def table(numbers: dict[str, Any]) -> str:
    """Return the results as text."""
    lines = []
    for name, item in numbers["ensembles"].items():
        lines.append(f"{name}: connected {100 * item['connected_share']:.2f} % of the transitions")
        columns = (item["lags_ps"], item["timescales_ps"], item["low_ps"], item["high_ps"], item["resolved"])
        for lag, *row in zip(*columns, strict=True):
            told = [
                f"{t:.1f} [{a:.1f}, {b:.1f}]{'' if seen else ' unresolved'}"
                for t, a, b, seen in zip(*row, strict=True)
            ]
            lines.append(f"  lag {lag:g} ps: {' / '.join(told)} ps")
        test = item["chapman_kolmogorov"]
        verdict = "passed" if test["passed"] else "FAILED"
        lines.append(f"  Chapman-Kolmogorov: {verdict}, largest difference {test['deviation']:.4f}")
    for name, found in numbers["similarity"].items():
        shown = (" ".join(f"{v:.3f}" for v in found[key]) for key in ("cosine", "weighted"))
        lines.append(f"{name}: eigenvectors {next(shown)}; weighted {next(shown)}; groups {found['groups']}")
        clock = numbers["clocks"][name]
        lines.append(
            f"  clock × {clock['scale']:.2f}; ratios {' '.join(f'{r:.2f}' for r in clock['ratios'])}"
        )
    for name, found in numbers["populations"].items():
        shown = "; ".join(f"{k} {v[0]:.4f} [{v[1]:.4f}, {v[2]:.4f}]" for k, v in found.items())
        lines.append(f"{name}: {shown}")
    return "\n".join(lines)


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder of the results")
    parser.add_argument("--smoke", action="store_true", help="few frames, states and draws: does it run?")
    arguments = parser.parse_args()
    if "MSB_DATA" not in os.environ:
        parser.error("MSB_DATA must name the folder of the reference data")
    data, start = Path(os.environ["MSB_DATA"]) / "adp", perf_counter()
    arguments.out.mkdir(parents=True, exist_ok=True)
    frames = 4000 if arguments.smoke else None
    angles = {name: torsions(data, f"adp_{name.replace(' ', '')}", frames) for name in TEMPERATURES}
    found = study(angles, arguments.smoke)
    numbers = found.summary() | {"populations": {name: populations(a) for name, a in angles.items()}}
    figures(found, angles, arguments.out)
    atomic_write_text(arguments.out / "results.json", json.dumps(numbers, indent=1) + "\n")
    print(table(numbers))
    print(f"{perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
