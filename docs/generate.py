"""Pages written from the code: the options of every command, the keys of every configuration."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from msb.backmapper import METHODS, resolve
from msb.cli.main import build_parser


def write_pages(folder: Path) -> None:
    """Write `commands.md` and `configuration.md`; files that would not change are left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"commands.md": commands(), "configuration.md": configuration()}.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def commands() -> str:
    """Return the help of every command as one page."""
    os.environ["COLUMNS"] = "100"
    pages = [
        "# Commands\n",
        "Exit codes: 0 fine, 1 error (a wrong command line too), 2 quality below a threshold that was asked "
        "for, 130 interrupted. Results go to standard output, with `--json` as JSON; everything else goes to "
        "standard error.\n",
    ]
    for name, parser in subcommands(build_parser()).items():
        pages.append(f"## `msb {name}`\n\n```text\n{parser.format_help().strip()}\n```\n")
        for action, inner in subcommands(parser).items():
            pages.append(f"### `msb {name} {action}`\n\n```text\n{inner.format_help().strip()}\n```\n")
    return "\n".join(pages)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers below a parser, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def configuration() -> str:
    """Return the keys of every method's configuration as one page."""
    pages = [
        "# Configuration keys\n",
        "A configuration is a YAML file that `msb train` reads strictly: an unknown key is refused, with "
        "the nearest known one. The key `method` says which of the tables below applies.\n",
    ]
    for name in sorted(METHODS):
        pages.append(f"## `method: {name}`\n")
        pages += tables(resolve(METHODS[name].config), "")
    return "\n".join(pages)


def tables(model: type[BaseModel], prefix: str) -> list[str]:
    """Return a Markdown table of a section's keys, then those of the sections inside it."""
    rows, below = ["| key | default | meaning |", "|---|---|---|"], []
    for key, field in model.model_fields.items():
        sections = models_in(field.annotation)
        if sections:
            for section in sections:
                variant = (
                    f", `kind: {section.model_fields['kind'].default}`"
                    if "kind" in section.model_fields
                    else ""
                )
                doc = (section.__doc__ or "").strip().splitlines()[0]
                below.append(f"### `{prefix}{key}`{variant}\n\n{plain(doc)}\n")
                below += tables(section, f"{prefix}{key}.")
            continue
        default = "required" if field.default is PydanticUndefined else f"`{shown(field.default)}`"
        rows.append(f"| `{prefix}{key}` | {default} | {field.description or ''} |")
    return ["\n".join(rows) + "\n", *below]


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in models_in(part)]


def shown(value: Any) -> str:
    """Return a default as YAML would have it."""
    return str(list(value) if isinstance(value, tuple) else value).lower() if value is not None else "none"


def plain(text: str) -> str:
    """Return a docstring's line without reStructuredText roles."""
    return text.replace(":mod:", "").replace(":class:", "")
