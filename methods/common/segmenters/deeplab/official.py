"""Published DeepLabV3+ checkpoints of BECO: a loader that says what does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from methods.common.errors import InputError
from methods.common.segmenters.checkpoints import read_content, select_weights
from methods.common.segmenters.deeplab.config import DeepLabConfig
from methods.common.segmenters.deeplab.model import DeepLab
from methods.common.segmenters.deeplab.presets import deeplabv3plus_r101d
from methods.common.segmenters.official_weights import OfficialNames, fill

_CLASSIFIER, _STEM = "classifier.weight", "backbone.stem_layer.conv1.weight"
_BLOCK = re.compile(r"backbone\.layer(\d)\.(\d+)\..*")
_PAIR = "net_state_dict"
"""Where a checkpoint of two networks keeps them."""


def _templates() -> Iterator[tuple[str, str]]:
    """Yield official names and ours."""
    for number, (conv, norm) in enumerate((("conv1.0", "conv1.1"), ("conv1.3", "conv1.4"), ("conv1.6", "bn1")), 1):
        yield f"backbone.stem_layer.conv{number}.weight", f"encoder.{conv}.weight"
        yield f"backbone.stem_layer.bn{number}.{{p}}", f"encoder.{norm}.{{p}}"
    # The first stage does not shrink: the release has no pooling there, we have an identity in its place.
    yield "backbone.layer1.0.downsample.0.weight", "encoder.layer1.0.downsample.1.weight"
    yield "backbone.layer1.0.downsample.1.{p}", "encoder.layer1.0.downsample.2.{p}"
    yield "backbone.layer{i}.{r}", "encoder.layer{i}.{r}"
    yield "aspp.convs.0.{r}", "head.pyramid.branches.0.{r}"
    yield "aspp.convs.{i}.convs.{r}", "head.pyramid.branches.{i}.{r}"
    yield "aspp.projector.{r}", "head.pyramid.projection.{r}"
    yield "projector.{r}", "head.low_level.{r}"
    yield "pre_classifier.convs.{r}", "head.refine.{r}"
    yield "classifier.{p}", "head.classifier.{p}"


NAMES = OfficialNames(tuple(_templates()), None, re.compile(r".*\.num_batches_tracked"))
"""The names of BECO's release, and ours."""


def infer_config(weights: Mapping[str, Tensor]) -> DeepLabConfig:
    """Tell the number of classes and the blocks of each stage from official names and shapes.

    Raises:
        InputError: classifier or deep stem are missing.
    """
    for needed in (_CLASSIFIER, _STEM):
        if needed not in weights:
            raise InputError(f"the checkpoint has no {needed!r}, so it is no DeepLabV3+ of BECO")
    config = deeplabv3plus_r101d(weights[_CLASSIFIER].shape[0])
    blocks: dict[int, int] = {}
    for found in map(_BLOCK.fullmatch, weights):
        if found:
            stage, block = int(found[1]), int(found[2])
            blocks[stage] = max(blocks.get(stage, 0), block + 1)
    counts = tuple(count for _, count in sorted(blocks.items()))
    return config.model_copy(update={"backbone": config.backbone.model_copy(update={"blocks": counts})})


def load_official(
    checkpoint: Path | str | Mapping[str, Any],
    config: DeepLabConfig | None = None,
    network: Literal["network1", "network2"] = "network1",
) -> DeepLab:
    """Build a DeepLabV3+ with weights by BECO's names.

    Args:
        checkpoint: a file, a loaded checkpoint, or a state dict of tensors or arrays by official name.
        config: which network; by default classes and blocks are told from names and shapes.
        network: which of two, where the checkpoint holds both, as ``best_ckpt.pth`` does.
    Returns:
        The network on the CPU in evaluation mode.
    Raises:
        InputError: unreadable, or entries are missing, unexpected or of another shape; the message names them.
    """
    content, origin = checkpoint, "the state dict"
    if isinstance(checkpoint, str | Path):
        content, origin = read_content(Path(checkpoint)), str(checkpoint)
    if isinstance(content, Mapping) and isinstance(content.get(_PAIR), Mapping):
        content, origin = content[_PAIR].get(network), f"{network} of {origin}"
    weights = select_weights(content, origin)
    model = DeepLab.without_weights(config or infer_config(weights))
    fill(model, weights, NAMES, origin, "DeepLab that was asked for", lambda name: name.endswith("num_batches_tracked"))
    return model.eval()
