"""Work on the parts of a large file, in this process or in several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from methods.common.metrics.detections_files import FilePart

ContextT = TypeVar("ContextT")
ResultT = TypeVar("ResultT")

_context: Any = None


def part_bytes(file: Path, num_processes: int) -> int:
    """Return a size of parts that gives every process several, and none too much memory: 1 to 16 MiB."""
    size = file.stat().st_size if file.is_file() else 0
    return min(16 * 2**20, max(2**20, size // (6 * num_processes)))


@contextmanager
def map_parts(
    work: Callable[[FilePart, ContextT], ResultT], parts: Sequence[FilePart], context: ContextT, num_processes: int
) -> Iterator[Iterator[ResultT]]:
    """Give the answers of ``work`` for every part, in order, as they come; what is not fetched is not worked on any more.

    Args:
        work: a function of a module, called with a part and the context.
        parts: of a file; each process reads its own from the disk.
        context: what every call needs; each process gets one copy.
        num_processes: 1 works in this process.
    """
    if num_processes == 1 or len(parts) < 2:
        yield (work(part, context) for part in parts)
        return
    method = multiprocessing.get_context("forkserver")
    method.set_forkserver_preload(["__main__", work.__module__, "pyarrow.json"])
    num_processes = min(num_processes, len(parts))
    with ProcessPoolExecutor(num_processes, method, _receive, (context,)) as pool:
        futures: list[Future[ResultT]] = [pool.submit(_call, work, part) for part in parts]
        try:
            yield (future.result() for future in futures)
        finally:
            pool.shutdown(cancel_futures=True)


def _receive(context: Any) -> None:
    global _context
    _context = context


def _call(work: Callable[[FilePart, ContextT], ResultT], part: FilePart) -> ResultT:
    return work(part, _context)
