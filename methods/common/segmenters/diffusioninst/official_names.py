"""Official (detectron2) names of DiffusionInst's weights, and ours; one to one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from methods.common.segmenters.diffusioninst.config import POOLED_LEVELS, DiffusionInstConfig
from methods.common.segmenters.official_weights import OfficialNames, detectron2_resnet

_SCHEDULE = (
    "betas|alphas_cumprod(_prev)?|sqrt_(one_minus_)?alphas_cumprod|log_one_minus_alphas_cumprod|sqrt_recip(m1)?_alphas_cumprod|"
    "posterior_(variance|log_variance_clipped|mean_coef[12])"
)
_UNUSED = re.compile(rf"{_SCHEDULE}|pixel_(mean|std)|criterion\..*")
"""Entries that hold nothing the network needs: the schedule, which is computed, constants, class weights of the loss."""

_HEAD = {
    "self_attn.{r}": "self_attention.{r}",
    "inst_interact.dynamic_layer.{p}": "interaction.matrices.{p}",
    "inst_interact.out_layer.{p}": "interaction.output.{p}",
    **{f"inst_interact.norm{i}.{{p}}": f"interaction.norm{i}.{{p}}" for i in (1, 2, 3)},
    **{f"norm{i}.{{p}}": f"norm{i}.{{p}}" for i in (1, 2, 3)},
    **{f"linear{i}.{{p}}": f"linear{i}.{{p}}" for i in (1, 2)},
    "block_time_mlp.1.{p}": "time.{p}",
    "class_logits.{p}": "classifier.{p}",
    "bboxes_delta.{p}": "deltas.{p}",
    "controller.{p}": "filters.{p}",
}


def names_of(config: DiffusionInstConfig) -> OfficialNames:
    """Return the names of a network's checkpoint."""
    return OfficialNames(templates=tuple(_templates(config)), joint=None, unused=_UNUSED)


def _templates(config: DiffusionInstConfig) -> Iterator[tuple[str, str]]:
    """Yield official names and ours, with fields for what is the same in both."""
    yield from detectron2_resnet("backbone.bottom_up.", "backbone.")
    for level in range(POOLED_LEVELS):
        for part in ("lateral", "output"):
            yield f"backbone.fpn_{part}{level + 2}.{{p}}", f"pyramid.{part}.{level}.{{p}}"
    for official, ours in (("mask_refine.{i}", "level.{i}"), ("mask_head.{i}", "tower.{i}")):
        for place in (0, 1):
            yield f"head.{official}.{place}.{{p}}", f"mask_branch.{ours}.{place}.{{p}}"
    yield f"head.mask_head.{config.mask_convs}.{{p}}", "mask_branch.output.{p}"
    for official_layer, layer in ((1, 0), (3, 2)):
        yield f"head.time_mlp.{official_layer}.{{p}}", f"decoder.time.layers.{layer}.{{p}}"
    towers = (("cls_module", "class_tower", config.class_layers), ("reg_module", "box_tower", config.box_layers))
    head = dict(_HEAD)
    for official, ours, layers in towers:
        for layer in range(layers):  # a linear layer without bias, a norm, a ReLU
            for place in (0, 1):
                head[f"{official}.{3 * layer + place}.{{p}}"] = f"{ours}.{layer}.{place}.{{p}}"
    yield from ((f"head.head_series.{{i}}.{theirs}", f"decoder.heads.{{i}}.{mine}") for theirs, mine in head.items())
