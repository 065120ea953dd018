"""Settings of the mixture network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from msb.io.configuration import StrictModel

__all__ = ["MixtureSettings"]


class MixtureSettings(StrictModel):
    """Atom after atom from a mixture of normals in local coordinates, trained by likelihood."""

    kind: Literal["mixture"] = "mixture"
    unit: float = Field(
        default=1.0,
        gt=0,
        description="What the network takes for one nm: 1 for atoms; where beads are placed, their mean bond "
        "over that of carbon, 0.15 nm. All lengths below are in it.",
    )
    width: int = Field(default=256, ge=8, description="Hidden width.")
    blocks: int = Field(default=4, ge=1, description="Residual blocks.")
    components: int = Field(default=8, ge=1, description="Components of each atom's mixture.")
    around_width: int = Field(default=32, ge=4, description="Hidden width of what is around.")
    atoms_around: int = Field(default=40, ge=0, description="Nearest atoms that a bead is told about.")
    beads_around: int = Field(default=12, ge=0, description="Nearest beads that it is told about.")
    cutoff: float = Field(default=0.6, gt=0, description="Reach of an atom's surroundings, nm.")
    reach: float = Field(default=1.0, gt=0, description="Beads nearer than this see each other, nm.")
    shift: float = Field(default=0.03, ge=0, description="Displacement of known beads at level 1, nm.")
    turn: float = Field(default=0.2, ge=0, description="Turn of known beads at level 1, rad.")
    jitter: float = Field(default=0.008, ge=0, description="Displacement of known atoms at level 1, nm.")
    decades: float = Field(default=1.5, ge=0, description="Decades by which they are smaller near level 0.")
    own: float = Field(
        default=1.0, ge=0, description="Share of these displacements that atoms of the same bead have."
    )
    closes: bool = Field(
        default=False,
        description="The last atom of a bead that shares none is where the bead's place wants it; the others "
        "are drawn.",
    )
    levels: tuple[float, ...] = Field(
        default=(0.8, 0.4, 0.2), description="Level told in the forward pass and in each sweep after it."
    )
    order: Literal["depth", "breadth", "random", "index"] = Field(
        default="depth", description="Order of the beads in a molecule."
    )
