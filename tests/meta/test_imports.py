"""Imports go down: no arrow up a floor, none sideways between packages of one floor, no cycle anywhere."""

from __future__ import annotations

import networkx
import pytest

from repository import imports_of, modules

FLOORS = {
    "errors": 0,
    "units": 0,
    "core": 1,
    "nn": 1,
    "io": 2,
    "energy": 2,
    "analysis": 3,
    "train": 3,
    "data": 3,
    "backmapper": 3,
    "frame_method": 3,
    "temporal": 4,
    "backmap": 4,
    "image": 4,
    "classical": 4,
    "morph": 5,
    "assess": 5,
    "quality": 4,
    "jobs": 5,
    "report": 5,
    "cli": 6,
    "__main__": 7,
}
SIDEWAYS = {
    ("nn", "core"),
    ("backmapper", "data"),
    ("frame_method", "data"),
    ("jobs", "assess"),
    ("report", "assess"),
    ("jobs", "morph"),
    ("report", "morph"),
}


def part(module: str) -> str:
    """Package or top-level module that a dotted name belongs to; empty for msb itself."""
    return module.partition(".")[2].partition(".")[0]


def allowed(importer: str, imported: str) -> bool:
    """Whether an arrow between two parts of the package goes down, or stays inside one of them."""
    if imported in ("", importer):
        return True  # msb/__init__ holds the version alone; see test_the_root_imports_nothing
    return FLOORS[imported] < FLOORS[importer] or (importer, imported) in SIDEWAYS


@pytest.mark.parametrize(
    ("importer", "imported", "expected"),
    [
        ("cli", "core", True),
        ("nn", "core", True),
        ("core", "nn", False),
        ("core", "io", False),
        ("temporal", "classical", False),
        ("temporal", "jobs", False),
        ("jobs", "temporal", True),
    ],
)
def test_the_rule_itself(importer: str, imported: str, expected: bool) -> None:
    assert allowed(importer, imported) is expected


def test_every_part_has_a_floor() -> None:
    unknown = {part(name) for name in modules()} - FLOORS.keys() - {""}
    assert not unknown, f"give these a floor in {__file__}, and in CONTRIBUTING.md: {sorted(unknown)}"


def test_imports_go_down() -> None:
    wrong = [
        f"{name} imports {target}"
        for name in modules()
        if part(name)
        for target in sorted(imports_of(name))
        if not allowed(part(name), part(target))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_root_imports_nothing() -> None:
    assert imports_of("msb") == set()


def test_no_cycle_between_packages_even_through_lazy_imports() -> None:
    graph = networkx.DiGraph(
        [(part(name), part(target)) for name in modules() for target in imports_of(name)]
    )
    graph.remove_nodes_from([""])
    graph.remove_edges_from(list(networkx.selfloop_edges(graph)))
    assert networkx.is_directed_acyclic_graph(graph)


def test_no_cycle_between_modules_when_they_are_loaded() -> None:
    graph = networkx.DiGraph(
        [(name, target) for name in modules() for target in imports_of(name, when_loaded=True)]
    )
    cycles = [sorted(group) for group in networkx.strongly_connected_components(graph) if len(group) > 1]
    assert not cycles
