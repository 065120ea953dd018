"""What evaluates atomic forces: OpenMM in single or double precision, or the energies in torch."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from msb.energy.contexts import make_context, place_box, snapshot
from msb.energy.systems import system_from_xml, system_to_xml

__all__ = ["AtomForces", "OpenmmForces", "PortableSystem", "TorchForces"]

Floats = NDArray[np.float64]


class AtomForces(Protocol):
    """Forces on all atoms of one frame."""

    def __call__(self, positions: Floats, box: Floats | None) -> Floats:
        """Forces (N, 3) in kJ/mol/nm, not finite where atoms overlap too closely; positions in nm."""
        ...


class PortableSystem:
    """An OpenMM System that can be copied to other processes.

    Parameters
    ----------
    system : openmm.System
    """

    def __init__(self, system: Any) -> None:
        self.system = system

    def __getstate__(self) -> str:
        """The System as text."""
        return system_to_xml(self.system)

    def __setstate__(self, state: str) -> None:
        """Undo `__getstate__`."""
        self.system = system_from_xml(state)


class OpenmmForces:
    """Forces of OpenMM on one of its platforms.

    Can be copied to other processes; the context is made where it is first used.

    Parameters
    ----------
    system : PortableSystem
    platform : str
        "CPU" calculates in single precision, "Reference" in double.
    threads : int, optional
        Of the CPU platform; default: ``$OPENMM_CPU_THREADS``, else all cores.
    """

    def __init__(self, system: PortableSystem, platform: str, threads: int | None = None) -> None:
        self._system, self.platform, self._threads = system, platform, threads
        self._context: Any = None

    def __call__(self, positions: Floats, box: Floats | None) -> Floats:
        """Forces (N, 3), kJ/mol/nm.

        Raises
        ------
        EnergyError
            OpenMM refuses the system or the frame: its box is too small for the cutoff, for instance.
        """
        if self._context is None:
            self._context = make_context(self._system.system, None, box, self.platform, self._threads)
        place_box(self._context, box)
        return np.asarray(snapshot(self._context, positions).forces, dtype=np.float64)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the context."""
        return {**vars(self), "_context": None}


class TorchForces:
    """Forces of the energies in torch, by their gradients, in double precision.

    Can be copied to other processes.

    Parameters
    ----------
    system : PortableSystem

    Raises
    ------
    EnergyError
        A force of the system has no form in torch: it is named.
    """

    platform = "torch"

    def __init__(self, system: PortableSystem) -> None:
        from msb.energy.system import Energy

        self._energy = Energy.from_openmm(system.system)

    def __call__(self, positions: Floats, box: Floats | None) -> Floats:
        """Forces (N, 3), kJ/mol/nm.

        Raises
        ------
        EnergyError
            The box is too small for the cutoff.
        """
        import torch

        cell = None if box is None else torch.as_tensor(np.array(box, dtype=np.float64))
        x = torch.as_tensor(np.array(positions, dtype=np.float64))
        return np.asarray(self._energy.forces(x, cell).numpy(), dtype=np.float64)
