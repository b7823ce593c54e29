"""Mask2Former for semantic segmentation: a query stands for a class that is in the picture.

Shape legend: N images, Q queries, K classes, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.mask2former.config import Mask2FormerConfig
from methods.common.segmenters.mask2former.losses import mask2former_losses
from methods.common.segmenters.mask2former.network import Mask2FormerNetwork
from methods.common.segmenters.mask2former.targets import VOID
from methods.common.segmenters.mask_queries.postprocess import full_size_masks, semantic_scores
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.segmenters.semantic.interface import SemanticSegmenter
from methods.common.training.batch_shard import BatchShare


class Mask2Former(SavedWithConfig[Mask2FormerConfig], Mask2FormerNetwork, SemanticSegmenter):
    """Segmenter that predicts a set of masks, each with a class.

    Images are float32 RGB batches [N, 3, H, W] with values 0..255, of any size; the network normalises and pads them itself.

    Example:
        >>> from methods.common.segmenters.mask2former.presets import mask2former_miniature
        >>> model = Mask2Former(mask2former_miniature(num_classes=10), torch.Generator().manual_seed(0)).eval()
        >>> model.scores(torch.full((2, 3, 64, 60), 127.0)).shape
        torch.Size([2, 10, 64, 60])

    Source: SAM filter section 8; arXiv 2112.01527.
    """

    config_type = Mask2FormerConfig

    def __init__(self, config: Mask2FormerConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__(config, generator)
        self.config = config

    def losses(
        self, image_N3HW: Tensor, label_NHW: Tensor, generator: torch.Generator, share: BatchShare
    ) -> Mapping[str, Tensor]:
        """Return the weighted losses; see :func:`mask2former_losses`. Collective."""
        assert label_NHW.shape == (len(image_N3HW), *image_N3HW.shape[2:]), "labels and images differ in size"
        outputs = self(image_N3HW, generator, share)
        (height, width), (padded_height, padded_width) = image_N3HW.shape[2:], outputs.padded_size
        label = functional.pad(label_NHW, (0, padded_width - width, 0, padded_height - height), value=VOID)
        return mask2former_losses(outputs, label, self.config, generator, share)

    @torch.no_grad()
    def scores(self, image_N3HW: Tensor) -> Tensor:
        """Return the score of each class and pixel, float32 [N, K, H, W]; call it in evaluation mode.

        Source: SAM filter section 8.
        """
        outputs = self(image_N3HW)
        size = (image_N3HW.shape[2], image_N3HW.shape[3])
        images = zip(outputs.class_logits[-1], outputs.mask_logits[-1], strict=True)
        return torch.stack(
            [
                semantic_scores(class_logit, full_size_masks(mask_logit, outputs.padded_size, size))
                for class_logit, mask_logit in images
            ]
        )

    def log_probabilities(self, image_N3HW: Tensor) -> Tensor:
        """Return the logarithm of each class' share of the scores, float32 [N, K, H, W]; they are sums of probabilities, no logits."""
        score_NKHW = self.scores(image_N3HW).clamp(min=torch.finfo(torch.float32).tiny)
        return (score_NKHW / score_NKHW.sum(dim=1, keepdim=True)).log()
