"""A trained model as a folder: numbers in safetensors, everything else in one JSON, a card for people.

    model.json           format version, method, config, mapping, topology, force fields, hashes, metrics
    model.safetensors    the network's tensors
    NAME.safetensors     arrays that are not weights (a library of structures, ...), one file a name
    card.md              what the model is, was trained on, and is good for

Nothing in it is executable (no pickle). Each safetensors file's SHA-256 is in `model.json`.
"""

from __future__ import annotations

import difflib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from msb.errors import BundleError
from msb.io.atomic import atomic_folder, file_sha256

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FORMAT_VERSION", "Bundle", "find_bundle", "read_bundle", "shipped_models", "write_bundle"]

FORMAT_VERSION = 1
_FORMAT = "msb-model"
_WEIGHTS, _DESCRIPTION, _CARD = "model.safetensors", "model.json", "card.md"
_DEFAULT_ARRAYS = "arrays"
_PROGRAMS = ("msb-suite", "torch", "numpy", "openmm", "MDAnalysis", "deeptime", "scikit-learn")
_KEYS = (
    *("method", "config", "mapping", "topology", "force_field_xml"),
    *("metrics", "data_hashes", "versions", "extra"),
)


@dataclass(frozen=True)
class Bundle:
    """A model as read from its folder; tensors and arrays are loaded when first asked for.

    Attributes
    ----------
    folder : Path
        Where it is.
    method : str
        Name of the backmapping method that can load it.
    config : dict
        The method's configuration.
    mapping, topology : dict
        As `Mapping` and `Topology` make them with `to_dict`.
    force_field_xml : dict of str
        OpenMM's XML of the System, one a molecule template.
    metrics : dict
        Figures of the training and its validation.
    data_hashes : dict of str
        SHA-256 of each file it was trained on.
    versions : dict of str
        Programs it was made with.
    extra : dict
        Whatever else the method needs to build itself anew.
    card : str
        Markdown for people.
    format_version : int
        Of the folder.
    files : dict of str
        SHA-256 of each safetensors file.
    """

    folder: Path
    method: str
    config: dict[str, Any]
    mapping: dict[str, Any]
    topology: dict[str, Any]
    force_field_xml: dict[str, str]
    metrics: dict[str, Any]
    data_hashes: dict[str, str]
    versions: dict[str, str]
    extra: dict[str, Any]
    card: str
    format_version: int = FORMAT_VERSION
    files: dict[str, str] = field(default_factory=dict)

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The network's tensors, on the CPU."""
        from safetensors.torch import load_file

        return load_file(self.folder / _WEIGHTS)

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays that are not weights, under the names that `write_bundle` was given."""
        from safetensors.numpy import load_file

        arrays: dict[str, NDArray[Any]] = {}
        for name in self.files:
            if name != _WEIGHTS:
                stem = name.removesuffix(".safetensors")
                prefix = "" if stem == _DEFAULT_ARRAYS else f"{stem}/"
                arrays |= {prefix + key: value for key, value in load_file(self.folder / name).items()}
        return arrays


def write_bundle(
    folder: str | Path,
    method: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    mapping: Mapping[str, Any],
    topology: Mapping[str, Any],
    force_field_xml: Mapping[str, str] | None = None,
    arrays: Mapping[str, NDArray[Any]] | None = None,
    metrics: Mapping[str, Any] | None = None,
    card: str = "",
    data_hashes: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model folder, whole or not at all.

    Parameters
    ----------
    folder : str or Path
        The folder to make; an older bundle of that name is replaced.
    method, config, mapping, topology, force_field_xml, metrics, card, data_hashes, extra
        See `Bundle`; they must be JSON-able.
    tensors : dict of Tensor
        The weights, of any dtype; tensors that share memory are stored apart.
    arrays : dict of ndarray
        Numeric arrays (float16 and int8 included); `library/positions` goes to `library.safetensors`, a name
        without a slash to `arrays.safetensors`.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    BundleError
        If the folder is there and is no bundle, or something in it cannot be stored.
    MsbError
        If the disk is full or the parent folder is missing.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / _DESCRIPTION).is_file() and any(folder.iterdir()):
        raise BundleError(f"{folder} is there and is not a model bundle; choose another name.")
    description: dict[str, Any] = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "method": method,
        "config": dict(config),
        "mapping": dict(mapping),
        "topology": dict(topology),
        "force_field_xml": dict(force_field_xml or {}),
        "metrics": dict(metrics or {}),
        "data_hashes": dict(data_hashes or {}),
        "versions": _versions(),
        "extra": dict(extra or {}),
    }
    with atomic_folder(folder) as temporary:
        _save_tensors(temporary / _WEIGHTS, tensors)
        _save_arrays(temporary, arrays or {})
        description["files"] = {
            file.name: file_sha256(file) for file in sorted(temporary.glob("*.safetensors"))
        }
        try:
            text = json.dumps(description, indent=1)
        except TypeError as error:
            raise BundleError(f"{folder}: its description cannot be written as JSON: {error}.") from error
        (temporary / _DESCRIPTION).write_text(text + "\n", encoding="utf-8")
        (temporary / _CARD).write_text(card, encoding="utf-8")
    return folder


def _save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save

    # Bytes first: what safetensors says of a full disk is no OSError, and would not become a sentence.
    path.write_bytes(save({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}))


def _save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    from safetensors.numpy import save

    files: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in arrays.items():
        stem, _, key = name.rpartition("/")
        stem = stem or _DEFAULT_ARRAYS
        if not key or "/" in stem or stem.startswith(".") or stem == "model":
            raise BundleError(f"{folder}: '{name}' cannot be an array's name; use NAME or FILE/NAME.")
        value = np.ascontiguousarray(array).reshape(np.shape(array))
        if value.dtype.kind not in "fiub":
            raise BundleError(f"{folder}: array '{name}' is of type {value.dtype}; only numbers are stored.")
        files.setdefault(stem, {})[key] = value
    for stem, content in files.items():
        (folder / f"{stem}.safetensors").write_bytes(save(content))


def _versions() -> dict[str, str]:
    """Return the versions of Python and of the installed programs that a model depends on."""
    versions = {"python": platform.python_version()}
    for program in _PROGRAMS:
        try:
            versions[program] = metadata.version(program)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _shipped_folder() -> Path:
    return Path(str(resources.files("msb"))) / "models"


def shipped_models() -> list[str]:
    """Return the names of the models that come with the package."""
    folder = _shipped_folder()
    return sorted(path.parent.name for path in folder.glob(f"*/{_DESCRIPTION}"))


def find_bundle(folder_or_name: str | Path) -> Path:
    """Return the folder of a model given by path or by the name of a shipped one.

    Raises
    ------
    BundleError
        If there is neither, with the nearest name.
    """
    path = Path(folder_or_name)
    if path.is_dir():
        return path
    if path.exists():
        raise BundleError(f"{path} is a file; a model is the folder that holds {_DESCRIPTION}.")
    names, name = shipped_models(), str(folder_or_name)
    if name in names:
        return _shipped_folder() / name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"shipped models: {', '.join(names) or 'none'}."
    raise BundleError(f"there is no folder and no shipped model '{name}'; {hint}")


def read_bundle(folder_or_name: str | Path) -> Bundle:
    """Read a model folder, or the shipped model of that name, and check that it is whole.

    Raises
    ------
    BundleError
        If it is missing, is no model bundle, was made by a newer format, lacks a file, or a file's SHA-256 is
        not the recorded one.
    """
    folder = find_bundle(folder_or_name)
    description = _read_description(folder)
    files = description.get("files")
    if not isinstance(files, dict) or _WEIGHTS not in files:
        raise BundleError(f"{folder}/{_DESCRIPTION} does not list {_WEIGHTS}; write or copy the model again.")
    missing = [name for name in (*files, _CARD) if not (folder / Path(name).name).is_file()]
    if missing:
        raise BundleError(f"{folder} is not whole: {', '.join(missing)} is missing; copy the model again.")
    for name, expected in files.items():
        if file_sha256(folder / Path(name).name) != expected:
            raise BundleError(
                f"{folder}/{name} is not the file the model was written with (its SHA-256 is not the one in "
                f"{_DESCRIPTION}); copy the model again."
            )
    return Bundle(
        folder=folder,
        card=(folder / _CARD).read_text(encoding="utf-8"),
        format_version=description["format_version"],
        files={Path(name).name: value for name, value in files.items()},
        **{key: description[key] for key in _KEYS},
    )


def _read_description(folder: Path) -> dict[str, Any]:
    """Read and check `model.json`."""
    path = folder / _DESCRIPTION
    if not path.is_file():
        raise BundleError(f"{folder} is not a model bundle: it has no {_DESCRIPTION}.")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(f"{path} is damaged: it is not JSON ({error}); copy the model again.") from error
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        raise BundleError(
            f'{folder} is not a model bundle of msb: {path} does not say "format": "{_FORMAT}".'
        )
    version = description.get("format_version")
    if not isinstance(version, int):
        raise BundleError(f"{path} is damaged: it has no format version; copy the model again.")
    if version > FORMAT_VERSION:
        made = description.get("versions", {}).get("msb-suite", "a newer one")
        raise BundleError(
            f"{folder} is in bundle format {version}, made by msb {made}; this msb reads up to format "
            f"{FORMAT_VERSION}: update msb."
        )
    missing = [key for key in _KEYS if key not in description]
    if missing:
        raise BundleError(f"{path} is damaged: it lacks {', '.join(missing)}; copy the model again.")
    return description
