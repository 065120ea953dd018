"""Files of at most 400 lines, functions of at most 60 without their docstring."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from repository import ROOT, SOURCE, modules, tracked_files, tree

FILE_LINES, FUNCTION_LINES, FILE_BYTES = 400, 60, 5 * 2**20


def test_docstrings_do_not_count() -> None:
    source = 'def f():\n    """One.\n\n    Two.\n    """\n    return 1\n'
    assert length(ast.parse(source).body[0]) == 2


@pytest.mark.parametrize("name", modules())
def test_source_budget(name: str) -> None:
    path = modules()[name]
    lines = path.read_text(encoding="utf-8").count("\n")
    long = [
        f"{node.name} (line {node.lineno}) has {length(node)} lines"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > FUNCTION_LINES
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


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, its docstring not counted: that one is as long as shapes and units need."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        lines -= function.body[0].end_lineno - function.body[0].lineno + 1
    return lines


def _lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")
