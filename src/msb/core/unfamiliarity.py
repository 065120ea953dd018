r"""How far what surrounds a bead is from everything that a model was trained on.

For every bead type a Gaussian: each kind of bead (a type in one bonded surrounding) has its own mean, the
kinds of a type share a covariance, shrunk towards a diagonal as far as the number of rows demands.  The
distance is Mahalanobis',

.. math:: D^2 = (v - \mu_\text{kind})^T\, \Sigma_\text{type}^{-1}\, (v - \mu_\text{kind}),

and the limit is the distance that one training environment in a thousand exceeds when it is held out.  A kind
of bead that was never seen is beyond every limit.

References
----------
O. Ledoit and M. Wolf, A well-conditioned estimator for large-dimensional covariance matrices, J. Multivar.
Anal. 88, 365 (2004).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from msb.core.arrays import FloatArray, IntArray
from msb.core.bead_environment import Environments, Vocabulary
from msb.errors import MsbError

__all__ = ["Familiarity"]

_Plain = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What a model has seen.

    Attributes
    ----------
    vocabulary : Vocabulary
        Columns of the descriptions.
    kinds : tuple of str (K,)
        Kinds of beads that were seen.
    type_of_kind : int array (K,)
        Their types, numbered.
    means : ndarray (K, d)
        Mean description of each kind; 0 in columns that it does not have.
    whiten : ndarray (T, d, d)
        Matrix L of each type with Sigma^-1 = L^T L.
    limits : ndarray (T,)
        Distance that is exceeded by one in a thousand.
    """

    vocabulary: Vocabulary
    kinds: tuple[str, ...]
    type_of_kind: IntArray
    means: FloatArray
    whiten: FloatArray
    limits: FloatArray

    @classmethod
    def fit(cls, *seen: Environments, quantile: float = 0.999, folds: int = 5) -> Familiarity:
        """Learn from the environments of training frames.

        Parameters
        ----------
        *seen : Environments
            Of one system, or of several in the same vocabulary; frames in the order of time.
        quantile : float
            Share of the held-out environments that is inside.
        folds : int
            Consecutive parts that are held out in turn.  The limits of types scale with their median
            distances; the factor is common to all, so that a type with few beads has one too.

        Raises
        ------
        MsbError
            There are no environments, one is not finite, or vocabularies differ.
        """
        kinds, values, kind, fold = _rows(seen, folds)
        vocabulary = seen[0].vocabulary
        names = [name.partition(":")[0] for name in kinds]
        number = {name: k for k, name in enumerate(sorted(set(names)))}
        types = np.array([number[name] for name in names], dtype=np.int64)
        resolution = vocabulary.resolution
        held = np.full(len(values), np.nan)
        for part in np.unique(fold):
            rest, out = fold != part, fold == part
            if not rest.any():
                continue
            means, whiten = _estimate(values[rest], kind[rest], types, resolution)
            known = out & np.isin(kind, kind[rest])
            held[known] = _distances(values[known], kind[known], types, means, whiten)
        means, whiten = _estimate(values, kind, types, resolution)
        if not np.isfinite(held).any():  # too few to hold some out
            held = _distances(values, kind, types, means, whiten)
        limits = _limits(held, types[kind], len(number), quantile)
        return cls(vocabulary, kinds, types, means, whiten, limits)

    def ratios(self, environments: Environments) -> FloatArray:
        """Distances in units of their limits.

        Parameters
        ----------
        environments : Environments
            In this vocabulary: ``BeadEnvironments(mapping, familiarity.vocabulary)``.

        Returns
        -------
        ndarray (F, M)
            Above 1 outside; infinite for kinds never seen and for beads that are not finite.

        Raises
        ------
        MsbError
            The vocabulary is another.
        """
        self._check(environments)
        number = {name: k for k, name in enumerate(self.kinds)}
        kind = np.array([number.get(name, -1) for name in environments.kinds], dtype=np.int64)
        known, frames = kind >= 0, len(environments.values)
        out = np.full((frames, len(kind)), np.inf)
        values = environments.values[:, known].reshape(len(out) * int(known.sum()), self.vocabulary.n_columns)
        finite = np.isfinite(values[:, 0])
        rows = np.tile(kind[known], frames)
        distance = _distances(values, rows, self.type_of_kind, self.means, self.whiten)
        distance /= self.limits[self.type_of_kind[rows]]
        out[:, known] = np.where(finite, distance, np.inf).reshape(frames, int(known.sum()))
        return out

    def share_outside(self, environments: Environments) -> FloatArray:
        """Share of the beads of each frame that are further from the training set than its own limit.

        Parameters
        ----------
        environments : Environments
            As in `ratios`.

        Returns
        -------
        ndarray (F,)
            About 0.001 for frames like those of the training set.
        """
        ratios = self.ratios(environments)
        return np.asarray((ratios > 1.0).mean(axis=1)) if ratios.size else np.zeros(len(ratios))

    def unknown(self, environments: Environments) -> tuple[str, ...]:
        """Kinds of beads that were never seen: type, and how many of which bonded terms; each once."""
        return tuple(dict.fromkeys(kind for kind in environments.kinds if kind not in set(self.kinds)))

    def _check(self, environments: Environments) -> None:
        if environments.vocabulary != self.vocabulary:
            raise MsbError(
                "the bead environments are described in other columns than those of the training set; "
                "make them with BeadEnvironments(mapping, familiarity.vocabulary)"
            )

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return everything as arrays of numbers, words as the bytes of JSON, for a model's files."""
        words = {
            "types": self.vocabulary.types,
            "terms": self.vocabulary.terms,
            "kinds": self.kinds,
        }
        return {
            "words": np.frombuffer(json.dumps(words).encode(), dtype=np.uint8).copy(),
            "type_of_kind": self.type_of_kind,
            "means": self.means,
            "whiten": self.whiten,
            "limits": self.limits,
        }

    @classmethod
    def from_arrays(cls, arrays: _Plain) -> Familiarity:
        """Undo `to_arrays`.

        Raises
        ------
        MsbError
            An array is missing.
        """
        try:
            words = json.loads(np.asarray(arrays["words"]).tobytes().decode())
            vocabulary = Vocabulary(tuple(words["types"]), tuple(words["terms"]))
            rest = [np.asarray(arrays[name]) for name in ("type_of_kind", "means", "whiten", "limits")]
        except (KeyError, ValueError) as error:
            raise MsbError(f"these arrays are not what to_arrays wrote: {error}") from error
        return cls(vocabulary, tuple(words["kinds"]), *rest)


