"""Files of at most 400 lines, functions of at most 60: past that there are two things in them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from repository import ROOT, SOURCE, modules, tracked_files, tree

FILE_LINES, FUNCTION_LINES, FILE_BYTES = 400, 60, 5 * 2**20


@pytest.mark.parametrize("name", modules())
def test_source_budget(name: str) -> None:
    path = modules()[name]
    lines = path.read_text(encoding="utf-8").count("\n")
    long = [
        f"{node.name} (line {node.lineno}) has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]
    assert lines <= FILE_LINES, f"{path.relative_to(ROOT)} has {lines} lines, {FILE_LINES} at most"
    assert not long, f"{path.relative_to(ROOT)}: {'; '.join(long)}; {FUNCTION_LINES} at most"


def test_other_sources_budget() -> None:
    """Tests, studies, benchmarks, templates and scripts keep to the file budget too."""
    suffixes = {".py", ".j2", ".js", ".css"}
    files = [
        p for p in tracked_files() if p.suffix in suffixes and not (p.suffix == ".py" and SOURCE in p.parents)
    ]
    assert files
    long = {str(p.relative_to(ROOT)): n for p in files if (n := _lines(p)) > FILE_LINES}
    assert not long


def test_no_large_file_is_tracked() -> None:
    large = {
        str(p.relative_to(ROOT)): p.stat().st_size for p in tracked_files() if p.stat().st_size > FILE_BYTES
    }
    assert not large


def _lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")
