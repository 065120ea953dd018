"""The page of the condensed demonstration: a polystyrene melt from beads, beside its simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import msb
from msb.analysis.comparison import EnsembleComparison
from msb.core.mapping import Mapping as BeadMapping
from msb.core.topology import Topology
from msb.quality import Verdict
from msb.quality.words import headline
from msb.report.check import check_page
from msb.report.compare import compare_page
from msb.report.page import Card, Page, Section, Viewer
from msb.report.viewer import viewer_data

__all__ = ["CondensedDemo", "condensed_page", "near_molecules"]

Floats = NDArray[np.floating]
_SHOWN = 3  # molecules of the 3-D view


@dataclass(frozen=True)
class CondensedDemo:
    """What the page shows.

    Attributes
    ----------
    topology, mapping
        The melt and its beads.
    beads : ndarray (F, M, 3)
        Given, nm.
    reference, generated : ndarray (F, N, 3)
        The simulation, and what was made of its beads, nm; molecules whole.
    boxes : ndarray (F, 3, 3)
        Row vectors, nm.
    verdict : Verdict
        Of the check.
    comparison : EnsembleComparison or None
        With the simulation; None where there are too few frames to tell.
    relaxed : mapping of str to float
        How well beads were held.
    seconds : float
        For one frame.
    how : str
        Method, relaxation, polish, in words.
    """

    topology: Topology
    mapping: BeadMapping
    beads: Floats
    reference: Floats
    generated: Floats
    boxes: Floats
    verdict: Verdict
    comparison: EnsembleComparison | None
    relaxed: Mapping[str, float]
    seconds: float
    how: str


def condensed_page(demo: CondensedDemo, commands: Sequence[str]) -> Page:
    """Lay the results out as a page.

    Parameters
    ----------
    demo : CondensedDemo
        What was made and measured.
    commands : sequence of str
        Commands that do the same by hand.

    Returns
    -------
    Page
    """
    topology, frames = demo.topology, len(demo.beads)
    [(template, count)] = topology.molecules
    told = f"{frames} frames" if frames > 1 else "One frame"
    summary = (
        f"{told} of a melt of {count} chains of syndiotactic polystyrene, {topology.n_atoms:,} atoms seen as "
        f"{demo.mapping.n_beads} beads. The atoms are pieces cut from one other snapshot of the melt, chosen "
        f"by the beads around them; relaxation and polish hold the beads in place ({demo.how}). "
        "The simulation that the beads came from is the project's own."
    )
    groups: list[Sequence[Section]] = [check_page(demo.verdict, "", {}).groups[0]]
    if demo.comparison is not None:
        groups += compare_page([demo.comparison], "", {}).groups[:-1]
    facts = {
        "chains": f"{count} × {template.name}, {template.n_atoms} atoms each",
        "learned from": "one all-atom snapshot that is none of the frames shown",
        "how": demo.how,
    }
    groups.append(
        [Section("Do it by hand", "The same, step by step.", commands=tuple(commands), facts=facts)]
    )
    said = headline(demo.verdict)
    return Page(
        title=f"Polystyrene melt: {demo.mapping.n_beads} beads in, {topology.n_atoms:,} atoms out",
        summary=f"{summary} Check: {said}.",
        cards=_cards(demo),
        viewer=_viewer(demo),
        groups=groups,
        footer=f"made by msb {msb.__version__}; everything on this page is inside this one file",
    )


def _cards(demo: CondensedDemo) -> list[Card]:
    atoms = demo.topology.n_atoms
    cards = [
        Card(f"{demo.seconds:.1f} s", f"a frame of {atoms:,} atoms on this machine"),
        Card("passed ✓" if demo.verdict.passed() else "failed ✗", "quality check of every frame"),
        Card(f"{demo.verdict.total:,}", "findings: contacts, hands, rings, bonds, angles"),
    ]
    if "bead_rms_nm" in demo.relaxed:
        cards.append(Card(f"{demo.relaxed['bead_rms_nm']:.4f} nm", "rms distance of a bead from its place"))
    if demo.comparison is not None:
        agreeing = sum(compared.agrees for compared in demo.comparison.compared)
        cards.append(
            Card(f"{agreeing} / {len(demo.comparison.compared)}", "distributions agree with simulation")
        )
    return cards


def near_molecules(topology: Topology, positions: Floats, count: int) -> list[int]:
    """Return the molecule closest to the middle of all and its nearest ones, by centres of mass.

    Parameters
    ----------
    topology : Topology
    positions : ndarray (N, 3)
        nm, molecules whole.
    count : int
        Molecules to return at most.

    Returns
    -------
    list of int
    """
    owner, masses = topology.molecule_index, topology.masses
    sums = np.stack([np.bincount(owner, masses * column) for column in np.asarray(positions).T], axis=1)
    centres = sums / np.bincount(owner, masses)[:, None]
    middle = int(np.linalg.norm(centres - centres.mean(0), axis=1).argmin())
    order = np.linalg.norm(centres - centres[middle], axis=1).argsort(kind="stable")
    return sorted(order[:count].tolist())


def _viewer(demo: CondensedDemo) -> Viewer:
    chosen = near_molecules(demo.topology, demo.reference[0], _SHOWN)
    atoms = np.isin(demo.topology.molecule_index, chosen)
    bead_topology = demo.mapping.bead_topology()
    beads = np.isin(bead_topology.molecule_index, chosen)
    elements = np.asarray(demo.topology.elements)[atoms]
    shifts = _shifts(demo, chosen)
    atom_shifts = shifts[:, demo.topology.molecule_index[atoms]]
    data = viewer_data(
        {
            "Simulation": demo.reference[:, atoms] + atom_shifts,
            "Backmapped": demo.generated[:, atoms] + atom_shifts,
        },
        demo.beads[:, beads] + shifts[:, bead_topology.molecule_index[beads]],
        [str(element) for element in elements],
        _renumbered(np.asarray(demo.topology.bonds), atoms),
        _renumbered(np.asarray(bead_topology.bonds), beads),
        [f"frame {frame + 1}" for frame in range(len(demo.beads))],
    )
    return Viewer(
        "In three dimensions",
        "Three neighbouring chains out of the melt; both panels hang on the same beads (amber). Drag or use "
        "the arrow keys to turn, the wheel to zoom, space to play.",
        data,
    )


def _shifts(demo: CondensedDemo, chosen: list[int]) -> Floats:
    """Box vectors (F, molecules, 3) that bring molecules next to the first chosen, by frame."""
    owner = demo.mapping.bead_topology().molecule_index
    beads = demo.beads.reshape(len(demo.beads), -1, int((owner == 0).sum()), 3)  # one kind of molecule
    away = beads.mean(axis=2) - beads[:, chosen[0]].mean(axis=1)[:, None]
    return np.asarray(-np.round(away @ np.linalg.inv(demo.boxes)) @ demo.boxes)


def _renumbered(bonds: NDArray[np.integer], kept: NDArray[np.bool_]) -> NDArray[np.integer]:
    """Return the bonds among the atoms that are kept, in their new numbers."""
    number = np.cumsum(kept) - 1
    return np.asarray(number[bonds[kept[bonds].all(axis=1)]])
