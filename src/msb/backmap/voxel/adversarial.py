"""Settings of the adversarial training."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from msb.core.order import VisitingOrder
from msb.io.configuration import StrictModel
from msb.train.settings import AlternatingSettings

__all__ = ["AdversarialSettings", "RegulariserSettings"]


class RegulariserSettings(StrictModel):
    """Energies of the force field in the generator's loss (thesis eqs. 4.15-4.17)."""

    kind: Literal["none", "minimise", "match"] = Field(
        default="none", description="Leave them out, minimise them (C1), or match the reference's (C2)."
    )
    bonded: float = Field(
        default=4e-3, ge=0, description="Weight of bonds, angles and dihedrals, per kJ/mol, after the ramp."
    )
    lj: float = Field(default=4e-2, ge=0, description="Weight of Lennard-Jones, per kJ/mol, after the ramp.")
    coulomb: float = Field(
        default=0.0, ge=0, description="Weight of Coulomb, per kJ/mol; the papers have none."
    )
    centre_of_mass: float = Field(
        default=0.0,
        ge=0,
        description="Weight of the distance of the centres of mass, per nm, after the ramp.",
    )
    ramp: tuple[int, int] = Field(
        default=(6000, 10_000), description="Steps between which all these weights rise from 0."
    )
    soft: float = Field(
        default=0.0, ge=0, description="Softening of Lennard-Jones and Coulomb, see the energies."
    )
    bond_sd: float = Field(
        default=0.003, gt=0, description="Rigid bonds get springs of this thermal width, nm."
    )

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not 0 <= self.ramp[0] <= self.ramp[1]:
            raise ValueError(f"ramp {self.ramp}: give the steps at which it begins and ends, in this order")
        return self


class AdversarialSettings(AlternatingSettings):
    """Wasserstein training of generator and critic on the sequences of single beads."""

    penalty: float = Field(default=0.1, ge=0, description="Weight of the gradient penalty; 0 leaves it out.")
    penalty_every: int = Field(
        default=1, ge=1, description="The penalty in every so many-th update only, so many times as heavy."
    )
    penalty_share: float = Field(
        default=1.0, gt=0, le=1, description="Share of a batch's atoms that the penalty is taken at."
    )
    drift: float = Field(default=1e-3, ge=0, description="Weight of the critic's square on the reference.")
    regulariser: RegulariserSettings = RegulariserSettings()
    augment: bool = Field(default=True, description="Turn environments about their axes by chance.")
    multiplicity: Literal["none", "rare"] | dict[str, float] = Field(
        default="rare",
        description="How often beads are drawn: all alike, rare neighbourhoods more often, or by bead name.",
    )
    order: VisitingOrder = Field(
        default="rank", description="Order of beads that forward environments stem from; the sampler's."
    )
    pretrain_draws: int = Field(
        default=1,
        ge=1,
        description="Draws of each bead in pre-training, of which the one nearest to the reference learns.",
    )
    validation_beads: int = Field(
        default=128, ge=1, description="Beads of each stream that a validation places."
    )
