"""A clean box of small molecules made by hand, and the same with one defect planted in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from msb.core.template import MoleculeTemplate
from msb.core.topology import Topology
from msb.io import Frames, open_writer

BOX = 3.3
COPIES = {"BCF": 12, "BNZ": 4, "BUT": 6}  # bromochlorofluoromethane, benzene, butane


def _bcf() -> tuple[MoleculeTemplate, np.ndarray]:
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    arms = np.array([0.109, 0.136, 0.176, 0.193])[:, None] * corners
    return _template("BCF", ["C1", "H1", "F1", "CL1", "BR1"], [(0, k) for k in range(1, 5)]), np.concatenate(
        [np.zeros((1, 3)), arms]
    )


def _benzene() -> tuple[MoleculeTemplate, np.ndarray]:
    turn = np.pi / 3 * np.arange(6)
    ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    names = [f"C{k}" for k in range(1, 7)] + [f"H{k}" for k in range(1, 7)]
    bonds = [(k, (k + 1) % 6) for k in range(6)] + [(k, k + 6) for k in range(6)]
    return _template("BNZ", names, bonds), np.concatenate([0.1397 * ring, 0.2477 * ring])


def _butane() -> tuple[MoleculeTemplate, np.ndarray]:
    half = np.deg2rad(109.47 / 2)
    step = 0.153 * np.array([[np.sin(half), np.cos(half), 0], [np.sin(half), -np.cos(half), 0]])
    carbons = np.array([-1.5 * step[0] - 0.5 * (step[1] - step[0]), *[[0.0] * 3] * 3])
    for k in range(3):
        carbons[k + 1] = carbons[k] + step[k % 2]
    atoms, bonds = list(carbons), [(0, 1), (1, 2), (2, 3)]
    for k in range(4):
        arms = [carbons[j] - carbons[k] for j in (k - 1, k + 1) if 0 <= j < 4]
        away = -sum(a / np.linalg.norm(a) for a in arms)
        away /= np.linalg.norm(away)
        if len(arms) == 2:
            directions = [np.cos(half) * away + s * np.sin(half) * np.array([0, 0, 1.0]) for s in (1, -1)]
        else:
            flat = np.cross(away, [0, 0, 1.0]) * (1 if k == 0 else -1)
            turns = np.deg2rad([60, 180, 300])
            directions = [
                away / 3 + np.sqrt(8) / 3 * (np.cos(t) * flat + np.sin(t) * np.array([0, 0, 1.0]))
                for t in turns
            ]
            if min(np.linalg.norm(0.109 * d - a) for d in directions for a in _others(carbons, k)) < 0.22:
                directions = [d - 2 * (d @ flat) * flat for d in directions]
        for direction in directions:
            bonds.append((k, len(atoms)))
            atoms.append(carbons[k] + 0.109 * direction)
    names = [f"C{k}" for k in range(1, 5)] + [f"H{k}" for k in range(1, 11)]
    return _template("BUT", names, bonds), np.array(atoms)


def _others(carbons: np.ndarray, k: int) -> list[np.ndarray]:
    return [carbons[j] - carbons[k] for j in range(4) if abs(j - k) == 2]


def _template(name: str, names: list[str], bonds: list[tuple[int, int]]) -> MoleculeTemplate:
    elements = [{"CL": "Cl", "BR": "Br"}.get(n[:2], n[0]) for n in names]
    return MoleculeTemplate.from_atoms(
        name,
        names,
        bonds=bonds,
        elements=elements,
        residue_index=[0] * len(names),
        residue_names=[name],
        residue_numbers=[1],
    )


def clean() -> tuple[Topology, np.ndarray, np.ndarray]:
    """Topology, positions (N, 3) and box (3, 3) of a box in which nothing is wrong."""
    makers = {"BCF": _bcf(), "BNZ": _benzene(), "BUT": _butane()}
    cells = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    parts, blocks, site = [], [], 0
    for name, count in COPIES.items():
        template, atoms = makers[name]
        blocks.append((template, count))
        for _ in range(count):
            parts.append(atoms + (cells[site] + 0.5) * BOX / 3)
            site += 1
    return (
        Topology(tuple(blocks)),
        np.concatenate(parts).astype(np.float32),
        BOX * np.eye(3, dtype=np.float32),
    )


def first_atom(molecule: str, copy: int = 0) -> int:
    """First atom of a copy of a molecule."""
    sizes = {"BCF": 5, "BNZ": 12, "BUT": 14}
    before = 0
    for name, count in COPIES.items():
        if name == molecule:
            return before + copy * sizes[name]
        before += count * sizes[name]
    raise KeyError(molecule)


def mirrored(x: np.ndarray, box: np.ndarray) -> None:
    """BCF 3 is its mirror image."""
    a = first_atom("BCF", 2)
    x[a : a + 5, 0] = 2 * x[a, 0] - x[a : a + 5, 0]


def speared(x: np.ndarray, box: np.ndarray) -> None:
    """The bond C2-C3 of butane 1 goes through the ring of benzene 2."""
    ring, chain = first_atom("BNZ", 1), first_atom("BUT")
    molecule = x[chain : chain + 14] - x[chain + 1 : chain + 3].mean(axis=0)
    along = (molecule[2] - molecule[1]) / np.linalg.norm(molecule[2] - molecule[1])
    turn = _turn(along, np.array([0.0, 0.0, 1.0]))
    x[chain : chain + 14] = molecule @ turn.T + x[ring : ring + 6].mean(axis=0)


def contact(x: np.ndarray, box: np.ndarray) -> None:
    """A hydrogen of butane 1 is 0.09 nm from fluorine of BCF 1, which is turned away from all else."""
    chain, other = first_atom("BUT"), first_atom("BCF")
    left = chain + int(x[chain : chain + 14, 0].argmin())
    x[chain : chain + 14] += x[other + 2] + np.array([0.09, 0, 0]) - x[left]


def stretched(x: np.ndarray, box: np.ndarray) -> None:
    """C-F of BCF 4 is 0.18 nm long."""
    a = first_atom("BCF", 3)
    x[a + 2] = x[a] + (x[a + 2] - x[a]) * 0.18 / 0.136


def cut(x: np.ndarray, box: np.ndarray) -> None:
    """Half of butane 2 is a box away, but the box is another one now."""
    a = first_atom("BUT", 1)
    tail = [a + k for k in (2, 3, 8, 9, 10, 11, 12, 13)]
    x[tail, 0] += BOX - 0.45


def swapped(x: np.ndarray, box: np.ndarray) -> None:
    """H and F of BCF 5 stand at each other's place."""
    a = first_atom("BCF", 4)
    x[[a + 1, a + 2]] = x[[a + 2, a + 1]]


