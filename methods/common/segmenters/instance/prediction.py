"""What an instance segmenter detects on a whole data set, as one results file; a killed run goes on with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods.common.errors import InputError
from methods.common.resumable_records import GrowingList
from methods.common.segmenters.image_batches import batches_of_one_size
from methods.common.stage import Context

if TYPE_CHECKING:
    from torch import Tensor

    from methods.common.datasets.lvis import LvisDataset, LvisImage
    from methods.common.segmenters.instance.interface import Detections

Detect = Callable[[list["LvisImage"]], list[dict[str, Any]]]


def detect_all(
    dataset: LvisDataset,
    model: Path,
    sides_px: tuple[int, int],
    batch_size: int,
    context: Context,
    file: Path,
    by_size: bool = False,
) -> int:
    """Write what is detected on every image as one results file (COCO's format); return the number of detections.

    Args:
        dataset: the images.
        model: folder of the segmenter, which is loaded only if images are left.
        sides_px: shortest and longest side of the images in the network, see ``size_at_test``.
        batch_size: images of one size that go through the network together.
        context: device, checkpoints and progress.
        file: where the detections go; what an interrupted run left there is kept as far as it is whole.
        by_size: see :func:`write_results`.

    Raises:
        InputError: the folder holds no instance segmenter or one with another number of classes, or an image cannot be read.
    """
    return write_results(
        dataset, lambda: _load_detector(dataset, model, sides_px, context), batch_size, context, file, by_size
    )


def write_results(
    dataset: LvisDataset,
    load: Callable[[], Detect],
    batch_size: int,
    context: Context,
    file: Path,
    by_size: bool = False,
) -> int:
    """Write the results of every image as one file; return their number.

    Args:
        dataset: the images.
        load: makes what turns images of one size into results; called only if images are left.
        batch_size: images of one size that go through the network together.
        context: checkpoints and progress.
        file: where the results go; what an interrupted run left there is kept as far as it is whole.
        by_size: take images in the order of their sizes, so that more of them share a batch, in place of the data set's.
    """
    images = sorted(dataset.images, key=_size_of) if by_size else dataset.images
    total = len(images)
    with GrowingList(file, context.checkpoints) as results:
        detect = load() if results.done < total else None
        first = 0
        for records in batches_of_one_size(images, _size_of, batch_size):
            if first >= results.done:
                assert detect is not None
                results.extend(detect(records), len(records))
                if context.checkpoint_due():
                    results.save()
                context.progress(results.done, total, "images")
            first += len(records)
        results.close()
        return results.length


def _size_of(image: LvisImage) -> tuple[int, int]:
    return image.height, image.width


def _load_detector(dataset: LvisDataset, model: Path, sides_px: tuple[int, int], context: Context) -> Detect:
    """Load the network; return what turns images of one size into results."""
    import torch

    from methods.common.segmenters.instance.segmenters import load_segmenter

    segmenter = load_segmenter(model).to(context.device).eval()
    if segmenter.num_classes != len(dataset.class_ids):
        raise InputError(
            f"the segmenter in {model} has {segmenter.num_classes} classes, the data {len(dataset.class_ids)}; evaluate it on data of "
            "its own classes"
        )

    def detect(records: list[LvisImage]) -> list[dict[str, Any]]:
        image_NCHW = torch.stack([load_image(dataset, record, sides_px) for record in records]).to(context.device)
        sizes = [(record.height, record.width) for record in records]
        found = segmenter.detect(image_NCHW, output_sizes=sizes)
        return [
            result
            for record, detections in zip(records, found, strict=True)
            for result in results_of(record, detections, dataset.class_ids)
        ]

    return detect


def results_of(record: LvisImage, found: Detections, class_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return what is detected in an image in COCO's results format; classes are named by ``class_ids``."""
    from methods.common.metrics.detection.detections import detections_to_results

    assert found.masks_NHW is not None, "results are of masks"
    return detections_to_results(
        record.id,
        found.boxes_N4.cpu().numpy(),
        found.scores_N.cpu().numpy(),
        found.classes_N.cpu().numpy(),
        class_ids,
        found.masks_NHW.cpu().numpy(),
    )


def load_image(dataset: LvisDataset, record: LvisImage, sides_px: tuple[int, int]) -> Tensor:
    """Return an image at the size at which it is tested, float32 RGB (3, H, W) in [0, 255].

    Args:
        dataset: that the image is of.
        record: the image.
        sides_px: shortest and longest side, see ``size_at_test``.

    Raises:
        InputError: the image cannot be read.
    """
    import numpy as np
    import torch

    from methods.common.datasets.images import resize, size_at_test
    from methods.common.datasets.pictures import read_rgb

    image_HW3 = read_rgb(dataset.image_path(record), record.height, record.width)
    size = size_at_test(record.height, record.width, *sides_px)
    return torch.from_numpy(resize(image_HW3, *size).astype(np.float32)).permute(2, 0, 1)
