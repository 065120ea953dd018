"""Radial distributions, energies, chains and handedness against exact answers and other programs."""

from __future__ import annotations

import itertools
import tracemalloc

import MDAnalysis
import mdtraj
import numpy as np
import pytest
from MDAnalysis.analysis.rdf import InterRDF

from msb.analysis.structure import (
    ChainDimensions,
    InternalDistributions,
    LennardJones,
    NonbondedStructure,
    PairGroups,
    backbone,
    bonded_terms,
    chain_statistics,
    handedness,
    internal_distributions,
    intramolecular_energies,
    inverted_centres,
    lennard_jones_energies,
    radial_distributions,
    relative_l1,
    require_same_topology,
    tacticity,
    term_values,
    topology_differences,
    total_energies,
)
from msb.core.template import Interaction, MoleculeTemplate
from msb.core.topology import Topology
from msb.data.samples import sample
from msb.energy import Energy
from msb.errors import ConfigError, EnergyError, TopologyError, TrajectoryError

EDGES = np.linspace(0.0, 1.4, 71)


@pytest.fixture(scope="module")
def gas():
    """Points in a cubic box, 5 frames: positions, boxes, topology, Universe, mdtraj trajectory."""
    x = np.random.default_rng(0).uniform(0, 3.0, (5, 300, 3)).astype(np.float32)
    boxes = np.tile(3.0 * np.eye(3), (5, 1, 1))
    topology = Topology.from_template(MoleculeTemplate.from_atoms("AR", ["Ar"]), 300)
    universe = MDAnalysis.Universe.empty(300, trajectory=True)
    universe.load_new(x * 10, dimensions=np.array([30.0, 30, 30, 90, 90, 90]))
    table = mdtraj.Topology()
    for _ in range(300):
        residue = table.add_residue("AR", table.chain(0) if table.n_chains else table.add_chain())
        table.add_atom("Ar", mdtraj.element.argon, residue)
    other = mdtraj.Trajectory(
        x, table, unitcell_lengths=np.full((5, 3), 3.0), unitcell_angles=np.full((5, 3), 90.0)
    )
    return x, boxes, topology, universe, other


def test_radial_distribution_is_mdanalysis_and_mdtrajs(gas):
    x, boxes, topology, universe, other = gas
    (mine,) = radial_distributions(x, topology, boxes, EDGES).values()
    theirs = InterRDF(
        universe.atoms, universe.atoms, nbins=70, range=(0.0, 14.0), exclusion_block=(1, 1)
    ).run()
    np.testing.assert_allclose(mine.g, theirs.results.rdf, atol=1e-3, rtol=1e-3)
    pairs = other.topology.select_pairs("all", "all")
    _, g = mdtraj.compute_rdf(other, pairs, r_range=(0.0, 1.4), n_bins=70)
    np.testing.assert_allclose(mine.g, g, atol=1e-3, rtol=1e-3)
    assert mine.n_pairs == 300 * 299 // 2
    assert mine.g[-20:].mean() == pytest.approx(1.0, abs=0.03)


def test_a_replicated_box_says_the_same(gas):
    """A box smaller than twice the cutoff counts images as its 2 x 2 x 2 copy counts atoms."""
    x, _, topology, _, _ = gas
    small = x[:1, :40].astype(np.float64) / 2
    shifts = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * 1.5
    large = (small[0] + shifts[:, None]).reshape(1, -1, 3)
    one, eight = (Topology.from_template(topology.templates[0], n) for n in (40, 320))
    a = next(iter(radial_distributions(small, one, 1.5 * np.eye(3), EDGES).values()))
    b = next(iter(radial_distributions(large, eight, 3.0 * np.eye(3), EDGES).values()))
    np.testing.assert_array_equal(8 * a.counts, b.counts)


def test_groups_add_up(gas):
    x, boxes, topology, _, _ = gas
    labels = np.where(np.arange(300) < 100, "A", "B")
    by_type = radial_distributions(x[:1], topology, boxes[:1], EDGES, groups=PairGroups.by_type(labels))
    a, b = labels == "A", labels == "B"
    chosen = PairGroups.between(300, {"all": np.arange(300), "cross": (a, b), "half": (a, a | b)})
    found = radial_distributions(x[:1], topology, boxes[:1], EDGES, groups=chosen)
    np.testing.assert_array_equal(sum(r.counts for r in by_type.values()), found["all"].counts)
    np.testing.assert_array_equal(by_type["A-B"].counts, found["cross"].counts)
    np.testing.assert_array_equal(by_type["A-A"].counts + by_type["A-B"].counts, found["half"].counts)
    assert found["cross"].n_pairs == 20000
    with pytest.raises(ConfigError, match="there is no X"):
        PairGroups.by_type(labels, [("A", "X")])
    with pytest.raises(ConfigError, match="has no atoms"):
        PairGroups.between(300, {"none": a & b})
    with pytest.raises(ConfigError, match="do not fit a system of 300"):
        PairGroups.between(300, {"far": [300]})
    with pytest.raises(TrajectoryError, match="do not fit 1 frames"):
        radial_distributions(x[:1], topology, boxes, EDGES)
    assert relative_l1([3, 1], [2, 2]) == 0.5
    with pytest.raises(TrajectoryError, match="is empty"):
        relative_l1([1], [0])


