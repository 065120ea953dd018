"""From what a user asks for to what makes frames: system, model, force field, check."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from msb.backmapper import Backmapper, build_model, load_model, method_named
from msb.data.snapshots import Snapshots
from msb.energy.finisher import Finisher
from msb.energy.protocols import Finish
from msb.energy.systems import system_to_xml
from msb.errors import ConfigError
from msb.io.atomic import file_sha256
from msb.io.gromacs import GromacsTopology, read_gromacs
from msb.io.mapping_files import mapping_format
from msb.jobs.backmap.force_field import force_field_of
from msb.jobs.backmap.frame_maker import FrameMaker
from msb.jobs.backmap.library import Library, mapping_files, read_snapshots
from msb.jobs.backmap.mender import Mender
from msb.jobs.backmap.sampling import sampled_as
from msb.jobs.backmap.system import Solvent, System, Unknown, resolve_system
from msb.jobs.check.output import checker_of_model
from msb.jobs.describe_model import model_identity
from msb.quality import Checker, Limits, Reference

__all__ = ["Prepared", "Request", "prepare"]

_NEEDS_NO_SNAPSHOT = frozenset({"random", "geometric"})
_CLASSICAL = frozenset({"random", "geometric", "fragment", "library", "linear"})  # placements to be relaxed
_POLISHED = _CLASSICAL | {"backmap"}  # placements that dynamics with the beads held makes right
_BEST = 5  # candidates that several samples are drawn among


@dataclass(frozen=True)
class Request:
    """What is asked for; see `msb backmap --help`.

    Attributes
    ----------
    structure, trajectory : path
        Beads.
    model, method : str or None
        One of the two.
    snapshots : tuple of path
        All-atom structures to learn from.
    top : path or None
        GROMACS topology.
    mapping : tuple of path
    temperature : float or None
        K.
    relax, polish : str or None
        None for what is usual.
    polish_ps : float or None
        How long the polish is.
    options : dict
        The method's own.
    sampling : dict
        Of a trained network; see `msb.jobs.backmap.sampling.sampled_as`.
    """

    structure: str | Path
    trajectory: str | Path | None = None
    model: str | None = None
    method: str | None = None
    snapshots: tuple[str | Path, ...] = ()
    top: str | Path | None = None
    mapping: tuple[str | Path, ...] = ()
    temperature: float | None = None
    relax: str | None = None
    polish: str | None = None
    polish_ps: float | None = None
    tacticity: str | None = None
    unknown: Unknown = "fail"
    solvent: Solvent = "drop"
    samples: int = 1
    seed: int = 0
    lag: float | None = None
    device: str = "cpu"
    top_out: bool = False
    repair: bool = False
    coherent: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    sampling: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """Ready to run.

    Attributes
    ----------
    system : System
    maker : FrameMaker
    relax, polish : str
        What is done.
    temperature : float or None
        K.
    said : tuple of str
        What was assumed, as sentences.
    identity : dict
        What the result depends on besides beads and seed.
    """

    system: System
    maker: FrameMaker
    relax: str
    polish: str
    temperature: float | None
    said: tuple[str, ...]
    identity: dict[str, Any]


def prepare(request: Request) -> Prepared:
    """Read everything that a backmapping needs.

    Parameters
    ----------
    request : Request

    Returns
    -------
    Prepared

    Raises
    ------
    ConfigError
        Options that need or exclude each other.
    MsbError
        A file cannot be read, or does not fit the others; see `resolve_system`.
    """
    _check(request)
    top = None if request.top is None else read_gromacs(request.top)
    snapshots = None
    if request.model is not None:
        model = load_model(request.model, request.device)
        library = Library.of_model(model)
        if request.mapping and top is not None:
            library = Library.of_top(top, request.mapping).with_hands_of(library)
        system = _resolved(request, library, "known" if library.hands else "free")
        model = _fitted(model, system)
    else:
        if request.snapshots:
            snapshots = read_snapshots(request.snapshots, top, request.mapping)
        library = _library(request, top, snapshots)
        options = _method_options(request)
        system = _resolved(request, library, "known" if options.get("placement") else "needed")
        model = _built(request, snapshots, system, options)
    model = sampled_as(model, system, request.sampling, top)
    temperature = request.temperature
    said = []
    if temperature is None and request.model is not None:
        temperature = model.temperature
        said.append(f"{temperature:g} K, the model's training temperature (--temperature K for another)")
    finish, mender, more = _finish(request, model, system, temperature, top)
    said += more
    checker = _checker(model, system, snapshots, temperature)
    return Prepared(
        system,
        FrameMaker(model, checker, finish, request.temperature, mender),
        "none" if finish is None else str(finish.settings.relax),
        "none" if finish is None else finish.settings.polish,
        temperature,
        tuple(said),
        _identity(request, finish, system),
    )


def _checker(
    model: Backmapper, system: System, snapshots: Snapshots | None, temperature: float | None
) -> Checker:
    limits = Limits() if temperature is None else Limits(temperature=temperature)
    if snapshots is None:
        return checker_of_model(model, limits, system.hands)
    seen = Reference.of(snapshots.topology, snapshots.positions)
    return Checker(system.topology, limits=limits, hands=system.hands, reference=seen, mapping=system.mapping)


def _check(request: Request) -> None:
    if (request.model is None) == (request.method is None):
        raise ConfigError("give either a model (-m MODEL) or a method (--method NAME)")
    if request.top_out and request.top is None:
        raise ConfigError("--top-out is made of a topology: give --top topol.top")
    if request.model is not None:
        if request.snapshots or (request.mapping and request.top is None):
            raise ConfigError(
                "a model brings its own molecules and mapping: leave out --from and --mapping (for other "
                "molecules of types that it knows, give --top and --mapping)"
            )
        return
    name = str(request.method)
    method_named(name)
    if not request.mapping:
        raise ConfigError(f"--method {name} needs --mapping: which atoms make which bead")
    if not request.snapshots and name not in _NEEDS_NO_SNAPSHOT:
        raise ConfigError(
            f"--method {name} learns from all-atom structures of these molecules: give at least one with "
            "--from AA.gro (random and geometric need none)"
        )
    if not request.snapshots and request.top is None:
        raise ConfigError(f"--method {name} needs the molecules' atoms and bonds: give --top topol.top")


def _resolved(request: Request, library: Library, hands: Literal["needed", "known", "free"]) -> System:
    return resolve_system(
        request.structure,
        request.trajectory,
        library,
        unknown=request.unknown,
        solvent=request.solvent,
        tacticity=request.tacticity,
        hands=hands,
        seed=request.seed,
        lag=request.lag,
    )


def _library(request: Request, top: GromacsTopology | None, snapshots: Snapshots | None) -> Library:
    shown = None if snapshots is None else Library.of_snapshots(snapshots)
    if top is None:
        assert shown is not None  # _check saw to it
        return shown
    library = Library.of_top(top, request.mapping)
    return library if shown is None else library.with_hands_of(shown)


def _fitted(model: Backmapper, system: System) -> Backmapper:
    """The model for this system; itself where it is the one it was made for."""
    alike = model.topology == system.topology and system.hands is None
    return model if alike else model.onto(system.topology, system.mapping, system.hands)


def _method_options(request: Request) -> dict[str, Any]:
    """The method's options, with what follows from the others."""
    options = dict(request.options)
    if request.method == "fragment" and request.samples > 1:
        options.setdefault("best", _BEST)
    if request.method == "geometric":
        rules = [str(f) for f in mapping_files(request.mapping) if mapping_format(f) == "backward"]
        if rules:
            options.setdefault("placement", rules)
    return options


