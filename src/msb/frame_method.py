"""What the methods that place each frame by itself share: shapes, checks, and the bundle."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate, same_atoms
from msb.core.topology import Topology
from msb.data.paired import PairedData
from msb.data.snapshots import Snapshots
from msb.errors import BundleError, ConfigError, MappingError, TrajectoryError
from msb.io.bundle import Bundle, write_bundle

__all__ = ["FrameMethod", "Request", "known_blocks", "needed", "snapshots_of"]

Array = NDArray[np.float32]
Known = TypeVar("Known")
_SAME_WEIGHTS = 1e-4  # masses of two force fields differ in the fourth digit


@dataclass(frozen=True, eq=False)
class Request:
    """Frames to be placed, each by itself.

    Attributes
    ----------
    beads : float32 array (F, M, 3)
        nm; chains of beads are whole.
    boxes : float32 array (F, 3, 3) or None
        nm.
    seed : int
    numbers : int array (F,)
        Absolute frame numbers, the keys of the noise.
    start : float32 array (F, N, 3) or None
        Atoms as they are, nm.
    only : bool array (N,) or None
        Atoms that are placed anew; all where None.
    temperature : float or None
        K; the model's own where None.
    """

    beads: Array
    boxes: Array | None
    seed: int
    numbers: NDArray[np.int64]
    start: Array | None = None
    only: NDArray[np.bool_] | None = None
    temperature: float | None = None

    def __getitem__(self, rows: slice) -> Request:
        """Some of the frames."""
        boxes = None if self.boxes is None else self.boxes[rows]
        start = None if self.start is None else self.start[rows]
        return replace(self, beads=self.beads[rows], boxes=boxes, numbers=self.numbers[rows], start=start)


@dataclass
class FrameMethod:
    """A method that places each frame by itself, without memory.

    Attributes
    ----------
    name : str
    topology, mapping
    temperature : float
        Of the data, K; NaN where nobody said.
    settings : dict
        The configuration, as plain values.
    last_deviation : float array (F,) or None
        RMS distance of the beads of the atoms last placed from those asked for, before anything moved the
        atoms onto them, nm.
    """

    method: ClassVar[str] = "frame"
    name: str
    topology: Topology
    mapping: Mapping
    temperature: float
    settings: dict[str, Any]
    hashes: dict[str, str] = field(default_factory=dict)
    force_field: dict[str, str] = field(default_factory=dict)
    lag: float | None = None
    last_deviation: NDArray[np.float64] | None = field(default=None, init=False, repr=False, compare=False)

    def place(self, request: Request) -> Array:
        """Atoms (F, N, 3) of frames, nm."""
        raise TypeError(f"{type(self).__name__} does not say how it places atoms")

    def learn(self, source: Snapshots) -> None:
        """Take from snapshots what the method needs."""
        raise TypeError(f"{type(self).__name__} does not say what it learns")

    def retarget(self, known: FrameMethod, hands: NDArray[np.int8] | None) -> None:
        """Take from a model of another system what places this one.

        Raises
        ------
        MappingError
            If this system holds anything that the model does not know.
        """
        raise TypeError(f"{type(self).__name__} cannot be used for another system")

    def plain(self) -> dict[str, Any]:
        """What the bundle's configuration keeps beside the settings."""
        return {}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What the bundle keeps."""
        return {}

    def restore(self, plain: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`plain` and :meth:`arrays`."""

    @classmethod
    def of_training(cls, config: Any, data: PairedData) -> Self:
        """A model of a training split's system that has learned nothing yet."""
        return cls(
            config.name,
            data.topology,
            data.mapping,
            config.data.temperature,
            config.model_dump(mode="json"),
            data.hashes,
            data.force_field,
        )

    @classmethod
    def of_options(
        cls,
        topology: Topology,
        mapping: Mapping,
        name: str,
        temperature: float | None,
        options: dict[str, Any],
    ) -> Self:
        """A model of a system that has learned nothing yet, with a method's own options."""
        kelvin = float("nan") if temperature is None else float(temperature)
        return cls(name, topology, mapping, kelvin, {"method": cls.method, "name": name, **options})

    @classmethod
    def from_data(cls, config: Any, data: PairedData, frames: int) -> Self:
        """A model of a training split, from so many of its frames, evenly in time."""
        model = cls.of_training(config, data)
        model.learn(snapshots_of(data, frames))
        return model

    @classmethod
    def from_snapshots(
        cls,
        source: Snapshots | None,
        topology: Topology,
        mapping: Mapping,
        name: str,
        temperature: float | None,
        options: dict[str, Any],
    ) -> Self:
        """A model that learned from snapshots, for a system; see :func:`msb.backmapper.build_model`."""
        known = needed(source, cls.method)
        model = cls.of_options(known.topology, known.mapping, name, temperature, options)
        model.hashes = dict(known.hashes)
        model.learn(known)
        return model.onto(topology, mapping)

    def onto(self, topology: Topology, mapping: Mapping, hands: NDArray[np.int8] | None = None) -> Self:
        """The same model for another system; see :class:`msb.backmapper.Backmapper`."""
        kept = (self.temperature, self.settings, self.hashes, self.force_field, self.lag)
        model = type(self)(self.name, topology, mapping, *kept)
        model.retarget(self, hands)
        return model

    def backmap(
        self,
        beads: Array,
        *,
        start: Array | None = None,
        only: NDArray[np.bool_] | None = None,
        temperature: float | None = None,
        seed: int = 0,
        frames: NDArray[np.int64] | None = None,
        boxes: Array | None = None,
        following: Array | None = None,
    ) -> Array:
        """Place each frame by itself; see :class:`msb.backmapper.Backmapper`.

        With boxes the beads of a molecule may be on both sides of a face: they are put together first.

        Raises
        ------
        TrajectoryError
            If the number of beads differs from the model's, or `only` comes without `start`.
        """
        beads = np.array(beads, dtype=np.float32)
        if beads.shape[-2] != self.mapping.n_beads:
            raise TrajectoryError(
                f"the frames have {beads.shape[-2]} beads, the model places {self.mapping.n_beads}; "
                "map with the model's own mapping (`msb info MODEL`)"
            )
        lead = beads.shape[:-2]
        flat = beads.reshape(-1, *beads.shape[-2:])
        cells = None
        if boxes is not None:
            cells = np.array(np.broadcast_to(boxes, (*lead, 3, 3)), dtype=np.float32)
            cells = cells.reshape(-1, 3, 3)
            flat = np.asarray(make_whole(flat, cells, self._bead_topology), dtype=np.float32)
        numbers = np.arange(lead[-1]) if frames is None else np.asarray(frames)
        numbers = np.broadcast_to(numbers, lead).astype(np.int64).ravel()
        self.last_deviation = None
        if only is None:
            atoms = self.place(Request(flat, cells, seed, numbers, temperature=temperature))
            if self.last_deviation is None:
                self.last_deviation = self._deviation(atoms, flat)
            return atoms.reshape(*lead, -1, 3)
        if start is None:
            raise TrajectoryError("`only` needs `start`: the positions of the atoms that are kept")
        kept = np.asarray(start, dtype=np.float32)[..., None, :, :]
        kept = np.broadcast_to(kept, (*lead, *kept.shape[-2:])).reshape(len(flat), -1, 3)
        chosen = np.asarray(only, dtype=bool)
        atoms = self.place(Request(flat, cells, seed, numbers, kept, chosen, temperature))
        mixed: Array = np.where(chosen[:, None], atoms, kept).astype(np.float32)
        return mixed.reshape(*lead, -1, 3)

    def onto_beads(self, positions: Array, beads: Array) -> Array:
        """Move atoms by as little as puts them on their beads, and keep how far off the beads were.

        Parameters
        ----------
        positions : float32 array (F, N, 3)
            nm.
        beads : float32 array (F, M, 3)
            nm.

        Returns
        -------
        float32 array (F, N, 3)
            nm.
        """
        self.last_deviation = self._deviation(positions, beads)
        projected: Array = self.mapping.project(positions, beads).positions
        return projected

    def _deviation(self, positions: Array, beads: Array) -> NDArray[np.float64]:
        """RMS distance (F,) of the beads of atoms from those asked for, nm."""
        away = np.asarray(self.mapping.beads(positions), dtype=np.float64) - beads
        return np.asarray(np.sqrt(np.square(away).sum(-1).mean(-1)))

    @property
    def _bead_topology(self) -> Topology:
        if not hasattr(self, "_beads"):
            self._beads = self.mapping.bead_topology()
        return self._beads

    def save(self, folder: str | Path) -> None:
        """Write the model bundle."""
        known = None if np.isnan(self.temperature) else self.temperature
        write_bundle(
            folder,
            method=self.method,
            config={**self.settings, "name": self.name, "temperature": known, "known": self.plain()},
            tensors={},
            topology=self.topology.to_dict(),
            mapping=self.mapping.to_dict(),
            arrays=self.arrays(),
            force_field_xml=self.force_field,
            data_hashes=self.hashes,
            metrics={},
            card=f"# {self.name}\n\n{type(self).__doc__}\n",
        )

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Self:
        """The model in a bundle; it runs on the CPU whatever the device.

        Raises
        ------
        BundleError
            If the bundle's pieces do not fit together.
        """
        topology = Topology.from_dict(bundle.topology)
        try:
            config = dict(bundle.config)
            kelvin, plain = config.pop("temperature"), config.pop("known")
            model = cls(
                config["name"],
                topology,
                Mapping.from_dict(bundle.mapping, topology),
                float("nan") if kelvin is None else kelvin,
                config,
                bundle.data_hashes,
                bundle.force_field_xml,
            )
            model.restore(plain, bundle.arrays)
        except KeyError as error:
            raise BundleError(
                f"the bundle of the method `{cls.method}` has no {error}; it was written by another version: "
                "make it anew"
            ) from None
        return model


