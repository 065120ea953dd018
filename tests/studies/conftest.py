"""Studies are scripts beside each other, not a package: their modules are there for one test at a time."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

STUDIES = Path(__file__).resolve().parents[2] / "studies"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], ModuleType]]:
    """Import a module of a study by the study's and its own name."""
    before = set(sys.modules)

    def load(name: str, module: str) -> ModuleType:
        monkeypatch.syspath_prepend(STUDIES / name)
        return importlib.import_module(module)

    yield load
    for loaded in set(sys.modules) - before:
        if STUDIES in Path(getattr(sys.modules[loaded], "__file__", None) or "/").parents:
            del sys.modules[loaded]
