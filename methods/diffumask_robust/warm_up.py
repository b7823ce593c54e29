"""How long the warm-up lasts, in which images are mixed with offline labels (section 6.3)."""

from __future__ import annotations

from typing import Literal

WarmUp = Literal["as_meant", "as_released"]
"""``as_released``: the first epoch; ``as_meant``: the same share of the training as there, whatever the number of images [C D25]."""

_RELEASED_EPOCHS = 80
"""Of the release, whose first is the warm-up (section 6.4 [code])."""


def iterations_of_epoch(num_images: int, batch_size: int) -> int:
    """Return how many batches an epoch has; the last, smaller one is left out, but one there is [C D26]."""
    return max(1, num_images // batch_size)


def warm_up_iterations(iterations: int, num_images: int, batch_size: int, rule: WarmUp = "as_meant") -> int:
    """Return the number of iterations of the warm-up, at most all of them.

    Args:
        iterations: of the whole training.
        num_images: that it trains on.
        batch_size: images an iteration.
        rule: see :data:`WarmUp`.
    Source: sections 6.3 and 6.4.
    """
    if rule == "as_released":
        return min(iterations, iterations_of_epoch(num_images, batch_size))
    return -(-iterations // _RELEASED_EPOCHS)
