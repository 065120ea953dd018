"""GROMACS topologies against MDAnalysis and OpenMM; the preprocessor; one sentence for what is wrong."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from MDAnalysisTests import datafiles  # it sets an environment variable

from msb.core.topology import MoleculeTemplate, Topology
from msb.errors import FileFormatError, MsbWarning
from msb.io.gromacs_types import AtomType, Defaults
from msb.io.topology_files import read_gromacs, read_topology

FORCE_FIELDS = Path(datafiles.GMX_TOP).parent / "gromacs"

ETHANOL = """
; a molecule with everything that can be left to the tables
#include "ff/types.itp"
[moleculetype]
EtOH 3
[ atoms ]
1 opls_135 1 ETH C1 1 -0.18
2 opls_157 1 ETH C2 1
3 opls_154 1 ETH O  1 -0.683 15.9994
4 opls_155 1 ETH HO 1  0.418
[ bonds ]
1 2 1
2 3 1 0.15 2000 ; its own
3 4 2 gb_1
#ifdef HARD
1 3 6 0.2 HARDNESS
#else
1 3 6 0.2 10.0
#endif
[ angles ]
1 2 3
3 2 1 1 ; backwards
2 3 4 2 unknown_macro
[ dihedrals ]
1 2 3 4 9
1 2 3 4 1
4 3 2 1 2
1 2 3 4 4 improper_X
[ exclusions ]
1 3 4
#include "posre_ethanol.itp"
[ align ]
1 4
[ system ]
two ethanols ; and nothing else
[ molecules ]
EtOH 1
EtOH 1
"""

TYPES = """
[ defaults ]
1 3 yes 0.5 0.5
#define improper_X 180.0 \\
   4.6 2