DEFECTS: dict[str, Callable[[np.ndarray, np.ndarray], None]] = {
    "hand": mirrored,
    "piercing": speared,
    "clash": contact,
    "bond": stretched,
    "broken": cut,
    "swapped": swapped,
}


def planted(name: str) -> tuple[Topology, np.ndarray, np.ndarray]:
    """The box with one defect."""
    topology, x, box = clean()
    DEFECTS[name](x, box)
    return topology, x, box


def write_gro(path: Path, name: str | None = None, frames: int = 1) -> Path:
    """Write the clean box, or one with a defect, as a structure."""
    topology, x, box = clean() if name is None else planted(name)
    with open_writer(path, topology) as writer:
        writer.write(
            Frames(np.repeat(x[None], frames, 0), np.repeat(box[None], frames, 0), np.arange(float(frames)))
        )
    return path


def write_top(path: Path) -> Path:
    """Write a GROMACS topology of the box: springs at the lengths and angles of the clean one."""
    topology, x, _ = clean()
    radii = {"H": 0.22, "C": 0.33, "F": 0.29, "Cl": 0.34, "Br": 0.36}
    numbers = {"H": 1, "C": 6, "F": 9, "Cl": 17, "Br": 35}
    lines = ["[ defaults ]", "1 2 no 1.0 1.0", "[ atomtypes ]"]
    lines += [f"{e} {numbers[e]} 12.0 0.0 A {r} 0.3" for e, r in radii.items()]
    for template, first, _ in topology.blocks():
        y = x[first : first + template.n_atoms].astype(float)
        lines += ["[ moleculetype ]", f"{template.name} 3", "[ atoms ]"]
        lines += [
            f"{k + 1} {e} 1 {template.name} {name} {k + 1} 0.0 {mass}"
            for k, (e, name, mass) in enumerate(
                zip(template.elements, template.atom_names, template.masses.tolist(), strict=True)
            )
        ]
        lines += ["[ bonds ]"]
        lines += [
            f"{i + 1} {j + 1} 1 {np.linalg.norm(y[i] - y[j]):.5f} 300000" for i, j in template.bonds.tolist()
        ]
        lines += ["[ angles ]"]
        for i, j, k in template.angles.tolist():
            a, b = y[i] - y[j], y[k] - y[j]
            angle = np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
            lines.append(f"{i + 1} {j + 1} {k + 1} 1 {angle:.4f} 400")
    lines += ["[ system ]", "box", "[ molecules ]"]
    lines += [f"{name} {count}" for name, count in COPIES.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def _turn(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rotation that takes direction a to b."""
    axis, cosine = np.cross(a, b), a @ b
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))
