"""The demonstration's page: alanine dipeptide from six beads, beside the simulation the beads came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

import msb
from msb.analysis import (
    autocorrelation,
    compare_timescales,
    free_energy_surface,
    relaxation_time,
    torsion_features,
)
from msb.backmapper import Backmapper
from msb.energy import Energy, system_from_xml
from msb.report.figures import Distribution, distributions, memory, ramachandran, timescales
from msb.report.observables import Comparison, atoms_named, compare, hydrogens_of, quantities, torsions
from msb.report.page import Card, Page, Row, Section, Table, Viewer
from msb.report.viewer import viewer_data

__all__ = ["DemoResult", "compare_with_reference", "demo_page"]

Floats = NDArray[np.floating]

_SHOWN = 300  # frames of the 3-D view
_LAGS = (1, 2, 3, 4, 5, 6, 8, 10)  # frames
_STRETCH = 0.1  # relative change of a bond length that counts as broken


@dataclass(frozen=True)
class DemoResult:
    """Everything the page shows, and `summary()` of it for machines.

    Attributes
    ----------
    comparisons : list of Comparison
        Quantities that the beads do not fix.
    surfaces : dict of str to ndarray (n, n)
        Free energies over (φ, ψ), kJ/mol.
    lags : ndarray (L,)
        ps.
    timescales : dict of str to ndarray (L, 3)
        Implied timescales on (φ, ψ), ps.
    memory : dict of str to ndarray (T,)
        Autocorrelation of the Cβ methyl's torsion, frame by frame.
    relaxation : dict of str to float
        Where that has fallen to 1/e, ps.
    bead_error : float
        Largest distance of a bead from where it should be, nm.
    broken : int
        Frames with a bond changed by a tenth or with the wrong chirality.
    """

    comparisons: list[Comparison]
    surfaces: Mapping[str, Floats]
    lags: Floats
    timescales: Mapping[str, Floats]
    memory: Mapping[str, Floats]
    relaxation: Mapping[str, float]
    bead_error: float
    broken: int

    def summary(self) -> dict[str, object]:
        """Return the numbers, JSON-able."""
        return {
            "broken_frames": self.broken,
            "bead_error_nm": self.bead_error,
            "methyl_relaxation_ps": dict(self.relaxation),
            "quantities": {
                c.quantity.title: {
                    **vars(c.score),
                    "bar": c.quantity.bar,
                    "good": c.good,
                    "means": c.means,
                    "spreads": c.spreads,
                }
                for c in self.comparisons
            },
        }


def compare_with_reference(
    model: Backmapper, force_field: str, beads: Floats, reference: Floats, generated: Floats
) -> DemoResult:
    """Compute what the page shows.

    Parameters
    ----------
    model : Backmapper
        Places ACE-ALA-NME.
    force_field : str
        OpenMM System XML of the molecule.
    beads : ndarray (F, M, 3)
        The given beads, nm.
    reference, generated : ndarray (F, N, 3)
        The simulation they came from, and what the model made of them, nm.
    """
    spacing = model.lag or 1.0
    energy = Energy.from_openmm(system_from_xml(force_field))

    def potential(positions: Floats) -> Floats:
        return np.asarray(energy(torch.as_tensor(positions, dtype=torch.float64)).numpy())

    at = model.topology
    phi = atoms_named(at, "ACE:C", "ALA:N", "ALA:CA", "ALA:C")
    psi = atoms_named(at, "ALA:N", "ALA:CA", "ALA:C", "NME:N")
    axis = atoms_named(at, "ALA:N", "ALA:CA", "ALA:CB")
    methyl = [(*axis, hydrogen) for hydrogen in hydrogens_of(at, axis[2])]
    sets = {"Reference": reference, "Backmapped": generated}
    edges = np.linspace(-180, 180, 73)
    angles = {name: np.degrees(torsions(x, phi, psi)) for name, x in sets.items()}
    surfaces = {
        name: free_energy_surface(a[:, 0], a[:, 1], edges, edges, model.temperature).filled(np.nan)
        for name, a in angles.items()
    }
    features = [torsion_features(np.radians(a)) for a in angles.values()]
    lags = [lag * spacing for lag in _LAGS]
    theirs, ours = compare_timescales(features[0], features[1], lags, spacing)
    span = min(120, len(reference) // 4)
    curves = {name: autocorrelation(torsions(x, *methyl), span) for name, x in sets.items()}
    moved = model.mapping.beads(generated) - beads
    return DemoResult(
        [compare(q, reference, generated) for q in quantities(at, potential, spacing)],
        surfaces,
        np.asarray(lags),
        {"Reference": theirs.timescales, "Backmapped": ours.timescales},
        curves,
        {name: relaxation_time(curve, spacing) for name, curve in curves.items()},
        float(np.linalg.norm(moved, axis=-1).max()),
        broken_frames(model, reference, generated),
    )


def broken_frames(model: Backmapper, reference: Floats, generated: Floats) -> int:
    """Count the frames with a bond length off by a tenth, or with a stereocentre the wrong way round."""
    bonds = np.asarray(model.topology.bonds)
    lengths = [np.linalg.norm(x[:, bonds[:, 0]] - x[:, bonds[:, 1]], axis=-1) for x in (reference, generated)]
    typical = lengths[0].mean(0)
    stretched = (abs(lengths[1] - typical) > _STRETCH * typical).any(1)
    template = model.topology.only_template()
    hands = [np.asarray(template.chirality(x)) for x in (reference, generated)]
    wrong = (hands[1] != np.sign(hands[0].sum(0))).any(1)
    return int((stretched | wrong).sum())


def demo_page(
    model: Backmapper,
    name: str,
    beads: Floats,
    reference: Floats,
    generated: Floats,
    result: DemoResult,
    frames_per_second: float,
    commands: Sequence[str],
) -> Page:
    """Lay the results out as a page.

    Parameters
    ----------
    model, beads, reference, generated
        As :func:`compare_with_reference` takes them.
    name : str
        Of the model.
    result : DemoResult
        What was computed.
    frames_per_second : float
        Of the backmapping.
    commands : sequence of str
        Commands that do the same by hand.
    """
    lag = model.lag or 1.0
    summary = (
        f"{len(beads):,} frames of a bead trajectory that the model never saw, backmapped by {name} and set "
        "beside the all-atom simulation that the beads came from. Each frame is drawn given its beads and "
        "the atoms of the frame before, so the atoms move as atoms do."
    )
    cards = [
        Card(f"{len(beads):,}", f"frames, {lag:g} ps apart"),
        Card(f"{frames_per_second:,.0f} / s", "frames backmapped on this machine"),
        Card(f"{_power(result.bead_error)} nm", "largest distance of a bead from its place"),
        Card(str(result.broken), "broken structures (bonds, chirality)"),
    ]
    return Page(
        title=f"Alanine dipeptide: {model.mapping.n_beads} beads in, {model.topology.n_atoms} atoms out",
        summary=summary,
        cards=cards,
        viewer=_viewer(model, beads, reference, generated),
        groups=_groups(model, name, result, commands),
        footer=f"made by msb {msb.__version__}; everything on this page is inside this one file",
    )


def _groups(model: Backmapper, name: str, result: DemoResult, commands: Sequence[str]) -> list[list[Section]]:
    relaxation = result.relaxation
    span = (model.lag or 1.0) * np.arange(len(result.memory["Reference"]))
    panels = [
        Distribution(c.quantity.title, c.quantity.unit, c.edges, c.reference, c.model)
        for c in result.comparisons
    ]
    return [
        [
            Section(
                "What the beads leave open",
                "Hydrogens, oxygens and the outer methyl groups are drawn by the model; so is their energy, "
                "and how far they move from one frame to the next.",
                figure=distributions(panels),
            )
        ],
        [_numbers(result)],
        [
            Section(
                "How long a methyl group remembers",
                f"The torsion of the Cβ methyl relaxes in {relaxation['Reference']:.1f} ps in the simulation "
                f"and in {relaxation['Backmapped']:.1f} ps here.",
                figure=memory(span, *result.memory.values()),
            ),
            Section(
                "Timescales",
                "Slowest processes of a Markov model on (φ, ψ); inside the grey area none can be resolved.",
                figure=timescales(
                    result.lags, result.timescales["Reference"], result.timescales["Backmapped"]
                ),
            ),
        ],
        [
            Section(
                "Free energy of the backbone",
                "φ and ψ run through beads alone, so these surfaces agree as soon as the beads are exact: "
                "a check, not an achievement.",
                figure=ramachandran(result.surfaces),
            )
        ],
        [
            Section(
                "Do it by hand",
                "The same trajectory, and what the model is.",
                commands=tuple(commands),
                facts={"model": f"{name} ({model.method})", "temperature": f"{model.temperature:g} K"},
            )
        ],
    ]


def _power(value: float) -> str:
    """Write a number as a person does: 9·10⁻⁶."""
    if value == 0:
        return "0"
    digits, _, exponent = f"{value:.0e}".partition("e")
    return f"{digits}·10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def _numbers(result: DemoResult) -> Section:
    columns = ("", "reference, mean ± sd", "backmapped", "JS", "floor", "excess", "95 % interval", "bar", "")
    rows = []
    for c in result.comparisons:
        s = c.score
        cells = [f"{mean:.3g} ± {spread:.2g}" for mean, spread in zip(c.means, c.spreads, strict=True)]
        cells += [f"{value:.4f}" for value in (s.js, s.floor, s.excess)]
        interval = f"{s.low:.4f} … {s.high:.4f}"
        verdict = "within" if c.good else "outside"
        label = f"{c.quantity.title} / {c.quantity.unit}"
        rows.append(Row((label, *cells, interval, f"{c.quantity.bar:g}", verdict), c.good))
    return Section(
        "In numbers",
        "Jensen-Shannon divergences (natural logarithm, at most 0.693) from the simulation. A finite sample "
        "scores above zero even when it is perfect: that is the floor, and the excess is what counts.",
        table=Table(columns, tuple(rows)),
    )


def _viewer(model: Backmapper, beads: Floats, reference: Floats, generated: Floats) -> Viewer:
    start = _liveliest(model, beads)
    part = slice(start, start + _SHOWN)
    times = [f"{(start + i) * (model.lag or 1.0):g} ps" for i in range(len(beads[part]))]
    data = viewer_data(
        {"Simulation": reference[part], "Backmapped": generated[part]},
        beads[part],
        [str(element) for element in model.topology.elements],
        model.topology.bonds,
        model.mapping.bead_topology().bonds,
        times,
    )
    return Viewer(
        "In three dimensions",
        "Both molecules hang on the same beads (amber). Drag or use the arrow keys to turn, the wheel to "
        "zoom, space to play.",
        data,
    )


def _liveliest(model: Backmapper, beads: Floats) -> int:
    """First frame of the stretch in which the beads change their shape most often."""
    pairs = np.triu_indices(beads.shape[1], 1)
    shape = np.linalg.norm(beads[:, pairs[0]] - beads[:, pairs[1]], axis=-1)
    jumps = np.cumsum(np.abs(np.diff(shape, axis=0)).max(1) > 0.05)
    if len(jumps) <= _SHOWN:
        return 0
    return int((jumps[_SHOWN:] - jumps[:-_SHOWN]).argmax())
