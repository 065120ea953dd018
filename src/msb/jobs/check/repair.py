"""Repair what a check found, and nothing else: the atoms around a defect are drawn anew or relaxed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from msb.backmapper import Backmapper
from msb.core.box import minimum_image
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.energy.local import LocalRelaxer
from msb.errors import ConfigError
from msb.jobs.check.repair_moves import bonded, prepared
from msb.jobs.check.repair_regions import Region, regions_of
from msb.quality import Checker, Finding

__all__ = ["RepairSettings", "Repaired", "repair"]

Floats = NDArray[np.float32]

_GRAVITY = {"nan": 200.0, "broken": 50.0, "piercing": 30.0, "hand": 20.0, "cis": 20.0, "clash": 4.0}
_STAGES = (0.5, 0.7, 0.85, 1.0)  # scales of the spheres, so that atoms pass out of each other


@dataclass(frozen=True)
class RepairSettings:
    """How hard to try.

    Attributes
    ----------
    tries : int
        Draws, or relaxations from different starts; later ones free more neighbours.
    seed : int
        Of the model's noise and of the kicks.
    temperature : float or None
        K, of the model's draw; its training temperature by default.
    max_steps : int
        Of each stage of a relaxation.
    """

    tries: int = 6
    seed: int = 0
    temperature: float | None = None
    max_steps: int = 150


@dataclass(frozen=True)
class Repaired:
    """A frame after its repair.

    Attributes
    ----------
    positions : float array (N, 3)
        nm; every atom that is not in `moved` is bit for bit where it was.
    moved : bool array (N,)
        Atoms that were placed anew.
    before : tuple of Finding
        What was found in the input.
    remaining : tuple of Finding
        What is found now; never graver than before.
    tries : int
        Tries that were made.
    """

    positions: Floats
    moved: NDArray[np.bool_]
    before: tuple[Finding, ...]
    remaining: tuple[Finding, ...]
    tries: int

    @property
    def succeeded(self) -> bool:
        """Whether nothing is left to find."""
        return not self.remaining


def repair(
    positions: NDArray[Any],
    findings: Sequence[Finding] | None,
    checker: Checker,
    *,
    beads: NDArray[Any] | None = None,
    box: NDArray[Any] | None = None,
    mapping: Mapping | None = None,
    model: Backmapper | None = None,
    later: Backmapper | None = None,
    relaxer: LocalRelaxer | None = None,
    frame: int = 0,
    settings: RepairSettings | None = None,
) -> Repaired:
    """Repair one frame.

    The atoms of the beads in which something was found, and of the beads bonded to these, are drawn anew from
    the model (`only`, `start`), or put right by hand where no model is given (inverted centres reflected,
    speared rings pulled off), and then relaxed in the field of all others where there is a relaxer.  A try is
    kept, defect by defect, where it leaves less to find.

    Parameters
    ----------
    positions : float array (N, 3)
        nm; molecules may straddle the box.
    findings : sequence of Finding, or None
        What the checker found in this frame; None looks for it.
    checker : Checker
        Judges every try.
    beads : float array (M, 3), optional
        nm; needed by a model.
    box : float array (3, 3), optional
        Row vectors, nm.
    mapping : Mapping, optional
        Says which atoms belong to which bead; without it, atoms within four bonds count as neighbours.
    model : Backmapper, optional
        Of the whole system, all methods alike.
    later : Backmapper, optional
        For all tries but the first, where the model itself gives the same whatever the seed.
    relaxer : LocalRelaxer, optional
        Of the whole system.
    frame : int
        Absolute number of the frame, the key of the model's noise.
    settings : RepairSettings, optional
        How hard to try.

    Returns
    -------
    Repaired

    Raises
    ------
    ConfigError
        There is neither a model nor a relaxer, or a model without beads.
    """
    if model is None and relaxer is None:
        raise ConfigError("a repair needs something to repair with: a model (-m) or a force field (--top)")
    if model is not None and beads is None:
        raise ConfigError("a repair with a model needs the beads: give --cg CG.gro and --mapping")
    job = _Job(checker, beads, box, mapping, model, later, relaxer, frame, settings or RepairSettings())
    return job.run(np.asarray(positions, dtype=np.float32), findings)


@dataclass(frozen=True)
class _Job:
    """One frame's surroundings."""

    checker: Checker
    beads: NDArray[Any] | None
    box: NDArray[Any] | None
    mapping: Mapping | None
    model: Backmapper | None
    later: Backmapper | None
    relaxer: LocalRelaxer | None
    frame: int
    settings: RepairSettings

    def run(self, positions: Floats, findings: Sequence[Finding] | None) -> Repaired:
        """Try until nothing is left, or the tries are used up."""
        before = tuple(self.find(positions) if findings is None else findings)
        current, left, tries = positions.copy(), before, 0
        while left and tries < self.settings.tries:
            regions = regions_of(left, self.checker.topology, self.mapping, hops=1 + tries // 2)
            if not regions:
                break
            candidate = self.attempt(current, regions, tries)
            current, left = self.choose(current, left, candidate, regions)
            tries += 1
        moved = (current != positions).any(axis=1)
        return Repaired(current, moved, before, tuple(left), tries)

    def find(self, positions: Floats) -> tuple[Finding, ...]:
        """Check the frame."""
        boxes = None if self.box is None else np.asarray(self.box, dtype=np.float32)[None]
        beads = None if self.beads is None else np.asarray(self.beads, dtype=np.float32)[None]
        return tuple(self.checker.check(positions[None], boxes, beads, first=self.frame))

    def attempt(self, current: Floats, regions: Sequence[Region], number: int) -> Floats:
        """Place the atoms of all regions anew."""
        free = np.zeros(len(current), dtype=bool)
        for region in regions:
            free[region.atoms] = True
        seed = self.settings.seed + number
        start = finite(current, self.checker.topology, self.box)
        if self.model is not None:
            candidate = self.drawn(self.model if number == 0 else self.later or self.model, start, free, seed)
        else:
            candidate = prepared(start, regions, self.checker.topology, self.box, seed, number)
        if self.relaxer is not None:
            candidate = self.relaxer.minimise(
                candidate,
                free,
                box=self.box,
                beads=self.beads,
                stages=_STAGES,
                max_steps=self.settings.max_steps,
            )
        out = current.copy()
        out[free] = candidate[free].astype(np.float32)
        return out

    def drawn(self, model: Backmapper, start: Floats, free: NDArray[np.bool_], seed: int) -> Floats:
        """Draw the free atoms from the model, in the periodic images they were in."""
        atoms = model.backmap(
            np.asarray(cast(NDArray[Any], self.beads), dtype=np.float32)[None],
            start=start,
            only=free,
            temperature=self.settings.temperature,
            seed=seed,
            frames=np.array([self.frame], dtype=np.int64),
            boxes=None if self.box is None else np.asarray(self.box, dtype=np.float32)[None],
        )[0]
        steps = np.asarray(minimum_image(atoms - start, self.box))
        return np.where(free[:, None], start + steps, start).astype(np.float32)

    def choose(
        self, current: Floats, left: Sequence[Finding], candidate: Floats, regions: Sequence[Region]
    ) -> tuple[Floats, tuple[Finding, ...]]:
        """Take the candidate where it leaves less to find, region by region."""
        found = self.find(candidate)
        home = np.full(len(current), -1)
        for k, region in enumerate(regions):
            home[region.atoms] = k
        was, is_now = _burden(left, home, len(regions)), _burden(found, home, len(regions))
        better = np.flatnonzero(is_now < was)
        if not len(better):
            return current, tuple(left)
        mixed = np.isin(home, better)
        out = np.where(mixed[:, None], candidate, current)
        now = found if len(better) == len(regions) else self.find(out)
        return (out, now) if _total(now) < _total(left) else (current, tuple(left))


def finite(positions: Floats, topology: Topology, box: NDArray[Any] | None) -> Floats:
    """Put atoms without a position near their finite neighbours, so that something can be relaxed."""
    broken = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if not len(broken):
        return positions
    out = positions.copy()
    generator = np.random.default_rng(0)
    for _ in range(len(broken)):
        left = np.flatnonzero(~np.isfinite(out).all(axis=1))
        if not len(left):
            break
        for atom in left.tolist():
            template, first = bonded(topology, atom)
            near = first + np.array(template.neighbours[atom - first], dtype=np.int64)
            near = near[np.isfinite(out[near]).all(axis=1)]
            if len(near):
                out[atom] = out[near[0]] + 0.1 * _direction(generator)
    return out


def _direction(generator: np.random.Generator) -> Floats:
    vector = generator.standard_normal(3)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _burden(findings: Sequence[Finding], home: NDArray[np.int64], n_regions: int) -> NDArray[np.float64]:
    """How grave what is found in each region is; what touches several counts in each."""
    total = np.zeros(n_regions)
    for finding in findings:
        places = np.unique(home[list(finding.indices)])
        total[places[places >= 0]] += _GRAVITY.get(finding.kind, 1.0)
    return total


def _total(findings: Sequence[Finding]) -> float:
    return sum(_GRAVITY.get(finding.kind, 1.0) for finding in findings)
