"""Finishing frames: relax, keep the hands, polish; never worse than what came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from msb.core.graph import neighbours_of
from msb.core.mapping import Mapping
from msb.energy.contexts import Snapshot, worst_atoms
from msb.energy.descent import separate
from msb.energy.held_frame import HeldFrame
from msb.energy.protocols import PROTOCOLS, Finish, Stage
from msb.energy.restraints import Hands, RestrainedSystem
from msb.energy.stages import Bench, Form
from msb.energy.systems import system_from_xml, system_to_xml
from msb.energy.umbrella import mirrored, volumes_at_rest
from msb.errors import EnergyError

__all__ = ["Finished", "Finisher"]

_TRIES = 3  # of the polish, each with half the time step of the last
_MENDINGS = 2
_ROUGH = 1e5  # kJ/mol/nm; a force that no relaxed atom feels

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Finished:
    """A finished frame.

    Attributes
    ----------
    positions : float array (N, 3)
        nm, in the images and dtype of the input.
    energy_before, energy : float
        Of the force field alone, kJ/mol.
    bead_rms, bead_max : float
        Distances of the beads from those wanted, nm.
    steps : int
        Of minimisation and dynamics.
    succeeded : bool
        False where a step failed and what was there before it is returned.
    notes : tuple of str
        What went wrong or was mended, with the atoms' names.
    """

    positions: NDArray[Any]
    energy_before: float
    energy: float
    bead_rms: float
    bead_max: float
    steps: int
    succeeded: bool
    notes: tuple[str, ...] = ()


class Finisher:
    """Finishes many frames of one system; it can be pickled and sent to workers.

    Parameters
    ----------
    system : openmm.System
        The force field; not changed.
    weights : sparse matrix (M, N)
        Beads = weights @ atoms, rows sum to 1.
    settings : Finish
    names : sequence of str, optional
        Of the atoms, for messages.
    centres : int array (C, 5), optional
        Stereocentres and their four neighbours in ascending order.
    hands : int array (C,), optional
        Wanted signs of :meth:`MoleculeTemplate.chirality`; 0 for any.  Default: those of each frame as
        it comes.
    platform : str, optional
        Of OpenMM.
    threads : int, optional
        Of OpenMM; default: ``$OPENMM_CPU_THREADS``, else all cores.  Frame-parallel callers take 1.

    Raises
    ------
    EnergyError
        If the parts are not of the same atoms.
    """

    def __init__(
        self,
        system: Any,
        weights: Any,
        settings: Finish | None = None,
        *,
        names: Sequence[str] | None = None,
        centres: ArrayLike | None = None,
        hands: ArrayLike | None = None,
        platform: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.settings = settings or Finish()
        self._system, self._weights = system, sparse.csr_matrix(weights)
        self._names = None if names is None else tuple(names)
        self._centres = np.asarray([] if centres is None else centres, dtype=np.int64).reshape(-1, 5)
        self._hands = None if hands is None else np.asarray(hands, dtype=np.int8)
        self._platform, self._threads = platform, threads
        if self._hands is not None and self._hands.shape != (len(self._centres),):
            raise EnergyError(
                f"there are {len(self._centres)} stereocentres, but hands of shape {self._hands.shape}"
            )
        self._open()

    @classmethod
    def of(
        cls,
        system: Any,
        mapping: Mapping,
        settings: Finish | None = None,
        *,
        hands: ArrayLike | None = None,
        platform: str | None = None,
        threads: int | None = None,
    ) -> Finisher:
        """Finisher of a mapped system: names, bead weights and stereocentres are the mapping's.

        Parameters
        ----------
        system : openmm.System
        mapping : Mapping
        settings : Finish, optional
        hands : int array (C,), optional
            In the order of the topology's stereocentres.
        platform, threads : optional
            As for the class.

        Returns
        -------
        Finisher
        """
        topology = mapping.topology
        centres = topology.expand(
            lambda t: np.array([(a, *t.neighbours[a]) for a in t.stereocentres], np.int64).reshape(-1, 5)
        )
        where = topology.residue_index
        labels = zip(
            *(topology.residue_names[where], topology.residue_numbers[where], topology.atom_names),
            strict=True,
        )
        names = [f"{residue}{number}-{atom}" for residue, number, atom in labels]
        options: dict[str, Any] = {"platform": platform, "threads": threads}
        return cls(system, mapping.matrix, settings, names=names, centres=centres, hands=hands, **options)

    def _open(self) -> None:
        self._prepared = prepared = RestrainedSystem(self._system, self._weights)
        self._check_masses()
        if len(self._centres) and self._centres.max() >= prepared.n_atoms:
            raise EnergyError(f"a stereocentre names atom {self._centres.max() + 1} of {prepared.n_atoms}")
        self._neighbours = neighbours_of(prepared.n_atoms, prepared.bonds)
        signs = np.zeros(len(self._centres), np.int8) if self._hands is None else self._hands
        rest = volumes_at_rest(self._centres, prepared.bonds, prepared.lengths)
        self._wanted = Hands(self._centres[:, 1:], signs, rest)
        constant = self.settings.force_constant
        self._bench = Bench(prepared, constant, self._wanted, self._platform, self._threads)

    def _form(self) -> Form:
        """The last form of the relaxation, whose context is there already."""
        stages = self.settings.stages or (Stage("all", 0),)
        return _form(replace(stages[-1], terms="all", shrink=1.0))

    def _check_masses(self) -> None:
        """Refuse atoms that cannot move: only virtual sites may be without a mass."""
        massless = np.flatnonzero(self._prepared.masses <= 0).tolist()
        lost = [k for k in massless if not self._system.isVirtualSite(k)]
        if lost:
            listed = ", ".join(self._names[k] if self._names else f"atom {k + 1}" for k in lost[:5])
            raise EnergyError(
                f"{len(lost)} atoms of the force field have no mass and are no virtual sites, so they cannot "
                f"move: {listed}; give them masses in the topology, or --relax none"
            )

    def __getstate__(self) -> dict[str, Any]:
        """What a worker needs: no contexts, the System as text."""
        kept = ("settings", "_weights", "_names", "_centres", "_hands", "_platform", "_threads")
        return {"xml": system_to_xml(self._system), **{name: getattr(self, name) for name in kept}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Rebuild from :meth:`__getstate__`."""
        self._system = system_from_xml(state.pop("xml"))
        self.__dict__.update(state)
        self._open()

    def run(
        self, positions: ArrayLike, beads: ArrayLike, box: ArrayLike | None = None, seed: int = 0
    ) -> Finished:
        """Finish one frame.

        Parameters
        ----------
        positions : float array (N, 3)
            nm; molecules may straddle the box.
        beads : float array (M, 3)
            nm, any image.
        box : float array (3, 3), optional
            Row vectors, nm.
        seed : int
            Same seed, same result (on the same machine and number of threads), whatever was run before.

        Returns
        -------
        Finished

        Raises
        ------
        EnergyError
            If shapes do not fit, or a coordinate is not finite.
        """
        frame = HeldFrame(self._prepared, positions, beads, box)
        self._wanted.choose(frame.start, self._hands)
        job = _Job(self, frame, seed)
        current = job.relax(self.settings.stages, frame.start)
        if self.settings.stages:
            current = job.mend(current)
        if self.settings.polish == "thermal":
            current = job.polish(current)
        before, after = (self._bench.field_energy(frame, x, self._form()) for x in (frame.start, current))
        return Finished(
            *(frame.given(current), before, after, *frame.away(current)),
            *(job.steps, job.succeeded, tuple(job.notes)),
        )


