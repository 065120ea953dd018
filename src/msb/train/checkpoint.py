"""Checkpoints and logs of a training run, written so that a kill at any moment loses at most minutes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from msb.errors import ConfigError
from msb.io.atomic import atomic_write_bytes, atomic_write_text

__all__ = ["load_checkpoint", "save_checkpoint", "save_parts", "truncate_log", "write_log"]


def save_checkpoint(
    path: Path,
    module: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    state: dict[str, Any],
    fingerprint: str,
) -> None:
    """Write everything that a run needs to go on, atomically.

    Raises
    ------
    MsbError
        If it cannot be written; the checkpoint before it stays.
    """
    parts = {
        "module": module.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "state": dict(state),
    }
    save_parts(path, parts, fingerprint)


def save_parts(path: Path, parts: dict[str, Any], fingerprint: str) -> None:
    """Write tensors and plain values under names, atomically; `load_checkpoint` reads them.

    Raises
    ------
    MsbError
        If it cannot be written; the checkpoint before it stays.
    """
    content = io.BytesIO()  # what torch says of a full disk is no OSError: only whole bytes go to the file
    torch.save({"fingerprint": fingerprint, **parts}, content)
    atomic_write_bytes(path, content.getvalue())


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any]:
    """Read a checkpoint (tensors and plain values only, nothing is executed).

    Raises
    ------
    ConfigError
        If it is damaged or belongs to another configuration.
    """
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ConfigError(
            f"{path}: the checkpoint cannot be read ({error}); train without --resume"
        ) from None
    if saved.get("fingerprint") != fingerprint:
        raise ConfigError(
            f"{path}: the checkpoint belongs to another configuration or other data; "
            "train without --resume, or restore the configuration that it was started with"
        )
    return saved


def write_log(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def truncate_log(path: Path, step: int) -> None:
    """Drop the lines after a step: those that a resumed run will write again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (json.JSONDecodeError, KeyError):
            continue  # a line cut short by a kill
    atomic_write_text(path, "".join(line + "\n" for line in kept))
