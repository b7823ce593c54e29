"""Official (detectron2) names of FastInst's weights, and ours; one to one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from methods.common.segmenters.official_weights import OfficialNames, detectron2_resnet

DEEP_STEM = "backbone.conv1.0.weight"
"""Its first convolution tells a ResNet-vd."""

_UNUSED = re.compile(r"(sem_seg_head\.predictor\.)?criterion\..*|pixel_(mean|std)|.*\.num_batches_tracked")
"""Entries that hold nothing the network needs: class weights of the loss, constants, counters."""
_PIXEL, _PREDICTOR = "sem_seg_head.pixel_decoder.", "sem_seg_head.predictor."


def names_of(deep_stem: bool) -> OfficialNames:
    """Return the names of a checkpoint.

    Args:
        deep_stem: whether the backbone is a ResNet-vd, whose names are timm's; detectron2's own otherwise.
    """
    backbone = [("backbone.{r}", "backbone.{r}")] if deep_stem else detectron2_resnet("backbone.", "backbone.")
    return OfficialNames(templates=(*backbone, *_head_templates()), joint=None, unused=_UNUSED)


def _head_templates() -> Iterator[tuple[str, str]]:
    """Yield official names and ours, with fields for what is the same in both."""
    for level in range(3):  # the official adapters count from the finest map
        for official, ours in (("adapter", "lateral"), ("layer", "output")):
            yield f"{_PIXEL}{official}_{level + 1}.weight", f"pixel_decoder.{ours}.{level}.0.weight"
            yield f"{_PIXEL}{official}_{level + 1}.norm.{{p}}", f"pixel_decoder.{ours}.{level}.1.{{p}}"
    yield _PIXEL + "ppm.stages.{i}.1.{p}", "pixel_decoder.pooling.stages.{i}.{p}"
    yield _PIXEL + "ppm.bottleneck.{p}", "pixel_decoder.pooling.bottleneck.{p}"
    yield from ((_PREDICTOR + official, "decoder." + ours) for official, ours in _predictor_templates())


def _predictor_templates() -> Iterator[tuple[str, str]]:
    yield "meta_pos_embed", "position_grid"
    yield "empty_query_features.weight", "auxiliary_query"
    yield "empty_query_pos_embed.weight", "auxiliary_position"
    yield "query_proposal.conv_proposal_cls_logits.0.{p}", "proposals.conv.{p}"
    yield "query_proposal.conv_proposal_cls_logits.2.{p}", "proposals.classifier.{p}"
    attentions = {
        "transformer_mask_cross_attention_layers.{i}": ("multihead_attn", "pixel_attention"),
        "transformer_query_cross_attention_layers.{i}": ("multihead_attn", "query_attention"),
        "transformer_query_self_attention_layers.{i}": ("self_attn", "query_self_attention"),
    }
    for layer, (official, ours) in attentions.items():
        yield f"{layer}.{official}.{{r}}", f"layers.{{i}}.{ours}.attention.{{r}}"
        yield f"{layer}.norm.{{p}}", f"layers.{{i}}.{ours}.norm.{{p}}"
    yield "transformer_mask_ffn_layers.{i}.{r}", "layers.{i}.pixel_ffn.{r}"
    yield "transformer_query_ffn_layers.{i}.{r}", "layers.{i}.query_ffn.{r}"
    yield "decoder_query_norm_layers.{i}.{p}", "heads.{i}.norm.{p}"
    yield "mask_features_layers.{i}.{p}", "heads.{i}.pixels.{p}"
    for official, ours in (("class_embed_layers", "classes"), ("mask_embed_layers", "mask")):
        for linear in range(3):  # a ReLU stands between two of ours
            yield f"{official}.{{i}}.layers.{linear}.{{p}}", f"heads.{{i}}.{ours}.{2 * linear}.{{p}}"
