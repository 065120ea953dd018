"""An assessment from files to files: prepared, made, told, and the worst configurations written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msb.assess.assessment import Assessment
from msb.assess.pictures import WorstPair, worst_pairs, write_pairs
from msb.assess.record import COLUMNS
from msb.assess.run import assess
from msb.assess.sets import AssessOptions
from msb.data.systems import mapping_files
from msb.errors import ConfigError
from msb.io.atomic import file_sha256
from msb.jobs.assess.prepare import Ready, prepare
from msb.jobs.assess.request import AssessRequest
from msb.jobs.describe_model import model_identity

__all__ = ["Assessed", "run_assessment"]

_POOLED = "pooled"
_WORK = "work"
_PICTURES = 12  # worst configurations that are written


@dataclass(frozen=True, eq=False)
class Assessed:
    """What came out.

    Attributes
    ----------
    assessment : Assessment
    said : tuple of str
        What was assumed.
    pairs : tuple of WorstPair
        Molecules of the largest forces, the worst first.
    files : tuple of (Path, str)
        Written besides, and what they are.
    facts : dict of str to str
        Inputs, for the page.
    """

    assessment: Assessment
    said: tuple[str, ...] = ()
    pairs: tuple[WorstPair, ...] = ()
    files: tuple[tuple[Path, str], ...] = ()
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that there are; the last one is what counts."""
        there = {own.column for own in self.assessment.results if own.kind != "reference"}
        return tuple(column for column in COLUMNS if column in there)

    def told(self) -> list[str]:
        """The ranking in words, the last column's first."""
        ranking = self.assessment.ranking
        order = [column for column in COLUMNS[::-1] if column in ranking]
        lines = [f"{_named(column)}: {ranking[column].sentence()}" for column in order]
        return lines or ["The models are not ranked; the notes say why."]

    def notes(self) -> list[str]:
        """What must be known to trust the ranking, as sentences."""
        return _sentences([*self.assessment.notes, *self.said])

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the CG models."""
        names = [own.name for own in self.assessment.results if own.kind == "generalisation"]
        return tuple(dict.fromkeys(names))

    def worst(self, bar: float | None) -> tuple[str, str, float] | None:
        """Return the model farthest above a bar, with its column and its excess in nats; None for none.

        Parameters
        ----------
        bar : float or None
            nats.
        """
        column = self.columns[-1]
        found = [(self.assessment.scores[name, column][_POOLED].excess, name) for name in self.models]
        if bar is None or not found or max(found)[0] <= bar:
            return None
        return max(found)[1], column, max(found)[0]

    def summary(self) -> dict[str, Any]:
        """Return everything, JSON-able."""
        return {
            "told": self.told(),
            "said": list(self.said),
            "facts": self.facts,
            "files": [str(path) for path, _ in self.files],
            "worst_configurations": [pair.to_dict() for pair in self.pairs],
            **self.assessment.to_dict(),
        }


def run_assessment(
    request: AssessRequest,
    folder: str | Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    resume: bool = False,
) -> Assessed:
    """Assess coarse-grained models from files.

    Parameters
    ----------
    request : AssessRequest
    folder : path
        Results of frames go to ``work`` in it, the worst configurations beside that.
    progress : callable, optional
        Told (frames done since the last call, frames in all).
    resume : bool
        Go on with what a run that was killed left there.

    Returns
    -------
    Assessed

    Raises
    ------
    ConfigError
        Options do not go together, or results of something else are in the folder.
    MsbError
        See :func:`msb.jobs.assess.prepare.prepare`.
    """
    ready = prepare(request)
    options = AssessOptions(
        seed=request.seed,
        polish=request.polish,
        temperature=ready.reference.temperature,
        workers=request.workers,
        samples=request.samples,
        map=request.map,
        engine=request.engine,
        force=request.force,
    )
    assessment = assess(
        ready.reference,
        ready.models,
        ready.backmapper,
        options,
        folder=Path(folder) / _WORK,
        resume=resume,
        identity=_identity(request),
        progress=progress,
    )
    mappings = {own.name: own.mapping for own in ready.models}
    pairs = worst_pairs(assessment, mappings, _PICTURES)
    files = write_pairs(pairs, Path(folder)) if pairs else ()
    return Assessed(assessment, ready.said, pairs, files, _facts(request, ready, options))


def _named(column: str) -> str:
    return {"raw": "As backmapped", "polished": "Polished"}.get(column, column)


def _sentences(notes: Sequence[str]) -> list[str]:
    """Notes as sentences."""
    return [f"{note[0].upper()}{note[1:].rstrip('.')}." for note in notes if note]


def _identity(request: AssessRequest) -> dict[str, Any]:
    """What a resumed run must have in common with the one that was killed."""
    files = [request.structure, request.trajectory, request.top, *mapping_files(request.mapping)]
    files += [
        *request.snapshots,
        *(f for own in request.cg for f in (own.structure, own.trajectory, own.rerun)),
    ]
    given = [Path(file) for file in files if file is not None]
    lost = [str(file) for file in given if not file.is_file()]
    if lost:
        raise ConfigError(f"{lost[0]}: there is no such file")
    return {
        "files": {file.name: file_sha256(file) for file in given},
        "models": [own.name for own in request.cg],
        "backmapper": model_identity(request.model) if request.model else request.method,
        **{name: getattr(request, name) for name in ("options", "tacticity", "cutoff", "dielectric")},
    }


def _facts(request: AssessRequest, ready: Ready, options: AssessOptions) -> dict[str, str]:
    """Inputs in words."""
    topology = ready.reference.mapping.topology
    molecules = ", ".join(f"{count} {template.name}" for template, count in topology.molecules[:6])
    facts = {
        "reference": " ".join(str(file) for file in (request.structure, request.trajectory) if file),
        "system": f"{topology.n_atoms:,} atoms, {molecules}; {ready.reference.mapping.n_beads:,} beads",
        "force field": f"{request.top or 'of the model'}, cutoff {request.cutoff:g} nm",
        "atoms put back by": f"{ready.backmapper.method}{f' ({request.model})' if request.model else ''}",
        "forces": f"{options.engine}, {options.map} map",
        "seed": str(request.seed),
    }
    if ready.reference.temperature is not None:
        facts["temperature"] = f"{ready.reference.temperature:g} K"
    for files, own in zip(request.cg, ready.models, strict=True):
        where = " ".join(str(file) for file in (files.structure, files.trajectory) if file)
        facts[files.name] = f"{where}: {len(own.numbers)} frames"
    return facts
