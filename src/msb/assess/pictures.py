"""The molecules behind the largest forces, cut out to look at: for a page, and as small files."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msb.assess.assessment import Assessment
from msb.assess.extremes import Extreme, largest_forces, two_molecules, worst_of
from msb.assess.record import SetResult
from msb.core.mapping import Mapping
from msb.core.topology import Topology
from msb.io.frames import Frames
from msb.io.writers import open_writer

__all__ = ["WorstPair", "worst_pairs", "write_pairs"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WorstPair:
    """A bead that is pushed hard, its molecule, and the molecule next to it.

    Attributes
    ----------
    name, column : str
        Of the set.
    frame, sample : int
    bead, partner : str
        In words; the partner is the nearest bead of another molecule, empty where there is none.
    force : float
        On the bead, kJ/mol/nm.
    distance : float
        Of the two beads, nm; NaN without a partner.
    topology, bead_topology : Topology
        Of the one or two molecules.
    positions : float32 array (K, 3)
        Their atoms, nm, next to each other.
    beads : float32 array (M, 3)
        Their beads, nm.
    """

    name: str
    column: str
    frame: int
    sample: int
    bead: str
    partner: str
    force: float
    distance: float
    topology: Topology
    bead_topology: Topology
    positions: Floats
    beads: Floats

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols of the atoms."""
        return tuple(str(element) for element in self.topology.elements)

    @property
    def bonds(self) -> NDArray[np.int64]:
        """Bonds between the atoms."""
        return np.asarray(self.topology.bonds, dtype=np.int64)

    @property
    def bead_bonds(self) -> NDArray[np.int64]:
        """Bonds between the beads."""
        return np.asarray(self.bead_topology.bonds, dtype=np.int64)

    def like(self, other: WorstPair) -> bool:
        """Whether two are of the same molecules in the same order."""
        return self.topology == other.topology and self.bead_topology == other.bead_topology

    def to_dict(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        names = ("name", "column", "frame", "sample", "bead", "partner", "force", "distance")
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "distance": self.distance if np.isfinite(self.distance) else None}


def worst_pairs(
    assessment: Assessment, mappings: MappingOf[str, Mapping], number: int = 10
) -> tuple[WorstPair, ...]:
    """Cut the molecules of the largest forces in the CG models out of their frames.

    Looked at is the last column there is: polished forces are the models' own.  Every model has its share.

    Parameters
    ----------
    assessment : Assessment
        With its work folder: the atoms of the frames are read again.
    mappings : mapping of str to Mapping
        By set; sets that are not named are left out.
    number : int
        At most so many.

    Returns
    -------
    tuple of WorstPair
        The largest force first.
    """
    models = [own for own in assessment.results if own.kind == "generalisation" and own.name in mappings]
    last = "polished" if any(own.column == "polished" for own in models) else "raw"
    chosen = [own for own in models if own.column == last]
    share = max(3, number // max(len(chosen), 1))
    extremes = worst_of([largest_forces(own, share) for own in chosen], number)
    sets = {own.name: own for own in chosen}
    return tuple(_cut_out(assessment, mappings[one.set], sets[one.set], one) for one in extremes)


def _cut_out(assessment: Assessment, mapping: Mapping, own: SetResult, one: Extreme) -> WorstPair:
    positions, box = assessment.positions(one.set, one.column, one.frame, one.sample)
    same = own.frames == one.frame
    row = int(np.flatnonzero(same if own.samples is None else same & (own.samples == one.sample))[0])
    pair = two_molecules(one, positions, own.beads[row], box, mapping)
    beads = mapping.bead_topology()
    molecules = np.unique(np.asarray(beads.molecule_index)[pair.beads], return_index=True)
    chosen = molecules[0][np.argsort(molecules[1])].tolist()
    return WorstPair(
        *(one.set, one.column, one.frame, one.sample),
        _called(beads, one.bead),
        _called(beads, one.partner) if one.partner >= 0 else "",
        *(one.force, one.distance, pair.topology, _only(beads, chosen)),
        *(pair.positions, pair.bead_positions),
    )


def _only(topology: Topology, molecules: Sequence[int]) -> Topology:
    """Some of the molecules, one after another."""
    templates = [template for template, count in topology.molecules for _ in range(count)]
    return Topology(tuple((templates[own], 1) for own in molecules))


def _called(topology: Topology, bead: int) -> str:
    """A bead in words, molecules counted from 1 as files do."""
    residue = topology.residue_index[bead]
    molecule = int(topology.molecule_index[bead]) + 1
    return f"{topology.atom_names[bead]} of {topology.residue_names[residue]} {molecule}"


def write_pairs(pairs: Sequence[WorstPair], folder: Path) -> tuple[tuple[Path, str], ...]:
    """Write the atoms, and the beads, of the worst pairs as structures with a model each.

    Parameters
    ----------
    pairs : sequence of WorstPair
        Those of other molecules than the first are left out: a file is of one system.
    folder : Path

    Returns
    -------
    tuple of (Path, str)
        Files, and what they are.
    """
    alike = [own for own in pairs if own.like(pairs[0])]
    written = []
    for name, topology, parts, what in (
        ("worst.pdb", pairs[0].topology, [own.positions for own in alike], "atoms"),
        ("worst_beads.pdb", pairs[0].bead_topology, [own.beads for own in alike], "beads"),
    ):
        path = folder / name
        with open_writer(path, topology) as writer:
            writer.write(Frames(np.stack(parts), None, None))
        written.append((path, f"{what} of the {len(alike)} pairs of molecules with the largest forces"))
    return tuple(written)
