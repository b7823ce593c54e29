"""Run-length masks in COCO's format: column-major runs, compressed to text, checked before any C code sees them.

Shape legend: H, W image; N masks; C characters; R runs; F foreground runs; K numbers of a polygon (x0, y0, x1, y1, ...); N1 = N + 1.
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
    """Rasterise the union of closed polygons, each float64 (K,) in pixels, by pycocotools' rule.

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
    """(N,), sum over all runs; height * width when the mask fits its image."""
    area: NDArray[np.int64]
    """(N,), sum over foreground runs, pixels."""
    sound: NDArray[np.bool_]
    """(N,), False where the text is not COCO's code or a run is negative; then the sums mean nothing."""


@dataclass(frozen=True)
class RunTable:
    """The foreground runs of N masks, one mask after the other, column by column. Where a mask is not sound they mean nothing."""

    start_F: NDArray[np.int32]
    """Pixels of the mask before each run."""
    stop_F: NDArray[np.int32]
    offset_N1: NDArray[np.int64]
    """First run of each mask, and the end."""
    covered_N: NDArray[np.int64]
    """Sum over all runs of each mask, background too."""
    sound_N: NDArray[np.bool_]
    """False where the text was not COCO's code, or a run is negative, or all are longer than 2^31 pixels together."""

    def sums(self) -> RleSums:
        """Add up runs and foreground runs of every mask."""
        ends_F1 = offsets(self.stop_F - self.start_F)
        return RleSums(self.covered_N, np.diff(ends_F1[self.offset_N1]), self.sound_N)


