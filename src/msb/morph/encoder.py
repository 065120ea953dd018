"""The resolution bottleneck: centres of mass of consecutive beads of linear chains."""

from __future__ import annotations

from itertools import pairwise

from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.errors import MappingError

__all__ = ["GROUP", "bottleneck", "bottleneck_template"]

GROUP = "G"  # type of every centre of mass


def bottleneck_template(chain: MoleculeTemplate, s: int, first: int = 0) -> MappingTemplate:
    """Centres of mass of `s` consecutive beads along a chain.

    A chain whose length is no multiple of `s` ends with a group of the remaining beads.

    Parameters
    ----------
    chain : MoleculeTemplate
        Linear, beads in the order of the chain.
    s : int
        At least 2.
    first : int
        Beads in a smaller group at the beginning; 0 for none.

    Raises
    ------
    MappingError
        `s` is below 2, or the chain has fewer beads than that.
    """
    if s < 2:
        raise MappingError(f"s = {s}: a bottleneck puts at least two beads together")
    if chain.n_atoms < s:
        raise MappingError(
            f"chains of {chain.name} have {chain.n_atoms} beads, fewer than the {s} that the model puts "
            "together: use a model with a smaller s"
        )
    cuts = [*([0] if first else []), *range(first, chain.n_atoms, s), chain.n_atoms]
    ends = enumerate(pairwise(cuts))
    groups = [BeadGroup(f"{GROUP}{k + 1}", tuple(range(*beads)), GROUP) for k, beads in ends]
    return MappingTemplate.from_mass(chain, groups)


def bottleneck(topology: Topology, s: int, first: int = 0) -> Mapping:
    r"""The encoder :math:`e_s` of a system of chains.

    Source: thesis, eq. 7.1.

    Parameters
    ----------
    topology : Topology
        Linear chains of beads; see `msb.morph.chains.chain_topology`.
    s, first : int
        See `bottleneck_template`.

    Raises
    ------
    MappingError
        See `bottleneck_template`.
    """
    known = {t: bottleneck_template(t, s, first) for t in topology.templates}
    return Mapping([known[template] for template, _ in topology.molecules], topology)
