"""Feature distillation: a smaller extractor is trained to give the maps of a larger one on real pictures (section 6.2).

Shape legend: N pictures, C channels, H, W pixels, h, w cells of a map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.common.datasets.lvis_records import LvisDataset
from methods.common.datasets.pictures import read_rgb
from methods.common.opencv import one_opencv_thread
from methods.common.segmenters.backbones.generative.extractor import Extractor
from methods.common.segmenters.backbones.generative.pruning import take_from_larger
from methods.common.segmenters.instance.augmentation import mirrored, resize_and_crop
from methods.common.stage import Context
from methods.common.training.ema import ExponentialMovingAverage
from methods.common.training.loop import Backward, Training, run_training, share_model
from methods.common.training.losses import Losses
from methods.instance_synthesis.views import unit_batch

if TYPE_CHECKING:
    from methods.instance_synthesis.stages.distill import DistillConfig


def map_losses(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return for each map the mean squared error over the wanted map's variance, divided by the number of maps [C D58].

    Args:
        found: maps [N, C, h, w] of the student.
        wanted: those of the teacher.
    """
    return {
        f"map_{number}": (mine.float() - theirs.float()).square().mean() / theirs.float().var() / len(wanted)
        for number, (mine, theirs) in enumerate(zip(found, wanted, strict=True))
    }


class Distillation:
    """A student, its teacher and the pictures that both look at."""

    def __init__(self, teacher: Extractor, dataset: LvisDataset, config: DistillConfig, context: Context) -> None:
        """Build the student from what remains of the teacher."""
        self.dataset, self.config, self.context = dataset, config, context
        self.student = Extractor.without_weights(config.student)
        take_from_larger(self.student, teacher)
        self.teacher = teacher.to(context.device)
        self.student.to(context.device)
        share_model(self.student.unet.requires_grad_(True), context)
        self.student.eval()

    def crop(self, number: int) -> NDArray[np.uint8]:
        """Return a picture as it is learnt from: it just covers the crop, which lies anywhere in it, mirrored in half of the cases."""
        rng = self.context.seeds.numpy("training", "distilled picture", number)
        image = self.dataset.images[int(rng.integers(len(self.dataset.images)))]
        (height, width), place = self.config.crop_px, rng.random(2)
        scale = max(height / image.height, width / image.width)
        resized = max(height, round(image.height * scale)), max(width, round(image.width * scale))
        top, left = int(place[0] * (resized[0] - height + 1)), int(place[1] * (resized[1] - width + 1))
        image_HW3 = read_rgb(self.dataset.image_path(image), image.height, image.width)
        cropped = resize_and_crop(image_HW3, resized, (top, left, height, width))
        return mirrored(cropped, bool(rng.random() < 0.5))

    def batches(self, first: int) -> Iterator[Tensor]:
        """Yield the batch of each iteration from one on, in [-1, 1]."""
        size = self.config.recipe.batch_size
        for iteration in range(first, self.config.recipe.iterations):
            with one_opencv_thread():
                yield unit_batch([self.crop(iteration * size + place) for place in range(size)], 1)

    def train(self) -> list[float]:
        """Train from the newest checkpoint to the end; the student has the averaged weights then."""
        recipe, unet = self.config.recipe, self.student.unet
        average = ExponentialMovingAverage(unet, recipe.ema_decay, recipe.ema_warmup)
        training = Training(unet, recipe.build_optimizer(unet), recipe, self._add_gradients, average=average)
        losses = run_training(training, range(recipe.iterations), self.batches, self.context)
        unet.load_state_dict(average.model.state_dict())
        self.student.requires_grad_(False)
        return losses

    def _add_gradients(self, image_N3HW: Tensor, iteration: int, backward: Backward) -> Losses:
        losses = Losses.of(self._losses(image_N3HW))
        backward(losses.total)
        return losses.detach()

    def _losses(self, image_N3HW: Tensor) -> dict[str, Tensor]:
        image_N3HW = image_N3HW.to(self.context.device)
        with torch.no_grad():
            wanted = self.teacher(image_N3HW)
        return map_losses(self.student(image_N3HW), wanted)

    def error(self) -> float:
        """Return the loss of the first batch."""
        with torch.no_grad():
            return float(sum(self._losses(next(self.batches(0))).values()))
