"""The structure of a trajectory, frame by frame, as MDAnalysis analyses: serial, multiprocessing or dask.

Sums are kept, not frames, so memory does not grow with the trajectory; only series of a few numbers a frame
(energies of molecules, sizes of chains) are.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from MDAnalysis.analysis.base import AnalysisBase
from MDAnalysis.analysis.results import ResultsGroup
from numpy.typing import ArrayLike, NDArray

from msb.analysis.structure.chains import chain_sizes, summary, template_backbones
from msb.analysis.structure.distributions import InternalCounter
from msb.analysis.structure.energies import LennardJones, selection_masks
from msb.analysis.structure.pairs import NonbondedPairs
from msb.analysis.structure.rdf import PairGroups, RadialCounter
from msb.analysis.structure.terms import Kind, Term
from msb.core.topology import Topology
from msb.errors import EnergyError, TopologyError, TrajectoryError
from msb.units import NM_PER_ANGSTROM

__all__ = ["ChainDimensions", "InternalDistributions", "NonbondedStructure"]

FloatArray = NDArray[np.float64]


class _FrameAnalysis(AnalysisBase):  # type: ignore[misc]
    """Frames of a Universe in nm, checked."""

    _analysis_algorithm_is_parallelizable = True

    @classmethod
    def get_supported_backends(cls) -> tuple[str, ...]:
        """Return the backends that `run` takes by name."""
        return ("serial", "multiprocessing", "dask")

    def __init__(self, universe: Any, topology: Topology | None, **options: Any) -> None:
        atoms = universe.atoms
        if len(atoms) != len(atoms.universe.atoms):
            raise TopologyError(
                "structure is analysed for whole systems: give the Universe, not a part of it"
            )
        super().__init__(atoms.universe.trajectory, **options)
        self._atoms = atoms
        self.topology = Topology.from_universe(atoms.universe) if topology is None else topology
        if self.topology.n_atoms != len(atoms):
            raise TopologyError(
                f"the topology has {self.topology.n_atoms} atoms, the Universe {len(atoms)}: "
                "give the topology that belongs to the trajectory"
            )

    def _compute(self, *args: Any, **keywords: Any) -> Any:
        """Work through a share of the frames; in a forked worker on one thread.

        A pool of threads that torch started in the parent does not exist in a fork, and waiting for it would
        never end.
        """
        if multiprocessing.parent_process() is not None:
            torch.set_num_threads(1)
        return super()._compute(*args, **keywords)

    def _frame(self) -> tuple[FloatArray, FloatArray | None]:
        """Return positions (N, 3) and box (3, 3) of the current frame, nm."""
        x = self._atoms.positions.astype(np.float64) * NM_PER_ANGSTROM
        if not np.isfinite(x).all():
            raise TrajectoryError(
                f"frame {self._ts.frame} (counted from 0) has a coordinate that is not finite, at atom "
                f"{int(np.argmin(np.isfinite(x).all(axis=1))) + 1}: leave it out or repair the file"
            )
        box = self._ts.triclinic_dimensions
        if box is None or not np.any(box):
            return x, None
        return x, np.asarray(box, dtype=np.float64) * NM_PER_ANGSTROM

    def _require_frames(self) -> None:
        if not len(self.frames):
            raise TrajectoryError(
                f"no frame was chosen of the {len(self._trajectory)} there are: check start, stop and step"
            )


class InternalDistributions(_FrameAnalysis):
    """Distributions of bonds, angles, proper and improper dihedrals, by types.

    Parameters
    ----------
    universe : MDAnalysis.Universe
        Positions in ångström, as MDAnalysis has them.
    topology : Topology, optional
        Of the same atoms; made of the Universe by default.
    terms, bins
        As `InternalCounter`.
    **options
        For `AnalysisBase`.

    Attributes
    ----------
    results.distributions : dict of str to Distribution
        After `run`.
    """

    def __init__(
        self,
        universe: Any,
        topology: Topology | None = None,
        *,
        terms: Sequence[Term] | None = None,
        bins: Mapping[Kind, ArrayLike] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(universe, topology, **options)
        self._counter = InternalCounter(self.topology, terms, bins)

    def _prepare(self) -> None:
        self.results.counts, self.results.moments = self._counter.nothing()

    def _single_frame(self) -> None:
        x, box = self._frame()
        counts, moments = self._counter.count(x[None], None if box is None else box[None])
        self.results.counts += counts
        self.results.moments += moments

    def _get_aggregator(self) -> ResultsGroup:
        return ResultsGroup({"counts": ResultsGroup.ndarray_sum, "moments": ResultsGroup.ndarray_sum})

    def _conclude(self) -> None:
        self._require_frames()
        self.results.distributions = self._counter.result(self.results.counts, self.results.moments)


class NonbondedStructure(_FrameAnalysis):
    """Radial distributions and Lennard-Jones energies of molecules, from one search for pairs a frame.

    Parameters
    ----------
    universe : MDAnalysis.Universe
        Positions in ångström, as MDAnalysis has them.
    topology : Topology, optional
        Of the same atoms; made of the Universe by default.
    edges : array_like (B + 1,)
        Of the distances, nm.
    groups : PairGroups, optional
        One for every pair of atom types by default.
    lennard_jones : LennardJones, optional
        Without it there are no energies.
    energy_cutoff : float
        nm.
    selections : mapping of str to atoms, optional
        As `lennard_jones_energies`.
    exclude_bonds : int
        Pairs up to this many bonds apart do not count.
    **options
        For `AnalysisBase`.

    Attributes
    ----------
    results.radial : dict of str to RadialDistribution
        After `run`.
    results.energies : dict of str to ndarray (F, molecules)
        kJ/mol, by selection; empty without parameters.
    """

    def __init__(
        self,
        universe: Any,
        topology: Topology | None = None,
        *,
        edges: ArrayLike,
        groups: PairGroups | None = None,
        lennard_jones: LennardJones | None = None,
        energy_cutoff: float = 0.8,
        selections: Mapping[str, ArrayLike] | None = None,
        exclude_bonds: int = 3,
        **options: Any,
    ) -> None:
        super().__init__(universe, topology, **options)
        if lennard_jones is not None and len(lennard_jones.kind_of) != self.topology.n_atoms:
            raise EnergyError(
                f"the parameters are of {len(lennard_jones.kind_of)} atoms, the system has "
                f"{self.topology.n_atoms}"
            )
        chosen = PairGroups.by_type(self.topology.atom_types) if groups is None else groups
        self._counter = RadialCounter(chosen, edges, NonbondedPairs(self.topology, exclude_bonds))
        self._parameters, self._energy_cutoff = lennard_jones, energy_cutoff
        self._masks = {} if lennard_jones is None else selection_masks(selections, self.topology.n_atoms)

    def _prepare(self) -> None:
        counter, frames, molecules = self._counter, len(self.frames), self.topology.n_molecules
        self.results.counts = np.zeros((len(counter.groups.names), len(counter.edges) - 1), dtype=np.int64)
        self.results.inverse_volumes = np.zeros(frames)
        self.results.energy_rows = np.zeros((frames, len(self._masks), molecules))

    def _single_frame(self) -> None:
        x, box = self._frame()
        counter, parameters = self._counter, self._parameters
        reach = counter.cutoff if parameters is None else max(counter.cutoff, self._energy_cutoff)
        pairs = counter.pairs.find(x, box, reach)
        self.results.counts += counter.groups.count(pairs, counter.edges)
        self.results.inverse_volumes[self._frame_index] = counter.inverse_volume(box)
        if parameters is None:
            return
        pairs = pairs if reach == self._energy_cutoff else pairs[pairs.distances <= self._energy_cutoff]
        owner, number = self.topology.molecule_index, self.topology.n_molecules
        for k, mask in enumerate(self._masks.values()):
            row = parameters.per_molecule(pairs, owner, number, mask)
            self.results.energy_rows[self._frame_index, k] = row

    def _get_aggregator(self) -> ResultsGroup:
        together = {"counts": ResultsGroup.ndarray_sum}
        together |= dict.fromkeys(("inverse_volumes", "energy_rows"), np.concatenate)
        return ResultsGroup(together)

    def _conclude(self) -> None:
        self._require_frames()
        inverse = float(self.results.inverse_volumes.sum())
        self.results.radial = self._counter.result(self.results.counts, inverse, len(self.frames))
        rows = self.results.energy_rows
        self.results.energies = {name: rows[:, k] for k, name in enumerate(self._masks)}


class ChainDimensions(_FrameAnalysis):
    """Mean squared end-to-end distances and radii of gyration, and contour lengths, with block errors.

    Parameters
    ----------
    universe : MDAnalysis.Universe
        Positions in ångström, as MDAnalysis has them.
    topology : Topology, optional
        Of the same atoms; made of the Universe by default.
    backbones : mapping of molecule name to atoms, optional
        As `chain_sizes`.
    blocks : int
        For the errors.
    **options
        For `AnalysisBase`.

    Attributes
    ----------
    results.chains : dict of str to ChainStatistics
        After `run`.
    """

    def __init__(
        self,
        universe: Any,
        topology: Topology | None = None,
        *,
        backbones: Mapping[str, ArrayLike] | None = None,
        blocks: int = 10,
        **options: Any,
    ) -> None:
        super().__init__(universe, topology, **options)
        self._backbones, self._blocks = template_backbones(self.topology, backbones), blocks

    def _prepare(self) -> None:
        self.results.means = np.zeros((len(self.frames), len(self._backbones), 3))

    def _single_frame(self) -> None:
        x, box = self._frame()
        sizes = chain_sizes(x[None], self.topology, box, self._backbones)
        for k, name in enumerate(self._backbones):
            self.results.means[self._frame_index, k] = sizes[name][0].mean(axis=0)

    def _get_aggregator(self) -> ResultsGroup:
        return ResultsGroup({"means": np.concatenate})

    def _conclude(self) -> None:
        self._require_frames()
        chains = dict.fromkeys(self._backbones, 0)
        for template, _, count in self.topology.blocks():
            if template.name in chains:
                chains[template.name] += count
        self.results.chains = {
            name: summary(name, self.results.means[:, k], count, self._blocks)
            for k, (name, count) in enumerate(chains.items())
        }
