r"""Time-lagged independent components: the linear combinations of features that decorrelate last.

They solve :math:`C(\tau)\,u_i = \lambda_i\, C(0)\, u_i` with the symmetrised covariances of features without
their mean; :math:`t_i = -\tau/\ln|\lambda_i|`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.kinetics.features import Features, featurise
from msb.analysis.transitions import lag_in_frames, short_runs
from msb.errors import ConfigError

__all__ = ["TICA", "TicaModel"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class TicaModel:
    """Independent components with their signs fixed.

    Attributes
    ----------
    model : deeptime.decomposition.TransferOperatorModel
        As fitted.
    signs : ndarray (K,)
        1 or -1: with it, the coefficient that counts most is positive.
    lag : float
        ps.
    names : tuple of str (D,)
        The features.
    """

    model: Any
    signs: FloatArray
    lag: float
    timestep: float
    names: tuple[str, ...]

    @property
    def eigenvalues(self) -> FloatArray:
        """Autocorrelations (K,) of the components at the lag."""
        return np.asarray(self.model.singular_values[: len(self.signs)], dtype=np.float64)

    @property
    def timescales(self) -> FloatArray:
        """Decay times (K,) in ps; NaN where an autocorrelation is 0, 1 or more."""
        values = np.abs(self.eigenvalues)
        inside = (values > 0) & (values < 1)
        return np.where(inside, -self.lag / np.log(np.where(inside, values, 0.5)), np.nan)

    @property
    def components(self) -> FloatArray:
        """Coefficients (D, K) of the features without their mean."""
        vectors = np.asarray(self.model.instantaneous_coefficients, dtype=np.float64)
        return vectors[:, : len(self.signs)] * self.signs

    def transform(self, features: ArrayLike) -> FloatArray:
        """Components (F, K) of features (F, D)."""
        array = np.asarray(features, dtype=np.float64)
        projected = np.asarray(self.model.transform(array), dtype=np.float64)
        return projected[:, : len(self.signs)] * self.signs


class TICA:
    """Estimator of independent components, with scikit-learn's and deeptime's conventions.

    Parameters
    ----------
    lag : float
        ps.
    dim : int, optional
        Components kept; all by default.
    timestep : float
        ps between frames.
    scaling : {"kinetic_map", "commute_map"}, optional
        Lengths of the components; unit variance by default.
    epsilon : float
        Directions with less variance than this are left out (sums of squares of one torsion, for instance).
    """

    def __init__(
        self,
        lag: float,
        dim: int | None = None,
        *,
        timestep: float = 1.0,
        scaling: Literal["kinetic_map", "commute_map"] | None = None,
        epsilon: float = 1e-6,
    ) -> None:
        self.lag, self.dim, self.timestep = lag, dim, timestep
        self.scaling, self.epsilon = scaling, epsilon
        self.model_: TicaModel | None = None

    def fit(self, features: Features | ArrayLike | Sequence[ArrayLike]) -> TICA:
        """Estimate the components.

        Parameters
        ----------
        features : Features, array_like (F, D), or a list of arrays
            A list holds several trajectories; no pair of frames is formed across them.

        Raises
        ------
        TrajectoryError
            If no trajectory is longer than the lag, or a feature is not finite (it is named).
        ConfigError
            If the lag is no multiple of the timestep, or there are fewer components than asked for.
        """
        from deeptime.decomposition import TICA as Estimator

        given = featurise(features if isinstance(features, list | tuple | Features) else np.asarray(features))
        step = lag_in_frames(self.lag, self.timestep)
        covariance = Estimator.covariance_estimator(step)
        short = short_runs([len(run) for run in given.runs], step)
        for run in (run for number, run in enumerate(given.runs) if number not in short):
            covariance.partial_fit((run[:-step], run[step:]))
        estimator = Estimator(step, epsilon=self.epsilon, scaling=self.scaling)
        model = estimator.fit_from_covariances(covariance.fetch_model()).fetch_model()
        found = int(model.instantaneous_coefficients.shape[1])
        if self.dim is not None and not 1 <= self.dim <= found:
            raise ConfigError(
                f"{self.dim} components were asked for, {len(given.names)} features have {found} independent "
                "ones"
            )
        vectors = np.asarray(model.instantaneous_coefficients)[:, : self.dim or found]
        weight = np.sqrt(np.diag(model.cov_00))[:, None] * vectors
        signs = np.sign(weight[np.abs(weight).argmax(0), np.arange(weight.shape[1])])
        self.model_ = TicaModel(model, np.asarray(signs), step * self.timestep, self.timestep, given.names)
        return self

    def transform(self, features: ArrayLike) -> FloatArray:
        """Components (F, K) of features (F, D)."""
        return self.fetch_model().transform(features)

    def fit_transform(self, features: ArrayLike) -> FloatArray:
        """Fit to one trajectory (F, D) and return its components (F, K)."""
        return self.fit(features).transform(features)

    def fetch_model(self) -> TicaModel:
        """Return what was fitted.

        Raises
        ------
        ConfigError
            If nothing was.
        """
        if self.model_ is None:
            raise ConfigError("the components were not estimated yet: call fit first")
        return self.model_