class _Job:
    """One frame on its way: steps taken, whether all went well, and notes."""

    def __init__(self, finisher: Finisher, frame: HeldFrame, seed: int) -> None:
        self._bench, self._wanted = finisher._bench, finisher._wanted
        self._finisher, self._frame, self._seed = finisher, frame, seed
        self.steps, self.succeeded = 0, True
        self.notes: list[str] = []

    def relax(self, stages: Sequence[Stage], positions: Floats) -> Floats:
        """Go through the stages; what came in is kept where the end is worse."""
        if not stages:
            return positions
        end = _form(replace(stages[-1], terms="all", shrink=1.0))
        start, current = self._bench.state(self._frame, positions, end), positions
        if not start.finite:  # bonded forces alone would leave atoms together that coincide
            current = separate(start, positions, self._seed)
        for stage in stages:
            current, taken = self._bench.descend(
                self._frame, current, _form(stage), stage.steps, stage.tolerance, self._seed
            )
            self.steps += taken
        state = self._bench.state(self._frame, current, end)
        if not state.finite or state.energy > start.energy:
            self.succeeded = False
            self.notes.append(
                f"relaxation found nothing better than its input, which is kept; {self._worst(state)}"
            )
            return positions
        if state.strongest > _ROUGH:
            self.succeeded = False
            self.notes.append(f"relaxation ended in overlaps: {self._worst(state)}")
        return current

    def mend(self, positions: Floats) -> Floats:
        """Turn inverted centres back, and relax what that strains."""
        wrong = self._wanted.wrong(positions)
        if not len(wrong):
            return positions
        turned = len(wrong)
        finisher, current = self._finisher, positions
        for _ in range(_MENDINGS):
            rows = finisher._centres[wrong]
            current = mirrored(current, rows, finisher._prepared.masses, finisher._neighbours)
            for stage in PROTOCOLS["staged"]:
                current, taken = self._bench.descend(
                    self._frame, current, _form(stage), stage.steps, stage.tolerance, self._seed
                )
                self.steps += taken
            wrong = self._wanted.wrong(current)
            if not len(wrong):
                break
        state = self._bench.state(self._frame, current, Form(stiff=True))
        if not state.finite or len(wrong) >= turned:
            self.succeeded = False
            self.notes.append(f"{turned} inverted centres could not be mended: {self._centres(positions)}")
            return positions
        self.notes.append(f"{turned - len(wrong)} inverted centres mended")
        if len(wrong):
            self.succeeded = False
            self.notes.append(f"{len(wrong)} centres are still inverted: {self._centres(current)}")
        return current

    def polish(self, positions: Floats) -> Floats:
        """Dynamics; after a failure again from a better minimum and with smaller steps."""
        settings, current = self._finisher.settings, positions
        if not settings.stages:
            current = self.relax((Stage("all", 15),), current)
        temperature = float(settings.temperature or 0.0)
        inverted, succeeded = set(self._wanted.wrong(current).tolist()), self.succeeded
        for k in range(_TRIES):
            schedule = [(share * temperature, n << k) for share, n in (*settings.warm, (1.0, settings.steps))]
            wanted, timestep = sum(n for _, n in schedule), settings.timestep / 2**k
            # bonds that cannot be brought to their lengths end a run at once: springs in the last try
            bonds = "own" if not settings.constrain else "constrained" if k < _TRIES - 1 else "stiff"
            good, done, last = self._bench.run(
                *(self._frame, current, schedule, timestep, settings.friction, bonds, self._seed)
            )
            self.steps += done
            turned = set(self._wanted.wrong(good.positions).tolist()) - inverted
            if done == wanted and not turned:
                self.succeeded = succeeded
                return good.positions
            why = "turned a centre over" if turned else f"failed after {done} of {wanted} steps"
            where = self._worst(last) if last.finite else self._stretched(good.positions)
            self.notes.append(f"polish with steps of {1000 * timestep:g} fs {why}: {where}")
            if k < _TRIES - 1:
                current = self.relax(PROTOCOLS["staged"], current)
        self.succeeded = False
        self.notes.append("the polish failed: the frame is as before it")
        return current

    def _stretched(self, positions: Floats) -> str:
        """The bond farthest from its length at rest, in words."""
        prepared = self._finisher._prepared
        if not len(prepared.bonds):
            return "not finite"
        ends = positions[prepared.bonds]
        away = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) - prepared.lengths
        worst = int(np.abs(away).argmax())
        pair = " ".join(self._name(a) for a in prepared.bonds[worst].tolist())
        return f"not finite; the bond {pair} was off its length by {away[worst]:+.3f} nm"

    def _name(self, atom: int) -> str:
        names = self._finisher._names
        return names[atom] if names else f"atom {atom + 1}"

    def _worst(self, state: Snapshot) -> str:
        what = "largest forces on" if state.finite else "not finite, worst are"
        return f"{what} {worst_atoms(state, self._finisher._names)}"

    def _centres(self, positions: Floats) -> str:
        atoms = self._finisher._centres[self._wanted.wrong(positions)[:5], 0].tolist()
        return ", ".join(map(self._name, atoms))


def _form(stage: Stage) -> Form:
    return Form(stage.terms, stage.shrink, stage.stiff, stage.held, stage.handed)
