"""Hold the melts against what is known of Kremer-Grest chains, and tell how soon snapshots forget each other.

python literature.py        # out/kg_24x32 and out/kg_64x10
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from melt import BOND, KAPPA
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "morph_common"))  # studies are no package
from sets import BeadSet, read_set

from msb.analysis.structure.chains import chain_statistics

__all__ = ["bare_kuhn_length", "expected", "kuhn_length", "main", "memory"]

OUT = Path(__file__).resolve().parent / "out"
UNIT = 0.1  # nm a sigma


def bare_kuhn_length(kappa: float) -> float:
    """Kuhn length without excluded volume, sigma: of free bonds with the bending potential of eq. 2.44."""
    if kappa < 1e-6:
        return BOND
    cosine = 1 / np.tanh(kappa) - 1 / kappa
    return float(BOND * (1 + cosine) / (1 - cosine))


def kuhn_length(kappa: float) -> float:
    """Kuhn length at the standard density, sigma; thesis, eqs. 7.8 and 7.9 (Everaers et al., 2020)."""
    more = 0.77 * (np.tanh(-0.03 * kappa**2 - 0.41 * kappa + 0.16) + 1)
    return bare_kuhn_length(kappa) + float(more)


def expected(beads: int, kappa: float = KAPPA) -> dict[str, float]:
    """Mean squares (sigma^2) of chains whose bonds forget directions as their Kuhn length says.

    Freely rotating bonds with the mean cosine c that gives the Kuhn length: (1 + c) / (1 - c) bonds.
    """
    ratio = kuhn_length(kappa) / BOND
    c = (ratio - 1) / (ratio + 1)

    def square(n: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(n * BOND**2 * (ratio - 2 * c * (1 - c**n) / (n * (1 - c) ** 2)))

    apart = np.arange(1, beads, dtype=np.float64)
    gyration = ((beads - apart) * square(apart)).sum() / beads**2
    return {"end_to_end": float(square(apart[-1:])[0]), "gyration": float(gyration)}


def memory(own: BeadSet) -> NDArray[np.float64]:
    """Correlation of end-to-end vectors of snapshots 0, 1, 2 ... apart, (F / 2,)."""
    size = own.topology.only_template().n_atoms
    x = own.positions.reshape(len(own.positions), -1, size, 3).astype(np.float64)
    ends = x[:, :, -1] - x[:, :, 0]
    lags = range(len(ends) // 2)
    found = [(ends[: len(ends) - lag] * ends[lag:]).sum(-1).mean() for lag in lags]
    return np.asarray(found) / found[0]


def main() -> int:
    """Print a table."""
    print("| melt | bond, σ (0.965) | longest | ⟨Re²⟩, σ² | expected | ⟨Rg²⟩, σ² | expected | memory |")
    print("|---|---|---|---|---|---|---|---|")
    for structure in sorted(OUT.glob("kg_*.gro")):
        own = read_set(structure.stem, [structure, structure.with_suffix(".xtc")])
        i, j = own.topology.bonds.T
        bonds = np.linalg.norm(own.positions[:, j] - own.positions[:, i], axis=-1) / UNIT
        chains = next(iter(chain_statistics(own.positions, own.topology).values()))
        theory = expected(own.topology.only_template().n_atoms)
        cells = [structure.stem, f"{bonds.mean():.4f}", f"{bonds.max():.3f}"]
        for name, mean in (("end_to_end", chains.end_to_end), ("gyration", chains.gyration)):
            cells.append(f"{mean.value / UNIT**2:.2f} ± {(mean.error or np.nan) / UNIT**2:.2f}")
            cells.append(f"{theory[name]:.2f}")
        cells.append(", ".join(f"{value:.2f}" for value in memory(own)[1:6]))
        print(f"| {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
