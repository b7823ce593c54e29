"""What a training writes down of each iteration, so that curves can be drawn: losses, rate and gradients, and beside them time and memory.

Two files. ``history.parquet`` is a function of config, seeds and inputs, equal to the bit after any interruption. ``pace.parquet`` says how
fast the machine was, and differs from run to run. Both cost no wait for a GPU of their own: the norm of an iteration is read when the next
one has waited for its loss.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from methods.common.training.history_files import HISTORY_FILE, PACE_FILE
from methods.common.training.live_curves import LiveCurves

_MIB = 1 << 20


class History:
    """The numbers of each iteration so far; everything in it goes into checkpoints."""

    def __init__(self, device: torch.device, live: LiveCurves | None = None) -> None:
        """Start without iterations.

        Args:
            device: where the network is.
            live: is told every iteration as soon as all of it is known, those that are loaded included; None where nobody watches.
        """
        self._device = device
        self._live = live
        self._columns: dict[str, list[float]] = {}
        self._pace: dict[str, list[float]] = {"seconds": [], "memory_mib": []}
        self._last_norm: Tensor | None = None
        self._last_s = time.perf_counter()

    def __len__(self) -> int:
        return len(self._columns.get("loss", ()))

    @property
    def losses(self) -> list[float]:
        """Loss of each iteration."""
        return list(self._columns.get("loss", ()))

    def add(self, loss: float, parts: Mapping[str, float], learning_rate: float, gradient_norm: Tensor) -> None:
        """Write down one iteration, once its step is done."""
        self._settle()
        now = time.perf_counter()
        numbers = {
            "loss": loss,
            "learning_rate": learning_rate,
            **{f"loss/{name}": part for name, part in parts.items()},
        }
        for name, value in numbers.items():
            column = self._columns.setdefault(name, [])
            column += [float("nan")] * (len(self._pace["seconds"]) - len(column))  # a part that came later
            column.append(value)
        self._last_norm = gradient_norm
        self._pace["seconds"].append(now - self._last_s)
        self._pace["memory_mib"].append(self._memory_mib())
        self._last_s = now

    def _settle(self) -> None:
        if self._last_norm is not None:
            column = self._columns.setdefault("gradient_norm", [])
            column += [float("nan")] * (len(self) - 1 - len(column))
            column.append(float(self._last_norm))
            self._last_norm = None
            self._show(len(self) - 1)

    def _show(self, number: int) -> None:
        """Tell who watches one iteration."""
        if self._live is not None:
            pace = {f"pace/{name}": column[number] for name, column in self._pace.items()}
            known = {name: column[number] for name, column in self._columns.items() if number < len(column)}
            self._live.add(number, {**known, **pace})

    def _memory_mib(self) -> float:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / _MIB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else _MIB)

    def to_tree(self) -> dict[str, Any]:
        """Everything but the losses, for a checkpoint."""
        self._settle()
        columns = {name: np.array(column) for name, column in self._columns.items() if name != "loss"}
        return {"columns": columns, "pace": {name: np.array(column) for name, column in self._pace.items()}}

    def load(self, tree: Mapping[str, Any] | None, losses: list[float]) -> None:
        """Go on from losses, and from what :meth:`to_tree` returned; None for a checkpoint of before there were histories."""
        columns = {} if tree is None else tree["columns"]
        pace = {name: [float("nan")] * len(losses) for name in self._pace} if tree is None else tree["pace"]
        self._columns = {
            "loss": list(losses),
            **{name: np.asarray(column).tolist() for name, column in columns.items()},
        }
        self._pace = {name: np.asarray(column).tolist() for name, column in pace.items()}
        self._last_s = time.perf_counter()
        for number in range(len(losses) if self._live is not None else 0):
            self._show(number)

    def write(self, folder: Path, first_iteration: int) -> None:
        """Write both files into a folder.

        Args:
            folder: is made where it is not there.
            first_iteration: number of the first iteration.
        """
        import pyarrow as pa
        from pyarrow import parquet

        self._settle()
        folder.mkdir(parents=True, exist_ok=True)
        iteration = pa.array(np.arange(first_iteration, first_iteration + len(self), dtype=np.int32))
        for file, columns in ((HISTORY_FILE, self._columns), (PACE_FILE, self._pace)):
            filled = {name: self._filled(column) for name, column in columns.items()}
            parquet.write_table(pa.table({"iteration": iteration, **filled}), folder / file)

    def _filled(self, column: list[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array(column + [float("nan")] * (len(self) - len(column)), dtype=np.float64)
