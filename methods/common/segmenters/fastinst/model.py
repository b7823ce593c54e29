"""FastInst: the whole network and its public methods.

Shape legend: N images or instances of one image, Q queries, K classes, H, W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.backbones.build import Backbone, build_backbone
from methods.common.segmenters.backbones.resnet import ResNet
from methods.common.segmenters.construction import PixelNorm, weights_drawn_from
from methods.common.segmenters.fastinst.config import FastInstConfig
from methods.common.segmenters.fastinst.decoder import Decoder, DecoderOutputs
from methods.common.segmenters.fastinst.losses import fastinst_losses
from methods.common.segmenters.fastinst.pixel_decoder import PixelDecoder
from methods.common.segmenters.fastinst.targets import join_targets
from methods.common.segmenters.instance.interface import Detections, InstanceSegmenter, InstanceTarget, Size
from methods.common.segmenters.mask_queries.postprocess import boxes_of, instances_of
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.training.batch_shard import BatchShare


@dataclass(frozen=True)
class FastInstOutputs(DecoderOutputs):
    """What the network makes of a batch.

    Attributes:
        features: the three maps of the backbone, finest first.
        pyramid: those of the pixel decoder.
        padded_size: (height, width) that the images were padded to.
        image_sizes: (height, width) of each image.
    """

    features: list[Tensor]
    pyramid: list[Tensor]
    padded_size: Size
    image_sizes: list[Size]


class FastInst(SavedWithConfig[FastInstConfig], InstanceSegmenter):
    """Instance segmenter that predicts a class and a mask for each place that looks like an object.

    Images are float32 RGB batches [N, 3, H, W] with values 0..255, of any size; the network normalises and pads them itself.

    Example:
        >>> from methods.common.segmenters.fastinst.presets import fastinst_miniature
        >>> model = FastInst(fastinst_miniature(num_classes=10), torch.Generator().manual_seed(0)).eval()
        >>> len(model.detect(torch.full((2, 3, 64, 60), 127.0)))
        2

    Source: InstSynth section 7; arXiv 2303.08594.
    """

    backbone: Backbone

    config_type = FastInstConfig

    def __init__(self, config: FastInstConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        with weights_drawn_from(generator):
            self.backbone = build_backbone(config.backbone)
            self.pixel_decoder = PixelDecoder(config)
            self.decoder = Decoder(config)
        if isinstance(self.backbone, ResNet):
            self.backbone.fold_norms()
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)

    def prepare(self, image_N3HW: Tensor, image_sizes: Sequence[Size] | None = None) -> tuple[Tensor, list[Size]]:
        """Normalise, clear everything outside each image, pad right and bottom with zeros to the multiple. Source: [FI].

        Args:
            image_N3HW: float32 RGB in [0, 255]; images of different sizes share the top left corner.
            image_sizes: (height, width) of each image; the whole batch size when None.
        """
        assert image_N3HW.ndim == 4, f"images have shape {tuple(image_N3HW.shape)}; give [N, 3, H, W]"
        images, _, height, width = image_N3HW.shape
        sizes = [(height, width)] * images if image_sizes is None else [(int(h), int(w)) for h, w in image_sizes]
        assert len(sizes) == images, f"{len(sizes)} image sizes for a batch of {images}"
        image = self.normalise(image_N3HW.float())
        for row, (inside_height, inside_width) in enumerate(sizes):
            if (inside_height, inside_width) != (height, width):
                image[row, :, inside_height:] = 0
                image[row, :, :, inside_width:] = 0
        multiple = self.config.pad_multiple
        image = functional.pad(image, (0, -width % multiple, 0, -height % multiple))
        return image.contiguous(memory_format=torch.channels_last), sizes

    def forward(
        self,
        image_N3HW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        draw: Callable[[], Tensor] | None = None,
    ) -> FastInstOutputs:
        """Run the network; see :meth:`prepare`. In evaluation mode only the last prediction has classes.

        ``draw`` gives a number in [0, 1) for each image, for backbones that skip blocks in training.
        """
        image, sizes = self.prepare(image_N3HW, image_sizes)
        features = self.backbone(image, draw)
        pyramid = self.pixel_decoder(features)
        decoded: DecoderOutputs = self.decoder(pyramid)
        return FastInstOutputs(
            **vars(decoded),
            features=features,
            pyramid=pyramid,
            padded_size=(image.shape[2], image.shape[3]),
            image_sizes=sizes,
        )

    def losses(
        self,
        image_NCHW: Tensor,
        targets: Sequence[InstanceTarget],
        generator: torch.Generator,
        image_sizes: Sequence[Size] | None = None,
        backbone_dtype: torch.dtype | None = None,
        share: BatchShare | None = None,
    ) -> dict[str, Tensor]:
        """Return all weighted training losses; see :meth:`InstanceSegmenter.losses` and :func:`fastinst_losses`. Collective.

        ``backbone_dtype`` is the autocast type of the whole network, as in the release; matching and losses stay in float32.
        """
        assert len(targets) == len(image_NCHW), f"{len(targets)} targets for a batch of {len(image_NCHW)}"
        share = share or BatchShare(0, len(targets), len(targets))
        with torch.autocast(image_NCHW.device.type, backbone_dtype, enabled=backbone_dtype is not None):
            outputs = self(image_NCHW, image_sizes, partial(share.uniform, generator))
            joined = join_targets(targets, outputs.padded_size)
            return fastinst_losses(self.decoder, outputs, joined, self.config, generator, share)

    @torch.no_grad()
    def detect(
        self,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
        masks: bool = True,
    ) -> list[Detections]:
        """Detect at most ``detections_per_image`` instances an image; see :meth:`InstanceSegmenter.detect`.

        A detection's score is its class probability times the mean probability of the pixels in its mask, its box that of the
        mask. One query may come with several classes, and no overlap is suppressed. Source: InstSynth section 7.4 [FI].
        """
        outputs = self(image_NCHW, image_sizes)
        last = outputs.predictions[-1]
        assert last.class_logit_NQK is not None
        sizes = outputs.image_sizes if output_sizes is None else output_sizes
        rows = zip(last.class_logit_NQK, last.mask_logit_NQhw, outputs.image_sizes, sizes, strict=True)
        return [
            self._detections(class_logit, mask_logit, outputs.padded_size, image, output, masks)
            for class_logit, mask_logit, image, output in rows
        ]

    def _detections(
        self, class_logit_QK: Tensor, mask_logit_Qhw: Tensor, padded: Size, image: Size, output: Size, masks: bool
    ) -> Detections:
        found = instances_of(class_logit_QK, mask_logit_Qhw, padded, image, output, self.config.detections_per_image)
        boxes_R4 = boxes_of(found.mask_RHW)
        return Detections(boxes_R4, found.score_R, found.class_R, found.mask_RHW if masks else None)
