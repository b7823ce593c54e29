"""The decoder: heads in a row, each of which looks into the boxes of the one before, compares them, and refines them.

Shape legend: N images, Q proposals of each, R = N * Q, C channels, P side of a pooled grid, S = P * P, K classes, F filter numbers,
E channels of the time embedding; 4 = x0, y0, x1, y1 in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import roi_align

from methods.common.segmenters.diffusioninst.boxes import refine
from methods.common.segmenters.diffusioninst.config import POOLED_LEVELS, DiffusionInstConfig


@dataclass(frozen=True)
class HeadOutputs:
    """What one head predicts.

    Attributes:
        class_logit_NQK: before the sigmoid.
        boxes_NQ4: refined, not clipped.
        filters_NQF: numbers of each proposal's mask filters.
    """

    class_logit_NQK: Tensor
    boxes_NQ4: Tensor
    filters_NQF: Tensor


class TimeEmbedding(nn.Module):
    """Sines and cosines of a time step, then two layers. Source: InstSynth section 5.1 [DI]."""

    def __init__(self, config: DiffusionInstConfig) -> None:
        super().__init__()
        self.width = config.width
        self.layers = nn.Sequential(
            nn.Linear(config.width, config.time_width), nn.GELU(), nn.Linear(config.time_width, config.time_width)
        )

    def forward(self, timestep_N: Tensor) -> Tensor:
        """Return [N, E] of time steps, (N,)."""
        half = self.width // 2
        rate_H = torch.exp(torch.arange(half, device=timestep_N.device) * (-math.log(10_000) / (half - 1)))
        angle_NH = timestep_N.float()[:, None] * rate_H
        embedded: Tensor = self.layers(torch.cat([angle_NH.sin(), angle_NH.cos()], dim=1))
        return embedded


class DynamicConvolution(nn.Module):
    """Two matrices that a proposal makes for the grid of its own region, then one layer over the whole grid."""

    def __init__(self, config: DiffusionInstConfig) -> None:
        super().__init__()
        self.width, self.inner = config.width, config.dynamic_width
        self.matrices = nn.Linear(config.width, 2 * self.width * self.inner)
        self.norm1 = nn.LayerNorm(self.inner)
        self.norm2 = nn.LayerNorm(self.width)
        self.output = nn.Linear(self.width * config.pool_size**2, self.width)
        self.norm3 = nn.LayerNorm(self.width)

    def forward(self, proposal_RC: Tensor, region_RSC: Tensor) -> Tensor:
        """Return what each proposal finds in its region, [R, C]."""
        first, second = self.matrices(proposal_RC).chunk(2, dim=1)
        x = torch.bmm(region_RSC, first.view(-1, self.width, self.inner))
        x = torch.bmm(functional.relu(self.norm1(x)), second.view(-1, self.inner, self.width))
        x = functional.relu(self.norm2(x)).flatten(1)
        return functional.relu(self.norm3(self.output(x)))


def _tower(width: int, layers: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Sequential(nn.Linear(width, width, bias=False), nn.LayerNorm(width), nn.ReLU()) for _ in range(layers))
    )


class RefinementHead(nn.Module):
    """One head. Source: InstSynth section 5.1, items 1 to 8 [DI]."""

    def __init__(self, config: DiffusionInstConfig) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.self_attention = nn.MultiheadAttention(width, config.attention_heads, batch_first=True)
        self.norm1 = nn.LayerNorm(width)
        self.interaction = DynamicConvolution(config)
        self.norm2 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, config.ffn_width)
        self.linear2 = nn.Linear(config.ffn_width, width)
        self.norm3 = nn.LayerNorm(width)
        self.time = nn.Linear(config.time_width, 2 * width)
        self.class_tower = _tower(width, config.class_layers)
        self.box_tower = _tower(width, config.box_layers)
        self.classifier = nn.Linear(width, config.num_classes)
        self.deltas = nn.Linear(width, 4)
        self.filters = nn.Linear(width, config.num_filters)

    def forward(
        self, levels: Sequence[Tensor], boxes_NQ4: Tensor, proposal_NQC: Tensor | None, time_NE: Tensor
    ) -> tuple[HeadOutputs, Tensor]:
        """Refine boxes.

        Args:
            levels: pyramid levels [N, C, H, W], finest first.
            boxes_NQ4: to look into.
            proposal_NQC: features of the proposals, from the head before; None in the first, which takes the means of the regions.
            time_NE: embedded time step of each image.
        Returns:
            Predictions, and the features for the next head.
        """
        images, proposals, _ = boxes_NQ4.shape
        region_RSC = pool_regions(levels, boxes_NQ4, self.config).flatten(2).transpose(1, 2)
        if proposal_NQC is None:
            proposal_NQC = region_RSC.mean(dim=1).view(images, proposals, -1)
        attended = self.self_attention(proposal_NQC, proposal_NQC, proposal_NQC, need_weights=False)[0]
        x_RC = self.norm1(proposal_NQC + attended).flatten(0, 1)
        x_RC = self.norm2(x_RC + self.interaction(x_RC, region_RSC))
        x_RC = self.norm3(x_RC + self.linear2(functional.relu(self.linear1(x_RC))))
        scale_NC, shift_NC = self.time(functional.silu(time_NE)).chunk(2, dim=1)
        next_NQC = x_RC.view(images, proposals, -1)
        timed_RC = (next_NQC * (scale_NC[:, None] + 1) + shift_NC[:, None]).flatten(0, 1)
        box_RC = self.box_tower(timed_RC)
        refined_R4 = refine(boxes_NQ4.flatten(0, 1), self.deltas(box_RC))
        shape = (images, proposals, -1)
        outputs = HeadOutputs(
            self.classifier(self.class_tower(timed_RC)).view(shape),
            refined_R4.view(shape),
            self.filters(box_RC).view(shape),
        )
        return outputs, next_NQC


class Decoder(nn.Module):
    """All heads. Each gets the boxes of the one before without their gradient. Source: InstSynth section 5.1 [DI]."""

    def __init__(self, config: DiffusionInstConfig) -> None:
        super().__init__()
        self.time = TimeEmbedding(config)
        self.heads = nn.ModuleList(RefinementHead(config) for _ in range(config.num_heads))
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
            if name.endswith("classifier.bias"):
                nn.init.constant_(parameter, -math.log((1 - config.prior) / config.prior))

    def forward(self, levels: Sequence[Tensor], boxes_NQ4: Tensor, timestep_N: Tensor) -> list[HeadOutputs]:
        """Return the predictions of every head for boxes in pixels that are noisy as of a time step of each image."""
        time_NE, proposal_NQC, outputs = self.time(timestep_N), None, []
        for head in self.heads:
            predicted, proposal_NQC = head(levels, boxes_NQ4, proposal_NQC, time_NE)
            outputs.append(predicted)
            boxes_NQ4 = predicted.boxes_NQ4.detach()
        return outputs


def region_levels(boxes_R4: Tensor, strides: Sequence[int], config: DiffusionInstConfig) -> Tensor:
    """Return the index of the pyramid level that each box is pooled from, int64 (R,).

    Source: InstSynth section 5.1 [DI]: by the box's size, as detectron2 does.
    """
    finest = int(math.log2(strides[0]))
    size_R2 = boxes_R4[:, 2:] - boxes_R4[:, :2]
    side_R = (size_R2[:, 0] * size_R2[:, 1]).sqrt()
    level_R = torch.floor(config.canonical_level + torch.log2(side_R / config.canonical_size_px + 1e-8))
    return level_R.clamp(finest, finest + POOLED_LEVELS - 1).long() - finest


def pool_regions(levels: Sequence[Tensor], boxes_NQ4: Tensor, config: DiffusionInstConfig) -> Tensor:
    """Pool a grid from each box, [R, C, P, P]; the boxes have no gradient here."""
    images, proposals, _ = boxes_NQ4.shape
    boxes_R4 = boxes_NQ4.detach().flatten(0, 1)
    image_R = torch.arange(images, device=boxes_R4.device).repeat_interleave(proposals)
    rows_R5 = torch.cat([image_R[:, None].to(boxes_R4), boxes_R4], dim=1)
    strides = config.backbone.output_strides
    level_R = region_levels(boxes_R4, strides, config)
    pooled = levels[0].new_zeros(len(rows_R5), levels[0].shape[1], config.pool_size, config.pool_size)
    for level, (feature, stride) in enumerate(zip(levels, strides, strict=True)):
        index = torch.nonzero(level_R == level)[:, 0]
        if len(index):
            grid = roi_align(
                feature, rows_R5[index], config.pool_size, 1 / stride, sampling_ratio=config.pool_samples, aligned=True
            )
            pooled.index_copy_(0, index, grid)
    return pooled
