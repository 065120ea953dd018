"""Small data that come with the package, for the demonstration, the examples and the tests."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path

from msb.errors import MsbError

__all__ = ["file_or_sample", "list_samples", "sample"]


def _folder() -> Path:
    return Path(str(resources.files("msb.data"))) / "samples"


def list_samples() -> list[str]:
    """Return the names of the bundled files."""
    folder = _folder()
    return sorted(file.name for file in folder.glob("*") if not file.name.startswith((".", "__")))


def sample(name: str) -> Path:
    """Return the path of a bundled file.

    Parameters
    ----------
    name : str
        As in `list_samples()`.

    Raises
    ------
    MsbError
        If there is none of that name.
    """
    names = list_samples()
    if name in names:
        return _folder() / name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names) or 'none'}."
    raise MsbError(f"there is no bundled sample '{name}'; {hint}")


def file_or_sample(name: str | Path) -> Path:
    """Return a file as named, or where there is none, the bundled one of that name."""
    path = Path(name)
    return sample(str(name)) if not path.exists() and str(name) in list_samples() else path