def test_no_box_no_density(gas):
    found = next(iter(radial_distributions(gas[0][:1], gas[2], None, EDGES).values()))
    assert found.counts.sum()
    with pytest.raises(TrajectoryError, match="needs a density"):
        _ = found.g


def test_terms_of_a_file_and_of_planar_centres():
    """Ethene-like: 4 impropers' worth of centres; listed ones take their place."""
    bonds = [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5)]
    names = ["C1", "C2", "H1", "H2", "H3", "H4"]
    types = ["CA", "CA", "H", "H", "H", "H"]
    free = MoleculeTemplate.from_atoms("E", names, bonds=bonds, atom_types=types)
    terms = {t.name: t for t in bonded_terms(Topology.from_template(free, 2))}
    assert {n: len(t.atoms) for n, t in terms.items()} == {
        "bond CA-CA": 2, "bond CA-H": 8, "angle CA-CA-H": 8, "angle H-CA-H": 4,
        "dihedral H-CA-CA-H": 8, "improper CA-CA-H-H": 4,
    }  # fmt: skip
    listed = [Interaction("dihedrals", (2, 3, 1, 0), 2, (0.0, 160.0))]
    given = MoleculeTemplate.from_atoms("E", names, bonds=bonds, atom_types=types, interactions=listed)
    (improper,) = bonded_terms(Topology.from_template(given), kinds=["improper"])
    assert improper.types == ("CA", "CA", "H", "H")
    assert improper.atoms.tolist() == [[2, 3, 1, 0]]
    with pytest.raises(ConfigError, match="kinds of terms"):
        bonded_terms(Topology.from_template(free), kinds=["torsion"])


def test_values_are_signed_and_folded():
    x = np.array([[1.0, 0, 0], [0, 0, 0], [0, 0, 1], [np.cos(2.5), np.sin(2.5), 1]])
    value = term_values(x, "dihedral", [[0, 1, 2, 3]])
    np.testing.assert_allclose(np.abs(value), 2.5)
    mirrored = term_values(x * [1, -1, 1], "dihedral", [[0, 1, 2, 3]])
    np.testing.assert_allclose(mirrored, -value)
    np.testing.assert_allclose(np.abs(term_values(x, "improper", [[0, 1, 2, 3]])), np.pi - 2.5)


@pytest.fixture(scope="module")
def peptide():
    universe = MDAnalysis.Universe(str(sample("adp_reference.pdb")), str(sample("adp_reference.xtc")))
    return universe, Topology.from_universe(universe)


def test_serial_and_multiprocessing_agree(peptide):
    universe, topology = peptide
    parameters = LennardJones.from_sigma_epsilon(np.zeros(22), [0.3], [0.5])
    found = []
    for options in ({}, {"backend": "multiprocessing", "n_workers": 2}):
        inner = InternalDistributions(universe, topology).run(stop=40, step=3, **options)
        outer = NonbondedStructure(universe, topology, edges=EDGES, lennard_jones=parameters)
        outer.run(stop=40, step=3, **options)
        chains = ChainDimensions(universe, topology).run(stop=40, step=3, **options)
        found.append((inner.results.distributions, outer.results, chains.results.chains))
    (a, b, c), (d, e, f) = found
    assert a.keys() == d.keys()
    for name in a:
        np.testing.assert_array_equal(a[name].counts, d[name].counts)
    for name in b.radial:
        np.testing.assert_array_equal(b.radial[name].counts, e.radial[name].counts)
    np.testing.assert_array_equal(b.energies["all"], e.energies["all"])
    assert b.energies["all"].shape == (14, 1)
    assert c == f
    x = np.stack([universe.atoms.positions / 10.0 for _ in universe.trajectory[:40:3]])
    plain = internal_distributions(x, topology)
    for name in a:
        assert np.abs(a[name].counts - plain[name].counts).sum() <= 2  # float32 of Å or nm
    assert c[topology.templates[0].name].contour.error is not None


