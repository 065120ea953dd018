"""What is asked for: reference, coarse-grained models, what puts the atoms back, and how to judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from msb.backmapper import method_named
from msb.errors import ConfigError

__all__ = ["NEEDS_NO_SNAPSHOT", "AssessRequest", "CGFiles", "check_request"]

#: Methods that place atoms without having seen any.
NEEDS_NO_SNAPSHOT = frozenset({"random", "geometric"})


@dataclass(frozen=True)
class CGFiles:
    """The beads of one CG model.

    Attributes
    ----------
    name : str
        Of the model, for tables.
    structure, trajectory : path
        As :func:`msb.io.trajectory.open_trajectory` takes them.
    temperature : float or None
        K, where it is known.
    rerun : path or None
        TRR with the model's forces on the reference's beads, frame by frame.
    """

    name: str
    structure: str | Path
    trajectory: str | Path | None = None
    temperature: float | None = None
    rerun: str | Path | None = None


@dataclass(frozen=True)
class AssessRequest:
    """What `msb assess-cg` is given; see its help.

    Attributes
    ----------
    structure, trajectory : path
        The all-atom reference.
    cg : tuple of CGFiles
        The models, each with its beads.
    top : path or None
        GROMACS topology: molecules and force field; a model's bundle may hold both instead.
    mapping : tuple of path
        Mapping files, or names of bundled ones; a model's own without.
    model, method : str or None
        What puts the atoms back: one of the two.
    snapshots : tuple of path
        All-atom structures that a method learns from; the reference's first frame by default.
    temperature : float or None
        Of the reference, K; a model's own by default.
    tacticity : str or None
        See `msb backmap --help`.
    polish : bool
        Half a picosecond of dynamics with the beads held, as a second column.
    samples : int
        Atoms put back so many times into every configuration.
    frames, stride : int or None, int
        Of every set: at most so many frames, evenly spread, of every how many-th.
    cutoff, dielectric : float
        Of the force field's non-bonded terms, nm, and of the reaction field.
    map : {"consistent", "optimal"}
        What makes bead forces of the atoms' forces.
    engine : {"openmm", "torch"}
        What computes these.
    force : bool
        Rank what was simulated under other conditions.
    title : str
        Of the page.
    options : dict
        The method's own.
    """

    structure: str | Path
    trajectory: str | Path | None = None
    cg: tuple[CGFiles, ...] = ()
    top: str | Path | None = None
    mapping: tuple[str | Path, ...] = ()
    model: str | None = None
    method: str | None = None
    snapshots: tuple[str | Path, ...] = ()
    temperature: float | None = None
    tacticity: str | None = None
    polish: bool = False
    samples: int = 1
    frames: int | None = None
    stride: int = 1
    seed: int = 0
    workers: int | None = None
    cutoff: float = 1.0
    dielectric: float = 78.3
    map: Literal["consistent", "optimal"] = "consistent"
    engine: Literal["openmm", "torch"] = "openmm"
    force: bool = False
    device: str = "cpu"
    title: str = ""
    options: dict[str, Any] = field(default_factory=dict)


def check_request(request: AssessRequest) -> None:
    """Refuse what does not go together.

    Parameters
    ----------
    request : AssessRequest

    Raises
    ------
    ConfigError
        Something is missing, or excludes something else.
    """
    if not request.cg:
        raise ConfigError("there is no CG model to judge: give its beads with --cg A.gro A.xtc")
    names = [own.name for own in request.cg]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or {"reference", "in-distribution"} & set(names):
        wrong = ", ".join(twice) or "reference and in-distribution are taken"
        raise ConfigError(f"every CG model needs a name of its own ({wrong}): name them with --name A B …")
    if (request.model is None) == (request.method is None):
        raise ConfigError(
            "say what puts the atoms back: either a model (-m MODEL) or a method (--method NAME)"
        )
    if request.model is not None and request.snapshots:
        raise ConfigError("a model has learned already: leave out --from, or take a --method")
    if request.method is not None:
        method_named(request.method)
        for what, value in (("--top topol.top", request.top), ("--mapping map.yaml", request.mapping)):
            if not value:
                raise ConfigError(f"--method {request.method} needs {what}")
        if request.polish and request.temperature is None:
            raise ConfigError("--polish needs --temperature K: a structure file has none")
    elif request.mapping and request.top is None:
        raise ConfigError("--mapping needs --top topol.top (a model brings its own molecules and mapping)")
