"""From pixel features and a task token to queries, classes and masks, with the weights of ``transformers``.

The library's own pass makes the attention weights of all heads to average them, repeats masks for each head, and predicts
masks of full size to shrink them; this one gives the same numbers without. It also drops, in training, what belongs to
images.

Shape legend: N images, Q queries, S cells of a feature map, K classes, C channels, A attention heads, h, w cells of a level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.oneformer.modeling_oneformer import (
    OneFormerTransformerDecoder,
    OneFormerTransformerDecoderLayer,
    OneFormerTransformerDecoderQueryTransformerDecoderLayer,
    OneFormerTransformerModule,
)

from methods.common.training.dropout import ImageDropout

_NO_DROPOUT = ImageDropout(0.0)


@dataclass(frozen=True)
class Decoded:
    """What the decoder makes of an image batch.

    Attributes:
        class_logits: [N, Q, K + 1] of each prediction, the last column is "no object"; the last layer's alone where not all were asked for.
        mask_logits: [N, Q, h, w] of the same.
        query_NQC: the queries before the first layer, which the contrastive loss compares with texts.
    """

    class_logits: tuple[Tensor, ...]
    mask_logits: tuple[Tensor, ...]
    query_NQC: Tensor


def decode(
    module: OneFormerTransformerModule,
    multi_scale: Sequence[Tensor],
    mask_features_NChw: Tensor,
    task_NC: Tensor,
    dropout: ImageDropout,
    *,
    all_layers: bool,
) -> Decoded:
    """Run query transformer and masked attention (InstSynth section 8.1).

    Args:
        module: the weights.
        multi_scale: pixel decoder outputs, coarsest first.
        mask_features_NChw: at stride 4.
        task_NC: the task token.
        dropout: of the query transformer.
        all_layers: whether to predict before the first layer and after each, as training needs, or after the last.
    """
    decoder = module.decoder
    task_NC = decoder.decoder_norm(task_NC)
    position_Q1C = module.queries_embedder.weight
    query_NQC = torch.cat(
        [_make_queries(module, mask_features_NChw, task_NC, position_Q1C[:-1], dropout), task_NC[:, None]], dim=1
    )
    levels = [_Level.of(module, index, features) for index, features in enumerate(multi_scale)]
    small = [
        functional.interpolate(mask_features_NChw, level.size, mode="bilinear", align_corners=False) for level in levels
    ]
    x, predictions = query_NQC, []
    for index, layer in enumerate(decoder.layers):
        assert isinstance(layer, OneFormerTransformerDecoderLayer)
        head = _Head.of(decoder, x)
        if all_layers:
            predictions.append(head.predict(decoder, mask_features_NChw))
        place = index % len(levels)
        x = _decoder_layer(layer, x, position_Q1C, levels[place], head.may_attend(small[place]), decoder.num_heads)
    predictions.append(_Head.of(decoder, x).predict(decoder, mask_features_NChw))
    class_logits, mask_logits = zip(*predictions, strict=True)
    return Decoded(class_logits, mask_logits, query_NQC)


@dataclass(frozen=True)
class _Level:
    """Flattened features [N, S, C] of one scale, their positions [1, S, C], and height and width of the map."""

    feature_NSC: Tensor
    position_1SC: Tensor
    size: tuple[int, int]

    @classmethod
    def of(cls, module: OneFormerTransformerModule, index: int, features_NChw: Tensor) -> _Level:
        flat = features_NChw.flatten(2).transpose(1, 2) + module.level_embed.weight[index]
        return cls(flat, _positions(module, features_NChw), (features_NChw.shape[2], features_NChw.shape[3]))


@dataclass(frozen=True)
class _Head:
    """Normalised queries, and what masks are made of them."""

    normed_NQC: Tensor
    mask_vector_NQC: Tensor

    @classmethod
    def of(cls, decoder: OneFormerTransformerDecoder, x_NQC: Tensor) -> _Head:
        normed = decoder.decoder_norm(x_NQC)
        return cls(normed, decoder.mask_embed(normed))

    def predict(self, decoder: OneFormerTransformerDecoder, mask_features_NChw: Tensor) -> tuple[Tensor, Tensor]:
        """Return class logits and mask logits."""
        return decoder.class_embed(self.normed_NQC), self._masks(mask_features_NChw)

    def _masks(self, features_NChw: Tensor) -> Tensor:
        flat = self.mask_vector_NQC @ features_NChw.flatten(2)
        return flat.view(*flat.shape[:2], *features_NChw.shape[2:])

    @torch.no_grad()
    def may_attend(self, small_NChw: Tensor) -> Tensor:
        """Return where each query may look, bool [N, 1, Q, S]: inside its mask, or everywhere where that is empty.

        Shrinking the features is shrinking the masks, because both are linear.
        """
        inside_NQS = self._masks(small_NChw).flatten(2).sigmoid() >= 0.5
        inside_NQS = inside_NQS | ~inside_NQS.any(dim=2, keepdim=True)
        return inside_NQS[:, None]


def _positions(module: OneFormerTransformerModule, features_NChw: Tensor) -> Tensor:
    """Return sine positions of the cells of a map, [1, S, C]."""
    shape = torch.Size((1, *features_NChw.shape[1:]))
    position_1Chw: Tensor = module.position_embedder(shape, features_NChw.device, features_NChw.dtype)
    return position_1Chw.flatten(2).transpose(1, 2)


def _make_queries(
    module: OneFormerTransformerModule,
    mask_features_NChw: Tensor,
    task_NC: Tensor,
    position_QC: Tensor,
    dropout: ImageDropout,
) -> Tensor:
    """Return all queries but the last, [N, Q - 1, C]: the task token, which has looked at the image.

    Positions are what is looked at, and the image tells where: keys are positions plus features, values are positions. So the
    release does it, whose names suggest the opposite. [OF]
    """
    decoder = module.decoder
    key_NSC = decoder.query_input_projection(mask_features_NChw).flatten(2).transpose(1, 2)
    value_1SC = _positions(module, mask_features_NChw)
    x = task_NC[:, None].expand(-1, len(position_QC), -1)
    transformer = decoder.query_transformer.decoder
    for layer in transformer.layers:
        x = _query_layer(layer, x, position_QC, value_1SC + key_NSC, value_1SC, dropout)
    normed: Tensor = transformer.norm(x)
    return normed


def _query_layer(
    layer: OneFormerTransformerDecoderQueryTransformerDecoderLayer,
    x_NQC: Tensor,
    position_QC: Tensor,
    key_NSC: Tensor,
    value_1SC: Tensor,
    drop: ImageDropout,
) -> Tensor:
    x = x_NQC
    placed = x + position_QC
    x = layer.norm1(x + drop(_attend_jointly(layer.self_attn, placed, placed, x, None, drop)))
    seen = _attend_jointly(layer.multihead_attn, x + position_QC, key_NSC, value_1SC, None, drop)
    x = layer.norm2(x + drop(seen))
    hidden = drop(torch.relu(layer.linear1(x)))
    out: Tensor = layer.norm3(x + drop(layer.linear2(hidden)))
    return out


def _decoder_layer(
    layer: OneFormerTransformerDecoderLayer,
    x_NQC: Tensor,
    position_QC: Tensor,
    level: _Level,
    may_attend_N1QS: Tensor,
    heads: int,
) -> Tensor:
    x, cross, own = x_NQC, layer.cross_attn, layer.self_attn
    key_NSC = level.feature_NSC + level.position_1SC
    seen = _attend_jointly(cross.multihead_attn, x + position_QC, key_NSC, level.feature_NSC, may_attend_N1QS)
    x = cross.norm(x + seen)
    placed, projections = x + position_QC, own.self_attn
    inputs = (projections.q_proj(placed), projections.k_proj(placed), projections.v_proj(x))
    x = own.norm(x + projections.out_proj(_attend(*inputs, heads)))
    ffn = layer.ffn
    out: Tensor = ffn.norm(x + ffn.linear2(torch.relu(ffn.linear1(x))))
    return out


def _attend_jointly(
    attention: nn.MultiheadAttention,
    query_NQC: Tensor,
    key_NSC: Tensor,
    value_NSC: Tensor,
    may_attend_N1QS: Tensor | None = None,
    drop: ImageDropout = _NO_DROPOUT,
) -> Tensor:
    """Attend by an attention whose three projections are one matrix."""
    inputs = zip(
        (query_NQC, key_NSC, value_NSC),
        attention.in_proj_weight.chunk(3),
        attention.in_proj_bias.chunk(3),
        strict=True,
    )
    query, key, value = (functional.linear(x, weight, bias) for x, weight, bias in inputs)
    value = value.expand(len(key), -1, -1)
    out: Tensor = attention.out_proj(_attend(query, key, value, attention.num_heads, may_attend_N1QS, drop))
    return out


def _attend(
    query_NQC: Tensor,
    key_NSC: Tensor,
    value_NSC: Tensor,
    heads: int,
    may_attend_N1QS: Tensor | None = None,
    drop: ImageDropout = _NO_DROPOUT,
) -> Tensor:
    """Return multi-head attention before its output projection, [N, Q, C]; ``drop`` drops attention weights."""
    query, key, value = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query_NQC, key_NSC, value_NSC))
    if drop.active:
        assert may_attend_N1QS is None, "masked attention drops nothing"
        weight_NAQS = (query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])).softmax(dim=-1)
        attended = drop(weight_NAQS) @ value
    else:
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=may_attend_N1QS)
    out: Tensor = attended.transpose(1, 2).flatten(2)
    return out
