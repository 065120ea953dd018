"""`msb --help` loads nothing heavy (how long that takes is measured in benchmarks/cli_startup.py)."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = [
    "torch",
    "MDAnalysis",
    "mdtraj",
    "openmm",
    "numpy",
    "scipy",
    "sklearn",
    "deeptime",
    "matplotlib",
    "pydantic",
]
PROBE = """
import sys
from msb.cli.main import main
code = main({argv!r})
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "argv", [["--help"], ["--version"], ["backmap-traj", "--help"], ["demo", "--help"], []]
)
def test_help_loads_nothing_heavy(argv: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(argv=argv)], capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if argv else 1), done.stderr
    loaded = set(done.stderr.split())
    assert "msb.cli.main" in loaded
    assert not loaded & set(HEAVY)
