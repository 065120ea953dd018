"""Rows about single frames: energy, bonds, angles, dihedrals, widths, hydrogens, broken structures, beads."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import torch
from adp_system import BEADS, BONDS, ELEMENTS, make_system, paths
from numpy.typing import NDArray
from rows import Row, excess_row

from msb.analysis import bin_edges, block_bootstrap, circular_mean, circular_width, excess, wrap_about
from msb.core.geometry import angles, dihedrals, distances

__all__ = [
    "bead_rows",
    "broken_frames",
    "broken_row",
    "energy_rows",
    "handedness_rows",
    "internal_rows",
    "vacuum_energies",
    "width_rows",
]

Positions = NDArray[np.float32]
HERE = Path(__file__).resolve().parent
WIDTHS = {
    "omega 1 (CH3-C-N-CA)": (1, 4, 6, 8),
    "omega 2 (CA-C-N-CH3)": (8, 14, 16, 18),
    "C=O plane 1 (O-C-N-CA)": (5, 4, 6, 8),
    "N-H plane 1 (O-C-N-H)": (5, 4, 6, 7),
    "C=O plane 2 (O-C-N-CH3)": (15, 14, 16, 18),
    "N-H plane 2 (O-C-N-H)": (15, 14, 16, 17),
}
METHYLS = {"ACE": (1, 0, 2, 3), "CB": (10, 11, 12, 13), "NME": (18, 19, 20, 21)}
CONTACTS = {0: 0.22, 1: 0.14, 2: 0.12}
"""Shortest distance, nm, of two atoms three or more bonds apart, by the number of hydrogens among them; MD,
at 400 K too, stays above 0.241, 0.167 and 0.142."""


@cache
def _energy():
    from msb.energy import Energy

    return Energy.from_openmm(make_system(HERE / "adp.pdb", implicit=False, constrained=False)[1])


def vacuum_energies(positions: Positions, chunk: int = 4000) -> NDArray[np.float64]:
    """Return AMBER ff96 energies without solvent (F,), kJ/mol; bonds to hydrogen count as springs."""
    parts = torch.from_numpy(np.asarray(positions, dtype=np.float64)).split(chunk)
    with torch.no_grad():
        return np.concatenate([_energy()(part).numpy() for part in parts])


def energy_rows(
    test: NDArray[np.float64], reference: NDArray[np.float64], options: dict[str, int]
) -> list[Row]:
    """Return the two rows of the vacuum energy, from energies (F,) of the same frames."""
    found = excess(test, reference, bin_edges(reference, 60), **options)
    shift = float(test.mean() - reference.mean())
    low, high = block_bootstrap(lambda a, b: a.mean() - b.mean(), test, reference, **options)
    mean = Row(
        "vacuum energy: mean, off by",
        "within 2 kJ/mol",
        shift,
        "kJ/mol",
        0.0,
        low=float(low),
        high=float(high),
        passed=abs(shift) <= 2.0,
        note=f"{test.mean():.2f} against {reference.mean():.2f}; median off by "
        f"{np.median(test) - np.median(reference):.2f}, sd {test.std():.2f} against {reference.std():.2f}",
    )
    return [excess_row("vacuum energy", found, 0.02), mean]


def internal_rows(test: Positions, reference: Positions, options: dict[str, int]) -> list[Row]:
    """Return a row for the worst of the bonds, angles and dihedrals of heavy atoms, then one for each."""
    kinds = (("bond", 2, distances), ("angle", 3, angles), ("dihedral", 4, dihedrals))
    rows = []
    for kind, length, measure in kinds:
        chains = paths(length)
        sets = [measure(torch.from_numpy(x), chains).numpy().astype(float) for x in (test, reference)]
        found = []
        for chain, a, b in zip(chains, *(values.T for values in sets), strict=True):
            name = f"{kind} {'-'.join(str(k) for k in chain)}"
            score = _internal_excess(a, b, kind == "dihedral", options)
            found.append(excess_row(name, score, 0.05, detail=True))
        worst = max(found, key=lambda row: row.excess)
        summary = {
            **worst.as_dict(),
            "name": f"heavy-atom {kind}s, worst of {len(found)}",
            "note": worst.name,
            "detail": False,
        }
        rows += [Row(**summary), *found]
    return rows


def _internal_excess(a: NDArray, b: NDArray, periodic: bool, options: dict[str, int]):
    if not periodic:
        return excess(a, b, bin_edges(b, 100), **options)
    centre = float(circular_mean(b))
    a, b = wrap_about(a, centre), wrap_about(b, centre)
    edges = bin_edges(b, 100)
    edges = np.linspace(max(edges[0], centre - math.pi), min(edges[-1], centre + math.pi), 101)
    return excess(a, b, edges, **options)


def width_rows(test: Positions, reference: Positions, options: dict[str, int]) -> list[Row]:
    """Return the ratios of circular widths of both omegas and of the C=O and N-H planes."""
    quads = list(WIDTHS.values())
    sets = [dihedrals(torch.from_numpy(x), quads).numpy().astype(float) for x in (test, reference)]

    def ratio(first: NDArray[np.complex128], second: NDArray[np.complex128]) -> NDArray[np.float64]:
        return np.sqrt(np.log(np.abs(first.mean(0))) / np.log(np.abs(second.mean(0))))

    low, high = block_bootstrap(ratio, *(np.exp(1j * values) for values in sets), **options)
    rows = []
    for k, name in enumerate(WIDTHS):
        wide, expected = (float(circular_width(values[:, k])) for values in sets)
        rows.append(
            Row(
                f"width of {name}",
                "ratio within 5 %",
                wide / expected,
                "",
                1.0,
                low=float(low[k]),
                high=float(high[k]),
                passed=abs(wide / expected - 1.0) <= 0.05,
                note=f"{math.degrees(wide):.3f} against {math.degrees(expected):.3f} degrees",
            )
        )
    return rows


def _triple(x: Positions, centre: int, a: int, b: int, c: int) -> NDArray[np.float32]:
    return np.einsum(
        "fi,fi->f", np.cross(x[:, a] - x[:, centre], x[:, b] - x[:, centre]), x[:, c] - x[:, centre]
    )


def handedness(x: Positions) -> dict[str, NDArray[np.bool_]]:
    """Return which frames have each group of hydrogens right, (F,) each.

    The three hydrogens of a methyl keep their sense of rotation; the alpha hydrogen and CB stand on their
    sides (an L residue); an amide hydrogen is trans to the oxygen, and the peptide bonds are trans.
    """
    torsions = dihedrals(torch.from_numpy(x), [WIDTHS[name] for name in list(WIDTHS)[:2]]).numpy()
    planes = dihedrals(torch.from_numpy(x), [(5, 4, 6, 7), (15, 14, 16, 17)]).numpy()
    return {
        **{
            f"order of the hydrogens of methyl {name}": _triple(x, *atoms) > 0
            for name, atoms in METHYLS.items()
        },
        "chirality at CA (side of HA and of CB)": (_triple(x, 8, 6, 14, 9) < 0)
        & (_triple(x, 8, 6, 14, 10) > 0),
        "amide hydrogens trans to the oxygens": (np.abs(planes) > np.pi / 2).all(1),
        "peptide bonds trans": (np.abs(torsions) > np.pi / 2).all(1),
    }


def handedness_rows(test: Positions) -> list[Row]:
    """Return a row for each order of hydrogens: frames that have it wrong."""
    return [_count_row(name, ~right, "right in every frame") for name, right in handedness(test).items()]


def broken_frames(x: Positions) -> NDArray[np.bool_]:
    """Return which frames (F,) are broken.

    A bond 15 % off its length (MD stays within 10 %), two atoms three or more bonds apart closer than 0.22
    nm (0.14 with one hydrogen, 0.12 with two), a cis peptide bond, or the wrong chirality at CA.
    """
    bonds = distances(torch.from_numpy(x), BONDS).numpy()
    expected = distances(torch.from_numpy(_pdb_positions()), BONDS).numpy()
    pairs = _far_pairs()
    limits = np.array([CONTACTS[(ELEMENTS[i] == "H") + (ELEMENTS[j] == "H")] for i, j in pairs])
    close = (distances(torch.from_numpy(x), pairs).numpy() < limits).any(1)
    right = handedness(x)
    wrong = ~right["chirality at CA (side of HA and of CB)"] | ~right["peptide bonds trans"]
    return (np.abs(bonds / expected - 1.0) > 0.15).any(1) | close | wrong


def broken_row(test: Positions) -> Row:
    """Return the row of broken structures."""
    return _count_row("broken structures", broken_frames(test), "0")


@cache
def _pdb_positions() -> Positions:
    lines = [line for line in (HERE / "adp.pdb").read_text().splitlines() if line.startswith("ATOM")]
    return np.array([[float(line[k : k + 8]) / 10 for k in (30, 38, 46)] for line in lines], dtype=np.float32)


@cache
def _far_pairs() -> NDArray[np.int64]:
    near = {tuple(sorted((chain[0], chain[-1]))) for n in (2, 3) for chain in paths(n, heavy=False)}
    return np.array([(i, j) for i in range(22) for j in range(i + 1, 22) if (i, j) not in near])


def _count_row(name: str, wrong: NDArray[np.bool_], bar: str) -> Row:
    where = np.flatnonzero(wrong)
    note = f"first in frame {where[0]}" if len(where) else ""
    return Row(
        name, bar, float(len(where)), f"of {len(wrong)} frames wrong", passed=not len(where), note=note
    )


def bead_rows(test: Positions, beads: Positions, projection: NDArray | None) -> list[Row]:
    """Return how far the beads are off, and the displacement that projecting onto them needed."""
    off = np.linalg.norm(test[:, BEADS].astype(float) - beads, axis=-1)
    rows = [
        Row(
            "beads: largest deviation",
            "<= 1e-4 nm",
            float(off.max()),
            "nm",
            passed=bool(off.max() <= 1e-4),
            note=f"median {np.median(off):.2g}",
        )
    ]
    if projection is not None:
        median = float(np.median(projection))
        rows.append(
            Row(
                "beads: median displacement that project needed",
                "<= 0.003 nm",
                median,
                "nm",
                passed=median <= 0.003,
            )
        )
    return rows
