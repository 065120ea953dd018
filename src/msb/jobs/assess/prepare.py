"""From files to sets of frames: every one with its molecules, mapping, force field and backmapper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.analysis.structure.stereo import handedness
from msb.assess.sets import CGSet, ReferenceSet
from msb.backmapper import Backmapper, build_model, load_model
from msb.core.mapping import Mapping
from msb.data.rigid import RigidBonds
from msb.data.snapshots import Snapshots
from msb.data.systems import mapping_files, read_snapshots
from msb.errors import ConfigError
from msb.io.gromacs import GromacsTopology, read_gromacs
from msb.io.mapping_files import mapping_format
from msb.io.trajectory import open_trajectory
from msb.jobs.assess.force_field import SameField
from msb.jobs.assess.frames import WholeFrames, chosen_frames, forces_on_reference
from msb.jobs.assess.molecules import reference_mapping
from msb.jobs.assess.request import NEEDS_NO_SNAPSHOT, AssessRequest, CGFiles, check_request
from msb.jobs.backmap.library import Library
from msb.jobs.backmap.system import resolve_system

__all__ = ["Ready", "prepare"]

_HANDED = 4  # frames of the reference that tell its stereocentres and rigid bonds
_BEST = 5  # candidates that several samples are drawn among


@dataclass(frozen=True, eq=False)
class Ready:
    """Everything that an assessment needs.

    Attributes
    ----------
    reference : ReferenceSet
    models : tuple of CGSet
    backmapper : Backmapper
        Of the reference's system.
    said : tuple of str
        What was assumed, as sentences.
    """

    reference: ReferenceSet
    models: tuple[CGSet, ...]
    backmapper: Backmapper
    said: tuple[str, ...]


def prepare(request: AssessRequest) -> Ready:
    """Read everything, and check that it fits together.

    Parameters
    ----------
    request : AssessRequest

    Returns
    -------
    Ready

    Raises
    ------
    ConfigError
        Options that need or exclude each other.
    MappingError
        Beads, atoms and mapping do not fit.
    EnergyError
        The force field lacks something that the molecules need.
    TrajectoryError, FileFormatError
        A file cannot be read, or many molecules have no box.
    """
    check_request(request)
    top = None if request.top is None else read_gromacs(request.top)
    model = None if request.model is None else load_model(request.model, request.device)
    atoms = open_trajectory(request.structure, request.trajectory)
    mapping = reference_mapping(request, atoms, top, model)
    frames = WholeFrames(atoms, mapping.topology, f"the reference {atoms.path}")
    numbers = chosen_frames(atoms.n_frames, request.frames, request.stride)
    first = _first_frames(frames, numbers, mapping)
    library, hands = _library(request, first, model)
    if model is None:
        model = _built(request, top, first)
    opened = [_opened(files, library, request) for files in request.cg]
    boxes = [None if first.boxes is None else first.boxes[0], *(own[2] for own in opened)]
    _same_periodicity(request, boxes)
    field, rigid = SameField(request, top, model, boxes), RigidBonds.of([first])
    heat = model.temperature if request.temperature is None and request.model else request.temperature
    known: dict[str, Any] = {"hands": hands, "temperature": heat, "raw": frames.raw}
    reference = ReferenceSet(
        *(mapping, numbers, frames, field.of(mapping.topology, (), boxes[0]), _pairs(rigid, mapping)), **known
    )
    models = []
    for files, (beads, system, box) in zip(request.cg, opened, strict=True):
        placer = _onto(model, system.mapping, system.hands)
        known = {"forces": beads.forces_reader(), "hands": system.hands}
        known["temperature"] = heat if files.temperature is None else files.temperature
        if files.rerun is not None:
            known["reference_forces"] = forces_on_reference(
                beads, files.rerun, mapping.n_beads, int(numbers[-1])
            )
        chosen = chosen_frames(system.n_frames, request.frames, request.stride)
        force_field = field.of(system.topology, system.grown, box)
        rods = _pairs(rigid, system.mapping)
        models.append(
            CGSet(files.name, system.mapping, chosen, beads, placer, force_field, rigid=rods, **known)
        )
    own = _onto(model, mapping, hands)
    for placer, force_field in ((own, reference.system), *((m.backmapper, m.system) for m in models)):
        if getattr(placer, "needs_energy", False):
            placer.use_field(force_field)  # type: ignore[attr-defined]
    return Ready(reference, tuple(models), own, tuple(_said(request, model, heat)))


def _first_frames(frames: WholeFrames, numbers: NDArray[np.int64], mapping: Mapping) -> Snapshots:
    """Some frames of the reference, to learn from."""
    frames.look(int(numbers[0]), tell=False)
    read = [frames(int(number)) for number in numbers[:_HANDED]]
    boxes = [box for _, box in read if box is not None]
    positions = np.stack([x for x, _ in read])
    return Snapshots.of(positions, mapping, np.stack(boxes) if len(boxes) == len(read) else None)


def _pairs(rigid: RigidBonds, mapping: Mapping) -> NDArray[np.int64] | None:
    found = rigid.constraints(mapping.topology)
    return None if found is None else found[0]


def _said(request: AssessRequest, model: Backmapper, temperature: float | None) -> list[str]:
    said = []
    if request.model is not None and request.temperature is None:
        said.append(f"{temperature:g} K, the model's training temperature (--temperature K for another)")
    if request.method is not None and request.method not in NEEDS_NO_SNAPSHOT and not request.snapshots:
        said.append(
            f"the method {request.method} learned from the first frame of the reference (--from AA …)"
        )
    return said


def _library(
    request: AssessRequest, first: Snapshots, model: Backmapper | None
) -> tuple[Library, NDArray[np.int8] | None]:
    """What is looked for among the beads, and the hands of the reference's stereocentres."""
    shown = Library.of_snapshots(first)
    library = Library(shown.molecules, f"the reference {request.structure}", hands=shown.hands)
    found = handedness(
        first.positions[:1], first.topology, None if first.boxes is None else first.boxes[:1]
    ).hands[0]
    own = np.asarray(found, dtype=np.int8) if len(found) else None
    if model is None:
        return library, own
    theirs = Library.of_model(model)
    names = {template.name for template, _ in library.molecules}
    more = tuple(pair for pair in theirs.molecules if pair[0].name not in names)
    joined = Library((*library.molecules, *more), library.source, hands={**theirs.hands, **library.hands})
    return joined, own if theirs.hands else None


