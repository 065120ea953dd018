"""A page holds everything it shows, says what it was given, and runs no text as code."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from msb.report import (
    Card,
    Distribution,
    Page,
    Row,
    Section,
    Table,
    Viewer,
    distributions,
    render,
    viewer_data,
)
from msb.report.figures import memory, ramachandran, timescales
from msb.report.viewer import SCALE, unpack


def page(**parts: object) -> str:
    return render(Page(title="Two < three", summary="A & B", **parts))


def test_text_is_escaped_and_figures_are_not() -> None:
    html = page(cards=[Card("<b>1</b>", "x")], groups=[[Section("S", "t", figure="<svg id='f'></svg>")]])
    assert "Two &lt; three" in html
    assert "A &amp; B" in html
    assert "&lt;b&gt;1&lt;/b&gt;" in html
    assert "<svg id='f'></svg>" in html


def test_nothing_is_fetched() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 9, 12)
    panel = Distribution("Energy", "kJ mol⁻¹", np.linspace(0, 1, 13), counts, counts)
    lags, surface = np.arange(1.0, 5.0), rng.uniform(0, 20, (8, 8))
    figures = [
        distributions([panel] * 4),
        ramachandran({"Reference": surface, "Backmapped": np.where(surface > 10, np.nan, surface)}),
        timescales(lags, np.full((4, 2), 30.0), np.full((4, 2), 20.0)),
        memory(lags, np.exp(-lags), np.exp(-lags)),
    ]
    data = viewer_data(
        {"A": rng.normal(size=(3, 4, 3))}, rng.normal(size=(3, 3, 3)), "CCHH", [[0, 1]], [], "abc"
    )
    html = page(viewer=Viewer("3-D", "turn", data), groups=[[Section("F", figure=f)] for f in figures])
    outside = set(re.findall(r"""(?:src|href|url|xlink:href)\s*[=(]\s*["']?(https?:|//)[^"')\s]*""", html))
    assert not outside
    assert "<link" not in html
    assert "import(" not in html
    Balanced().feed(html)


class Balanced(HTMLParser):
    """Fails on a tag that is closed without being open."""

    void = {"meta", "input", "br", "link", "img"}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_tables_show_their_verdicts() -> None:
    rows = (Row(("a", "0.1"), True), Row(("b", "0.9"), False), Row(("c", "-"), None))
    html = page(groups=[[Section("T", table=Table(("name", "value"), rows))]])
    assert '<td class="good">0.1</td>' in html
    assert '<td class="bad">0.9</td>' in html
    assert "<td>-</td>" in html


def test_the_same_figure_is_the_same_text() -> None:
    one, two = (timescales(np.arange(1.0, 4.0), np.ones((3, 1)), np.ones((3, 1))) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("turned", [False, True])
def test_frames_come_back_as_packed_and_do_not_tumble(turned: bool) -> None:
    rng = np.random.default_rng(1)
    beads = np.repeat(rng.normal(0, 0.3, (1, 5, 3)), 4, 0)
    atoms = np.repeat(rng.normal(0, 0.3, (1, 9, 3)), 4, 0)
    if turned:
        turn, _ = np.linalg.qr(rng.normal(size=(4, 3, 3)))
        turn *= np.sign(np.linalg.det(turn))[:, None, None]
        shift = rng.normal(size=(4, 1, 3))
        beads, atoms = beads @ turn + shift, atoms @ turn + shift
    data = viewer_data({"A": atoms}, beads, "C" * 9, [], [], ["0"] * 4)
    shown, shown_beads = unpack(data["atoms"][0], 9), unpack(data["beads"], 5)
    assert np.abs(shown - shown[0]).max() <= 2 * SCALE
    assert np.abs(shown_beads.mean((0, 1))).max() <= SCALE
    between = np.linalg.norm(atoms[:, :, None] - beads[:, None], axis=-1)
    packed = np.linalg.norm(shown[:, :, None] - shown_beads[:, None], axis=-1)
    assert np.abs(between - packed).max() <= 4 * SCALE
