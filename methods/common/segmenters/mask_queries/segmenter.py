"""A panoptic segmenter whose queries answer with a class and a mask each: what is made of the answers.

Shape legend: N images, H, W pixels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from methods.common.segmenters.instance.interface import (
    Detections,
    PanopticSegmenter,
    PanopticSegments,
    PanopticThresholds,
    Size,
)
from methods.common.segmenters.mask_queries.answers import Answer, find_instances
from methods.common.segmenters.mask_queries.config import Task
from methods.common.segmenters.mask_queries.panoptic import best_classes, panoptic_segments


class QuerySegmenter(PanopticSegmenter):
    """Makes instances, segments and label maps of what the queries of a network answer."""

    config: Any
    """Of the network; says which classes have instances (``thing_classes``) and how many pairs are taken (``detections_per_image``)."""

    @abstractmethod
    def answers(
        self,
        task: Task,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
    ) -> Iterator[Answer]:
        """Yield what the queries answer for each image.

        Args:
            task: what is to be made of the answers.
            image_NCHW: float32 RGB in [0, 255].
            image_sizes: (height, width) of each image where they differ.
            output_sizes: (height, width) of what is made of the answers; ``image_sizes`` when None.
        """

    @torch.no_grad()
    def detect(
        self,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
        masks: bool = True,
    ) -> list[Detections]:
        """Detect things among the best ``detections_per_image`` pairs of query and class; see :meth:`InstanceSegmenter.detect`."""
        answers = self.answers("instance", image_NCHW, image_sizes, output_sizes)
        return [self.things_in(answer, masks) for answer in answers]

    @torch.no_grad()
    def segment_panoptic(
        self,
        image_NCHW: Tensor,
        thresholds: PanopticThresholds,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
    ) -> list[PanopticSegments]:
        """Find the segments of each image; see :meth:`PanopticSegmenter.segment_panoptic`."""
        answers = self.answers("panoptic", image_NCHW, image_sizes, output_sizes)
        return [self.segments_in(answer, thresholds) for answer in answers]

    @torch.no_grad()
    def segment_semantic(
        self,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
    ) -> list[Tensor]:
        """Find the class of every pixel; see :meth:`PanopticSegmenter.segment_semantic`."""
        return [best_classes(*answer) for answer in self.answers("semantic", image_NCHW, image_sizes, output_sizes)]

    def things_in(self, answer: Answer, masks: bool = True) -> Detections:
        """Return the detections among what the queries answer for an image."""
        return find_instances(*answer, self.config.thing_classes, self.config.detections_per_image, masks=masks)

    def segments_in(self, answer: Answer, thresholds: PanopticThresholds) -> PanopticSegments:
        """Return the segments among what the queries answer for an image."""
        bounds = thresholds.object, thresholds.overlap
        return PanopticSegments(*panoptic_segments(*answer, self.config.thing_classes, *bounds))
