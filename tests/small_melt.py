"""A box of chains and butane with its topology, mapping and beads, made by hand.

PVC is CH3-CHCl-(CH2-CHCl)n-1 ended by H: two beads a monomer, B for CH2 and V for CHCl; every CHCl but the
last is a stereocentre.  BUT is butane with two beads.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BOND, HYDROGEN, CHLORINE = 0.153, 0.109, 0.179
HEADER = """[ defaults ]
1 2 yes 0.5 0.5
[ atomtypes ]
C   12.011  0.0 A 0.33 0.35
H    1.008  0.0 A 0.23 0.12
CL  35.450  0.0 A 0.34 1.00
[ bondtypes ]
C C  1 0.153 200000
C H  1 0.109 280000
C CL 1 0.179 180000
[ angletypes ]
C C C   1 112.0 500
C C H   1 109.5 350
H C H   1 109.5 300
C C CL  1 109.5 500
H C CL  1 109.5 400
[ dihedraltypes ]
X C C X 3 0.6 1.8 0.0 -2.4 0.0 0.0
"""


@dataclass(frozen=True)
class Molecule:
    """Names, elements, bonds and positions (n, 3) of one molecule, and its beads as lists of atoms."""

    name: str
    names: list[str]
    elements: list[str]
    bonds: list[tuple[int, int]]
    positions: np.ndarray
    beads: list[tuple[str, str, list[int]]]


def zigzag(name: str, carbons: int, chlorine: dict[int, int]) -> Molecule:
    """Carbons in a plane, hydrogens around them; `chlorine` says on which side (+1, -1) of which carbons."""
    names: list[str] = []
    elements: list[str] = []
    bonds: list[tuple[int, int]] = []
    places: list[np.ndarray] = []
    spine = np.array(
        [
            [k * BOND * np.sin(np.radians(56)), (k % 2) * BOND * np.cos(np.radians(56)), 0]
            for k in range(carbons)
        ]
    )
    of_carbon: list[list[int]] = []

    def add(element: str, place: np.ndarray) -> int:
        names.append(f"{element.upper()}{len(names) + 1}")
        elements.append(element)
        places.append(place)
        return len(names) - 1

    for k, here in enumerate(spine):
        atom = add("C", here)
        of_carbon.append([atom])
        if k:
            bonds.append((of_carbon[k - 1][0], atom))
        out = np.array([0, -1.0 if k % 2 == 0 else 1.0, 0])
        ends = [np.array([-np.sin(np.radians(56)), -out[1] * np.cos(np.radians(56)), 0])] * (k == 0)
        ends += [np.array([np.sin(np.radians(56)), -out[1] * np.cos(np.radians(56)), 0])] * (k == carbons - 1)
        sides = [
            out * np.cos(np.radians(54.75)) + s * np.array([0, 0, np.sin(np.radians(54.75))]) for s in (1, -1)
        ]
        around = sorted(zip((1, -1), sides, strict=True), key=lambda pair: pair[0] != chlorine.get(k))
        for side, way in [(0, w) for w in ends] + around:
            heavy = side and chlorine.get(k) == side
            other = add("Cl" if heavy else "H", here + way * (CHLORINE if heavy else HYDROGEN))
            bonds.append((atom, other))
            of_carbon[k].append(other)
    beads = []
    for k, atoms in enumerate(of_carbon):
        kind = "V" if k in chlorine else "B"
        beads.append((f"{kind}{k // 2 + 1 if chlorine else k + 1}", kind, atoms))
    if not chlorine:
        beads = [("B1", "B", of_carbon[0] + of_carbon[1]), ("B2", "B", of_carbon[2] + of_carbon[3])]
    return Molecule(name, names, elements, sorted(bonds), np.array(places), beads)


def chain(monomers: int = 5, meso: bool = False, name: str = "PVC") -> Molecule:
    """Poly(vinyl chloride), syndiotactic unless `meso`."""
    side = {2 * k + 1: (1 if meso or k % 2 == 0 else -1) for k in range(monomers)}
    return zigzag(name, 2 * monomers, side)


def butane() -> Molecule:
    return zigzag("BUT", 4, {})


def molecule_type(molecule: Molecule) -> str:
    """`[ moleculetype ]` with bonds, angles, dihedrals and pairs."""
    near: list[set[int]] = [set() for _ in molecule.names]
    for i, j in molecule.bonds:
        near[i].add(j)
        near[j].add(i)
    lines = ["[ moleculetype ]", f"{molecule.name} 3", "[ atoms ]"]
    for k, (name, element) in enumerate(zip(molecule.names, molecule.elements, strict=True)):
        lines.append(f"{k + 1} {element.upper()} 1 {molecule.name} {name} {k + 1} 0.0")
    angles = [(i, j, k) for j, n in enumerate(near) for i in n for k in n if i < k]
    dihedrals = [(i, j, k, m) for j, k in molecule.bonds for i in near[j] - {k} for m in near[k] - {j}]
    for section, rows, function in (
        ("bonds", molecule.bonds, 1),
        ("angles", angles, 1),
        ("dihedrals", dihedrals, 3),
        ("pairs", [(d[0], d[3]) for d in dihedrals], 1),
    ):
        lines += [f"[ {section} ]", *(" ".join(str(a + 1) for a in row) + f" {function}" for row in rows)]
    return "\n".join(lines) + "\n"


def mapping_text(*molecules: Molecule) -> str:
    """The project's YAML."""
    lines = ["msb_mapping: 1", "molecules:"]
    for molecule in molecules:
        lines += [f"  {molecule.name}:", "    beads:"]
        for name, kind, atoms in molecule.beads:
            listed = ", ".join(str(a + 1) for a in atoms)
            lines.append(f"      - {{name: {name}, type: {kind}, atoms: [{listed}]}}")
    return "\n".join(lines) + "\n"


