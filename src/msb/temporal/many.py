"""A temporal model for several copies of its molecule: each walks by itself, with noise of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from msb.core.box import make_whole
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.errors import MappingError, TrajectoryError
from msb.io.bundle import Bundle

if TYPE_CHECKING:
    from msb.temporal.model import TemporalBackmapper

__all__ = ["ManyMolecules", "onto"]

Array = NDArray[np.float32]

_APART = 1 << 40  # frame numbers between the noise of two copies


@dataclass
class ManyMolecules:
    """Copies of one molecule, each placed by the same temporal model.

    Attributes
    ----------
    one : TemporalBackmapper
        Of a single molecule.
    topology, mapping
        Of the system.
    """

    method: ClassVar[str] = "temporal"
    one: TemporalBackmapper
    topology: Topology
    mapping: Mapping

    @property
    def lag(self) -> float | None:
        """Frame spacing that the model was trained at, ps."""
        return self.one.lag

    @property
    def temperature(self) -> float:
        """Training temperature, K."""
        return self.one.temperature

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
        """Walk through the frames; see :class:`msb.backmapper.Backmapper`.

        Raises
        ------
        TrajectoryError
            If the number of beads differs from the system's, or `only` is given.
        """
        beads = np.asarray(beads, dtype=np.float32)
        if beads.shape[-2] != self.mapping.n_beads:
            raise TrajectoryError(
                f"the frames have {beads.shape[-2]} beads, the system {self.mapping.n_beads}; "
                "map with the model's own mapping (`msb info MODEL`)"
            )
        lead, copies = beads.shape[:-2], self.topology.n_molecules
        if boxes is not None:
            cells = np.broadcast_to(np.asarray(boxes, dtype=np.float32), (*lead, 3, 3))
            beads = make_whole(beads, cells, self.mapping.bead_topology())
        single = len(lead) == 1
        batch = beads[None] if single else beads
        shape = batch.shape[:2]
        numbers = np.arange(shape[1]) if frames is None else np.asarray(frames)
        numbers = np.broadcast_to(numbers, shape).astype(np.int64)
        apart = numbers[:, None] + _APART * np.arange(copies)[:, None]  # (S, copies, F)
        placed = self.one.backmap(
            _split(batch, copies).reshape(shape[0] * copies, shape[1], -1, 3),
            start=None if start is None else self._each(start, shape[0]),
            only=only,
            temperature=temperature,
            seed=seed,
            frames=apart.reshape(-1, shape[1]),
            following=None if following is None else self._each(following, shape[0]),
        )
        joined = placed.reshape(shape[0], copies, shape[1], -1, 3).swapaxes(1, 2)
        atoms: Array = np.ascontiguousarray(joined).reshape(*shape, -1, 3)
        return atoms[0] if single else atoms

    def onto(
        self, topology: Topology, mapping: Mapping, hands: NDArray[np.int8] | None = None
    ) -> TemporalBackmapper | ManyMolecules:
        """The same model for another number of copies; see :class:`msb.backmapper.Backmapper`."""
        return onto(self.one, topology, mapping)

    def save(self, folder: str | Path) -> None:
        """Write the bundle of the model of a single molecule."""
        self.one.save(folder)

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> TemporalBackmapper:
        """The model of a single molecule; put it onto the system again."""
        from msb.temporal.model import TemporalBackmapper

        return TemporalBackmapper.load(bundle, device)

    def _each(self, values: Array, segments: int) -> Array:
        """Values (S, n, 3) or (n, 3) of the system, copy by copy (S * copies, n / copies, 3)."""
        copies = self.topology.n_molecules
        every = np.broadcast_to(np.asarray(values, dtype=np.float32), (segments, *np.shape(values)[-2:]))
        return every.copy().reshape(segments * copies, -1, 3)


def onto(
    model: TemporalBackmapper, topology: Topology, mapping: Mapping
) -> TemporalBackmapper | ManyMolecules:
    """A temporal model for copies of its molecule.

    Raises
    ------
    MappingError
        If there are other molecules, or its own with other beads; all are listed.
    """
    ours, beads = model.topology.only_template(), model.mapping.templates[0]
    unknown = []
    for template, (molecule, _) in zip(mapping.templates, topology.molecules, strict=True):
        same = (molecule.atom_names, molecule.elements) == (ours.atom_names, ours.elements)
        if not (same and np.array_equal(molecule.bonds, ours.bonds)):
            unknown.append(f"{molecule.name} ({molecule.n_atoms} atoms)")
        elif template.bead_names != beads.bead_names or abs(template.weights - beads.weights).max() > 1e-4:
            unknown.append(f"{molecule.name} with the beads {', '.join(template.bead_names[:8])}")
    if unknown:
        raise MappingError(
            f"this temporal model places {ours.name} ({ours.n_atoms} atoms) with the beads "
            f"{', '.join(beads.bead_names[:8])} and does not know {', '.join(dict.fromkeys(unknown))}; "
            "train one for each molecule"
        )
    if topology.n_molecules == 1:
        return model
    return ManyMolecules(model, topology, mapping)


def _split(beads: Array, copies: int) -> Array:
    """Beads (S, F, M, 3), copy by copy (S, copies, F, m, 3)."""
    parts = beads.reshape(*beads.shape[:2], copies, -1, 3)
    return np.ascontiguousarray(parts.swapaxes(1, 2))
