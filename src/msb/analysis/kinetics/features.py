"""What slow processes are looked for in: torsions, distances, or any function of a trajectory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.timescales import torsion_features
from msb.errors import ConfigError, TopologyError, TrajectoryError
from msb.units import NM_PER_ANGSTROM

__all__ = [
    "BackboneTorsions",
    "CaDistances",
    "FeatureFunction",
    "Features",
    "backbone_quads",
    "feature_function",
    "featurise",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
FeatureFunction = Callable[[Any], ArrayLike]


@dataclass(frozen=True)
class Features:
    """Features of one or several trajectories of the same molecule.

    Attributes
    ----------
    runs : tuple of ndarray (F_i, D)
        One per trajectory.
    names : tuple of str (D,)

    Raises
    ------
    TrajectoryError
        If there are none, the numbers of features differ, or one is not finite (it is named).
    """

    runs: tuple[FloatArray, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.runs:
            raise TrajectoryError("there are no trajectories to take features from")
        for number, run in enumerate(self.runs):
            if run.ndim != 2 or run.shape[1] != len(self.names) or len(run) == 0:
                raise TrajectoryError(
                    f"the features of trajectory {number} must have shape (frames, {len(self.names)}), got "
                    f"{run.shape}"
                )
            bad = ~np.isfinite(run)
            if bad.any():
                which = [self.names[k] for k in np.flatnonzero(bad.any(0))]
                raise TrajectoryError(
                    f"trajectory {number}: {len(which)} features are not finite in {int(bad.any(1).sum())} "
                    f"frames, the first in frame {int(bad.any(1).argmax())}: {', '.join(which[:10])}"
                    f"{', …' if len(which) > 10 else ''}; leave these out or repair the frames"
                )

    @property
    def joined(self) -> FloatArray:
        """All frames (F, D), one trajectory after the other."""
        return np.concatenate(self.runs)


@dataclass(frozen=True)
class _Atoms:
    names: Sequence[str]
    resnames: Sequence[str]
    resids: Sequence[int]
    residue: IntArray
    chains: Sequence[str]


@dataclass(frozen=True)
class BackboneTorsions:
    """Phi and psi of every residue that has them; ``phi`` first, along the chain.

    Parameters
    ----------
    kind : {"sincos", "angles"}
        Cosines and sines (a torsion and the same a turn later are one point), or radians.
    """

    kind: Literal["sincos", "angles"] = "sincos"

    def names(self, source: Any) -> tuple[str, ...]:
        """Names of the features of a trajectory."""
        _, labels = backbone_quads(source)
        if self.kind == "angles":
            return labels
        return tuple(f"{f} {label}" for f in ("cos", "sin") for label in labels)

    def __call__(self, source: Any) -> FloatArray:
        """Features (F, D) of a Universe, an mdtraj or an msb trajectory."""
        quads, _ = backbone_quads(source)
        angles = _collect(source, lambda x: _dihedrals(x, quads))
        return angles if self.kind == "angles" else torsion_features(angles)


@dataclass(frozen=True)
class CaDistances:
    """Distances (nm) between all pairs of alpha carbons at least `apart` residues from each other.

    Parameters
    ----------
    apart : int
        1: all pairs, 45 for ten residues.
    """

    apart: int = 1

    def pairs(self, source: Any) -> tuple[IntArray, tuple[str, ...]]:
        """Atom pairs (P, 2) and their names."""
        atoms = _atoms(source)
        found = [k for k, name in enumerate(atoms.names) if name == "CA" and atoms.resnames[k] not in ("CA",)]
        if len(found) < 2:
            raise TopologyError(f"distances need at least two atoms named CA, there are {len(found)}")
        pairs = [(a, b) for n, a in enumerate(found) for b in found[n + self.apart :]]
        if not pairs:
            raise ConfigError(f"no two of the {len(found)} alpha carbons are {self.apart} residues apart")
        labels = tuple(f"CA {atoms.resids[a]}-{atoms.resids[b]}" for a, b in pairs)
        return np.array(pairs, dtype=np.int64), labels

    def names(self, source: Any) -> tuple[str, ...]:
        """Names of the features of a trajectory."""
        return self.pairs(source)[1]

    def __call__(self, source: Any) -> FloatArray:
        """Features (F, P) of a Universe, an mdtraj or an msb trajectory; molecules must be whole."""
        pairs, _ = self.pairs(source)
        return _collect(source, lambda x: np.linalg.norm(x[:, pairs[:, 0]] - x[:, pairs[:, 1]], axis=-1))


def feature_function(features: str | FeatureFunction | None) -> FeatureFunction | None:
    """Resolve a name: ``"phi-psi"``, ``"phi-psi-angles"`` or ``"ca-distances"``; a function stays itself.

    Raises
    ------
    ConfigError
        If the name is unknown.
    """
    if not isinstance(features, str):
        return features
    known: dict[str, FeatureFunction] = {
        "phi-psi": BackboneTorsions(),
        "phi-psi-angles": BackboneTorsions("angles"),
        "ca-distances": CaDistances(),
    }
    if features not in known:
        raise ConfigError(f"`features` must be one of {', '.join(known)} or a function, got {features!r}")
    return known[features]


def featurise(source: Any, features: str | FeatureFunction | None = None) -> Features:
    """Features of one trajectory or a list of them.

    Parameters
    ----------
    source : Features, array_like (F, D), Universe, trajectory, or a list of these
        Arrays are taken as features already where `features` is None.
    features : str or callable, optional
        From one trajectory to (F, D); a name as in :func:`feature_function`.  A function may have a method
        ``names(source)`` or an attribute ``names``.

    Returns
    -------
    Features

    Raises
    ------
    TrajectoryError
        If a feature is not finite (it is named) or the numbers of features differ.
    ConfigError
        If something that is no array comes without a feature function.
    """
    if isinstance(source, Features):
        return source
    function = feature_function(features)
    sources = list(source) if isinstance(source, list | tuple) else [source]
    if not sources:
        raise TrajectoryError("there are no trajectories to take features from")
    if function is None and not all(isinstance(item, np.ndarray) for item in sources):
        raise ConfigError(
            f"a {type(sources[0]).__name__} needs a feature function: pass features='phi-psi' or a function"
        )
    arrays = [np.asarray(item if function is None else function(item), dtype=np.float64) for item in sources]
    runs = tuple(run[:, None] if run.ndim == 1 else run for run in arrays)
    return Features(runs, _names(function, sources[0], runs[0]))


def backbone_quads(source: Any) -> tuple[IntArray, tuple[str, ...]]:
    """Atoms of phi (C-N-CA-C) and psi (N-CA-C-N), found by atom names; caps count as neighbours.

    Parameters
    ----------
    source : Universe, AtomGroup, mdtraj or msb trajectory

    Returns
    -------
    quads : ndarray (D, 4)
        All phi, then all psi.
    names : tuple of str (D,)
        ``"phi ALA 2"``.

    Raises
    ------
    TopologyError
        If there is none.
    """
    atoms = _atoms(source)
    by_residue: list[dict[str, int]] = [{} for _ in range(int(atoms.residue.max()) + 1)]
    for index, (name, residue) in enumerate(zip(atoms.names, atoms.residue, strict=True)):
        by_residue[residue].setdefault(str(name), index)
    phi, psi = [], []
    for number, own in enumerate(by_residue):
        if not {"N", "CA", "C"} <= own.keys():
            continue
        label = f"{atoms.resnames[own['CA']]} {atoms.resids[own['CA']]}"
        chain = atoms.chains[own["CA"]]
        before = by_residue[number - 1].get("C") if number else None
        after = by_residue[number + 1].get("N") if number + 1 < len(by_residue) else None
        if before is not None and atoms.chains[before] == chain:
            phi.append(((before, own["N"], own["CA"], own["C"]), f"phi {label}"))
        if after is not None and atoms.chains[after] == chain:
            psi.append(((own["N"], own["CA"], own["C"], after), f"psi {label}"))
    if not phi and not psi:
        raise TopologyError("there are no backbone torsions: no residue has N, CA and C beside a neighbour")
    return np.array([q for q, _ in phi + psi], dtype=np.int64), tuple(n for _, n in phi + psi)


def _names(function: FeatureFunction | None, source: Any, run: FloatArray) -> tuple[str, ...]:
    names = getattr(function, "names", None)
    if callable(names):
        names = names(source)
    return tuple(f"feature {k}" for k in range(run.shape[-1])) if names is None else tuple(names)


def _atoms(source: Any) -> _Atoms:
    if hasattr(source, "atoms") and hasattr(source.atoms, "resindices"):  # MDAnalysis
        atoms = source.atoms
        chains = [str(s) for s in atoms.segids]
        residue = np.unique(atoms.resindices, return_inverse=True)[1]
        return _Atoms(atoms.names, atoms.resnames, atoms.resids, residue, chains)
    if hasattr(source, "topology") and hasattr(source, "xyz"):  # mdtraj
        listed = list(source.topology.atoms)
        return _Atoms(
            [a.name for a in listed],
            [a.residue.name for a in listed],
            [a.residue.resSeq for a in listed],
            np.array([a.residue.index for a in listed]),
            [str(a.residue.chain.index) for a in listed],
        )
    if hasattr(source, "atoms") and hasattr(source.atoms, "residue"):  # msb.io
        table = source.atoms
        return _Atoms(table.names, table.resnames, table.resids, table.residue, table.chains)
    raise ConfigError(f"features cannot be read from a {type(source).__name__}: give a trajectory with names")


def _chunks(source: Any, chunk: int = 4096) -> Iterator[FloatArray]:
    """Positions (f, N, 3) in nm, a bounded number of frames at a time."""
    if hasattr(source, "xyz"):
        for first in range(0, len(source.xyz), chunk):
            yield np.asarray(source.xyz[first : first + chunk], dtype=np.float64)
    elif hasattr(source, "iter"):
        for frames in source.iter(chunk):
            yield frames.positions.astype(np.float64)
    else:
        held: list[NDArray[np.floating]] = []
        for _ in source.universe.trajectory:
            held.append(source.atoms.positions.copy())
            if len(held) == chunk:
                yield np.stack(held).astype(np.float64) * NM_PER_ANGSTROM
                held.clear()
        if held:
            yield np.stack(held).astype(np.float64) * NM_PER_ANGSTROM


def _collect(source: Any, function: Callable[[FloatArray], FloatArray]) -> FloatArray:
    parts = [function(positions) for positions in _chunks(source)]
    if not parts:
        raise TrajectoryError("the trajectory has no frames")
    return np.concatenate(parts)


def _dihedrals(positions: FloatArray, quads: IntArray) -> FloatArray:
    import torch

    from msb.core.geometry import dihedrals

    angles = np.asarray(dihedrals(torch.from_numpy(positions), quads).numpy())
    finite = np.asarray(np.isfinite(positions).all(-1))
    angles[~finite[:, quads].all(-1)] = np.nan  # there the geometry says 0
    return angles
