"""Names for the kinds of arrays that the core passes around."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

__all__ = [
    "Array",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "Numbers",
    "is_tensor",
    "namespace_of",
    "read_only",
]

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Numbers = npt.NDArray[Any]

Array = TypeVar("Array", Numbers, "torch.Tensor")
"""A NumPy array or a torch tensor: what comes in is what comes out."""


def is_tensor(array: Any) -> bool:
    """Tell a torch tensor from everything else without importing torch.

    Parameters
    ----------
    array : object
        Anything.

    Returns
    -------
    bool
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def namespace_of(array: Any) -> Any:
    """Return the module, `torch` or `numpy`, whose functions take this array.

    Parameters
    ----------
    array : ndarray or Tensor
        The array.

    Returns
    -------
    module
    """
    return sys.modules["torch"] if is_tensor(array) else np


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Mark an array as not to be written to, so that it can be shared, and return it.

    Parameters
    ----------
    array : ndarray
        The array itself is marked, not a copy.

    Returns
    -------
    ndarray
    """
    array.flags.writeable = False
    return array
