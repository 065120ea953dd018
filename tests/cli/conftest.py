"""What the tests of the commands share: a model that loads, beads for it, and a way to call `msb`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from msb.backmapper import METHODS
from msb.cli.main import main
from msb.io import Frames, open_writer

from stub_backmapper import StubBackmapper, bead_frames, register_stub


@dataclass(frozen=True)
class Said:
    """What a command returned and printed."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("warning: ")]


@pytest.fixture
def msb(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Call `msb` in this process."""

    def call(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return call


@pytest.fixture
def refused(msb: Callable[..., Said]) -> Callable[..., str]:
    """Call `msb`, which must exit 1 with exactly one sentence and nothing on standard output; return it."""

    def call(*words: object) -> str:
        said = msb(*words)
        assert said.code == 1, said
        assert said.out == ""
        assert len(said.errors) == 1, said.err
        assert "Traceback" not in said.err
        return said.errors[0]

    return call


@pytest.fixture(scope="session", autouse=True)
def _stub_is_registered() -> Iterator[None]:
    register_stub()
    yield
    METHODS.pop("stub")


@pytest.fixture(scope="session")
def stub() -> StubBackmapper:
    return StubBackmapper.make()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, stub: StubBackmapper) -> Path:
    """Folder of a bundle that loads without a network."""
    folder = tmp_path_factory.mktemp("models") / "stub"
    stub.save(folder)
    return folder


@pytest.fixture
def beads(tmp_path: Path, stub: StubBackmapper) -> tuple[Path, Path]:
    """Structure and trajectory of 40 bead frames, 1 ps apart."""
    path = tmp_path / "cg.xtc"
    with open_writer(path, stub.mapping.bead_topology()) as writer:
        writer.write(Frames(bead_frames(40), None, np.arange(40.0)))
    return path.with_suffix(".pdb"), path
