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

_REPOSITORY = Path(__file__).resolve().parents[2]
_PACKAGES = (
    "segrepro",
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "numpy",
    "opencv-python-headless",
    "hotcoco",
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
    """Commit of the code, and a hash of what is changed on top of it (None when nothing is)."""
    difference = _git("diff", "HEAD", "--", "methods", "reproductions")
    return {
        "commit": _git("rev-parse", "HEAD").strip() or None,
        "dirty_diff_sha256": hashlib.sha256(difference.encode()).hexdigest() if difference else None,
    }


@cache
def machine_state() -> dict[str, Any]:
    """Host, processor, GPU and package versions of this process."""
    torch = sys.modules.get("torch")  # a cell without a network never loads it
    gpu = torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else None
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "num_cpus": os.cpu_count(),
        "gpu": gpu,
        "torch_threads": torch.get_num_threads() if torch is not None else None,
        "packages": {name: _package(name) for name in _PACKAGES},
    }


class Stopwatch:
    """Measures one attempt at a cell."""

    def __init__(self) -> None:
        self.started_utc = datetime.now(UTC).isoformat(timespec="seconds")
        self._wall = time.monotonic()
        self._cpu = time.process_time()

    def read(self) -> dict[str, Any]:
        """Seconds so far, and the peak memory of this process since it began."""
        return {
            "started_utc": self.started_utc,
            "wall_s": round(time.monotonic() - self._wall, 3),
            "cpu_s": round(time.process_time() - self._cpu, 3),
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def provenance(stopwatch: Stopwatch, attempts: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that is stored beside a finished cell."""
    return {**code_state(), **machine_state(), **stopwatch.read(), "attempts": attempts}
