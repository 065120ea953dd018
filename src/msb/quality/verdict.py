"""The sum of a check over many frames: counts, worst offenders, passed or not."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from msb.quality.findings import KINDS, Examination, Finding

__all__ = ["Verdict"]

_EXTREMES = {"nearest_contact_nm": min, "bead_deviation_max_nm": max}


class Verdict:
    """Adds up examinations; memory is bounded by what is kept, the counts are complete.

    Parameters
    ----------
    keep : int or None
        Findings that are kept, the first ones; None for all. Counts go on.
    worst : int
        Worst offenders that are kept of every kind.

    Attributes
    ----------
    n_frames : int
        Frames looked at.
    findings : list of Finding
        Those kept.
    by_kind : Counter
        Number of findings of every kind.
    by_frame : dict of int to Counter
        The same for every frame that has any.
    by_residue : dict of str to Counter
        The same for every residue that has any, all frames together.
    """

    def __init__(self, keep: int | None = 10_000, worst: int = 10) -> None:
        self.keep, self.n_worst = keep, worst
        self.n_frames = 0
        self.findings: list[Finding] = []
        self.by_kind: Counter[str] = Counter()
        self.by_frame: dict[int, Counter[str]] = defaultdict(Counter)
        self.by_residue: dict[str, Counter[str]] = defaultdict(Counter)
        self._worst: dict[str, list[tuple[float, int, Finding]]] = defaultdict(list)
        self._sums: dict[str, float] = defaultdict(float)
        self._known: Counter[str] = Counter()
        self._extreme: dict[str, float] = {}

    @classmethod
    def of(cls, examinations: Iterable[Examination], **options: Any) -> Verdict:
        """Return the verdict on some examinations."""
        verdict = cls(**options)
        for examination in examinations:
            verdict.add(examination)
        return verdict

    def add(self, examination: Examination) -> None:
        """Add the frames of one examination.

        Parameters
        ----------
        examination : Examination
            From `Checker.examine`.
        """
        self.n_frames += examination.n_frames
        for finding in examination.findings:
            self._take(finding)
        for name, values in examination.statistics.items():
            known = values[np.isfinite(values)]
            self._sums[name] += float(known.sum())
            self._known[name] += len(known)
            if name in _EXTREMES and len(known):
                pick = _EXTREMES[name]
                here = float(pick(known.tolist()))
                self._extreme[name] = pick(here, self._extreme.get(name, here))

    def _take(self, finding: Finding) -> None:
        number = self.total
        self.by_kind[finding.kind] += 1
        self.by_frame[finding.frame][finding.kind] += 1
        if finding.residue:
            self.by_residue[finding.residue][finding.kind] += 1
        if self.keep is None or len(self.findings) < self.keep:
            self.findings.append(finding)
        heap, entry = self._worst[finding.kind], (finding.severity, -number, finding)
        if len(heap) < self.n_worst:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            heapq.heapreplace(heap, entry)

    @property
    def total(self) -> int:
        """Number of findings, kept or not."""
        return sum(self.by_kind.values())

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings of every kind, 0 included."""
        return {kind: self.by_kind[kind] for kind in KINDS}

    @property
    def statistics(self) -> dict[str, float]:
        """Mean over frames of every statistic; the extreme for nearest contact and largest bead deviation.

        "inverted_share" is the share of the judged stereocentres that are inverted.
        """
        means = {name: total / self._known[name] for name, total in self._sums.items() if self._known[name]}
        means |= self._extreme
        judged = self._sums.get("stereocentres_judged", 0.0)
        if judged:
            means["inverted_share"] = self._sums["inverted_stereocentres"] / judged
        return means

    def worst(self, kind: str | None = None) -> list[Finding]:
        """Return the worst offenders, of one kind or kind by kind."""
        kinds = KINDS if kind is None else (kind,)
        return [
            finding for each in kinds for _, _, finding in sorted(self._worst.get(each, ()), reverse=True)
        ]

    def failures(self, allowed: float | Mapping[str, float] = 0.0) -> dict[str, float]:
        """Return findings a frame of the kinds that have more than is allowed.

        Parameters
        ----------
        allowed : float or mapping of str to float
            Findings a frame, for all kinds or by kind (0 for kinds not named).

        Returns
        -------
        dict of str to float
            Empty where the frames passed.
        """
        rates = {kind: n / max(1, self.n_frames) for kind, n in self.counts.items()}
        limits = dict(allowed) if isinstance(allowed, Mapping) else {str(k): allowed for k in KINDS}
        return {kind: rate for kind, rate in rates.items() if rate > limits.get(kind, 0.0)}

    def passed(self, allowed: float | Mapping[str, float] = 0.0) -> bool:
        """Tell whether no kind has more findings a frame than is allowed."""
        return not self.failures(allowed)

    def to_json(self) -> dict[str, Any]:
        """Return counts, statistics, worst offenders and the findings kept, as JSON takes them."""
        return {
            "frames": self.n_frames,
            "passed": self.passed(),
            "total": self.total,
            "counts": self.counts,
            "statistics": {name: float(value) for name, value in sorted(self.statistics.items())},
            "by_frame": {str(frame): dict(found) for frame, found in sorted(self.by_frame.items())},
            "by_residue": {residue: dict(found) for residue, found in self.by_residue.items()},
            "worst": [finding.to_json() for finding in self.worst()],
            "findings": [finding.to_json() for finding in self.findings],
            "findings_left_out": self.total - len(self.findings),
        }
