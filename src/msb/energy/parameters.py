"""Numbers of a force field: read without units, kept in float64, handed out where a tensor lives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

__all__ = ["Table", "plain"]


def plain(value: Any) -> Any:
    """Take the unit off an OpenMM quantity.

    Parameters
    ----------
    value : Quantity or number or sequence of them
        As OpenMM's getters return it.

    Returns
    -------
    Any
        The number in nm, ps, kJ/mol, K, e, amu, radians; what is no quantity comes back as it is.
    """
    if not hasattr(value, "value_in_unit_system"):
        return value
    if type(value._value) is not float:
        return _converted(value)
    if value.unit not in _FACTORS:
        _FACTORS[value.unit] = float(_converted(type(value)(1.0, value.unit)))
    return value._value * _FACTORS[value.unit]


_FACTORS: dict[Any, float] = {}  # of units met before: forces have 100,000 numbers and three units


def _converted(quantity: Any) -> Any:
    """A quantity's number, or numbers, in OpenMM's own way."""
    from openmm import unit

    return quantity.value_in_unit_system(unit.md_unit_system)


class Table:
    """Named columns, float64 or int64, cast once for every dtype and device that asks.

    Parameters
    ----------
    **columns : array-like
        Integers stay integers on every dtype.

    Raises
    ------
    ValueError
        If a float column is not finite.
    """

    def __init__(self, **columns: ArrayLike) -> None:
        self._columns: dict[str, Tensor] = {}
        for name, column in columns.items():
            array = np.asarray(column)
            exact = np.int64 if array.dtype.kind in "iub" and array.size else np.float64
            self._columns[name] = torch.from_numpy(np.array(array, dtype=exact))
            if not torch.isfinite(self._columns[name]).all():
                raise ValueError(f"column `{name}` of a force field holds numbers that are not finite")
        self._cast: dict[tuple[torch.dtype, torch.device], dict[str, Tensor]] = {}

    def on(self, like: Tensor) -> dict[str, Tensor]:
        """Columns with the dtype (integers: int64) and on the device of a tensor.

        Parameters
        ----------
        like : Tensor

        Returns
        -------
        dict of str to Tensor
        """
        key = (like.dtype, like.device)
        if key not in self._cast:
            with torch.inference_mode(False):  # what is kept must serve gradients later on
                self._cast[key] = {
                    name: column.to(like.device, like.dtype if column.is_floating_point() else None)
                    for name, column in self._columns.items()
                }
        return self._cast[key]

    def items(self) -> Iterable[tuple[str, Tensor]]:
        """Columns by name, as they are kept."""
        return self._columns.items()

    def __getitem__(self, name: str) -> Tensor:
        """One column as it is kept: float64 or int64, on the CPU."""
        return self._columns[name]

    def __getstate__(self) -> dict[str, Any]:
        return {"_columns": self._columns, "_cast": {}}