#define gb_1 0.1000  1.8700e+07
[ atomtypes ]
opls_135 CT 6  12.011 0.0   A 0.35 0.276144
opls_157 CT 6  12.011 0.145 A 0.35 0.276144
opls_154 OH    15.9994 0.0  A 0.312 0.71128
opls_155 1 1.008 0.0 A 0.0 0.0
[ bondtypes ]
CT CT 1 0.1529 224262.4
[ angletypes ]
OH CT CT 1 109.5 418.4
[ dihedraltypes ]
X CT OH X 9 0.0 9.9 9
CT CT OH opls_155 9 0.0 -1.4 1
CT CT OH opls_155 9 180.0 0.7 2
CT opls_155 2 0.0 167.4
[ nonbond_params ]
opls_135 opls_154 1 0.33 0.44
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + (".top" if name == "topol" else ".itp"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "topol.top"


def quiet(make, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(*arguments, **options)


def entries(template: MoleculeTemplate, kind: str) -> list[tuple]:
    return [(e.atoms, e.function, e.parameters) for e in template.interactions if e.kind == kind]


# --- what the tables and the preprocessor say ---


def test_what_the_molecule_leaves_to_the_tables(tmp_path: Path) -> None:
    path = write(tmp_path, topol=ETHANOL, ff__types=TYPES)
    with pytest.warns(MsbWarning) as caught:
        read = read_gromacs(path)
    said = sorted(str(warning.message) for warning in caught)
    assert said == [
        f"{path}, line 33: section [ align ] is not read and left out",
        f"{path}: missing includes left out: posre_ethanol.itp",
    ]
    assert read.left_out == ("posre_ethanol.itp",)
    assert read.title == "two ethanols"
    assert read.defaults == Defaults(1, 3, True, 0.5, 0.5)
    assert read.atom_types["opls_154"] == AtomType(
        "opls_154", "OH", None, 15.9994, 0.0, "A", (0.312, 0.71128)
    )
    assert read.atom_types["opls_155"].bond_type == "opls_155"
    assert read.tables["nonbond_params"][0].parameters == (0.33, 0.44)
    assert [(t.name, count) for t, count in read.topology.molecules] == [("EtOH", 2)]
    molecule = read.topology.only_template()
    assert molecule.elements == ("C", "C", "O", "H")
    assert molecule.charges.tolist() == [-0.18, 0.145, -0.683, 0.418]
    assert molecule.masses.tolist() == [12.011, 12.011, 15.9994, 1.008]
    assert molecule.bonds.tolist() == [[0, 1], [1, 2], [2, 3]]  # function 6 is no chemical bond
    assert entries(molecule, "bonds") == [
        ((0, 1), 1, (0.1529, 224262.4)),
        ((1, 2), 1, (0.15, 2000.0)),
        ((2, 3), 2, (0.1, 1.87e7)),
        ((0, 2), 6, (0.2, 10.0)),
    ]
    assert entries(molecule, "angles") == [
        ((0, 1, 2), 1, (109.5, 418.4)),
        ((2, 1, 0), 1, (109.5, 418.4)),
        ((1, 2, 3), 2, ("unknown_macro",)),
    ]
    four = (0, 1, 2, 3)
    assert entries(molecule, "dihedrals") == [
        (four, 9, (0.0, -1.4, 1.0)),
        (four, 9, (180.0, 0.7, 2.0)),
        (four, 1, (0.0, -1.4, 1.0)),
        (four[::-1], 2, (0.0, 167.4)),
        (four, 4, (180.0, 4.6, 2.0)),
    ]
    assert entries(molecule, "exclusions") == [((0, 2), 0, ()), ((0, 3), 0, ())]
    assert [0, 3] in molecule.excluded_pairs.tolist()
    assert [(name, entry.kind) for name, entry in read.without_parameters()] == [("EtOH", "angles")]


def test_defined_macros(tmp_path: Path) -> None:
    path = write(tmp_path, topol=ETHANOL, ff__types=TYPES)
    for defines in (["HARD", "HARDNESS=5.0"], {"HARD": "", "HARDNESS": "5.0"}):
        molecule = quiet(read_gromacs, path, defines=defines).topology.only_template()
        assert ((0, 2), 6, (0.2, 5.0)) in entries(molecule, "bonds")
    molecule = quiet(read_gromacs, path, defines=["HARD"]).topology.only_template()
    assert ((0, 2), 6, (0.2, "HARDNESS")) in entries(molecule, "bonds")


def test_a_missing_include_is_named_or_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, topol=ETHANOL, elsewhere__ff__types=TYPES)
    with pytest.raises(FileFormatError, match=r"'ff/types\.itp' is missing") as caught:
        read_gromacs(path)
    assert caught.value.path == path
    assert caught.value.line == 3
    assert quiet(read_gromacs, path, include_dirs=[tmp_path / "elsewhere"]).defaults is not None
    for pattern in ("ff/types.itp", "types.itp", "ff/*", "*"):
        read = quiet(read_gromacs, path, leave_out=[pattern])
        assert read.left_out == ("ff/types.itp", "posre_ethanol.itp")
    assert read.topology.only_template().masses.tolist() == [12.011, 12.011, 15.9994, 1.008]  # from elements


BARE = "[ moleculetype ]\nA 1\n[ atoms ]\n1 C 1 A C1 1\n2 C 1 A C2 1\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[ bonds ]\n1 2 1\n", 2, "before any"),
        (BARE + "[ bonds ]\n1 3 1\n", 7, "atom 3 is none of the 2 atoms"),
        (BARE + "[ bonds ]\n1 x 1\n", 7, "atom x is none"),
        (BARE + "[ bonds ]\n1\n", 7, "needs 2 atoms"),
        (BARE + "[ bonds ]\n1 2 gb_2\n", 7, "a function number after 2 atoms, not 'gb_2'"),
        (BARE + "4 C 1 A C3 1\n", 6, "needs: 3 type"),
        (BARE + "3 C 1 A C3 1 many\n", 6, "must be numbers"),
        (BARE + "3 C one A C3 1\n", 6, "residue number 'one'"),
        (BARE + "[ molecules ]\nB 3\n", 7, "molecule 'B' has no"),
        (BARE + "[ molecules ]\nA\n", 7, "a name and a count"),
        (BARE + BARE, 7, "already"),
        ("[ moleculetype\n", 1, "no section"),
        ("[ moleculetype ]\nA\n", 2, "needs a name"),
        ("[ defaults ]\n1\n", 2, "comb-rule"),
        ("[ atomtypes ]\nC 12.0 0.0 0.1 0.1\n", 2, "particle"),
        ("[ bondtypes ]\nC C 0.1 1000\n", 2, "2 types and a function"),
        ("#endif\n", 1, "without #ifdef"),
        ("#ifdef A\n", None, "never closed"),
        ("#pragma\n", 1, "no directive"),
        ("#ifdef\n#endif\n", 1, "needs a name"),
        ("#define a b\n#define b a\n[ system ]\na\n", 4, "by itself"),
        ('#include "topol.top"\n', 1, "over and over"),
        ("; nothing\n", None, "no \\[ moleculetype"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, text: str, line: int | None, message: str
) -> None:
    with pytest.raises(FileFormatError, match=message) as caught:
        read_gromacs(write(tmp_path, topol=text))
    assert caught.value.line == line


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_gromacs(tmp_path / "nothing.top")
    with pytest.raises(FileFormatError, match="no such file"):
        read_topology(tmp_path / "nothing.pdb")
    (tmp_path / "some.what").write_text("?")
    with pytest.raises(FileFormatError, match="MDAnalysis cannot read"):
        read_topology(tmp_path / "some.what")


