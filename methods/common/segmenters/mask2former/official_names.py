"""Official (detectron2) names of Mask2Former's weights, and ours."""

from __future__ import annotations

import re
from collections.abc import Iterator

from methods.common.segmenters.official_weights import OfficialNames, deformable_pixel_decoder, detectron2_resnet

_PREDICTOR, _OUR_DECODER = "sem_seg_head.predictor.", "head.transformer.decoder."
_SELF_ATTENTION = "transformer_self_attention_layers.{i}."
_CROSS_ATTENTION = "transformer_cross_attention_layers.{i}."


def _templates() -> Iterator[tuple[str, str]]:
    yield from detectron2_resnet("backbone.", "encoder.")
    for part in ("patch_embed.{r}", "layers.{r}", "norm{i}.{p}"):
        yield f"backbone.{part}", f"encoder.{part}"
    yield from deformable_pixel_decoder("sem_seg_head.pixel_decoder.", "head.pixel_decoder.")
    yield from ((_PREDICTOR + official, ours) for official, ours in _predictor_templates())


def _predictor_templates() -> Iterator[tuple[str, str]]:
    layer = _OUR_DECODER + "layers.{i}."
    yield _SELF_ATTENTION + "self_attn.out_proj.{p}", layer + "self_attn.out_proj.{p}"
    yield _SELF_ATTENTION + "norm.{p}", layer + "self_attn_layer_norm.{p}"
    yield _CROSS_ATTENTION + "multihead_attn.{r}", layer + "cross_attn.{r}"
    yield _CROSS_ATTENTION + "norm.{p}", layer + "cross_attn_layer_norm.{p}"
    for official, ours in {"linear1": "fc1", "linear2": "fc2", "norm": "final_layer_norm"}.items():
        yield f"transformer_ffn_layers.{{i}}.{official}.{{p}}", f"{layer}{ours}.{{p}}"
    yield "decoder_norm.{p}", _OUR_DECODER + "layernorm.{p}"
    yield "mask_embed.layers.{i}.{p}", _OUR_DECODER + "mask_predictor.mask_embedder.{i}.0.{p}"
    yield "query_feat.weight", "head.transformer.queries_features.weight"
    yield "query_embed.weight", "head.transformer.queries_embedder.weight"
    yield "level_embed.weight", "head.transformer.level_embed.weight"
    yield "input_proj.{r}", "head.transformer.input_projections.{r}"
    yield "class_embed.{p}", "head.class_predictor.{p}"


NAMES = OfficialNames(
    templates=tuple(_templates()),
    joint=(f"{_PREDICTOR}{_SELF_ATTENTION}self_attn.in_proj_", f"{_OUR_DECODER}layers.{{i}}.self_attn"),
    unused=re.compile(r"criterion\..*|pixel_(mean|std)|.*\.relative_position_index"),
    aliases={f"{_PREDICTOR}static_query.weight": f"{_PREDICTOR}query_feat.weight"},
)
"""Unused are class weights of the loss, constants, and indices that we compute."""
