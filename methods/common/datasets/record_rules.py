"""What a number in a JSON record may be: one rule for ids, sizes, boxes and areas of every format (docs/metrics.md lists it).

Whole numbers may be written with a decimal point (`1.0`), as tables export them, as long as a decimal number holds them exactly.
The limits are our choice: each is far beyond what any picture needs and far below where a sum or a product would go wrong.

Shape legend: N records; 4 x, y, width, height.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_ID = 2**63 - 1
"""Ids are from 0 to this."""
LARGEST_SIDE_PX = 1_000_000
"""Widths and heights of images are from 1 to this."""
EXACT_BELOW = 2**53
"""Decimal numbers hold every whole number below this, and not the next one; boxes and areas stay below it too."""
MASK_PIXELS_BELOW = 2**29
"""Images have fewer pixels than this where masks are read: a run of a mask takes six characters of five bits, one for the sign."""


def is_number(kind: type) -> bool:
    """Say whether values of a type are numbers; truth values are none."""
    return issubclass(kind, Real) and not issubclass(kind, bool)


def whole(value: Any) -> int | None:
    """Return a value as a whole number, `1.0` as 1; None if it is none."""
    if type(value) is int:  # nearly always
        return value
    if not is_number(type(value)):
        return None
    if isinstance(value, Integral):
        return int(value)
    return int(value) if abs(value) < EXACT_BELOW and value == int(value) else None


def whole_fault(value: Any, minimum: int = 0, maximum: int = LARGEST_ID) -> tuple[str, str] | None:
    """Say what is wrong with a value that must be a whole number in a range, and what to write; None if nothing is."""
    number = whole(value)
    if number is not None and minimum <= number <= maximum:
        return None
    if number is None:
        return f"is {value!r:.60}", "write a whole number"
    if number < minimum:
        return f"is {number}", f"use at least {minimum}"
    return f"is {number}", "use less than 2^63" if maximum == LARGEST_ID else f"use at most {maximum:,}"


def whole_numbers(values: Sequence[Any]) -> list[int | None]:
    """Return values as whole numbers, None for each that is none."""
    if set(map(type, values)) <= {int}:
        return list(values)
    return [whole(value) for value in values]


def faulty_boxes(box_N4: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark boxes with a number that is not finite or not below ``EXACT_BELOW``, or with a negative size, bool (N,)."""
    inside_N4 = np.abs(box_N4) < EXACT_BELOW  # not a number is not
    if inside_N4.all() and (box_N4[:, 2:] >= 0).all():  # nearly always, and soon known
        return np.zeros(len(box_N4), bool)
    return np.asarray(~inside_N4.all(1) | (box_N4[:, 2:] < 0).any(1))


BOX_REMEDY = "write [x, y, width, height] with finite numbers below 2^53 and sizes of at least 0"


def faulty_areas(area_N: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark areas that are not from 0 to below ``EXACT_BELOW``, bool (N,)."""
    return np.asarray(~((area_N >= 0) & (area_N < EXACT_BELOW)))


AREA_REMEDY = "write square pixels, from 0 to below 2^53"


def distant_areas(
    area_N: NDArray[np.float64], extent_N: NDArray[np.float64], box_N4: NDArray[np.float64], *, of_masks: bool
) -> NDArray[np.bool_]:
    """Mark areas that the shape beside them cannot have: the box's in place of the mask's, 0, or such of another unit, bool (N,).

    The limits are our choice: an area is another one where it differs by more than a quarter of the larger, and by more than half the
    way around the box, which is what drawing may change. Official files of COCO and LVIS stay within them. Beside a box alone an
    area may be small, down to a hundredth of it.

    Args:
        area_N: as files have them, square pixels.
        extent_N: areas of the masks, or of the boxes.
        box_N4: the boxes.
        of_masks: which of the two.
    """
    least = 3 / 4 if of_masks else 1 / 100
    is_other_N = (extent_N < 3 / 4 * area_N) | (area_N < least * extent_N)
    is_other_N &= np.abs(area_N - extent_N) > box_N4[:, 2] + box_N4[:, 3]
    return np.asarray(is_other_N | ((area_N == 0) & (extent_N > 0)))


def look_alikes(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the names that differ from a known field only in capitals, underscores, hyphens and blanks, each with that field.

    So does `box`, which many write for `bbox`, and `crowd` for `iscrowd`. Readers pass such a field over, as if it were not there.
    """
    of_form = {_plain_form(field): field for field in known}
    of_form |= {alias: field for alias, field in _ALIASES.items() if field in of_form.values()}
    found = {name: of_form.get(_plain_form(name)) for name in map(str, names)}
    return {name: field for name, field in found.items() if field is not None and field != name}


_ALIASES = {"box": "bbox", "boundingbox": "bbox", "crowd": "iscrowd"}
_BETWEEN_WORDS = str.maketrans("", "", "_- ")


def _plain_form(name: str) -> str:
    return name.casefold().translate(_BETWEEN_WORDS)


def absence(field: str, record: Mapping[str, Any], of_field: Iterable[str] = ()) -> str:
    """Say that a field is missing, and which one of a similar name is there."""
    known = {field, *of_field}
    others = [name for name in map(str, record) if name not in known]
    close = [*look_alikes(others, [field]), *get_close_matches(field, others, 1)]
    return f"is missing (there is `{close[0]:.40}`)" if close else "is missing"
