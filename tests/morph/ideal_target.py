"""A target of which everything is known: harmonic bonds, bending by cosines, pairs with a shoulder."""

from __future__ import annotations

import numpy as np

from msb.morph.statistics import LocalStatistics, Ranges

__all__ = ["BEND", "BOND", "KELVIN", "WIDTH", "pair_correlation", "statistics"]

KELVIN = 400.0
BOND, WIDTH = 0.5, 0.03  # nm
BEND = 8.0  # kT of 1 + cos


def statistics() -> LocalStatistics:
    """Counts of harmonic bonds, of bending by cosines, and of pairs with a shoulder, of very many values."""
    edges = {
        "bond": np.linspace(0.3, 0.7, 61),
        "angle": np.linspace(0.0, np.pi, 61),
        "rdf": np.linspace(0.0, 1.5, 61),
    }
    r, a, d = (0.5 * (e[1:] + e[:-1]) for e in edges.values())
    density = {
        "bond": r**2 * np.exp(-0.5 * ((r - BOND) / WIDTH) ** 2),
        "angle": np.sin(a) * np.exp(-BEND * (1 + np.cos(a))),
        "rdf": np.diff(edges["rdf"] ** 3) * pair_correlation(d),
    }
    counts = {q: np.round(1e7 * x / x.sum()).astype(np.int64) for q, x in density.items()}
    ranges = Ranges((0.4, 0.6), (0.5, 3.1), 0.4)
    return LocalStatistics(edges, counts, BOND, 5.0, ranges)


def pair_correlation(d: np.ndarray) -> np.ndarray:
    """g(d): nothing below 0.4 nm, a maximum, one in the end."""
    return np.where(d < 0.4, 0.0, 1 + 0.5 * np.exp(-(((d - 0.6) / 0.1) ** 2)))
