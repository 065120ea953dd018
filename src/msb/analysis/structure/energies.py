"""Energies of molecules: Lennard-Jones shared half and half between the two atoms of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.analysis.structure.distributions import checked_positions, frame_boxes
from msb.analysis.structure.pairs import NearPairs, NonbondedPairs, atom_mask
from msb.core.topology import Topology
from msb.errors import EnergyError

if TYPE_CHECKING:
    from msb.io.gromacs import GromacsTopology

__all__ = ["LennardJones", "lennard_jones_energies"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LennardJones:
    r"""Lennard-Jones parameters of a system, :math:`C_{12} / r^{12} - C_6 / r^6`.

    Attributes
    ----------
    kind_of : ndarray (N,)
        Kind of every atom.
    c6, c12 : ndarray (T, T)
        kJ/mol nm^6 and kJ/mol nm^12, for every two kinds; symmetric.
    """

    kind_of: IntArray
    c6: FloatArray
    c12: FloatArray

    @classmethod
    def from_sigma_epsilon(cls, kind_of: ArrayLike, sigma: ArrayLike, epsilon: ArrayLike) -> LennardJones:
        """Combine by Lorentz and Berthelot: arithmetic mean of sigma, geometric mean of epsilon.

        Parameters
        ----------
        kind_of : array_like (N,)
            Kind of every atom.
        sigma, epsilon : array_like (T,)
            nm, kJ/mol.
        """
        s, e = np.asarray(sigma, dtype=np.float64), np.asarray(epsilon, dtype=np.float64)
        pairs = np.sqrt(np.outer(e, e)), 0.5 * (s[:, None] + s)
        return cls(np.asarray(kind_of, dtype=np.int64), *_c6_c12(*pairs))

    @classmethod
    def from_gromacs(cls, force_field: GromacsTopology, topology: Topology | None = None) -> LennardJones:
        """Take the atom types, the combination rule and ``[ nonbond_params ]`` of a GROMACS topology.

        Parameters
        ----------
        force_field : GromacsTopology
            `msb.io.gromacs.read_gromacs`.
        topology : Topology, optional
            The system; that of the file by default.

        Raises
        ------
        EnergyError
            A type that is present has no parameters, or the potential is not Lennard-Jones.
        """
        system = force_field.topology if topology is None else topology
        known, kind_of = np.unique(system.atom_types, return_inverse=True)
        defaults = force_field.defaults
        if defaults is None or defaults.nbfunc != 1:
            raise EnergyError(f"{force_field.path} has no [ defaults ] with Lennard-Jones (nbfunc 1)")
        table = _type_parameters(force_field, known, kind_of)
        c6, c12 = _combined(table, defaults.comb_rule)
        place = {str(name): k for k, name in enumerate(known)}
        for entry in force_field.tables.get("nonbond_params", ()):
            if entry.function == 1 and all(name in place for name in entry.types):
                i, j = (place[name] for name in entry.types)
                own = np.array(entry.parameters[:2], dtype=np.float64)
                pair = own if defaults.comb_rule == 1 else np.array(_c6_c12(own[1], own[0]))
                c6[[i, j], [j, i]], c12[[i, j], [j, i]] = pair
        return cls(kind_of.ravel(), c6, c12)

    @classmethod
    def from_openmm(cls, system: Any) -> LennardJones:
        """Take the particles of an OpenMM System's NonbondedForce; its exceptions are not looked at.

        Raises
        ------
        EnergyError
            It has no NonbondedForce, or not exactly one.
        """
        from msb.energy.nonbonded_parameters import NonbondedParameters

        forces = [force for force in system.getForces() if type(force).__name__ == "NonbondedForce"]
        if len(forces) != 1:
            raise EnergyError(f"one NonbondedForce is needed for Lennard-Jones energies, not {len(forces)}")
        own = NonbondedParameters.from_openmm(forces[0])
        rows, kind_of = np.unique(np.stack([own.sigma, own.epsilon], axis=1), axis=0, return_inverse=True)
        return cls.from_sigma_epsilon(kind_of.ravel(), *rows.T)

    def pair_energies(self, pairs: NearPairs) -> FloatArray:
        """Return the energy of every pair, (P,), kJ/mol."""
        kinds = self.kind_of[pairs.first] * len(self.c6) + self.kind_of[pairs.second]
        sixth = pairs.distances**2
        sixth *= sixth * sixth
        np.reciprocal(sixth, out=sixth)
        return np.asarray((self.c12.ravel()[kinds] * sixth - self.c6.ravel()[kinds]) * sixth)

    def per_molecule(
        self, pairs: NearPairs, molecule_of: IntArray, n_molecules: int, selection: BoolArray | None = None
    ) -> FloatArray:
        """Sum the pairs of one frame over molecules, half of every pair's energy to each of its atoms.

        Parameters
        ----------
        pairs : NearPairs
            Those that count.
        molecule_of : ndarray (N,)
            Molecule of every atom.
        n_molecules : int
            Their number.
        selection : ndarray (N,) of bool, optional
            Only pairs of two such atoms count.

        Returns
        -------
        ndarray (n_molecules,)
            kJ/mol.
        """
        if selection is not None:
            pairs = pairs[selection[pairs.first] & selection[pairs.second]]
        halves = 0.5 * self.pair_energies(pairs)
        one = np.bincount(molecule_of[pairs.first], halves, n_molecules)
        return np.asarray(one + np.bincount(molecule_of[pairs.second], halves, n_molecules))


def _type_parameters(force_field: GromacsTopology, known: Any, kind_of: IntArray) -> FloatArray:
    """Return the two parameters of every type present, (T, 2)."""
    given = force_field.atom_types
    usable = {
        str(t)
        for t in known
        if str(t) in given and all(isinstance(value, float) for value in given[str(t)].parameters[:2])
    }
    lacking = [
        f"{t} ({int((kind_of == k).sum())} atoms, the first is atom {int(np.argmax(kind_of == k)) + 1})"
        for k, t in enumerate(known)
        if str(t) not in usable
    ]
    if lacking:
        raise EnergyError(
            f"{force_field.path} gives no Lennard-Jones parameters for the types {', '.join(lacking)}: "
            "add them to [ atomtypes ] or include the force field that has them"
        )
    return np.array([given[str(t)].parameters[:2] for t in known], dtype=np.float64).reshape(-1, 2)


def _combined(table: FloatArray, rule: int) -> tuple[FloatArray, FloatArray]:
    """Return C6 and C12 of all pairs of types by GROMACS' combination rule."""
    one, other = table.T
    geometric = np.sqrt(np.outer(one, one)), np.sqrt(np.outer(other, other))
    if rule == 1:
        return geometric
    sigma = 0.5 * (one[:, None] + one) if rule == 2 else geometric[0]
    return _c6_c12(geometric[1], sigma)


