"""Which motions kinetics looks at: backbone torsions, Cα distances, or what a file lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from msb.analysis import torsion_features
from msb.analysis.kinetics.features import CaDistances, Features, backbone_quads
from msb.analysis.structure.terms import Kind, term_values
from msb.errors import ConfigError, FileFormatError
from msb.io.trajectory import Trajectory

__all__ = ["FeatureSet", "read_features", "resolve_features"]

Floats = NDArray[np.floating]
_KINDS: dict[int, Kind] = {2: "bond", 3: "angle", 4: "dihedral"}


@dataclass(frozen=True)
class FeatureSet:
    """Numbers of each frame that the slow processes are looked for in.

    Attributes
    ----------
    name : str
        What was asked for.
    labels : tuple of str
        One for each column of the values.
    values : callable
        Positions (F, N, 3) in nm → (F, D): nm, or radians.
    periodic : ndarray (D,) of bool
        Columns that are torsions.
    """

    name: str
    labels: tuple[str, ...]
    values: Callable[[Floats], NDArray[np.float64]]
    periodic: NDArray[np.bool_]

    @property
    def values_are_a_map(self) -> bool:
        """Whether the features are two torsions, which make a map by themselves."""
        return len(self.labels) == 2 and bool(self.periodic.all())

    def flat(self, values: Floats) -> Features:
        """Return features without a seam: cosine and sine in place of each torsion."""
        torsions = torsion_features(values[:, self.periodic])
        labels = np.array(self.labels)
        names = [
            *labels[~self.periodic],
            *(f"{f} {k}" for f in ("cos", "sin") for k in labels[self.periodic]),
        ]
        return Features((np.concatenate([values[:, ~self.periodic], torsions], axis=1),), tuple(names))


def resolve_features(asked: str, trajectory: Trajectory) -> FeatureSet:
    """Return the features that a word or a file stands for.

    Parameters
    ----------
    asked : str
        ``"phi-psi"``, ``"ca-distances"``, or a file (see :func:`read_features`).
    trajectory : Trajectory
        With the names of the atoms.

    Raises
    ------
    TopologyError
        The system has no such torsions or atoms.
    ConfigError
        Neither a known word nor a file.
    """
    if asked == "phi-psi":
        return _feature_set(asked, *_listed(*backbone_quads(trajectory)))
    if asked == "ca-distances":
        return _feature_set(asked, *_listed(*CaDistances().pairs(trajectory)))
    if Path(asked).is_file():
        return read_features(asked, trajectory)
    raise ConfigError(f"'{asked}' is neither phi-psi, ca-distances nor a file of features")


def read_features(path: str | Path, trajectory: Trajectory) -> FeatureSet:
    """Read features from a text file: on each line the numbers of two, three or four atoms, counted from 1.

    Two atoms are a distance, three an angle, four a torsion; what follows a ``#`` is the feature's name.

    Parameters
    ----------
    path : path
        The file.
    trajectory : Trajectory
        With the names of the atoms.

    Raises
    ------
    FileFormatError
        A line is none of these, or there is no line; file and line are named.
    """
    rows, labels = [], []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        text, _, comment = line.partition("#")
        words = text.split()
        if not words:
            continue
        if len(words) not in _KINDS or not all(word.isdigit() for word in words):
            raise FileFormatError(path, "expected the numbers of two, three or four atoms", number)
        atoms = tuple(int(word) - 1 for word in words)
        if min(atoms) < 0 or max(atoms) >= trajectory.n_atoms or len(set(atoms)) < len(atoms):
            raise FileFormatError(path, f"atoms go from 1 to {trajectory.n_atoms}, each once", number)
        rows.append(atoms)
        labels.append(comment.strip() or "-".join(str(trajectory.names[atom]) for atom in atoms))
    if not rows:
        raise FileFormatError(path, "there is no feature in it")
    return _feature_set(Path(path).name, rows, labels)


def _feature_set(name: str, rows: list[tuple[int, ...]], labels: list[str]) -> FeatureSet:
    table = [(_KINDS[len(row)], np.array([row])) for row in rows]
    widths = {len(row) for row in rows}

    def values(positions: Floats) -> NDArray[np.float64]:
        if len(widths) == 1:
            return term_values(positions, table[0][0], np.concatenate([atoms for _, atoms in table]))
        return np.concatenate([term_values(positions, kind, atoms) for kind, atoms in table], axis=1)

    return FeatureSet(name, tuple(labels), values, np.array([len(row) == 4 for row in rows]))


def _listed(rows: NDArray[np.int64], labels: tuple[str, ...]) -> tuple[list[tuple[int, ...]], list[str]]:
    return [tuple(row) for row in rows.tolist()], list(labels)
