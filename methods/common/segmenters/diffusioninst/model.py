"""DiffusionInst: the whole network and its public methods.

Shape legend: N images, Q proposals, K classes, R detections of one image, C channels, F filter numbers, H, W pixels;
4 = x0, y0, x1, y1 in pixels, or cx, cy, w, h in what the diffusion sees (``signal``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from methods.common.segmenters.backbones.build import Backbone, build_backbone
from methods.common.segmenters.backbones.resnet import ResNet
from methods.common.segmenters.construction import (
    PixelNorm,
    normalise_and_pad,
    weights_drawn_from,
)
from methods.common.segmenters.diffusioninst.boxes import centred, corners, image_scale
from methods.common.segmenters.diffusioninst.config import DiffusionInstConfig
from methods.common.segmenters.diffusioninst.diffusion import (
    TrainingNoise,
    cosine_alphas,
    from_signal,
    noise_between,
    noised,
    sampling_times,
    starting_boxes,
    step,
    to_signal,
)
from methods.common.segmenters.diffusioninst.head import Decoder, HeadOutputs
from methods.common.segmenters.diffusioninst.losses import diffusioninst_losses
from methods.common.segmenters.diffusioninst.masks import (
    MaskBranch,
    MaskEnlarger,
    masks_by_filters,
)
from methods.common.segmenters.instance.interface import Detections, InstanceSegmenter, InstanceTarget, Size
from methods.common.segmenters.instance.pyramid import FeaturePyramid
from methods.common.segmenters.saved import SavedWithConfig
from methods.common.training.batch_shard import BatchShare


@dataclass(frozen=True)
class ImageFeatures:
    """What is known of a batch before any box.

    Attributes:
        levels: pyramid levels [N, C, H, W], finest first, float32.
        map_NCHW: from the mask branch, stride 4.
        sizes: (height, width) of each image.
        padded: (height, width) of the batch.
    """

    levels: list[Tensor]
    map_NCHW: Tensor
    sizes: list[Size]
    padded: Size


@dataclass(frozen=True)
class Candidates:
    """Pairs of box and class of one image.

    Attributes:
        boxes_R4: in pixels.
        scores_R: class probabilities.
        classes_R: int64.
        filters_RF: of the mask.
    """

    boxes_R4: Tensor
    scores_R: Tensor
    classes_R: Tensor
    filters_RF: Tensor


class DiffusionInst(SavedWithConfig[DiffusionInstConfig], InstanceSegmenter):
    """Instance segmenter that begins with boxes of pure noise and refines them, each with filters for its mask.

    Images are float32 RGB batches [N, 3, H, W] with values 0..255, of any size; the network normalises and pads them itself.

    Example:
        >>> from methods.common.segmenters.diffusioninst.presets import diffusioninst_miniature
        >>> model = DiffusionInst(diffusioninst_miniature(num_classes=10), torch.Generator().manual_seed(0)).eval()
        >>> len(model.detect(torch.full((2, 3, 64, 60), 127.0)))
        2

    Source: InstSynth section 5; arXiv 2212.02773.
    """

    backbone: Backbone
    config_type = DiffusionInstConfig

    def __init__(self, config: DiffusionInstConfig, generator: torch.Generator | None = None) -> None:
        """Build with random weights, drawn from ``generator`` (torch's global one when it is None)."""
        super().__init__()
        self.config = config
        self.num_classes = config.num_classes
        self.normalise = PixelNorm(config.pixel_mean, config.pixel_std)
        with weights_drawn_from(generator):
            self.backbone = build_backbone(config.backbone)
            self.pyramid = FeaturePyramid(config.backbone.output_channels, config.width)
            self.mask_branch = MaskBranch(config)
            self.decoder = Decoder(config)
        if isinstance(self.backbone, ResNet):
            self.backbone.fold_norms()

    @cached_property
    def alphas(self) -> list[float]:
        """Share of the signal's variance that is left after each time step."""
        return cosine_alphas(self.config.diffusion.num_timesteps, self.config.diffusion.schedule_offset).tolist()

    def features(
        self,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        generator: torch.Generator | None = None,
        backbone_dtype: torch.dtype | None = None,
        share: BatchShare | None = None,
    ) -> ImageFeatures:
        """Return what boxes look into; arguments are those of :meth:`losses`. Heads stay in float32."""
        share = share or BatchShare(0, len(image_NCHW), len(image_NCHW))
        image, sizes = normalise_and_pad(self.normalise, image_NCHW, image_sizes, self.config.pad_multiple)
        image = image.contiguous(memory_format=torch.channels_last)
        draw = None if generator is None else partial(share.uniform, generator)
        with torch.autocast(image.device.type, backbone_dtype, enabled=backbone_dtype is not None):
            levels = [level.float() for level in self.pyramid(self.backbone(image, draw))]
        return ImageFeatures(levels, self.mask_branch(levels), sizes, (image.shape[2], image.shape[3]))

    def decode(self, features: ImageFeatures, noisy_NQ4: Tensor, timestep_N: Tensor) -> list[HeadOutputs]:
        """Return the predictions of every head for noisy boxes (signal) as of a time step of each image."""
        share_NQ4 = from_signal(noisy_NQ4, self.config.diffusion.signal_scale)
        scale_N4 = torch.stack([image_scale(size, share_NQ4) for size in features.sizes])
        outputs: list[HeadOutputs] = self.decoder(features.levels, corners(share_NQ4) * scale_N4[:, None], timestep_N)
        return outputs

    def denoised(self, features: ImageFeatures, outputs: Sequence[HeadOutputs]) -> Tensor:
        """Return the last head's boxes as signal, cut off at its range, [N, Q, 4]."""
        scale, boxes_NQ4 = self.config.diffusion.signal_scale, outputs[-1].boxes_NQ4
        scale_N4 = torch.stack([image_scale(size, boxes_NQ4) for size in features.sizes])
        return to_signal(centred(boxes_NQ4 / scale_N4[:, None]), scale).clamp(-scale, scale)

    def losses(
        self,
        image_NCHW: Tensor,
        targets: Sequence[InstanceTarget],
        generator: torch.Generator,
        image_sizes: Sequence[Size] | None = None,
        backbone_dtype: torch.dtype | None = None,
        share: BatchShare | None = None,
    ) -> dict[str, Tensor]:
        """Return all weighted training losses; see :meth:`InstanceSegmenter.losses` and :func:`diffusioninst_losses`. Collective.

        ``backbone_dtype`` is the autocast type of backbone and pyramid; all else stays in float32.
        """
        assert len(targets) == len(image_NCHW), f"{len(targets)} targets for a batch of {len(image_NCHW)}"
        share = share or BatchShare(0, len(targets), len(targets))
        features = self.features(image_NCHW, image_sizes, generator, backbone_dtype, share)
        noisy_NQ4, timestep_N = self._training_boxes(targets, features.sizes, generator, share)
        outputs = self.decode(features, noisy_NQ4, timestep_N)
        return diffusioninst_losses(
            outputs, features.map_NCHW, targets, features.sizes, features.padded, self.config, share
        )

    def _training_boxes(
        self, targets: Sequence[InstanceTarget], sizes: Sequence[Size], generator: torch.Generator, share: BatchShare
    ) -> tuple[Tensor, Tensor]:
        """Return noised boxes (signal) [N, Q, 4] and the time step of each image; draws for the whole batch."""
        diffusion, device = self.config.diffusion, targets[0].boxes_N4.device
        seeds_B = torch.randint(2**62, (share.batch_size,), generator=generator, device=generator.device).tolist()
        if diffusion.start == "fixed":
            first_Q4 = self._first_boxes(device)
            last_N = torch.full((len(targets),), diffusion.num_timesteps - 1, device=device)
            return first_Q4.expand(len(targets), -1, -1), last_N
        drawn = [
            TrainingNoise.draw(self.config.num_proposals, diffusion.num_timesteps, seed, device)
            for seed in seeds_B[share.first : share.first + share.count]
        ]
        start_NQ4 = torch.stack(
            [
                starting_boxes(centred(target.boxes_N4 / image_scale(size, target.boxes_N4)), one)
                for target, size, one in zip(targets, sizes, drawn, strict=True)
            ]
        )
        alpha_N = torch.tensor([self.alphas[one.timestep] for one in drawn], device=device)
        noise_NQ4 = torch.stack([one.noise_Q4 for one in drawn])
        noisy_NQ4 = noised(to_signal(start_NQ4, diffusion.signal_scale), noise_NQ4, alpha_N)
        return noisy_NQ4, torch.tensor([one.timestep for one in drawn], device=device)

    def _first_boxes(self, device: torch.device) -> Tensor:
        """Return the boxes that test time begins with, (Q, 4): standard normal, always the same."""
        generator = torch.Generator("cpu").manual_seed(self.config.diffusion.noise_seed)
        return torch.randn(self.config.num_proposals, 4, generator=generator).to(device)

    @torch.no_grad()
    def detect(
        self,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
        masks: bool = True,
    ) -> list[Detections]:
        """Detect at most ``num_proposals`` instances an image; see :meth:`InstanceSegmenter.detect`.

        Noise is the same for every image. A detection's score is its class probability; its mask ends at its box.
        Source: InstSynth section 5.4 [DI].
        """
        features = self.features(image_NCHW, image_sizes)
        noisy_NQ4 = self._first_boxes(image_NCHW.device).expand(len(image_NCHW), -1, -1)
        return self.finish(features, self.sample(features, noisy_NQ4), output_sizes, masks)

    def sample(self, features: ImageFeatures, noisy_NQ4: Tensor) -> list[list[Candidates]]:
        """Free boxes from noise; return the candidates of each image for each step, only the last step's without an ensemble.

        Args:
            features: of the images.
            noisy_NQ4: standard normal.
        """
        diffusion = self.config.diffusion
        generator = torch.Generator("cpu").manual_seed(diffusion.noise_seed + 1)
        found: list[list[Candidates]] = []
        for now, following in sampling_times(diffusion):
            timestep_N = torch.full((len(noisy_NQ4),), now, device=noisy_NQ4.device)
            outputs = self.decode(features, noisy_NQ4, timestep_N)
            found.append([self._candidates(outputs[-1], row) for row in range(len(noisy_NQ4))])
            if following < 0:
                break
            signal_NQ4 = self.denoised(features, outputs)
            noise_NQ4 = noise_between(noisy_NQ4, signal_NQ4, self.alphas[now])
            fresh_Q4, renewed_Q4 = torch.randn(2, *signal_NQ4.shape[1:], generator=generator).to(signal_NQ4)
            next_NQ4 = step(signal_NQ4, noise_NQ4, fresh_Q4, self.alphas[now], self.alphas[following], diffusion.eta)
            sure_NQ = outputs[-1].class_logit_NQK.amax(dim=2).sigmoid() > diffusion.renewal_score
            noisy_NQ4 = torch.where(sure_NQ[:, :, None], next_NQ4, renewed_Q4)
        return found if diffusion.ensemble else found[-1:]

    def finish(
        self,
        features: ImageFeatures,
        steps: Sequence[Sequence[Candidates]],
        output_sizes: Sequence[Size] | None = None,
        masks: bool = True,
    ) -> list[Detections]:
        """Return the detections of each image from the candidates of :meth:`sample`; see :meth:`detect`."""
        sizes = features.sizes if output_sizes is None else output_sizes
        return [
            self._detections(features, [of_images[row] for of_images in steps], row, output, masks)
            for row, output in enumerate(sizes)
        ]

    def _candidates(self, head: HeadOutputs, row: int) -> Candidates:
        """Return the best pairs of box and class of an image, as many as there are proposals."""
        score_QK = head.class_logit_NQK[row].sigmoid()
        score_R, pair_R = score_QK.flatten().topk(min(self.config.num_proposals, score_QK.numel()))
        query_R = torch.div(pair_R, self.num_classes, rounding_mode="floor")
        return Candidates(
            head.boxes_NQ4[row, query_R], score_R, pair_R % self.num_classes, head.filters_NQF[row, query_R]
        )

    def _detections(
        self, features: ImageFeatures, steps: Sequence[Candidates], row: int, output: Size, masks: bool
    ) -> Detections:
        boxes_R4, score_R, class_R, filters_RF = (
            torch.cat([getattr(one, name) for one in steps])
            for name in ("boxes_R4", "scores_R", "classes_R", "filters_RF")
        )
        kept = batched_nms(boxes_R4, score_R, class_R, self.config.detections_nms_iou)[: self.config.num_proposals]
        size = features.sizes[row]
        ratio_4 = image_scale(output, boxes_R4) / image_scale(size, boxes_R4)
        boxes_R4 = (boxes_R4[kept] * ratio_4).clamp(min=0).minimum(image_scale(output, boxes_R4))
        mask_RHW = self._masks(features, row, filters_RF[kept], boxes_R4, output) if masks else None
        return Detections(boxes_R4, score_R[kept], class_R[kept], mask_RHW)

    def _masks(self, features: ImageFeatures, row: int, filters_RF: Tensor, boxes_R4: Tensor, output: Size) -> Tensor:
        """Return masks at the output size, bool [R, H, W]; a mask is made inside its box alone."""
        map_CHW = features.map_NCHW[row]
        found = torch.zeros(len(filters_RF), *output, dtype=torch.bool, device=filters_RF.device)
        enlarger = MaskEnlarger((map_CHW.shape[1], map_CHW.shape[2]), features.sizes[row], output, map_CHW.device)
        for mask, filters_F, box in zip(found, filters_RF, boxes_R4.tolist(), strict=True):
            x0, y0, x1, y1 = (math.ceil(side) for side in box)
            inside = slice(y0, y1), slice(x0, x1)
            window = enlarger.window(*inside)
            logit_1hw = masks_by_filters(map_CHW[:, window.rows, window.columns], filters_F[None], self.config)
            mask[inside] = window.enlarge(logit_1hw[0].sigmoid()) > self.config.mask_threshold
        return found
