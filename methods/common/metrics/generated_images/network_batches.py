"""Batches of pictures through a network, on several threads of one process.

Each task reads its batch and runs the network on it; both let other Python threads go on meanwhile. Batches are cut the
same way and each is computed by one core, so the number of threads never changes a result. On a GPU convolutions keep
float32's full precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from methods.common.errors import InputError
from methods.common.metrics.evaluation import Progress

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_batches(
    work: Callable[[Sequence[Item]], Result],
    items: Sequence[Item],
    batch_size: int,
    num_threads: int = 1,
    progress: Progress | None = None,
) -> list[Result]:
    """Apply ``work`` to consecutive batches; the results in order.

    Args:
        work: what to do with a batch; called on several threads at once.
        items: what to cut into batches.
        batch_size: items of a batch, the last one may have fewer.
        num_threads: batches at work at the same time; memory grows with it.
        progress: told (items done, items in all), never on two threads at once.
    """
    import torch

    batches = [items[start : start + batch_size] for start in range(0, len(items), batch_size)]
    num_done, lock = 0, Lock()

    def run(batch: Sequence[Item]) -> Result:
        nonlocal num_done
        result = work(batch)
        with lock:
            num_done += len(batch)
            if progress is not None:
                progress(num_done, len(items))
        return result

    threads_before = torch.get_num_threads()
    executor = ThreadPoolExecutor(num_threads, initializer=lambda: torch.set_num_threads(1))
    try:
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            futures = [executor.submit(run, batch) for batch in batches]
            return [future.result() for future in futures]
    finally:
        executor.shutdown(cancel_futures=True)
        torch.set_num_threads(threads_before)


def torch_device(name: str) -> torch.device:
    """Return the device of that name.

    Raises:
        InputError: torch has no such device here.
    """
    import torch

    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"device {name!r} cannot be used here ({reason}); try cpu or cuda") from error
    return device