def _rows(
    seen: tuple[Environments, ...], folds: int
) -> tuple[tuple[str, ...], FloatArray, IntArray, IntArray]:
    """Kinds, and of every environment its description, kind and fold."""
    if not seen or not sum(e.values.shape[0] * e.values.shape[1] for e in seen):
        raise MsbError("there are no bead environments to learn from; give at least one frame")
    if any(e.vocabulary != seen[0].vocabulary for e in seen):
        raise MsbError("bead environments of several systems must be described in one common vocabulary")
    kinds = tuple(sorted({kind for e in seen for kind in e.kinds}))
    number = {name: k for k, name in enumerate(kinds)}
    values, kind, fold = [], [], []
    for e in seen:
        n = e.values.shape[0] * e.values.shape[1]
        values.append(e.values.reshape(n, -1).astype(np.float64))
        kind.append(np.tile([number[name] for name in e.kinds], e.values.shape[0]))
        fold.append(np.arange(n) * folds // n)
    rows = np.concatenate(values)
    if not np.isfinite(rows[:, 0]).all():
        raise MsbError("a training frame has a bead whose position is not finite; leave that frame out")
    return kinds, rows, np.concatenate(kind), np.concatenate(fold)


def _estimate(
    values: FloatArray, kind: IntArray, types: IntArray, resolution: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Means (K, d) of the kinds and whitening matrices (T, d, d) of the types."""
    d = values.shape[1]
    plain = np.nan_to_num(values)
    counts = np.maximum(np.bincount(kind, minlength=len(types)), 1)
    means = np.stack([np.bincount(kind, plain[:, c], len(types)) for c in range(d)], axis=1) / counts[:, None]
    whiten = np.zeros((int(types.max()) + 1, d, d))
    for t in range(len(whiten)):
        rows = types[kind] == t
        if rows.any():
            whiten[t] = _whitening(values[rows] - means[kind[rows]], resolution)
    return means, whiten


def _whitening(rows: FloatArray, resolution: FloatArray) -> FloatArray:
    """Inverse Cholesky factor of the shrunk covariance of deviations (n, d); NaN where a column is absent.

    Columns are first brought to their standard deviations, or to the resolution where that is larger.
    """
    from sklearn.covariance import ledoit_wolf

    there = np.isfinite(rows)
    used = there.any(axis=0)
    z = np.where(there, rows, 0.0)[:, used]
    sd = np.sqrt((z**2).sum(axis=0) / np.maximum(there[:, used].sum(axis=0) - 1, 1))
    scale = np.maximum(sd, resolution[used])
    covariance = (
        ledoit_wolf(z / scale, assume_centered=True)[0] if len(z) > 1 else np.zeros((len(scale),) * 2)
    )
    lack = np.maximum(1.0 - np.diagonal(covariance), 0.0)  # what the resolution has and the rows have not
    factor = np.linalg.inv(np.linalg.cholesky(covariance + np.diag(lack)))
    whitening = np.zeros((rows.shape[1],) * 2)
    whitening[np.ix_(used, used)] = factor / scale
    return whitening


def _distances(
    values: FloatArray, kind: IntArray, types: IntArray, means: FloatArray, whiten: FloatArray
) -> FloatArray:
    """Mahalanobis distance of every row."""
    deviation = np.nan_to_num(values - means[kind])
    out = np.empty(len(values))
    of_type = types[kind]
    for t in range(len(whiten)):
        rows = of_type == t
        out[rows] = np.linalg.norm(deviation[rows] @ whiten[t].T, axis=1)
    return out


def _limits(held: FloatArray, of_type: IntArray, n_types: int, quantile: float) -> FloatArray:
    """Limits of the types: their median distance times what the ratio to it exceeds once in a thousand."""
    finite = np.isfinite(held)
    medians = np.full(n_types, np.median(held[finite]))
    for t in range(n_types):
        rows = finite & (of_type == t)
        if rows.any():
            medians[t] = np.median(held[rows])
    medians = np.maximum(medians, 1e-6)
    ratio = held[finite] / medians[of_type[finite]]
    return np.asarray(medians * max(np.quantile(ratio, quantile, method="higher"), 1.0))
