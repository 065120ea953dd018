"""What may go wrong, said in one sentence: what is wrong, where, and what to do."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "BundleError",
    "ConfigError",
    "DeviceError",
    "EnergyError",
    "FileFormatError",
    "MappingError",
    "MsbError",
    "MsbWarning",
    "TopologyError",
    "TrajectoryError",
]


class MsbError(Exception):
    """A mistake of the input, not of the program; the command line prints it as one sentence and exits 1."""


class MsbWarning(UserWarning):
    """Something was repaired or assumed; the result stands, and the user is told once, with a count."""


class TopologyError(MsbError):
    """A molecule's atoms, bonds or parameters do not fit together."""


class MappingError(MsbError):
    """Beads and atoms do not fit together."""


class TrajectoryError(MsbError):
    """A trajectory is empty, truncated, not finite, or has the wrong number of particles or frame spacing."""


class ConfigError(MsbError):
    """A configuration has an unknown key or a value out of range."""


class BundleError(MsbError):
    """A model bundle is missing, corrupt, foreign, or newer than this program."""


class EnergyError(MsbError):
    """A force of a system is unknown here, or an energy cannot be evaluated."""


class DeviceError(MsbError):
    """The asked-for compute device is not there."""


class FileFormatError(MsbError):
    """A file cannot be read; names the file and, where known, line and column.

    Parameters
    ----------
    path : str or Path
        The file.
    message : str
        What is wrong and what to do.
    line, column : int, optional
        Position in the file, counted from 1.
    """

    def __init__(
        self, path: str | Path, message: str, line: int | None = None, column: int | None = None
    ) -> None:
        place = str(path)
        if line is not None:
            place += f", line {line}"
        if column is not None:
            place += f", column {column}"
        super().__init__(f"{place}: {message}")
        self.path, self.line, self.column = Path(path), line, column
