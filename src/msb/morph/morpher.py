"""A trained morph model: s beads become their centre of mass, and beads come back as the target has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from msb.backmap.limits import EnergyLimits, bead_keys
from msb.backmap.model import DeepBackmapper
from msb.backmap.record import stream
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import BundleError, ConfigError, MappingError
from msb.frame_method import Request
from msb.io.bundle import Bundle, read_bundle, write_bundle
from msb.morph.config import MorphConfig
from msb.morph.encoder import bottleneck
from msb.morph.field import corrected, target_field
from msb.morph.flat_bottom import flat_bottom_system
from msb.morph.polish import FieldPolish
from msb.morph.statistics import LocalStatistics, share_left

__all__ = ["Morpher", "Scheme", "load_morpher"]

Scheme = Literal["A", "B"]
Floats = NDArray[np.float32]


@dataclass(eq=False)
class Morpher:
    r"""The function :math:`g_s(e_s(X))` for one system.

    Source: thesis, chapter 7, eq. 7.1; scheme A places all beads anew and sweeps, scheme B only sweeps.

    Attributes
    ----------
    config : MorphConfig
    decoder : DeepBackmapper
        :math:`g_s`: its "atoms" are beads, its "beads" centres of mass of `s` of them.
    pattern : tuple of str
        Types of the beads of the target's longest chain.
    target, held_out : LocalStatistics
        Of the target's snapshots that trained, and of those that did not.
    centres, centres_held_out : LocalStatistics
        The same of the centres of mass.
    aim : LocalStatistics, optional
        What the polish aims at, where it is not `target`; see `refined`.
    """

    method: ClassVar[str] = "morph"
    config: MorphConfig
    decoder: DeepBackmapper
    pattern: tuple[str, ...]
    target: LocalStatistics
    held_out: LocalStatistics
    centres: LocalStatistics
    centres_held_out: LocalStatistics
    metrics: dict[str, float] = field(default_factory=dict)
    aim: LocalStatistics | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What other processes get: not what is made when it is first needed."""
        return {key: value for key, value in vars(self).items() if key != "polisher"}

    @cached_property
    def polisher(self) -> FieldPolish:
        """What finishes frames of this system."""
        return FieldPolish(self.bottleneck, self.aim or self.target, self.temperature)

    @property
    def name(self) -> str:
        """As the configuration has it."""
        return self.config.name

    @property
    def s(self) -> int:
        """Beads that become one."""
        return self.config.s

    @property
    def temperature(self) -> float:
        """Of the target, K."""
        return self.config.data.temperature

    @property
    def topology(self) -> Topology:
        """The system's chains of beads."""
        return self.decoder.topology

    @property
    def bottleneck(self) -> Mapping:
        """The encoder of the system."""
        return self.decoder.mapping

    def types_of(self, lengths: tuple[int, ...]) -> tuple[str, ...]:
        """Return the target's types (N,) for the beads of chains, by order and count.

        Parameters
        ----------
        lengths : tuple of int
            Beads of each chain.

        Raises
        ------
        MappingError
            The target has several types of beads, and chains of another length.
        """
        kinds = set(self.pattern)
        if len(kinds) == 1:
            return (self.pattern[0],) * sum(lengths)
        odd = sorted({n for n in lengths if n != len(self.pattern)})
        if odd:
            raise MappingError(
                f"the target of {self.name} has chains of {len(self.pattern)} beads of the types "
                f"{', '.join(sorted(kinds))}; which bead of a chain of {', '.join(map(str, odd))} is "
                "which, nobody knows: give chains of that length"
            )
        return self.pattern * len(lengths)

    def onto(self, topology: Topology) -> Morpher:
        """Return the model for another system of linear chains, whose types are the target's.

        Parameters
        ----------
        topology : Topology
            As `msb.morph.chain_topology` makes it, with the types of `types_of`.

        Raises
        ------
        MappingError
            Chains are shorter than `s`, or beads are of types that the target does not have.
        """
        mapping = bottleneck(topology, self.s)
        decoder = self.decoder.onto(topology, mapping)
        if self.config.weigh == "field":
            decoder.use_field(target_field(topology, self.target, self.temperature))
            decoder.sampled_as(select="boltzmann", redraw=False, bead_sd=0.0)
        elif self.config.weigh == "walls":
            decoder.use_field(flat_bottom_system(topology, self.target.ranges, self.target.mean_bond))
            decoder.limits = _nothing_above(mapping, decoder)
        return replace(self, decoder=decoder)

    def morph(
        self,
        positions: Floats,
        boxes: Floats | None,
        *,
        scheme: Scheme = "A",
        seed: int = 0,
        frames: NDArray[np.int64] | None = None,
        sweeps: int | None = None,
        polish: bool = True,
    ) -> Floats:
        """Give frames the target's local statistics; centres of mass stay exactly where they are.

        Parameters
        ----------
        positions, boxes, scheme, seed, frames, sweeps
            As for `place`.
        polish : bool
            Whether short dynamics follow; see `polish`.

        Returns
        -------
        float32 array (F, N, 3)
            nm.

        Raises
        ------
        ConfigError, TrajectoryError
            As `place` and `polish`.
        """
        placed = self.place(positions, boxes, scheme=scheme, seed=seed, frames=frames, sweeps=sweeps)
        return self.polish(placed, positions, boxes, seed=seed, frames=frames) if polish else placed

    def place(
        self,
        positions: Floats,
        boxes: Floats | None,
        *,
        scheme: Scheme = "A",
        seed: int = 0,
        frames: NDArray[np.int64] | None = None,
        sweeps: int | None = None,
    ) -> Floats:
        """Put beads where the network has them, around the centres of those that are given.

        Parameters
        ----------
        positions : float32 array (F, N, 3)
            nm, chains whole.
        boxes : float32 array (F, 3, 3) or None
            nm.
        scheme : {'A', 'B'}
        seed : int
        frames : int array (F,), optional
            Absolute frame numbers, the keys of the noise.
        sweeps : int, optional
            Of the Gibbs sampler; the model's own by default.

        Returns
        -------
        float32 array (F, N, 3)
            nm.

        Raises
        ------
        ConfigError
            The scheme is unknown, or scheme B has no sweep.
        TrajectoryError
            Beads are at one point, chains are broken, or positions are no numbers.
        """
        if scheme not in ("A", "B"):
            raise ConfigError(f"scheme {scheme!r}: choose A (placed anew, then sweeps) or B (sweeps only)")
        if sweeps is not None and sweeps != self.decoder.sampling.sweeps:
            self.decoder.sampled_as(sweeps=sweeps)
        if scheme == "B" and not self.decoder.sampling.sweeps:
            raise ConfigError("scheme B is sweeps alone: give at least one")
        x = np.asarray(positions, dtype=np.float32)
        beads = np.asarray(self.bottleneck.beads(x.astype(np.float64)), dtype=np.float32)
        numbers = np.arange(len(x)) if frames is None else np.asarray(frames, dtype=np.int64)
        cells = None if boxes is None else np.asarray(boxes, dtype=np.float32)
        return self.decoder.place(Request(beads, cells, seed, numbers, x if scheme == "B" else None))

    def polish(
        self,
        placed: Floats,
        positions: Floats,
        boxes: Floats | None,
        *,
        seed: int = 0,
        frames: NDArray[np.int64] | None = None,
    ) -> Floats:
        """Let placed beads give way in the field that is aimed at; see `msb.morph.polish.FieldPolish`.

        Parameters
        ----------
        placed : float32 array (F, N, 3)
            nm, as `place` gives them.
        positions, boxes, seed, frames
            As for `place`.

        Raises
        ------
        TrajectoryError
            The target's statistics are too poor for a field.
        """
        if not len(self.topology.bonds):
            return placed
        centres = np.asarray(self.bottleneck.beads(np.asarray(positions, dtype=np.float64)))
        numbers = np.arange(len(placed)) if frames is None else frames
        return self.polisher(placed, centres, boxes, seed, numbers)

    def refined(
        self,
        placed: Floats,
        positions: Floats,
        boxes: Floats | None,
        *,
        rounds: int = 3,
        seed: int = 0,
        frames: NDArray[np.int64] | None = None,
        told: Callable[[int], None] | None = None,
    ) -> Morpher:
        """Return the model with a field in which these frames come nearer to the target.

        Centres of a top-down model are not where the target's are; in a field of the target's statistics
        alone, bonds that lie between them come out too short or too long.  In every round the frames are
        polished, and what is aimed at is corrected by what came out (`msb.morph.field.corrected`); the best
        field of all rounds is kept, the first one included, by what is left of the divergences of bonds,
        angles and pair distances (`share_left`).

        Parameters
        ----------
        placed, positions, boxes, seed, frames
            As for `polish`.
        rounds : int
            Corrections; the frames are polished once more than that.
        told : callable, optional
            Told 1 whenever the frames have been polished.
        """
        if not rounds:
            return self
        before = self._statistics(positions, boxes).divergences(self.target)
        floor = self.held_out.divergences(self.target)
        model, tried = self, list[tuple[float, Morpher]]()
        for left in reversed(range(rounds + 1)):
            made = model.polish(placed, positions, boxes, seed=seed, frames=frames)
            found = self._statistics(made, boxes)
            tried.append((share_left(found.divergences(self.target), before, floor), model))
            if told is not None:
                told(1)
            if left:
                model = replace(model, aim=corrected(model.aim or self.target, self.target, found))
        return min(tried, key=lambda one: one[0])[1]

    def _statistics(self, positions: Floats, boxes: Floats | None) -> LocalStatistics:
        x = np.asarray(positions, dtype=np.float64)
        return LocalStatistics.of(x, boxes, self.topology, like=self.target)

    def save(self, folder: str | Path) -> None:
        """Write the bundle: the decoder's, with the target's statistics."""
        parts = self.decoder.parts()
        known = {
            name: getattr(self, name).to_dict()
            for name in ("target", "held_out", "centres", "centres_held_out")
        }
        own = {"decoder": parts.pop("config"), "pattern": list(self.pattern), "statistics": known}
        extra = {**parts.pop("extra"), "morph": own}
        write_bundle(
            folder,
            method=self.method,
            card=_card(self),
            config=self.config.model_dump(mode="json"),
            extra=extra,
            **parts,
        )

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """The model in a bundle; it runs on the CPU whatever the device.

        Raises
        ------
        BundleError
            If the bundle's pieces do not fit together.
        """
        try:
            own = bundle.extra["morph"]
            known = {name: LocalStatistics.from_dict(plain) for name, plain in own["statistics"].items()}
            decoder = DeepBackmapper.load(replace(bundle, config=own["decoder"]), device)
            pattern = tuple(own["pattern"])
        except KeyError as error:
            raise BundleError(
                f"the bundle of the method `morph` has no {error}; it was written by another version: "
                "make it anew"
            ) from None
        config = MorphConfig.parse(dict(bundle.config), "the bundle's configuration")
        return cls(config, decoder, pattern, **known, metrics=dict(bundle.metrics))


