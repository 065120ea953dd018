"""From the results of frames to what they say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from msb.analysis.structure import RadialDistribution
from msb.assess.assessment import ON_REFERENCE, Assessment
from msb.assess.bench import Bench
from msb.assess.cg_level import BeadFrames, compare_beads
from msb.assess.conditions import Conditions, same_conditions
from msb.assess.extremes import largest_forces, worst_of
from msb.assess.matching import ForceMatching, chi_squared
from msb.assess.plan import Plan
from msb.assess.ranking import Ranking
from msb.assess.record import Column, SetResult
from msb.assess.rounding import RoundingFloor, decimals_of, rounding_floor
from msb.assess.scores import POOLED, Place, Scores, ranked, scored
from msb.assess.sets import CGSet
from msb.assess.store import Kept, Key, Store
from msb.core.box import bonds_across
from msb.quality.findings import KINDS

__all__ = ["concluded"]

_ROUGH = 3  # decimals, nm, up to which rounding matters
_ROUNDED = 4  # frames that tell what rounding does


def concluded(plan: Plan, store: Store, held: Any = None) -> Assessment:
    """Look at the results of all frames of a plan.

    Parameters
    ----------
    plan : Plan
    store : Store
        With a result for every frame.
    held : optional
        Lives as long as the assessment: a temporary folder.

    Returns
    -------
    Assessment
    """
    results: list[SetResult] = []
    radial: dict[Place, dict[str, RadialDistribution]] = {}
    notes = _said_before(plan)
    for job in range(len(plan.jobs)):
        for column in plan.columns(job):
            kept = _read(plan, store, job, column)
            results.append(_result(plan, job, column, kept))
            if plan.options.radial:
                radial[results[-1].name, column] = _radial(plan.jobs[job].bench, list(kept.values()))
            notes += _frame_notes(results[-1], kept)
    scores = scored(results[0], results[1:], plan.options)
    differences = _differences(plan, results)
    ranking, why_not = _order(plan, scores, results, differences)
    rounding = _rounding(plan)
    if rounding is not None:
        notes += _said_of_rounding(rounding, scores, ranking)
    return Assessment(
        tuple(results),
        scores,
        ranking,
        radial,
        _beads(plan, results),
        _matching(plan, results),
        rounding,
        plan.forces.describe(),
        tuple(dict.fromkeys([*notes, *why_not])),
        {job.name: job.bench.mapping for job in plan.jobs},
        worst_of(
            (largest_forces(own, plan.options.worst) for own in results if own.kind == "generalisation"),
            plan.options.worst,
        ),
        differences,
        store,
        held,
    )


def _read(plan: Plan, store: Store, job: int, column: Column) -> dict[Key, Kept]:
    name, numbers = plan.jobs[job].name, plan.sets[job].numbers.tolist()
    keys = [Key(name, column, n, sample) for sample in range(plan.samples(job)) for n in numbers]
    return {key: store.read(key) for key in keys}


def _result(plan: Plan, job: int, column: Column, kept: Mapping[Key, Kept]) -> SetResult:
    own, frames = plan.jobs[job], list(kept.values())
    topology = own.bench.mapping.bead_topology()
    steps = dict.fromkeys(step for frame in frames for step in frame.measured.seconds)
    boxes = [frame.box for frame in frames if frame.box is not None]
    several = plan.samples(job) > 1
    return SetResult(
        name=own.name,
        kind=own.kind,
        column=column,
        frames=np.array([key.number for key in kept], dtype=np.int64),
        bead_forces=np.stack([frame.measured.bead_forces for frame in frames]),
        beads=np.stack([frame.beads for frame in frames]),
        bead_types=tuple(str(bead_type) for bead_type in topology.atom_types),
        molecule=np.asarray(topology.molecule_index, dtype=np.int64),
        boxes=np.stack(boxes) if boxes else None,
        deviation=None if own.backmapper is None else np.array([frame.deviation for frame in frames]),
        findings={
            kind: np.array([frame.measured.findings[k] for frame in frames]) for k, kind in enumerate(KINDS)
        },
        seconds={step: sum(f.measured.seconds.get(step, 0.0) for f in frames) for step in steps},
        samples=np.array([key.sample for key in kept], dtype=np.int64) if several else None,
    )


def _radial(bench: Bench, frames: Sequence[Kept]) -> dict[str, RadialDistribution]:
    counter = bench.counter(bench.mapping, bench.radial)
    pairs = np.sum([frame.measured.pairs for frame in frames], axis=0)
    inverse = float(sum(frame.measured.inverse_volume for frame in frames))
    return counter.result(pairs, inverse, len(frames))


def _beads(plan: Plan, results: Sequence[SetResult]) -> tuple[Any, ...]:
    """Beads of every model, which are the same in all columns and samples, beside the reference's."""
    found = {}
    for job, own in zip(plan.jobs, plan.sets, strict=True):
        first = next(result for result in results if result.name == job.name)
        rows = slice(0, len(own.numbers))
        boxes = None if first.boxes is None else first.boxes[rows]
        found[job.name] = BeadFrames(job.name, job.bench.mapping.bead_topology(), first.beads[rows], boxes)
    reference = found[plan.jobs[0].name]
    models = [found[job.name] for job in plan.jobs if job.kind == "generalisation"]
    return tuple(compare_beads(reference, model, plan.options.seed) for model in models)


