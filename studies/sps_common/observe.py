"""What one frame of the melt shows: counts and sums that tables are made of, small enough to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import measure
import numpy as np
from numpy.typing import NDArray

from msb.analysis import bin_numbers
from msb.analysis.structure import term_values
from msb.core.box import make_whole, minimum_image
from msb.core.mapping import Mapping as Beads
from msb.quality.piercings import PiercingSearch

__all__ = ["MOMENTS", "Observer"]

MOMENTS = ("number", "mean", "mean square")
_RING = "dihedral C_AR-C_AR-C_AR-C_AR"


@dataclass(frozen=True)
class Observer:
    """Looks at frames of the melt.

    Attributes
    ----------
    system : measure.System
    mapping : msb.core.mapping.Mapping
        The published beads.
    """

    system: measure.System
    mapping: Beads

    @cached_property
    def _terms(self) -> dict[str, tuple[str, NDArray[np.int64]]]:
        rows = dict(measure.histogram_terms(self.system))
        widths = {row: self.system.terms[name] for row, name in measure.WIDTHS.items()}
        widths["ring dihedral"] = self.system.terms[_RING]
        return rows | {row: (term.kind, term.atoms) for row, term in widths.items()}

    @cached_property
    def _piercings(self) -> PiercingSearch:
        return PiercingSearch(self.system.topology)

    def look(
        self, positions: NDArray[np.floating], box: NDArray[np.floating], beads: NDArray[np.floating]
    ) -> dict[str, NDArray[np.generic]]:
        """Measure one frame.

        Parameters
        ----------
        positions : float array (N, 3)
            nm; chains may be cut by the box.
        box : float array (3, 3)
            nm.
        beads : float array (M, 3)
            Where the beads should be, nm, in any image.

        Returns
        -------
        dict of str to ndarray
            ``count ROW`` histograms, ``moments ROW`` of values, ``energies`` (2, chains), ``radial``,
            ``shortest``, ``contacts``, ``hands`` and ``wrong side`` of the centres, ``piercings`` of rings,
            ``away`` of the beads.
        """
        box = np.asarray(box, dtype=np.float64)
        whole = np.asarray(
            make_whole(np.asarray(positions, np.float64)[None], box[None], self.system.topology)
        )
        ensemble = measure.Ensemble(whole, box[None])
        pairs = measure.nonbonded_frame(self.system, whole[0], box)
        pierced = self._piercings.find(whole, box[None])
        away = minimum_image(np.asarray(self.mapping.beads(whole))[0] - beads, box)
        return {
            **self._internal(whole),
            "energies": pairs.energies,
            "radial": pairs.radial.astype(np.int32),
            "shortest": np.array(pairs.shortest),
            "contacts": pairs.contacts,
            "hands": measure.heavy_hands(self.system, ensemble)[0],
            "wrong side": measure.wrong_side(self.system, ensemble)[0],
            "piercings": np.array(sum(len(frames) for frames, _, _ in pierced)),
            "away": np.linalg.norm(away, axis=-1).astype(np.float32),
        }

    def _internal(self, whole: NDArray[np.float64]) -> Mapping[str, NDArray[np.generic]]:
        found: dict[str, NDArray[np.generic]] = {}
        for row, (kind, atoms) in self._terms.items():
            values = term_values(whole, kind, atoms).ravel()
            found[f"moments {row}"] = np.array([len(values), values.mean(), (values**2).mean()])
            if row in measure.WIDTHS or row == "ring dihedral":
                continue
            edges = measure.EDGES[kind]
            numbers = bin_numbers(values, edges, "clip")
            found[f"count {row}"] = np.bincount(numbers, minlength=len(edges) - 1).astype(np.int32)
        return found
