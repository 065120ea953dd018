"""What a network for placing beads must offer, and the numbers that it draws from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from msb.core import noise
from msb.core.arrays import IntArray
from msb.core.scene import Phase, Scene
from msb.errors import ConfigError

__all__ = ["Candidates", "Draw", "Placer"]

_CANDIDATES, _ATOMS = 12, 24  # bits of a key; what is left of 64 are frames
_FRAMES = 64 - _CANDIDATES - _ATOMS


@dataclass(frozen=True, eq=False)
class Candidates:
    """Where the atoms of beads may go.

    Attributes
    ----------
    atoms : Tensor (B, A), int64
        Atoms of the system, -1 filling up.
    positions : Tensor (B, K, A, 3)
        nm, absolute, beside the bead.
    log_density : Tensor (B, K) or None
        Logarithm of the density (per nm^3 and atom) from which the placer drew each candidate, up to a
        constant for each bead; None where the placer knows none.
    """

    atoms: Tensor
    positions: Tensor
    log_density: Tensor | None = None


class Placer(Protocol):
    """A network, or anything else, that places the atoms of beads."""

    @property
    def reach(self) -> float:
        """Distance of beads, nm, from which on they cannot see each other."""

    def phases(self, sweeps: int) -> list[Phase]:
        """Passes over all beads: first those that place, then `sweeps` times those that place again."""

    def place(
        self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor, draw: Draw, candidates: int
    ) -> Candidates:
        """Propose positions for the atoms of beads.

        A bead's candidates are a function of what it sees in the scene and of its own noise, never of the
        other rows; in Gibbs phases they do not depend on where its atoms are.

        Parameters
        ----------
        scene : Scene
            Only read.
        phase : Phase
        frame, bead : Tensor (B,)
            Frames of the scene and beads of the system.
        draw : Draw
        candidates : int
            How many for each bead.
        """

    def log_density(self, scene: Scene, phase: Phase, frame: Tensor, bead: Tensor) -> Tensor | None:
        """Density (B,) with which the atoms would have been drawn where they are; None where unknown."""


@dataclass(frozen=True, eq=False)
class Draw:
    """Noise by address: functions of seed, absolute frame number, phase, atom, candidate and slot alone.

    Attributes
    ----------
    seed : int
    numbers : int array (F,)
        Absolute numbers of the scene's frames, in [0, 2**28).
    phase : int
        Number of the phase.
    first : int
        What candidates are counted from: new ones for the same beads have a larger one.
    dtype : torch.dtype
    """

    seed: int
    numbers: IntArray
    phase: int
    first: int = 0
    dtype: torch.dtype = field(default=torch.float32)

    def __post_init__(self) -> None:
        if len(self.numbers) and not 0 <= self.numbers.min() <= self.numbers.max() < 2**_FRAMES:
            raise ConfigError(f"frame numbers must lie in [0, {2**_FRAMES}): they are the keys of the noise")

    def later(self, first: int) -> Draw:
        """The same with candidates counted from another number."""
        return replace(self, first=first)

    def normal(self, frame: Tensor, atom: Tensor, k: int, slot: int = 0) -> Tensor:
        """Draw standard normal numbers.

        Parameters
        ----------
        frame : Tensor (B,)
            Frames of the scene.
        atom : Tensor (B,) or (B, A)
            Atoms of the system, below 2**24; what fills up (-1) gets numbers without meaning.
        k : int
            How many candidates.
        slot : int
            Tells apart what one placement of one atom needs.

        Returns
        -------
        Tensor (B, k) or (B, k, A)
        """
        return self._tensor(noise.normal(self.seed, self._keys(frame, atom, k), self.phase, slot))

    def uniform(self, frame: Tensor, atom: Tensor, k: int, slot: int = 0) -> Tensor:
        """Draw uniform numbers in (0, 1); parameters and shapes as those of :meth:`normal`."""
        numbers = noise.uniform(
            self.seed, self._keys(frame, atom, k), self.phase, slot, dtype=self._numpy_dtype
        )
        return torch.from_numpy(numbers)

    def normals(self, frame: Tensor, atom: Tensor, k: int, n: int) -> Tensor:
        """Draw :meth:`normal` for slots 0 to n-1, (B, k, n) or (B, k, A, n); far cheaper than one by one."""
        keys = self._keys(frame, atom, k)
        return self._tensor(noise.normal_block(self.seed, keys, n, self.phase, dtype=self._numpy_dtype))

    def uniforms(self, frame: Tensor, atom: Tensor, k: int, n: int) -> Tensor:
        """Draw :meth:`uniform` for slots 0 to n-1, (B, k, n) or (B, k, A, n); far cheaper than one by one."""
        keys = self._keys(frame, atom, k)
        return self._tensor(noise.uniform_block(self.seed, keys, n, self.phase, dtype=self._numpy_dtype))

    def _keys(self, frame: Tensor, atom: Tensor, k: int) -> NDArray[np.uint64]:
        """One number for frame, atom and candidate, (B, k) or (B, k, A)."""
        atoms = _integers(np.maximum(np.asarray(atom), 0), _ATOMS, "atoms")
        candidates = _integers(np.arange(self.first, self.first + k), _CANDIDATES, "candidates")
        rest = (1,) * (atoms.ndim - 1)
        keys = self.numbers[np.asarray(frame)].astype(np.uint64).reshape(-1, *rest)
        keys = ((keys << np.uint64(_ATOMS)) | atoms)[:, None] << np.uint64(_CANDIDATES)
        return np.asarray(keys | candidates.reshape(-1, *rest), dtype=np.uint64)

    @property
    def _numpy_dtype(self) -> Any:
        return np.float64 if self.dtype == torch.float64 else np.float32

    def _tensor(self, numbers: NDArray[Any]) -> Tensor:
        return torch.from_numpy(numbers).to(self.dtype)


def _integers(values: ArrayLike, bits: int, what: str) -> NDArray[np.uint64]:
    array = np.asarray(values)
    if array.size and not 0 <= array.min() <= array.max() < 2**bits:
        raise ConfigError(f"the noise has keys for {what} in [0, {2**bits}), not for {array.max()}")
    return array.astype(np.uint64)
