"""Which number format and memory layout a network runs in on which device.

bfloat16 with the channels last pays where the hardware multiplies bfloat16: CPUs with AMX or AVX512-BF16
(about 6 times faster than float32 on 3-D convolutions) and CUDA.  Elsewhere it is emulated, hundreds of times
slower on a CPU with AVX2 only, so everything else runs in plain float32.  Only convolutions and matrix
products are affected (autocast); weights, coordinates, densities' centroids and losses stay in float32.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from msb.errors import ConfigError

__all__ = ["Precision", "choose_precision", "cpu_has_fast_bfloat16"]

_CPU_FLAGS = ("amx_bf16", "avx512_bf16")  # as /proc/cpuinfo and torch name them
_NAMES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True)
class Precision:
    """How to run a network.

    Attributes
    ----------
    device : torch.device
    dtype : torch.dtype
        float32 (no autocast) or bfloat16.
    channels_last : bool
        Whether weights and inputs of 3-D convolutions take the ``channels_last_3d`` layout.
    """

    device: torch.device
    dtype: torch.dtype
    channels_last: bool

    def autocast(self) -> AbstractContextManager[object]:
        """Give the context in which the network's forward pass runs; does nothing in float32."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def prepare(self, module: _Module) -> _Module:
        """Move a module to the device and its convolutions to the layout; weights stay float32.

        Weights in another layout are equal but not contiguous: make them so before writing them to a file.
        """
        module.to(self.device)
        layout = torch.channels_last_3d if self.channels_last else torch.contiguous_format
        for layer in module.modules():
            if isinstance(layer, nn.Conv3d):
                layer.to(memory_format=layout)  # type: ignore[call-overload]
        return module

    def arrange(self, x: Tensor) -> Tensor:
        """Move an input to the device and, if it has five axes, to the layout.

        Parameters
        ----------
        x : Tensor (B, C, n, n, n) or any other shape

        Returns
        -------
        Tensor
            Same shape and values.
        """
        x = x.to(self.device)
        if self.channels_last and x.ndim == 5:
            return x.contiguous(memory_format=torch.channels_last_3d)
        return x


def choose_precision(device: str | torch.device = "cpu", dtype: str = "auto") -> Precision:
    """Choose number format and layout for a device.

    Parameters
    ----------
    device : str or torch.device
    dtype : {"auto", "float32", "bfloat16"}
        "auto": bfloat16 on CUDA devices that have it and on CPUs with AMX or AVX512-BF16, float32 elsewhere.
        The layout is channels-last exactly with bfloat16.

    Returns
    -------
    Precision

    Raises
    ------
    ConfigError
        If `dtype` is none of the three.
    """
    device = torch.device(device)
    if dtype == "auto":
        fast = (device.type == "cpu" and cpu_has_fast_bfloat16()) or (
            device.type == "cuda"
            and torch.cuda.is_available()
            and torch.cuda.is_bf16_supported(including_emulation=False)
        )
        chosen = torch.bfloat16 if fast else torch.float32
    elif dtype in _NAMES:
        chosen = _NAMES[dtype]
    else:
        raise ConfigError(f"precision must be one of auto, float32, bfloat16; got {dtype!r}")
    return Precision(device, chosen, channels_last=chosen == torch.bfloat16)


def cpu_has_fast_bfloat16(cpuinfo: str | Path = "/proc/cpuinfo") -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AMX or AVX512-BF16).

    Read from the flags the kernel lists; where that file does not exist (not Linux), False.

    Parameters
    ----------
    cpuinfo : str or Path
    """
    try:
        lines = Path(cpuinfo).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return any(flag in flags for flag in _CPU_FLAGS)
