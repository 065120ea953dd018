"""From a configuration file to a model bundle, whatever the method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msb.backmapper import check_device, method_named, resolve
from msb.errors import ConfigError
from msb.io.configuration import StrictModel, apply_overrides, read_yaml
from msb.train.loop import Progress

__all__ = ["TrainingResult", "load_config", "train_model"]


@dataclass(frozen=True)
class TrainingResult:
    """Where the bundle is and how good it was on the selection split."""

    bundle: Path
    method: str
    metrics: dict[str, float]


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> StrictModel:
    """Read a configuration strictly, by the configuration class of the method it names.

    Parameters
    ----------
    path : path
        A YAML file with `method:` and that method's keys.
    overrides : sequence of str
        `section.key=value` settings that replace the file's.

    Raises
    ------
    ConfigError
        The file is missing or not YAML, names no known method, or has an unknown key or a value out of range.
    """
    data = apply_overrides(read_yaml(path), overrides)
    method = data.get("method")
    if not isinstance(method, str):
        raise ConfigError(
            f"{path}: the key `method` is missing; say which method to train, as in `method: temporal`"
        )
    try:
        config: type[StrictModel] = resolve(method_named(method).config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return config.parse(data, path)


def train_model(
    path: str | Path,
    folder: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    device: str = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train the model that a configuration describes and write its bundle.

    Parameters
    ----------
    path : path
        Configuration; the paths in it are relative to its folder.
    folder : path, optional
        Holds the log, the checkpoint and, at the end, `model/`; by default `runs/<configuration>`.
    overrides : sequence of str
        `section.key=value` settings.
    resume : bool
        Go on from the folder's checkpoint.
    device : str
        `auto`, `cpu`, `cuda`, …
    progress : callable, optional
        Told after every step.

    Raises
    ------
    ConfigError
        See :func:`load_config`.
    DeviceError
        The device is not there.
    """
    path = Path(path)
    config: Any = load_config(path, overrides)
    where = check_device(device)
    folder = Path("runs") / path.stem if folder is None else Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    train = resolve(method_named(config.method).train)
    model = train(config, path.parent, folder, resume=resume, device=where, progress=progress)
    bundle = folder / "model"
    model.save(bundle)
    return TrainingResult(bundle, config.method, dict(getattr(model, "metrics", {})))
