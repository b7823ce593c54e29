"""Run-length masks in COCO's format: column-major runs, compressed to text, checked before any C code sees them.

Shape legend: H, W image; N masks; K numbers of a polygon (x0, y0, x1, y1, ...).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask


class Rle(TypedDict):
    """One compressed mask: ``size`` is [height, width], ``counts`` is COCO's text."""

    size: list[int]
    counts: str


def encode_mask(mask_HW: NDArray[np.bool_]) -> Rle:
    """Compress one mask, bool (H, W), losslessly."""
    encoded = coco_mask.encode(np.asfortranarray(mask_HW, dtype=np.uint8))
    return Rle(size=[int(side) for side in encoded["size"]], counts=encoded["counts"].decode("ascii"))


def decode_mask(rle: Rle) -> NDArray[np.bool_]:
    """Return the mask of :func:`encode_mask`, bool (H, W)."""
    decoded: NDArray[np.bool_] = coco_mask.decode(dict(rle)).astype(bool)
    return decoded


def polygons_to_rle(polygons: Sequence[NDArray[np.float64]], height: int, width: int) -> Rle:
    """Rasterise the union of closed polygons, each float64 [K] in pixels, by pycocotools' rule.

    Parts outside the image are cut off.
    """
    merged = coco_mask.merge(coco_mask.frPyObjects(list(polygons), height, width))
    return Rle(size=[height, width], counts=merged["counts"].decode("ascii"))


def runs_to_rle(runs: Sequence[int], height: int, width: int) -> Rle:
    """Compress plain run lengths (background first, column-major, sum ``height * width``)."""
    packed = coco_mask.frPyObjects({"size": [height, width], "counts": list(runs)}, height, width)
    return Rle(size=[height, width], counts=packed["counts"].decode("ascii"))


@dataclass(frozen=True)
class RleSums:
    """What the run lengths of N compressed masks add up to, found without decoding one pixel."""

    covered: NDArray[np.int64]
    """[N], sum over all runs; height * width when the mask fits its image."""
    area: NDArray[np.int64]
    """[N], sum over foreground runs, pixels."""
    sound: NDArray[np.bool_]
    """[N], False where the text is not COCO's code or a run is negative."""


def sum_runs(counts: Sequence[str | bytes], block: int = 20_000) -> RleSums:
    """Add up the runs of many masks, vectorised over ``block`` masks at a time to bound memory."""
    blocks = [_sum_block(counts[start : start + block]) for start in range(0, len(counts), block)]
    blocks = blocks or [_sum_block([])]
    return RleSums(
        np.concatenate([part.covered for part in blocks]),
        np.concatenate([part.area for part in blocks]),
        np.concatenate([part.sound for part in blocks]),
    )


def _sum_block(counts: Sequence[str | bytes]) -> RleSums:
    encoded = [text.encode("utf-8", "replace") if isinstance(text, str) else text for text in counts]
    num_chars_N = np.fromiter(map(len, encoded), np.int64, len(encoded))
    code = np.frombuffer(b"".join(encoded), np.uint8).astype(np.int64) - 48
    owner = np.repeat(np.arange(len(encoded)), num_chars_N)
    sound_N = num_chars_N > 0
    last_char_N = np.cumsum(num_chars_N)[sound_N] - 1
    sound_N[owner[(code < 0) | (code > 63)]] = False
    sound_N[owner[last_char_N[(code[last_char_N] & 32) != 0]]] = False
    # Broken texts leave the pass, so that no number runs over from one mask into the next.
    kept = sound_N[owner]
    value, owner = _numbers(code[kept], owner[kept])
    run, position = _undo_differences(value, owner)
    sound_N[owner[(run < 0) | (run > 2**31)]] = False
    run = np.clip(run, 0, 2**31)
    foreground = position % 2 == 1
    area_N = np.bincount(owner[foreground], run[foreground], len(encoded)).astype(np.int64)
    return RleSums(np.bincount(owner, run, len(encoded)).astype(np.int64), area_N, sound_N)


def _numbers(code: NDArray[np.int64], owner: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Join characters to signed numbers: five bits each, lowest first, bit 32 says that more follow."""
    if not len(code):
        return code, owner
    ends = np.flatnonzero((code & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    digits = ends - starts + 1
    place = np.arange(len(code)) - np.repeat(starts, digits)
    value = np.add.reduceat((code & 31) << (5 * np.minimum(place, 11)), starts)
    value = np.where(code[ends] & 16, value - (np.int64(1) << (5 * np.minimum(digits, 12))), value)
    return value, owner[ends]


def _undo_differences(
    value: NDArray[np.int64], owner: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return run lengths and their position in the mask; from the fourth run on the text stores value[i] - value[i-2]."""
    everywhere = np.arange(len(owner))
    first = np.concatenate([[True], owner[1:] != owner[:-1]])[: len(owner)]
    position = everywhere - np.maximum.accumulate(np.where(first, everywhere, 0))
    run = value.copy()
    for start in (1, 2):
        chain = np.flatnonzero((position >= start) & ((position - start) % 2 == 0))
        total = np.cumsum(value[chain])
        head = np.where(position[chain] == start, np.arange(len(chain)), 0)
        before = total - value[chain]
        run[chain] = total - before[np.maximum.accumulate(head)]
    return run, position


def has_size(rle: Mapping[str, Any], height: int, width: int) -> bool:
    """Say whether a mask states this size; tuples and arrays count like lists."""
    size = rle.get("size")
    return isinstance(size, list | tuple | np.ndarray) and list(size) == [height, width]


def rle_fault(rle: Any, height: int, width: int) -> str | None:
    """Say what is wrong with one mask for an image of ``height`` x ``width``, or None. Accepts run lists and text."""
    if not isinstance(rle, dict) or "size" not in rle or "counts" not in rle:
        return "is neither a list of polygons nor a mask with `size` and `counts`"
    if not has_size(rle, height, width):
        return f"has size {rle['size']!r:.40}, its image is {[height, width]} (height, width)"
    counts = rle["counts"]
    if isinstance(counts, list):
        whole = all(type(run) is int and run >= 0 for run in counts)
        return None if whole and sum(counts) == height * width else _BROKEN_RUNS
    if not isinstance(counts, str | bytes):
        return "has counts that are neither text nor a list"
    sums = sum_runs([counts])
    return None if sums.sound[0] and sums.covered[0] == height * width else _BROKEN_RUNS


_BROKEN_RUNS = "has run lengths that do not add up to its image"