def offsets(count_N: NDArray[np.integer] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where each of N stretches begins, and the end of the last, int64 [N + 1]."""
    offset_N1 = np.zeros(len(count_N) + 1, np.int64)
    np.cumsum(count_N, out=offset_N1[1:])
    return offset_N1


def sum_runs(counts: Sequence[str | bytes], block: int = 2_000) -> RleSums:
    """Add up the runs of many masks, vectorised over ``block`` masks at a time, which keeps the work in the cache."""
    parts = [decode_runs(*join_texts(counts[start : start + block])).sums() for start in range(0, len(counts), block)]
    parts = parts or [decode_runs(*join_texts([])).sums()]
    return RleSums(
        np.concatenate([part.covered for part in parts]),
        np.concatenate([part.area for part in parts]),
        np.concatenate([part.sound for part in parts]),
    )


def join_texts(counts: Sequence[str | bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Lay the texts of N masks end to end: bytes (C,) and where each begins, with the end, [N + 1]."""
    encoded = [text.encode("utf-8", "replace") if isinstance(text, str) else text for text in counts]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    return np.frombuffer(b"".join(encoded), np.uint8), offsets(lengths)


def reorder_texts(
    text_C: NDArray[np.uint8], offset_N1: NDArray[np.int64], order_M: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Lay chosen ones of texts that lie end to end, in another order; ``order_M`` are their places."""
    text, start_M, stop_M = text_C.data, offset_N1[order_M], offset_N1[order_M + 1]
    joined = b"".join([text[start:stop] for start, stop in zip(start_M.tolist(), stop_M.tolist(), strict=True)])
    return np.frombuffer(joined, np.uint8), offsets(stop_M - start_M)


def decode_runs(text_C: NDArray[np.uint8], offset_N1: NDArray[np.int64]) -> RunTable:
    """Read the compressed texts of N masks, laid end to end. Any bytes may come; broken masks are marked.

    Source: pycocotools' `rleFrString`: numbers of five bits a character, lowest first, and from the fourth run on the
    difference to the run two places earlier.
    """
    code_C = text_C - np.uint8(48)
    offset_N1 = offset_N1 - offset_N1[0]
    sound_N = _spells_numbers(code_C, offset_N1)
    if not sound_N.all():
        # Broken texts leave the pass, so that no number runs over from one mask into the next.
        length_N = np.diff(offset_N1)
        code_C = code_C[np.repeat(sound_N, length_N)]
        offset_N1 = offsets(np.where(sound_N, length_N, 0))
    value_R, overlong, first_N1 = _numbers(code_C, offset_N1)
    sound_N[np.searchsorted(first_N1, overlong, "right") - 1] = False
    return _add_up(value_R, first_N1, sound_N)


_MOST_DIGITS = 6


def _spells_numbers(code_C: NDArray[np.uint8], offset_N1: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark texts that use only COCO's 64 characters and end where a number ends."""
    sound_N = np.diff(offset_N1) > 0
    sound_N[sound_N] = code_C[offset_N1[1:][sound_N] - 1] < 32
    foreign_C = np.flatnonzero(code_C > 63)
    sound_N[np.searchsorted(offset_N1, foreign_C, "right") - 1] = False
    return sound_N


def _numbers(
    code_C: NDArray[np.uint8], offset_N1: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Join characters to signed numbers: five bits each, lowest first, bit 32 says that more follow.

    Returns:
        The numbers (R,), the places of those that have more digits than any run can need, and the first number of each
        mask, with the end, [N + 1].
    """
    ends_C = code_C < 32
    more = np.flatnonzero(~ends_C)
    last_C = ((code_C & 31) ^ 16).view(np.int8) - np.int8(16)  # the last digit carries the sign
    value_R = np.compress(ends_C, last_C).astype(np.int32)
    # Most numbers have one digit; to the others, the digits before the last are added one by one.
    before_last = np.flatnonzero(ends_C.take(more + 1))
    digit = more.take(before_last)
    number = digit - before_last
    for _ in range(1, _MOST_DIGITS):
        if not len(number):
            break
        value_R[number] = value_R.take(number) * np.int32(32) + (code_C.take(digit) & 31)
        digit -= 1
        longer = np.flatnonzero(~ends_C.take(digit, mode="wrap"))  # before the first character is an end, too
        digit, number = digit.take(longer), number.take(longer)
    return value_R, number, offset_N1 - np.searchsorted(more, offset_N1)


def _add_up(value_R: NDArray[np.int32], first_N1: NDArray[np.int64], sound_N: NDArray[np.bool_]) -> RunTable:
    """Turn differences into the foreground runs; changes ``value_R`` and ``sound_N``.

    With runs x and differences v, x[m] = v[m] + x[m - 2] from the fourth run on, so x[m] + x[m - 1] is the sum of v[1] to v[m], and
    the end of a run is x[0] and such sums, of every second m. All of them run through all masks at once; what came before a
    mask is taken off at its first. Sums may pass 2^31 and come back, as only differences matter: v has at most 30 bits, so that the
    first run of a mask that is negative or too long shows as an end before its beginning.
    """
    num_runs_N = np.diff(first_N1)
    filled_N = np.flatnonzero(num_runs_N)
    first, num_runs = first_N1[filled_N], num_runs_N[filled_N]
    first_run = value_R[first]
    value_R[first] = 0
    two_runs_R = _restarted_sums(value_R, first, np.zeros(len(first), np.int32))
    num_fore, inked = num_runs // 2, np.flatnonzero(num_runs > 1)
    begin = offsets(num_fore)
    place_F = np.arange(1, 2 * begin[-1], 2)
    place_F += np.repeat(first - 2 * begin[:-1], num_fore)
    starts = begin[:-1][inked]
    stop_F = _restarted_sums(two_runs_R.take(place_F), starts, first_run[inked])
    place_F -= 1
    start_F = _restarted_sums(two_runs_R.take(place_F), starts, first_run[inked])

    covered = first_run.astype(np.int64)
    last_F = begin[1:][inked] - 1
    over = np.where(num_runs[inked] % 2, start_F[last_F] + two_runs_R[(first + num_runs - 1)[inked]], stop_F[last_F])
    covered[inked] = over
    sound_N[filled_N[first_run < 0]] = False
    sound_N[filled_N[inked[over < stop_F[last_F]]]] = False
    disorder_F = stop_F < start_F
    late_F = start_F[1:] < stop_F[:-1]
    late_F[starts[1:] - 1] = False  # the next mask begins anew
    disorder_F[1:] |= late_F
    sound_N[filled_N[np.searchsorted(begin, np.flatnonzero(disorder_F), "right") - 1]] = False

    num_fore_N, covered_N = np.zeros(len(num_runs_N), np.int64), np.zeros(len(num_runs_N), np.int64)
    num_fore_N[filled_N], covered_N[filled_N] = num_fore, covered
    return RunTable(start_F, stop_F, offsets(num_fore_N), covered_N, sound_N)


def _restarted_sums(value_S: NDArray[np.int32], first: NDArray[np.int64], base: NDArray[np.int32]) -> NDArray[np.int32]:
    """Add up values from the beginning of each stretch to each place, upon the stretch's base; changes ``value_S``."""
    if len(first):
        total = np.add.reduceat(value_S, first, dtype=np.int32) + base
        value_S[first] += base
        value_S[first[1:]] -= total[:-1]
    return np.cumsum(value_S, dtype=np.int32, out=value_S)


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
        odd = [run for run in counts if type(run) is not int]
        return (
            f"has the run length {odd[0]!r:.40}, which is no whole number"
            if odd
            else _runs_fault(counts, height * width)
        )
    if not isinstance(counts, str | bytes):
        return "has counts that are neither text nor a list"
    sums = sum_runs([counts])
    if sums.sound[0] and sums.covered[0] == height * width:
        return None
    return _text_fault(counts if isinstance(counts, str) else counts.decode("latin-1"), height * width)


def _runs_fault(runs: Sequence[int], num_pixels: int) -> str | None:
    shortest = min(runs, default=0)
    if shortest < 0:
        return f"has a negative run length ({shortest})"
    if max(runs, default=0) >= 1 << _RUN_BITS:
        return _TOO_LONG
    if sum(runs) != num_pixels:
        return f"has run lengths that do not add up to its image: {sum(runs)} pixels together, not {num_pixels}"
    return None


def _text_fault(text: str, num_pixels: int) -> str:
    """Say why a text is no mask of so many pixels, character by character."""
    if text[:2] in ("b'", 'b"'):
        return "has counts that are Python's name of bytes, `b'...'`; write what `counts.decode()` returns"
    if not text:
        return "has empty counts"
    foreign = next((character for character in text if not 48 <= ord(character) < 112), None)
    if foreign is not None:
        return f"has counts with {foreign!r}, a character that no run-length code has"
    if ord(text[-1]) - 48 >= 32:
        return "has counts that are cut off in the middle of a number"
    runs: list[int] = []
    number, num_digits = 0, 0
    for character in text:
        code = ord(character) - 48
        number |= (code & 31) << 5 * num_digits
        num_digits += 1
        if num_digits > _MOST_DIGITS:
            return _TOO_LONG
        if code < 32:
            number -= (code & 16) << 5 * num_digits - 4
            runs.append(number + (runs[-2] if len(runs) > 2 else 0))
            number, num_digits = 0, 0
    return _runs_fault(runs, num_pixels) or "has run lengths that cannot be read"


_RUN_BITS = 29
_TOO_LONG = "has a run of 2^29 (536870912) pixels or more, which is not read"
