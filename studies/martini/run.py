"""Martini to all atoms: a bilayer with cholesterol, and proteins there and back.

    python studies/martini/run.py
    python studies/martini/run.py --smoke --out runs/smoke

Writes ``out/results.json`` and prints the verdict; minutes for the bilayer's 53,460 atoms.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from lipids import NATURAL, Bilayer, Lipids, mapping_files
from proteins import PROTEINS, round_trip

from msb.backmapper import build_model
from msb.core.box import make_whole
from msb.energy.finisher import Finisher
from msb.energy.protocols import Finish
from msb.energy.replicate import system_of
from msb.io.atomic import atomic_write_text
from msb.quality import Checker

HERE = Path(__file__).resolve().parent
SPRING = 1e4  # kJ/mol/nm^2, on the beads: Martini's are not where any all-atom lipid could have them
CUTOFF = 0.9  # nm


def bilayer(few: int | None, threads: int | None) -> dict[str, Any]:
    """Place the bilayer's atoms, relax them, and check."""
    lipids = Lipids()
    patch = Bilayer.read(lipids, few)
    topology, mapping, box = patch.topology, patch.mapping, patch.box
    rules = {"placement": [str(path) for path in mapping_files()]}
    model = build_model("geometric", None, topology, mapping, options=rules)
    model = model.onto(topology, mapping, patch.hands)
    boxes = None if box is None else box[None]
    beads = patch.beads if box is None else np.asarray(make_whole(patch.beads, box, mapping.bead_topology()))
    started = time.perf_counter()
    raw = model.backmap(beads[None], boxes=boxes)[0]
    placed = time.perf_counter()
    method = {"method": "none"} if box is None else {"method": "reaction-field", "cutoff": CUTOFF}
    system = system_of(topology, {name: pair[1] for name, pair in lipids.systems.items()}, box, **method)
    settings = Finish("staged", force_constant=SPRING)
    finisher = Finisher.of(system, mapping, settings, hands=patch.hands, threads=threads)
    relaxing = time.perf_counter()
    done = finisher.run(raw, beads, box)
    relaxed = time.perf_counter()
    checker = Checker(topology, hands=patch.hands, mapping=None)
    found = {
        column: dict(Counter(finding.kind for finding in checker.check(x[None], boxes)))
        for column, x in (("raw", raw), ("relaxed", np.asarray(done.positions, dtype=np.float32)))
    }
    return {
        "atoms": topology.n_atoms,
        "beads": mapping.n_beads,
        "centres": len(patch.hands),
        "findings": found,
        "seconds": {"placed": placed - started, "relaxed": relaxed - relaxing},
        "energy_before": done.energy_before,
        "energy": done.energy,
        "bead_rms": done.bead_rms,
        "notes": list(done.notes),
        "hands_wanted": {name: dict(wanted) for name, wanted in NATURAL.items()},
        "hands_in_mapping_files": {name: lipids.hands_in_mapping(name) for name in NATURAL},
    }


def verdicts(results: dict[str, Any]) -> list[tuple[str, bool]]:
    """What was to be shown, and whether it was."""
    lines: list[tuple[str, bool]] = []
    if "bilayer" in results:
        found = results["bilayer"]["findings"]["relaxed"]
        lines.append((f"bilayer: {found.get('clash', 0)} clashes", found.get("clash", 0) == 0))
        wrong, centres = found.get("hand", 0), results["bilayer"]["centres"]
        lines.append((f"bilayer: {wrong} of {centres} stereocentres with the other hand", wrong == 0))
        pierced = found.get("piercing", 0)
        lines.append((f"bilayer: {pierced} rings pierced", pierced == 0))
    for name, row in results.get("proteins", {}).items():
        text = (
            f"{name}: heavy-atom RMSD {10 * row['rmsd']:.2f} Å, {row['wrong_alpha']} CA with the other hand, "
        )
        text += (
            f"{row['cis']} cis peptide bonds of {row['peptide_bonds']} ({row['cis_in_truth']} in the truth)"
        )
        lines.append((text, row["wrong_alpha"] == 0))
    return lines


def main(argv: list[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="five lipids and ten residues")
    parser.add_argument(
        "--only", choices=("bilayer", "proteins"), help="one of the two; the other's results stay"
    )
    parser.add_argument("--threads", type=int, help="of OpenMM for the bilayer")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder of results.json")
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    path = args.out / "results.json"
    results: dict[str, Any] = (
        json.loads(path.read_text(encoding="utf-8")) if args.only and path.is_file() else {}
    )
    if args.only != "proteins":
        results["bilayer"] = bilayer(5 if args.smoke else None, args.threads)
    if args.only != "bilayer":
        names, residues = (["villin"], 10) if args.smoke else (list(PROTEINS), None)
        results["proteins"] = {name: round_trip(name, residues).plain() for name in names}
    args.out.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, json.dumps(results, indent=1, sort_keys=True) + "\n")
    lines = verdicts(results)
    for text, good in lines:
        print(f"{'yes' if good else 'NO '}  {text}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
