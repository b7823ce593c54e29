"""The one call behind which every back end stands: repaint these crops inside these masks by these prompts, each from its own seed.

Shape legend: S side of a square crop; G side of a result; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from methods.common.errors import InputError

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class RepaintOrder(NamedTuple):
    """One picture to make."""

    crop_SS3: Picture
    """uint8 RGB, square."""
    mask_SS: Mask
    """bool, True is repainted."""
    prompt: str
    """What to paint."""
    class_name: str
    """Its class, the phrase of grounded generators."""
    seed: int
    """Derived, in [0, 2**63); decides the picture, whatever is made beside it."""
    source: str = ""
    """Which instance the crop shows; a bank of others never gives it back."""


class BackEnd(Protocol):
    """Something that repaints."""

    @property
    def side_px(self) -> int | None:
        """Side of its results; None where it is that of each crop."""

    @property
    def denoisings_per_picture(self) -> int:
        """Denoiser evaluations of one picture, each half of guidance counted; 0 without a denoiser."""

    def paint(self, orders: Sequence[RepaintOrder]) -> Sequence[NDArray[Any]]:
        """Return a picture (G, G, 3) for each order, with the crop's framing: uint8, or floats in [0, 1].

        Pixels outside the mask may differ from the crop's, as a coder loses some; whoever pastes leaves them out.
        """


def repaint(back_end: BackEnd, orders: Sequence[RepaintOrder]) -> list[Picture]:
    """Repaint in one batch and check what comes back.

    Args:
        back_end: the generator.
        orders: at least one.

    Returns:
        One picture an order, uint8 RGB (G, G, 3), G the back end's side or that of the crop.

    Raises:
        InputError: the back end gave another number of pictures, another size, or numbers that are not finite.

    Source: InstSynth section 2.4.
    """
    pictures = back_end.paint(orders)
    name = type(back_end).__name__
    if len(pictures) != len(orders):
        raise InputError(f"{name} gave {len(pictures)} pictures for {len(orders)} orders; let it give one for each")
    return [_checked(picture, order, back_end) for picture, order in zip(pictures, orders, strict=True)]


def _checked(picture: NDArray[Any], order: RepaintOrder, back_end: BackEnd) -> Picture:
    name, side = type(back_end).__name__, back_end.side_px or order.crop_SS3.shape[0]
    if picture.shape != (side, side, 3):
        raise InputError(
            f"{name} gave a picture of shape {picture.shape} for the prompt {order.prompt!r}, not {(side, side, 3)}; let it keep "
            "the crop's square frame"
        )
    if picture.dtype == np.uint8:
        return picture
    if not np.isfinite(picture).all():
        raise InputError(
            f"{name} gave numbers that are not finite for the prompt {order.prompt!r}; try float32 or bfloat16 as its precision, and "
            "look at its weights"
        )
    return np.asarray((np.clip(picture, 0.0, 1.0) * 255.0).round(), np.uint8)
