"""The page of an assessment: which CG model is nearest, how sure that is, and what its beads do wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import msb
from msb.analysis.comparison import EnsembleComparison
from msb.analysis.divergence import Excess
from msb.assess.assessment import Assessment
from msb.assess.pictures import WorstPair
from msb.assess.record import COLUMNS, SetResult
from msb.quality.words import KIND_TITLES
from msb.report.assess_figures import force_figure, radial_figure, ranking_figure
from msb.report.compare_figures import overlays
from msb.report.page import Card, Page, Row, Section, Table, Viewer
from msb.report.viewer import viewer_data

__all__ = ["assess_page"]

_POOLED = "pooled"
_NAMED = 12  # worst configurations in the table
_REACH = 3.2  # nm from the middle that the viewer's numbers can tell
_HOW = (
    "Atoms are put back into the beads of every set, the all-atom force field gives the forces on them, and "
    "the mapping makes forces on beads of these, the same way for all sets. In-distribution is the "
    "reference itself, to beads and back: what the backmapper alone does wrong. Divergences are "
    "Jensen-Shannon, natural logarithm, of the force on a bead, on hundred quantiles of the reference and "
    "one more bin for what is stronger than anything in it; the floor is what the reference scores against "
    "itself, the excess what lies above it, the interval is of blocks of frames drawn with replacement. "
    "Polished is half a picosecond of dynamics with the beads held, and the forces without what holds them: "
    "it takes the backmapper's noise away, and what remains is the CG model's."
)


def assess_page(
    assessment: Assessment,
    told: Sequence[str],
    facts: Mapping[str, str],
    *,
    notes: Sequence[str] = (),
    title: str = "",
    pairs: Sequence[WorstPair] = (),
    commands: Sequence[str] = (),
    fail_above: float | None = None,
) -> Page:
    """Lay an assessment out as a page.

    Parameters
    ----------
    assessment : Assessment
    told : sequence of str
        The ranking in words, column by column; the first sentence leads the page.
    facts : mapping of str to str
        Files, force field, backmapper, frames.
    notes : sequence of str
        What must be known to trust the ranking.
    title : str
    pairs : sequence of WorstPair
        The configurations with the largest forces, the worst first.
    commands : sequence of str
        What made the page.
    fail_above : float, optional
        Bar that was asked for, nats.

    Returns
    -------
    Page
    """
    groups: list[list[Section]] = [[_ranking(assessment, told[1:], fail_above)], [_costs(assessment)]]
    groups += [[section] for section in _forces(assessment)]
    groups += [[section] for section in (_types(assessment), _matching(assessment)) if section]
    groups += [[section] for section in _coarse(assessment.cg_level)]
    groups += [[section] for section in _radial(assessment)]
    if pairs:
        groups.append([_worst(pairs)])
    if notes:
        table = Table(("",), tuple(Row((note,)) for note in notes))
        groups.insert(1, [Section("What to know", "Said by the way, in full.", table=table)])
    groups.append([Section("How it was measured", _HOW, commands=tuple(commands), facts=dict(facts))])
    names = _models(assessment)
    verb = "is" if len(names) == 1 else "are"
    return Page(
        title=title or f"How good {verb} {' and '.join(names) or 'the atoms put back'}?",
        summary=told[0],
        cards=_cards(assessment, fail_above),
        viewer=_viewer(pairs) if pairs else None,
        groups=groups,
        footer=f"made by msb {msb.__version__}; everything on this page is inside this one file",
    )


def _models(assessment: Assessment) -> list[str]:
    names = [own.name for own in assessment.results if own.kind == "generalisation"]
    return list(dict.fromkeys(names))


def _others(assessment: Assessment, column: str) -> list[SetResult]:
    return [own for own in assessment.results if own.column == column and own.kind != "reference"]


def _reference(assessment: Assessment) -> SetResult:
    return next(own for own in assessment.results if own.kind == "reference")


def _columns(assessment: Assessment) -> list[str]:
    return [column for column in COLUMNS if _others(assessment, column)]


def _cards(assessment: Assessment, fail_above: float | None) -> list[Card]:
    reference = _reference(assessment)
    cards = [Card(f"{reference.n_frames:,}", f"frames of {reference.n_beads:,} beads, reference")]
    column = _columns(assessment)[-1]
    for own in _others(assessment, column)[:5]:
        score = assessment.scores[own.name, column][_POOLED]
        above = fail_above is not None and own.kind == "generalisation" and score.excess > fail_above
        mark = "" if fail_above is None or own.kind != "generalisation" else (" ✗" if above else " ✓")
        cards.append(Card(f"{_number(score.excess)}{mark}", f"excess, nats: {own.name}, {column}"))
    return cards


def _number(value: float) -> str:
    """Four decimals, five where that would leave nothing, and no negative zero; empty for none."""
    if not np.isfinite(value):
        return ""
    digits = 4 if abs(value) >= 5e-4 or value == 0 else 5
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _interval(score: Excess) -> str:
    if not np.isfinite([score.low, score.high]).all():
        return ""
    return f"{_number(score.low)} … {_number(score.high)}"


def _score(assessment: Assessment, name: str, column: str) -> Excess:
    """The divergence over all beads; where there is a ranking, with its interval."""
    ranking = assessment.ranking.get(column)
    known = {} if ranking is None else ranking.excess
    return known.get(name, assessment.scores[name, column][_POOLED])


def _ranking(assessment: Assessment, told: Sequence[str], fail_above: float | None) -> Section:
    rows = []
    shown: dict[str, dict[str, tuple[float, float, float]]] = {}
    for column in _columns(assessment):
        for own in sorted(
            _others(assessment, column), key=lambda s: assessment.scores[s.name, column][_POOLED].excess
        ):
            score = _score(assessment, own.name, column)
            shown.setdefault(own.name, {})[column] = (score.low, score.excess, score.high)
            outside = assessment.overflow[own.name, column][_POOLED]
            judged = fail_above is not None and own.kind == "generalisation"
            good = score.excess <= fail_above if judged and fail_above is not None else None
            words = {None: "", True: "within the bar", False: "above the bar"}[good]
            numbers = (_number(score.js), _number(score.floor), _number(score.excess), _interval(score))
            rows.append(Row((own.name, column, *numbers, f"{100 * outside:.2g} %", words), good))
    rounding = assessment.rounding
    floor = 0.0 if rounding is None else float(rounding.divergence.get("all", 0.0))
    titles = ("", "", "divergence", "floor", "excess", "95\u00a0% interval", "stronger than any", "")
    return Section(
        "Which model is nearest",
        " ".join(told) or "The farther to the right, the farther from the forces of the real ensemble.",
        figure=ranking_figure(shown, floor),
        table=Table(titles, tuple(rows)),
    )


def _costs(assessment: Assessment) -> Section:
    kinds = [kind for kind in KIND_TITLES if any(_total(own, kind) for own in assessment.results)]
    rows = []
    for own in assessment.results:
        away = "" if own.deviation is None else f"{np.sqrt(np.mean(np.square(own.deviation))):.4f}"
        sizes = own.magnitudes
        forces = (f"{np.median(sizes):.4g}", f"{np.quantile(sizes, 0.99):.3g}", f"{sizes.max():.3g}")
        found = [f"{_total(own, kind) / own.n_frames:.3g}" for kind in kinds]
        seconds = sum(own.seconds.values()) / own.n_frames
        label = own.name if own.kind == "reference" else f"{own.name}, {own.column}"
        rows.append(Row((label, str(own.n_frames), away, *forces, *found, f"{seconds:.3g}")))
    return Section(
        "What was made",
        "Beads off: root mean square distance of the re-mapped beads from those wanted, before they are put "
        "right. Forces on a bead in kJ/mol/nm: median, 99th percentile, largest. Then findings of `msb "
        "check` a frame, and seconds a frame.",
        table=Table(
            (
                *("", "frames", "beads off, nm", "median force", "99\u00a0%", "largest"),
                *(KIND_TITLES[kind][0] for kind in kinds),
                "s a frame",
            ),
            tuple(rows),
        ),
    )


def _total(own: SetResult, kind: str) -> int:
    return int(np.sum(own.findings.get(kind, 0)))


def _forces(assessment: Assessment) -> list[Section]:
    titles = {
        "raw": "Forces on the beads, as backmapped",
        "polished": "Forces on the beads, polished with the beads held",
    }
    text = {
        "raw": "The reference is filled. The last bin holds everything stronger.",
        "polished": "What the polish cannot take away is what the beads forbid.",
    }
    return [
        Section(
            titles[column],
            text[column],
            figure=force_figure(_reference(assessment), _others(assessment, column)),
        )
        for column in _columns(assessment)
    ]


def _types(assessment: Assessment) -> Section | None:
    types = [name for name in assessment.bins if name != _POOLED]
    if len(types) < 2:
        types = types[:1]
    rows = []
    for column in _columns(assessment):
        for own in _others(assessment, column):
            parts = [assessment.scores[own.name, column].get(name) for name in types]
            along = assessment.components[own.name, column].get(_POOLED)
            cells = ["" if part is None else _number(part.excess) for part in (*parts, along)]
            rows.append(Row((f"{own.name}, {column}", *cells)))
    if not rows:
        return None
    return Section(
        "Which beads",
        "Excess divergence of the force on the beads of every type, and of its components x, y and z over "
        "all.",
        table=Table(("", *types, "components"), tuple(rows)),
    )


def _matching(assessment: Assessment) -> Section | None:
    if not assessment.matching:
        return None
    rows = []
    for (name, column), found in assessment.matching.items():
        cells = [
            f"{part.value:.4g}" if part is not None else ""
            for part in (found.chi2, found.bias2, found.variance, found.trimmed)
        ]
        whole = assessment.augmented.get((name, column))
        cells.append("" if whole is None else f"{whole.value:.4g}")
        rows.append(Row((f"{name}, {column}", *cells)))
    return Section(
        "Force matching",
        "Mean square difference, in (kJ/mol/nm)², of the CG model's own forces and the all-atom ones on the "
        "same beads; what of it is the model's (bias²) and what no model could avoid (several samples of "
        "atoms tell), and without the largest hundredth.",
        table=Table(
            ("", "χ²", "bias²", "scatter at fixed beads", "χ², 99\u00a0%", "χ² of both ensembles"),
            tuple(rows),
        ),
    )


def _coarse(found: Sequence[EnsembleComparison]) -> list[Section]:
    """What the CG level sees: quantities that all models have."""
    if not found:
        return []
    own = [{(c.quantity.kind, c.quantity.name): c for c in test.compared} for test in found]
    keys = [key for key in own[0] if all(key in other for other in own)]
    if not keys:
        return []
    rows = []
    for kind, name in keys:
        scores = [other[kind, name].score for other in own]
        cells = ["" if score is None else f"{_number(score.excess)}" for score in scores]
        rows.append(Row((f"{'distance' if kind == 'rdf' else kind} {name}", *cells)))
    labels = [test.label for test in found]
    return [
        Section(
            "What the CG level sees",
            "Bonds, angles, dihedrals and pair distances of the beads themselves, and the excess divergence "
            "of each. Models that agree here can still hold beads where no molecule can be: the forces tell.",
            figure=overlays([[other[key] for other in own] for key in keys], labels),
            table=Table(("", *labels), tuple(rows)),
        )
    ]


def _radial(assessment: Assessment) -> list[Section]:
    ground = assessment.radial.get(("reference", "raw"))
    if not ground:
        return []
    sections = []
    for column in _columns(assessment):
        sets = {
            own.name: assessment.radial[own.name, column]
            for own in _others(assessment, column)
            if assessment.radial.get((own.name, column))
        }
        figure = radial_figure(ground, sets) if sets else ""
        if figure:
            text = (
                "Radial distributions of non-bonded atoms; contacts nearer than the reference's are clashes."
            )
            sections.append(Section(f"Atoms of different molecules, {column}", text, figure=figure))
    return sections


def _worst(pairs: Sequence[WorstPair]) -> Section:
    rows = []
    for own in pairs[:_NAMED]:
        cells = (own.name, own.column, str(own.frame), own.bead, f"{own.force:.3g}", own.partner)
        rows.append(Row((*cells, f"{own.distance:.3f}" if np.isfinite(own.distance) else "")))
    titles = ("", "", "frame", "bead", "force, kJ/mol/nm", "nearest of another molecule", "distance, nm")
    return Section(
        "Where the largest forces are",
        "The beads that are pushed hardest, some of every model, and the nearest bead of another molecule. "
        "Frames count from 0; 1e+15 is where forces on atoms are cut, which is atoms on top of each other. "
        "The pairs of molecules are in worst.pdb and worst_beads.pdb beside this page.",
        table=Table(titles, tuple(rows)),
    )


def _viewer(pairs: Sequence[WorstPair]) -> Viewer:
    """Show those of the worst pairs that have the same atoms as the first."""
    first = pairs[0]
    alike = [own for own in pairs if own.like(first)][:8]
    atoms = np.stack([own.positions for own in alike])
    beads = np.stack([own.beads for own in alike])
    middle = beads.mean(axis=1, keepdims=True)
    small = np.abs(atoms - middle).max() < _REACH
    alike = alike if small else alike[:1]
    data = viewer_data(
        {"with the atoms put back": atoms[: len(alike)]},
        beads[: len(alike)],
        list(first.elements),
        first.bonds,
        first.bead_bonds,
        [f"{own.name}, {own.column}, frame {own.frame}: {own.force:.3g} kJ/mol/nm" for own in alike],
    )
    return Viewer(
        "The two molecules that push each other hardest",
        "Atoms put back into the beads (amber) of the worst configurations, the worst first. Drag or use the "
        "arrow keys to turn, the wheel to zoom, space to play.",
        data,
    )