def test_memory_does_not_grow_with_frames(peptide):
    peaks = []
    for stop in (5, 25, 250):  # the first loads what is loaded once
        tracemalloc.start()
        InternalDistributions(*peptide).run(stop=stop)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 50_000  # frame numbers and times


def test_one_frame_none_and_not_finite(peptide):
    universe, topology = peptide
    one = ChainDimensions(universe, topology).run(stop=1).results.chains
    assert next(iter(one.values())).end_to_end.error is None
    with pytest.raises(TrajectoryError, match="no frame was chosen"):
        InternalDistributions(universe, topology).run(start=5, stop=5)
    with pytest.raises(TrajectoryError, match="there are no frames"):
        internal_distributions(np.empty((0, 22, 3)), topology)
    with pytest.raises(TrajectoryError, match="do not fit 22 atoms"):
        internal_distributions(np.zeros((1, 21, 3)), topology)
    broken = np.zeros((2, 22, 3))
    broken[1, 3] = np.nan
    with pytest.raises(TrajectoryError, match="first is frame 1"):
        internal_distributions(broken, topology)
    with pytest.raises(TopologyError, match="whole systems"):
        InternalDistributions(universe.select_atoms("name CA"), topology)
    with pytest.raises(TopologyError, match="the Universe 22"):
        InternalDistributions(universe, Topology.from_template(MoleculeTemplate.from_atoms("AR", ["Ar"])))


def zigzag(up):
    """All-trans chain CH3-(CHF-CH2)n-CH3 with fluorine on the given sides: topology and positions."""
    names, x, bonds = ["C"], [[0.0, 0.0, 0.0]], []
    chain = [0]
    for k, side in enumerate([0, *np.ravel([[s, 0] for s in up])][1:], start=1):
        names.append("C")
        x.append([0.13 * k, 0.0, 0.08 * (k % 2)])
        chain.append(len(x) - 1)
        z = 0.06 if k % 2 else -0.06
        here = chain[-1]
        for sign in (1, -1):
            names.append("F" if sign == side else "H")
            x.append([0.13 * k, 0.09 * sign, x[here][2] + z])
            bonds.append((here, len(x) - 1))
    names.append("C")
    x.append([0.13 * len(chain), 0.0, 0.08 * (len(chain) % 2)])
    chain.append(len(x) - 1)
    for end, way in ((chain[0], -1), (chain[-1], 1)):
        for dy, dz in ((0.0, -0.1), (0.09, 0.05), (-0.09, 0.05)):
            names.append("H")
            x.append([x[end][0] + way * 0.05, dy, x[end][2] + dz])
            bonds.append((end, len(x) - 1))
    bonds += list(itertools.pairwise(chain))
    elements = list(names)
    return MoleculeTemplate.from_atoms("P", names, bonds=bonds, elements=elements), np.array(x)


@pytest.mark.parametrize(
    ("up", "meso"), [([1, 1, 1, 1], [1, 1, 1]), ([1, -1, 1], [0, 0]), ([1, 1, -1], [1, 0])]
)
def test_tacticity_of_drawn_chains(up, meso):
    template, x = zigzag(up)
    found = tacticity(x[None], Topology.from_template(template))
    assert found.meso[0].astype(int).tolist() == meso
    assert found.meso_share == pytest.approx(np.mean(meso))
    np.testing.assert_array_equal(tacticity(-x[None], Topology.from_template(template)).meso, found.meso)
    order = np.random.default_rng(4).permutation(len(x))  # the order of the atoms means nothing
    place = np.argsort(order)
    moved = MoleculeTemplate.from_atoms(
        "P", [template.atom_names[k] for k in order], bonds=place[template.bonds],
        elements=[template.elements[k] for k in order],
    )  # fmt: skip
    again = tacticity(x[None, order], Topology.from_template(moved)).meso[0].astype(int).tolist()
    assert again in (meso, meso[::-1])


