"""The protocol that every backmapping method satisfies, and the registry of methods."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from msb.errors import BundleError, ConfigError, DeviceError

if TYPE_CHECKING:
    from msb.core.mapping import Mapping
    from msb.core.topology import Topology
    from msb.data.snapshots import Snapshots
    from msb.io.bundle import Bundle

__all__ = [
    "METHODS",
    "Backmapper",
    "Method",
    "build_model",
    "check_device",
    "load_model",
    "method_named",
    "register",
    "resolve",
]

Array = NDArray[np.float32]


@runtime_checkable
class Backmapper(Protocol):
    """Coarse-grained frames in, all-atom frames out.

    Attributes
    ----------
    method : str
        Name in the registry.
    topology, mapping
        Of the molecule or system that the model places.
    lag : float or None
        Frame spacing that the model is valid for, ps; None if any.
    temperature : float
        Training temperature, K.
    """

    method: ClassVar[str]
    topology: Topology
    mapping: Mapping
    lag: float | None
    temperature: float

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
        """Place the atoms of consecutive frames.

        Parameters
        ----------
        beads : float32 array (F, M, 3) or (S, F, M, 3)
            Bead positions, nm; S independent segments advance as one batch.
        start : float32 array (N, 3) or (S, N, 3), optional
            The atoms before the first frame; the model starts by itself without.
        only : bool array (N,), optional
            Atoms to place; the others keep `start`.
        temperature : float, optional
            K; the training temperature by default.
        seed : int
            The same seed gives the same atoms.
        frames : int array (F,) or (S, F), optional
            Absolute frame numbers, the key of the noise; 0 to F-1 by default.
        boxes : float32 array (F, 3, 3) or (S, F, 3, 3), optional
            nm.
        following : float32 array (M, 3) or (S, M, 3), optional
            The beads after the last frame, for models that look ahead.

        Returns
        -------
        float32 array (F, N, 3) or (S, F, N, 3)
            nm.
        """
        ...

    def onto(self, topology: Topology, mapping: Mapping, hands: NDArray[np.int8] | None = None) -> Backmapper:
        """The same model for another system of what it knows: other counts, mixtures, other lengths.

        Parameters
        ----------
        topology, mapping
            The system.
        hands : int8 array (C,), optional
            Wanted sign of every stereocentre of the system, in the order of its atoms; whatever the model
            has seen by default.

        Raises
        ------
        MappingError
            If the system holds anything that the model does not know; everything unknown is listed.
        """
        ...

    def save(self, folder: str | Path) -> None:
        """Write a model bundle."""
        ...

    @classmethod
    def load(cls, bundle: Bundle, device: str = "cpu") -> Backmapper:
        """Build the model from a bundle that was read."""
        ...


@dataclass(frozen=True)
class Method:
    """Where a method's pieces are, as `module:name`; nothing is imported before it is asked for.

    Attributes
    ----------
    model : str
        The :class:`Backmapper`.
    config : str
        The configuration model (a :class:`msb.io.configuration.StrictModel`).
    train : str
        ``train(config, base, folder, resume, device, progress) -> Backmapper``; empty where a method has
        nothing to train.
    build : str
        ``build(source, topology, mapping, *, name, temperature, options) -> Backmapper``, a model for one
        system straight from snapshots; empty where training is needed.  See :func:`build_model`.
    command : str
        The command that takes its models, where that is no backmapping: `model` then is no
        :class:`Backmapper`.
    """

    model: str
    config: str
    train: str
    build: str = ""
    command: str = ""


METHODS: dict[str, Method] = {}


def register(name: str, method: Method) -> None:
    """Make a method known to configurations and bundles."""
    METHODS[name] = method


register(
    "temporal",
    Method(
        "msb.temporal.model:TemporalBackmapper",
        "msb.temporal.config:TemporalConfig",
        "msb.temporal.training:train",
    ),
)
register(
    "backmap",
    Method(
        "msb.backmap.model:DeepBackmapper",
        "msb.backmap.config:BackmapConfig",
        "msb.backmap.training:train",
    ),
)
register(
    "morph",
    Method(
        "msb.morph.morpher:Morpher",
        "msb.morph.config:MorphConfig",
        "msb.morph.training:train",
        command="msb morph",
    ),
)
for _name in ("fragment", "geometric", "library", "linear", "random"):
    register(
        _name,
        Method(
            f"msb.classical.{_name}:{_name.capitalize()}Backmapper",
            f"msb.classical.config:{_name.capitalize()}Config",
            f"msb.classical.{_name}:train",
            f"msb.classical.{_name}:build",
        ),
    )


def resolve(reference: str) -> Any:
    """The object at `module:name`."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


def method_named(name: str) -> Method:
    """The registered method.

    Raises
    ------
    ConfigError
        If there is none of that name; the known ones are listed.
    """
    if name not in METHODS:
        raise ConfigError(f"`{name}` is not a method; known methods: {', '.join(sorted(METHODS))}")
    return METHODS[name]


def build_model(
    name: str,
    source: Snapshots | None,
    topology: Topology,
    mapping: Mapping,
    *,
    model_name: str | None = None,
    temperature: float | None = None,
    options: dict[str, Any] | None = None,
) -> Backmapper:
    """A model for a system, straight from all-atom snapshots or, where the method needs none, from nothing.

    Parameters
    ----------
    name : str
        Of a registered method.
    source : Snapshots or None
    topology, mapping
        The target's; they need not be the snapshots' as long as the method knows everything in them.
    model_name : str, optional
    temperature : float, optional
        Of the snapshots, K.
    options : dict, optional
        The method's own.

    Raises
    ------
    ConfigError
        If the method is unknown, needs training, or has no such option.
    MappingError
        If the target holds anything that the snapshots do not.
    """
    method = method_named(name)
    if not method.build:
        able = ", ".join(sorted(known for known, entry in METHODS.items() if entry.build))
        raise ConfigError(f"the method `{name}` needs training (`msb train`); without it there are: {able}")
    build: Callable[..., Backmapper] = resolve(method.build)
    return build(
        source, topology, mapping, name=model_name or name, temperature=temperature, options=options or {}
    )


def check_device(device: str) -> str:
    """The device, where `auto` is the best one that is there.

    Raises
    ------
    DeviceError
        If the device is unknown or absent.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise DeviceError(f"`{device}` is not a device; use auto, cpu, cuda or mps")
    if kind == "cuda" and not torch.cuda.is_available():
        raise DeviceError("there is no CUDA device here (or this torch is a CPU build); use --device cpu")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("there is no Apple GPU here; use --device cpu")
    return device


def load_model(path_or_name: str | Path, device: str = "auto") -> Backmapper:
    """A model from its bundle's folder, or a shipped one by its name.

    Raises
    ------
    BundleError
        If there is no such model, its bundle is damaged, foreign or newer than this program, or it is no
        model that puts atoms on beads.
    """
    from msb.io.bundle import read_bundle

    bundle = read_bundle(path_or_name)
    if bundle.method not in METHODS:
        raise BundleError(
            f"{path_or_name}: made by the method `{bundle.method}`, which this version does not have; "
            f"it has {', '.join(sorted(METHODS))}; update msb-suite"
        )
    if METHODS[bundle.method].command:
        raise BundleError(
            f"{path_or_name} is a model of the method `{bundle.method}`, which puts no atoms on beads: "
            f"it is for `{METHODS[bundle.method].command}`"
        )
    build: Callable[..., Backmapper] = resolve(METHODS[bundle.method].model).load
    return build(bundle, device=check_device(device))
