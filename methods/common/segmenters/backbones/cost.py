"""What a network costs: parameters, bytes, multiply-adds, peak memory, time an image."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

_MIB = 2**20


@dataclass(frozen=True)
class Cost:
    """Of one pass over one image.

    Attributes:
        parameters: numbers in weights and buffers.
        weights_mib: their bytes in MiB, as they lie on disk.
        multiply_adds: of matrix products, convolutions and attention.
        peak_mib: weights and all that is alive at once, in MiB: what PyTorch's allocator held on a GPU, the tensors' bytes elsewhere.
        ms_per_image: median; the clock on a GPU, processor time elsewhere.
    """

    parameters: int
    weights_mib: float
    multiply_adds: int
    peak_mib: float
    ms_per_image: float


def cost_of(networks: Iterable[nn.Module], run: Callable[[], Any], device: torch.device, rounds: int = 5) -> Cost:
    """Measure a pass.

    Args:
        networks: that the pass needs in memory.
        run: one pass over one image; gradients are off meanwhile.
        device: where it runs.
        rounds: passes whose median time counts, after one that does not.
    """
    tensors = {id(one): one for network in networks for one in (*network.parameters(), *network.buffers())}
    weights = sum(one.numel() * one.element_size() for one in tensors.values())
    with torch.no_grad():
        counter = FlopCounterMode(display=False)
        with sdpa_kernel(SDPBackend.MATH), counter:  # attention as plain products, which are counted alike everywhere
            run()
        peak = _peak_on_gpu(run, device) if device.type == "cuda" else weights + _peak_of_tensors(run, tensors.values())
        times = [_seconds(run, device) for _ in range(rounds)]
    return Cost(
        parameters=sum(one.numel() for one in tensors.values()),
        weights_mib=weights / _MIB,
        multiply_adds=counter.get_total_flops() // 2,
        peak_mib=peak / _MIB,
        ms_per_image=1000 * median(times),
    )


def _seconds(run: Callable[[], Any], device: torch.device) -> float:
    clock = time.process_time
    if device.type == "cuda":
        clock = time.perf_counter
        torch.cuda.synchronize(device)
    began = clock()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - began


def _peak_on_gpu(run: Callable[[], Any], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device)


def _peak_of_tensors(run: Callable[[], Any], known: Iterable[Tensor]) -> int:
    """Return the most bytes that tensors held at once during a call, beside those that are known before."""
    watch = _AliveBytes(known)
    with watch:
        run()
    return watch.peak


class _AliveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the storage of every tensor that an operation makes, and forgets it when it is freed."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = {StorageWeakRef(one.untyped_storage()) for one in known}  # type: ignore[no-untyped-call]
        self._alive: dict[StorageWeakRef, int] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, Tensor):
                reference = StorageWeakRef(one.untyped_storage())  # type: ignore[no-untyped-call]
                if reference not in self._known:
                    self._alive[reference] = one.untyped_storage().nbytes()
        self._alive = {reference: size for reference, size in self._alive.items() if not reference.expired()}  # type: ignore[no-untyped-call]
        self.peak = max(self.peak, sum(self._alive.values()))
        return made