def _matching(plan: Plan, results: Sequence[SetResult]) -> dict[Place, ForceMatching]:
    """Residuals of the models whose own forces are known, in their frames and in the reference's."""
    found: dict[Place, ForceMatching] = {}
    atoms, numbers = results[0].bead_forces, plan.reference.numbers.tolist()
    for job, own in zip(plan.jobs, plan.sets, strict=True):
        if not isinstance(own, CGSet):
            continue
        if own.reference_forces is not None:
            there = np.stack([own.reference_forces(number) for number in numbers])
            found[job.name, ON_REFERENCE] = chi_squared(there, atoms)
        if own.forces is None:
            continue
        theirs = np.stack([own.forces(number) for number in own.numbers.tolist()])
        for result in results:
            if result.name == job.name:
                placed = result.bead_forces.reshape(-1, *theirs.shape)
                found[job.name, str(result.column)] = chi_squared(theirs, placed)
    return found


def _differences(plan: Plan, results: Sequence[SetResult]) -> dict[str, tuple[str, ...]]:
    """In what the conditions of each model differ from the reference's."""
    known = {}
    for job, own in zip(plan.jobs, plan.sets, strict=True):
        boxes = next(result.boxes for result in results if result.name == job.name)
        kelvin = plan.options.temperature if own.temperature is None else own.temperature
        known[job.name] = Conditions.of(job.name, job.bench.mapping, boxes, kelvin)
    reference = replace(known[plan.jobs[0].name], name="the reference")
    return {
        job.name: tuple(same_conditions(reference, known[job.name]))
        for job in plan.jobs
        if job.kind == "generalisation"
    }


def _order(
    plan: Plan, scores: Scores, results: Sequence[SetResult], differences: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Ranking], list[str]]:
    """The ranking, unless conditions differ, and what there is to say about that."""
    said = [sentence for sentences in differences.values() for sentence in sentences]
    if not said:
        return ranked(scores, results, plan.options)
    if not plan.options.force:
        reason = "; ".join(said)
        return {}, [
            f"not ranked, since like is not compared with like: {reason} (--force ranks all the same)"
        ]
    found, why_not = ranked(scores, results, plan.options)
    return found, [*said, *why_not]


def _said_before(plan: Plan) -> list[str]:
    """What is known before any frame: bonds over the box, constraints over beads."""
    notes, own = [], plan.reference
    positions, box = (own.raw or own.read)(int(own.numbers[0]))
    topology = own.mapping.topology
    cut = 0 if box is None else int(np.sum(bonds_across(positions, box, topology)))
    if cut:
        notes.append(f"{cut} bonds of the reference's first frame cross the box: molecules were made whole")
    crossing = plan.forces.crossing_words()
    return [*notes, crossing] if crossing else notes


def _frame_notes(result: SetResult, kept: Mapping[Key, Kept]) -> list[str]:
    """Say in how many frames something did not go well, and what it was in the first of them."""
    spoken = [(key, frame.notes) for key, frame in kept.items() if frame.notes]
    if not spoken:
        return []
    key, said = spoken[0]
    return [
        f"{result.name} ({result.column}): {len(spoken)} of {result.n_frames} frames have something to say; "
        f"frame {key.number}: {'; '.join(said)}"
    ]


def _rounding(plan: Plan) -> RoundingFloor | None:
    own = plan.reference
    read = own.raw or own.read
    numbers = own.numbers[:_ROUNDED].tolist()
    frames = [read(number) for number in numbers]
    decimals = decimals_of(frames[0][0])
    if decimals is None or decimals > _ROUGH:
        return None
    boxes = [box for _, box in frames if box is not None]
    positions = np.stack([x for x, _ in frames])
    return rounding_floor(
        *(plan.forces, positions, np.stack(boxes) if boxes else None),
        decimals=decimals,
        seed=plan.options.seed,
    )


def _said_of_rounding(rounding: RoundingFloor, scores: Scores, ranking: Mapping[str, Ranking]) -> list[str]:
    """The floor, and a warning where it is larger than what is measured."""
    floor = float(rounding.divergence["all"])
    notes = [f"the reference's {rounding.words()}"]
    for column, found in ranking.items():
        excess = [found.excess[name].excess for name in found.order]
        gap = min(np.diff(excess)) if len(excess) > 1 else excess[0]
        if floor > gap:
            what = (
                "the smallest difference between two models" if len(excess) > 1 else "the divergence itself"
            )
            notes.append(
                f"{column}: rounding alone gives a divergence of {floor:.2g}, more than {what} ({gap:.2g}): "
                "write the reference with more decimals (TRR, or XTC with 5)"
            )
    if not ranking:
        small = [place for place, found in scores.magnitudes.items() if found[POOLED].excess < floor]
        notes += [
            f"{name} ({column}): rounding alone gives a larger divergence ({floor:.2g}) than there is"
            for name, column in small
        ]
    return notes