def _c6_c12(epsilon: FloatArray, sigma: FloatArray) -> tuple[FloatArray, FloatArray]:
    sixth = sigma**6
    return np.asarray(4.0 * epsilon * sixth), np.asarray(4.0 * epsilon * sixth * sixth)


def lennard_jones_energies(
    positions: ArrayLike,
    topology: Topology,
    boxes: ArrayLike | None,
    parameters: LennardJones,
    *,
    cutoff: float = 0.8,
    exclude_bonds: int = 3,
    selections: Mapping[str, ArrayLike] | None = None,
) -> dict[str, FloatArray]:
    """Return the Lennard-Jones energy of every molecule in every frame.

    Each pair's energy belongs half and half to its two atoms, so that the molecules add up to the system.

    Parameters
    ----------
    positions : array_like (F, N, 3)
        nm.
    topology : Topology
        The system.
    boxes : array_like (F, 3, 3) or (3, 3), or None
        Row vectors, nm.
    parameters : LennardJones
        Of the system.
    cutoff : float
        nm, plain: nothing is shifted or switched.
    exclude_bonds : int
        Pairs up to this many bonds apart do not count.
    selections : mapping of str to atoms (mask (N,) or indices), optional
        For each, only pairs of two of these atoms; by default ``{"all": every atom}``.

    Returns
    -------
    dict of str to ndarray (F, molecules)
        kJ/mol.

    Raises
    ------
    TrajectoryError, ConfigError
        There is no frame, or positions or cutoff do not fit.
    EnergyError
        The parameters are of another system.
    """
    x = checked_positions(positions, topology)
    if len(parameters.kind_of) != topology.n_atoms:
        raise EnergyError(
            f"the parameters are of {len(parameters.kind_of)} atoms, the system has {topology.n_atoms}"
        )
    masks = selection_masks(selections, topology.n_atoms)
    finder, owner, number = (
        NonbondedPairs(topology, exclude_bonds),
        topology.molecule_index,
        topology.n_molecules,
    )
    cells = frame_boxes(boxes, len(x))
    found: dict[str, list[FloatArray]] = {name: [] for name in masks}
    for frame, box in zip(x, cells, strict=True):
        pairs = finder.find(frame, box, cutoff)
        for name, mask in masks.items():
            found[name].append(parameters.per_molecule(pairs, owner, number, mask))
    return {name: np.stack(rows) for name, rows in found.items()}


def selection_masks(selections: Mapping[str, ArrayLike] | None, n_atoms: int) -> dict[str, BoolArray | None]:
    """Return masks (N,) of selections given as masks or indices; None stands for every atom."""
    if selections is None:
        return {"all": None}
    masks: dict[str, BoolArray | None] = {}
    for name, atoms in selections.items():
        mask = atom_mask(atoms, n_atoms, name)
        masks[name] = None if mask.all() else mask
    return masks
