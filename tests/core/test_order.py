"""Orders of placement: what they are on graphs where one knows, and that stages change nothing."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msb.core.bead_groups import BeadGroup
from msb.core.mapping_template import MappingTemplate
from msb.core.order import atom_sequence, bead_ranks, colours, describe, stages, visiting_order
from msb.core.template import MoleculeTemplate
from msb.errors import ConfigError


def beads_of(n: int, bonds: list[tuple[int, int]]) -> MappingTemplate:
    """Beads that are the carbons of a molecule with these bonds."""
    molecule = MoleculeTemplate.from_atoms("M", [f"C{k}" for k in range(n)], bonds=bonds, elements=["C"] * n)
    return MappingTemplate.from_atoms(molecule, range(n))


def styrene(units: int) -> tuple[MoleculeTemplate, MappingTemplate]:
    """CH2-CH(phenyl) units, hydrogens first in every unit, a bead for CH2-CH and one for the ring."""
    names, elements, bonds, groups = [], [], [], []
    for u in range(units):
        k = 16 * u
        names += [f"H{k + i}" for i in range(8)] + [f"C{k + 8 + i}" for i in range(8)]
        elements += ["H"] * 8 + ["C"] * 8
        bonds += [(k + 8, k + 9), (k + 9, k + 10), *((k + 10 + i, k + 10 + (i + 1) % 6) for i in range(6))]
        bonds += [(k, k + 8), (k + 1, k + 8), (k + 2, k + 9), *((k + 2 + i, k + 10 + i) for i in range(1, 6))]
        if u:
            bonds.append((k - 7, k + 8))
        groups += [
            BeadGroup(f"B{u + 1}", (k, k + 1, k + 2, k + 8, k + 9), "B"),
            BeadGroup(f"S{u + 1}", (*range(k + 3, k + 8), *range(k + 10, k + 16)), "S"),
        ]
    molecule = MoleculeTemplate.from_atoms("PS", names, bonds=bonds, elements=elements)
    return molecule, MappingTemplate.from_mass(molecule, groups)


def visited(mapping: MappingTemplate, how: str = "depth", seed: int = 0) -> list[int]:
    return np.argsort(bead_ranks(mapping, how, seed)).tolist()


# ------------------------------------------------------------------ beads of a molecule


def test_chain_from_its_first_end():
    chain = beads_of(6, [(3, 0), (0, 5), (5, 1), (1, 4), (4, 2)])  # ends 2 and 3
    assert visited(chain) == visited(chain, "breadth") == [2, 4, 1, 5, 0, 3]
    assert visited(chain, "index") == list(range(6))


def test_side_beads_come_before_the_chain_goes_on():
    _, mapping = styrene(4)  # B1 S1 B2 S2 ...
    names = [mapping.bead_names[b] for b in visited(mapping)]
    assert names == ["S1", "B1", "B2", "S2", "B3", "S3", "B4", "S4"]
    longer = beads_of(5, [(0, 1), (1, 2), (2, 3), (1, 4)])  # the side bead has the highest number
    assert visited(longer) == [0, 1, 4, 2, 3]


def test_ring_and_star():
    ring = beads_of(6, [(k, (k + 1) % 6) for k in range(6)])
    assert visited(ring) == [0, 1, 2, 3, 4, 5]
    assert visited(ring, "breadth") == [0, 1, 5, 2, 4, 3]
    star = beads_of(7, [(0, 1), (1, 2), (0, 3), (3, 4), (0, 5), (5, 6)])
    assert visited(star) == [2, 1, 0, 3, 4, 5, 6]
    assert visited(star, "breadth") == [2, 1, 0, 3, 5, 4, 6]


def test_single_beads_and_pieces():
    assert visited(beads_of(1, [])) == [0]
    assert visited(beads_of(3, [])) == [0, 1, 2]
    pieces = beads_of(6, [(0, 4), (4, 2), (1, 3)])  # 0-4-2, 1-3, 5
    assert visited(pieces) == [0, 4, 2, 1, 3, 5]


def test_unknown_orders_are_named():
    with pytest.raises(ConfigError, match=r"no order of beads `deep`; choose `depth`, `breadth`"):
        bead_ranks(beads_of(2, [(0, 1)]), "deep")
    with pytest.raises(ConfigError, match=r"no visiting order `chain`; choose `rank`"):
        visiting_order([0], [0], [0], "chain")


@st.composite
def graphs(draw, largest: int = 12):
    n = draw(st.integers(1, largest))
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    return n, sorted({(min(p), max(p)) for p in draw(st.lists(pair, max_size=2 * n)) if p[0] != p[1]})


@given(graphs(), st.sampled_from(["depth", "breadth", "random"]), st.integers(0, 5))
def test_every_bead_follows_one_that_it_is_bonded_to(graph, how, seed):
    n, bonds = graph
    ranks = bead_ranks(beads_of(n, bonds), how, seed)
    assert sorted(ranks) == list(range(n))
    around = [{j for pair in bonds if k in pair for j in pair if j != k} for k in range(n)]
    roots = {k for k in range(n) if all(ranks[j] > ranks[k] for j in around[k])}
    assert len(roots) == n - _joined(n, bonds)  # one a piece
    if how != "random":
        for root in roots:
            piece = _piece(root, around)
            assert (len(around[root]), root) == min((len(around[k]), k) for k in piece)
            assert sorted(ranks[list(piece)]) == list(range(ranks[root], ranks[root] + len(piece)))


def _joined(n: int, bonds: list[tuple[int, int]]) -> int:
    """How many bonds of the graph join two pieces, one after the other: Kruskal."""
    label, joined = list(range(n)), 0
    for i, j in bonds:
        if label[i] != label[j]:
            old, joined = label[j], joined + 1
            label = [label[i] if k == old else k for k in label]
    return joined


def _piece(start: int, around: list[set[int]]) -> set[int]:
    piece, queue = {start}, [start]
    for node in queue:
        queue += sorted(around[node] - piece)
        piece |= around[node]
    return piece


def test_random_ranks_follow_their_seed():
    chain = beads_of(12, [(k, k + 1) for k in range(11)])
    drawn = [tuple(visited(chain, "random", seed)) for seed in range(8)]
    assert drawn == [tuple(visited(chain, "random", seed)) for seed in range(8)]
    assert len(set(drawn)) > 4


# ------------------------------------------------------------------ atoms of a bead


def test_styrene_atoms():
    molecule, mapping = styrene(2)
    ranks = np.array([0, 1, 2, 3])  # B1 S1 B2 S2
    names = [[molecule.atom_names[a] for a in atoms] for atoms in atom_sequence(molecule, mapping, ranks)]
    assert names[0] == ["C8", "C9", "H0", "H1", "H2"]
    assert names[1] == ["C10", "C11", "C12", "C13", "C14", "C15", "H3", "H4", "H5", "H6", "H7"]
    assert names[2] == ["C24", "C25", "H16", "H17", "H18"]
    turned = atom_sequence(molecule, mapping, np.array([3, 2, 1, 0]))
    assert [molecule.atom_names[a] for a in turned[0]] == [
        "C9",
        "C8",
        "H2",
        "H0",
        "H1",
    ]  # from what was before it
    assert turned[1][0] == 10


def test_a_hydrogen_of_anothers_atom_comes_last():
    molecule = MoleculeTemplate.from_atoms(
        "M", ["HA", "C1", "HB", "C2"], bonds=[(0, 3), (1, 2), (1, 3)], elements=["H", "C", "H", "C"]
    )
    mapping = MappingTemplate.from_mass(molecule, [BeadGroup("A", (0, 1, 2)), BeadGroup("B", (3,))])
    first, second = atom_sequence(molecule, mapping, np.array([0, 1]))
    assert (first.tolist(), second.tolist()) == ([1, 2, 0], [3])


@st.composite
def molecules(draw):
    n, bonds = draw(graphs(14))
    elements = draw(st.lists(st.sampled_from("HCCO"), min_size=n, max_size=n))
    owner = draw(st.lists(st.integers(0, draw(st.integers(0, 3))), min_size=n, max_size=n))
    beads = sorted(set(owner))
    molecule = MoleculeTemplate.from_atoms(
        "M", [f"{e}{k}" for k, e in enumerate(elements)], bonds=bonds, elements=elements
    )
    groups = [BeadGroup(f"B{b}", tuple(k for k in range(n) if owner[k] == b)) for b in beads]
    mapping = MappingTemplate.from_mass(molecule, groups)
    return molecule, mapping, bead_ranks(mapping, draw(st.sampled_from(["depth", "breadth", "random"])))


@given(molecules())
def test_every_atom_follows_a_bonded_one_where_that_can_be(case):
    molecule, mapping, ranks = case
    light = [e == "H" for e in molecule.elements]
    sequences = atom_sequence(molecule, mapping, ranks)
    placed: set[int] = set()
    for bead in np.argsort(ranks).tolist():
        sequence, before = sequences[bead].tolist(), set(placed)
        assert sorted(sequence) == np.flatnonzero(mapping.owner == bead).tolist()
        heavy = [a for a in sequence if not light[a]]
        assert sequence[: len(heavy)] == heavy
        for k, atom in enumerate(heavy):
            reachable = [a for a in heavy[k:] if before & set(molecule.neighbours[a])]
            assert atom in reachable or not reachable
            before.add(atom)
        hosts = [
            min((heavy.index(o) for o in molecule.neighbours[a] if o in heavy), default=99)
            for a in sequence[len(heavy) :]
        ]
        assert hosts == sorted(hosts)
        placed |= set(heavy)


def test_long_molecules_need_no_recursion():
    n = 3000
    molecule = MoleculeTemplate.from_atoms(
        "M", ["C"] * n, bonds=[(k, k + 1) for k in range(n - 1)], elements=["C"] * n
    )
    mapping = MappingTemplate.from_mass(molecule, [BeadGroup("B", tuple(range(n)))])
    assert atom_sequence(molecule, mapping, np.array([0]))[0].tolist() == list(range(n))


# ------------------------------------------------------------------ colours, visits, stages


@given(graphs(30))
def test_colours_are_greedy_and_proper(graph):
    n, pairs = graph
    colour = colours(pairs, n)
    around = [{j for pair in pairs if k in pair for j in pair if j != k} for k in range(n)]
    expected: dict[int, int] = {}
    for node in sorted(range(n), key=lambda k: (-len(around[k]), k)):
        taken = {expected[j] for j in around[node] if j in expected}
        expected[node] = next(c for c in range(n) if c not in taken)
    assert colour.tolist() == [expected[k] for k in range(n)]
    many = [*pairs, *[(j, i) for i, j in pairs], *[(k, k) for k in range(n)]]
    np.testing.assert_array_equal(colours(many, n), colour)
    twice = [*pairs, *[(i + n, j + n) for i, j in pairs]]
    np.testing.assert_array_equal(colours(twice, 2 * n), np.tile(colour, 2))


def test_more_colours_than_bits_of_a_word():
    clique = np.stack(np.triu_indices(150, 1), axis=1)
    assert colours(clique, 150).tolist() == list(range(150))


def test_visiting_orders():
    ranks, molecule, colour = [0, 1, 2, 0, 1, 0], [0, 0, 0, 1, 1, 2], [1, 0, 0, 0, 1, 1]
    assert visiting_order(ranks, molecule, colour).tolist() == [3, 0, 5, 1, 4, 2]
    assert visiting_order(ranks, molecule, colour, "molecule").tolist() == [0, 1, 2, 3, 4, 5]
    assert visiting_order(ranks, molecule, colour, "colour").tolist() == [1, 2, 3, 0, 4, 5]
    drawn = [visiting_order(ranks, molecule, colour, "random", seed).tolist() for seed in range(6)]
    assert all(sorted(order) == list(range(6)) for order in drawn)
    assert len({tuple(order) for order in drawn}) > 3


def test_stages_one_knows():
    chain = [(k, k + 1) for k in range(5)]
    assert [s.tolist() for s in stages(range(6), chain)] == [[k] for k in range(6)]
    assert [s.tolist() for s in stages([5, 1, 3, 0, 2, 4], chain)] == [[5, 1, 3], [0, 2, 4]]
    assert [s.tolist() for s in stages([2, 0], chain)] == [[2, 0]]  # 1 is not placed: nothing to wait for
    assert [s.tolist() for s in stages([1, 0], [(0, 0), (0, 1), (1, 0), (0, 1)])] == [[1], [0]]
    assert stages([], []) == []
    assert [s.tolist() for s in stages([3, 1], [])] == [[3, 1]]


@pytest.mark.parametrize(
    ("order", "pairs"), [([0, 0], []), ([-1], []), ([0, 1], [(0, -1)]), ([0, 1], [(0, 1, 2)])]
)
def test_nonsense_is_refused(order, pairs):
    with pytest.raises(ValueError, match=r"twice|negative|pairs"):
        stages(order, pairs)


def test_description():
    assert describe(stages(range(6), [(0, 1), (1, 2)])) == "6 beads in 3 stages of 2 (1 to 4)"
    assert describe(stages([4], [])) == "1 beads in 1 stage of 1 (1 to 1)"
    assert describe([]) == "0 beads in 0 stages"


# ------------------------------------------------------------------ stages in turn are one after the other

MASK = 2**64 - 1


def mixed(numbers: list[int]) -> int:
    """A number that depends on every bit of its input, and on its order."""
    state = 0x9E3779B97F4A7C15
    for number in numbers:
        state = ((state ^ number) * 0xBF58476D1CE4E5B9) & MASK
        state ^= state >> 29
    return state


@st.composite
def boxes_of_chains(draw):
    """Chains of beads and single beads at random in a small tilted box, several frames of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = draw(st.lists(st.sampled_from([1, 1, 2, 5, 8]), min_size=1, max_size=10))
    frames = draw(st.integers(1, 3))
    box = np.diag(rng.uniform(0.8, 3.0, 3)) + np.tril(rng.uniform(-0.3, 0.3, (3, 3)), -1)
    molecule = np.repeat(np.arange(len(lengths)), lengths)
    ranks = np.concatenate([np.arange(n) for n in lengths])
    return rng.random((frames, len(ranks), 3)) @ box, box, molecule, ranks, draw(st.floats(0.2, 1.3))


