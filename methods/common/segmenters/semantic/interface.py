"""What a semantic segmenter is to training and evaluation.

Shape legend: N images, H, W pixels, K classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from methods.common.training.batch_shard import BatchShare


class SemanticSegmenter(nn.Module):
    """A network that names every pixel. It normalises colours itself."""

    num_classes: int
    """K, background included where it is a class."""

    @abstractmethod
    def losses(
        self, image_N3HW: Tensor, label_NHW: Tensor, generator: torch.Generator, share: BatchShare
    ) -> Mapping[str, Tensor]:
        """Return the weighted losses of a share of a batch, whose sum is trained; collective.

        Args:
            image_N3HW: float32 RGB in [0, 255], padded with 0.
            label_NHW: int64 labels below K, 255 where nothing is known.
            generator: for random draws, made for the whole batch; in the same state, the same is drawn.
            share: which images of the batch these are; averages divide by counts over the whole batch.
                What is summed over its team depends on no other sum, so that a batch can also come in parts.
        """

    @abstractmethod
    def scores(self, image_N3HW: Tensor) -> Tensor:
        """Return a score for each class and pixel, float32 [N, K, H, W] at the size of the images; argmax is the label."""

    def log_probabilities(self, image_N3HW: Tensor) -> Tensor:
        """Return the logarithm of the probability of each class and pixel, float32 [N, K, H, W]; scores are logits unless a kind says else."""
        return self.scores(image_N3HW).log_softmax(dim=1)

    @property
    @abstractmethod
    def backbone(self) -> nn.Module:
        """The part that pre-trained weights without a head go into."""

    @property
    @abstractmethod
    def class_layers(self) -> tuple[str, ...]:
        """Prefixes of the parameters whose shape depends on the number of classes."""

    @abstractmethod
    def save_pretrained(self, folder: Path | str) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder, each atomically."""
