"""The page of a morphing, and its figures."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from msb.morph.chains import chain_topology
from msb.morph.encoder import bottleneck
from msb.morph.statistics import LocalStatistics
from msb.report.morph import MorphReport, MorphView, morph_page
from msb.report.morph_figures import statistics_figure
from msb.report.page import render
from msb.report.viewer import unpack

CHAINS, BEADS, SIDE = 5, 40, 4.0
BOX = np.eye(3)[None] * SIDE


def melt(seed: int, bond: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(CHAINS, BEADS, 3))
    steps *= (
        bond
        * (1 + 0.05 * rng.normal(size=(CHAINS, BEADS, 1)))
        / np.linalg.norm(steps, axis=-1, keepdims=True)
    )
    return np.cumsum(steps, axis=1).reshape(1, -1, 3)


@pytest.fixture(scope="module")
def story() -> MorphReport:
    n = CHAINS * BEADS
    topology = chain_topology([BEADS] * CHAINS, ["B"] * n, ["B"] * n)
    mapping = bottleneck(topology, 4)
    target = LocalStatistics.of(melt(0, 0.5), BOX, topology)
    before, after = (
        LocalStatistics.of(melt(k, bond), BOX, topology, target) for k, bond in ((1, 0.3), (2, 0.5))
    )
    centres = [np.asarray(mapping.beads(melt(k, 0.5))) for k in (0, 1)]
    squeezed = LocalStatistics.of(centres[0], BOX, mapping.bead_topology())
    edges = np.linspace(0, 1.25, 126)
    lengths = np.array([[0] * 30 + [195] + [0] * 94, [0] * 50 + [195] + [0] * 74])
    found = {"bond": 0.5, "angle": 0.1, "rdf": 0.01}
    return MorphReport(
        title="kg.gro, morphed",
        summary="One frame.",
        before=before,
        after=after,
        target=target,
        centres=LocalStatistics.of(centres[1], BOX, mapping.bead_topology(), squeezed),
        target_centres=squeezed,
        divergences=dict.fromkeys(("before", "after", "floor"), found)
        | {"bound": {"rdf": 0.02}, "bound_floor": {}},
        bonds=(edges, lengths),
        sizes=[("√⟨Re²⟩", 2.0, 2.0, None), ("contour length", 12.0, 20.0, 19.5)],
        beyond=[("bonds", 900.0, 1.5), ("contacts", 0.0, 0.0)],
        trials=[("one, scheme B", found, 0.2), ("one, scheme A", {"rdf": 0.5}, 0.5)],
        kept="the centres of every 4 beads are kept exactly",
        moved=2e-7,
        seconds=1.5,
        view=MorphView(topology, mapping, melt(1, 0.3), melt(1, 0.3), ["<first>"]),
        facts={"model": "<s4>"},
    )


def test_the_page_says_all_of_it(story: MorphReport) -> None:
    text = render(morph_page(story, ["msb morph kg.gro"]))
    for words in (
        "0.203 → 0.2033",
        "+66.67\u00a0%",
        "one, scheme B",
        "the centres of every 4 beads are kept exactly",
        "bonds shorter or longer than any of the target",
        "msb morph kg.gro",
        "&lt;s4&gt;",
    ):
        assert words in text, words
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert re.search(r'<label hidden><input class="viewer-hydrogens"', text)  # beads have none


def test_the_view_shows_beads_around_their_centres(story: MorphReport) -> None:
    view = morph_page(story).viewer
    assert view is not None
    data = view.data
    before = unpack(data["atoms"][0], len(data["elements"]))
    centres = unpack(data["beads"], len(data["beadBonds"]) + 3)  # of three chains
    assert before.shape[1] == 3 * BEADS
    np.testing.assert_allclose(before.reshape(1, -1, 4, 3).mean(2), centres, atol=2e-4)
    assert np.linalg.norm(before, axis=-1).max() < 3.27
    bonds = np.array(data["bonds"])
    assert len(bonds) == 3 * (BEADS - 1)


def test_the_view_shows_neighbours_of_every_frame(story: MorphReport) -> None:
    """Chains part in time: where all are alike, a frame shows its own neighbours."""
    n = CHAINS * BEADS
    away = melt(1, 0.3)[0].reshape(CHAINS, BEADS, 3)
    away = np.stack([away, away[::-1]]).reshape(2, n, 3)  # the same chains under other numbers
    view = replace(story.view, before=away, after=away, labels=["one", "two"])
    shown = morph_page(replace(story, view=view)).viewer
    assert shown is not None
    atoms = unpack(shown.data["atoms"][0], len(shown.data["elements"]))
    first, second = atoms.reshape(2, 3, BEADS, 3)
    np.testing.assert_allclose(first, second[::-1], atol=2e-4)


def test_bonds_beyond_the_targets_bins_are_drawn_where_they_are(story: MorphReport) -> None:
    inside = statistics_figure(story.target, {"before": story.before})
    beyond = statistics_figure(
        story.target, {"before": story.before}, bonds=(story.bonds[0], story.bonds[1][:1])
    )
    assert inside.startswith("<svg")
    assert inside != beyond


def test_chains_of_one_centre_have_no_bonds_to_draw(story: MorphReport) -> None:
    centres = story.target_centres
    bare = LocalStatistics(
        centres.edges,
        {name: counts if name == "rdf" else 0 * counts for name, counts in centres.counts.items()},
        centres.mean_bond,
        centres.density,
        centres.ranges,
    )
    assert statistics_figure(bare, {"centres": bare}).startswith("<svg")
