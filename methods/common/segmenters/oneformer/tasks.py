"""What an image should teach for the task that it was drawn for: segments, and sentences about them.

One annotation, the panoptic one, serves all three: things one by one, each stuff class at once.

Shape legend: N images, M targets of all images, T sentences of an image, H, W pixels of the padded images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.common.segmenters.instance.interface import InstanceTarget, Size
from methods.common.segmenters.mask_queries.targets import Targets, targets_of_segments
from methods.common.segmenters.oneformer.config import TASKS, OneFormerConfig
from methods.common.segmenters.oneformer.sentences import filler_row
from methods.common.training.batch_shard import BatchShare


def draw_tasks(config: OneFormerConfig, generator: torch.Generator, share: BatchShare) -> Tensor:
    """Draw a task for each image, int64 (N,); draws for the whole batch.

    Source: InstSynth section 8.3, uniform; the release's thresholds are 0.33 and 0.66. [OF]
    """
    chance_N = share.uniform(generator)
    bounds = torch.tensor(config.task_shares, dtype=chance_N.dtype, device=chance_N.device).cumsum(0)
    return torch.bucketize(chance_N, bounds[:-1], right=True)


def task_targets(
    targets: Sequence[InstanceTarget], task_N: Tensor, config: OneFormerConfig, padded: Size
) -> tuple[Targets, Tensor]:
    """Return the segments of each image's task, and the sentences about them, int64 [N, T], as rows of the table of sentences.

    * ``semantic``: all segments of a class are one;
    * ``instance``: things only;
    * ``panoptic``: all segments.

    Sentences name the class of each segment in the order of the classes, cut at T; the task's filler stands in the rest.
    Segments without a pixel go. Source: InstSynth section 8.1. [OF]

    Args:
        targets: panoptic segments of each image.
        task_N: the task of each.
        config: classes, and number of sentences.
        padded: (height, width) of the padded images.
    """
    classes, masks, rows = [], [], []
    for target, task in zip(targets, task_N.tolist(), strict=True):
        class_M, mask_MHW = _segments(target, TASKS[task], config)
        classes.append(class_M)
        masks.append(mask_MHW)
        row_T = class_M.new_full((config.num_sentences,), filler_row(config, task))
        named = class_M.sort().values[: config.num_sentences]
        row_T[: len(named)] = named
        rows.append(row_T)
    return targets_of_segments(classes, masks, padded), torch.stack(rows)


def _segments(target: InstanceTarget, task: str, config: OneFormerConfig) -> tuple[Tensor, Tensor]:
    class_M, mask_MHW = target.classes_N, target.masks_NHW
    outside = class_M[(class_M < 0) | (class_M >= len(config.class_names))]
    assert not len(outside), f"class {int(outside[0])} of a target; there are {len(config.class_names)} from 0"
    kept_M = mask_MHW.flatten(1).any(dim=1)
    if task == "instance":
        stuff = class_M.new_tensor(config.stuff_classes)
        kept_M &= ~torch.isin(class_M, stuff)
    class_M, mask_MHW = class_M[kept_M], mask_MHW[kept_M]
    if task != "semantic":
        return class_M, mask_MHW
    present = class_M.bincount().nonzero()[:, 0]
    merged = [mask_MHW[class_M == index].any(dim=0) for index in present]
    return present, torch.stack(merged) if merged else mask_MHW
