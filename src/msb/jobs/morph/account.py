"""A morphing told: what was found, what was chosen, and how near the result is to the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msb.jobs.morph.choice import Trial
from msb.jobs.morph.measures import BEYOND, ChainSizes
from msb.jobs.morph.prepare import Bound, Candidate, Prepared
from msb.jobs.morph.run import Morphed
from msb.morph.statistics import QUANTITIES

__all__ = ["SIZES", "Account"]

#: What the sizes of chains are called, in the order of `ChainSizes`.
SIZES = ("√⟨Re²⟩", "√⟨Rg²⟩", "contour length")
_EXACT = 1e-5  # nm; what float32 leaves of a centre's place


@dataclass(frozen=True, eq=False)
class Account:
    """Everything that there is to say.

    Attributes
    ----------
    ready : Prepared
    chosen : Candidate
    trials : tuple of Trial
        The best first; empty where there was nothing to choose.
    done : Morphed
    seed : int
    """

    ready: Prepared
    chosen: Candidate
    trials: tuple[Trial, ...]
    done: Morphed
    seed: int

    @property
    def bound(self) -> Bound:
        """Of the model that was chosen."""
        return next(bound for bound in self.ready.bounds if bound.source == self.chosen.source)

    @property
    def divergences(self) -> dict[str, dict[str, float]]:
        """Before, after, of the centres, of the target's halves, of its centres': by quantity, nats."""
        measures, morpher = self.done.measures, self.chosen.morpher
        return {
            "before": measures.before.divergences(morpher.held_out),
            "after": measures.after.divergences(morpher.held_out),
            "bound": measures.centres.divergences(morpher.centres_held_out),
            "floor": morpher.target.divergences(morpher.held_out),
            "bound_floor": morpher.centres.divergences(morpher.centres_held_out),
        }

    @property
    def target_contour(self) -> float:
        """Mean length along the bonds that these chains have with the target's mean bond, nm."""
        lengths = self.chosen.system.chains.lengths
        return float(np.mean([length - 1 for length in lengths])) * self.chosen.morpher.target.mean_bond

    def sizes(self) -> list[tuple[str, float, float, float | None]]:
        """Name, before, after and the target's of every size, nm; the target's where it follows."""
        before, after = self.done.measures.chain_sizes
        targets = (None, None, self.target_contour)
        return list(zip(SIZES, before, after, targets, strict=True))

    def beyond(self) -> list[tuple[str, float, float]]:
        """Name, before and after of what is outside the target's range, a thousand beads."""
        measures = self.done.measures
        rates = measures.beyond / (measures.frames * self.done.n_beads / 1000)
        return [(name, *row) for name, row in zip(BEYOND, rates.T.tolist(), strict=True)]

    def kept(self) -> str:
        """What became of the centres, as a sentence."""
        s, moved = self.chosen.morpher.s, self.done.measures.moved
        if moved < _EXACT:
            return f"the centres of every {s} beads are kept exactly (to {moved:.0e} nm, before rounding)"
        return f"the centres of every {s} beads moved by up to {moved:.2g} nm"

    def summary(self) -> dict[str, Any]:
        """Return what `--json` prints and `morph.json` holds."""
        done, chosen = self.done, self.chosen
        sizes = dict(zip(("before", "after"), map(_plain_sizes, done.measures.chain_sizes), strict=True))
        return {
            "outputs": [str(path) for path in done.outputs],
            "frames": done.n_frames,
            "beads": done.n_beads,
            "chains": list(chosen.system.chains.lengths),
            "scale": chosen.system.factor,
            "said": list(self.ready.said),
            "model": chosen.morpher.name,
            "s": chosen.morpher.s,
            "scheme": chosen.scheme,
            "sweeps": chosen.sweeps,
            "polish": "thermal" if chosen.polish else "none",
            "refined": {"rounds": chosen.refined[0], "frames": chosen.refined[1]},
            "seed": self.seed,
            "bounds": [vars(bound) for bound in self.ready.bounds],
            "trials": [_plain_trial(trial) for trial in self.trials],
            "divergences": self.divergences,
            "chain_sizes_nm": {**sizes, "target_contour": self.target_contour},
            "beyond_per_1000_beads": {name: [before, after] for name, before, after in self.beyond()},
            "centres_moved_nm": done.measures.moved,
            "seconds_per_frame": done.seconds,
        }

    def lines(self) -> list[str]:
        """Return what is printed otherwise."""
        done, chosen = self.done, self.chosen
        frames = "1 frame" if done.n_frames == 1 else f"{done.n_frames} frames"
        said = [f"{path}: {frames} of {done.n_beads} beads, nm" for path in done.outputs]
        said += self._choice()
        how = [chosen.label, f"s = {chosen.morpher.s}", f"{done.seconds:.3g} s a frame", f"seed {self.seed}"]
        if chosen.polish:
            rounds = chosen.refined[0]
            how.insert(2, f"polished, the aim put right in {rounds} rounds" if rounds else "polished")
        return [*said, ", ".join(how), self.kept(), *self._tables()]

    def _choice(self) -> list[str]:
        if not self.trials:
            return []
        rows: list[tuple[str, ...]] = [("tried", *QUANTITIES, "what is left")]
        for trial in self.trials:
            rows.append((trial.candidate.label, *_cells(trial.divergences), f"{trial.left:.1%}"))
        return _aligned(rows)

    def _tables(self) -> list[str]:
        found = self.divergences
        rows: list[tuple[str, ...]] = [("JS from the target, nats", *QUANTITIES)]
        titles = {
            "before": "before",
            "after": "morphed",
            "bound": "the centres (the bound)",
            "floor": "target, two halves",
            "bound_floor": "its centres, two halves",
        }
        rows += [(title, *_cells(found[name])) for name, title in titles.items()]
        sizes = [("chains, nm", "before", "morphed", "target")]
        for name, before, after, target in self.sizes():
            sizes.append((name, f"{before:.4g}", f"{after:.4g}", "" if target is None else f"{target:.4g}"))
        outside = [("outside the target's range, of 1,000 beads", "before", "morphed")]
        outside += [(name, f"{before:.3g}", f"{after:.3g}") for name, before, after in self.beyond()]
        return [*_aligned(rows), *_aligned(sizes), *_aligned(outside)]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: the first column to the left, the others to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in rows
    ]


def _cells(divergences: Mapping[str, float]) -> list[str]:
    return [f"{divergences[name]:.4f}" if name in divergences else "" for name in QUANTITIES]


def _plain_sizes(sizes: ChainSizes) -> dict[str, float]:
    return dict(zip(("end_to_end", "gyration", "contour"), sizes, strict=True))


def _plain_trial(trial: Trial) -> dict[str, Any]:
    return {
        "model": trial.candidate.morpher.name,
        "scheme": trial.candidate.scheme,
        "divergences": dict(trial.divergences),
        "left": trial.left,
        "seconds": trial.seconds,
    }
