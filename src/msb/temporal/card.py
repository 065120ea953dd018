"""The text that goes with a temporal model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msb.temporal.model import TemporalBackmapper

__all__ = ["card"]


def card(model: TemporalBackmapper) -> str:
    """Markdown: what the model is for, what it was trained on, and its figures."""
    config = model.config
    settings = "\n".join(f"- {name}: {value}" for name, value in config.network.model_dump().items())
    figures = "\n".join(f"- {name}: {value:.6g}" for name, value in sorted(model.metrics.items()))
    files = "\n".join(f"- {name}: sha256 {value}" for name, value in sorted(model.hashes.items()))
    return f"""# {config.name}

Temporally coherent backmapping of {model.topology.molecules[0][0].name}, {model.topology.n_atoms} atoms from
{model.mapping.n_beads} beads, for frames {config.data.lag:g} ps apart at {config.data.temperature:g} K.

    msb backmap-traj BEADS.pdb BEADS.xtc -m {config.name} -o ATOMS.xtc

## Network

{settings}

## Trained on

{files}

The first {config.data.split[0]:.0%} of the frames train, the next {config.data.split[1]:.0%} select, the last
{config.data.split[2]:.0%} are never seen.

## Figures

{figures}
"""
