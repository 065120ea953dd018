"""Studies are scripts beside each other, not a package: their modules are there for one test at a time."""

from __future__ import annotations

import importlib
import shutil
import subprocess
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


_PUBLISHED = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")
from entrants import PUBLISHED, Entrant
from frame_files import frames_of, work
from pathlib import Path
for name in PUBLISHED:
    for task in Entrant(name).tasks(Path(sys.argv[2]), Path(sys.argv[3]), "t568", frames_of("t568", 4)):
        work(task)
"""


@pytest.fixture(scope="session")
def published_frames(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Path], Path]:
    """Put four frames of MD and of the published model, as the studies keep them, into a folder of runs."""
    made = tmp_path_factory.mktemp("published")

    def give(data: Path, runs: Path) -> Path:
        if not (made / "t568").is_dir():
            words = [sys.executable, "-c", _PUBLISHED, str(STUDIES / "sps_common"), str(data), str(made)]
            subprocess.run(words, check=True, capture_output=True, text=True)
        shutil.copytree(made, runs, dirs_exist_ok=True)
        return runs

    return give
