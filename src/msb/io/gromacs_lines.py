"""GROMACS' preprocessor: includes, conditions and macros resolved, every line with its place."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from msb.errors import FileFormatError, MsbWarning

__all__ = ["Line", "preprocess"]

_RESTRAINTS = re.compile(r"posres?.*", re.IGNORECASE)
_MACRO_DEPTH, _INCLUDE_DEPTH = 20, 100


@dataclass(frozen=True)
class Line:
    """A line that says something.

    Attributes
    ----------
    path : Path
        Its file.
    number : int
        Its line number, counted from 1.
    text : str
        Without comment, macros replaced.
    """

    path: Path
    number: int
    text: str

    def error(self, message: str) -> FileFormatError:
        """Return an error at this place, to be raised.

        Parameters
        ----------
        message : str
            What is wrong and what to do.

        Returns
        -------
        FileFormatError
        """
        return FileFormatError(self.path, message, self.number)


def preprocess(
    path: str | Path,
    include_dirs: Sequence[str | Path] = (),
    defines: Sequence[str] | Mapping[str, str] = (),
    leave_out: Sequence[str] = (),
) -> tuple[list[Line], tuple[str, ...]]:
    """Read a topology as GROMACS' preprocessor does.

    Includes are looked for beside the file that names them, then in `include_dirs`, in ``$GMXLIB`` and in the
    folders of an installed GROMACS. A missing one is an error, except position restraints (``posre*``), which
    are left out with a warning, and what `leave_out` names. A macro that nobody defined stays the word it is.

    Parameters
    ----------
    path : str or Path
        The first file.
    include_dirs : sequence of path
        Further folders with includes.
    defines : sequence of str, or mapping
        Macros that are set: "FLEXIBLE", "NAME=value".
    leave_out : sequence of str
        Names (patterns as in a shell) of missing includes to do without; ``["*"]`` for all.

    Returns
    -------
    lines : list of Line
    left_out : tuple of str
        The includes that were left out.

    Raises
    ------
    FileFormatError
        A file is missing or cannot be read, or a directive makes no sense; file and line are named.
    """
    pairs = defines.items() if isinstance(defines, Mapping) else (d.partition("=")[::2] for d in defines)
    folders = [*map(Path, include_dirs), *_installed()]
    reader = _Reader(folders, tuple(leave_out), {name: value.split() for name, value in pairs})
    lines = list(reader.read(Path(path)))
    if reader.left_out:
        names = ", ".join(dict.fromkeys(reader.left_out))
        warnings.warn(f"{path}: missing includes left out: {names}", MsbWarning, stacklevel=3)
    return lines, tuple(dict.fromkeys(reader.left_out))


def _installed() -> list[Path]:
    """Return the folders in which an installed GROMACS keeps its force fields."""
    named = [Path(folder) for folder in os.environ.get("GMXLIB", "").split(os.pathsep) if folder]
    if "GMXDATA" in os.environ:
        named.append(Path(os.environ["GMXDATA"]) / "top")
    return [*named, Path("/usr/share/gromacs/top"), Path("/usr/local/gromacs/share/gromacs/top")]


@dataclass
class _Reader:
    folders: list[Path]
    leave_out: tuple[str, ...]
    macros: dict[str, list[str]]
    left_out: list[str] = field(default_factory=list)
    conditions: list[bool] = field(default_factory=list)
    depth: int = 0

    def read(self, path: Path) -> Iterator[Line]:
        """Yield the lines of a file and of what it includes."""
        opened = len(self.conditions)
        self.depth += 1
        for line in _logical_lines(path):
            if line.text.startswith("#"):
                yield from self.directive(line, opened)
            elif all(self.conditions):
                yield Line(line.path, line.number, self.expanded(line))
        self.depth -= 1
        if len(self.conditions) > opened:
            raise FileFormatError(path, "an #ifdef is never closed; add #endif")

    def directive(self, line: Line, opened: int) -> Iterator[Line]:
        word, *rest = line.text[1:].split() or [""]
        if word in ("ifdef", "ifndef"):
            self.conditions.append((_first(line, rest) in self.macros) is (word == "ifdef"))
        elif word in ("else", "endif"):
            if len(self.conditions) <= opened:
                raise line.error(f"#{word} without #ifdef")
            state = self.conditions.pop()
            if word == "else":
                self.conditions.append(not state)
        elif not all(self.conditions):
            return
        elif word == "define":
            self.macros[_first(line, rest)] = rest[1:]
        elif word == "undef":
            self.macros.pop(_first(line, rest), None)
        elif word == "include":
            yield from self.include(line, " ".join(rest).strip("\"'<> "))
        else:
            raise line.error(f"#{word} is no directive that GROMACS topologies know")

    def include(self, line: Line, name: str) -> Iterator[Line]:
        if self.depth > _INCLUDE_DEPTH:
            raise line.error(f"{name} is included from itself over and over")
        found = next((d / name for d in (line.path.parent, *self.folders) if (d / name).is_file()), None)
        if found is not None:
            yield from self.read(found)
        elif _RESTRAINTS.match(Path(name).name) or any(
            fnmatch(name, pattern) or fnmatch(Path(name).name, pattern) for pattern in self.leave_out
        ):
            self.left_out.append(name)
        else:
            raise line.error(
                f"the included file {name!r} is missing; give the folder it is in as include folder, "
                "or name it to be left out"
            )

    def expanded(self, line: Line) -> str:
        """Replace macros until none is left."""
        words = line.text.split()
        for _ in range(_MACRO_DEPTH):
            if not any(word in self.macros for word in words):
                return " ".join(words)
            words = [new for word in words for new in self.macros.get(word, [word])]
        raise line.error("a macro is defined by itself")


def _first(line: Line, words: list[str]) -> str:
    if not words:
        raise line.error("this directive needs a name")
    return words[0]


def _logical_lines(path: Path) -> Iterator[Line]:
    """Yield lines without comments, continued ones joined, empty ones dropped."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FileFormatError(path, f"cannot be read ({error.strerror})") from error
    kept, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        start = start or number
        if raw.rstrip().endswith("\\"):
            kept += raw.rstrip()[:-1] + " "
            continue
        whole = (kept + raw).split(";", 1)[0].strip()
        if whole:
            yield Line(path, start, whole)
        kept, start = "", 0
    if kept.split(";", 1)[0].strip():
        yield Line(path, start, kept.split(";", 1)[0].strip())
