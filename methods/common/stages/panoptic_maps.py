"""What stages that evaluate panoptic segmenters share: a network, and for every picture its segments and the class of every pixel, as files.

Shape legend: H, W pixels; N segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from methods.common.datasets.images import resize, size_at_test
from methods.common.datasets.lvis_records import LvisDataset, LvisImage
from methods.common.errors import InputError
from methods.common.segmenters.image_batches import batches_of_one_size
from methods.common.segmenters.instance import segmenters
from methods.common.segmenters.instance.interface import (
    Detections,
    PanopticSegmenter,
    PanopticSegments,
    PanopticThresholds,
    Size,
)
from methods.common.segmenters.instance.prediction import load_image
from methods.common.stage import Context
from methods.common.stages.evaluation_files import keep_first

Maps = tuple[list[int], NDArray[np.int64], NDArray[np.int64]]
"""Class of each segment, the map [H, W] of their numbers from 1 on with 0 for none, and the class of every pixel [H, W]."""


class ImageSizes(Protocol):
    """At which size pictures are looked at."""

    @property
    def short_side_px(self) -> int: ...  # noqa: D102
    @property
    def long_side_px(self) -> int: ...  # noqa: D102


class PanopticSettings(ImageSizes, Protocol):
    """At which size pictures are looked at, and which queries become segments."""

    @property
    def batch_size(self) -> int: ...  # noqa: D102
    @property
    def object_threshold(self) -> float: ...  # noqa: D102
    @property
    def overlap_threshold(self) -> float: ...  # noqa: D102


def load_panoptic(folder: Path, num_classes: int, what: str, remedy: str, context: Context) -> PanopticSegmenter:
    """Load a segmenter in evaluation mode.

    Args:
        folder: that it was saved in.
        num_classes: that it must know, things and stuff.
        what: whose classes, for the message.
        remedy: what to do about another one.
        context: says on which device.

    Raises:
        InputError: the folder holds none, or one that gives no segments or knows other classes.
    """
    model = segmenters.load_segmenter(folder)
    if not isinstance(model, PanopticSegmenter) or model.num_classes != num_classes:
        raise InputError(f"the segmenter in {folder} does not know {what}, things and stuff; {remedy}")
    return model.to(context.device).eval()


def segment_pictures(
    load: Callable[[], PanopticSegmenter],
    dataset: LvisDataset,
    paths: Sequence[Sequence[Path]],
    write: Callable[[Sequence[Path], Maps], None],
    config: PanopticSettings,
    context: Context,
) -> None:
    """Segment all pictures and write what was found; pictures that have all their files from an interrupted run are passed over.

    Args:
        load: makes the network, which is asked for only where a picture is left.
        dataset: with the pictures.
        paths: files of each picture.
        write: writes those of one picture.
        config: sizes and thresholds.
        context: of the stage.
    """
    left = [index for index, files in enumerate(paths) if not all(path.is_file() for path in files)]
    model = load() if left else None
    num_done, images = len(paths) - len(left), dataset.images
    for batch in batches_of_one_size(
        left, lambda index: (images[index].height, images[index].width), config.batch_size
    ):
        assert model is not None
        found = _segment(model, dataset, [images[index] for index in batch], config, context)
        for index, maps in zip(batch, found, strict=True):
            write(paths[index], maps)
        num_done += len(batch)
        context.progress(num_done, len(paths), "images")


def find_all(
    model: PanopticSegmenter,
    dataset: LvisDataset,
    records: list[LvisImage],
    config: PanopticSettings,
    context: Context,
) -> list[tuple[Maps, Detections]]:
    """Return the maps of pictures of one size, and the things that are detected in them."""
    image_NCHW, thresholds, sizes = _to_network(dataset, records, config, context)
    found = model.find_all(image_NCHW, thresholds, output_sizes=sizes)
    return [(_maps(one.segments, one.class_HW), one.things) for one in found]


def _segment(
    model: PanopticSegmenter,
    dataset: LvisDataset,
    records: list[LvisImage],
    config: PanopticSettings,
    context: Context,
) -> list[Maps]:
    """Return what is found in pictures of one size."""
    image_NCHW, thresholds, sizes = _to_network(dataset, records, config, context)
    panoptic = model.segment_panoptic(image_NCHW, thresholds, output_sizes=sizes)
    semantic = model.segment_semantic(image_NCHW, output_sizes=sizes)
    return [_maps(found, class_HW) for found, class_HW in zip(panoptic, semantic, strict=True)]


def name_pixels(
    model: PanopticSegmenter, images_HW3: Sequence[NDArray[np.uint8]], config: ImageSizes, context: Context
) -> list[NDArray[np.int64]]:
    """Return the class of every pixel of pictures of one size, [H, W] each.

    Args:
        model: in evaluation mode.
        images_HW3: uint8 RGB.
        config: at which size they are looked at.
        context: says on which device.
    """
    height, width = images_HW3[0].shape[:2]
    size = size_at_test(height, width, config.short_side_px, config.long_side_px)
    image_NHW3 = np.stack([resize(image_HW3, *size) for image_HW3 in images_HW3])
    image_N3HW = torch.from_numpy(image_NHW3).permute(0, 3, 1, 2).float().to(context.device)
    found = model.segment_semantic(image_N3HW, output_sizes=[(height, width)] * len(images_HW3))
    return [class_HW.cpu().numpy() for class_HW in found]


def _to_network(
    dataset: LvisDataset, records: list[LvisImage], config: PanopticSettings, context: Context
) -> tuple[torch.Tensor, PanopticThresholds, list[Size]]:
    """Return pictures of one size as a batch, the thresholds, and the size of each picture's maps."""
    sides_px = config.short_side_px, config.long_side_px
    image_NCHW = torch.stack([load_image(dataset, record, sides_px) for record in records]).to(context.device)
    thresholds = PanopticThresholds(config.object_threshold, config.overlap_threshold)
    return image_NCHW, thresholds, [(record.height, record.width) for record in records]


def _maps(segments: PanopticSegments, class_HW: torch.Tensor) -> Maps:
    return segments.classes_N.tolist(), segments.segment_HW.cpu().numpy(), class_HW.cpu().numpy()


def keep_maps(paths: Sequence[Sequence[Path]], room_mib: float | None) -> None:
    """Keep the maps of the first pictures, as far as there is room for them; once everything is scored, or they would be made anew.

    Args:
        paths: files of each picture.
        room_mib: for all of them together; None keeps all.
    """
    if room_mib is not None:
        keep_first(paths, round(room_mib * 2**20))


def percent(value: float | None) -> float | None:
    """Return a share in percent; None stays."""
    return None if value is None else 100.0 * value
