"""Real training images of an instance segmenter, and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from methods.common.datasets.lvis import LvisDataset, LvisImage
from methods.common.datasets.pictures import read_rgb
from methods.common.errors import InputError
from methods.common.segmenters.image_cache import ImageCache
from methods.common.segmenters.instance.instances import IGNORED, Instances, real_instances
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.training.distributed import Team

Labelled = tuple[NDArray[np.uint8], Instances]
"""An image, RGB (H, W, 3), and its instances."""


@dataclass(frozen=True)
class Batch:
    """What one process sees in one training step."""

    image_NCHW: Tensor
    """uint8 RGB, padded right and bottom with zeros to the largest image."""
    image_sizes: list[tuple[int, int]]
    """(height, width) of each image."""
    targets: list[InstanceTarget]

    def image_over(self, team: Team, device: torch.device) -> Tensor:
        """Return the images as float32 on a device, padded to the largest image of all processes; collective."""
        height, width = self.image_NCHW.shape[2:]
        largest_height, largest_width = team.largest([height, width])
        padding = (0, largest_width - width, 0, largest_height - height)
        return functional.pad(self.image_NCHW.to(device), padding).float()


class InstanceImages(Protocol):
    """Training images with their instances."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""

    def __len__(self) -> int:
        """Number of images."""

    def classes(self, index: int) -> list[int]:
        """Return the class indices of an image's instances, without reading it."""

    def __getitem__(self, index: int) -> Labelled:
        """Read an image and its instances.

        Raises:
            InputError: a file is missing or damaged.
        """


class RealImages:
    """Decoded real training images with their instances, crowds as what is ignored; small sets stay in memory."""

    def __init__(self, dataset: LvisDataset) -> None:
        self.dataset = dataset
        self.images: list[LvisImage] = [
            image for image in dataset.images if not all(item.crowd for item in dataset.annotations[image.id])
        ]
        """Images without labels are left out. [D]"""
        if not self.images:
            where = dataset.annotation_file or dataset.image_root
            raise InputError(f"{where} has no image with an annotation; there is nothing to train on")
        self.cache: ImageCache[Labelled] = ImageCache(lambda labelled: labelled[0].nbytes + labelled[1].mask_NHW.nbytes)
        """Images in memory."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.dataset.class_ids)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def classes(self, index: int) -> list[int]:
        """Return the class indices of an image's instances, without reading it."""
        annotations = self.dataset.annotations[self.images[index].id]
        return [self.dataset.class_index[item.category_id] for item in annotations if not item.crowd]

    @property
    def num_ignored(self) -> int:
        """Objects in the images that are neither learnt nor background."""
        return sum(item.crowd for image in self.images for item in self.dataset.annotations[image.id])

    def __getitem__(self, index: int) -> Labelled:
        """Read an image and its instances."""
        return self.cache.get(index, lambda: self._read(self.images[index]))

    def _read(self, image: LvisImage) -> Labelled:
        image_HW3 = read_rgb(self.dataset.image_path(image), image.height, image.width)
        annotations = self.dataset.annotations[image.id]
        classes = [IGNORED if item.crowd else self.dataset.class_index[item.category_id] for item in annotations]
        class_N = np.array(classes, np.int64)
        mask_NHW = np.stack([item.mask(image.height, image.width) for item in annotations])
        box_N4 = np.array([item.bbox_xywh for item in annotations], np.float32)
        box_N4[:, 2:] += box_N4[:, :2]
        return image_HW3, real_instances(class_N, mask_NHW, box_N4)


def collate(rows: Sequence[tuple[NDArray[np.uint8], Instances]]) -> Batch:
    """Pad images to the largest and turn instances into targets, which of ignored ones keep the boxes."""
    sizes = [(image_HW3.shape[0], image_HW3.shape[1]) for image_HW3, _ in rows]
    height, width = max(size[0] for size in sizes), max(size[1] for size in sizes)
    image_NCHW = np.zeros((len(rows), 3, height, width), np.uint8)
    targets = []
    for row, (image_HW3, instances) in enumerate(rows):
        image_NCHW[row, :, : sizes[row][0], : sizes[row][1]] = image_HW3.transpose(2, 0, 1)
        ignored_N = instances.class_N == IGNORED
        learnt = instances.select(~ignored_N) if ignored_N.any() else instances
        targets.append(
            InstanceTarget(
                torch.from_numpy(learnt.boxes_N4),
                torch.from_numpy(learnt.class_N),
                torch.from_numpy(learnt.mask_NHW),
                torch.from_numpy(instances.boxes_N4[ignored_N]),
            )
        )
    return Batch(torch.from_numpy(image_NCHW), sizes, targets)
