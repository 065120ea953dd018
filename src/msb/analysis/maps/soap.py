"""SOAP descriptors of chosen centres, by DScribe (extra ``soap``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.errors import ConfigError, TopologyError, TrajectoryError

__all__ = ["SoapVectors", "soap_vectors"]

FloatArray = NDArray[np.float64]
ANGSTROM = 10.0  # DScribe counts in Å and refuses cutoffs below 1
HEAVIEST = 118


@dataclass(frozen=True)
class SoapVectors:
    """Descriptors of the surroundings of each centre in each frame.

    Attributes
    ----------
    values : ndarray (F, K, D)
        Unit vectors: their dot product is the similarity of two surroundings, 0 to 1.
    kinds : tuple of str
        Kinds of atoms told apart, in the order of the descriptor's channels.
    centres : ndarray (K,)
        Index of each centre among all atoms.
    """

    values: FloatArray
    kinds: tuple[str, ...]
    centres: NDArray[np.int64]


def soap_vectors(
    positions: ArrayLike,
    kinds: Sequence[str],
    centres: ArrayLike,
    boxes: ArrayLike | None = None,
    *,
    cutoff: float = 0.5,
    width: float = 0.05,
    n_max: int = 6,
    l_max: int = 4,
    ignore: Sequence[str] = ("H",),
) -> SoapVectors:
    r"""Smooth overlap of atomic positions around chosen atoms or beads.

    The neighbours within a cutoff become Gaussians, their density is expanded in radial functions and
    spherical harmonics, and the power spectrum of the coefficients is scaled to length one.  It does not
    change when the surroundings turn, move, or exchange atoms of one kind.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    kinds : sequence of str (N,)
        Which atoms are alike: elements, or bead types.  Only whether two are equal matters.
    centres : int array_like (K,)
        Indices of the atoms to describe, counted from 0; the same in every frame.
    boxes : array_like (F, 3, 3), optional
        nm, row vectors; neighbours are then looked for through the faces of the box.
    cutoff, width : float
        Radius of the surroundings and standard deviation of the Gaussians, nm.
    n_max, l_max : int
        Radial functions and highest degree of the harmonics.
    ignore : sequence of str
        Kinds that are left out, hydrogens as in the thesis.

    Returns
    -------
    SoapVectors

    Raises
    ------
    ConfigError
        If DScribe is not installed, or a number is out of range.
    TopologyError
        If kinds and positions differ in length, a centre does not exist, or every kind is ignored.
    TrajectoryError
        If positions are not finite, or there is nothing within the cutoff of a centre.

    References
    ----------
    Bartok, Kondor, Csanyi, Phys. Rev. B 87, 184115 (2013); Himanen et al., Comput. Phys. Commun. 247,
    106949 (2020).
    """
    _check_numbers(cutoff, width, n_max, l_max)
    frames, names, wanted, cells = _check_arrays(positions, kinds, centres, boxes)
    seen = tuple(sorted(set(names) - set(ignore)))
    if not seen or len(seen) > HEAVIEST:
        raise TopologyError(
            f"SOAP needs 1 to {HEAVIEST} kinds of atoms, got {len(seen)} after leaving out "
            f"{', '.join(ignore) or 'none'}: change `kinds` or `ignore`"
        )
    soap = _dscribe()(
        species=list(range(1, len(seen) + 1)),
        r_cut=ANGSTROM * cutoff,
        n_max=n_max,
        l_max=l_max,
        sigma=ANGSTROM * width,
        periodic=cells is not None,
    )
    atoms = import_module("ase").Atoms
    kept = np.flatnonzero([name in seen for name in names])
    numbers = [seen.index(names[i]) + 1 for i in kept]
    rows = []
    for f, frame in enumerate(frames):
        cell = {} if cells is None else {"cell": ANGSTROM * cells[f], "pbc": True}
        system = atoms(numbers=numbers, positions=ANGSTROM * frame[kept], **cell)
        rows.append(_unit(soap.create(system, centers=ANGSTROM * frame[wanted], n_jobs=1), f, wanted))
    return SoapVectors(np.stack(rows), seen, wanted)


def _unit(vectors: ArrayLike, frame: int, centres: NDArray[np.int64]) -> FloatArray:
    values = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    if (lengths == 0).any():
        lonely = int(centres[np.flatnonzero(lengths[:, 0] == 0)[0]])
        raise TrajectoryError(
            f"frame {frame} (counted from 0): nothing lies within the cutoff of atom {lonely}; raise `cutoff`"
        )
    return np.asarray(values / lengths)


def _dscribe() -> Any:
    try:
        return import_module("dscribe.descriptors").SOAP
    except ImportError as error:
        raise ConfigError(
            "SOAP descriptors need DScribe, which is not installed: pip install 'msb-suite[soap]'"
        ) from error


def _check_numbers(cutoff: float, width: float, n_max: int, l_max: int) -> None:
    if not cutoff > 0.1 or not width > 0:
        raise ConfigError(
            f"`cutoff` must be above 0.1 nm and `width` positive, got {cutoff:g} and {width:g} nm"
        )
    if n_max < 1 or not 0 <= l_max <= 20:
        raise ConfigError(f"`n_max` must be at least 1 and `l_max` 0 to 20, got {n_max} and {l_max}")


def _check_arrays(
    positions: ArrayLike, kinds: Sequence[str], centres: ArrayLike, boxes: ArrayLike | None
) -> tuple[FloatArray, list[str], NDArray[np.int64], FloatArray | None]:
    frames = np.asarray(positions, dtype=np.float64)
    if frames.ndim != 3 or frames.shape[-1] != 3 or not frames.size:
        raise TrajectoryError(f"positions must be (frames, atoms, 3), got {frames.shape}")
    broken = np.flatnonzero(~np.isfinite(frames).all((1, 2)))
    if broken.size:
        raise TrajectoryError(f"frame {broken[0]} (counted from 0) has positions that are not finite")
    if len(kinds) != frames.shape[1]:
        raise TopologyError(f"{len(kinds)} kinds for {frames.shape[1]} atoms: give one for each")
    names = [str(kind) for kind in kinds]  # numpy has strings of its own
    wanted = np.atleast_1d(np.asarray(centres, dtype=np.int64))
    if not wanted.size or wanted.min() < 0 or wanted.max() >= frames.shape[1]:
        raise TopologyError(
            f"the centres must be atoms 0 to {frames.shape[1] - 1}, got "
            + (f"{wanted.min()} to {wanted.max()}" if wanted.size else "none")
        )
    if boxes is None:
        return frames, names, wanted, None
    cells = np.asarray(boxes, dtype=np.float64)
    if cells.shape != (len(frames), 3, 3):
        raise TrajectoryError(f"boxes must be ({len(frames)}, 3, 3) for these frames, got {cells.shape}")
    return frames, names, wanted, cells
