"""Chains of polystyrene with the wanted tacticity, and boxes of molecules that do not touch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from polystyrene import LENGTHS, MONOMER
from scipy.spatial import cKDTree

from msb.core.geometry import place_atoms, rotations_from_uniform
from msb.core.template import MoleculeTemplate

__all__ = ["chain", "closest", "pack", "syndiotactic"]

FloatArray = NDArray[np.float64]
TETRAHEDRAL = math.radians(109.45)
TRANS_SHARE = 0.7  # of the starting backbone torsions; the melt equilibrates them
SPREAD = math.radians(12.0)  # of the starting torsions
ATTEMPTS = 200  # random chains of which the one with the widest closest contact is taken
PLACES = 2000  # random places tried for a molecule
FAR = 3  # bonds: pairs nearer than that are no contacts


def syndiotactic(monomers: int) -> tuple[int, ...]:
    """Return alternating hands, +1 first, for the stereocentres (the last monomer has none)."""
    return tuple((-1) ** k for k in range(monomers - 1))


def chain(template: MoleculeTemplate, hands: Sequence[int], generator: np.random.Generator) -> FloatArray:
    """Return a random conformation of a polystyrene chain with the wanted hands.

    Parameters
    ----------
    template : MoleculeTemplate
        As `polystyrene.polystyrene` makes it.
    hands : sequence of int
        +1 or -1 for every stereocentre, in the order of ``template.stereocentres``.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray (n_atoms, 3)
        nm, bond lengths and tetrahedral angles at their equilibrium.

    Raises
    ------
    ValueError
        There are more or fewer hands than stereocentres.
    """
    if len(hands) != len(template.stereocentres):
        raise ValueError(f"{len(template.stereocentres)} stereocentres, but {len(hands)} hands")
    monomers = template.n_atoms // MONOMER
    sides = np.ones((1, monomers))
    seen = template.chirality(_conformations(sides, generator))[0]
    sides[0, : len(seen)] = np.asarray(hands) * seen
    tried = _conformations(np.repeat(sides, ATTEMPTS, axis=0), generator)
    contacts = [closest(x, template) for x in tried]
    return np.asarray(tried[int(np.argmax(contacts))])


def closest(positions: FloatArray, template: MoleculeTemplate) -> float:
    """Return the shortest distance, nm, between two atoms of a molecule more than three bonds apart."""
    excluded = {tuple(pair) for pair in template.exclusions(FAR).tolist()}
    pairs = cKDTree(positions).query_pairs(0.3, output_type="ndarray")
    apart = [k for k, (i, j) in enumerate(pairs.tolist()) if (min(i, j), max(i, j)) not in excluded]
    if not apart:
        return 0.3
    first, second = pairs[apart].T
    return float(np.linalg.norm(positions[first] - positions[second], axis=1).min())


def pack(
    make: Callable[[int], FloatArray], count: int, edge: float, apart: float, generator: np.random.Generator
) -> FloatArray:
    """Return molecules at random places and orientations in a cubic periodic box.

    Parameters
    ----------
    make : callable
        From a molecule's number to its positions (n, 3), nm.
    count : int
        Molecules.
    edge : float
        Of the box, nm.
    apart : float
        Least distance between atoms of two molecules, nm.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray (count * n, 3)
        nm; molecules whole, their centres in the box.

    Raises
    ------
    ValueError
        The box is too small to find a place for a molecule.
    """
    placed: list[FloatArray] = []
    for molecule in range(count):
        tree = cKDTree(np.concatenate(placed) % edge, boxsize=edge) if placed else None
        own = make(molecule)
        own = own - own.mean(axis=0)
        for _ in range(PLACES):
            rotation = rotations_from_uniform(torch.as_tensor(generator.random(3))).numpy()
            trial = own @ rotation + generator.random(3) * edge
            if tree is None or np.isinf(tree.query(trial % edge, distance_upper_bound=apart)[0]).all():
                placed.append(trial)
                break
        else:
            raise ValueError(f"no place for molecule {molecule + 1} of {count} in a box of {edge:g} nm")
    return np.concatenate(placed)


def _conformations(sides: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Return random chains (K, n, 3) whose rings stand on the given sides (K, monomers), +1 or -1."""
    count, monomers = sides.shape
    carbons = _backbone(count, 2 * monomers, generator)
    x = np.zeros((count, MONOMER * monomers + 2, 3))
    for monomer in range(monomers):
        start, own = MONOMER * monomer, 2 * monomer
        x[:, start + 1], x[:, start + 4] = carbons[:, own], carbons[:, own + 1]
        last = monomer == monomers - 1
        end = None if last else carbons[:, own + 2]
        away, normal = _across(carbons[:, own + 1], carbons[:, own], end)
        normal = normal * sides[:, monomer, None]
        ring, other = _arm(away, normal), _arm(away, -normal)
        x[:, start + 3] = x[:, start + 4] + LENGTHS["C", "H"] * other
        x[:, start + 5 : start + 16] = _ring(x[:, start + 4], ring, other, generator)
        if monomer:
            away, normal = _across(carbons[:, own], carbons[:, own - 1], carbons[:, own + 1])
            x[:, start] = x[:, start + 1] + LENGTHS["C", "H"] * _arm(away, normal)
            x[:, start + 2] = x[:, start + 1] + LENGTHS["C", "H"] * _arm(away, -normal)
    x[:, [0, 2, -2]] = _methyl(carbons[:, 0], carbons[:, 1], carbons[:, 2])
    x[:, -1] = _cap(carbons[:, -1], carbons[:, -2], x[:, -13], x[:, MONOMER * monomers - 13])
    return x


