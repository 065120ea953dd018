"""Everything that measures the frames of one system: forces on beads, quality, pair distances, the polish."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure import NonbondedPairs, PairGroups, RadialCounter
from msb.assess.forces import BeadForces
from msb.core.mapping import Mapping
from msb.energy.finisher import Finished, Finisher
from msb.energy.protocols import Finish
from msb.quality import Checker
from msb.quality.findings import KINDS

__all__ = ["Bench", "Measured", "radial_edges"]

_BIN = 0.005  # nm
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def radial_edges(reach: float) -> NDArray[np.float64]:
    """Edges of radial distributions up to so many nm."""
    return np.linspace(0.0, reach, max(1, round(reach / _BIN)) + 1)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was found in one frame.

    Attributes
    ----------
    bead_forces : float32 array (M, 3)
        kJ/mol/nm.
    atom_rms : float
        Root mean square of the forces on the atoms, kJ/mol/nm.
    findings : int array (K,)
        Number of findings of each of :data:`msb.quality.findings.KINDS`.
    pairs : int array (G, B)
        Non-bonded pairs by distance.
    inverse_volume : float
        1/nm^3; NaN without a box.
    seconds : dict of str to float
    """

    bead_forces: Floats
    atom_rms: float
    findings: Ints
    pairs: Ints
    inverse_volume: float
    seconds: dict[str, float]


@dataclass(eq=False)
class Bench:
    """Measures frames of one system; it can be pickled and sent to workers.

    Attributes
    ----------
    mapping : Mapping
    system : openmm.System
    forces : BeadForces
        Measured and fitted, so that all workers do the same.
    checker : Checker
    radial : float
        How far radial distributions go, nm; 0 for none.
    finish : Finish or None
        What the polish does.
    hands : int8 array (C,) or None
        Wanted signs of the stereocentres.
    """

    mapping: Mapping
    system: Any
    forces: BeadForces
    checker: Checker
    radial: float = 1.0
    finish: Finish | None = None
    hands: NDArray[np.int8] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is made when it is first needed."""
        return {name: value for name, value in vars(self).items() if name not in ("_finisher", "_counter")}

    @cached_property
    def _finisher(self) -> Finisher:
        return Finisher.of(self.system, self.mapping, self.finish, hands=self.hands, threads=1)

    @cached_property
    def _counter(self) -> RadialCounter:
        return self.counter(self.mapping, self.radial)

    @staticmethod
    def counter(mapping: Mapping, reach: float) -> RadialCounter:
        """What counts pairs of a system's elements up to so many nm."""
        topology = mapping.topology
        groups = PairGroups.by_type(topology.elements)
        return RadialCounter(groups, radial_edges(reach), NonbondedPairs(topology))

    def polish(self, positions: Floats, beads: Floats, box: Floats | None, seed: int) -> Finished:
        """Relax and polish one frame with its beads held.

        Parameters
        ----------
        positions : float32 array (N, 3)
            nm.
        beads : float32 array (M, 3)
            nm.
        box : float32 array (3, 3) or None
            nm.
        seed : int
        """
        return self._finisher.run(positions, beads, box, seed)

    def measure(self, positions: Floats, beads: Floats, box: Floats | None, number: int) -> Measured:
        """Measure one frame.

        Parameters
        ----------
        positions : float32 array (N, 3)
            nm, molecules whole.
        beads : float32 array (M, 3)
            Those that the atoms should have, nm.
        box : float32 array (3, 3) or None
            nm.
        number : int
            Of the frame.
        """
        seconds: dict[str, float] = {}
        boxes = None if box is None else box[None]
        with _timed(seconds, "forces"):
            pushed = self.forces(positions[None], boxes)
        with _timed(seconds, "quality"):
            found = self.checker.examine(positions[None], boxes, beads[None], number).findings
        kinds = [finding.kind for finding in found]
        pairs, inverse = np.zeros((0, 0), dtype=np.int64), float("nan")
        if self.radial:
            with _timed(seconds, "rdf"):
                counter = self._counter
                near = counter.pairs.find(positions, box, counter.cutoff)
                pairs = counter.groups.count(near, counter.edges)
                inverse = counter.inverse_volume(box)
        counts = np.array([kinds.count(kind) for kind in KINDS], dtype=np.int64)
        return Measured(pushed.bead_forces[0], float(pushed.atom_rms[0]), counts, pairs, inverse, seconds)


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[what] = seconds.get(what, 0.0) + time.perf_counter() - began
