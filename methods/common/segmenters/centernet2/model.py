"""CenterNet2: the whole network and its public methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

import torch
from torch import Tensor

from methods.common.segmenters.backbones.build import Backbone, build_backbone
from methods.common.segmenters.centernet2.cascade import Cascade
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.detection import finish, select
from methods.common.segmenters.centernet2.first_stage import FirstStage
from methods.common.segmenters.centernet2.mask_head import MaskHead
from methods.common.segmenters.centernet2.structures import CascadeOutputs, CenterNet2Outputs
from methods.common.segmenters.centernet2.training import add_gradients, batch_totals, run_heads, weighted_losses
from methods.common.segmenters.construction import (
    PixelNorm,
    build_without_weights,
    normalise_and_pad,
    weights_drawn_from,
)
from methods.common.segmenters.instance.interface import Detections, InstanceSegmenter, InstanceTarget, Size
from methods.common.segmenters.instance.pyramid import FeaturePyramid
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.training.batch_shard import BatchShare
from methods.common.training.losses import Losses


class CenterNet2(SavedWithConfig[CenterNet2Config], InstanceSegmenter):
    """Two-stage instance segmenter: class-agnostic CenterNet proposals, a cascade of box heads, a mask head.

    Images are float32 RGB batches [B, 3, H, W] with values 0..255, of any size; the network normalises and pads them itself.

    Example:
        >>> from methods.common.segmenters.centernet2.presets import centernet2_miniature
        >>> model = CenterNet2(centernet2_miniature(num_classes=30), torch.Generator().manual_seed(0)).eval()
        >>> detections = model.detect(torch.full((2, 3, 64, 96), 127.0))

    Source: MRCA section 6.
    """

    backbone: Backbone

    config_type = CenterNet2Config

    def __init__(self, config: CenterNet2Config, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        with weights_drawn_from(generator):
            self._build(config)
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)

    def _build(self, config: CenterNet2Config) -> None:
        self.backbone = build_backbone(config.backbone)
        self.pyramid = FeaturePyramid(
            config.backbone.output_channels, config.pyramid.channels, config.pyramid.extra_levels
        )
        self.first_stage = FirstStage(config)
        self.cascade = Cascade(config)
        self.mask_head = MaskHead(config)

    @classmethod
    def without_weights(cls, config: CenterNet2Config) -> Self:
        """Build on the CPU without drawing weights; the caller fills every entry of the state dict."""
        model = build_without_weights(lambda: cls(config))
        model.cascade.class_weight_C.fill_(1)
        return model

    @property
    def classifier_weight(self) -> Tensor:
        """Weight [C + 1, fc_width] of the last cascade stage's classifier; row c belongs to class c, the last to background.

        Rows of extra classes lie between the two.
        """
        head = self.cascade.heads[-1]
        weight: Tensor = head.get_parameter("classifier.weight")
        return weight

    def set_class_counts(self, image_count_C: Sequence[int]) -> None:
        """Set how often the federated loss draws each class, extra ones last: (number of training images with it) ^ frequency_power."""
        assert len(image_count_C) == self.config.trained_classes, (
            f"{len(image_count_C)} counts, {self.config.trained_classes} classes"
        )
        counts = torch.tensor(image_count_C, dtype=torch.float32)
        self.cascade.class_weight_C.copy_(counts**self.config.cascade.frequency_power)

    def prepare(self, image_NCHW: Tensor, image_sizes: Sequence[Size] | None = None) -> tuple[Tensor, list[Size]]:
        """Normalise, clear everything outside each image, pad right and bottom with zeros to the multiple.

        Args:
            image_NCHW: float32 RGB in [0, 255]; images of different sizes share the top left corner.
            image_sizes: (height, width) of each image; the whole batch size when None.
        """
        return normalise_and_pad(self.normalise, image_NCHW, image_sizes, self.config.pad_multiple)

    def pyramid_features(
        self,
        image_NCHW: Tensor,
        generator: torch.Generator | None = None,
        backbone_dtype: torch.dtype | None = None,
        share: BatchShare | None = None,
    ) -> list[Tensor]:
        """Return float32 pyramid levels of a prepared batch or of a ``share`` of one.

        ``backbone_dtype`` turns on autocast for backbone and neck, ``generator`` is the source of drop path.
        """
        share = share or BatchShare(0, len(image_NCHW), len(image_NCHW))
        draw = None if generator is None else partial(share.uniform, generator)
        with torch.autocast(image_NCHW.device.type, backbone_dtype, enabled=backbone_dtype is not None):
            levels = self.pyramid(self.backbone(image_NCHW, draw))
        return [level.float() for level in levels]

    def forward(self, image_NCHW: Tensor, image_sizes: Sequence[Size] | None = None) -> CenterNet2Outputs:
        """Run backbone, pyramid and first stage.

        Args:
            image_NCHW: float32 RGB in [0, 255], any height and width.
            image_sizes: (height, width) of each image where the batch holds images of different sizes, top left.
        Returns:
            Pyramid levels, heat maps, distances and proposals. :meth:`refine` and :meth:`mask_logits` go on from there
            with any boxes; :meth:`detect` does all of it.
        """
        image, sizes = self.prepare(image_NCHW, image_sizes)
        features = self.pyramid_features(image)
        first = self.first_stage(features)
        proposals = self.first_stage.proposals(first, self.training)
        return CenterNet2Outputs(features, first.heat_map_logits, first.distances, proposals, sizes)

    def refine(self, outputs: CenterNet2Outputs, boxes: Sequence[Tensor]) -> CascadeOutputs:
        """Run the cascade on given boxes, xyxy in pixels, [N, 4] for each image."""
        return self.cascade.refine(outputs.features, boxes, outputs.image_sizes)

    def mask_logits(self, outputs: CenterNet2Outputs, boxes: Sequence[Tensor]) -> Tensor:
        """Return mask logits [R, 1, S, S] of given boxes, xyxy in pixels, [N, 4] for each image."""
        logits: Tensor = self.mask_head(outputs.features, boxes)
        return logits

    def losses(
        self,
        image_NCHW: Tensor,
        targets: Sequence[InstanceTarget],
        generator: torch.Generator,
        image_sizes: Sequence[Size] | None = None,
        backbone_dtype: torch.dtype | None = None,
        share: BatchShare | None = None,
    ) -> dict[str, Tensor]:
        """Return all weighted training losses; see :meth:`InstanceSegmenter.losses`. Collective where a team shares the batch.

        Args:
            image_NCHW: float32 RGB in [0, 255].
            targets: ground truth of each image.
            generator: source of box sampling, the federated subset and drop path.
            image_sizes: (height, width) of each image where they differ.
            backbone_dtype: autocast type of backbone and pyramid; heads stay in float32.
            share: which part of a batch the images are.
        Returns:
            Scalars ``heat_map_positive``, ``heat_map_negative``, ``proposal_box``, ``class_1``, ``box_1``, ... for each
            cascade stage, and ``mask``.
        """
        assert len(targets) == len(image_NCHW), f"{len(targets)} targets for a batch of {len(image_NCHW)}"
        share = share or BatchShare(0, len(targets), len(targets))
        image, sizes = self.prepare(image_NCHW, image_sizes)
        features = self.pyramid_features(image, generator, backbone_dtype, share)
        outputs = run_heads(self, features, targets, sizes, generator, share)
        return weighted_losses(self, outputs, targets, batch_totals(self, outputs, generator, share))

    def add_gradients(
        self,
        image_NCHW: Tensor,
        targets: Sequence[InstanceTarget],
        generator: torch.Generator,
        image_sizes: Sequence[Size],
        backbone_dtype: torch.dtype | None,
        share: BatchShare,
        parts: int,
        backward: Callable[[Tensor], None],
    ) -> Losses:
        """See :func:`methods.common.segmenters.centernet2.training.add_gradients`. Collective."""
        return add_gradients(self, image_NCHW, targets, generator, image_sizes, backbone_dtype, share, parts, backward)

    @torch.no_grad()
    def detect(
        self,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
        masks: bool = True,
    ) -> list[Detections]:
        """Detect at most ``inference.detections_per_image`` instances an image; see :meth:`InstanceSegmenter.detect`."""
        outputs = self(image_NCHW, image_sizes)
        cascade = self.refine(outputs, [proposal.boxes_N4 for proposal in outputs.proposals])
        selections = select(outputs, cascade, self.config.num_classes, self.config.inference)
        sizes = outputs.image_sizes if output_sizes is None else output_sizes
        probability: list[Tensor | None] = [None] * len(selections)
        if masks:
            probability = list(self._mask_probabilities(outputs, [selection.boxes_U4 for selection in selections]))
        threshold = self.config.inference.mask_threshold
        rows = zip(selections, probability, outputs.image_sizes, sizes, strict=True)
        return [finish(selection, mask, size, output, threshold) for selection, mask, size, output in rows]

    def _mask_probabilities(self, outputs: CenterNet2Outputs, boxes: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return mask probabilities [N, S, S] for each image."""
        probability_RSS = torch.sigmoid(self.mask_logits(outputs, boxes))[:, 0]
        split: Sequence[Tensor] = torch.split(probability_RSS, [len(boxes_N4) for boxes_N4 in boxes])
        return split

    def classify_whole_image(self, image_NCHW: Tensor) -> Tensor:
        """Return class logits [B, C + 1] of one box that covers each whole image, differentiable in the image.

        Extra classes lie before the last column.
        The box is pooled from the level that its size asks for, and goes through head and classifier of the last cascade
        stage. The last column is background and untrained. Source: MRCA section 3.4, step 5 [R].
        """
        image, sizes = self.prepare(image_NCHW)
        boxes = [image.new_tensor([[0, 0, width, height]]) for height, width in sizes]
        return self.cascade.classify(self.pyramid_features(image), boxes)
