"""The page of a morphing: how far local statistics came, what the bottleneck let through, what stayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

import msb
from msb.core.mapping import Mapping as BeadMapping
from msb.core.topology import Topology
from msb.morph.statistics import QUANTITIES, LocalStatistics
from msb.report.condensed import near_molecules
from msb.report.morph_figures import statistics_figure
from msb.report.page import Card, Page, Row, Section, Table, Viewer
from msb.report.viewer import viewer_data

__all__ = ["MorphReport", "MorphView", "morph_page"]

Floats = NDArray[np.floating]
_SHOWN = 3  # chains of the 3-D view
_LONGEST = 60  # beads of a chain in it
_BOND = 0.2  # nm; what the view draws a mean bond as
_REACH = 3.2  # nm from the middle that its numbers can tell
_TITLES = tuple({"rdf": "RDF"}.get(name, name) for name in QUANTITIES)
_HOW = (
    "Chains are squeezed to the centres of mass of every few consecutive beads, and a network that has only "
    "seen the target puts beads back around these centres, then again in sweeps (scheme A; scheme B sweeps "
    "alone, from the top-down beads). A polish may follow: short dynamics in the field of the target's own "
    "statistics, the centres held. Divergences are Jensen-Shannon, natural logarithm, at most 0.693, "
    "from target snapshots that the network was not trained on. The divergence of the centres, before any "
    "network, is the bound: what arrives at the bottleneck wrong stays wrong. The rows of two halves are "
    "what the target's own snapshots score against each other."
)


@dataclass(frozen=True, eq=False)
class MorphView:
    """Frames for the 3-D view.

    Attributes
    ----------
    topology : Topology
        Of the chains.
    mapping : Mapping
        Beads to centres.
    before, after : ndarray (F, N, 3)
        nm, chains whole.
    labels : sequence of str
        One a frame.
    """

    topology: Topology
    mapping: BeadMapping
    before: Floats
    after: Floats
    labels: Sequence[str]


@dataclass(frozen=True, eq=False)
class MorphReport:
    """What the page shows.

    Attributes
    ----------
    title, summary : str
    before, after, target : LocalStatistics
        Of the beads: as given, morphed, and of the target's held-out snapshots.
    centres, target_centres : LocalStatistics
        The same of the centres.
    divergences : mapping of set (before, after, bound, floor, bound_floor) to (mapping of quantity to nats)
    bonds : (ndarray (B + 1,), ndarray (2, B))
        Edges, nm, and all bonds before and after in these bins.
    sizes : sequence of (name, before, after, target or None)
        Of the chains, nm.
    beyond : sequence of (name, before, after)
        Outside the target's range, a thousand beads.
    trials : sequence of (label, mapping of quantity to nats, share of before that is left)
        Models and schemes, the best first.
    kept : str
        What became of the centres.
    moved : float
        Farthest that a centre went, nm.
    seconds : float
        A frame.
    facts : mapping of str to str
    view : MorphView
    """

    title: str
    summary: str
    before: LocalStatistics
    after: LocalStatistics
    target: LocalStatistics
    centres: LocalStatistics
    target_centres: LocalStatistics
    divergences: Mapping[str, Mapping[str, float]]
    bonds: tuple[Floats, NDArray[np.integer]]
    sizes: Sequence[tuple[str, float, float, float | None]]
    beyond: Sequence[tuple[str, float, float]]
    trials: Sequence[tuple[str, Mapping[str, float], float]]
    kept: str
    moved: float
    seconds: float
    view: MorphView
    facts: Mapping[str, str] = field(default_factory=dict)


def morph_page(story: MorphReport, commands: Sequence[str] = ()) -> Page:
    """Lay a morphing out as a page.

    Parameters
    ----------
    story : MorphReport
    commands : sequence of str
        What made the page.

    Returns
    -------
    Page
    """
    groups: list[list[Section]] = [[_local(story)], [_bottleneck(story)], [_sizes(story), _outside(story)]]
    if story.trials:
        groups.append([_trials(story)])
    groups.append([Section("How", _HOW, commands=tuple(commands), facts=dict(story.facts))])
    return Page(
        title=story.title,
        summary=story.summary,
        cards=_cards(story),
        viewer=_viewer(story.view),
        groups=groups,
        footer=f"made by msb {msb.__version__}; everything on this page is inside this one file",
    )


def _cards(story: MorphReport) -> list[Card]:
    before, after = (float(np.mean(list(story.divergences[name].values()))) for name in ("before", "after"))
    ends = story.sizes[0]
    return [
        Card(f"{before:.3f} → {after:.4f}", "mean JS from the target, nats"),
        Card(f"{100 * (ends[2] / ends[1] - 1):+.1f}\u00a0%", "end-to-end distance of the chains"),
        Card(f"{story.moved:.0e} nm", "farthest that a centre was moved"),
        Card(f"{story.seconds:.3g} s", "a frame on this machine"),
    ]


def _local(story: MorphReport) -> Section:
    return Section(
        "Local statistics",
        "Filled is the target, in snapshots that the network was not trained on.",
        figure=statistics_figure(
            story.target, {"before": story.before, "morphed": story.after}, bonds=story.bonds
        ),
        table=_divergences(story, {"before": "before", "after": "morphed", "floor": "target, two halves"}),
    )


def _bottleneck(story: MorphReport) -> Section:
    return Section(
        "What the bottleneck lets through",
        f"The same of the centres, which no decoder changes: {story.kept}. Where they differ from the "
        "target's centres, morphed configurations cannot be the target's as a whole.",
        figure=statistics_figure(story.target_centres, {"centres": story.centres}, "target's centres"),
        table=_divergences(story, {"bound": "centres", "bound_floor": "target's centres, two halves"}),
    )


def _divergences(story: MorphReport, titles: Mapping[str, str]) -> Table:
    rows = [Row((title, *_cells(story.divergences[name]))) for name, title in titles.items()]
    return Table(("JS, nats", *_TITLES), tuple(rows))


def _cells(divergences: Mapping[str, float]) -> list[str]:
    return [f"{divergences[name]:.4f}" if name in divergences else "" for name in QUANTITIES]


def _sizes(story: MorphReport) -> Section:
    rows = []
    for name, before, after, target in story.sizes:
        wanted = "" if target is None else f"{target:.4g}"
        rows.append(
            Row((name, f"{before:.4g}", f"{after:.4g}", f"{100 * (after / before - 1):+.2f}\u00a0%", wanted))
        )
    return Section(
        "Chains",
        "Scales of many centres stay, since these do. The contour length is another matter: new bonds "
        "exclude the old contour, and it goes to the target's.",
        table=Table(("nm", "before", "morphed", "change", "target"), tuple(rows)),
    )


def _outside(story: MorphReport) -> Section:
    titles = {
        "bonds": "bonds shorter or longer than any of the target",
        "angles": "angles narrower or wider than any",
        "contacts": "non-bonded pairs nearer than any",
    }
    rows = [
        Row((titles.get(name, name), f"{before:.3g}", f"{after:.3g}")) for name, before, after in story.beyond
    ]
    return Section(
        "Outside the target's range",
        "A thousand beads; the range is that of the snapshots that were trained on.",
        table=Table(("", "before", "morphed"), tuple(rows)),
    )


def _trials(story: MorphReport) -> Section:
    rows = [
        Row((label, *_cells(found), f"{left:.1%}"), True if place == 0 else None)
        for place, (label, found, left) in enumerate(story.trials)
    ]
    return Section(
        "Which model and scheme",
        "Tried on the first frames; the first row was taken.",
        table=Table(("JS, nats", *_TITLES, "left of before"), tuple(rows)),
    )


def _viewer(view: MorphView) -> Viewer:
    """Some neighbouring chains, or what fits of long ones, drawn as if a mean bond were 0.2 nm."""
    centre_owner = np.asarray(view.mapping.bead_topology().molecule_index)
    windows = [_windows(view, chosen, centre_owner) for chosen in _neighbours(view)]
    squeezed = np.asarray(view.mapping.beads(np.asarray(view.before, dtype=np.float64)))
    squeezed = np.stack([x[own] for x, (_, own) in zip(squeezed, windows, strict=True)])
    before, after = (
        np.stack([x[own] for x, (own, _) in zip(frames, windows, strict=True)])
        for frames in (view.before, view.after)
    )
    beads, centres = windows[0]
    bonds = _consecutive(np.asarray(view.topology.molecule_index)[beads])
    drawn = np.linalg.norm(after[0, bonds[:, 1]] - after[0, bonds[:, 0]], axis=-1).mean()
    middle = squeezed.mean(axis=1, keepdims=True)
    extent = max(float(np.abs(x - middle).max()) for x in (before, after, squeezed))
    unit = min(_BOND / float(drawn), _REACH / (np.sqrt(3) * extent))
    data = viewer_data(
        {"Before": before * unit, "Morphed": after * unit},
        squeezed * unit,
        ["C"] * len(beads),
        bonds,
        _consecutive(centre_owner[centres]),
        list(view.labels),
    )
    return Viewer(
        "In three dimensions",
        "A few neighbouring chains; both panels hang on the same centres (amber). Drag or use the arrow keys "
        "to turn, the wheel to zoom, space to play.",
        data,
    )


def _neighbours(view: MorphView) -> list[list[int]]:
    """Neighbouring chains of every frame, or where chains are of several kinds those of the first frame."""
    alike = len(view.topology.molecules) == 1  # neighbours part in time, so every frame shows its own
    found = [near_molecules(view.topology, x, _SHOWN) for x in (view.before if alike else view.before[:1])]
    return found if alike else found * len(view.before)


def _windows(
    view: MorphView, chosen: Sequence[int], centre_owner: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Beads and centres of the chosen chains, of long chains the first ones only."""
    owner, above = np.asarray(view.topology.molecule_index), np.asarray(view.mapping.owner)
    beads, centres = [], []
    for chain in chosen:
        own = np.flatnonzero(centre_owner == chain)
        mine = np.flatnonzero(owner == chain)
        kept = own[: max(1, _LONGEST * len(own) // max(len(mine), _LONGEST))]
        centres.append(kept)
        beads.append(mine[np.isin(above[mine], kept)])
    return np.concatenate(beads), np.concatenate(centres)


def _consecutive(owner: NDArray[np.integer]) -> NDArray[np.int64]:
    first = np.flatnonzero(owner[1:] == owner[:-1])
    return np.stack([first, first + 1], axis=1)
