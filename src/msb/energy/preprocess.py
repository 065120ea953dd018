"""GROMACS topologies as one text: includes pulled in, conditions decided, missing includes named."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from msb.errors import FileFormatError, MsbWarning

__all__ = ["flatten_topology", "gromacs_folder"]

_RESTRAINTS = re.compile(r"posre.*", re.IGNORECASE)


def gromacs_folder() -> Path | None:
    """Folder with the force fields of an installed GROMACS.

    Returns
    -------
    Path or None
        From ``$GMXDATA``, beside the ``gmx`` program, or ``/usr/share/gromacs/top``; None if there is none.
    """
    program = shutil.which("gmx")
    candidates = [
        Path(os.environ["GMXDATA"]) / "top" if "GMXDATA" in os.environ else None,
        Path(program).resolve().parent.parent / "share/gromacs/top" if program else None,
        Path("/usr/share/gromacs/top"),
        Path("/usr/local/gromacs/share/gromacs/top"),
    ]
    return next((path for path in candidates if path is not None and path.is_dir()), None)


def flatten_topology(
    path: str | Path,
    include_dirs: Sequence[str | Path] = (),
    defines: Mapping[str, str] | None = None,
    leave_out: Collection[str] = (),
) -> str:
    """Text of a topology with its includes in place and only the lines that count.

    Macros stay macros (``#define`` lines are kept); comments are dropped.  A missing include whose name
    begins with ``posre`` (position restraints, which carry no energy of the molecules) is left out with a
    warning, any other missing one must be named in `leave_out`.

    Parameters
    ----------
    path : str or Path
        A ``.top`` file.
    include_dirs : sequence of str or Path
        Where includes are looked for, after the folder of the file that includes.
    defines : mapping of str to str, optional
        Macros defined beforehand, like ``{"FLEXIBLE": "1"}``.
    leave_out : collection of str
        File names of missing includes to leave out.

    Returns
    -------
    str

    Raises
    ------
    FileFormatError
        If a file is missing, includes itself, or its conditions do not match up.
    """
    reader = _Reader([Path(folder) for folder in include_dirs], dict(defines or {}), set(leave_out))
    lines = list(reader.lines(Path(path)))
    if reader.left_out:
        names = ", ".join(sorted(reader.left_out))
        warnings.warn(f"{path}: missing include left out: {names}", MsbWarning, stacklevel=3)
    return "\n".join(lines) + "\n"


class _Reader:
    """State of one pass: macros, open conditions, open files."""

    def __init__(self, folders: list[Path], defines: dict[str, str], leave_out: set[str]) -> None:
        self.folders, self.defines, self.leave_out = folders, defines, leave_out
        self.conditions: list[bool] = []
        self.open: list[Path] = []
        self.left_out: set[str] = set()

    def lines(self, path: Path) -> Iterator[str]:
        """Lines of a file that count, those of its includes among them."""
        if path.resolve() in self.open:
            raise FileFormatError(path, "this file includes itself")
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(path, f"cannot be read: {error}") from error
        self.open.append(path.resolve())
        depth = len(self.conditions)
        for number, line in enumerate(text.replace("\\\n", "  ").splitlines(), 1):
            stripped = line.partition(";")[0].strip()
            if stripped.startswith("#"):
                yield from self._directive(stripped, path, number)
            elif stripped and all(self.conditions):
                yield stripped
        if len(self.conditions) != depth:
            raise FileFormatError(path, "an #ifdef or #ifndef has no #endif")
        self.open.pop()

    def _directive(self, line: str, path: Path, number: int) -> Iterator[str]:
        """Obey one line that begins with #."""
        command, _, rest = line[1:].strip().partition(" ")
        rest = rest.strip()
        if command in ("ifdef", "ifndef"):
            self.conditions.append((rest.split(" ")[0] in self.defines) == (command == "ifdef"))
        elif command in ("else", "endif"):
            if not self.conditions:
                raise FileFormatError(path, f"#{command} without #ifdef or #ifndef", number)
            last = self.conditions.pop()
            if command == "else":
                self.conditions.append(not last)
        elif not all(self.conditions):
            return
        elif command == "include":
            yield from self._include(rest.strip('"<> \t'), path, number)
        elif command == "define":
            name, _, value = rest.partition(" ")
            self.defines[name] = value.strip() or "1"
            yield line
        elif command == "undef":
            self.defines.pop(rest, None)
            yield line
        else:
            raise FileFormatError(path, f"#{command} is not known here", number)

    def _include(self, name: str, path: Path, number: int) -> Iterator[str]:
        """Lines of an included file."""
        found = next((f / name for f in [path.parent, *self.folders] if (f / name).is_file()), None)
        if found is not None:
            yield from self.lines(found)
        elif _RESTRAINTS.fullmatch(Path(name).name) or name in self.leave_out:
            self.left_out.add(name)
        else:
            raise FileFormatError(
                path,
                f'the file "{name}" that it includes is neither here nor in the include folders '
                f"({', '.join(map(str, self.folders)) or 'none given'}); give its folder, "
                "install GROMACS' force fields, or name it as one to leave out",
                number,
            )
