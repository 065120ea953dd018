"""Divergence of every set's forces from the reference's, by bead type and pooled, and the order of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msb.analysis.divergence import Excess
from msb.assess.divergences import ForceBins, compare
from msb.assess.ranking import Ranking, rank
from msb.assess.record import COLUMNS, SetResult
from msb.assess.sets import AssessOptions
from msb.errors import TrajectoryError

__all__ = ["POOLED", "Scores", "counts_of", "ranked", "scored"]

POOLED = "pooled"
Place = tuple[str, str]
"""Name of a set, and column."""


@dataclass(frozen=True, eq=False)
class Scores:
    """How far the forces of each set are from the reference's.

    Attributes
    ----------
    bins : dict of str to ForceBins
        Of magnitudes, by bead type and `pooled`.
    counts : dict of (set, column) to dict of str to int array (F, B)
        Forces of each frame (all its samples together) in those bins; the reference's too.
    magnitudes, components : dict of (set, column) to dict of str to Excess
        Divergences from the reference.
    overflow : dict of (set, column) to dict of str to float
        Share of the forces that are larger than all of the reference's.
    """

    bins: Mapping[str, ForceBins]
    counts: Mapping[Place, Mapping[str, NDArray[np.int64]]]
    magnitudes: Mapping[Place, Mapping[str, Excess]]
    components: Mapping[Place, Mapping[str, Excess]]
    overflow: Mapping[Place, Mapping[str, float]]


def counts_of(result: SetResult, bins: ForceBins, bead_type: str | None) -> NDArray[np.int64]:
    """Count the forces on beads of a type, frame by frame, all samples of a frame together.

    Parameters
    ----------
    result : SetResult
    bins : ForceBins
        Signed ones count components.
    bead_type : str or None
        None for all.

    Returns
    -------
    int array (F, B)
    """
    if bins.signed:
        values = result.bead_forces[:, result.beads_of(bead_type)]
    else:
        values = result.magnitudes_of(bead_type)
    counts = bins.counts(values)
    frames = len(np.unique(result.frames))
    return np.asarray(counts.reshape(-1, frames, bins.n_bins).sum(0))


def scored(reference: SetResult, others: Sequence[SetResult], options: AssessOptions) -> Scores:
    """Compare sets with the reference.

    Parameters
    ----------
    reference : SetResult
    others : sequence of SetResult
        Bead types that the reference does not have are left out.
    options : AssessOptions

    Returns
    -------
    Scores
    """
    asked: dict[str, str | None] = {name: name for name in reference.types} | {POOLED: None}
    bins = {n: ForceBins.of_reference(reference.magnitudes_of(t), options.bins) for n, t in asked.items()}
    signed = {
        name: ForceBins.of_reference(
            reference.bead_forces[:, reference.beads_of(t)], options.bins, signed=True
        )
        for name, t in asked.items()
    }
    place: Place = (reference.name, reference.column)
    counts: dict[Place, dict[str, NDArray[np.int64]]] = {}
    counts[place] = {n: counts_of(reference, bins[n], t) for n, t in asked.items()}
    plain = {n: counts_of(reference, signed[n], t) for n, t in asked.items()}
    magnitudes: dict[Place, dict[str, Excess]] = {}
    components: dict[Place, dict[str, Excess]] = {}
    overflow: dict[Place, dict[str, float]] = {}
    again = {"blocks": options.blocks, "replicates": min(options.replicates, 400), "seed": options.seed}
    for own in others:
        here = (own.name, own.column)
        known = {n: t for n, t in asked.items() if t is None or t in own.types}
        paired = own.kind == "in-distribution"
        counts[here] = {n: counts_of(own, bins[n], t) for n, t in known.items()}
        magnitudes[here] = {
            n: compare(counts[here][n], counts[place][n], paired=paired, **again) for n in known
        }
        components[here] = {
            n: compare(counts_of(own, signed[n], t), plain[n], paired=paired, **again)
            for n, t in known.items()
        }
        overflow[here] = {n: bins[n].overflow(counts[here][n]) for n in known}
    return Scores(bins, counts, magnitudes, components, overflow)


def ranked(
    scores: Scores, results: Sequence[SetResult], options: AssessOptions
) -> tuple[dict[str, Ranking], list[str]]:
    """Order the coarse-grained models by the forces on all their beads, column by column.

    Parameters
    ----------
    scores : Scores
    results : sequence of SetResult
        The reference first.
    options : AssessOptions

    Returns
    -------
    dict of str to Ranking
        By column; a column that cannot be ranked is left out.
    list of str
        Why.
    """
    found: dict[str, Ranking] = {}
    notes = []
    reference = scores.counts[results[0].name, results[0].column][POOLED]
    for column in COLUMNS:
        models = {
            own.name: scores.counts[own.name, column][POOLED]
            for own in results
            if own.kind == "generalisation" and own.column == column
        }
        if not models:
            continue
        try:
            found[column] = rank(
                *(models, reference),
                blocks=options.blocks,
                replicates=options.replicates,
                seed=options.seed,
            )
        except TrajectoryError as error:
            notes.append(f"{column}: {error}")
    return found, list(dict.fromkeys(notes))