BOX = np.array([[4.0, 0, 0], [0.4, 3.8, 0], [-0.5, 0.6, 3.6]])


@dataclass(frozen=True)
class Box:
    """Files of a box: topology, mapping, atoms, beads (wrapped, as simulations leave them)."""

    top: Path
    mapping: Path
    atoms: Path
    beads: Path


def write_gro(path: Path, rows: list[tuple[int, str, str, np.ndarray]], box: np.ndarray | None = BOX) -> Path:
    """Rows are residue number, residue, name, position; three decimals."""
    lines = ["made by hand", f"{len(rows):5d}"]
    for k, (number, residue, name, x) in enumerate(rows):
        place = "".join(f"{v:8.3f}" for v in x)
        lines.append(f"{number % 100000:5d}{residue:<5}{name:>5}{(k + 1) % 100000:5d}{place}")
    b = np.zeros((3, 3)) if box is None else box
    numbers = [b[0, 0], b[1, 1], b[2, 2], b[0, 1], b[0, 2], b[1, 0], b[1, 2], b[2, 0], b[2, 1]]
    lines.append(" ".join(f"{v:9.5f}" for v in numbers))
    path.write_text("\n".join(lines) + "\n")
    return path


def wrapped(x: np.ndarray, box: np.ndarray = BOX) -> np.ndarray:
    """Positions inside the box."""
    shares = x @ np.linalg.inv(box)
    return (shares - np.floor(shares)) @ box


def placed(molecules: list[Molecule], seed: int = 0) -> list[np.ndarray]:
    """Positions of each molecule, turned at random, on a lattice that keeps them apart."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(len(molecules) ** (1 / 3)))
    out = []
    for k, molecule in enumerate(molecules):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        turn[:, 0] *= np.sign(np.linalg.det(turn))
        cell = np.array([k % side, k // side % side, k // side**2]) + 0.5 + 0.02 * rng.normal(size=3)
        x = molecule.positions - molecule.positions.mean(0)
        out.append(x @ turn + (cell / side) @ BOX + rng.normal(0, 0.003, x.shape))
    return out


def bead_rows(molecules: list[Molecule], places: list[np.ndarray]) -> list[tuple[int, str, str, np.ndarray]]:
    """Beads at the centres of mass of their atoms, wrapped into the box."""
    masses = {"C": 12.011, "H": 1.008, "Cl": 35.45}
    rows = []
    for number, (molecule, x) in enumerate(zip(molecules, places, strict=True), start=1):
        m = np.array([masses[e] for e in molecule.elements])
        for name, _, atoms in molecule.beads:
            rows.append((number, molecule.name, name, wrapped(m[atoms] @ x[atoms] / m[atoms].sum())))
    return rows


def write_box(
    folder: Path, molecules: list[Molecule], seed: int = 0, types: list[Molecule] | None = None
) -> Box:
    """Write everything about a box."""
    kinds = list({m.name: m for m in [*(types or []), *molecules]}.values())
    runs: list[list[object]] = []
    for molecule in molecules:
        if runs and runs[-1][0] == molecule.name:
            runs[-1][1] += 1  # type: ignore[operator]
        else:
            runs.append([molecule.name, 1])
    counts = "\n".join(f"{name} {count}" for name, count in runs)
    folder.mkdir(exist_ok=True)
    top = folder / "topol.top"
    text = HEADER + "".join(molecule_type(kind) for kind in kinds)
    top.write_text(text + f"[ system ]\nby hand\n[ molecules ]\n{counts}\n")
    mapping = folder / "mapping.yaml"
    mapping.write_text(mapping_text(*kinds))
    places = placed(molecules, seed)
    atoms = [
        (number, molecule.name, name, place)
        for number, (molecule, x) in enumerate(zip(molecules, places, strict=True), start=1)
        for name, place in zip(molecule.names, x, strict=True)
    ]
    return Box(
        top,
        mapping,
        write_gro(folder / "aa.gro", atoms),
        write_gro(folder / "cg.gro", bead_rows(molecules, places)),
    )


def grompp(folder: Path) -> str:
    """Let GROMACS read aa.gro and aa.top of a folder, and return what it says; it must take them."""
    (folder / "em.mdp").write_text(
        "integrator = steep\nnsteps = 5\nrcoulomb = 1.0\nrvdw = 1.0\ncoulombtype = reaction-field\n"
    )
    command = ["gmx", "grompp", "-f", "em.mdp", "-c", "aa.gro", "-p", "aa.top", "-o", "aa.tpr"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr
