"""The README's commands are run, in their order, in one empty folder."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from repository import ROOT

FENCE = re.compile(r"^```(?:bash|sh|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Words of each `msb …` line in the fenced shell blocks; a trailing backslash continues the line."""
    lines = [
        line.strip().removeprefix("$ ")
        for block in FENCE.findall(text.replace("\\\n", " "))
        for line in block.splitlines()
    ]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("msb ")]


def test_the_reader_finds_commands() -> None:
    text = "text\n```bash\nmake demo\n$ msb info adp # why\nmsb map a \\\n  b\n```\n```python\nmsb x\n```\n"
    assert commands(text) == [["msb", "info", "adp"], ["msb", "map", "a", "b"]]


def test_readme_commands_run(tmp_path: Path) -> None:
    found = commands((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found, "README.md shows no msb command in a fenced shell block"
    for words in found:
        done = subprocess.run(
            [sys.executable, "-m", "msb", *words[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"


def test_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