def _built(
    request: Request, snapshots: Snapshots | None, system: System, options: dict[str, Any]
) -> Backmapper:
    model = build_model(
        str(request.method),
        snapshots,
        system.topology,
        system.mapping,
        temperature=request.temperature,
        options=options,
    )
    if system.hands is not None and len(system.hands):
        return model.onto(system.topology, system.mapping, system.hands)
    return model


def _finish(
    request: Request,
    model: Backmapper,
    system: System,
    temperature: float | None,
    top: GromacsTopology | None,
) -> tuple[Finisher | None, Mender | None, list[str]]:
    """What relaxes and polishes, what repairs, and what was assumed about it."""
    said: list[str] = []
    relax, polish = request.relax, request.polish
    if relax is None:
        relax = "staged" if model.method in _CLASSICAL else "none"
    if polish == "thermal" and temperature is None:
        raise ConfigError("--polish thermal needs --temperature K: a structure file has none")
    if polish is None:
        wanted = model.method in _POLISHED and request.relax != "none"
        polish = "thermal" if wanted and temperature is not None else "none"
        if wanted and temperature is None:
            said.append("no --temperature: the atoms are relaxed and not polished")
    if polish == "none" and request.polish_ps is not None:
        raise ConfigError(f"--polish-ps {request.polish_ps:g} without a polish: add --polish thermal")
    untouched = relax == polish == "none"
    if untouched and not request.repair:
        return None, None, []
    field = force_field_of(system, top, model, system.read(0).box)
    mender = Mender(None if field is None else system_to_xml(field)) if request.repair else None
    if untouched:
        return None, mender, []
    if field is None:
        asked = [
            f"--{what} {value}"
            for what, value in (("relax", request.relax), ("polish", request.polish))
            if value not in (None, "none")
        ]
        if asked:
            raise ConfigError(f"{' and '.join(asked)} needs a force field: give --top topol.top")
        return None, mender, ["no force field is known (--top topol.top): the atoms stay as they are placed"]
    settings = Finish.lasting(request.polish_ps, relax=relax, polish=polish, temperature=temperature)
    hands = system.hands
    threads = None if system.n_frames == 1 or request.coherent else 1  # else frames are side by side
    return Finisher.of(field, system.mapping, settings, hands=hands, threads=threads), mender, said


def _identity(request: Request, finish: Finisher | None, system: System) -> dict[str, Any]:
    """What a resumed run must have in common with the one that was killed."""
    files = [*request.snapshots, *mapping_files(request.mapping), *([request.top] if request.top else [])]
    return {
        "model": model_identity(request.model) if request.model else request.method,
        "options": request.options,
        **({"sampling": request.sampling} if any(v is not None for v in request.sampling.values()) else {}),
        "files": {Path(file).name: file_sha256(file) for file in files},
        "temperature": request.temperature,
        "relax": "none" if finish is None else str(finish.settings.relax),
        "polish": "none" if finish is None else finish.settings.polish,
        **({} if request.polish_ps is None else {"polish_ps": request.polish_ps}),
        "topology": system.written.content_hash,
        "hands": None if system.hands is None else system.hands.tolist(),
        "several": request.samples > 1,
        "repair": request.repair,
    }
