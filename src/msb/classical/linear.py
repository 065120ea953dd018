"""The linear conditional mean: right on average, without any spread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from msb.classical.config import LinearConfig, LinearOptions
from msb.classical.fragment_library import FragmentLibrary, Wanted
from msb.classical.fragment_plan import Plan, plan
from msb.classical.fragment_search import Entries
from msb.core.features import LinearMean, choose_frame
from msb.core.fragments import LEVELS, UnitKind
from msb.core.mapping import Mapping
from msb.core.template import MoleculeTemplate, same_atoms
from msb.core.topology import Topology
from msb.data.paired import load_paired
from msb.data.snapshots import Snapshots
from msb.frame_method import FrameMethod, Request

__all__ = ["LinearBackmapper", "Means", "Regression", "build", "train"]

_TRIED = 400  # entries that a frame is chosen by
_FRAME_BEADS = 3  # that a frame needs

Array = NDArray[np.float32]
Signs = NDArray[np.int8]
Key = tuple[str, tuple[int, ...] | None, tuple[int, ...] | None, int]


@dataclass(frozen=True, eq=False)
class Regression:
    """The mean of one kind of unit.

    Attributes
    ----------
    mean : LinearMean
        Of its atoms, from the beads it is recognised by.
    n_beads, count : int
        Beads, and examples.
    """

    mean: LinearMean
    n_beads: int
    count: int

    def __len__(self) -> int:
        return self.count

    @classmethod
    def fit(cls, entries: Entries, bonds: NDArray[np.int64], ridge: float) -> Regression:
        """Least squares over entries; `bonds` are those between its beads."""
        beads = torch.from_numpy(entries.beads)
        few = beads[:: max(1, len(beads) // _TRIED)] if entries.n_beads > _FRAME_BEADS else beads
        n = entries.n_beads
        frame = choose_frame(few, bonds) if n >= _FRAME_BEADS else (0, n - 1, n - 1)
        mean = LinearMean.fit(torch.from_numpy(entries.atoms), beads, frame, ridge)
        return cls(mean, n, len(entries))


@dataclass(eq=False)
class Means:
    """Regressions of all units of some molecules, by what the units are.

    Attributes
    ----------
    kind : {'bead', 'monomer', 'molecule'}
    found : dict
        By key, hands (own and of those bonded to it) and level.
    names : dict of str to str
        Of the units by themselves.
    hands : list of (MoleculeTemplate, int8 array (C,) or None)
        What the copies of each molecule agree on.
    """

    kind: UnitKind
    found: dict[Key, Regression]
    names: dict[str, str]
    hands: list[tuple[MoleculeTemplate, Signs | None]]

    @classmethod
    def fit(cls, library: FragmentLibrary, ridge: float) -> Means:
        """One regression for each kind of unit, with the hands that it was seen with and with any."""
        found: dict[Key, Regression] = {}
        for entry, units in zip(library.known, library.units, strict=True):
            patterns = np.unique(entry.hands, axis=0)
            for unit in units:
                bonds = _inner_bonds(unit.beads, entry.mapping.bead_bonds)
                for pattern in (None, *patterns):
                    wanted = Wanted.of(unit, pattern)
                    for level in range(LEVELS) if unit.slots else (LEVELS - 1,):
                        key = wanted.key(level)
                        entries = library.level(wanted, level) if key not in found else None
                        if entries is not None:
                            inside = bonds if entries.n_beads == len(unit.beads) else bonds[:0]
                            found[key] = Regression.fit(entries, inside, ridge)
        hands = [(entry.molecule, library.majority(entry.molecule)) for entry in library.known]
        return cls(library.kind, found, library.names, hands)

    def majority(self, molecule: MoleculeTemplate) -> Signs | None:
        """The hands that the copies of a known molecule agree on."""
        return next((hands for known, hands in self.hands if same_atoms(known, molecule)), None)

    def entries(self, wanted: Wanted) -> Regression | None:
        """The regression of the finest likeness; None if there is none."""
        keys = (wanted.key(level) for level in range(LEVELS))
        return next((self.found[key] for key in keys if key in self.found), None)


@dataclass
class LinearBackmapper(FrameMethod):
    """Atoms as a linear function of the beads around them, both in the beads' own frame."""

    method: ClassVar[str] = "linear"
    means: Means | None = None
    hands: Signs | None = None
    _plan: Plan | None = field(default=None, repr=False)

    def place(self, request: Request) -> Array:
        """Conditional means (F, N, 3) of frames of beads; see :class:`msb.frame_method.FrameMethod`."""
        found = np.empty((len(request.beads), self.topology.n_atoms, 3), dtype=np.float32)
        for kind in self._made().kinds:
            flip = np.concatenate([kind.signs, np.ones_like(kind.signs), np.ones_like(kind.signs)], axis=2)
            beads = torch.from_numpy(request.beads[:, kind.beads] * flip)
            found[:, kind.atoms] = cast(Regression, kind.entries).mean.predict(beads).numpy() * flip
        return self.onto_beads(found, request.beads)

    def learn(self, source: Snapshots) -> None:
        """Fit the regressions."""
        known = LinearOptions.model_fields
        options = LinearOptions.parse({k: v for k, v in self.settings.items() if k in known}, self.name)
        library = FragmentLibrary.of(source, options.unit, (1.0, 1.0))
        self.means = Means.fit(library, options.ridge)

    def retarget(self, known: FrameMethod, hands: Signs | None) -> None:
        """Use another model's regressions for this system."""
        self.means = cast(LinearBackmapper, known).means
        self.hands = None if hands is None else np.asarray(hands, dtype=np.int8)
        self._made()

    def plain(self) -> dict[str, Any]:
        """Keys of the regressions."""
        means = self._known()
        return {
            "unit": means.kind,
            "names": means.names,
            "molecules": [molecule.to_dict() for molecule, _ in means.hands],
            "keys": [[list(k) if isinstance(k, tuple) else k for k in key] for key in means.found],
            "frames": [list(entry.mean.frame) for entry in means.found.values()],
            "sizes": [[entry.n_beads, entry.count] for entry in means.found.values()],
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Regression matrices, and hands."""
        means = self._known()
        found: dict[str, NDArray[Any]] = {
            f"weights_{i}": entry.mean.weights.numpy() for i, entry in enumerate(means.found.values())
        }
        for i, (_, hands) in enumerate(means.hands):
            if hands is not None and len(hands):
                found[f"hands_{i}"] = hands
        return found if self.hands is None else {**found, "hands": self.hands}

    def restore(self, plain: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`plain` and :meth:`arrays`."""
        found: dict[Key, Regression] = {}
        rows = zip(plain["keys"], plain["frames"], plain["sizes"], strict=True)
        for i, (key, (o, a, p), (n, count)) in enumerate(rows):
            own, near = (None if k is None else tuple(k) for k in key[1:3])
            mean = LinearMean((o, a, p), torch.from_numpy(arrays[f"weights_{i}"]))
            found[key[0], own, near, key[3]] = Regression(mean, n, count)
        molecules = [MoleculeTemplate.from_dict(entry) for entry in plain["molecules"]]
        hands = [
            (molecule, arrays.get(f"hands_{i}", None if molecule.stereocentres else np.zeros(0, np.int8)))
            for i, molecule in enumerate(molecules)
        ]
        self.means = Means(plain["unit"], found, plain["names"], hands)
        self.hands = arrays.get("hands")

    def _known(self) -> Means:
        if self.means is None:
            raise ValueError("the model was not fitted")
        return self.means

    def _made(self) -> Plan:
        if self._plan is None:
            self._plan = plan(self._known(), self.topology, self.mapping, self.hands)
        return self._plan


def build(
    source: Snapshots | None,
    topology: Topology,
    mapping: Mapping,
    *,
    name: str,
    temperature: float | None,
    options: dict[str, Any],
) -> LinearBackmapper:
    """Linear means for a system, from snapshots of any system with the same units."""
    LinearOptions.parse(options, "linear")
    return LinearBackmapper.from_snapshots(source, topology, mapping, name, temperature, options)


def train(
    config: LinearConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[..., None] | None = None,
) -> LinearBackmapper:
    """Fit on the training split; seconds, so there is nothing to resume or to report."""
    data = load_paired(config.data, base)
    return LinearBackmapper.from_data(config, data, len(data.part("train")[0]))


def _inner_bonds(beads: tuple[int, ...], bonds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bonds between a unit's own beads, numbered within the unit."""
    place = {bead: number for number, bead in enumerate(beads)}
    inside = [(place[i], place[j]) for i, j in bonds.tolist() if i in place and j in place]
    return np.array(inside, dtype=np.int64).reshape(-1, 2)
