"""Official (detectron2) names of FastInst's weights, and ours; one to one."""

import re
from collections.abc import Iterator
from functools import cache

UNUSED = re.compile(r"(sem_seg_head\.predictor\.)?criterion\..*|pixel_(mean|std)|.*\.num_batches_tracked")
"""Entries that hold nothing the network needs: class weights of the loss, constants, counters."""
DEEP_STEM = "backbone.conv1.0.weight"
"""Its first convolution tells a ResNet-vd."""

_PIXEL, _PREDICTOR = "sem_seg_head.pixel_decoder.", "sem_seg_head.predictor."
_FIELDS = {"i": "[0-9]+", "p": "[a-z_]+", "r": ".+"}
"""Fields of a template: a number, one part of a name, the rest of a name."""


def our_name(official: str, *, deep_stem: bool) -> str | None:
    """Return where an official entry goes; None for a name that is not official.

    Args:
        official: its name.
        deep_stem: whether the backbone is a ResNet-vd, whose names are timm's; detectron2's own otherwise.
    """
    return _translate(official, _rules(deep_stem, to_official=False))


def official_name(ours: str, *, deep_stem: bool) -> str:
    """Return the official entry that one of our state-dict entries comes from."""
    name = _translate(ours, _rules(deep_stem, to_official=True))
    assert name is not None, f"no official name for {ours}"
    return name


def _translate(name: str, rules: list[tuple[re.Pattern[str], str]]) -> str | None:
    for pattern, target in rules:
        found = pattern.fullmatch(name)
        if found is not None:
            return target.format(**found.groupdict())
    return None


@cache
def _rules(deep_stem: bool, to_official: bool) -> list[tuple[re.Pattern[str], str]]:
    pairs = [(ours, official) if to_official else (official, ours) for official, ours in _templates(deep_stem)]
    return [(re.compile(re.sub(r"\\\{(\w)\\\}", _group, re.escape(source))), target) for source, target in pairs]


def _group(field: re.Match[str]) -> str:
    return f"(?P<{field[1]}>{_FIELDS[field[1]]})"


def _templates(deep_stem: bool) -> Iterator[tuple[str, str]]:
    """Yield official names and ours, with fields for what is the same in both."""
    if deep_stem:
        yield "backbone.{r}", "backbone.{r}"
    else:
        yield from _plain_backbone_templates()
    for level in range(3):  # the official adapters count from the finest map
        for official, ours in (("adapter", "lateral"), ("layer", "output")):
            yield f"{_PIXEL}{official}_{level + 1}.weight", f"pixel_decoder.{ours}.{level}.0.weight"
            yield f"{_PIXEL}{official}_{level + 1}.norm.{{p}}", f"pixel_decoder.{ours}.{level}.1.{{p}}"
    yield _PIXEL + "ppm.stages.{i}.1.{p}", "pixel_decoder.pooling.stages.{i}.{p}"
    yield _PIXEL + "ppm.bottleneck.{p}", "pixel_decoder.pooling.bottleneck.{p}"
    yield from ((_PREDICTOR + official, "decoder." + ours) for official, ours in _predictor_templates())


def _plain_backbone_templates() -> Iterator[tuple[str, str]]:
    yield "backbone.stem.conv1.weight", "backbone.conv1.weight"
    yield "backbone.stem.conv1.norm.{p}", "backbone.bn1.{p}"
    for stage in (1, 2, 3, 4):  # detectron2 counts the stem as stage 1
        official, ours = f"backbone.res{stage + 1}", f"backbone.layer{stage}"
        yield official + ".0.shortcut.weight", ours + ".0.downsample.0.weight"
        yield official + ".0.shortcut.norm.{p}", ours + ".0.downsample.1.{p}"
        for conv in (1, 2, 3):
            yield f"{official}.{{i}}.conv{conv}.weight", f"{ours}.{{i}}.conv{conv}.weight"
            yield f"{official}.{{i}}.conv{conv}.norm.{{p}}", f"{ours}.{{i}}.bn{conv}.{{p}}"


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
