"""From what a user asks for to what can be morphed: beads, chains, lengths, models, and the bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.core.topology import Topology
from msb.errors import ConfigError, MsbError
from msb.jobs.describe_model import model_identity
from msb.jobs.morph.maker import MorphMaker, MorphTask, Scheme, centres_of
from msb.jobs.morph.request import MorphRequest, check_request
from msb.jobs.morph.top_down import TopDown, open_top_down
from msb.morph.morpher import Morpher, load_morpher
from msb.morph.units import How, length_scale

__all__ = ["Bound", "Candidate", "Prepared", "prepare"]


@dataclass(frozen=True)
class Bound:
    """What a bottleneck lets through: no decoder can do better on whole configurations.

    Attributes
    ----------
    source : str
        Where the model is from, as it was given.
    model : str
        Its name, or where it is from if two have one name.
    s : int
        Beads to a centre.
    divergences : mapping of str to float
        Of the centres from the target's, by quantity, nats.
    floor : mapping of str to float
        Of the target's two halves from each other.
    """

    source: str
    model: str
    s: int
    divergences: Mapping[str, float]
    floor: Mapping[str, float]

    def words(self) -> str:
        """Return it as a sentence."""
        found = ", ".join(
            f"{name} {value:.4f} ({self.floor[name]:.4f})" if name in self.floor else f"{name} {value:.4f}"
            for name, value in self.divergences.items()
        )
        return (
            f"bound of {self.model}: the centres of {self.s} beads differ from the target's by {found} nats "
            "(in brackets: the target from itself); no decoder can do better on whole configurations"
        )


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model, put onto the system, and the way to use it.

    Attributes
    ----------
    source : str
        Where the model is from, as it was given.
    morpher : Morpher
    system : TopDown
        In the lengths of the model's target.
    topology : Topology
    scheme : {"A", "B"}
    sweeps : int or None
    polish : bool
    title : str
        Of the model; its name where that is empty.
    refined : (int, int)
        Rounds that what the polish aims at was put right in, and frames of each; see
        `msb.jobs.morph.refine`.
    """

    source: str
    morpher: Morpher
    system: TopDown
    topology: Topology
    scheme: Scheme
    sweeps: int | None = None
    polish: bool = True
    title: str = ""
    refined: tuple[int, int] = (0, 0)

    @property
    def maker(self) -> MorphMaker:
        """What makes frames this way."""
        return MorphMaker(self.morpher, self.topology, self.scheme, self.sweeps, self.polish)

    @property
    def label(self) -> str:
        """Model and scheme, for tables."""
        return f"{self.title or self.morpher.name}, scheme {self.scheme}"

    def task(self, number: int, seed: int) -> MorphTask:
        """What to make of a frame of the file.

        Parameters
        ----------
        number, seed : int
        """
        return MorphTask(number, *self.system.read(number), seed)

    @property
    def identity(self) -> dict[str, Any]:
        """What the result depends on besides input and seed."""
        return {
            "model": model_identity(self.source),
            "scheme": self.scheme,
            "sweeps": self.sweeps,
            "polish": self.polish,
            "refined": list(self.refined),
            "scale": self.system.factor,
            "chains": list(self.system.chains.lengths),
        }


@dataclass(frozen=True, eq=False)
class Prepared:
    """Ready to be morphed.

    Attributes
    ----------
    system : TopDown
        In the file's lengths.
    candidates : tuple of Candidate
        Ways to do it, at least one.
    bounds : tuple of Bound
        One a model.
    said : tuple of str
        How chains and lengths were told.
    """

    system: TopDown
    candidates: tuple[Candidate, ...]
    bounds: tuple[Bound, ...]
    said: tuple[str, ...]

    def told(self) -> list[str]:
        """What there is to know before anything is morphed, as sentences."""
        return [*self.said, *(bound.words() for bound in self.bounds)]


def prepare(request: MorphRequest) -> Prepared:
    """Read beads and models, and look whether they fit.

    Parameters
    ----------
    request : MorphRequest

    Returns
    -------
    Prepared

    Raises
    ------
    ConfigError
        Options that need or exclude each other, or a model of another `s`.
    BundleError
        There is no such model, or it is of another method.
    TopologyError
        Chains are branched, rings, or cannot be told.
    MappingError
        The beads are not those that a model was made for.
    """
    check_request(request)
    morphers = {source: load_morpher(source) for source in request.models}
    for source, morpher in morphers.items():
        if request.s is not None and morpher.s != request.s:
            raise ConfigError(
                f"{source} was trained for s = {morpher.s} beads to a centre, --s {request.s} asks for "
                "another: give a model of that s, or leave --s out"
            )
    system = open_top_down(
        request.structure, request.trajectory, top=request.top, per_chain=request.per_chain, lag=request.lag
    )
    first = system.look()
    said = [f"{system.trajectory.path}: {system.chains.how}"]
    names = [morpher.name for morpher in morphers.values()]
    candidates, bounds = [], []
    for source, morpher in morphers.items():
        title = morpher.name if names.count(morpher.name) == 1 else source
        fitted, scaled, topology = _fitted(source, morpher, system, request.scale, first, said)
        bounds.append(_bound(source, title, fitted, scaled))
        for scheme in _schemes(request, morpher):
            how = scheme, request.sweeps, request.polish == "thermal"
            candidates.append(Candidate(source, fitted, scaled, topology, *how, title))
    return Prepared(system, tuple(candidates), tuple(bounds), tuple(dict.fromkeys(said)))


def _schemes(request: MorphRequest, morpher: Morpher) -> tuple[Scheme, ...]:
    """Schemes to choose from; without sweeps there is one."""
    sweeps = morpher.decoder.sampling.sweeps if request.sweeps is None else request.sweeps
    if request.scheme == "auto":
        return ("A", "B") if sweeps else ("A",)
    return (request.scheme,)


def _fitted(
    source: str,
    morpher: Morpher,
    system: TopDown,
    scale: How,
    first: tuple[NDArray[np.float32], NDArray[np.float32] | None],
    said: list[str],
) -> tuple[Morpher, TopDown, Topology]:
    """The model for the chains of the file, and these in its target's lengths."""
    try:
        topology = system.topology(morpher.types_of(system.chains.lengths))
    except MsbError as error:
        raise type(error)(f"{source} does not fit {system.trajectory.path}: {error}") from None
    positions, box = first
    found = length_scale(
        positions[None].astype(np.float64),
        None if box is None else box[None].astype(np.float64),
        topology,
        bond=morpher.target.mean_bond,
        density=morpher.target.density,
        how=scale,
    )
    said.append(found.how)
    return morpher.onto(topology), replace(system, factor=found.factor), topology


def _bound(source: str, title: str, morpher: Morpher, system: TopDown) -> Bound:
    positions, box, _ = system.read(0)
    centres = np.asarray(morpher.bottleneck.beads(positions.astype(np.float64)))
    found = centres_of(morpher, centres[None], None if box is None else box[None])
    floor = morpher.centres.divergences(morpher.centres_held_out)
    return Bound(source, title, morpher.s, found.divergences(morpher.centres_held_out), floor)
