"""Work on the parts of large files, alone, in threads or in processes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from methods.common.metrics.detection.json_columns import FilePart

ContextT = TypeVar("ContextT")
ResultT = TypeVar("ResultT")

_WORTH_WORKERS = 8 * 2**20
"""Bytes below which starting workers takes longer than what they save."""


class Workers:
    """Threads or processes that answer for parts of files, or this thread alone."""

    def __init__(self, num_workers: int, pool: Executor | None = None, folder: Path | None = None) -> None:
        """Make workers; see :func:`workers`. Processes get what they need by way of a folder."""
        self._num_workers, self._pool, self._folder = num_workers, pool, folder
        self._numbers = count()

    def part_bytes(self, file: Path) -> int:
        """Return a size of parts, 1 to 8 MiB, that gives every worker many, so that all are done at about the same time."""
        return min(8 * 2**20, max(2**20, _num_bytes(file) // (16 * self._num_workers)))

    def map(
        self, work: Callable[[FilePart, ContextT], ResultT], parts: Sequence[FilePart], context: ContextT
    ) -> Generator[ResultT]:
        """Give the answers for all parts, in order, as they come; what nobody fetches is not worked on any more.

        Args:
            work: a function of a module, called with a part and the context.
            parts: of a file; each process reads its own from the disk.
            context: what every call needs; each process gets one copy.
        """
        if self._pool is None or len(parts) < 2:
            yield from (work(part, context) for part in parts)
        elif self._folder is None:
            yield from _in_order([self._pool.submit(work, part, context) for part in parts])
        else:
            place = self._folder / str(next(self._numbers))
            place.write_bytes(pickle.dumps(context, protocol=pickle.HIGHEST_PROTOCOL))
            try:
                yield from _in_order([self._pool.submit(_answer, work, part, place) for part in parts])
            finally:
                place.unlink()


def _in_order(futures: Sequence[Future[ResultT]]) -> Generator[ResultT]:
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def workers(num_workers: int, files: Sequence[Path], loops_in_c: bool) -> Generator[Workers]:
    """Start workers on these files, where they are large enough to be worth it; stop them at the end.

    Args:
        num_workers: at least 1.
        files: those that are worked on.
        loops_in_c: whether nearly all work is in compiled loops, which threads do side by side; else it takes processes.
    """
    if num_workers == 1 or sum(map(_num_bytes, files)) < _WORTH_WORKERS:
        yield Workers(1)
    elif loops_in_c:
        with ThreadPoolExecutor(num_workers) as pool:
            yield Workers(num_workers, pool)
    else:
        from tempfile import TemporaryDirectory

        from methods.common.metrics.processes import process_pool  # which takes as long to load as a small file to read

        preload = ["methods.common.metrics.detection.reading"]
        with TemporaryDirectory() as folder, process_pool(num_workers, preload) as processes:
            yield Workers(num_workers, processes, Path(folder))


def _num_bytes(file: Path) -> int:
    """Return the size of a file; 0 where there is none to be seen, which its reader will say."""
    try:
        return file.stat().st_size
    except (OSError, ValueError):
        return 0


_latest: tuple[Path, Any] = (Path(), None)


def _answer(work: Callable[[FilePart, Any], ResultT], part: FilePart, place: Path) -> ResultT:
    global _latest
    if _latest[0] != place:
        _latest = (place, pickle.loads(place.read_bytes()))
    return work(part, _latest[1])
