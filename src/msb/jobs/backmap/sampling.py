"""How a trained network samples, as asked for on the command line."""

from __future__ import annotations

from typing import Any

from msb.backmapper import Backmapper
from msb.errors import ConfigError
from msb.io.gromacs import GromacsTopology
from msb.jobs.backmap.force_field import force_field_of
from msb.jobs.backmap.system import System

__all__ = ["sampled_as"]


def sampled_as(
    model: Backmapper, system: System, changes: dict[str, Any], top: GromacsTopology | None
) -> Backmapper:
    """The model with other settings of its sampling, and the energies that they ask for.

    Parameters
    ----------
    model : Backmapper
        Of the system.
    system : System
    changes : dict
        See :class:`msb.backmap.config.SamplingSettings`; what is None stays as it is.
    top : GromacsTopology or None
        Whose force field tells energies, before the model's own.

    Raises
    ------
    ConfigError
        The model does not sample, or a value is out of range.
    EnergyError
        The topology is no whole force field.
    """
    wanted = {name: value for name, value in changes.items() if value is not None}
    change = getattr(model, "sampled_as", None)
    if change is None:
        if wanted:
            options = ", ".join(f"--{name}" for name in wanted)
            raise ConfigError(
                f"{options}: the method `{model.method}` does not sample beads; this is for models of the "
                "method `backmap` (options of other methods: --option KEY=X)"
            )
        return model
    tuned: Any = change(**wanted)
    if tuned.needs_energy and top is not None:
        tuned.use_field(force_field_of(system, top, model, system.read(0).box))
    result: Backmapper = tuned
    return result
