"""Work on the parts of large files, in this process or in several."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from methods.common.metrics.detection.json_columns import FilePart
from methods.common.metrics.processes import process_pool

ContextT = TypeVar("ContextT")
ResultT = TypeVar("ResultT")

_WORTH_PROCESSES = 8 * 2**20
"""Bytes below which starting processes takes longer than what they save."""


class Workers:
    """Processes that answer for parts of files, or this process alone."""

    def __init__(self, num_processes: int, pool: ProcessPoolExecutor | None = None, folder: Path = Path()) -> None:
        """Make workers; see :func:`workers`."""
        self._num_processes, self._pool, self._folder = num_processes, pool, folder
        self._numbers = count()

    def part_bytes(self, file: Path) -> int:
        """Return a size of parts, 1 to 8 MiB, that gives every process many, so that all are done at about the same time."""
        return min(8 * 2**20, max(2**20, _num_bytes(file) // (16 * self._num_processes)))

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
            return
        place = self._folder / str(next(self._numbers))
        place.write_bytes(pickle.dumps(context, protocol=pickle.HIGHEST_PROTOCOL))
        futures = [self._pool.submit(_answer, work, part, place) for part in parts]
        try:
            for future in futures:
                yield future.result()
        except GeneratorExit:
            for future in futures:
                future.cancel()
            raise
        finally:
            place.unlink()


@contextmanager
def workers(num_processes: int, files: Sequence[Path]) -> Generator[Workers]:
    """Start processes for work on these files, where they are large enough to be worth it; stop them at the end."""
    if num_processes == 1 or sum(map(_num_bytes, files)) < _WORTH_PROCESSES:
        yield Workers(1)
        return
    preload = ["methods.common.metrics.detection.reading", "pyarrow.json"]
    with TemporaryDirectory() as folder, process_pool(num_processes, preload) as pool:
        for _ in range(num_processes):
            pool.submit(_get_ready)  # while this one reads the beginnings of the files
        yield Workers(num_processes, pool, Path(folder))


def _num_bytes(file: Path) -> int:
    """Return the size of a file; 0 where there is none to be seen, which its reader will say."""
    try:
        return file.stat().st_size
    except (OSError, ValueError):
        return 0


def _get_ready() -> None:
    import pyarrow.json  # noqa: F401


_latest: tuple[Path, Any] = (Path(), None)


def _answer(work: Callable[[FilePart, Any], ResultT], part: FilePart, place: Path) -> ResultT:
    global _latest
    if _latest[0] != place:
        _latest = (place, pickle.loads(place.read_bytes()))
    return work(part, _latest[1])
