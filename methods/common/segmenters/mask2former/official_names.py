"""Official (detectron2) names of Mask2Former's weights, and ours.

Each of our entries takes a run of rows of one official entry: query, key and value of the decoder's self-attention share one
matrix there, all others are taken whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PIXEL = r"sem_seg_head\.pixel_decoder\."
_PREDICTOR = r"sem_seg_head\.predictor\."
_DECODER_LAYER = r"head.transformer.decoder.layers.\1."

_RESNET_RULES = (
    (r"backbone\.stem\.conv1\.weight", r"encoder.conv1.weight"),
    (r"backbone\.stem\.conv1\.norm\.(\w+)", r"encoder.bn1.\1"),
    (r"backbone\.res(\d)\.(\d+)\.conv(\d)\.weight", r"encoder.layer\1.\2.conv\3.weight"),
    (r"backbone\.res(\d)\.(\d+)\.conv(\d)\.norm\.(\w+)", r"encoder.layer\1.\2.bn\3.\4"),
    (r"backbone\.res(\d)\.0\.shortcut\.weight", r"encoder.layer\1.0.downsample.0.weight"),
    (r"backbone\.res(\d)\.0\.shortcut\.norm\.(\w+)", r"encoder.layer\1.0.downsample.1.\2"),
)
_RULES = (
    *_RESNET_RULES,
    (r"backbone\.((?:patch_embed|layers|norm\d)\..+)", r"encoder.\1"),
    (_PIXEL + r"input_proj\.(.+)", r"head.pixel_decoder.input_projections.\1"),
    (_PIXEL + r"transformer\.level_embed", r"head.pixel_decoder.level_embed"),
    (
        _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.(self_attn\..+)",
        r"head.pixel_decoder.encoder.layers.\1.\2",
    ),
    (
        _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.norm1\.(\w+)",
        r"head.pixel_decoder.encoder.layers.\1.self_attn_layer_norm.\2",
    ),
    (
        _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.norm2\.(\w+)",
        r"head.pixel_decoder.encoder.layers.\1.final_layer_norm.\2",
    ),
    (
        _PIXEL + r"transformer\.encoder\.layers\.(\d+)\.linear(\d)\.(\w+)",
        r"head.pixel_decoder.encoder.layers.\1.fc\2.\3",
    ),
    (_PIXEL + r"mask_features\.(\w+)", r"head.pixel_decoder.mask_projection.\1"),
    (_PIXEL + r"(adapter|layer)_(\d)\.weight", r"head.pixel_decoder.\1_\2.0.weight"),
    (_PIXEL + r"(adapter|layer)_(\d)\.norm\.(\w+)", r"head.pixel_decoder.\1_\2.1.\3"),
    (
        _PREDICTOR + r"transformer_self_attention_layers\.(\d+)\.self_attn\.(out_proj\.\w+)",
        _DECODER_LAYER + r"self_attn.\2",
    ),
    (
        _PREDICTOR + r"transformer_self_attention_layers\.(\d+)\.norm\.(\w+)",
        _DECODER_LAYER + r"self_attn_layer_norm.\2",
    ),
    (
        _PREDICTOR + r"transformer_cross_attention_layers\.(\d+)\.multihead_attn\.(.+)",
        _DECODER_LAYER + r"cross_attn.\2",
    ),
    (
        _PREDICTOR + r"transformer_cross_attention_layers\.(\d+)\.norm\.(\w+)",
        _DECODER_LAYER + r"cross_attn_layer_norm.\2",
    ),
    (_PREDICTOR + r"transformer_ffn_layers\.(\d+)\.linear(\d)\.(\w+)", _DECODER_LAYER + r"fc\2.\3"),
    (_PREDICTOR + r"transformer_ffn_layers\.(\d+)\.norm\.(\w+)", _DECODER_LAYER + r"final_layer_norm.\2"),
    (_PREDICTOR + r"decoder_norm\.(\w+)", r"head.transformer.decoder.layernorm.\1"),
    (_PREDICTOR + r"(?:query_feat|static_query)\.weight", r"head.transformer.queries_features.weight"),
    (_PREDICTOR + r"query_embed\.weight", r"head.transformer.queries_embedder.weight"),
    (_PREDICTOR + r"level_embed\.weight", r"head.transformer.level_embed.weight"),
    (_PREDICTOR + r"input_proj\.(\d)\.(\w+)", r"head.transformer.input_projections.\1.\2"),
    (_PREDICTOR + r"class_embed\.(\w+)", r"head.class_predictor.\1"),
    (
        _PREDICTOR + r"mask_embed\.layers\.(\d)\.(\w+)",
        r"head.transformer.decoder.mask_predictor.mask_embedder.\1.0.\2",
    ),
)
_JOINT = re.compile(_PREDICTOR + r"transformer_self_attention_layers\.(\d+)\.self_attn\.in_proj_(weight|bias)")

UNUSED = re.compile(r"criterion\..*|pixel_(mean|std)|.*\.relative_position_index")
"""Entries that hold nothing the network needs: class weights of the loss, constants, and indices that we compute."""


@dataclass(frozen=True)
class Place:
    """Where rows of an official entry go."""

    ours: str
    """Name in our state dict."""
    third: int | None = None
    """Which third of the official rows; all of them when None."""


def our_places(official: str) -> list[Place]:
    """Return where an official entry goes: one place, three for a joint projection, none for a name that is not official."""
    joint = _JOINT.fullmatch(official)
    if joint is not None:
        layer, kind = joint.groups()
        prefix = f"head.transformer.decoder.layers.{layer}.self_attn."
        return [Place(f"{prefix}{part}_proj.{kind}", third) for third, part in enumerate("qkv")]
    for pattern, replacement in _RULES:
        found = re.fullmatch(pattern, official)
        if found is None:
            continue
        ours = found.expand(replacement)
        # detectron2 counts the stem as stage 1
        return [Place(re.sub(r"^encoder\.layer(\d)", lambda stage: f"encoder.layer{int(stage[1]) - 1}", ours))]
    return []
