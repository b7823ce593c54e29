"""The processes that train one model together, and the little that they tell each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a plan is made without loading torch
    import torch
    from torch import Tensor, nn

_MEETING_TIMEOUT = timedelta(minutes=30)
"""How long a process waits for the others to come. Our choice."""
_TIMEOUT = timedelta(hours=12)
"""How long it waits for them later. The end of a process is noticed at once; this is for one that hangs, and leaves the
first process time to wait for other work. Our choice."""


class TeamLostError(RuntimeError):
    """Another process of the team is gone. What made it go is in that process's own log."""


@dataclass(frozen=True)
class Team:
    """The processes that run one stage together; a team of one needs no torch.distributed.

    Every method but :meth:`join` is collective: all processes call the same ones in the same order.
    """

    rank: int = 0
    """Number of this process, from 0."""
    size: int = 1
    """Number of processes."""

    @classmethod
    def join(cls, address: str, port: int, rank: int, size: int, device: torch.device) -> Team:
        """Meet the other processes; process 0 listens at ``address:port``.

        Tensors on the GPU go over NCCL, everything else, such as the small numbers of each step, over gloo.

        Raises:
            TeamLostError: the others do not come.
        """
        import torch
        from torch import distributed

        assert 0 <= rank < size, f"rank {rank} of {size}"
        if size == 1:
            return ALONE
        if device.type == "cuda" and device.index is not None:
            torch.cuda.set_device(device)
        team, backend = cls(rank, size), "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"

        def meet() -> None:
            store = distributed.TCPStore(address, port, size, team.is_first, _MEETING_TIMEOUT)  # type: ignore[attr-defined]
            distributed.init_process_group(backend, store=store, timeout=_TIMEOUT, world_size=size, rank=rank)

        team._together(meet)
        return team

    def leave(self) -> None:
        """Part from the others."""
        if self.size > 1:
            from torch import distributed

            distributed.destroy_process_group()

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def sum_(self, tensor: Tensor) -> Tensor:
        """Add up a tensor over all processes in place, with the same bits in each; return it."""
        if self.size > 1:
            from torch import distributed

            self._together(lambda: distributed.all_reduce(tensor))
        return tensor

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up every gradient over the processes, in place and with the same bits in each.

        One exchange after the backward pass, because a batch may take several backward passes. A parameter has a gradient in
        all processes or in none.
        """
        if self.size == 1:
            return
        import torch

        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.sum_(torch.cat([gradient.flatten() for gradient in gradients]))
        pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))

    def largest(self, numbers: Sequence[int]) -> list[int]:
        """Return the largest value of each number over all processes."""
        if self.size == 1:
            return list(numbers)
        import torch
        from torch import distributed

        tensor = torch.tensor(numbers)
        self._together(lambda: distributed.all_reduce(tensor, distributed.ReduceOp.MAX))
        return [int(number) for number in tensor]

    def copy_first_(self, tensor: Tensor) -> Tensor:
        """Overwrite a tensor by that of the first process; return it."""
        if self.size > 1:
            from torch import distributed

            self._together(lambda: distributed.broadcast(tensor, src=0))
        return tensor

    def sum_number(self, number: float) -> float:
        """Add up one number over all processes."""
        return number if self.size == 1 else float(self.sum_(_tensor(number)))

    def any(self, condition: bool) -> bool:
        """Whether a condition holds in any process."""
        return self.sum_number(float(condition)) > 0

    def agree(self, number: float) -> float:
        """Return the number that the first process gave."""
        return number if self.size == 1 else float(self.copy_first_(_tensor(number)))

    def agree_bytes(self, data: bytes) -> bytes:
        """Return the bytes that the first process gave."""
        if self.size == 1:
            return data
        import torch

        length = int(self.agree(len(data)))
        mine = torch.empty(length, dtype=torch.uint8)
        if self.is_first:
            mine = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        return self.copy_first_(mine).numpy().tobytes()

    def barrier(self) -> None:
        """Wait until all processes are here."""
        self.sum_number(0.0)

    def _together(self, exchange: Callable[[], object]) -> None:
        import torch

        try:
            exchange()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            message = f"process {self.rank} of {self.size} has lost the others of its team: {error}"
            raise TeamLostError(message) from error


def _tensor(number: float) -> Tensor:
    import torch

    return torch.tensor(number, dtype=torch.float64)


ALONE = Team()
"""The team of one process."""