def _backbone(count: int, atoms: int, generator: np.random.Generator) -> FloatArray:
    """Return carbon chains (count, atoms, 3) with torsions around trans and gauche."""
    length = LENGTHS["C", "C"]
    x = np.zeros((count, atoms, 3))
    x[:, 1, 0] = length
    bend = math.pi - TETRAHEDRAL
    if atoms > 2:
        x[:, 2] = x[:, 1] + length * np.array([math.cos(bend), math.sin(bend), 0.0])
    share = (1 - TRANS_SHARE) / 2
    for k in range(3, atoms):
        state = generator.choice([math.pi, math.pi / 3, -math.pi / 3], count, p=[TRANS_SHARE, share, share])
        torsion = torch.as_tensor(state + SPREAD * generator.standard_normal(count))
        a, b, c = (torch.as_tensor(x[:, k - n]) for n in (1, 2, 3))
        x[:, k] = place_atoms(a, b, c, length, TETRAHEDRAL, torsion).numpy()
    return x


def _unit(v: FloatArray) -> FloatArray:
    return np.asarray(v / np.linalg.norm(v, axis=-1, keepdims=True))


def _across(
    centre: FloatArray, before: FloatArray, after: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return the direction away from two bonded neighbours and the normal of their plane.

    Without a second neighbour some tetrahedral direction stands for it.
    """
    first = _unit(before - centre)
    if after is None:
        helper = _unit(np.cross(first, np.array([0.31, 0.57, 0.76])))
        second = math.cos(TETRAHEDRAL) * first + math.sin(TETRAHEDRAL) * helper
    else:
        second = _unit(after - centre)
    return _unit(-(first + second)), _unit(np.cross(first, second))


def _arm(away: FloatArray, normal: FloatArray) -> FloatArray:
    """Return the direction of one of the two other bonds of a tetrahedral atom."""
    half = TETRAHEDRAL / 2
    return math.cos(half) * away + math.sin(half) * normal


def _ring(
    carbon: FloatArray, axis: FloatArray, hydrogen: FloatArray, generator: np.random.Generator
) -> FloatArray:
    """Return flat rings (K, 11, 3) on `carbon` along `axis`, about in a plane with its hydrogen."""
    other = hydrogen + SPREAD * generator.standard_normal(axis.shape)
    across = _unit(other - (other * axis).sum(-1, keepdims=True) * axis)
    edge, reach = LENGTHS["C_AR", "C_AR"], LENGTHS["C_AR", "C_AR"] + LENGTHS["C_AR", "H_AR"]
    centre = carbon + (LENGTHS["C", "C_AR"] + edge) * axis
    turns = [math.pi + k * math.pi / 3 for k in range(6)]
    rays = [math.cos(turn) * axis + math.sin(turn) * across for turn in turns]
    atoms = [centre + edge * rays[0]]
    for ray in rays[1:]:
        atoms += [centre + edge * ray, centre + reach * ray]
    return np.stack(atoms, axis=1)


def _methyl(carbon: FloatArray, next_: FloatArray, third: FloatArray) -> FloatArray:
    """Return three hydrogens (K, 3, 3) on the first carbon, staggered."""
    a, b, c = (torch.as_tensor(v) for v in (carbon, next_, third))
    turns = (math.pi, math.pi / 3, -math.pi / 3)
    return np.stack(
        [place_atoms(a, b, c, LENGTHS["C", "H"], TETRAHEDRAL, turn).numpy() for turn in turns], axis=1
    )


def _cap(centre: FloatArray, *others: FloatArray) -> FloatArray:
    """Return the fourth neighbour (K, 3) of an atom that has three: opposite to them."""
    pull = sum(_unit(other - centre) for other in others)
    return np.asarray(centre - LENGTHS["C", "H"] * _unit(np.asarray(pull)))
