"""The loops in C beside this file: compiled by the machine's own compiler when they are first wanted, and kept for the next time.

They read what is plain in large files, many times as fast as Python can, and refuse everything else, which Python then reads.
Without a compiler Python reads all: the numbers are the same.
"""

from __future__ import annotations

import ctypes
import os
import sysconfig
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

_FOLDER = Path(__file__).parent
_OPTIONS = ("-std=gnu11", "-O3", "-fPIC", "-shared", "-ffp-contract=off")
"""Without contraction a product and a sum are rounded one after the other, as numpy and the official packages do."""
_LOOPS = (
    "read_detections",
    "read_annotations",
    "draw_masks",
    "overlapping_boxes",
    "overlapping_masks",
    "match_detections",
    "accumulate",
    "mark_boundaries",
    "undo_filters",
)
_COMPILERS = ("cc", "gcc", "clang")


@cache
def library() -> ctypes.CDLL | None:
    """Return the loops, compiled if need be; None where there is no compiler, or none that can."""
    sources = sorted([*_FOLDER.glob("*.c"), *_FOLDER.glob("*.h")])
    content = b"".join(source.read_bytes() for source in sources)
    key = sha256(content + repr((_OPTIONS, sysconfig.get_platform())).encode()).hexdigest()[:16]
    for folder in (_FOLDER / "__pycache__", _own_cache()):
        built = folder / f"loops-{key}.so"
        if not built.exists() and not _compile([str(source) for source in sources if source.suffix == ".c"], built):
            continue
        try:
            return _declared(ctypes.CDLL(str(built)))
        except OSError:
            continue
    return None


def loops() -> ctypes.CDLL:
    """Return the loops where :func:`library` was seen to have them."""
    found = library()
    assert found is not None
    return found


def _own_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "segrepro"


def _compile(sources: list[str], built: Path) -> bool:
    """Compile aside, so that processes which do so at once do not disturb each other."""
    import shutil
    import subprocess
    import tempfile

    compiler = next(filter(None, map(shutil.which, _COMPILERS)), None)
    if compiler is None:
        return False
    try:
        built.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=built.parent) as aside:
            made = Path(aside) / built.name
            command = [compiler, *_OPTIONS, *sources, "-o", str(made), "-lm"]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                return False
            made.replace(built)
    except OSError:
        return False
    return True


def _declared(built: ctypes.CDLL) -> ctypes.CDLL:
    for name in _LOOPS:
        getattr(built, name).restype = ctypes.c_int64
    return built


NO_ROOM = -2
"""What loops answer that were given too small an array, or find too little memory."""


def address(array: NDArray[Any] | None) -> ctypes.c_void_p:
    """Return where an array lies, which must be whole and stay alive; nowhere for None."""
    if array is None:
        return ctypes.c_void_p()
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.__array_interface__["data"][0])
