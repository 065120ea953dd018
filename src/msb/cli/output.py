"""What a command says: warnings once each, a progress bar for people, JSON for machines."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["collected_warnings", "progress_bar", "report", "say"]


def say(message: str) -> None:
    """Print a line on standard error, above a progress bar if there is one."""
    tqdm = sys.modules.get("tqdm")
    if tqdm is None:
        print(message, file=sys.stderr, flush=True)
    else:
        tqdm.tqdm.write(message, file=sys.stderr)


@contextmanager
def collected_warnings() -> Iterator[Counter[str]]:
    """Print each different warning once, as `warning: …`, and at the end how often the repeated ones came."""
    seen: Counter[str] = Counter()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = " ".join(str(message).split())
        seen[text] += 1
        if seen[text] == 1:
            say(f"warning: {text}")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for category in (
            DeprecationWarning,
            PendingDeprecationWarning,
            FutureWarning,
            ImportWarning,
            ResourceWarning,
        ):
            warnings.simplefilter("ignore", category)
        warnings.showwarning = show
        try:
            yield seen
        finally:
            for text, count in seen.items():
                if count > 1:
                    say(f"warning: {count} times: {text}")


@contextmanager
def progress_bar(unit: str = "frames", what: str = "") -> Iterator[Callable[[int, int], None]]:
    """Show how far a job is, its speed and the time left; silent where standard error is not a terminal.

    Parameters
    ----------
    unit : str
        What is counted.
    what : str
        Name of the job, before the bar.

    Yields
    ------
    Callable[[int, int], None]
        Call it with the units done since the last call, and the number of units in all.
    """
    from tqdm import tqdm

    with tqdm(unit=f" {unit}", desc=what, disable=None, file=sys.stderr, dynamic_ncols=True) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        yield advance


def report(result: Mapping[str, Any], lines: list[str], as_json: bool) -> None:
    """Print a command's result on standard output: JSON for machines, else the given lines."""
    if as_json:
        print(json.dumps(result, indent=1, sort_keys=True, default=str))
    else:
        print("\n".join(lines))
