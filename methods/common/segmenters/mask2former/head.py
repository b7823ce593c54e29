"""Pixel decoder and transformer decoder of ``transformers``, with the initial weights of the official release.

Shape legend: N images, Q queries, K classes, C channels, h, w cells of the mask features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import transformers
from torch import Tensor, nn
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerMaskedAttentionDecoderLayer,
    Mask2FormerPixelDecoder,
    Mask2FormerTransformerModule,
)

from methods.common.segmenters.mask2former.config import Mask2FormerNetworkConfig
from methods.common.segmenters.mask_queries.initial_weights import initialise_pixel_decoder


@dataclass(frozen=True)
class HeadOutputs:
    """What the decoders make of four feature maps.

    Attributes:
        mask_features: [N, C, h, w] at the backbone's finest stride.
        multi_scale: pixel decoder outputs, coarsest first.
        class_logits: [N, Q, K + 1] before the first decoder layer and after each; the last column is "no object".
        mask_logits: [N, Q, h, w] of the same.
        dense_logits: [N, K, h, w] of the per-pixel layer in training, None where there is none.
    """

    mask_features: Tensor
    multi_scale: tuple[Tensor, ...]
    class_logits: tuple[Tensor, ...]
    mask_logits: tuple[Tensor, ...]
    dense_logits: Tensor | None


def library_config(config: Mask2FormerNetworkConfig) -> transformers.Mask2FormerConfig:
    """Return the config that ``transformers`` builds the decoders from; it counts the prediction before the first layer."""
    strides = config.backbone.output_strides
    return transformers.Mask2FormerConfig(
        feature_size=config.feature_width,
        mask_feature_size=config.mask_width,
        hidden_dim=config.hidden_width,
        encoder_feedforward_dim=config.encoder_ffn_width,
        dim_feedforward=config.decoder_ffn_width,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers + 1,
        num_attention_heads=config.heads,
        num_queries=config.num_queries,
        feature_strides=list(strides),
        common_stride=strides[0],
        dropout=0.0,
    )


class Mask2FormerHead(nn.Module):
    """Everything after the backbone."""

    def __init__(self, config: Mask2FormerNetworkConfig) -> None:
        super().__init__()
        library = library_config(config)
        self.pixel_decoder = Mask2FormerPixelDecoder(library, feature_channels=list(config.backbone.output_channels))
        self.transformer = Mask2FormerTransformerModule(in_features=config.feature_width, config=library)
        self.class_predictor = nn.Linear(config.hidden_width, config.num_classes + 1)
        self.dense: nn.Conv2d | None = None
        if config.loss.dense_weight > 0:
            self.dense = nn.Conv2d(config.mask_width, config.num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):  # the library knows 32 groups only
                module.num_groups = config.norm_groups
        initialise_pixel_decoder(self.pixel_decoder)
        for module in self.transformer.modules():
            if isinstance(module, Mask2FormerMaskedAttentionDecoderLayer):
                _initialise_decoder_layer(module)

    def forward(self, features: Sequence[Tensor]) -> HeadOutputs:
        """Predict from four feature maps, finest first. The pixel decoder ignores autocast. Source: [M2F]."""
        with torch.autocast(features[0].device.type, enabled=False):
            pixel = self.pixel_decoder([feature.float() for feature in features])
        decoded = self.transformer(list(pixel.multi_scale_features), pixel.mask_features)
        classes = tuple(
            self.class_predictor(query_QNC.transpose(0, 1)) for query_QNC in decoded.intermediate_hidden_states
        )
        dense = self.dense(pixel.mask_features) if self.training and self.dense is not None else None
        return HeadOutputs(
            pixel.mask_features, pixel.multi_scale_features, classes, decoded.masks_queries_logits, dense
        )


def _initialise_decoder_layer(layer: Mask2FormerMaskedAttentionDecoderLayer) -> None:
    """Source: [M2F], where query, key and value share one matrix, hence the gain of the three."""
    for parameter in layer.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    attention = layer.self_attn
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        nn.init.xavier_uniform_(projection.weight, gain=math.sqrt(0.5))
        nn.init.zeros_(projection.bias)
    nn.init.zeros_(attention.out_proj.bias)
