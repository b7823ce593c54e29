"""Mask2Former for panoptic and instance segmentation: a query stands for a segment.

Shape legend: N images, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from methods.common.segmenters.instance.interface import AllFound, InstanceTarget, PanopticThresholds, Size
from methods.common.segmenters.mask2former.config import PanopticMask2FormerConfig
from methods.common.segmenters.mask2former.network import Mask2FormerNetwork
from methods.common.segmenters.mask_queries.answers import Answer, answers_of
from methods.common.segmenters.mask_queries.config import Task
from methods.common.segmenters.mask_queries.losses import batch_totals, mask_set_losses
from methods.common.segmenters.mask_queries.panoptic import best_classes
from methods.common.segmenters.mask_queries.points import point_sources
from methods.common.segmenters.mask_queries.segmenter import QuerySegmenter
from methods.common.segmenters.mask_queries.targets import targets_of_segments
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.training.batch_shard import BatchShare


class PanopticMask2Former(  # type: ignore[override]  # the backbone is read alone
    SavedWithConfig[PanopticMask2FormerConfig], Mask2FormerNetwork, QuerySegmenter
):
    """Segmenter that predicts a set of masks, each with a class, things and stuff alike.

    Targets are panoptic segments: an instance target for each thing, and one for each stuff class that is there; crowds are none, and their
    pixels count against every mask. Without stuff classes it is the instance segmenter of the release.

    Example:
        >>> from methods.common.segmenters.mask2former.recipes import panoptic_miniature
        >>> model = PanopticMask2Former(panoptic_miniature(3, stuff_classes=(2,)), torch.Generator().manual_seed(0)).eval()
        >>> (found,) = model.segment_panoptic(torch.full((1, 3, 64, 60), 127.0), PanopticThresholds(0.8, 0.8))
        >>> found.segment_HW.shape
        torch.Size([64, 60])

    Source: SegGen section 8 [code]; arXiv 2112.01527.
    """

    config_type = PanopticMask2FormerConfig

    def __init__(self, config: PanopticMask2FormerConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__(config, generator)
        self.config = config

    def losses(
        self,
        image_NCHW: Tensor,
        targets: Sequence[InstanceTarget],
        generator: torch.Generator,
        image_sizes: Sequence[Size] | None = None,
        backbone_dtype: torch.dtype | None = None,
        share: BatchShare | None = None,
    ) -> dict[str, Tensor]:
        """Return the weighted losses; see :meth:`InstanceSegmenter.losses`. Collective where a team shares the batch.

        Returns:
            Scalars ``class``, ``mask``, ``dice`` of the last layer, ``earlier_class``, ``earlier_mask``, ``earlier_dice`` of all
            others together.
        Source: SegGen section 8.2 [code]; losses are averaged over the whole batch, see :class:`BatchShare`.
        """
        assert len(targets) == len(image_NCHW), f"{len(targets)} targets for a batch of {len(image_NCHW)}"
        config = self.config
        share = share or BatchShare(0, len(targets), len(targets))
        outputs = self(image_NCHW, generator, share, image_sizes, backbone_dtype)
        wanted = targets_of_segments(
            [target.classes_N for target in targets], [target.masks_NHW for target in targets], outputs.padded_size
        )
        totals = batch_totals(wanted, config.num_queries, config.loss, share)
        sources = point_sources(None, image_NCHW.device, generator, share)
        return mask_set_losses(outputs.class_logits, outputs.mask_logits, wanted, sources, config.loss, totals)

    def answers(
        self,
        task: Task,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
    ) -> Iterator[Answer]:
        """Yield what the queries answer for each image, whatever the task; see :meth:`QuerySegmenter.answers`."""
        outputs = self(image_NCHW, image_sizes=image_sizes)
        sizes = outputs.padded_size, outputs.image_sizes
        return answers_of(outputs.class_logits[-1], outputs.mask_logits[-1], *sizes, output_sizes)

    @torch.no_grad()
    def find_all(
        self,
        image_NCHW: Tensor,
        thresholds: PanopticThresholds,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
    ) -> list[AllFound]:
        """Return all that is found in each image, by one pass of the network; see :meth:`PanopticSegmenter.find_all`."""
        return [
            AllFound(self.segments_in(answer, thresholds), best_classes(*answer), self.things_in(answer))
            for answer in self.answers("panoptic", image_NCHW, image_sizes, output_sizes)
        ]
