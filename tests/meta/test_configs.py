"""Every configuration loads strictly, stands in the folder of its method, and names data we know."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from msb.backmapper import METHODS, resolve
from msb.data import entry_names, list_samples
from msb.errors import ConfigError
from msb.jobs.train_model import load_config

from repository import ROOT

CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
SHIPPED_METHODS = sorted(METHODS)  # as the package registers them, before any test adds one


def identity(path: Path) -> str:
    return str(path.relative_to(ROOT / "configs"))


def named_files(data: object) -> list[str]:
    """Every file that a `data` section names."""
    keys = ("structure", "trajectory", "mapping", "topology", "snapshots", "validation")
    given = [getattr(data, key, ()) for key in keys]
    return [name for value in given for name in ([value] if isinstance(value, str) else value)]


def test_there_are_configurations() -> None:
    assert CONFIGS
    assert {path.parent.name for path in CONFIGS} <= set(SHIPPED_METHODS)


@pytest.mark.parametrize("path", CONFIGS, ids=identity)
def test_it_loads_strictly(path: Path) -> None:
    config = load_config(path)
    assert config.method == path.parent.name
    known = {*entry_names(), *list_samples()}
    for name in named_files(config.data):
        there = any(Path(entry).match(name) for entry in known) or list(path.parent.glob(name))
        assert there, f"{path}: there is no {name}"


@pytest.mark.parametrize("path", CONFIGS, ids=identity)
def test_one_wrong_key_is_refused(path: Path, tmp_path: Path) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    data["data"]["temperatur"] = 300
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match=r"unknown key `data\.temperatur`; did you mean `temperature`\?"):
        load_config(tmp_path / "wrong.yaml")


@pytest.mark.parametrize("name", SHIPPED_METHODS)
def test_every_registered_method_is_there_whole(name: str) -> None:
    method = METHODS[name]
    assert resolve(method.model).method == name
    assert resolve(method.config).model_fields["method"].default == name
    assert callable(resolve(method.train))
    assert (ROOT / "configs" / name).is_dir(), f"give the method {name} a configuration in configs/{name}"


@pytest.mark.parametrize("name", SHIPPED_METHODS)
def test_every_registered_method_has_a_page(name: str) -> None:
    assert (ROOT / "docs" / "methods" / f"{name}.md").is_file()
    assert f"{name}.md" in (ROOT / "docs" / "methods" / "index.md").read_text(encoding="utf-8")
