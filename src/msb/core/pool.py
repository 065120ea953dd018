"""Things made side by side by worker processes, in order, the same for any number of them."""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

from msb.errors import MsbError, MsbWarning

__all__ = ["Maker", "cores", "in_order", "one_thread"]

Task = TypeVar("Task", contravariant=True)
Made = TypeVar("Made", covariant=True)

_AHEAD = 2  # things that a worker may be ahead of the one that is waited for
_PROBES = 2  # things made before it is decided whether workers are worth their start
_WORTHWHILE = 20.0  # s
_THREADS = "OPENMM_CPU_THREADS"

_Answer = tuple[Any, str, tuple[str, ...]]


class Maker(Protocol[Task, Made]):
    """Makes a thing of each task, the same whatever it made before; it can be pickled."""

    def make(self, task: Task) -> Made:
        """Make one."""
        ...


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    maker: Maker[Task, Made], tasks: Iterable[Task], n_tasks: int, workers: int | None = None
) -> Iterator[Made]:
    """Make things and give them out in the order of their tasks.

    Parameters
    ----------
    maker : Maker
    tasks : iterable
        Taken as workers become free.
    n_tasks : int
    workers : int, optional
        Processes, each on one thread; 1 makes everything here. By default one a core, where what is left
        after two takes longer than starting them.

    Yields
    ------
    Made

    Raises
    ------
    MsbError
        What a worker raised, or a worker died.
    """
    todo = iter(tasks)
    if workers is None and n_tasks > _PROBES:
        seconds = 0.0
        for task in islice(todo, _PROBES):
            began = time.perf_counter()
            with one_thread():
                made = maker.make(task)
            seconds = time.perf_counter() - began
            yield made
        n_tasks -= _PROBES
        workers = min(cores(), n_tasks) if seconds * n_tasks > _WORTHWHILE else 1
    if workers is None or workers == 1:
        for task in todo:
            with one_thread():
                made = maker.make(task)
            yield made
        return
    yield from _side_by_side(maker, todo, max(1, min(workers, n_tasks)))


def _side_by_side(maker: Maker[Task, Made], tasks: Iterator[Task], workers: int) -> Iterator[Made]:
    context = get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(maker,))
    waiting: deque[Future[_Answer]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(_make, task))
            if len(waiting) > workers * _AHEAD:
                yield _taken(waiting.popleft().result())
        while waiting:
            yield _taken(waiting.popleft().result())
    except BrokenProcessPool as error:
        raise MsbError(
            "a worker process died, most likely for want of memory: fewer --workers need less; "
            "what was written is kept for --resume"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and OpenMM use one thread for a while: sums over several depend on their number."""
    import torch

    threads, before = torch.get_num_threads(), os.environ.get(_THREADS)
    torch.set_num_threads(1)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


_MAKER: Maker[Any, Any] | None = None


def _begin(maker: Maker[Any, Any]) -> None:
    """Take what makes things; runs once in each worker."""
    import torch

    global _MAKER
    torch.set_num_threads(1)
    os.environ[_THREADS] = "1"
    _MAKER = maker


def _make(task: Any) -> _Answer:
    """Make a thing in a worker; mistakes of the input come back as sentences, with the warnings."""
    if _MAKER is None:
        raise RuntimeError("the worker was not begun")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            made, error = _MAKER.make(task), ""
        except MsbError as failure:
            made, error = None, str(failure) or type(failure).__name__
    texts = dict.fromkeys(str(w.message) for w in said if issubclass(w.category, MsbWarning))
    return made, error, tuple(texts)


def _taken(answer: _Answer) -> Any:
    made, error, said = answer
    for text in said:
        warnings.warn(text, MsbWarning, stacklevel=3)
    if made is None:
        raise MsbError(error)
    return made
