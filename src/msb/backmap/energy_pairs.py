"""Energies between all pairs of atoms, for pairs that are laid out in any shape."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import threshold

from msb.backmap.energy_families import Columns, Family
from msb.energy.custom import global_parameters
from msb.energy.expressions import Expression
from msb.energy.nonbonded_parameters import NonbondedParameters
from msb.energy.parameters import Table, plain
from msb.energy.tabulated import tabulated_functions
from msb.energy.tails import switch
from msb.errors import EnergyError
from msb.units import COULOMB

__all__ = ["CustomPairs", "LennardJonesCoulomb", "PairForce", "pair_forces"]

_NEAREST = 4e-4  # nm^2; atoms nearer than 0.02 nm count as this near, so that energies stay finite
_SOFT_SIZE = 0.3  # nm, sigma of atoms without one where charges are softened

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class PairForce(Protocol):
    """A force between all pairs of atoms but the excluded ones."""

    @property
    def excluded(self) -> Ints:
        """Pairs (P, 2) without energy."""

    @property
    def cutoff(self) -> float | None:
        """Of distances, nm."""

    @property
    def marks(self) -> Floats:
        """Parameters of each atom, by which beads are told apart."""

    def columns(self, first: Ints, second: Ints) -> Columns:
        """Parameters (P,) of pairs of atoms."""

    def between(self, own: Tensor, other: Tensor, allowed: Tensor | None, like: Tensor) -> dict[str, Tensor]:
        """Parameters (B, 1, A, P) of atoms (B, A) with atoms (B, P), without effect where not allowed."""

    def values(self, square: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """Energies, kJ/mol, by kind, of squared distances, nm^2."""


@dataclass(frozen=True, eq=False)
class LennardJonesCoulomb:
    r"""OpenMM's NonbondedForce, its Lennard-Jones spheres soft where asked for.

    :math:`4\epsilon (x^2 - x)` with :math:`x = 1 / (\alpha + (r/\sigma)^6)`, and charges at the distance
    :math:`(\alpha \sigma^6 + r^6)^{1/6}`; alpha = 0 is the force itself.  With a cutoff Coulomb is a
    reaction field, as in :class:`msb.energy.nonbonded.Nonbonded`.

    Parameters
    ----------
    parameters : NonbondedParameters
    cutoff : float or None
        nm.
    switching : float or None
        Where Lennard-Jones begins to be switched off, nm.
    dielectric : float
        Of the reaction field.
    soft : float
        alpha.

    References
    ----------
    T. C. Beutler et al., Chem. Phys. Lett. 222, 529 (1994).
    """

    excluded: Ints
    cutoff: float | None
    marks: Floats
    switching: float | None
    krf: float
    crf: float
    soft: float
    charged: bool
    _kind: Tensor
    _tables: Table
    exceptions: Family

    @classmethod
    def of(
        cls,
        p: NonbondedParameters,
        cutoff: float | None,
        switching: float | None,
        dielectric: float,
        soft: float,
    ) -> LennardJonesCoulomb:
        """Tables of all pairs of atom kinds."""
        marks = np.stack([p.charge, p.sigma, p.epsilon], axis=1)
        kinds, kind = np.unique(marks, axis=0, return_inverse=True)
        charge, sigma, epsilon = kinds.T
        mean = 0.5 * (sigma[:, None] + sigma)
        columns = _coefficients(mean, np.sqrt(epsilon[:, None] * epsilon), charge[:, None] * charge, soft)
        krf = crf = 0.0
        if cutoff is not None:
            krf = (dielectric - 1) / (2 * dielectric + 1) / cutoff**3
            crf = 3 * dielectric / (2 * dielectric + 1) / cutoff
        charged = bool((p.charge != 0).any() or (p.charge_product != 0).any())
        active = (p.pair_epsilon != 0) | (p.charge_product != 0)
        rows = (p.pair_sigma[active], p.pair_epsilon[active], p.charge_product[active])
        exceptions = Family(
            "exceptions of NonbondedForce",
            p.pairs[active],
            _coefficients(*rows, soft),
            lambda vectors, q: _lj_coulomb(vectors[0].square().sum(-1), q, charged),
        )
        return cls(
            p.pairs,
            cutoff,
            marks,
            switching,
            krf,
            crf,
            soft,
            charged,
            torch.from_numpy(kind.reshape(-1).astype(np.int64)),
            Table(n=np.array([len(kinds)]), **{name: table.ravel() for name, table in columns.items()}),
            exceptions,
        )

    @classmethod
    def from_openmm(
        cls, force: Any, soft: float = 0.0, reaction_field_for_pme: bool = False, cutoff: float | None = None
    ) -> LennardJonesCoulomb:
        """Read an OpenMM NonbondedForce; Ewald sums are refused unless a reaction field may stand in."""
        method = force.getNonbondedMethod()
        plain_methods = (force.NoCutoff, force.CutoffNonPeriodic, force.CutoffPeriodic)
        if method not in plain_methods and not reaction_field_for_pme:
            raise EnergyError(
                f"force {force.getName()} sums electrostatics by Ewald or PME, which has no energy of one "
                "bead; reaction_field_for_pme=True takes a reaction field in its place"
            )
        return cls.of(
            NonbondedParameters.from_openmm(force),
            *_ends(force, cutoff),
            force.getReactionFieldDielectric(),
            soft,
        )

    def columns(self, first: Ints, second: Ints) -> Columns:
        """Parameters (P,) of pairs of atoms."""
        kinds = int(self._tables["n"])
        row = self._kind[torch.from_numpy(first)] * kinds + self._kind[torch.from_numpy(second)]
        return {name: self._tables[name][row].numpy() for name in self._names}

    def between(self, own: Tensor, other: Tensor, allowed: Tensor | None, like: Tensor) -> dict[str, Tensor]:
        """Parameters (B, 1, A, P) of atoms (B, A) with atoms (B, P), without effect where not allowed."""
        tables, kind = self._tables.on(like), self._kind.to(like.device)
        row = kind[own][:, :, None] * tables["n"] + kind[other][:, None, :]
        out = {}
        for name in self._names:
            values = tables[name][row]
            if allowed is not None and name != "soft":
                values = values * allowed
            out[name] = values[:, None]
        return out

    def values(self, square: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """Energies, kJ/mol, by kind ("lj", "coulomb"), of squared distances, nm^2."""
        return _lj_coulomb(square, parameters, self.charged, self.cutoff, self.switching, self.krf, self.crf)

    @property
    def _names(self) -> tuple[str, ...]:
        return ("c6", "c12", *(("q",) if self.charged else ()), *(("soft",) if self.soft else ()))


def _coefficients(sigma: Floats, epsilon: Floats, charges: Floats, soft: float) -> Columns:
    """Parameters of pairs: c6, c12, q, and the softening alpha sigma^6."""
    c6 = 4 * epsilon * sigma**6
    columns = {"c6": c6, "c12": c6 * sigma**6, "q": COULOMB * charges}
    if soft:
        columns["soft"] = soft * np.where(sigma > 0, sigma, _SOFT_SIZE) ** 6
    return columns


def _lj_coulomb(
    square: Tensor,
    p: dict[str, Tensor],
    charged: bool,
    cutoff: float | None = None,
    switching: float | None = None,
    krf: float = 0.0,
    crf: float = 0.0,
) -> dict[str, Tensor]:
    """Lennard-Jones and Coulomb; at and beyond the cutoff the reaction field vanishes by itself."""
    edge = torch.inf if cutoff is None else cutoff * cutoff
    square = square.clamp(_NEAREST, edge)
    inverse = square.reciprocal()
    if "soft" in p:
        inverse = (square * square * square + p["soft"]).pow(-1 / 3)
    out = {}
    if charged:
        coulomb = inverse.sqrt()
        if cutoff is not None:
            coulomb = torch.add(coulomb, square, alpha=krf) - crf
        out["coulomb"] = p["q"] * coulomb
    if "soft" in p:
        inverse = torch.where(square < edge, inverse, 0.0)
    elif cutoff is not None:  # what is clamped to the edge, to rounding
        inverse = threshold(inverse, (1 + 4 * torch.finfo(square.dtype).eps) / edge, 0.0)
    sixth = inverse * inverse * inverse
    lj = torch.addcmul(-p["c6"], p["c12"], sixth) * sixth
    if switching is not None and cutoff is not None:
        lj = lj * switch(square.sqrt(), switching, cutoff)
    return {"lj": lj, **out}


@dataclass(frozen=True, eq=False)
class CustomPairs:
    """OpenMM's CustomNonbondedForce; its energy counts as "lj"."""

    excluded: Ints
    cutoff: float | None
    marks: Floats
    switching: float | None
    expression: Expression
    constants: dict[str, float]
    names: tuple[str, ...]
    _atoms: Table

    @classmethod
    def from_openmm(cls, force: Any, cutoff: float | None = None) -> CustomPairs:
        """Read an OpenMM CustomNonbondedForce."""
        for what in ("ComputedValues", "InteractionGroups"):
            if getattr(force, f"getNum{what}")():
                raise EnergyError(
                    f"force {force.getName()} is a CustomNonbondedForce with {what}, which has no energy of "
                    "one bead here; leave it out with exclude=('CustomNonbondedForce',)"
                )
        n_atoms = force.getNumParticles()
        names = [force.getPerParticleParameterName(k) for k in range(force.getNumPerParticleParameters())]
        rows = [plain(force.getParticleParameters(k)) for k in range(n_atoms)]
        table = np.array(rows, dtype=np.float64).reshape(n_atoms, len(names))
        excluded = [force.getExclusionParticles(k) for k in range(force.getNumExclusions())]
        end, switching = _ends(force, cutoff)
        return cls(
            np.array(excluded, dtype=np.int64).reshape(-1, 2),
            end,
            table,
            switching,
            Expression(force.getEnergyFunction(), tabulated_functions(force)),
            global_parameters(force),
            tuple(names),
            Table(**dict(zip(names, table.T, strict=True))),
        )

    def columns(self, first: Ints, second: Ints) -> Columns:
        """Parameters (P,) of pairs of atoms."""
        sides = ((1, first), (2, second))
        out = {f"{name}{k}": self._atoms[name].numpy()[rows] for name in self.names for k, rows in sides}
        return {**out, "allowed": np.ones(len(first))}

    def between(self, own: Tensor, other: Tensor, allowed: Tensor | None, like: Tensor) -> dict[str, Tensor]:
        """Parameters of atoms (B, A) with atoms (B, P), of shapes that broadcast to (B, 1, A, P)."""
        atoms = self._atoms.on(like)
        out = {f"{name}1": atoms[name][own][:, None, :, None] for name in self.names}
        out |= {f"{name}2": atoms[name][other][:, None, None, :] for name in self.names}
        shape = (len(own), 1, own.shape[1], other.shape[1])
        out["allowed"] = like.new_ones(shape) if allowed is None else allowed[:, None].to(like.dtype)
        return out

    def values(self, square: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """Energies, kJ/mol, of squared distances, nm^2."""
        r = square.clamp_min(_NEAREST).sqrt()
        given = {name: value for name, value in parameters.items() if name != "allowed"}
        value = self.expression({"r": r, **given, **self.constants})
        counted = parameters["allowed"] != 0
        if self.cutoff is not None:
            counted = counted & (square < self.cutoff**2)
            if self.switching is not None:
                value = value * switch(r, self.switching, self.cutoff)
        return {"lj": torch.where(counted, value, 0.0)}


def _ends(force: Any, shorter: float | None) -> tuple[float | None, float | None]:
    """Cutoff of a force, shortened where asked for, and where switching begins."""
    cutoff = None if force.getNonbondedMethod() == force.NoCutoff else plain(force.getCutoffDistance())
    start = plain(force.getSwitchingDistance()) if force.getUseSwitchingFunction() else None
    if shorter is None or (cutoff is not None and cutoff <= shorter):
        return cutoff, start
    return shorter, None if start is None or start >= shorter else start


def pair_forces(
    system: Any,
    exclude: Collection[str] = (),
    soft: float = 0.0,
    reaction_field_for_pme: bool = False,
    cutoff: float | None = None,
) -> list[PairForce]:
    """Forces of a System between all pairs of atoms.

    Parameters
    ----------
    system : openmm.System
    exclude : collection of str
        Names or classes of forces to leave out.
    soft : float
        Softening alpha of Lennard-Jones spheres; 0 is hard.
    reaction_field_for_pme : bool
        Take Ewald sums as a reaction field.
    cutoff : float, optional
        nm; shortens cutoffs.

    Raises
    ------
    EnergyError
        If a force cannot be had for single beads; the sentence says what to do.
    """
    found: list[PairForce] = []
    for force in system.getForces():
        kind = type(force).__name__
        if {kind, force.getName()} & {*exclude}:
            continue
        if kind == "NonbondedForce":
            found.append(LennardJonesCoulomb.from_openmm(force, soft, reaction_field_for_pme, cutoff))
        elif kind == "CustomNonbondedForce":
            if soft:
                raise EnergyError(
                    f"force {force.getName()} is a CustomNonbondedForce: its spheres cannot be made soft; "
                    "set soft to 0"
                )
            found.append(CustomPairs.from_openmm(force, cutoff))
    return found
