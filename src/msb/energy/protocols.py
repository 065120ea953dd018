"""What happens to a frame after its atoms are placed: minimisation by a named protocol, then a polish."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msb.errors import ConfigError

__all__ = ["POLISHES", "PROTOCOLS", "Finish", "Stage"]

POLISHES = ("none", "thermal")


@dataclass(frozen=True)
class Stage:
    """One minimisation.

    Parameters
    ----------
    terms : {"angles", "bonded", "all"}
        Bonds and angles alone; with torsions; everything.
    steps : int
        At most.
    shrink : float
        Scale of the Lennard-Jones spheres; charges are left out below 1.
    held : bool
        Whether the beads are held at their places.
    stiff : bool
        Whether bonds softer than 1e5 kJ/mol/nm^2, which stand for constraints, get stiff springs.
    handed : bool
        Whether stereocentres are kept from turning over; a centre in shape feels nothing of it.
    tolerance : float
        Root mean square force at which to stop, kJ/mol/nm.
    """

    terms: str
    steps: int
    shrink: float = 1.0
    held: bool = True
    stiff: bool = True
    handed: bool = True
    tolerance: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what no minimisation can do."""
        if self.terms not in ("angles", "bonded", "all"):
            raise ConfigError(f"a stage takes terms `angles`, `bonded` or `all`, not {self.terms!r}")
        if self.steps < 0 or not 0 < self.shrink <= 1:
            raise ConfigError(
                f"a stage needs steps >= 0 and 0 < shrink <= 1, got {self.steps}, {self.shrink}"
            )


def _free(terms: str, steps: int) -> Stage:
    return Stage(terms, steps, held=False, stiff=False)


PROTOCOLS: dict[str, tuple[Stage, ...]] = {
    "none": (),
    "em": (Stage("all", 500),),
    "staged": (
        Stage("bonded", 60),
        Stage("all", 60, shrink=0.5),
        Stage("all", 60, shrink=0.7),
        Stage("all", 60, shrink=0.85),
        Stage("all", 120),
    ),
    "papers": (_free("bonded", 200), _free("all", 5000)),
    "votca": (
        Stage("angles", 500, stiff=False),
        Stage("bonded", 500, stiff=False),
        Stage("all", 500, stiff=False),
        _free("all", 1000),
    ),
}
"""Minimisations by name.

``papers``: 200 steps with bonded forces, 5,000 with all, beads free and bonds as the topology has them
(Stieffenhofer et al. 2020, after Wassenaar et al. 2014).  ``votca``: bonds and angles, torsions too, all
forces, each with the beads held, and all forces with the beads free (Stieffenhofer, thesis 6.1.4).
"""


@dataclass(frozen=True)
class Finish:
    """How to finish a frame.

    Parameters
    ----------
    relax : str or tuple of Stage
        A name of `PROTOCOLS`, or stages of one's own.
    polish : {"none", "thermal"}
        Dynamics at the temperature with the beads held.
    temperature : float, optional
        K; needed by the polish.
    steps : int
        Of the polish.
    timestep, friction : float
        ps, 1/ps.
    warm : tuple of (float, int)
        Multiples of the temperature and steps, run before the polish.
    constrain : bool
        Constrain every bond during the polish, except between atoms that are beads themselves.
    force_constant : float
        Of the springs on the beads, kJ/mol/nm^2; in dynamics a light bead's is lowered to what the time
        step can follow.
    """

    relax: str | tuple[Stage, ...] = "staged"
    polish: str = "none"
    temperature: float | None = None
    steps: int = 500
    timestep: float = 0.001
    friction: float = 10.0
    warm: tuple[tuple[float, int], ...] = field(default=())
    constrain: bool = True
    force_constant: float = 3e6

    def __post_init__(self) -> None:
        """Refuse unknown names and a polish without a temperature."""
        if isinstance(self.relax, str) and self.relax not in PROTOCOLS:
            raise ConfigError(f"there is no relaxation {self.relax!r}; there are {', '.join(PROTOCOLS)}")
        if self.polish not in POLISHES:
            raise ConfigError(f"there is no polish {self.polish!r}; there are {', '.join(POLISHES)}")
        positive: dict[str, Any] = {
            "timestep": self.timestep,
            "friction": self.friction,
            "force_constant": self.force_constant,
        }
        if self.polish == "thermal":
            if self.temperature is None:
                raise ConfigError("a thermal polish needs the temperature, in K")
            positive["temperature"] = self.temperature
        for name, value in positive.items():
            if not value > 0:
                raise ConfigError(f"`{name}` must be positive, got {value}")
        if self.steps < 0:
            raise ConfigError(f"`steps` must not be negative, got {self.steps}")

    @classmethod
    def lasting(cls, ps: float | None = None, **settings: Any) -> Finish:
        """As usual, with a polish of so many picoseconds."""
        steps = cls.steps if ps is None else max(1, round(ps / cls.timestep))
        return cls(steps=steps, **settings)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The minimisations."""
        return PROTOCOLS[self.relax] if isinstance(self.relax, str) else self.relax
