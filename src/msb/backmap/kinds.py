"""The kinds of networks that place beads: how each is restored, made a placer of a system, and trained.

A kind is a module with three functions; nothing of it is imported before it is asked for.

``restore(settings, description) -> nn.Module``
    An untrained network of the shape that `description()` of a trained one tells.
``placer(network, settings, mapping, tables, hands) -> Placer``
    For any system of types that the network knows; `hands` (C,) are the wanted signs of its stereocentres
    in the order of its atoms, 0 where any will do, or None.  Raises MappingError listing unknown types.
``train(config, data, folder, *, start, resume, device, progress) -> (nn.Module, dict of str to float)``
    The trained network and its figures; `start` is a network of its own to begin with, or None.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from numpy.typing import NDArray

from msb.core.mapping import Mapping
from msb.core.scene import Tables
from msb.errors import ConfigError
from msb.train.loop import Progress

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from msb.backmap.config import BackmapConfig
    from msb.backmap.placer import Placer
    from msb.data.training_set import TrainingSet

__all__ = ["KINDS", "Kind", "kind_named", "register_kind"]


class Kind(Protocol):
    """A module that implements a kind; see this module."""

    def restore(self, settings: Any, description: dict[str, Any]) -> nn.Module:
        """An untrained network of a shape."""

    def placer(
        self,
        network: nn.Module,
        settings: Any,
        mapping: Mapping,
        tables: Tables,
        hands: NDArray[np.int8] | None,
    ) -> Placer:
        """What places the beads of a system."""

    def train(
        self,
        config: BackmapConfig,
        data: TrainingSet,
        folder: Path,
        *,
        start: nn.Module | None = None,
        resume: bool = False,
        device: str = "cpu",
        progress: Callable[[Progress], None] | None = None,
    ) -> tuple[nn.Module, dict[str, float]]:
        """A trained network, and its figures."""


#: Modules of the kinds, by name.
KINDS: dict[str, str] = {
    "mixture": "msb.backmap.mixture.entry",
    "voxel": "msb.backmap.voxel.entry",
}


def register_kind(name: str, module: str) -> None:
    """Make a kind known."""
    KINDS[name] = module


def kind_named(name: str) -> Kind:
    """The kind of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in KINDS:
        raise ConfigError(f"`{name}` is not a kind of network; known: {', '.join(sorted(KINDS))}")
    return cast(Kind, importlib.import_module(KINDS[name]))
