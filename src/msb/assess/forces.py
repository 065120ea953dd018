"""All-atom forces of frames, projected to the beads: the same force field and map on both sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msb.assess.engines import AtomForces, OpenmmForces, PortableSystem, TorchForces
from msb.assess.force_maps import ForceMap, consistent_map, optimal_map
from msb.assess.rigid import constrained_pairs, without_rigid_terms
from msb.core.mapping import Mapping
from msb.errors import EnergyError

__all__ = ["LARGEST", "BeadForces", "ForceFrames", "relative_error"]

LARGEST = 1e15  # kJ/mol/nm; forces on atoms are cut to it, so that sums and squares of them stay numbers
_TOLERANCE = 1e-4  # relative; single precision is good enough below
_SMALL = 200  # atoms; below, double precision is as quick
_SHOWN = 4  # crossing bonds in a sentence

Engine = Literal["openmm", "torch"]
MapKind = Literal["consistent", "optimal"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ForceFrames:
    """Forces of some frames.

    Attributes
    ----------
    bead_forces : float32 array (F, M, 3)
        kJ/mol/nm.
    atom_rms : float array (F,)
        Root mean square of the forces on the atoms, kJ/mol/nm.
    strongest : float array (F,)
        Largest force on an atom, kJ/mol/nm.
    cut : int array (F,)
        How many atoms have a force of more than `LARGEST`, to which it was cut: atoms on top of each other.
    """

    bead_forces: NDArray[np.float32]
    atom_rms: Floats
    strongest: Floats
    cut: Ints


class BeadForces:
    """All-atom forces on the beads of one system.

    Terms of rigid bonds are left out: such a bond is held by forces that nobody knows.  Those forces cancel
    within a bead; the bonds where they do not are `crossing`, and :meth:`crossing_words` says which.

    Can be copied to other processes (after :meth:`measure` and :meth:`fit`, so that all do the same).

    Parameters
    ----------
    system : openmm.System
        Not changed.
    mapping : Mapping
        Of the system's atoms.
    map : {"consistent", "optimal"}
        Plain sums (the general form where atoms are shared), or the map of the least noise, which
        :meth:`fit` finds.
    engine : {"openmm", "torch"}
        OpenMM, in single precision where that is measured to be good to 1e-4, or torch in double precision.
    rigid : int array (K, 2), optional
        Rigid bonds, :func:`msb.assess.rigid.rigid_bonds_of` for instance; default: what the System
        constrains.
    platform : {"CPU", "Reference"}, optional
        Of OpenMM; default: CPU where it is good enough, see :meth:`measure`.
    threads : int, optional
        Of OpenMM's CPU platform.

    Raises
    ------
    EnergyError
        System and mapping have different numbers of atoms, or the engine does not know a force.
    MappingError
        The beads of a molecule are not independent.
    """

    def __init__(
        self,
        system: Any,
        mapping: Mapping,
        *,
        map: MapKind = "consistent",
        engine: Engine = "openmm",
        rigid: ArrayLike | None = None,
        platform: str | None = None,
        threads: int | None = None,
    ) -> None:
        if system.getNumParticles() != mapping.n_atoms:
            raise EnergyError(
                f"the force field is of {system.getNumParticles()} atoms and the mapping of "
                f"{mapping.n_atoms}: both must describe the same system"
            )
        if map not in ("consistent", "optimal") or engine not in ("openmm", "torch"):
            raise EnergyError(
                f"`map` is consistent or optimal and `engine` openmm or torch, not {map!r} and {engine!r}"
            )
        self.mapping, self.map, self.engine = mapping, map, engine
        self.bead_types: tuple[str, ...] = tuple(str(kind) for kind in mapping.bead_topology().atom_types)
        pairs = constrained_pairs(system) if rigid is None else np.asarray(rigid, dtype=np.int64)
        self.rigid: Ints = pairs.reshape(-1, 2)
        self.periodic = bool(system.usesPeriodicBoundaryConditions())
        bare = PortableSystem(without_rigid_terms(system, self.rigid))
        self.precision: float | None = None
        self._exact: AtomForces
        self._quick: AtomForces | None = None
        if engine == "torch":
            self._exact = TorchForces(bare)
        else:
            self._exact = OpenmmForces(bare, platform or "Reference", threads)
            if platform is None and mapping.n_atoms >= _SMALL:
                self._quick = OpenmmForces(bare, "CPU", threads)
        self.force_map: ForceMap | None = consistent_map(mapping) if map == "consistent" else None

    @property
    def platform(self) -> str:
        """What evaluates the forces: "CPU", "Reference" or "torch"."""
        chosen = self._exact if self._quick is None else self._quick
        return str(getattr(chosen, "platform", self.engine))

    def measure(self, positions: ArrayLike, box: ArrayLike | None = None) -> float:
        """Compare single with double precision on a frame, and take double where single is not good enough.

        Done on the first frame evaluated if not before.

        Parameters
        ----------
        positions : float array (N, 3)
            nm; an equilibrated frame.
        box : float array (3, 3), optional
            nm.

        Returns
        -------
        float
            Relative error of the forces in single precision; 0 where double precision is taken anyway.
        """
        if self._quick is None:
            self.precision = 0.0
            return 0.0
        x, cell = self._checked(np.asarray(positions)[None], None if box is None else np.asarray(box)[None])
        place = None if cell is None else cell[0]
        self.precision = relative_error(self._quick(x[0], place), self._exact(x[0], place))
        if not self.precision <= _TOLERANCE:
            self._quick = None
        return self.precision

    def fit(self, positions: ArrayLike, boxes: ArrayLike | None = None) -> BeadForces:
        """Find the map of the least noise on reference frames; nothing to do for the consistent map.

        Parameters
        ----------
        positions : float array (F, N, 3)
            nm.
        boxes : float array (F, 3, 3), optional
            nm.

        Returns
        -------
        BeadForces
            Itself.
        """
        if self.map == "optimal":
            self.force_map = optimal_map(self.mapping, self.atom_forces(positions, boxes), self.rigid)
        return self

    def atom_forces(self, positions: ArrayLike, boxes: ArrayLike | None = None) -> Floats:
        """Forces on the atoms, without those of rigid bonds.

        Parameters
        ----------
        positions : float array (F, N, 3)
            nm, in any images.
        boxes : float array (F, 3, 3), optional
            Row vectors, nm; needed where the force field is periodic.

        Returns
        -------
        float array (F, N, 3)
            kJ/mol/nm, not above `LARGEST`.

        Raises
        ------
        EnergyError
            Shapes do not fit, a coordinate is not finite, a box is missing or too small for the cutoff.
        """
        x, cells = self._checked(positions, boxes)
        out = np.empty_like(x)
        for k, frame in enumerate(x):
            box = None if cells is None else cells[k]
            if self.precision is None:
                self.measure(frame, box)
            forces = (self._quick or self._exact)(frame, box)
            if not np.isfinite(forces).all() and self._quick is not None:
                forces = self._exact(frame, box)  # overlaps overflow in single precision
            out[k] = _cut(forces)
        return out

    def __call__(self, positions: ArrayLike, boxes: ArrayLike | None = None) -> ForceFrames:
        """Forces on the beads; arguments and errors as for :meth:`atom_forces`.

        Returns
        -------
        ForceFrames
        """
        forces = self.atom_forces(positions, boxes)
        sizes = np.linalg.norm(forces, axis=-1)
        return ForceFrames(
            bead_forces=np.asarray(self.project(forces), dtype=np.float32),
            atom_rms=np.sqrt(np.square(sizes).mean(axis=-1)),
            strongest=sizes.max(axis=-1, initial=0.0),
            cut=(sizes >= LARGEST).sum(axis=-1),
        )

    def project(self, forces: Floats) -> Floats:
        """Forces on the beads (..., M, 3) of forces on the atoms (..., N, 3), kJ/mol/nm.

        Raises
        ------
        EnergyError
            The map of the least noise was not yet fitted.
        """
        if self.force_map is None:
            raise EnergyError("the noise-optimal force map must be fitted to reference frames first: `fit`")
        return np.asarray(self.force_map(forces), dtype=np.float64)

    @property
    def crossing(self) -> Ints:
        """Rigid bonds (X, 2) whose unknown forces move beads."""
        chosen = self.force_map or consistent_map(self.mapping)
        return np.asarray(self.rigid[chosen.crossing(self.rigid)])

    def crossing_words(self) -> str:
        """Say which rigid bonds cross beads, by molecule and atom names; empty where none does."""
        pairs = self.crossing
        if not len(pairs):
            return ""
        names = Counter(self._bond_name(i, j) for i, j in pairs.tolist())
        shown = ", ".join(name for name, _ in names.most_common(_SHOWN))
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return (
            f"{len(pairs)} of {len(self.rigid)} rigid bonds join atoms that count differently in the beads "
            f"({shown}{more}): the forces that hold them are not known and are missing from the bead forces, "
            "in the reference as in the models"
        )

    def _bond_name(self, i: int, j: int) -> str:
        for block in self.mapping.blocks:
            n = block.template.n_atoms
            a, b = i - block.first_atom, j - block.first_atom
            if 0 <= a < n * block.count:
                first, last = (block.template.atom_names[atom % n] for atom in (a, b))
                return f"{block.template.molecule}: {first}-{last}"
        return f"atoms {i + 1}-{j + 1}"

    def describe(self) -> dict[str, Any]:
        """How the forces are made, as plain values fit for JSON."""
        return {
            "engine": self.engine,
            "platform": self.platform,
            "precision": self.precision,
            "map": self.map,
            "rigid_bonds": len(self.rigid),
            "crossing": len(self.crossing),
            "crossing_words": self.crossing_words(),
            "released": 0 if self.force_map is None else self.force_map.released,
        }

    def _checked(self, positions: ArrayLike, boxes: ArrayLike | None) -> tuple[Floats, Floats | None]:
        x = np.asarray(positions, dtype=np.float64)
        if x.ndim != 3 or x.shape[1:] != (self.mapping.n_atoms, 3):
            raise EnergyError(
                f"forces of {self.mapping.n_atoms} atoms need positions (frames, {self.mapping.n_atoms}, 3), "
                f"got {x.shape}"
            )
        finite = np.isfinite(x).all(axis=(1, 2))
        if not finite.all():
            raise EnergyError(f"frame {int(np.argmin(finite))} has a coordinate that is not finite")
        if boxes is None:
            if self.periodic:
                raise EnergyError(
                    "the force field is periodic and the frames have no box: give frames with their box"
                )
            return x, None
        cells = np.broadcast_to(np.asarray(boxes, dtype=np.float64), (len(x), 3, 3))
        return x, cells if self.periodic else None


def relative_error(values: ArrayLike, exact: ArrayLike) -> float:
    """Root mean square difference over root mean square of the exact values.

    Parameters
    ----------
    values, exact : float array
        Of one shape.

    Returns
    -------
    float
        Infinite where a value is not finite.
    """
    one, other = np.asarray(values, dtype=np.float64), np.asarray(exact, dtype=np.float64)
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return float("inf")
    scale = float(np.sqrt(np.square(other).mean()))
    difference = float(np.sqrt(np.square(one - other).mean()))
    return difference / scale if scale > 0 else (0.0 if difference == 0 else float("inf"))


def _cut(forces: Floats) -> Floats:
    """Forces no larger than allowed; those that are no numbers, of atoms in one place, point along x."""
    with np.errstate(over="ignore", invalid="ignore"):
        sizes = np.linalg.norm(forces, axis=-1, keepdims=True)
        scaled = forces * np.minimum(1.0, LARGEST / np.maximum(sizes, 1.0))
    return np.where(np.isfinite(sizes), scaled, np.array([LARGEST, 0.0, 0.0]))
