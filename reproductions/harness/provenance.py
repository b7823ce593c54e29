"""Where a number came from: code, packages, machine, time and memory. Stored with a cell, not part of its identity."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reproductions.harness.cell import CellSpec

_REPOSITORY = Path(__file__).resolve().parents[2]
_CODE = ("methods", "reproductions")
_PACKAGES = (
    "segrepro",
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "numpy",
    "opencv-python-headless",
)


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(_REPOSITORY), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def code_state() -> dict[str, Any]:
    """Commit of the code, and a hash of what is changed or new on top of it (None when nothing is).

    Kept from the first call on: a worker asks when it starts, because that is the code it has loaded.
    """
    changed = _git("diff", "HEAD", "--", *_CODE)
    new = [_REPOSITORY / name for name in _git("ls-files", "--others", "--exclude-standard", "--", *_CODE).splitlines()]
    digest = hashlib.sha256(changed.encode())
    for path in new:
        digest.update(path.name.encode() + path.read_bytes() if path.is_file() else b"")
    return {
        "commit": _git("rev-parse", "HEAD").strip() or None,
        "dirty_diff_sha256": digest.hexdigest() if changed or new else None,
    }


@cache
def _host_state() -> dict[str, Any]:
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "num_cpus": os.cpu_count(),
        "packages": {name: _package(name) for name in _PACKAGES},
    }


def machine_state() -> dict[str, Any]:
    """Host, processor, package versions, and the GPU and torch threads when this process has used them."""
    torch = sys.modules.get("torch")  # a cell without a network never loads it
    uses_gpu = torch is not None and torch.cuda.is_initialized()
    return {
        **_host_state(),
        "gpu": torch.cuda.get_device_name() if torch is not None and uses_gpu else None,
        "torch_threads": torch.get_num_threads() if torch is not None else None,
    }


class Stopwatch:
    """Measures one attempt at a cell."""

    def __init__(self) -> None:
        self.started_utc = datetime.now(UTC).isoformat(timespec="seconds")
        self._wall = time.monotonic()
        self._cpu = _cpu_seconds()
        _forget_peak_memory()

    def read(self) -> dict[str, Any]:
        """Seconds so far, on the clock and of processors, and the peak memory of this process meanwhile."""
        return {
            "started_utc": self.started_utc,
            "wall_s": round(time.monotonic() - self._wall, 3),
            "cpu_s": round(_cpu_seconds() - self._cpu, 3),
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def _cpu_seconds() -> float:
    """Processor time of this process, all threads, and of its children that have ended, such as loaders of images."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _forget_peak_memory() -> None:
    """Start the kernel's high-water mark again, where it lets us: a worker runs many cells in one process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def provenance(attempts: list[dict[str, Any]], spec: CellSpec, num_processes: int) -> dict[str, Any]:
    """Everything that is stored beside a finished cell; seconds are sums over all attempts, killed ones included."""
    cost = {
        "wall_s": round(sum(one["wall_s"] for one in attempts), 3),
        "cpu_s": round(sum(one["cpu_s"] for one in attempts), 3),
        "peak_memory_mib": max(one["peak_memory_mib"] for one in attempts),
    }
    return {
        **code_state(),
        **machine_state(),
        "started_utc": attempts[0]["started_utc"],
        **cost,
        "expected_s": spec.cost_s,
        "scale": spec.scale,
        "processes": num_processes,
        "attempts": attempts,
    }
