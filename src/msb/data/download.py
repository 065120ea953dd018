"""Verified downloads into the user's cache."""

from __future__ import annotations

from pathlib import Path

from msb.errors import MsbError

__all__ = ["cache_folder", "download"]


def cache_folder() -> Path:
    """Return the folder downloads go to: the operating system's place for caches."""
    import pooch

    return Path(pooch.os_cache("msb"))


def download(name: str, url: str, sha256: str) -> Path:
    """Download one file to the cache, unless it is there; it is kept only if its checksum is right.

    Parameters
    ----------
    name : str
        `folder/file` below the cache folder.
    url : str
        Where it is published.
    sha256 : str
        64 hexadecimal digits.

    Raises
    ------
    MsbError
        If it cannot be downloaded or stored, or has the wrong checksum.
    """
    import pooch
    import requests

    target = cache_folder() / name
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        pooch.retrieve(url, f"sha256:{sha256}", fname=target.name, path=target.parent)
    except ValueError as error:
        raise MsbError(
            f"'{name}' as downloaded from {url} has the wrong checksum, so it was not kept; the origin has "
            "changed or the transfer was disturbed: try again."
        ) from error
    except requests.RequestException as error:
        raise MsbError(
            f"'{name}' could not be downloaded from {url} ({type(error).__name__}); check the network, or "
            "point MSB_DATA at a folder that has it."
        ) from error
    except OSError as error:
        raise MsbError(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        logger.setLevel(level)
    return target
