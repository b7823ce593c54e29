"""Training images as pure functions of their number: which real image, how augmented, what is pasted.

Images are numbered ``iteration * batch_size + place`` over a phase. Nothing depends on what was made before, so any worker
makes any image and a training goes on anywhere.

Shape legend: N images or instances; C classes or channels; H, W pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from methods.common.datasets.lvis import read_lvis
from methods.common.objects.pool import ObjectPool
from methods.common.seeds import Seeds
from methods.common.segmenters.image_cache import num_readers
from methods.common.segmenters.instance.training_images import Batch, Labelled, RealImages, collate
from methods.common.stage import Inputs
from methods.common.training.batch_shard import BatchShare
from methods.common.training.batches import batches_of_share
from methods.common.training.repeat_factor import RepeatFactorSampler, repeat_factors
from methods.mrca.accuracy import shrink_accuracy
from methods.mrca.augment import Donor, make_training_image
from methods.mrca.mapping import RandomMapping, UniqueMapping
from methods.mrca.paste import PasteConfig
from methods.mrca.resizing import resize_factors
from methods.mrca.size_model import PasteSizeConfig, SizeModel, fit_size_model
from methods.mrca.stages.pasting import MrcaPasting, NoPasting, Pasting, XPastePasting
from methods.mrca.stages.split import FIT_FILE, image_folder, read_classes
from methods.mrca.xpaste import XPasteSampler

if TYPE_CHECKING:
    from methods.mrca.stages.train import TrainConfig


BatchT = TypeVar("BatchT")


class ObjectChooser(Protocol):
    """Which pool objects go into an image."""

    def objects_of_image(self, image_number: int) -> NDArray[np.int64]:
        """Return pool indices for the image of that number."""


class TrainingImages(Dataset[Labelled]):
    """The endless sequence of training images of a phase."""

    def __init__(self, inputs: Inputs, config: TrainConfig, seeds: Seeds) -> None:
        split = inputs.folder("split")
        self.config = config
        self.seeds = seeds
        self.real = RealImages(read_lvis(split / FIT_FILE, image_folder(inputs), "none"))
        dataset = self.real.dataset
        classes_by_image = [[item.category_id for item in dataset.annotations[image.id]] for image in self.real.images]
        factors = repeat_factors(classes_by_image, config.recipe.repeat_threshold)
        self.order = RepeatFactorSampler(factors, seeds.derive("training", config.phase, "order"))
        self.donors = RepeatFactorSampler(factors, seeds.derive("training", config.phase, "donors"))
        self.size_model = size_model_of(self.real)
        self.factor_C = _size_factors(inputs, config.pasting, len(dataset.class_ids))
        self.pool: ObjectPool | None = None
        self.chooser: ObjectChooser | None = None
        self.first_image = 0
        if not isinstance(config.pasting, NoPasting):
            self.pool = ObjectPool.open(inputs.folders("pool"))
            self._choose_objects(self.pool, config.pasting)
        classes = read_classes(inputs)
        self._names = [category["name"] for category in classes]
        self._class_index = {category["id"]: index for index, category in enumerate(classes)}

    def _choose_objects(self, pool: ObjectPool, pasting: Pasting) -> None:
        seed = self.seeds.derive("training", self.config.phase, "objects")
        if isinstance(pasting, MrcaPasting):
            # A new stream with each round: images are counted from the round's first.
            self.first_image = self.config.first_iteration * self.config.recipe.batch_size
            seed = self.seeds.derive("training", self.config.phase, "objects", pasting.round_index)
            mapping = UniqueMapping if pasting.mapping.draw == "unique" else RandomMapping
            self.chooser = mapping(len(pool), seed, pasting.mapping)
        elif not isinstance(pasting, NoPasting):
            self.chooser = XPasteSampler(pool.category_id.astype(np.int64), seed, pasting.sampler)

    @property
    def pool_size(self) -> int:
        """Number of objects to draw from."""
        return 0 if self.pool is None else len(self.pool)

    def __getitem__(self, number: int) -> Labelled:
        """Make training image ``number``: uint8 RGB (H, W, 3), and its instances."""
        return self._make(number, self._objects(number))

    def without_pasting(self, number: int) -> Labelled:
        """Make training image ``number`` as it is before anything is pasted into it."""
        return self._make(number, [])

    def _make(self, number: int, objects: Sequence[tuple[NDArray[np.uint8], int]]) -> Labelled:
        image_HW3, instances = self.real[self.order.image_index(number)]
        pasting = self.config.pasting
        return make_training_image(
            image_HW3,
            instances,
            objects,
            self.size_model,
            self.factor_C,
            self.seeds.numpy("training", self.config.phase, "image", number),
            self.config.augmentation,
            PasteSizeConfig() if isinstance(pasting, NoPasting) else pasting.size,
            PasteConfig() if isinstance(pasting, NoPasting) else pasting.paste,
            self._donor(number),
        )

    def _donor(self, number: int) -> Donor | None:
        """Return another real image to paste from, drawn as the training images are but by itself; None where none is asked for."""
        pasting = self.config.pasting
        if not isinstance(pasting, XPastePasting) or pasting.real is None:
            return None
        image_HW3, instances = self.real[self.donors.image_index(number)]
        return Donor(image_HW3, instances, pasting.real)

    def _objects(self, number: int) -> list[tuple[NDArray[np.uint8], int]]:
        if self.pool is None or self.chooser is None:
            return []
        found = [self.pool[int(index)] for index in self.chooser.objects_of_image(number - self.first_image)]
        return [(item.rgba_HW4, self._class_index[item.category_id]) for item in found]

    def classes_of_objects(self, number: int) -> list[int]:
        """Return the class index of each object that is chosen for image ``number``."""
        if self.pool is None or self.chooser is None:
            return []
        chosen = self.pool.category_id[self.chooser.objects_of_image(number - self.first_image)]
        return [self._class_index[int(category_id)] for category_id in chosen]

    def batches(self, first_iteration: int, share: BatchShare) -> Iterator[Batch]:
        """Yield a share of the batch of each iteration from ``first_iteration`` to the end of the stretch."""
        return load_batches(self, self, collate, first_iteration, share)

    def sample(self, iteration: int, place: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], dict[str, Any]]:
        """Return one training image for people: RGB, instance numbers from 1 (later ones on top), and a note on them."""
        image_HW3, instances = self[iteration * self.config.recipe.batch_size + place]
        instances_HW = np.zeros(image_HW3.shape[:2], np.uint8)
        for number, mask_HW in enumerate(instances.mask_NHW[:255], start=1):
            instances_HW[mask_HW] = number
        note = {
            "pasted": [number + 1 for number, source in enumerate(instances.source_N) if source == 1],
            "names": {str(number + 1): self._names[index] for number, index in enumerate(instances.class_N)},
        }
        return image_HW3, instances_HW, note


def load_batches(
    dataset: Dataset[Any],
    images: TrainingImages,
    collate_rows: Callable[[Any], BatchT],
    first_iteration: int,
    share: BatchShare,
) -> Iterator[BatchT]:
    """Yield a share of the batch of each iteration from ``first_iteration`` to the end of the stretch.

    Worker processes keep images of their own, so the room in memory is divided among them.

    Args:
        dataset: makes what belongs to an image, by the image's number.
        images: the training images behind it.
        collate_rows: makes a batch of some of that.
        first_iteration: where to begin.
        share: which images of each batch.
    """
    num_workers = images.config.num_workers
    images.real.cache.divide_among(num_readers(share.team.size, num_workers))
    iterations = range(first_iteration, images.config.last_iteration)
    return batches_of_share(dataset, collate_rows, share, iterations, num_workers)


def _size_factors(inputs: Inputs, pasting: Pasting, num_classes: int) -> NDArray[np.float64]:
    """Resize factors by the feedback's box AP; ones where nothing steers, and for a class without AP."""
    if not isinstance(pasting, MrcaPasting) or not inputs.folders("feedback"):
        return np.ones(num_classes)
    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    ap_percent_C = 100.0 * np.array(inputs.record("feedback")["class_ap_box"], np.float64)  # None becomes NaN
    objects_C = np.array([category["feedback_instance_count"] for category in classes], np.int64)
    group_C = [category["group"] for category in classes]
    drawn_C = shrink_accuracy(ap_percent_C, objects_C, group_C, pasting.resizing.shrinkage)
    return resize_factors(drawn_C, pasting.resizing)


def size_model_of(real: RealImages) -> SizeModel:
    """Fit the typical sizes of each class over all real instances."""
    rows = [
        (
            real.dataset.class_index[item.category_id],
            item.bbox_xywh[2] * item.bbox_xywh[3],
            image.width * image.height,
        )
        for image in real.images
        for item in real.dataset.annotations[image.id]
    ]
    class_N, area_N, image_area_N = (np.array(column) for column in zip(*rows, strict=True))
    return fit_size_model(class_N, area_N.astype(float), image_area_N.astype(float), len(real.dataset.class_ids))
