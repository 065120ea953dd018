"""Backmapping of condensed phases with a trained network: a model for any system of what it knows."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from msb.backmap.config import BackmapConfig, SamplingSettings
from msb.backmap.energies import CandidateEnergy
from msb.backmap.energy_of_model import candidate_energy
from msb.backmap.frame_checks import check_frames
from msb.backmap.kinds import kind_named
from msb.backmap.knowledge import Knowledge
from msb.backmap.limits import EnergyLimits
from msb.backmap.placer import Placer
from msb.backmap.record import Sampled
from msb.backmap.sampler import Sampler
from msb.core.bead_environment import BeadEnvironments
from msb.core.mapping import Mapping
from msb.core.scene import Tables
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.core.unfamiliarity import Familiarity
from msb.energy.replicate import system_of
from msb.energy.systems import system_from_xml, system_to_xml
from msb.errors import BundleError, ConfigError
from msb.frame_method import Array, FrameMethod, Request
from msb.io.bundle import Bundle, write_bundle
from msb.nn.threads import limited_threads

__all__ = ["DeepBackmapper"]

Signs = NDArray[np.int8]
_ANY = 2**10  # threads


@dataclass
class DeepBackmapper(FrameMethod):
    """Atoms of condensed phases, placed bead by bead among what is there already, and again in sweeps.

    Attributes
    ----------
    config : BackmapConfig
    network : nn.Module
    knowledge : Knowledge
        What is kept of the training set.
    familiarity : Familiarity or None
        Bead environments of the training set.
    limits : EnergyLimits
        Energies that the reference hardly ever exceeds.
    sampling : SamplingSettings
        The configuration's, unless changed.
    hands : int8 array (C,) or None
        Wanted sign of every stereocentre; as training had them where None.
    system_xml : str or None
        XML of the whole system's force field, where the bundle's does not cover it.
    metrics : dict of str to float
    last : Sampled or None
        What the last call took.
    """

    method: ClassVar[str] = "backmap"
    config: BackmapConfig = field(default=None)  # type: ignore[assignment]
    network: nn.Module = field(default=None)  # type: ignore[assignment]
    knowledge: Knowledge = field(default_factory=Knowledge)
    familiarity: Familiarity | None = None
    limits: EnergyLimits = field(default_factory=EnergyLimits)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    hands: Signs | None = None
    system_xml: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    last: Sampled | None = None
    _sampler: Sampler | None = field(default=None, init=False, repr=False)
    _environments: BeadEnvironments | None = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """What other processes get: not what is made when it is first needed."""
        return {**vars(self), "_sampler": None, "_environments": None, "last": None}

    def place(self, request: Request) -> Array:
        """Atoms (F, N, 3) of frames, on their beads; see :class:`msb.frame_method.FrameMethod`."""
        sampler = self.sampler(request.boxes)
        check_frames(
            self.mapping,
            request.beads,
            request.boxes,
            request.numbers,
            reach=sampler.placer.reach,
            longest=self.knowledge.longest,
        )
        kelvin = self.temperature if request.temperature is None else request.temperature
        if kelvin > 0 and self.temperature > 0 and hasattr(sampler.placer, "temper"):
            sampler.placer.temper(kelvin / self.temperature)
        with limited_threads(getattr(sampler.placer, "threads", _ANY)):
            self.last = sampler.run(
                request.beads,
                request.boxes,
                request.seed,
                request.numbers,
                request.start,
                request.only,
                None if np.isnan(kelvin) else kelvin,
            )
        self.last_deviation = np.sqrt(np.square(self.last.deviation, dtype=np.float64).mean(-1))
        return np.asarray(self.last.positions, dtype=np.float32)

    def unfamiliar(self, beads: Array, boxes: Array | None = None) -> NDArray[np.float64] | None:
        """Share (F,) of the beads of each frame whose environment is beyond the training set's limit.

        Parameters
        ----------
        beads : float32 array (F, M, 3)
            nm, molecules whole.
        boxes : float32 array (F, 3, 3), optional
            nm.

        Returns
        -------
        ndarray (F,) or None
            None where the model keeps no environments.
        """
        if self.familiarity is None:
            return None
        if self._environments is None:
            self._environments = BeadEnvironments(self.mapping, self.familiarity.vocabulary)
        return np.asarray(self.familiarity.share_outside(self._environments(beads, boxes)))

    def sampled_as(self, **changes: Any) -> Self:
        """Change how atoms are sampled, in place.

        Parameters
        ----------
        **changes
            Keys of :class:`msb.backmap.config.SamplingSettings`.

        Raises
        ------
        ConfigError
            A key or a value is unknown.
        """
        plain = {**self.sampling.model_dump(), **changes}
        self.sampling = SamplingSettings.parse(plain, "how to sample")
        self._sampler = None
        return self

    @property
    def known_hands(self) -> dict[MoleculeTemplate, Signs | None]:
        """Hands of each molecule's stereocentres in nine of ten copies; None where one has none."""
        return {template: signs if signs.all() else None for template, signs in self.knowledge.hands}

    def told(self, beads: Array, boxes: Array | None = None) -> dict[str, float]:
        """What there is to say of the last frames, which had these beads.

        Parameters
        ----------
        beads : float32 array (F, M, 3)
            nm, molecules whole.
        boxes : float32 array (F, 3, 3), optional
            nm.

        Returns
        -------
        dict of str to float
            ``unfamiliar``, the share of beads beyond the training set's limit; of the sampling ``stages``,
            ``seconds``, those in the ``network``, and the root mean square ``deviation`` of the beads before
            the projection, nm.
        """
        outside = self.unfamiliar(beads, boxes)
        said = {} if outside is None else {"unfamiliar": float(outside.mean())}
        if self.last is not None:
            said |= {
                "stages": float(sum(self.last.stages)),
                "seconds": self.last.seconds["total"],
                "network": self.last.seconds["network"],
                "deviation": float(np.sqrt(np.mean(np.square(self.last.deviation)))),
            }
        return said

    @property
    def needs_energy(self) -> bool:
        """Whether the choice among candidates asks for the force field."""
        return self.sampling.select != "random"

    def use_field(self, system: Any) -> None:
        """Take candidates' energies from an OpenMM System of all atoms."""
        self.system_xml, self._sampler = system_to_xml(system), None

    def sampler(self, boxes: NDArray[Any] | None = None) -> Sampler:
        """What places this system; made once.

        Parameters
        ----------
        boxes : array (F, 3, 3), optional
            Of the frames; only whether there are any matters.

        Raises
        ------
        MappingError
            The network does not know a type.
        ConfigError
            The choice needs energies, and no force field is known.
        """
        if self._sampler is None:
            tables, placer = self.placer()
            energy, limits = self._energy(tables, boxes)
            rigid = self.knowledge.rigid.constraints(self.topology)
            options = self.sampling.options()
            self._sampler = Sampler(placer, tables, self.mapping, energy, options, rigid, limits)
        return self._sampler

    def placer(self) -> tuple[Tables, Placer]:
        """The network as a placer of this system, with the system's tables.

        Raises
        ------
        MappingError
            The network does not know a type.
        """
        settings = self.config.network
        tables = Tables.of(self.mapping, getattr(settings, "order", "depth"), self.config.seed)
        double = self.sampling.precision == "float64"
        network = deepcopy(self.network).double() if double else self.network  # other systems share it
        hands = self.knowledge.hands_of(self.topology) if self.hands is None else self.hands
        kind = kind_named(settings.kind)
        return tables, kind.placer(network, settings, self.mapping, tables, hands)

    def _energy(
        self, tables: Tables, boxes: NDArray[Any] | None
    ) -> tuple[CandidateEnergy | None, MappingOf[str, torch.Tensor] | None]:
        """Energies of candidates and their limits, where they are asked for."""
        wanted = self.needs_energy or (self.sampling.redraw and bool(self.limits))
        if not wanted:
            return None, None
        system = self._system(boxes)
        if system is None:
            if self.needs_energy:
                raise ConfigError(
                    f"`select: {self.sampling.select}` needs the force field, which the model does not have "
                    "for these molecules: give it (--top topol.top), or choose `random`"
                )
            return None, None
        rigid = self.knowledge.rigid.constraints(self.topology)
        kelvin = {} if np.isnan(self.temperature) else {"temperature": self.temperature}
        energy = candidate_energy(system, tables, rigid, **kelvin)
        return energy, self.limits.of(self.mapping) if self.sampling.select == "random" else None

    def _fields(self) -> dict[str, Any] | None:
        """The model's own force fields, where they are of these molecules: chains may be longer."""
        if not {t.name for t in self.topology.templates} <= set(self.force_field):
            return None
        fields = {name: system_from_xml(text) for name, text in self.force_field.items()}
        if any(fields[t.name].getNumParticles() != t.n_atoms for t in self.topology.templates):
            return None
        return fields

    def _system(self, boxes: NDArray[Any] | None) -> Any | None:
        if self.system_xml is not None:
            return system_from_xml(self.system_xml)
        fields = self._fields()
        return (
            None if fields is None else system_of(self.topology, fields, None if boxes is None else boxes[0])
        )

    def retarget(self, known: FrameMethod, hands: Signs | None) -> None:
        """Take the network and all it knows from the model of another system.

        Raises
        ------
        MappingError
            If the system has types that the model has never seen; all are listed.
        """
        other = cast(DeepBackmapper, known)
        other.knowledge.require_types(self.topology, self.mapping)
        self.config, self.network, self.knowledge = other.config, other.network, other.knowledge
        self.familiarity, self.limits, self.sampling = other.familiarity, other.limits, other.sampling
        self.metrics = other.metrics
        self.hands = None if hands is None else np.asarray(hands, dtype=np.int8)

    def plain(self) -> dict[str, Any]:
        """What the bundle keeps beside configuration, weights and arrays."""
        return {
            "network": cast(Any, self.network).description(),
            "knowledge": self.knowledge.to_dict(),
            "limits": self.limits.to_dict(),
        }

    def save(self, folder: str | Path) -> None:
        """Write the bundle: weights, what is known of the training set, force fields and card."""
        from msb.backmap.card import card

        write_bundle(folder, method=self.method, card=card(self), **self.parts())

    def parts(self) -> dict[str, Any]:
        """What a bundle is written from, but for the method and the card."""
        known = {} if self.familiarity is None else self.familiarity.to_arrays()
        return {
            "config": self.config.model_dump(mode="json"),
            "tensors": dict(self.network.state_dict()),
            "topology": self.topology.to_dict(),
            "mapping": self.mapping.to_dict(),
            "arrays": {f"familiarity/{name}": values for name, values in known.items()},
            "force_field_xml": self.force_field,
            "data_hashes": self.hashes,
            "metrics": self.metrics,
            "extra": self.plain(),
        }

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """The model in a bundle; it places atoms on the CPU whatever the device.

        Raises
        ------
        BundleError
            If the bundle's pieces do not fit together.
        """
        config = BackmapConfig.parse(dict(bundle.config), "the bundle's configuration")
        topology = Topology.from_dict(bundle.topology)
        try:
            extra = bundle.extra
            network = kind_named(config.network.kind).restore(config.network, extra["network"])
            knowledge = Knowledge.from_dict(extra["knowledge"], topology)
            limits = EnergyLimits.from_dict(extra["limits"])
            network.load_state_dict(bundle.tensors)
        except (KeyError, RuntimeError) as error:
            raise BundleError(
                f"the bundle's pieces do not fit its configuration: {error}; copy or train the model again"
            ) from None
        known = {
            name.removeprefix("familiarity/"): values
            for name, values in bundle.arrays.items()
            if name.startswith("familiarity/")
        }
        return cls(
            config.name,
            topology,
            Mapping.from_dict(bundle.mapping, topology),
            config.data.temperature,
            config.model_dump(mode="json"),
            bundle.data_hashes,
            bundle.force_field_xml,
            config=config,
            network=network.eval(),
            knowledge=knowledge,
            familiarity=Familiarity.from_arrays(known) if known else None,
            limits=limits,
            sampling=config.sampling,
            metrics=bundle.metrics,
        )