def load_morpher(path_or_name: str | Path) -> Morpher:
    """A morph model from its bundle's folder, or a shipped one by its name.

    Raises
    ------
    BundleError
        There is no such bundle, or it is of another method.
    """
    bundle = read_bundle(path_or_name)
    if bundle.method != Morpher.method:
        raise BundleError(
            f"{path_or_name} is a model of the method `{bundle.method}`, which puts atoms on beads; "
            "`msb morph` needs one of the method `morph` (`msb train configs/morph/…`)"
        )
    return Morpher.load(bundle)


def _nothing_above(mapping: Mapping, decoder: DeepBackmapper) -> EnergyLimits:
    """Limits of zero for every bead in every pass."""
    streams = {stream(phase) for phase in decoder.placer()[1].phases(1)}
    return EnergyLimits({name: dict.fromkeys(bead_keys(mapping), 0.0) for name in streams})


def _card(model: Morpher) -> str:
    """Markdown for people."""
    data, found = model.config.data, model.metrics
    figures: dict[str, Any] = {k: f"{v:.5g}" for k, v in found.items()}
    lines = [
        f"# {model.name}",
        "",
        f"Puts {model.s} beads where their centre of mass is, as the target has them: chains of "
        f"{len(model.pattern)} beads with a mean bond of {model.target.mean_bond:.4f} nm at "
        f"{data.temperature:g} K, {model.target.frames} snapshots, "
        f"{model.held_out.frames} more to choose by.",
        "",
        *(f"- {key}: {value}" for key, value in figures.items()),
        "",
        "Use: `msb morph topdown.gro -m FOLDER -o morphed.gro`.",
    ]
    return "\n".join(lines) + "\n"