def test_inverted_centres_and_backbone():
    template, x = zigzag([1, 1, -1])
    topology = Topology.from_template(template, 2)
    pair = np.concatenate([x, x])[None]
    reference = handedness(pair, topology)
    mirrored = np.concatenate([x, x * [1, -1, 1]])[None]
    wrong = inverted_centres(handedness(mirrored, topology), reference)
    assert wrong.tolist() == [[False] * 3 + [True] * 3]
    assert len(backbone(template)) == 8
    sizes = chain_statistics(np.repeat(pair, 8, axis=0), topology)["P"]
    exact = np.linalg.norm(x[backbone(template)][0] - x[backbone(template)][-1]) ** 2
    assert sizes.end_to_end.value == pytest.approx(exact)
    assert sizes.end_to_end.error == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(TopologyError, match="are not bonded"):
        chain_statistics(pair, topology, backbones={"P": [0, 9]})
    with pytest.raises(TopologyError, match="flat"):
        inverted_centres(reference, handedness(0 * pair, topology))


def test_energies_of_molecules_add_up_to_openmms():
    import openmm
    import torch

    rng = np.random.default_rng(5)
    system = openmm.System()
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    charges = rng.normal(size=12) * 0.2
    for k in range(12):
        system.addParticle(12.0)
        force.addParticle(charges[k], *((0.3, 0.4) if k % 2 else (0.25, 0.7)))
    system.addForce(force)
    grid = np.stack(np.meshgrid(*[np.arange(3) * 0.33] * 3, indexing="ij"), -1).reshape(-1, 3)
    x = grid[:12] + rng.normal(size=(2, 12, 3)) * 0.02
    whole = Energy.from_openmm(system)(torch.from_numpy(x)).numpy()
    alike = {"bonds": [(0, 1)], "elements": ["C", "C"]}
    template = MoleculeTemplate.from_atoms("M", ["C1", "C2"], charges=charges[:2], **alike)
    others = [
        MoleculeTemplate.from_atoms(f"M{k}", ["C1", "C2"], charges=charges[2 * k : 2 * k + 2], **alike)
        for k in range(1, 6)
    ]
    topology = Topology(tuple((t, 1) for t in (template, *others)))
    parameters = LennardJones.from_openmm(system)

    def nothing(positions):
        return torch.zeros(len(positions), dtype=torch.float64)

    energies = {t.name: nothing for t in topology.templates}
    total = total_energies(x, topology, None, energies, parameters, cutoff=1e6, dielectric=1.0)
    own = []
    for k, t in enumerate(topology.templates):
        pair = openmm.System()
        inside = openmm.NonbondedForce()
        for atom in (2 * k, 2 * k + 1):
            pair.addParticle(12.0)
            inside.addParticle(*force.getParticleParameters(atom))
        pair.addForce(inside)
        energies[t.name] = Energy.from_openmm(pair)
        own.append(energies[t.name](torch.from_numpy(x[:, 2 * k : 2 * k + 2])).numpy())
    np.testing.assert_allclose(total.sum(1) + np.sum(own, 0), whole, rtol=1e-4)
    with_own = total_energies(x, topology, None, energies, parameters, cutoff=1e6, dielectric=1.0)
    np.testing.assert_allclose(with_own, total + np.stack(own, 1))
    with pytest.raises(EnergyError, match="no energy for M1"):
        intramolecular_energies(x, topology, {"M": nothing})
    halves = lennard_jones_energies(x, topology, None, parameters, cutoff=0.4, exclude_bonds=0)["all"]
    assert halves.shape == (2, 6)


def test_differences_are_named(peptide):
    _, topology = peptide
    assert topology_differences(topology, topology) == ()
    template = topology.templates[0]
    plain = template.to_dict()
    plain["atom_names"][4], plain["bonds"] = "XX", plain["bonds"][1:]
    other = Topology.from_template(MoleculeTemplate.from_dict(plain))
    found = " / ".join(topology_differences(topology, other))
    name = template.atom_names[4]
    assert f"atom 5 {name} has name {name} in the reference and XX in the test" in found
    assert "only the reference has the bond between residue" in found
    with pytest.raises(TopologyError, match="reference and test differ"):
        require_same_topology(topology, Topology.from_template(template, 2))


def test_a_type_without_parameters_is_named(tmp_path):
    from msb.io.gromacs import read_gromacs

    path = tmp_path / "t.top"
    path.write_text(
        "[ defaults ]\n1 2 no 1 1\n[ atomtypes ]\nCA 12 0 A 0.3 0.4\n[ moleculetype ]\nM 3\n[ atoms ]\n"
        "1 CA 1 M C1 1 0 12\n2 CB 1 M C2 1 0 12\n[ bonds ]\n1 2 1\n[ system ]\nx\n[ molecules ]\nM 2\n"
    )
    force_field = read_gromacs(path)
    with pytest.raises(EnergyError, match=r"no Lennard-Jones parameters for the types CB \(2 atoms"):
        LennardJones.from_gromacs(force_field)
