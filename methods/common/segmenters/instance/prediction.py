"""Running an instance segmenter over a split and writing its detections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from methods.common.resumable_records import GrowingList
from methods.common.stage import Config, Context

if TYPE_CHECKING:
    from torch import Tensor

    from methods.common.datasets.lvis import LvisDataset, LvisImage


DETECTIONS_FILE = "detections.json"


class EvaluateConfig(Config):
    """What is evaluated, and at which size."""

    split: Literal["val", "feedback"] = "val"
    """``val`` for results; ``feedback`` for the accuracies that steer the next rounds."""
    short_side_px: int = Field(default=800, ge=16)
    """Images are resized so that their shorter side has this length. [D]"""
    long_side_px: int = Field(default=1333, ge=16)
    """... unless the longer side would pass this. [D]"""
    batch_size: int = Field(default=1, ge=1)
    """Images of one size that go through the network together."""


def _detect_all(dataset: LvisDataset, model: Path, config: EvaluateConfig, context: Context, file: Path) -> int:
    """Write what is detected on every image as one results file; return the number of detections."""
    total = len(dataset.images)
    with GrowingList(file, context) as results:
        detect = _detector(dataset, model, config, context) if results.done < total else None
        first = 0
        for records in _batches(dataset, config):
            if first >= results.done:
                assert detect is not None
                results.extend(detect(records), len(records))
                if context.checkpoint_due():
                    results.save()
                context.progress(results.done, total, "images")
            first += len(records)
        results.close()
        return results.length


def _detector(
    dataset: LvisDataset, model: Path, config: EvaluateConfig, context: Context
) -> Callable[[list[LvisImage]], list[dict[str, Any]]]:
    import torch

    from methods.common.metrics.detection.detections import detections_to_results
    from methods.common.segmenters.centernet2.model import CenterNet2

    segmenter = CenterNet2.from_pretrained(model).to(context.device).eval()

    def detect(records: list[LvisImage]) -> list[dict[str, Any]]:
        image_NCHW = torch.stack([_load(dataset, record, config) for record in records]).to(context.device)
        sizes = [(record.height, record.width) for record in records]
        results: list[dict[str, Any]] = []
        for record, found in zip(records, segmenter.detect(image_NCHW, output_sizes=sizes), strict=True):
            assert found.masks_NHW is not None
            results += detections_to_results(
                record.id,
                found.boxes_N4.cpu().numpy(),
                found.scores_N.cpu().numpy(),
                found.classes_N.cpu().numpy(),
                dataset.class_ids,
                found.masks_NHW.cpu().numpy(),
            )
        return results

    return detect


def _batches(dataset: LvisDataset, config: EvaluateConfig) -> Iterator[list[LvisImage]]:
    """Group neighbouring images of one size, so that a batch needs no padding."""
    batch: list[LvisImage] = []
    for record in dataset.images:
        same = not batch or (batch[0].height, batch[0].width) == (record.height, record.width)
        if batch and (not same or len(batch) == config.batch_size):
            yield batch
            batch = []
        batch.append(record)
    if batch:
        yield batch


def _load(dataset: LvisDataset, record: LvisImage, config: EvaluateConfig) -> Tensor:
    import torch

    from methods.common.datasets.images import load_rgb, resize, size_at_test

    image_HW3 = load_rgb(dataset.image_path(record), record.height, record.width)
    size = size_at_test(record.height, record.width, config.short_side_px, config.long_side_px)
    return torch.from_numpy(resize(image_HW3, *size)).permute(2, 0, 1).float()
