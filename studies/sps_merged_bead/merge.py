"""One bead a monomer: the published mapping with every backbone bead and its phenyl ring as one.

python studies/sps_merged_bead/merge.py          # writes merged.yaml beside this file
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from msb.data import sample
from msb.io.atomic import atomic_write_text

__all__ = ["MAPPING", "merged_text"]

MAPPING = Path(__file__).resolve().parent / "merged.yaml"
HEAD = """\
# Syndiotactic polystyrene 10-mer, one bead a monomer: beads B and S of polystyrene_mapping.yaml as one, at
# the centre of mass of all their atoms (CH groups between two monomers count half in each). By merge.py.
"""


def merged_text(published: str) -> str:
    """The merged mapping as YAML, from the published one."""
    described = yaml.safe_load(published)
    [(name, molecule)] = described["molecules"].items()
    pairs = list(zip(molecule["beads"][0::2], molecule["beads"][1::2], strict=True))
    beads = "".join(_bead(number, *pair) for number, pair in enumerate(pairs, 1))
    bonds = [[k, k + 1] for k in range(1, len(pairs))]
    lines = ["msb_mapping: 1", "molecules:", f"  {name}:", "    weights: mass", "    beads:"]
    return HEAD + "\n".join(lines) + "\n" + beads + f"    bonds: {bonds}\n"


def _bead(number: int, backbone: dict[str, Any], ring: dict[str, Any]) -> str:
    atoms = ", ".join(_atom(atom) for atom in (*backbone["atoms"], *ring["atoms"]))
    owns = [*backbone.get("owns", ()), *ring.get("owns", ())]
    more = f", owns: [{', '.join(owns)}]" if owns else ""
    return f"      - {{name: M{number}, type: M, atoms: [{atoms}]{more}}}\n"


def _atom(atom: str | dict[str, Any]) -> str:
    if isinstance(atom, str):
        return atom
    return f"{{atom: {atom['atom']}, fraction: {atom['fraction']}}}"


def main() -> int:
    """Write the mapping."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, default=MAPPING)
    args = parser.parse_args()
    atomic_write_text(args.to, merged_text(sample("polystyrene_mapping.yaml").read_text()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
