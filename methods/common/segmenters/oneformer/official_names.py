"""Official (detectron2) names of OneFormer's weights, and ours. The backbones of Swin and ConvNeXt have the same names in both."""

from __future__ import annotations

import re
from collections.abc import Iterator

from methods.common.segmenters.official_weights import OfficialNames, deformable_pixel_decoder, detectron2_resnet

_PREDICTOR, _OUR_DECODER = "sem_seg_head.predictor.", "head.transformer.decoder."
_SELF_ATTENTION = "transformer_self_attention_layers.{i}."
_CROSS_ATTENTION = "transformer_cross_attention_layers.{i}."


def _templates() -> Iterator[tuple[str, str]]:
    yield from detectron2_resnet("backbone.", "backbone.")
    for part in ("patch_embed.{r}", "layers.{r}", "downsample_layers.{r}", "stages.{r}", "norm{i}.{p}"):
        yield f"backbone.{part}", f"backbone.{part}"
    yield from deformable_pixel_decoder("sem_seg_head.pixel_decoder.", "head.pixel_decoder.")
    yield from ((_PREDICTOR + official, ours) for official, ours in _predictor_templates())
    yield "task_mlp.layers.{i}.{p}", "head.task_mlp.layers.{i}.0.{p}"
    yield from _text_templates()


def _predictor_templates() -> Iterator[tuple[str, str]]:
    layer = _OUR_DECODER + "layers.{i}."
    yield "class_transformer.decoder.{r}", _OUR_DECODER + "query_transformer.decoder.{r}"
    yield _SELF_ATTENTION + "self_attn.out_proj.{p}", layer + "self_attn.self_attn.out_proj.{p}"
    yield _SELF_ATTENTION + "norm.{p}", layer + "self_attn.norm.{p}"
    yield _CROSS_ATTENTION + "{r}", layer + "cross_attn.{r}"
    yield "transformer_ffn_layers.{i}.{r}", layer + "ffn.{r}"
    yield "mask_embed.layers.{i}.{p}", _OUR_DECODER + "mask_embed.layers.{i}.0.{p}"
    yield "class_input_proj.{p}", _OUR_DECODER + "query_input_projection.{p}"
    for part in ("decoder_norm.{p}", "class_embed.{p}"):
        yield part, _OUR_DECODER + part
    yield "query_embed.weight", "head.transformer.queries_embedder.weight"
    yield "level_embed.weight", "head.transformer.level_embed.weight"


def _text_templates() -> Iterator[tuple[str, str]]:
    block, layer = "text_encoder.transformer.resblocks.{i}.", "text.mapper.text_encoder.transformer.layers.{i}."
    parts = {
        "attn": "self_attn",
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    for official, ours in parts.items():
        yield f"{block}{official}.{{r}}", f"{layer}{ours}.{{r}}"
    for part in ("positional_embedding", "ln_final.{p}", "token_embedding.weight"):
        yield f"text_encoder.{part}", f"text.mapper.text_encoder.{part}"
    yield "text_projector.layers.{i}.{p}", "text.mapper.text_projector.layers.{i}.0.{p}"
    yield "prompt_ctx.weight", "text.mapper.prompt_ctx.weight"
    yield "criterion.logit_scale", "text.logit_scale"


NAMES = OfficialNames(
    templates=tuple(_templates()),
    joint=(f"{_PREDICTOR}{_SELF_ATTENTION}self_attn.in_proj_", f"{_OUR_DECODER}layers.{{i}}.self_attn.self_attn"),
    unused=re.compile(r"criterion\.empty_weight|pixel_(mean|std)|.*\.relative_position_index"),
)
"""Unused are class weights of the loss, constants, and indices that we compute."""
