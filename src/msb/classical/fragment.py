"""Equilibrated fragments: each unit becomes the library's whose beads, and what is around them, fit best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from msb.classical.config import FragmentConfig, FragmentOptions
from msb.classical.fragment_choice import Chooser
from msb.classical.fragment_library import FragmentLibrary, restored
from msb.classical.fragment_plan import Plan, plan
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.data.paired import load_paired
from msb.data.snapshots import Snapshots
from msb.frame_method import FrameMethod, Request

__all__ = ["FragmentBackmapper", "build", "train"]

Array = NDArray[np.float32]


@dataclass
class FragmentBackmapper(FrameMethod):
    """Pieces of equilibrated molecules, superposed on the beads and chosen to fit each other."""

    method: ClassVar[str] = "fragment"
    library: FragmentLibrary | None = None
    hands: NDArray[np.int8] | None = None
    _chooser: Chooser | None = None

    @property
    def options(self) -> FragmentOptions:
        """Settings, with defaults filled in."""
        known = FragmentOptions.model_fields
        return FragmentOptions.parse({k: v for k, v in self.settings.items() if k in known}, self.name)

    def drawing(self, best: int) -> FragmentBackmapper:
        """The same model, drawing each unit among so many best."""
        return replace(self, settings={**self.settings, "best": best}, _chooser=None)

    def place(self, request: Request) -> Array:
        """Atoms (F, N, 3) of frames, on their beads; see :class:`msb.frame_method.FrameMethod`."""
        chooser = self._made()
        placed = np.stack([chooser.frame(request[f : f + 1]) for f in range(len(request.beads))])
        return self.onto_beads(placed, request.beads)

    def learn(self, source: Snapshots) -> None:
        """Cut the snapshots' molecules into units."""
        options = self.options
        self.library = FragmentLibrary.of(source, options.unit, (options.near, options.far), options.mirrors)

    def retarget(self, known: FrameMethod, hands: NDArray[np.int8] | None) -> None:
        """Use another model's library for this system."""
        self.library = cast(FragmentBackmapper, known).library
        self.hands = None if hands is None else np.asarray(hands, dtype=np.int8)
        self._made()

    def plain(self) -> dict[str, Any]:
        """Templates of the library's molecules."""
        known = self._known().known
        return {
            "molecules": [
                {"molecule": entry.molecule.to_dict(), "mapping": entry.mapping.to_dict()} for entry in known
            ]
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The library's molecules, and the wanted hands."""
        found = {f"molecules_{i}": entry.positions for i, entry in enumerate(self._known().known)}
        return found if self.hands is None else {**found, "hands": self.hands}

    def restore(self, plain: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse of :meth:`plain` and :meth:`arrays`."""
        options = self.options
        weights = options.near, options.far
        self.library = restored(options.unit, weights, plain["molecules"], arrays, options.mirrors)
        self.hands = arrays.get("hands")

    def _known(self) -> FragmentLibrary:
        if self.library is None:
            raise ValueError("the model has no library")
        return self.library

    def _made(self) -> Chooser:
        if self._chooser is None:
            found: Plan = plan(self._known(), self.topology, self.mapping, self.hands)
            self._chooser = Chooser(found, self.topology, self.options)
        return self._chooser


def build(
    source: Snapshots | None,
    topology: Topology,
    mapping: Mapping,
    *,
    name: str,
    temperature: float | None,
    options: dict[str, Any],
) -> FragmentBackmapper:
    """A fragment model of a system from snapshots of any system with the same units."""
    FragmentOptions.parse(options, "fragment")
    return FragmentBackmapper.from_snapshots(source, topology, mapping, name, temperature, options)


def train(
    config: FragmentConfig,
    base: Path,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    progress: Callable[..., None] | None = None,
) -> FragmentBackmapper:
    """Take the library from the training split, evenly in time."""
    return FragmentBackmapper.from_data(config, load_paired(config.data, base), config.snapshots)
