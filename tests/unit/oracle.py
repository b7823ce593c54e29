"""Prompters that know the truth, and one that damages it by a known amount.

Shape suffixes: H, W pixels; 3 colours.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from methods.common.prompters.interface import NamedMasks, NamedSegmenter, empty_masks
from methods.common.seeds import derive_seed


class Oracle:
    """Answers with the truth, by the picture's pixels; what it was not told of is not found."""

    def __init__(self) -> None:
        self._truths: dict[bytes, Mapping[str, NDArray[np.bool_]]] = {}

    def tell(self, image_HW3: NDArray[np.uint8], masks: Mapping[str, NDArray[np.bool_]]) -> None:
        """Learn the true mask of each class of a picture, bool (H, W)."""
        self._truths[_digest(image_HW3)] = masks

    def segment(self, image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
        """Return the mask of each name; see :class:`NamedSegmenter`."""
        truth = self._truths.get(_digest(image_HW3), {})
        return {name: truth.get(name, empty) for name, empty in empty_masks(image_HW3, class_names).items()}


class DamagedOracle:
    """Flips a fixed share of the pixels of another prompter's masks.

    Which pixels are flipped depends on picture and name only, and those of a small share are among those of a larger one.
    """

    def __init__(self, prompter: NamedSegmenter, flipped_share: float, seed: int = 0) -> None:
        assert 0.0 <= flipped_share <= 1.0, flipped_share
        self.prompter = prompter
        self.flipped_share = flipped_share
        self.seed = seed

    def segment(self, image_HW3: NDArray[np.uint8], class_names: Sequence[str]) -> NamedMasks:
        """Return the mask of each name; see :class:`NamedSegmenter`."""
        masks = self.prompter.segment(image_HW3, class_names)
        return {name: mask_HW ^ self._flipped(image_HW3, name) for name, mask_HW in masks.items()}

    def _flipped(self, image_HW3: NDArray[np.uint8], name: str) -> NDArray[np.bool_]:
        rng = np.random.default_rng(derive_seed(self.seed, _digest(image_HW3).hex(), name))
        count = round(self.flipped_share * image_HW3.shape[0] * image_HW3.shape[1])
        order = rng.permutation(image_HW3.shape[0] * image_HW3.shape[1])
        flipped = np.zeros(len(order), bool)
        flipped[order[:count]] = True
        return flipped.reshape(image_HW3.shape[:2])


def _digest(image_HW3: NDArray[np.uint8]) -> bytes:
    shape = np.array(image_HW3.shape, np.int64).tobytes()
    return hashlib.sha256(shape + np.ascontiguousarray(image_HW3).tobytes()).digest()
