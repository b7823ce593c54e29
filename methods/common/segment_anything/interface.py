"""What a Segment Anything model is to the rest of the project, whichever package runs it.

Shape suffixes: H, W pixels of the picture; P prompts; M masks a prompt; C channels; S spots of the embedding a side; 3 colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from methods.common.segment_anything.automatic_masks import AutomaticMasksConfig, ProposedMasks


@dataclass(frozen=True)
class EmbeddedImage:
    """A picture that went through the encoder once, so that it can be prompted many times."""

    embedding_1CSS: Tensor
    size: tuple[int, int]
    """Height and width of the picture, pixels."""
    input_size: tuple[int, int]
    """Height and width at which the network saw it, before padding to a square."""


class SegmentAnything(Protocol):
    """A promptable segmenter of the first release. Text is no prompt of it."""

    def embed(self, image_HW3: NDArray[np.uint8]) -> EmbeddedImage:
        """Encode a picture, uint8 RGB [H, W, 3].

        Source: [SAM]: the longer side is scaled to the network's, normalised, padded below and on the right.
        """

    def masks_at_points(self, image: EmbeddedImage, point_P2: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return three masks for each foreground point (x, y) in pixels of the picture.

        Returns:
            Logits float32 (P, 3, H, W), above 0 inside, and the IoU that the network predicts of each, (P, 3).
        """

    def masks_of_points(self, image: EmbeddedImage, point_P2: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Return three masks of what all foreground points (x, y) in pixels of the picture ask for together.

        Returns:
            Logits float32 (3, H, W), above 0 inside, and the IoU that the network predicts of each, (3,).
        """

    def masks_in_boxes(self, image: EmbeddedImage, box_P4: NDArray[np.float32]) -> tuple[NDArray[np.bool_], Tensor]:
        """Return one mask for each box (left, top, right, bottom) in pixels of the picture.

        Returns:
            bool [P, H, W], and the IoU that the network predicts of each, float32 (P,).
        Source: [SAM]: the single-mask output, which is meant for prompts that are not ambiguous.
        """

    def propose_masks(self, image_HW3: NDArray[np.uint8], config: AutomaticMasksConfig) -> ProposedMasks:
        """Return every mask that a grid of points finds in a picture, uint8 RGB [H, W, 3]. Source: [SAM]."""
