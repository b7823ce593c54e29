"""Telling masks that were saved as pictures, black and white, from label maps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_WHITE = (255, 65535)


def white_of_a_mask(values: Iterable[Any]) -> int | None:
    """Return what programs write for the object in a black and white picture, 255 with 8 bits and 65535 with 16.

    Args:
        values: those that occur, each once or often.

    Returns:
        The value if nothing but it and 0 occurs, and it does; otherwise None. In label maps 255 means ignored as a rule, so that
        an object drawn as 255 would not count.
    """
    shown = {int(value) for value in values} - {0}
    return shown.pop() if len(shown) == 1 and shown <= set(_WHITE) else None


MASK_ADVICE = "masks of 0 and {white} need 1 for the object: write them anew with classes 0 and 1"
