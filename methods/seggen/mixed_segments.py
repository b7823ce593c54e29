"""Real images with their segments and generated ones with theirs as one set of training images, the real ones first.

Shape legend: H, W pixels; 3 RGB; S segments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.coco_panoptic import CocoPanoptic, open_coco_panoptic
from methods.common.datasets.panoptic_files import Segment
from methods.common.datasets.pictures import read_rgb
from methods.common.datasets.png_labels import read_rgb_ids
from methods.common.errors import InputError
from methods.common.generated.pair_reader import PAIRS_FILE
from methods.common.resumable_records import read_lines
from methods.common.segmenters.image_cache import ImageCache
from methods.common.segmenters.instance.instances import Instances, real_instances
from methods.common.segmenters.instance.training_images import Labelled
from methods.common.stage import Inputs
from methods.seggen.generated_pairs import MadePair, labels_paths, of_real_images, read_made_pairs
from methods.seggen.mixing import Pool

Read = tuple[NDArray[np.uint8], NDArray[np.uint32]]
"""An image, RGB [H, W, 3], and the id of each pixel's segment, [H, W]."""


class GeneratedSegments(NamedTuple):
    """A generated image and its segments."""

    image: Path
    map: Path
    segments: tuple[Segment, ...]
    """``category`` is a class from 0."""


class MixedSegments:
    """Training images of an instance segmenter; crowds are no instances, and void pixels belong to none (SegGen section 7)."""

    def __init__(
        self, real: CocoPanoptic, generated: list[GeneratedSegments], pool: Pool, *, things_only: bool
    ) -> None:
        self._real, self._generated, self.pool = real, generated, pool
        taught = [index for index, thing in enumerate(real.is_thing) if thing or not things_only]
        self._class_of = {index: place for place, index in enumerate(taught)}
        self.stuff_classes = tuple(place for place, index in enumerate(taught) if not real.is_thing[index])
        """Class indices of stuff, among those that are taught."""
        self.cache: ImageCache[Read] = ImageCache(lambda read: read[0].nbytes + read[1].nbytes)
        """Images in memory, with maps of ids in place of a mask for each segment."""

    @property
    def num_classes(self) -> int:
        """Number of classes that are taught."""
        return len(self._class_of)

    def __len__(self) -> int:
        """Number of images, of both kinds."""
        return len(self._real) + len(self._generated)

    def classes(self, index: int) -> list[int]:
        """Return the class indices of an image's segments, without reading it."""
        return [self._class_of[segment.category] for segment in self._taught(index)]

    def __getitem__(self, index: int) -> Labelled:
        """Read an image and its segments as instances.

        Raises:
            InputError: a file is missing or damaged.
        """
        image_HW3, segment_HW = self.cache.get(index, lambda: self._read(index))
        return image_HW3, self._instances(segment_HW, index)

    def _instances(self, segment_HW: NDArray[np.uint32], index: int) -> Instances:
        segments = self._taught(index)
        id_S = np.array([segment.id for segment in segments], np.uint32)
        class_S = np.array([self._class_of[segment.category] for segment in segments], np.int64)
        return real_instances(class_S, segment_HW[None] == id_S[:, None, None])

    def _taught(self, index: int) -> list[Segment]:
        place = index - len(self._real)
        segments = self._real.segments(index) if place < 0 else self._generated[place].segments
        return [one for one in segments if not one.is_crowd and one.category in self._class_of]

    def _read(self, index: int) -> Read:
        place = index - len(self._real)
        if place < 0:
            sample = self._real[index]
            return sample.image_HW3, sample.segment_HW
        generated = self._generated[place]
        segment_HW = read_rgb_ids(generated.map)
        return read_rgb(generated.image, *segment_HW.shape), segment_HW


def open_mixed_segments(
    inputs: Inputs, split: str, variant: str, *, things_only: bool, with_pairs: bool
) -> MixedSegments:
    """Open real images with segments, and the pairs that were made of them where these are wanted.

    Args:
        inputs: roles ``data`` and, with pairs, ``pairs``; ``filtered`` and ``selection`` where they are given.
        split: of the real images.
        variant: whose segments of the pairs.
        things_only: whether stuff is left out.
        with_pairs: whether there are generated images.

    Raises:
        InputError: something is missing or faulty, or a pair is of no real image.
    """
    real = open_coco_panoptic(inputs.folder("data"), split)
    if not with_pairs:
        return MixedSegments(real, [], Pool(len(real), [], []), things_only=things_only)
    made, class_names = read_made_pairs(inputs)
    if class_names != real.class_names:
        raise InputError(
            f"the pairs know {len(class_names)} classes, the real images {len(real.class_names)}, or other names; train on pairs of "
            "the same classes"
        )
    place_of = {real.name(index): index for index in range(len(real))}
    made, pool = of_real_images(made, place_of, others_known=False)
    maps = labels_paths(made, variant, inputs.folders("filtered"))
    segments_of = _segments_by_pair(made, {category.id: place for place, category in enumerate(real.categories)})
    generated = [
        GeneratedSegments(one.pair.image_path(), path, segments_of[one.pair.id])
        for one, path in zip(made, maps, strict=True)
    ]
    return MixedSegments(real, generated, pool, things_only=things_only)


def _segments_by_pair(made: list[MadePair], class_of: dict[int, int]) -> dict[str, tuple[Segment, ...]]:
    """Return the segments that the lists of the shards name.

    Raises:
        InputError: a line has no ``segments_info``, or one of a category that the data does not have.
    """
    found = {}
    for shard in dict.fromkeys(one.pair.shard for one in made):
        for number, record in enumerate(read_lines(shard / PAIRS_FILE), start=1):
            listed = record.get("segments_info")
            where = f"{shard / PAIRS_FILE}, line {number}"
            if not isinstance(listed, list):
                raise InputError(f"{where} has no list `segments_info`; generate the pairs again, from panoptic data")
            found[record["id"]] = tuple(_segment(one, class_of, where) for one in listed)
    return found


def _segment(record: Any, class_of: dict[int, int], where: str) -> Segment:
    try:
        return Segment(int(record["id"]), class_of[record["category_id"]], bool(record.get("iscrowd", 0)), None)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{where}: a segment lacks its id, or is of a category that the real images do not have; generate the pairs again"
        ) from error
