"""Everything after the backbone: pixel decoder, task token and transformer decoder, with the initial weights of the release.

Built from the modules of ``transformers``. What of them differs from the release, and is mended here:

* dropout follows the library's ``is_training``, not the mode of the network (``pixel_decoder.py``);
* initial weights are drawn from other distributions, those of the levels of the pixel decoder are all 0;
* task tokens are cast to the network's type, in which float16 cannot hold the large ones;
* the text encoder looks at later words and at padding (``text.py``).

Shape legend: N images, Q queries, K classes, C channels, L numbers of a sentence, h, w cells of the mask features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import transformers
from torch import Tensor, nn
from transformers.models.oneformer.modeling_oneformer import (
    OneFormerMLPPredictionHead,
    OneFormerTransformerDecoderLayer,
    OneFormerTransformerModule,
)

from methods.common.segmenters.oneformer.config import OneFormerConfig
from methods.common.segmenters.oneformer.decoder import Decoded, decode
from methods.common.segmenters.oneformer.pixel_decoder import build_pixel_decoder
from methods.common.training.dropout import ImageDropout


@dataclass(frozen=True)
class HeadOutputs(Decoded):
    """What the decoders make of four feature maps.

    Attributes:
        task_NC: the task token before its norm.
        mask_features_NChw: at the backbone's finest stride.
        multi_scale: pixel decoder outputs, coarsest first.
    """

    task_NC: Tensor
    mask_features_NChw: Tensor
    multi_scale: tuple[Tensor, ...]


def library_config(config: OneFormerConfig) -> transformers.OneFormerConfig:
    """Return the config that ``transformers`` builds its modules from; it counts the prediction before the first layer."""
    strides, text = config.backbone.output_strides, config.text
    library = transformers.OneFormerConfig(
        num_queries=config.num_queries,
        strides=list(strides),
        common_stride=strides[0],
        task_seq_len=config.sentence_length,
        conv_dim=config.width,
        mask_dim=config.width,
        hidden_dim=config.width,
        encoder_feedforward_dim=config.encoder_ffn_width,
        dim_feedforward=config.decoder_ffn_width,
        encoder_layers=config.encoder_layers,
        decoder_layers=config.decoder_layers + 1,
        query_dec_layers=config.query_layers,
        num_attention_heads=config.heads,
        dropout=0.0,
    )
    if text is not None:
        library.text_encoder_width = text.width
        library.text_encoder_context_length = config.sentence_length
        library.text_encoder_num_layers = text.layers
        library.text_encoder_vocab_size = text.vocabulary_size
        library.text_encoder_proj_layers = text.projector_layers
        library.text_encoder_n_ctx = text.learned_vectors
    library.num_labels = len(config.class_names)
    return library


class OneFormerHead(nn.Module):
    """Pixel decoder, task MLP and transformer decoder."""

    def __init__(self, config: OneFormerConfig) -> None:
        super().__init__()
        library = library_config(config)
        self.dropout = ImageDropout(config.dropout)
        channels = config.backbone.output_channels
        self.pixel_decoder = build_pixel_decoder(library, channels, config.norm_groups, self.dropout)
        self.transformer = OneFormerTransformerModule(in_features=config.width, config=library)
        self.task_mlp = OneFormerMLPPredictionHead(config.sentence_length, config.width, config.width, 2)
        _initialise_transformer(self.transformer)

    def forward(self, features: Sequence[Tensor], task_NL: Tensor, *, all_layers: bool) -> HeadOutputs:
        """Predict from four feature maps, finest first.

        Args:
            features: of the backbone.
            task_NL: the numbers of each image's command, float32. Large ones (49,407) need that type.
            all_layers: see :func:`decode`.
        """
        with torch.autocast(features[0].device.type, enabled=False):
            pixel = self.pixel_decoder([feature.float() for feature in features])
            task_NC = self.task_mlp(task_NL.float())
            multi_scale, mask_features = tuple(pixel.multi_scale_features), pixel.mask_features
            decoded = decode(self.transformer, multi_scale, mask_features, task_NC, self.dropout, all_layers=all_layers)
        return HeadOutputs(**vars(decoded), task_NC=task_NC, mask_features_NChw=mask_features, multi_scale=multi_scale)


def _initialise_transformer(module: OneFormerTransformerModule) -> None:
    """Source: [OF]. Layers not named here keep PyTorch's initial weights."""
    decoder = module.decoder
    for parameter in decoder.query_transformer.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    nn.init.kaiming_uniform_(decoder.query_input_projection.weight, a=1)
    nn.init.zeros_(decoder.get_parameter("query_input_projection.bias"))
    for layer in decoder.layers:
        assert isinstance(layer, OneFormerTransformerDecoderLayer)
        _initialise_decoder_layer(layer)


def _initialise_decoder_layer(layer: OneFormerTransformerDecoderLayer) -> None:
    """Query, key and value share one matrix in the release, hence the gain of the three."""
    for parameter in layer.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    attention = layer.self_attn.self_attn
    for projection in (attention.q_proj, attention.k_proj, attention.v_proj):
        nn.init.xavier_uniform_(projection.weight, gain=math.sqrt(0.5))
        nn.init.zeros_(projection.bias)
    nn.init.zeros_(attention.out_proj.bias)