def needed(source: Snapshots | None, method: str) -> Snapshots:
    """The snapshots.

    Raises
    ------
    ConfigError
        If there are none.
    """
    if source is None:
        raise ConfigError(
            f"the method `{method}` learns from all-atom snapshots; give at least one (`--from AA.gro`)"
        )
    return source


def snapshots_of(data: PairedData, frames: int) -> Snapshots:
    """So many frames of a training split, evenly in time."""
    positions, _ = data.part("train")
    chosen = np.linspace(0, len(positions) - 1, min(frames, len(positions))).astype(int)
    return Snapshots.of(np.ascontiguousarray(positions[chosen]), data.mapping, None, data.hashes)


def known_blocks(
    mapping: Mapping,
    topology: Topology,
    known: dict[tuple[MoleculeTemplate, MappingTemplate], Known],
    method: str,
) -> list[Known]:
    """What is known of the molecule of each block of a system.

    Parameters
    ----------
    mapping, topology
        The system.
    known : dict of (MoleculeTemplate, MappingTemplate) to anything
    method : str
        For the message.

    Raises
    ------
    MappingError
        If there are other molecules, or the same with other beads; all are listed.
    """
    found, unknown = [], []
    names = sorted({molecule.name for molecule, _ in known})
    for template, (molecule, _) in zip(mapping.templates, topology.molecules, strict=True):
        entry = known.get((molecule, template)) or _with_same_atoms(molecule, template, known)
        if entry is None:
            near = difflib.get_close_matches(molecule.name, names, n=1, cutoff=0.3) or names[:1]
            unknown.append(f"{molecule.name} (nearest known: {', '.join(near) or 'none'})")
        else:
            found.append(entry)
    if unknown:
        raise MappingError(
            f"the model (`{method}`) was made from whole molecules {', '.join(names) or 'none'} and does not "
            f"know {', '.join(dict.fromkeys(unknown))}; add all-atom snapshots that hold them, or use "
            "`fragment`, which knows parts of molecules"
        )
    return found


def _with_same_atoms(
    molecule: MoleculeTemplate,
    mapping: MappingTemplate,
    known: dict[tuple[MoleculeTemplate, MappingTemplate], Known],
) -> Known | None:
    """What is known of a molecule of the same atoms, bonds and beads, whatever its force field is called."""
    for (other, theirs), entry in known.items():
        same = same_atoms(molecule, other) and theirs.n_beads == mapping.n_beads
        if same and abs(theirs.weights - mapping.weights).max() < _SAME_WEIGHTS:
            return entry
    return None
