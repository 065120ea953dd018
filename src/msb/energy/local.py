"""Relaxation of a few atoms of a large system: all the others stay exactly where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from msb.energy.contexts import make_context, snapshot
from msb.energy.restraints import RestrainedSystem
from msb.errors import EnergyError

__all__ = ["LocalRelaxer"]

_HOLD = 1e6  # kJ/mol/nm^2, of the springs on the beads
_ROUGH = 1e5  # kJ/mol/nm; above, L-BFGS would make leaps
_LEAP = 0.01  # nm, the farthest an atom goes in one step of the capped descent
_SOFT_STEPS = 40  # of a stage with shrunken spheres
_CAPPED = 40  # steps of the capped descent in each stage
_TOLERANCE = 10.0  # kJ/mol/nm

Floats = NDArray[np.float64]


class LocalRelaxer:
    """Minimises the energy of some atoms in the field of all the others.

    Parameters
    ----------
    system : openmm.System
        Not changed.
    weights : sparse matrix (M, N), optional
        Beads = weights @ atoms; with it, beads can be held.
    platform : str, optional
        Of OpenMM; default: Reference for less than 200 atoms, CPU else.

    Raises
    ------
    EnergyError
        The weights do not fit the System.
    """

    def __init__(self, system: Any, weights: Any = None, platform: str | None = None) -> None:
        from scipy import sparse

        self._holds = weights is not None
        n_atoms = system.getNumParticles()
        none = sparse.csr_matrix((0, n_atoms))
        self._prepared = RestrainedSystem(system, none if weights is None else weights)
        self._platform = platform
        self._contexts: dict[float, Any] = {}

    def minimise(
        self,
        positions: ArrayLike,
        free: NDArray[np.bool_],
        *,
        box: ArrayLike | None = None,
        beads: ArrayLike | None = None,
        stages: Sequence[float] = (1.0,),
        max_steps: int = 200,
    ) -> NDArray[Any]:
        """Move the free atoms downhill.

        Parameters
        ----------
        positions : float array (N, 3)
            nm; molecules may straddle the box.
        free : bool array (N,)
            Atoms that may move.
        box : float array (3, 3), optional
            Row vectors, nm.
        beads : float array (M, 3), optional
            Where to hold the beads that free atoms have a part in, nm; any image.
        stages : sequence of float
            Scales of the Lennard-Jones spheres, the last one 1.
        max_steps : int
            Of the last stage; those before take 40 at most.

        Returns
        -------
        float array (N, 3)
            In the images and the dtype of the input; atoms that are not free are copied bit for bit.

        Raises
        ------
        EnergyError
            Shapes do not fit, or a coordinate of an atom that is not free is not finite.
        """
        given = np.asarray(positions)
        free = np.asarray(free, dtype=bool)
        self._check(given, free)
        cell = None if box is None else np.asarray(box, dtype=np.float64)
        start = self._prepared.whole(given.astype(np.float64), cell)
        held = None
        if beads is not None and self._holds:
            held = self._prepared.near(start, np.asarray(beads, dtype=np.float64), cell)
        current = start.copy()
        for factor in stages:
            steps = max_steps if factor == 1.0 else min(max_steps, _SOFT_STEPS)
            current = self._stage(self._context(factor, cell), current, free, held, steps)
        out = given.copy()
        out[free] = (current + (given - start))[free]
        return out

    def _check(self, positions: NDArray[Any], free: NDArray[np.bool_]) -> None:
        n_atoms = self._prepared.n_atoms
        if positions.shape != (n_atoms, 3) or free.shape != (n_atoms,):
            raise EnergyError(
                f"a local relaxation of {n_atoms} atoms needs positions ({n_atoms}, 3) and a mask "
                f"({n_atoms},): got {positions.shape} and {free.shape}"
            )
        if not np.isfinite(positions).all():
            atom = int(np.argmin(np.isfinite(positions).all(axis=1)))
            raise EnergyError(f"atom {atom + 1} has no finite position: nothing can be relaxed around it")

    def _context(self, factor: float, box: Floats | None) -> Any:
        from openmm.app.internal.unitcell import reducePeriodicBoxVectors
        from openmm.unit import nanometer

        if factor not in self._contexts:
            system = self._prepared.stiff(factor, all_bonds=True)
            self._contexts[factor] = make_context(system, None, box, self._platform)
        if box is not None:
            self._contexts[factor].setPeriodicBoxVectors(*reducePeriodicBoxVectors(box * nanometer))
        return self._contexts[factor]

    def _stage(
        self,
        context: Any,
        start: Floats,
        free: NDArray[np.bool_],
        held: Floats | None,
        max_steps: int,
    ) -> Floats:
        """Capped descent out of overlaps, then L-BFGS over the free atoms; the best finite state met."""
        landscape = _Landscape(context, start, free, self._prepared.weights, held)
        x = landscape.descend(start[free].ravel())
        if not np.isfinite(landscape.best_energy):
            return start
        optimize.minimize(
            landscape,
            x,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_steps, "maxfun": 2 * max_steps, "gtol": _TOLERANCE, "ftol": 1e-9},
        )
        out = start.copy()
        out[free] = landscape.best.reshape(-1, 3)
        return out


class _Landscape:
    """Energy over the free atoms, with the beads on springs; remembers the lowest point."""

    def __init__(
        self, context: Any, positions: Floats, free: NDArray[np.bool_], weights: Any, held: Floats | None
    ) -> None:
        self._context, self._all, self._free = context, positions.copy(), free
        self.best, self.best_energy = positions[free].ravel(), np.inf
        touched = np.flatnonzero(np.asarray((weights[:, free] != 0).sum(axis=1)).ravel())
        self._weights = weights[touched] if held is not None else None
        self._held = None if held is None else held[touched]

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        """Return energy and gradient; what is not finite is a wall."""
        if not np.isfinite(x).all():
            return 1e30, np.zeros_like(x)
        self._all[self._free] = x.reshape(-1, 3)
        state = snapshot(self._context, self._all)
        energy, forces = state.energy, state.forces[self._free]
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            return 1e30, np.zeros_like(x)
        if self._weights is not None:
            away = self._weights @ self._all - self._held
            energy += 0.5 * _HOLD * float((away**2).sum())
            forces = forces - _HOLD * (self._weights.T @ away)[self._free]
        if energy < self.best_energy:
            self.best, self.best_energy = x.copy(), energy
        return energy, -forces.ravel()

    def descend(self, x: Floats) -> Floats:
        """Move along the forces, none farther than a leap, until none is rough."""
        x = self._apart(x)
        energy, gradient = self(x)
        leap = _LEAP
        for _ in range(_CAPPED):
            sizes = np.linalg.norm(gradient.reshape(-1, 3), axis=1, keepdims=True)
            if sizes.max(initial=0.0) < _ROUGH or leap < 1e-6:
                break
            moves = -gradient.reshape(-1, 3) * (leap / np.maximum(sizes, _ROUGH))
            trial = x + moves.ravel()
            new_energy, new_gradient = self(trial)
            if new_energy < energy:
                x, energy, gradient, leap = trial, new_energy, new_gradient, min(1.2 * leap, _LEAP)
            else:
                leap *= 0.5
        return x

    def _apart(self, x: Floats) -> Floats:
        """Move free atoms that coincide with another, whose forces are not finite, by a leap each."""
        self._all[self._free] = x.reshape(-1, 3)
        forces = snapshot(self._context, self._all).forces[self._free]
        stuck = ~np.isfinite(forces).all(axis=1, keepdims=True)
        shifts = np.random.default_rng(0).standard_normal(forces.shape)
        shifts *= _LEAP / np.linalg.norm(shifts, axis=1, keepdims=True)
        return np.asarray((x.reshape(-1, 3) + np.where(stuck, shifts, 0.0)).ravel())