def seen(x: np.ndarray, box: np.ndarray, reach: float) -> list[tuple[int, int]]:
    """Every (bead, bead) within reach by any of its images, by looking at all of them."""
    shifts = np.array(list(product(range(-2, 3), repeat=3))) @ box
    near = np.linalg.norm(x[:, None, None] - x[None, :, None] - shifts, axis=-1) < reach
    return [(i, j) for i, j, _ in np.argwhere(near).tolist() if i < j]


def one_at_a_time(order, around, values):
    values = list(values)
    for bead in order:
        values[bead] = mixed([values[bead], *(values[o] for o in around[bead])])
    return values


def by_stages(order, pairs, around, values):
    values = list(values)
    for stage in stages(order, pairs):
        new = [mixed([values[bead], *(values[o] for o in around[bead])]) for bead in stage.tolist()]
        for bead, value in zip(stage.tolist(), new, strict=True):
            values[bead] = value
    return values


@settings(max_examples=60)
@given(boxes_of_chains(), st.sampled_from(["rank", "molecule", "colour", "random"]), st.integers(0, 3))
def test_stages_in_turn_are_one_after_the_other(case, how, seed):
    frames, box, molecule, ranks, reach = case
    m = len(ranks)
    batch: dict[str, list] = {"order": [], "pairs": [], "around": [], "expected": [], "alone": []}
    for f, x in enumerate(frames):
        pairs = seen(x, box, reach)
        around = [sorted({i + j - k for i, j in pairs if k in (i, j)}) for k in range(m)]
        order = visiting_order(ranks, molecule, colours(pairs, m), how, seed)
        expected = one_at_a_time(order.tolist(), around, range(m))
        assert by_stages(order, pairs, around, range(m)) == expected  # bit for bit
        batch["expected"] += expected
        batch["alone"].append(len(stages(order, pairs)))
        batch["pairs"] += [(i + f * m, j + f * m) for i, j in pairs]
        batch["around"] += [[k + f * m for k in beads] for beads in around]
        batch["order"] += (order + f * m).tolist()
    start = [*range(m)] * len(frames)  # all frames at once: they wait for nothing of one another
    assert by_stages(batch["order"], batch["pairs"], batch["around"], start) == batch["expected"]
    assert len(stages(batch["order"], batch["pairs"])) == max(batch["alone"])


@settings(max_examples=40)
@given(graphs(25), st.randoms())
def test_stages_are_as_few_as_can_be(graph, random):
    n, pairs = graph
    order = random.sample(range(n), n)
    place = {bead: k for k, bead in enumerate(order)}
    longest: dict[int, int] = {}  # the longest chain of beads that wait for one another
    for bead in order:
        earlier = [i + j - bead for i, j in pairs if bead in (i, j) and place[i + j - bead] < place[bead]]
        longest[bead] = 1 + max((longest[o] for o in earlier), default=0)
    found = stages(order, pairs)
    assert len(found) == max(longest.values())
    assert sorted(np.concatenate(found)) == list(range(n))
    for stage in found:
        members = set(stage.tolist())
        assert not any(i in members and j in members for i, j in pairs)
