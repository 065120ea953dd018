"""What is done to distances before a map compares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msb.errors import ConfigError

__all__ = ["Identity", "Sigmoid", "Transform"]

FloatArray = NDArray[np.float64]


class Transform(Protocol):
    """What is done to distances before they are compared."""

    def __call__(self, distances: FloatArray) -> FloatArray:
        """Transform distances (...)."""
        ...

    def slope(self, distances: FloatArray) -> FloatArray:
        """Derivative at distances (...)."""
        ...


@dataclass(frozen=True)
class Identity:
    """Distances as they are: the map is then metric multidimensional scaling."""

    def __call__(self, distances: FloatArray) -> FloatArray:
        """Return the distances (...)."""
        return distances

    def slope(self, distances: FloatArray) -> FloatArray:
        """One everywhere (...)."""
        return np.ones_like(distances)


@dataclass(frozen=True)
class Sigmoid:
    r""":math:`F(R) = 1 - (1 + (2^{a/b} - 1) (R/\sigma)^a)^{-b/a}`, one half at :math:`\sigma`.

    Attributes
    ----------
    sigma : float
        The length that the map shows, in the unit of the distances: above the fluctuations within a
        basin, below the distances of unrelated structures.
    a, b : float
        Steepness at short and at long distances.

    Raises
    ------
    ConfigError
        If a parameter is not positive.

    References
    ----------
    Ceriotti, Tribello, Parrinello, PNAS 108, 13023 (2011); thesis eq. 3.13 and 3.14.
    """

    sigma: float
    a: float = 2.0
    b: float = 2.0

    def __post_init__(self) -> None:
        if not (self.sigma > 0 and self.a > 0 and self.b > 0):
            raise ConfigError(
                f"a sigmoid needs positive sigma, a and b, got {self.sigma}, {self.a}, {self.b}"
            )

    def __call__(self, distances: FloatArray) -> FloatArray:
        """Transform distances (...) to 0 ... 1."""
        inner = 1.0 + self._factor * (np.asarray(distances) / self.sigma) ** self.a
        return np.asarray(1.0 - inner ** (-self.b / self.a))

    def slope(self, distances: FloatArray) -> FloatArray:
        """Derivative (...); at zero it is infinite below a = 1 and taken at a billionth of sigma."""
        ratio = np.maximum(np.asarray(distances) / self.sigma, 1e-9)
        inner = 1.0 + self._factor * ratio**self.a
        return np.asarray(
            self.b / self.sigma * self._factor * ratio ** (self.a - 1.0) * inner ** (-self.b / self.a - 1.0)
        )

    @property
    def _factor(self) -> float:
        return float(2.0 ** (self.a / self.b) - 1.0)
