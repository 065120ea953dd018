"""Random numbers from a counter: the same for a given (seed, frame, sweep, atom), whatever the batch.

A generator with a state hands out numbers in the order they are asked for, so the result of a run would
depend on batch size, chunking and worker count.  Here every number is a function of its address alone:
the Philox4x32-10 block cipher with the seed as key and (atom, sweep, frame) as counter.  One block yields
four words, shared by four consecutive atoms (or latent dimensions).  Uniform and normal numbers at one
address come from different blocks and are independent of each other.

References
----------
J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC11 (2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["child_seed", "normal", "normal_block", "philox4x32", "uniform", "uniform_block"]

_ROUNDS = 10
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_UNIFORM, _NORMAL, _CHILD = (np.uint64(kind << 30) for kind in range(3))  # top bits of the first counter
_BELOW_ONE = np.float32(1.0 - 2.0**-24)  # the largest float32 below 1

_Words = NDArray[np.uint64]


def philox4x32(counter: ArrayLike, key: ArrayLike) -> NDArray[np.uint32]:
    """Philox4x32-10 blocks.

    Parameters
    ----------
    counter : int array (..., 4)
        Words below 2**32.
    key : int array (..., 2)
        Words below 2**32; leading axes broadcast against those of `counter`.

    Returns
    -------
    uint32 array (..., 4)
    """
    c, k = np.asarray(counter, dtype=np.uint64), np.asarray(key, dtype=np.uint64)
    words = _philox((c[..., 0], c[..., 1], c[..., 2], c[..., 3]), (k[..., 0], k[..., 1]))
    return np.stack(np.broadcast_arrays(*words), axis=-1).astype(np.uint32)


def uniform(
    seed: ArrayLike, frame: ArrayLike, sweep: ArrayLike, atom: ArrayLike, dtype: DTypeLike = np.float64
) -> NDArray[Any]:
    """Draw uniform numbers in the open interval (0, 1), one per address.

    Parameters
    ----------
    seed, frame, sweep, atom : int or int array
        Broadcast against each other.  Seed and frame count modulo 2**64, sweep modulo 2**32; `atom` (or a
        latent's dimension) lies in [0, 2**32).
    dtype : numpy dtype
        float64 (default; 32 random bits) or float32 (the float64 number rounded, kept below 1).

    Returns
    -------
    float array, the broadcast shape

    Raises
    ------
    ValueError
        If an argument is not an integer or an atom is out of range.
    """
    blocks, lane = _lanes(atom)
    words = _words(seed, frame, sweep, blocks, _UNIFORM)
    return _below_one(_open_interval(_select(words, lane)), dtype)


def normal(
    seed: ArrayLike, frame: ArrayLike, sweep: ArrayLike, atom: ArrayLike, dtype: DTypeLike = np.float64
) -> NDArray[Any]:
    r"""Draw standard normal numbers, one per address, by the Box-Muller transform.

    Atoms 2k and 2k+1 share two uniforms u, v: :math:`\sqrt{-2 \ln u} \cos 2\pi v` and the sine.

    Parameters
    ----------
    seed, frame, sweep, atom : int or int array
        As in :func:`uniform`.
    dtype : numpy dtype
        float64 (default) or float32.

    Returns
    -------
    float array, the broadcast shape

    Raises
    ------
    ValueError
        If an argument is not an integer or an atom is out of range.
    """
    blocks, lane = _lanes(atom)
    words = _words(seed, frame, sweep, blocks, _NORMAL)
    pair = lane & ~1
    cosine, sine = _box_muller(_select(words, pair), _select(words, pair + 1))
    return np.asarray(np.where(lane % 2 == 0, cosine, sine), dtype=dtype, order="C")


def uniform_block(
    seed: int, frames: ArrayLike, n: int, sweep: int = 0, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Draw uniform numbers for atoms 0 to n-1 of each frame; equal to :func:`uniform`, four times cheaper.

    Parameters
    ----------
    seed : int
    frames : int array (...,)
        Absolute frame numbers.
    n : int
        Numbers per frame.
    sweep : int
    dtype : numpy dtype

    Returns
    -------
    float array (..., n)
    """
    words = _block_words(seed, frames, n, sweep, _UNIFORM)
    numbers = _open_interval(np.stack(words, axis=-1))
    return _below_one(numbers.reshape(*numbers.shape[:-2], -1)[..., :n], dtype)


def normal_block(
    seed: int, frames: ArrayLike, n: int, sweep: int = 0, dtype: DTypeLike = np.float32
) -> NDArray[Any]:
    """Draw standard normal numbers for atoms 0 to n-1 of each frame; equal to :func:`normal`, cheaper.

    Parameters
    ----------
    seed : int
    frames : int array (...,)
        Absolute frame numbers.
    n : int
        Numbers per frame.
    sweep : int
    dtype : numpy dtype

    Returns
    -------
    float array (..., n)
    """
    w0, w1, w2, w3 = _block_words(seed, frames, n, sweep, _NORMAL)
    numbers = np.stack((*_box_muller(w0, w1), *_box_muller(w2, w3)), axis=-1)
    return np.asarray(numbers.reshape(*numbers.shape[:-2], -1)[..., :n], dtype=dtype, order="C")


def child_seed(seed: int, label: int) -> int:
    """Derive an independent seed for a sample, molecule or worker numbered `label`, below 2**63.

    ``seed + label`` would make sample 1 of seed 0 the same as sample 0 of seed 1.

    Parameters
    ----------
    seed, label : int

    Returns
    -------
    int
    """
    low, high, _, _ = _words(seed, label, 0, np.zeros((), dtype=np.int64), _CHILD)
    return (int(high) << 32 | int(low)) & (2**63 - 1)


def _philox(counter: tuple[_Words, _Words, _Words, _Words], key: tuple[_Words, _Words]) -> tuple[_Words, ...]:
    """Ten rounds on words held in uint64."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


def _words(
    seed: ArrayLike, frame: ArrayLike, sweep: ArrayLike, block: NDArray[np.int64], kind: np.uint64
) -> tuple[_Words, ...]:
    """Four words of the block at each address."""
    seeds, frames, sweeps = (
        _integers(value, name) for value, name in ((seed, "seed"), (frame, "frame"), (sweep, "sweep"))
    )
    first = block.astype(np.uint64) | kind
    counter = (first, sweeps & _LOW, frames & _LOW, frames >> _HALF)
    return _philox(counter, (seeds & _LOW, seeds >> _HALF))


def _block_words(seed: int, frames: ArrayLike, n: int, sweep: int, kind: np.uint64) -> tuple[_Words, ...]:
    """Words of the blocks that hold atoms 0 to n-1, each (..., ceil(n / 4))."""
    if n < 0:
        raise ValueError(f"`n` must not be negative, got {n}")
    return _words(seed, _integers(frames, "frames")[..., None], sweep, np.arange(-(-n // 4)), kind)


def _lanes(atom: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Block number and word within the block of each atom."""
    atoms = np.asarray(atom)
    if atoms.dtype.kind not in "iu" or (atoms.size and not 0 <= atoms.min() <= atoms.max() < 2**32):
        raise ValueError("`atom` must hold integers in [0, 2**32)")
    atoms = atoms.astype(np.int64)
    return atoms // 4, atoms % 4


def _integers(value: ArrayLike, name: str) -> _Words:
    """Integers modulo 2**64."""
    if isinstance(value, int):
        return np.asarray(value % 2**64, dtype=np.uint64)
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise ValueError(f"`{name}` must hold integers, got dtype {array.dtype}")
    return array.astype(np.uint64)


def _select(words: tuple[_Words, ...], lane: NDArray[np.int64]) -> _Words:
    """Pick the word numbered `lane` at each address."""
    stacked = np.stack(np.broadcast_arrays(*words, lane.astype(np.uint64))[:4], axis=0)
    index = np.broadcast_to(lane, stacked.shape[1:])[None]
    picked: _Words = np.take_along_axis(stacked, index, axis=0)[0]
    return picked


def _open_interval(words: _Words) -> NDArray[np.float64]:
    """Map 32-bit words to (0, 1), symmetric about one half."""
    return (words.astype(np.float64) + 0.5) * 2.0**-32


def _box_muller(u: _Words, v: _Words) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two independent normal numbers from two words."""
    radius = np.sqrt(-2.0 * np.log(_open_interval(u)))
    angle = 2.0 * np.pi * _open_interval(v)
    return radius * np.cos(angle), radius * np.sin(angle)


def _below_one(numbers: NDArray[np.float64], dtype: DTypeLike) -> NDArray[Any]:
    """Round to the asked-for dtype; float32 must not reach 1."""
    rounded = np.asarray(numbers, dtype=dtype, order="C")
    return np.asarray(np.minimum(rounded, _BELOW_ONE)) if rounded.dtype == np.float32 else rounded
