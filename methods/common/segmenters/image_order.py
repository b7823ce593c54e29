"""Which image each sample of a training shows. Imports nothing heavy."""

from __future__ import annotations

from typing import Protocol


class ImageOrder(Protocol):
    """An endless order of images, a pure function of the place in it, so that workers and teams agree."""

    def image_index(self, position: int) -> int:
        """Return the image at a position >= 0."""
