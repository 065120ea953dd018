"""What an assessment found: divergences, their order, and everything that explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from msb.analysis.comparison import EnsembleComparison
from msb.analysis.divergence import Excess
from msb.analysis.structure import RadialDistribution
from msb.assess.divergences import ForceBins
from msb.assess.extremes import Extreme
from msb.assess.matching import Estimate, ForceMatching, augmented_chi_squared
from msb.assess.ranking import Ranking
from msb.assess.record import SetResult
from msb.assess.rounding import RoundingFloor
from msb.assess.scores import Place, Scores
from msb.assess.sets import Frame
from msb.assess.store import Key, Store
from msb.core.mapping import Mapping as SystemMapping
from msb.errors import ConfigError

__all__ = ["ON_REFERENCE", "Assessment"]

ON_REFERENCE = "on reference"


@dataclass(frozen=True, eq=False)
class Assessment:
    """The result of :func:`msb.assess.assess`.

    Sets are named `reference`, `in-distribution`, and as the CG models are; keys (set, column) are pairs such
    as ``("A", "raw")``.

    Attributes
    ----------
    results : tuple of SetResult
        The reference first; every other set raw and, where asked for, polished.
    force_scores : Scores
        Bins, counts and divergences of the forces on beads; see `scores`, `components`, `overflow`, `bins`.
    ranking : dict of str to Ranking
        Of the CG models, by column; without a column that cannot be ranked (a note says why).
    radial : dict of (set, column) to dict of str to RadialDistribution
        Of non-bonded atoms, by pair of elements.
    cg_level : tuple of EnsembleComparison
        Beads of each CG model beside those of the reference.
    matching : dict of (set, column) to ForceMatching
        Where a model's own forces were given; those on the reference's beads as column `on reference`.
    rounding : RoundingFloor or None
        Where the coordinates of the reference are rounded to three decimals or fewer.
    forces : dict
        How forces were made; see `BeadForces.describe`.
    notes : tuple of str
        What a reader of the numbers must know.
    mappings : dict of str to Mapping
        Of each set; their topologies are the sets' atoms.
    extremes : tuple of Extreme
        The largest forces on beads of all CG models, the largest first.
    differences : dict of str to tuple of str
        In what the conditions of each CG model differ from the reference's, as sentences.
    store : Store or None
        Results of frames.
    """

    results: tuple[SetResult, ...]
    force_scores: Scores
    ranking: Mapping[str, Ranking]
    radial: Mapping[Place, Mapping[str, RadialDistribution]]
    cg_level: tuple[EnsembleComparison, ...]
    matching: Mapping[Place, ForceMatching]
    rounding: RoundingFloor | None
    forces: Mapping[str, Any]
    notes: tuple[str, ...]
    mappings: Mapping[str, SystemMapping]
    extremes: tuple[Extreme, ...]
    differences: Mapping[str, tuple[str, ...]]
    store: Store | None = None
    _held: Any = field(default=None, repr=False)

    @property
    def reference(self) -> SetResult:
        """The reference."""
        return self.results[0]

    @property
    def scores(self) -> Mapping[Place, Mapping[str, Excess]]:
        """Divergence of the magnitudes from the reference's, by (set, column), then bead type or `pooled`."""
        return self.force_scores.magnitudes

    @property
    def components(self) -> Mapping[Place, Mapping[str, Excess]]:
        """The same of the components of the forces."""
        return self.force_scores.components

    @property
    def overflow(self) -> Mapping[Place, Mapping[str, float]]:
        """Share of the forces that are larger than all of the reference's."""
        return self.force_scores.overflow

    @property
    def bins(self) -> Mapping[str, ForceBins]:
        """Bins of the magnitudes, by bead type and `pooled`."""
        return self.force_scores.bins

    @property
    def augmented(self) -> dict[Place, Estimate]:
        """Residual of equation 6.5, (kJ/mol/nm)^2, where a model's forces are known in both ensembles."""
        return {
            (name, column): augmented_chi_squared(self.matching[name, ON_REFERENCE], found)
            for (name, column), found in self.matching.items()
            if column != ON_REFERENCE and (name, ON_REFERENCE) in self.matching
        }

    def result(self, name: str, column: str = "raw") -> SetResult:
        """Return one set in one column.

        Raises
        ------
        ConfigError
            There is none; those there are listed.
        """
        for own in self.results:
            if (own.name, own.column) == (name, column):
                return own
        known = ", ".join(f"{own.name} ({own.column})" for own in self.results)
        raise ConfigError(f"there is no set {name} ({column}); there are {known}")

    def positions(self, name: str, column: str, frame: int, sample: int = 0) -> Frame:
        """Atoms (N, 3) and box of one frame, nm.

        Raises
        ------
        ConfigError
            They were not kept.
        """
        kept = None if self.store is None else self.store.read(Key(name, column, frame, sample), True)
        if kept is None or kept.positions is None:
            raise ConfigError(f"the atoms of frame {frame} of {name} ({column}) were not kept")
        return kept.positions, kept.box

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, JSON-able: None for what is not finite."""
        found: dict[str, Any] = {
            "sets": [self._told(own) for own in self.results],
            "bins": {name: bins.edges for name, bins in self.bins.items()},
            "ranking": {column: ranking.to_dict() for column, ranking in self.ranking.items()},
            "cg_level": [compared.summary() for compared in self.cg_level],
            "rounding": None if self.rounding is None else self.rounding.to_dict(),
            "forces": dict(self.forces),
            "extremes": [extreme.to_dict() for extreme in self.extremes],
            "differences": {name: list(said) for name, said in self.differences.items()},
            "notes": list(self.notes),
        }
        plain: dict[str, Any] = _plain(found)
        return plain

    def _told(self, own: SetResult) -> dict[str, Any]:
        """One set in one column."""
        place = (own.name, own.column)
        known = self.force_scores
        told: dict[str, Any] = {
            "name": own.name,
            "kind": own.kind,
            "column": own.column,
            "frames": own.frames,
            "samples": 1 if own.samples is None else int(own.samples.max()) + 1,
            "beads": own.n_beads,
            "bead_types": list(own.types),
            "findings": {kind: int(counts.sum()) for kind, counts in own.findings.items()},
            "seconds": dict(own.seconds),
            "force_rms": float(np.sqrt(np.square(own.magnitudes, dtype=np.float64).mean())),
            "force_median": float(np.median(own.magnitudes)),
            "force_largest": float(own.magnitudes.max()),
            "counts": {name: counts.sum(0) for name, counts in known.counts[place].items()},
        }
        if own.deviation is not None:
            told["deviation_nm"] = float(np.sqrt(np.square(own.deviation).mean()))
        if place in known.magnitudes:
            told["scores"] = {name: vars(score) for name, score in known.magnitudes[place].items()}
            told["components"] = {name: vars(score) for name, score in known.components[place].items()}
            told["overflow"] = dict(known.overflow[place])
        if place in self.matching:
            told["force_matching"] = self.matching[place].to_dict()
        if place in self.augmented:
            told["force_matching_augmented"] = self.augmented[place].to_dict()
            told["force_matching_on_reference"] = self.matching[own.name, ON_REFERENCE].to_dict()
        told["rdf"] = {
            name: {"r": one.r, "g": None if one.expected is None else one.g, "counts": one.counts}
            for name, one in self.radial.get(place, {}).items()
        }
        return told


def _plain(value: Any) -> Any:
    """Plain lists, dicts and finite numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
