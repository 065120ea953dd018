"""What an assessment has to do: which frames of which sets, and with what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msb.assess.bench import Bench
from msb.assess.forces import BeadForces
from msb.assess.frame_work import Job, Work
from msb.assess.record import Column
from msb.assess.sets import IN_DISTRIBUTION, REFERENCE, AssessOptions, CGSet, Frame, ReferenceSet
from msb.assess.store import Key, Store
from msb.backmapper import Backmapper
from msb.core.box import make_whole
from msb.energy.systems import system_to_xml
from msb.errors import ConfigError, MappingError
from msb.quality import Checker, Limits
from msb.quality import Reference as Shown

__all__ = ["Plan", "Step", "whole"]

_FITTED = 20  # frames of the reference that a noise-optimal map is fitted to
_SHOWN = 4  # frames of the reference that tell the check its geometry
_SMALL = 200  # atoms below which the reference does not tell whether single precision will do


class Step(NamedTuple):
    """A frame of a set, and which columns of it are wanted."""

    job: int
    number: int
    sample: int
    columns: tuple[Column, ...]


class Plan:
    """Jobs by set, and their frames.

    Parameters
    ----------
    reference : ReferenceSet
    models : sequence of CGSet
    backmapper : Backmapper or None
        Of the reference's system.
    options : AssessOptions

    Attributes
    ----------
    jobs : list of Job
        The reference first, then in-distribution (with a backmapper), then the models.
    sets : list of ReferenceSet or CGSet
        Where the frames of each job come from.

    Raises
    ------
    ConfigError
        Two models have one name.
    MappingError
        A model of other molecules is to be held against a map fitted to the reference's.
    """

    def __init__(
        self,
        reference: ReferenceSet,
        models: Sequence[CGSet],
        backmapper: Backmapper | None,
        options: AssessOptions,
    ) -> None:
        names = [model.name for model in models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"several CG models are called {', '.join(twice)}: give each a name (--name)")
        other = [model.name for model in models if model.mapping.topology != reference.mapping.topology]
        if other and options.map == "optimal":
            raise MappingError(
                "the noise-optimal map is fitted to the reference's molecules, and "
                f"{', '.join(other)} has others or in other numbers: use the consistent map"
            )
        self.reference, self.options = reference, options
        self._benches: dict[str, Bench] = {}
        bench = self._bench(reference)
        self.forces = bench.forces
        self.jobs = [Job(REFERENCE, "reference", bench)]
        self.sets: list[ReferenceSet | CGSet] = [reference]
        if backmapper is not None:
            kelvin = reference.temperature
            self.jobs.append(Job(IN_DISTRIBUTION, "in-distribution", bench, backmapper, kelvin))
            self.sets.append(reference)
        for model in models:
            parts = self._bench(model), model.backmapper, model.temperature
            self.jobs.append(Job(model.name, "generalisation", *parts))
            self.sets.append(model)

    def columns(self, job: int) -> tuple[Column, ...]:
        """Columns of a set."""
        return ("raw", "polished") if self.options.polish and self.jobs[job].backmapper else ("raw",)

    def samples(self, job: int) -> int:
        """Times that each frame of a set is worked on."""
        return self.options.samples if self.jobs[job].backmapper else 1

    def missing(self, store: Store) -> list[Step]:
        """Return what is not in a store, the sets taking turns, the reference last.

        Sets take turns so that the first frames tell how long the others will take.
        """
        turns = [self._missing(job, store) for job in (*range(1, len(self.jobs)), 0)]
        return [step for steps in zip_longest(*turns) for step in steps if step is not None]

    def _missing(self, job: int, store: Store) -> Iterator[Step]:
        name = self.jobs[job].name
        for sample in range(self.samples(job)):
            for number in self.sets[job].numbers.tolist():
                columns = self.columns(job)
                wanted = tuple(c for c in columns if Key(name, c, number, sample) not in store)
                if wanted:
                    yield Step(job, number, sample, wanted)

    def work(self, steps: Sequence[Step]) -> Iterator[Work]:
        """Read the frames of steps, one by one."""
        for step in steps:
            job = self.jobs[step.job]
            positions, box = self.sets[step.job].read(step.number)
            if job.kind == "in-distribution":
                positions, box = whole(self.reference, step.number)
                positions = np.asarray(job.bench.mapping.beads(positions), dtype=np.float32)
            yield Work(step.job, step.number, step.sample, positions, box, step.columns)

    def depends_on(self, identity: Mapping[str, Any]) -> dict[str, Any]:
        """Return what results depend on; sets, frames and samples may be added later."""
        options = self.options
        known: dict[str, Any] = {
            "seed": options.seed,
            "force map": options.map,
            "force engine": options.engine,
            "radial distributions": options.radial,
            **{name: identity[name] for name in sorted(identity)},
        }
        for job, own in zip(self.jobs, self.sets, strict=True):
            known[f"set {job.name}"] = _content(own)
            if job.backmapper is not None:
                known[f"backmapper of {job.name}"] = _method(job.backmapper)
            if options.polish and job.backmapper is not None:
                known[f"polish of {job.name}"] = repr(job.bench.finish)
        if options.map == "optimal":
            known["frames of the force map"] = self._some(_FITTED)
        return known

    def _some(self, most: int) -> list[int]:
        """Numbers of at most so many frames of the reference, evenly spread."""
        numbers = self.reference.numbers
        rows = np.unique(np.linspace(0, len(numbers) - 1, most).round().astype(np.int64))
        return [int(n) for n in numbers[rows]]

    def _shown(self, most: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        frames = [whole(self.reference, number) for number in self._some(most)]
        boxes = [box for _, box in frames if box is not None]
        return np.stack([x for x, _ in frames]), np.stack(boxes) if boxes else None

    def _bench(self, own: ReferenceSet | CGSet) -> Bench:
        """What measures frames of a set; one for all sets of the same system."""
        finish = self.options.finish_at(own.temperature) if self.options.polish else None
        rigid, hands = (None if v is None else v.tobytes() for v in (own.rigid, own.hands))
        key = f"{_system(own)} {finish} {rigid!r} {hands!r} {own.temperature}"
        if key not in self._benches:
            forces, checker = self._forces(own), self._checker(own)
            radial = self.options.radial
            self._benches[key] = Bench(own.mapping, own.system, forces, checker, radial, finish, own.hands)
        return self._benches[key]

    def _forces(self, own: ReferenceSet | CGSet) -> BeadForces:
        options, known = self.options, getattr(self, "forces", None)
        chosen: dict[str, Any] = {"map": options.map, "engine": options.engine, "rigid": own.rigid}
        if known is not None:  # all sets in the precision that the reference was found to need
            double = known.platform == "Reference" and known.mapping.n_atoms >= _SMALL
            chosen["platform"] = "Reference" if double else None
        forces = BeadForces(own.system, own.mapping, threads=1, **chosen)
        if known is None:
            forces.measure(*whole(self.reference, int(self.reference.numbers[0])))
        else:
            forces.precision = known.precision
        if options.map == "optimal":
            forces.fit(*self._shown(_FITTED))
        return forces

    def _checker(self, own: ReferenceSet | CGSet) -> Checker:
        kelvin = self.options.temperature if own.temperature is None else own.temperature
        return Checker(
            own.mapping.topology,
            limits=Limits() if kelvin is None else Limits(temperature=kelvin),
            hands=own.hands,
            reference=Shown.of(self.reference.mapping.topology, self._shown(_SHOWN)[0]),
            mapping=own.mapping,
        )


def whole(reference: ReferenceSet, number: int) -> Frame:
    """Read a frame of the reference, its molecules whole."""
    positions, box = reference.read(number)
    if box is not None:
        topology = reference.mapping.topology
        positions = np.asarray(
            make_whole(positions.astype(np.float64), box.astype(np.float64), topology), dtype=np.float32
        )
    return positions, box


def _system(own: ReferenceSet | CGSet) -> str:
    """Digest of atoms, mapping and force field."""
    templates = "".join(template.content_hash for template in own.mapping.templates)
    text = own.mapping.topology.content_hash + templates + system_to_xml(own.system)
    return sha256(text.encode()).hexdigest()


def _content(own: ReferenceSet | CGSet) -> str:
    """Digest of a set's system, temperature and first frame."""
    digest = sha256(f"{_system(own)} {own.temperature}".encode())
    for array in (*own.read(int(own.numbers[0])), own.rigid, own.hands):
        if array is not None:
            digest.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    return digest.hexdigest()


def _method(backmapper: Backmapper) -> str:
    """Name of a backmapper and digest of its settings; what it learned is the caller's to say."""
    known = [repr(getattr(backmapper, name, None)) for name in ("settings", "sampling")]
    digest = sha256("".join(known).encode()).hexdigest()[:16]
    return f"{backmapper.method} {getattr(backmapper, 'name', '')} {digest}"
