"""Strict configurations: an unknown key or a value out of range is one sentence with a suggestion."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from msb.errors import ConfigError

__all__ = ["StrictModel", "apply_overrides", "read_yaml"]


class StrictModel(BaseModel):
    """A section of a configuration; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def parse(cls, data: dict[str, Any], source: str | Path = "configuration") -> Self:
        """Validate a mapping.

        Raises
        ------
        ConfigError
            Naming every offending key, what is allowed, and the nearest known key.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            lines = "; ".join(_sentence(cls, item) for item in error.errors())
            raise ConfigError(f"{source}: {lines}") from None


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises
    ------
    ConfigError
        If the file is missing, not YAML, or not a mapping.
    """
    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file; give the path of a .yaml file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path}: a configuration is a mapping of keys to values, such as `method: temporal`"
        )
    return data


def apply_overrides(data: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of a configuration with `section.key=value` settings applied; values are YAML."""
    import copy

    data = copy.deepcopy(data)
    for item in overrides:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ConfigError(f"`{item}`: write an override as section.key=value")
        *sections, last = key.split(".")
        place = data
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"`{item}`: `{section}` is a value, not a section")
        place[last] = yaml.safe_load(value)
    return data


def _sentence(model: type[BaseModel], item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = _keys(model, item["loc"][:-1])
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"unknown key `{where}`; {hint}"
    if item["type"] == "missing":
        return f"key `{where}` is missing"
    return f"`{where}`: {item['msg'][0].lower()}{item['msg'][1:]} (got {item['input']!r})"


def _keys(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """Field names of the section at a location; union tags in between are passed over."""
    current: list[type[BaseModel]] = [model]
    for part in location:
        following: list[type[BaseModel]] = []
        for section in current:
            field = section.model_fields.get(str(part))
            following += _models(field.annotation) if field is not None else []
        current = following or current
    return [name for section in current for name in section.model_fields]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models(part)]
