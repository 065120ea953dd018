"""The Martini study: its smoke mode, its committed results, and the sequence rules it names hands by."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from msb.core.template import MoleculeTemplate

Study = Callable[[str, str], ModuleType]
STUDY = Path(__file__).resolve().parents[2] / "studies" / "martini"


def test_smoke(tmp_path: Path) -> None:
    pytest.importorskip("MDAnalysisTests", reason="the bilayer is one of MDAnalysisTests")
    run = subprocess.run(
        [sys.executable, str(STUDY / "run.py"), "--smoke", "--threads", "1", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert "NO" not in run.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert not {"clash", "hand", "piercing"} & set(results["bilayer"]["findings"]["relaxed"])
    assert results["proteins"]["villin"]["wrong_alpha"] == 0
    assert results["proteins"]["villin"]["rmsd"] < 0.2


def test_committed_results_are_those_claimed() -> None:
    results = json.loads((STUDY / "out" / "results.json").read_text())
    assert set(results["proteins"]) == {"ubiquitin", "BPTI", "villin"}
    for row in results["proteins"].values():
        assert row["wrong_alpha"] == row["wrong_hands"] == 0
        assert row["rmsd"] < 0.12
    if "bilayer" in results:
        assert not {"clash", "hand", "piercing"} & set(results["bilayer"]["findings"]["relaxed"])
        assert results["bilayer"]["atoms"] == 53_460


def test_sequence_rules(study: Study) -> None:
    """(R)-glyceraldehyde is D: OH > CHO > CH2OH > H, clockwise with the H away."""
    cip = study("martini", "cip")
    template = MoleculeTemplate.from_atoms(
        "GLA",
        ["C2", "H2", "O2", "HO2", "C1", "O1", "H1", "C3", "O3", "HO3", "H31", "H32"],
        bonds=[(0, 1), (0, 2), (2, 3), (0, 4), (4, 5), (4, 6), (0, 7), (7, 8), (8, 9), (7, 10), (7, 11)],
        elements=list("CHOHCOHCOHHH"),
    )
    x = np.zeros((12, 3))
    x[1] = [0, 0, -1]  # away from who looks down from +z
    for atom, degrees in ((2, 90), (4, -30), (7, 210)):  # clockwise
        x[atom] = [np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0.3]
    hands = np.asarray(template.chirality(x))
    assert cip.labels(template, hands) == {"C2": "R"}
    assert cip.labels(template, -hands) == {"C2": "S"}
    np.testing.assert_array_equal(cip.signs(template, {"C2": "R"}), hands)
    with pytest.raises(ValueError, match="C2"):
        cip.signs(template, {"C9": "R"})


def test_lipids_in_nature_and_in_openmms_own_membrane(study: Study) -> None:
    import MDAnalysis
    from openmm import app

    lipids = study("martini", "lipids")
    cip = study("martini", "cip")
    known = lipids.Lipids()
    assert known.hands_in_mapping("DPPC") == lipids.NATURAL["DPPC"]
    ruled, natural = known.hands_in_mapping("CHOL"), lipids.NATURAL["CHOL"]
    assert {c for c in natural if ruled[c] != natural[c]} == {"C20"}  # vermouth's file has the C20 epimer
    template = known.templates["DPPC"]
    residue = MDAnalysis.Universe(str(Path(app.__file__).parent / "data" / "DPPC.pdb")).residues[0]
    place = dict(zip(residue.atoms.names, residue.atoms.positions, strict=True))
    x = np.array([place.get(name, np.zeros(3)) for name in template.atom_names])
    assert cip.labels(template, np.asarray(template.chirality(x))) == {"C2": "R"}
