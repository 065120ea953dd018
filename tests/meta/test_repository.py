"""What the repository holds: the top level as agreed, no path of one machine, no address of a registry."""

from __future__ import annotations

import re

from repository import ROOT, tracked_files

TOP_LEVEL = {
    *("pyproject.toml", "src", "tests", "configs", "studies", "docs", "benchmarks", "README.md", "Makefile"),
    *("constraints.txt", "LICENSE", "CITATION.cff", "CHANGELOG.md", "CONTRIBUTING.md"),
}
# Spelt in pieces, so that this file does not find itself.
REGISTRIES = ["pypi" + ".org", "python" + "hosted", "conda" + ".anaconda", "npm" + "js", "deb" + ".debian"]
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|farm|root|home)/\w")
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    ".json",
    ".cff",
    ".j2",
    ".js",
    ".css",
    ".sh",
    ".cfg",
    "",
}


def texts() -> list[tuple[str, str]]:
    """Name and content of every tracked text file."""
    files = [path for path in tracked_files() if path.suffix in TEXT]
    assert files
    return [(str(p.relative_to(ROOT)), p.read_text(encoding="utf-8", errors="replace")) for p in files]


def test_top_level() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in tracked_files()}
    extra = {name for name in found - TOP_LEVEL if not name.startswith(".")}
    assert not extra, f"these do not belong at the top of the repository: {sorted(extra)}"


def test_no_address_of_a_package_registry() -> None:
    wrong = [(name, host) for name, text in texts() for host in REGISTRIES if host in text]
    assert not wrong


def test_no_path_of_one_machine() -> None:
    wrong = [(name, match.group()) for name, text in texts() if (match := MACHINE_PATHS.search(text))]
    assert not wrong


def test_continuous_integration_runs_the_documented_commands() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in ("make install", "make lint", "make test", "make docs"):
        assert command in script
