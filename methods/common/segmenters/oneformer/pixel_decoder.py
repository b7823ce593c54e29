"""The pixel decoder of ``transformers``, with dropout where and when the release has it.

Shape legend: N images, S cells of all levels, C channels, L levels, A attention heads, P points of a head and level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.oneformer.modeling_oneformer import (
    OneFormerPixelDecoder,
    OneFormerPixelDecoderEncoderLayer,
    OneFormerPixelDecoderEncoderMultiscaleDeformableAttention,
)

from methods.common.segmenters.mask_queries.initial_weights import initialise_pixel_decoder
from methods.common.training.dropout import ImageDropout


class EncoderLayer(OneFormerPixelDecoderEncoderLayer):
    """A layer of multi-scale deformable attention.

    The library drops whenever its config says ``is_training``, in evaluation too, with torch's global generator, and clamps what is
    not finite; the release drops in training and clamps nothing. [OF]
    """

    def __init__(self, config: transformers.OneFormerConfig, dropout: ImageDropout) -> None:
        super().__init__(config)
        self.image_dropout = dropout

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None,
        position_embeddings: Tensor | None = None,
        reference_points: Any = None,
        spatial_shapes: object = None,
        level_start_index: object = None,
        output_attentions: bool = False,
        spatial_shapes_list: Any = None,
    ) -> tuple[Tensor]:
        """Keep the shape [N, S, C]; no cell is padding, so that the mask is not read."""
        assert position_embeddings is not None
        x, drop = hidden_states, self.image_dropout
        attended = attend_deformably(self.self_attn, x, x + position_embeddings, reference_points, spatial_shapes_list)
        x = self.self_attn_layer_norm(x + drop(attended))
        hidden = drop(torch.relu(self.fc1(x)))
        return (self.final_layer_norm(x + drop(self.fc2(hidden))),)


def attend_deformably(
    attention: OneFormerPixelDecoderEncoderMultiscaleDeformableAttention,
    value_NSC: Tensor,
    query_NSC: Tensor,
    reference_NSL2: Tensor,
    sizes: Sequence[tuple[int, int]],
) -> Tensor:
    """Read each query's points of all levels, weigh and add them up, [N, S, C].

    The numbers are the library's; points of a level are read for all heads at once and added up as soon as they are read, which
    saves the copies of its own function.

    Args:
        attention: the weights.
        value_NSC: what is read.
        query_NSC: what decides where and how much.
        reference_NSL2: (x, y) in [0, 1] that offsets start from.
        sizes: (height, width) of each level, coarsest first.
    """
    images, cells, channels = query_NSC.shape
    heads, levels, points = attention.n_heads, attention.n_levels, attention.n_points
    offset = attention.sampling_offsets(query_NSC).view(images, cells, heads, levels, points, 2)
    weight = attention.attention_weights(query_NSC).view(images, cells, heads, levels * points).softmax(dim=-1)
    weight = weight.view(images, cells, heads, levels, points).permute(0, 2, 3, 1, 4)
    value = attention.value_proj(value_NSC).transpose(1, 2).reshape(images * heads, channels // heads, cells)
    total: Tensor | None = None
    for level, (part, (height, width)) in enumerate(
        zip(value.split([h * w for h, w in sizes], dim=2), sizes, strict=True)
    ):
        shift = offset[:, :, :, level] / offset.new_tensor([width, height])
        grid = 2 * (reference_NSL2[:, :, None, None, level] + shift) - 1
        grid = grid.transpose(1, 2).reshape(images * heads, cells, points, 2)
        map_ = part.reshape(images * heads, -1, height, width)
        read = functional.grid_sample(map_, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        weighed = torch.einsum("bcsp,bsp->bcs", read, weight[:, :, level].reshape(images * heads, cells, points))
        total = weighed if total is None else total + weighed
    assert total is not None
    attended: Tensor = attention.output_proj(total.reshape(images, channels, cells).transpose(1, 2))
    return attended


def build_pixel_decoder(
    config: transformers.OneFormerConfig, channels: Sequence[int], norm_groups: int, dropout: ImageDropout
) -> OneFormerPixelDecoder:
    """Build the decoder with the release's initial weights.

    Args:
        config: of the library.
        channels: of the backbone's outputs, finest first.
        norm_groups: of its group norms; the library knows 32 only.
        dropout: of its layers.
    """
    decoder = OneFormerPixelDecoder(config, feature_channels=list(channels))
    decoder.encoder.layers = nn.ModuleList(EncoderLayer(config, dropout) for _ in range(config.encoder_layers))
    for module in decoder.modules():
        if isinstance(module, nn.GroupNorm):
            module.num_groups = norm_groups
    initialise_pixel_decoder(decoder)
    return decoder