def test_virtual_sites_and_settles() -> None:
    water = read_topology(datafiles.ITP_tip5p).only_template()
    assert water.elements == ("O", "H", "H", "X", "X")
    assert water.bonds.tolist() == [[0, 1], [0, 2]]
    assert entries(water, "settles") == [((0, 1, 2), 1, (0.09572, 0.15139))]
    assert entries(water, "virtual_sites3")[0] == ((3, 0, 1, 2), 4, (-0.344908, -0.344908, -6.4437903493))
    assert water.spanning_tree.parent.tolist() == [0, 0, 0, 0, 0]
    flexible = read_gromacs(datafiles.ITP_tip5p, defines=["FLEXIBLE"]).topology.only_template()
    assert not entries(flexible, "settles")
    assert flexible.bonds.tolist() == [[0, 1], [0, 2]]


# --- against other programs ---


@pytest.mark.parametrize(
    "name", ["ITP", "ITP_atomtypes", "ITP_charges", "ITP_nomass", "ITP_edited", "ITP_spce"]
)
def test_files_of_mdanalysis(name: str) -> None:
    """Names, types, charges, masses, residues, bonds, angles as MDAnalysis' own reader has them."""
    path = getattr(datafiles, name)
    compare_with_mdanalysis(
        quiet(read_gromacs, path).topology, quiet(MDAnalysis.Universe, path, topology_format="ITP")
    )


def compare_with_mdanalysis(ours: Topology, theirs: MDAnalysis.Universe) -> None:
    assert ours.atom_names.tolist() == theirs.atoms.names.tolist()
    assert ours.atom_types.tolist() == theirs.atoms.types.tolist()
    np.testing.assert_allclose(ours.charges, theirs.atoms.charges, atol=1e-9)
    np.testing.assert_allclose(ours.masses, theirs.atoms.masses, atol=0.02)
    assert ours.residue_names.tolist() == theirs.residues.resnames.tolist()
    assert ours.residue_index.tolist() == theirs.atoms.resindices.tolist()
    for kind in ("bonds", "angles"):
        group = getattr(theirs, kind, None) if hasattr(theirs, kind) else None
        stated = {tuple(sorted(atoms)) for atoms in group.indices.tolist()} if group is not None else set()
        atoms = [e.atoms for t in ours.templates for e in t.interactions if e.kind == kind]
        if kind == "bonds":
            atoms += [tuple(pair) for pair in ours.bonds.tolist()]
        found = {tuple(sorted(entry)) for entry in atoms}
        assert found == stated or (kind == "angles" and found > stated)  # it drops functions it does not know


def test_a_system_with_a_force_field() -> None:
    """Decaalanine with GROMOS 54A7: macros from the force field, tables, two proteins and waters in order."""
    read = read_gromacs(datafiles.GMX_TOP, include_dirs=[FORCE_FIELDS])
    assert [(t.name, count) for t, count in read.topology.molecules] == [("Protein", 2), ("SOL", 3)]
    assert read.without_parameters() == []
    assert {"CU", "ZN", "NA", "CL"} <= set(read.molecule_types)
    theirs = quiet(
        MDAnalysis.Universe, datafiles.GMX_TOP, topology_format="ITP", include_dir=str(FORCE_FIELDS)
    )
    np.testing.assert_allclose(read.topology.charges, theirs.atoms.charges, atol=1e-9)
    np.testing.assert_allclose(read.topology.masses, theirs.atoms.masses, atol=0.02)
    bond = read.topology.templates[0].interactions[0]
    assert (bond.kind, bond.function, bond.parameters) == ("bonds", 2, (0.1, 1.87e7))  # gb_2


def test_bead_files_have_no_elements() -> None:
    vermouth = pytest.importorskip("vermouth")
    folder = Path(vermouth.__file__).parent / "tests/data/integration_tests/tier-1"
    protein = read_topology(folder / "lysozyme_GO/martinize2/molecule_0.itp").only_template()
    assert set(protein.elements) == {"X"}
    assert protein.n_atoms == 433
    assert len(entries(protein, "virtual_sitesn")) == 135
    folded = protein.spanning_tree.parent != np.arange(protein.n_atoms)
    assert folded.sum() == protein.n_atoms - 1  # Go sites hang on their residues


