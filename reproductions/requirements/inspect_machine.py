"""What this machine offers: room on a disk, memory of its GPUs. Asks the system only; torch is not loaded."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from reproductions.requirements.file_checks import refusal
from reproductions.requirements.inspection import Inspection
from reproductions.requirements.need import GpuNeed

_GIB = 1 << 30
_MIB_PER_GIB = 1024
_FORMAT = "--format=csv,noheader,nounits"
_QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.total", _FORMAT)
_QUERY_KINDS = ("nvidia-smi", "--query-gpu=index,uuid,memory.total,driver_version,name", _FORMAT)


def free_disk(place: Path, needed_bytes: float | None) -> Inspection:
    """Compare the room on the disk that holds ``place`` with what is needed.

    Args:
        place: a folder that exists or will be made.
        needed_bytes: None when nobody knows.
    """
    try:
        free = shutil.disk_usage(_first_that_exists(place)).free
    except OSError as error:
        return Inspection("unknown", (), (refusal(error, place),))
    room = f"{free / _GIB:,.1f} GiB are free (quotas are not seen)"
    if needed_bytes is None:
        return Inspection("unknown", (), (f"{room}; what the plan needs is not known",))
    needed = f"{needed_bytes / _GIB:,.1f} GiB are needed"
    if needed_bytes > free:
        return Inspection("too small", (f"{needed}, {room}",))
    return Inspection("ok", (), (f"{needed}, {room}",))


def _first_that_exists(place: Path) -> Path:
    place = place.absolute()
    return next((folder for folder in (place, *place.parents) if folder.exists()), place)


def free_memory_bytes(told: Path = Path("/proc/meminfo"), group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return how much memory a new process can have: what the system has to give, and what a container leaves; None if unknown.

    Args:
        told: where the kernel tells it.
        group: folder of the control group, whose limit counts where there is one.
    """
    try:
        kib = next(line.split()[1] for line in told.read_text().splitlines() if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, IndexError):
        return None
    free = int(kib) << 10
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        reclaimable = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return min(free, int(limit) - int(used) + int(reclaimable.get("inactive_file", 0)))
    except (OSError, ValueError):  # no such group, or "max"
        return free


def gpu_memory(need: GpuNeed, promised_gib: float | None, here: bool = True) -> Inspection:
    """Compare a GPU's memory with our estimate of a need.

    Args:
        need: what one GPU must hold.
        promised_gib: what the site file says of the GPUs that will do this work, or None.
        here: whether this machine will do the work, so that without a promise its own GPUs are asked.
    """
    available_gib, whose = (
        _smallest_gpu() if here and promised_gib is None else (None, f"stages.{need.kind}.gpu_memory_gib would tell")
    )
    if promised_gib is not None:
        available_gib, whose = promised_gib, f"the site file promises {promised_gib:.0f} GiB"
    if available_gib is None:
        return Inspection("unknown", (), (f"{_estimate(need)}; {whose}",))
    if available_gib < need.least_gib:
        return Inspection("too small", (f"{_estimate(need)}; {whose}",))
    if available_gib < need.whole_gib:
        images = need.images_that_fit(available_gib)
        remark = need.split_remark.format(images=images, parts=math.ceil(need.batch_size / images))
        return Inspection("ok", (), (f"{_estimate(need)}; {whose}: {remark}",))
    return Inspection("ok", (), (f"{_estimate(need)}; {whose}",))


def _estimate(need: GpuNeed) -> str:
    return (
        f"one image takes about {need.least_gib:.0f} GiB, {need.batch_size} about {need.whole_gib:.0f} (our estimate)"
    )


def gpus_in_words() -> tuple[bool, str]:
    """Return whether a GPU is visible here, and kind, memory and driver of each, or why there is none."""
    rows, why_none = _visible_gpus(_QUERY_KINDS)
    kinds: dict[str, list[str]] = {}
    for index, _, mib, driver, *name in rows:
        kinds.setdefault(f"{', '.join(name)}, {mib / _MIB_PER_GIB:.0f} GiB, driver {driver}", []).append(index)
    return bool(rows), "; ".join(f"{kind} (number {', '.join(numbers)})" for kind, numbers in kinds.items()) or why_none


def _visible_gpus(query: tuple[str, ...]) -> tuple[list[tuple[Any, ...]], str]:
    """Return index, uuid, MiB and what else is asked for of each visible GPU; where there is none, why."""
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
        rows = [[part.strip() for part in row] for row in _rows(answer)]
        gpus: list[tuple[Any, ...]] = [(index, uuid, float(mib), *more) for index, uuid, mib, *more in rows]
    except FileNotFoundError:
        return [], "there is no NVIDIA driver here"
    except (OSError, subprocess.SubprocessError, ValueError):
        return [], "nvidia-smi does not tell what is here"
    visible = [gpu for gpu in gpus if _is_visible(gpu[0], gpu[1])]
    return visible, "" if visible else "no GPU is visible here"


def _smallest_gpu() -> tuple[float | None, str]:
    """Return the memory in GiB of the smallest visible GPU, or None, and a few words on it."""
    visible, why_none = _visible_gpus(_QUERY)
    if not visible:
        return None, why_none
    smallest_gib = min(mib for _, _, mib in visible) / _MIB_PER_GIB
    return smallest_gib, f"the smallest GPU here has {smallest_gib:.0f} GiB"


def _rows(answer: str) -> list[list[str]]:
    return [line.split(",") for line in answer.splitlines() if line.strip()]


def _is_visible(index: str, uuid: str) -> bool:
    """Apply CUDA_VISIBLE_DEVICES, which nvidia-smi does not heed."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return True
    return any(
        name == index or (name and uuid.startswith(name)) for name in (part.strip() for part in chosen.split(","))
    )
