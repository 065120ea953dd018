"""Processes whose spectra are known exactly, and how to draw from them."""

from __future__ import annotations

import numpy as np


def chain(transition: np.ndarray, n_steps: int, seed: int = 0) -> np.ndarray:
    """States of a Markov chain (n_steps,), as its matrix says."""
    generator = np.random.default_rng(seed)
    borders, numbers = transition.cumsum(1), generator.random(n_steps - 1)
    borders[:, -1] = 1.0
    states = np.zeros(n_steps, dtype=np.int64)
    state = 0
    for k, number in enumerate(numbers):
        state = int(borders[state].searchsorted(number, side="right"))
        states[k + 1] = state
    return states


def exact_timescales(transition: np.ndarray, lag: float = 1.0) -> np.ndarray:
    """All timescales but the stationary one, slowest first."""
    values = np.sort(np.linalg.eigvals(transition).real)[::-1][1:]
    return -lag / np.log(values)


def ornstein_uhlenbeck(times: np.ndarray, n_steps: int, seed: int = 0) -> np.ndarray:
    """Independent processes with the given decay times (frames), unit variance, exact (n_steps, D)."""
    from scipy.signal import lfilter

    generator = np.random.default_rng(seed)
    decay = np.exp(-1.0 / np.asarray(times))
    noise = generator.normal(size=(n_steps, len(decay))) * np.sqrt(1 - decay**2)
    noise[0] /= np.sqrt(1 - decay**2)
    return np.stack(
        [lfilter([1.0], [1.0, -a], column) for a, column in zip(decay, noise.T, strict=True)], axis=1
    )


def double_well(barrier: float, cells: int = 40, diffusion: float = 0.01) -> np.ndarray:
    """Transition matrix of diffusion in barrier (x² - 1)² kT between -1.8 and 1.8, by detailed balance.

    The exponential of a rate matrix on a grid: the process is a Markov chain on the cells at every lag.
    """
    from scipy.linalg import expm

    x = np.linspace(-1.8, 1.8, cells)
    energy = barrier * (x**2 - 1) ** 2
    step = x[1] - x[0]
    rates = np.zeros((cells, cells))
    ahead = np.arange(cells - 1)
    climb = np.exp(-0.5 * np.diff(energy))
    rates[ahead, ahead + 1] = diffusion / step**2 * climb
    rates[ahead + 1, ahead] = diffusion / step**2 / climb
    np.fill_diagonal(rates, -rates.sum(1))
    return expm(rates)


def expected_counts(transition: np.ndarray, total: float = 1e6) -> np.ndarray:
    """Transition counts of an endless trajectory, scaled to a total."""
    values, vectors = np.linalg.eig(transition.T)
    weights = vectors[:, values.real.argmax()].real
    return total * (weights / weights.sum())[:, None] * transition
