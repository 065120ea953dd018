"""What the meta tests share: where the repository is, its modules, and the files git tracks."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "msb"


@lru_cache
def modules() -> dict[str, Path]:
    """Dotted name and file of every module of the package."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@lru_cache
def tree(path: Path) -> ast.Module:
    """Parsed source of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@lru_cache
def tracked_files() -> tuple[Path, ...]:
    """Files of the repository that git tracks or would (not ignored), without those already deleted."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return tuple(path for path in (ROOT / name for name in listed) if path.is_file())


def _loaded(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _loaded(child)


def imports_of(name: str, when_loaded: bool = False) -> set[str]:
    """Modules of this package that a module imports; `when_loaded` leaves out functions and type checking."""
    known, found = modules(), set()
    path = known[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _loaded(tree(path)) if when_loaded else ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in known else base)
    return {target for target in found if target in known and target != name}
