"""The text that goes with a model of condensed phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msb.backmap.model import DeepBackmapper

__all__ = ["card"]


def card(model: DeepBackmapper) -> str:
    """Markdown: what the model is for, what it was trained on, how long, and its figures."""
    config = model.config
    network = "\n".join(
        f"- {name}: {value}" for name, value in config.network.model_dump().items() if name != "channels"
    )
    sampling = "\n".join(f"- {name}: {value}" for name, value in config.sampling.model_dump().items())
    figures = "\n".join(f"- {name}: {value:.6g}" for name, value in sorted(model.metrics.items()))
    files = "\n".join(f"- {name}: sha256 {value}" for name, value in sorted(model.hashes.items()))
    molecules = ", ".join(
        f"{template.name} ({template.n_atoms} atoms, {mapping.n_beads} beads)"
        for (template, _), mapping in zip(model.topology.molecules, model.mapping.templates, strict=True)
    )
    seconds = model.metrics.get("seconds")
    long = "" if seconds is None else f" It trained for {seconds / 3600:.2f} hours."
    if config.start_from:
        long += f" It began with the weights of {config.start_from}."
    return f"""# {config.name}

Backmapping of condensed phases at {config.data.temperature:g} K: {molecules}.{long}

    msb backmap BEADS.gro -m {config.name} -o ATOMS.gro

It places any system of bead types {", ".join(model.knowledge.bead_types)} whose atom types it knows: other
numbers of molecules, mixtures, chains of other lengths.

## Network

{network}

## Sampling

{sampling}

## Trained on

{files}

## Figures

{figures or "none"}
"""