@pytest.mark.parametrize(
    "name",
    [
        "sps/PS1_cg.itp",
        "octane/L49C_aa.itp",
        "octane/L49C_cg.itp",
        "cumene/G065_aa.itp",
        "dodecane/dodecane_aa.itp",
        "dodecane/dodecane_cg.itp",
        "fritz/PSR.itp",
        "sps/topol_PS1.itp",
    ],
)
def test_published_molecules(msb_data: Path, tmp_path: Path, name: str) -> None:
    path = msb_data / name
    ours = quiet(read_gromacs, path).topology
    plain = tmp_path / "plain.itp"  # MDAnalysis knows no closing tags and needs every include
    lines = path.read_text().split("[align]")[0].splitlines()
    kept = [line for line in lines if not line.startswith(("[/", "#include"))]
    plain.write_text("\n".join(kept))
    theirs = quiet(MDAnalysis.Universe, str(plain), topology_format="ITP")
    assert ours.atom_names.tolist() == theirs.atoms.names.tolist()
    np.testing.assert_allclose(ours.charges, theirs.atoms.charges)
    if "_aa" in name:
        np.testing.assert_allclose(ours.masses, theirs.atoms.masses)
    listed = [tuple(sorted(e.atoms)) for e in ours.only_template().interactions if e.kind == "bonds"]
    assert Counter(listed) == Counter(tuple(sorted(pair)) for pair in theirs.bonds.indices.tolist())
    assert set(ours.elements.tolist()) == ({"C", "H"} if "_aa" in name or "topol" in name else {"X"})


def test_polystyrene_has_all_its_parameters(msb_data: Path) -> None:
    """Its own posres.itp was never published; every bonded term as OpenMM makes it of the same file."""
    import openmm
    from openmm import app, unit

    with pytest.warns(MsbWarning, match=r"missing includes left out: posres\.itp"):
        read = read_gromacs(msb_data / "sps/topol.top")
    assert read.without_parameters() == []
    assert [(t.name, count) for t, count in read.topology.molecules] == [("PS1", 36)]
    styrene = read.topology.only_template()
    assert [len(ring) for ring in styrene.rings] == [6] * 10
    assert [styrene.atom_names[a] for a in styrene.stereocentres] == [f"C{5 + 16 * k}" for k in range(9)]
    assert len(styrene.impropers) == 60
    text = (msb_data / "sps/topol.top").read_text().replace("PS1       36", "PS1 1")
    molecule = (msb_data / "sps/topol_PS1.itp").read_text().replace('#include "posres.itp"', "")
    system = _openmm_system(app, text.replace('#include "topol_PS1.itp"', molecule))
    forces = {type(force): force for force in system.getForces()}
    kj = unit.kilojoule_per_mole
    bonds = forces[openmm.HarmonicBondForce]
    theirs = [bonds.getBondParameters(n) for n in range(bonds.getNumBonds())]
    assert {(i, j): (r._value, k.value_in_unit(kj / unit.nanometer**2)) for i, j, r, k in theirs} == {
        atoms: parameters for atoms, _, parameters in entries(styrene, "bonds")
    }
    angles = forces[openmm.HarmonicAngleForce]
    ours = {atoms: parameters for atoms, _, parameters in entries(styrene, "angles")}
    assert angles.getNumAngles() == len(ours)
    for n in range(angles.getNumAngles()):
        i, j, k, angle, constant = angles.getAngleParameters(n)
        assert ours[i, j, k] == pytest.approx((np.degrees(angle._value), constant._value))


def _openmm_system(app, text: str):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.top"
        path.write_text(text)
        return app.GromacsTopFile(str(path)).createSystem()


# --- structures as topologies ---


def test_structures_by_their_ending(msb_data: Path) -> None:
    peptide = read_topology(msb_data / "adp/adp.pdb").only_template()
    assert peptide.n_atoms == 22
    assert peptide.atom_names[0] == "1HH3"
    melt = quiet(read_topology, msb_data / "sps/aa.gro")
    assert [(t.name, count) for t, count in melt.molecules] == [("PS1", 36)]
    with pytest.warns(MsbWarning) as caught:  # shifted columns; no bonds
        beads = read_topology(msb_data / "fritz/cg/1.gro")
    assert len(caught) == 2
    assert [(t.name, t.n_atoms, count) for t, count in beads.molecules] == [("PSR", 192, 24)]


def test_other_structures() -> None:
    assert quiet(read_topology, datafiles.PSF).n_atoms == 3341
    assert [count for _, count in quiet(read_topology, datafiles.TPR).molecules] == [1, 11084, 4]
