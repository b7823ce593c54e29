"""Official (detectron2) names of Mask2Former's weights, and ours.

Each of our entries takes a run of rows of one official entry: query, key and value of the decoder's self-attention share one
matrix there, all others are taken whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_PIXEL, _PREDICTOR = "sem_seg_head.pixel_decoder.", "sem_seg_head.predictor."
_OUR_PIXEL, _OUR_DECODER = "head.pixel_decoder.", "head.transformer.decoder."
_SELF_ATTENTION = "transformer_self_attention_layers.{i}."
_CROSS_ATTENTION = "transformer_cross_attention_layers.{i}."

UNUSED = re.compile(r"criterion\..*|pixel_(mean|std)|.*\.relative_position_index")
"""Entries that hold nothing the network needs: class weights of the loss, constants, and indices that we compute."""
_ALIASES = {f"{_PREDICTOR}static_query.weight": f"{_PREDICTOR}query_feat.weight"}
"""Names that early checkpoints have instead."""
_FIELDS = {"i": "[0-9]+", "p": "[a-z_]+", "r": ".+"}
"""Fields of a template: a number, one part of a name, the rest of a name."""
_JOINT = re.compile(
    re.escape(_PREDICTOR) + r"transformer_self_attention_layers\.(\d+)\.self_attn\.in_proj_(weight|bias)"
)
_THIRD = re.compile(re.escape(_OUR_DECODER) + r"layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)")


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
        prefix = f"{_OUR_DECODER}layers.{layer}.self_attn."
        return [Place(f"{prefix}{part}_proj.{kind}", third) for third, part in enumerate("qkv")]
    ours = _translate(_ALIASES.get(official, official), to_official=False)
    return [] if ours is None else [Place(ours)]


def official_name(ours: str) -> str:
    """Return the official entry that one of our state-dict entries comes from."""
    third = _THIRD.fullmatch(ours)
    if third is not None:
        layer, _, kind = third.groups()
        return f"{_PREDICTOR}transformer_self_attention_layers.{layer}.self_attn.in_proj_{kind}"
    name = _translate(ours, to_official=True)
    assert name is not None, f"no official name for {ours}"
    return name


def _translate(name: str, *, to_official: bool) -> str | None:
    for pattern, target in _rules(to_official):
        found = pattern.fullmatch(name)
        if found is not None:
            return target.format(**found.groupdict())
    return None


@lru_cache(maxsize=2)
def _rules(to_official: bool) -> list[tuple[re.Pattern[str], str]]:
    pairs = [(ours, official) if to_official else (official, ours) for official, ours in _templates()]
    return [(re.compile(re.sub(r"\\\{(\w)\\\}", _group, re.escape(source))), target) for source, target in pairs]


def _group(field: re.Match[str]) -> str:
    return f"(?P<{field[1]}>{_FIELDS[field[1]]})"


def _templates() -> Iterator[tuple[str, str]]:
    """Yield official names and ours, with fields for what is the same in both."""
    yield "backbone.stem.conv1.weight", "encoder.conv1.weight"
    yield "backbone.stem.conv1.norm.{p}", "encoder.bn1.{p}"
    for stage in (1, 2, 3, 4):  # detectron2 counts the stem as stage 1
        official, ours = f"backbone.res{stage + 1}", f"encoder.layer{stage}"
        yield official + ".0.shortcut.weight", ours + ".0.downsample.0.weight"
        yield official + ".0.shortcut.norm.{p}", ours + ".0.downsample.1.{p}"
        for conv in (1, 2, 3):
            yield f"{official}.{{i}}.conv{conv}.weight", f"{ours}.{{i}}.conv{conv}.weight"
            yield f"{official}.{{i}}.conv{conv}.norm.{{p}}", f"{ours}.{{i}}.bn{conv}.{{p}}"
    for part in ("patch_embed.{r}", "layers.{r}", "norm{i}.{p}"):
        yield f"backbone.{part}", f"encoder.{part}"
    yield from ((_PIXEL + official, _OUR_PIXEL + ours) for official, ours in _pixel_decoder_templates())
    yield from ((_PREDICTOR + official, ours) for official, ours in _predictor_templates())


def _pixel_decoder_templates() -> Iterator[tuple[str, str]]:
    yield "input_proj.{r}", "input_projections.{r}"
    yield "transformer.level_embed", "level_embed"
    yield "mask_features.{p}", "mask_projection.{p}"
    for part in ("adapter_{i}", "layer_{i}"):
        yield f"{part}.weight", f"{part}.0.weight"
        yield f"{part}.norm.{{p}}", f"{part}.1.{{p}}"
    yield "transformer.encoder.layers.{i}.self_attn.{r}", "encoder.layers.{i}.self_attn.{r}"
    parts = {"norm1": "self_attn_layer_norm", "linear1": "fc1", "linear2": "fc2", "norm2": "final_layer_norm"}
    for official, ours in parts.items():
        yield f"transformer.encoder.layers.{{i}}.{official}.{{p}}", f"encoder.layers.{{i}}.{ours}.{{p}}"


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
