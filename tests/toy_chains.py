"""Chains of a toy polymer with two beads a monomer and a stereocentre in all but the end ones."""

from __future__ import annotations

import numpy as np

from msb.core.bead_groups import BeadGroup
from msb.core.mapping import Mapping
from msb.core.mapping_template import MappingTemplate
from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology


def chain(n: int) -> tuple[MoleculeTemplate, MappingTemplate]:
    """CH3-CHF-(CH2-CHF)...: each monomer is CH2 and CHF, capped by H at both ends.

    Beads: B is CH2 and CH, S is the fluorine and stands alone.
    """
    names, bonds, groups = [], [], []
    for k in range(n):
        first = len(names)
        names += [f"C{2 * k}", f"HA{k}", f"HB{k}", f"C{2 * k + 1}", f"H{k}", f"F{k}"]
        bonds += [(first, first + j) for j in (1, 2, 3)] + [(first + 3, first + j) for j in (4, 5)]
        own = list(range(first, first + 5))
        if k:
            bonds.append((names.index(f"C{2 * k - 1}"), first))
        if k == 0:
            names.append("HE")
            bonds.append((first, first + 6))
            own.append(first + 6)
        if k == n - 1:
            bonds.append((first + 3, len(names)))
            own.append(len(names))
            names.append("HZ")
        groups += [BeadGroup(f"B{k}", tuple(own), "B"), BeadGroup(f"S{k}", (first + 5,), "S")]
    molecule = MoleculeTemplate.from_atoms(f"TOY{n}", names, bonds=bonds, elements=[x[0] for x in names])
    return molecule, MappingTemplate.from_mass(molecule, groups)


def grown(molecule: MoleculeTemplate, hands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions (n_atoms, 3) with tetrahedral centres, random torsions, and the wanted hands."""
    tetrahedron = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    x = np.zeros((molecule.n_atoms, 3))
    wanted = dict(zip(molecule.stereocentres, hands, strict=True))
    done, queue = {0}, [(0, None)]
    for atom, parent in queue:
        around = list(molecule.neighbours[atom])
        if len(around) == 1 and parent is not None:
            continue
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        if np.linalg.det(turn) < 0:
            turn[:, 0] *= -1
        arms = tetrahedron[: len(around)] @ turn
        if parent is not None:  # the first arm points to the parent
            axis = x[parent] - x[atom]
            arms = arms @ _rotation(arms[0], axis / np.linalg.norm(axis))
            around.remove(parent)
            around.insert(0, parent)
        if atom in wanted:
            order = np.argsort(around)
            a, b, c, d = arms[order]
            if np.sign(np.dot(a - d, np.cross(b - d, c - d))) != wanted[atom]:
                arms[[-2, -1]] = arms[[-1, -2]]
        for other, arm in zip(around, arms, strict=True):
            if other not in done:
                heavy = "H" not in (molecule.elements[atom], molecule.elements[other])
                x[other] = x[atom] + (0.15 if heavy else 0.11) * arm
                done.add(other)
                queue.append((other, atom))
    return x


def _rotation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Matrix R with a @ R = b for unit vectors."""
    v, c = np.cross(a, b), float(a @ b)
    if c < -0.999999:
        v = np.cross(a, [1, 0, 0] if abs(a[0]) < 0.9 else [0, 1, 0])
        v /= np.linalg.norm(v)
        return (2 * np.outer(v, v) - np.eye(3)).T
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return (np.eye(3) + k + k @ k / (1 + c)).T


def system(*blocks: tuple[int, int]) -> tuple[Topology, Mapping]:
    """Topology and mapping of blocks (length, count)."""
    made = [(*chain(n), count) for n, count in blocks]
    topology = Topology(tuple((molecule, count) for molecule, _, count in made))
    return topology, Mapping([mapping for _, mapping, _ in made], topology)


def random_hands(molecule: MoleculeTemplate, rng: np.random.Generator) -> np.ndarray:
    """Signs for the stereocentres."""
    return rng.choice(np.array([-1, 1], dtype=np.int8), len(molecule.stereocentres))


def grown_system(topology: Topology, hands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positions (N, 3) of all chains, apart from each other, nm."""
    parts, done, number = [], 0, 0
    for molecule, count in topology.molecules:
        centres = len(molecule.stereocentres)
        for _ in range(count):
            x = grown(molecule, hands[done : done + centres], rng)
            parts.append(x - x.mean(0) + 6.0 * np.array([number % 5, number // 5 % 5, number // 25]))
            done, number = done + centres, number + 1
    return np.concatenate(parts).astype(np.float32)