def _built(request: AssessRequest, top: GromacsTopology | None, first: Snapshots) -> Backmapper:
    """The method, made from what it learns from."""
    name = str(request.method)
    snapshots = None
    if request.snapshots:
        snapshots = read_snapshots(request.snapshots, top, request.mapping)
    elif name not in NEEDS_NO_SNAPSHOT:
        snapshots = first[:1]
    options = dict(request.options)
    if name == "fragment" and request.samples > 1:
        options.setdefault("best", _BEST)
    if name == "geometric":
        rules = [str(f) for f in mapping_files(request.mapping) if mapping_format(f) == "backward"]
        if rules:
            options.setdefault("placement", rules)
    target = first.topology, first.mapping
    return build_model(name, snapshots, *target, temperature=request.temperature, options=options)


def _opened(files: CGFiles, library: Library, request: AssessRequest) -> tuple[WholeFrames, Any, Any]:
    """A model's beads, the molecules found among them, and their box."""
    system = resolve_system(
        files.structure,
        files.trajectory,
        library,
        tacticity=request.tacticity,
        hands="known" if library.hands else "free",
        seed=request.seed,
    )
    beads = WholeFrames(
        system.trajectory, system.mapping.bead_topology(), f"the CG model {files.name}", system.order
    )
    return beads, system, beads.look()


def _same_periodicity(request: AssessRequest, boxes: Sequence[Any]) -> None:
    without = [name for name, box in zip(_names(request), boxes, strict=True) if box is None]
    if without and len(without) < len(boxes):
        raise ConfigError(
            f"{' and '.join(without)} {'has' if len(without) == 1 else 'have'} no box, the others have one: "
            "forces with and without neighbours in the next image cannot be compared; write all files with "
            "their boxes"
        )


def _names(request: AssessRequest) -> list[str]:
    return ["the reference", *(f"the CG model {own.name}" for own in request.cg)]


def _onto(model: Backmapper, mapping: Mapping, hands: NDArray[np.int8] | None) -> Backmapper:
    """The backmapper of a system; itself where it is the one it was made for."""
    wanted = hands if hands is not None and len(hands) else None
    if model.topology == mapping.topology and wanted is None:
        return model
    return model.onto(mapping.topology, mapping, wanted)
