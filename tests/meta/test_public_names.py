"""Every module says what it offers, and offers it."""

from __future__ import annotations

import importlib
import inspect

import pytest

from repository import modules


@pytest.mark.parametrize("name", [name for name in modules() if not name.endswith("__main__")])
def test_all_resolves(name: str) -> None:
    module = importlib.import_module(name)
    names = getattr(module, "__all__", None)
    assert names is not None, f"{name} has no __all__"
    assert len(set(names)) == len(names), f"{name}.__all__ names something twice"
    missing = [entry for entry in names if not hasattr(module, entry)]
    assert not missing, f"{name}.__all__ names what is not there: {missing}"


@pytest.mark.parametrize("name", [name for name in modules() if not name.endswith("__main__")])
def test_public_names_are_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip(), f"{name} has no docstring"
    bare = [
        entry
        for entry in getattr(module, "__all__", ())
        if (inspect.isclass(item := getattr(module, entry)) or inspect.isroutine(item))
        and not (item.__doc__ or "").strip()
    ]
    assert not bare, f"{name}: no docstring on {bare}"
