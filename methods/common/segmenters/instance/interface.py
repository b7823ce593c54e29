"""What an instance segmenter is to training and evaluation.

Shape legend: N images or instances of one image, H, W pixels; 4 = x0, y0, x1, y1.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from methods.common.training.batch_norm import batch_norms
from methods.common.training.batch_shard import BatchShare
from methods.common.training.losses import Losses
from methods.common.training.micro_batches import loss_in_parts

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class InstanceTarget:
    """Ground truth of one image; N may be 0.

    Attributes:
        boxes_N4: float32 xyxy in pixels of the image that the network sees.
        classes_N: int64 in [0, num_classes).
        masks_NHW: bool at that image's resolution (without the batch's padding, or with it).
        ignored_M4: boxes of objects that are neither to be found nor background, for networks that know what to do with them.
    """

    boxes_N4: Tensor
    classes_N: Tensor
    masks_NHW: Tensor
    ignored_M4: Tensor = field(default_factory=lambda: torch.zeros(0, 4))

    def to(self, device: torch.device) -> InstanceTarget:
        """Return the same target on a device."""
        return InstanceTarget(
            self.boxes_N4.to(device), self.classes_N.to(device), self.masks_NHW.to(device), self.ignored_M4.to(device)
        )

    def select(self, keep_N: Tensor) -> InstanceTarget:
        """Return some of the objects, with all that is ignored."""
        return replace(
            self,
            boxes_N4=self.boxes_N4[keep_N],
            classes_N=self.classes_N[keep_N],
            masks_NHW=self.masks_NHW[keep_N],
        )


@dataclass(frozen=True)
class Detections:
    """Detections of one image, best first.

    Attributes:
        boxes_N4: float32 xyxy in pixels of the output size, clipped to it.
        scores_N: float32 in (0, 1].
        classes_N: int64 in [0, num_classes).
        masks_NHW: bool at the output size, or None where none were asked for.
    """

    boxes_N4: Tensor
    scores_N: Tensor
    classes_N: Tensor
    masks_NHW: Tensor | None = None

    def __len__(self) -> int:
        return len(self.scores_N)


@dataclass(frozen=True)
class PanopticSegments:
    """Segments of one image that do not overlap.

    Attributes:
        segment_HW: int64, the number of each pixel's segment from 1 on; 0 for pixels of none.
        classes_N: int64 in [0, num_classes), of segments 1, 2, ...
    """

    segment_HW: Tensor
    classes_N: Tensor


@dataclass(frozen=True)
class AllFound:
    """All that a panoptic segmenter says of one image.

    Attributes:
        segments: of the image.
        class_HW: int64, the class of every pixel.
        things: detections of classes with instances, with masks.
    """

    segments: PanopticSegments
    class_HW: Tensor
    things: Detections


@dataclass(frozen=True)
class PanopticThresholds:
    """Which finds become segments.

    Attributes:
        object: least class probability, exclusive.
        overlap: least share of its own mask that a find must win against all others.
    """

    object: float
    overlap: float


class InstanceSegmenter(nn.Module):
    """A network that finds objects, each with a class, a box and a mask. It normalises colours itself."""

    num_classes: int
    """Classes of objects; background is none of them."""
    backbone: nn.Module
    """The part that pre-trained weights without a head go into."""

    @abstractmethod
    def losses(
        self,
        image_NCHW: Tensor,
        targets: Sequence[InstanceTarget],
        generator: torch.Generator,
        image_sizes: Sequence[Size] | None = None,
        backbone_dtype: torch.dtype | None = None,
        share: BatchShare | None = None,
    ) -> Mapping[str, Tensor]:
        """Return the weighted losses of a share of a batch, whose sum is trained; collective.

        Args:
            image_NCHW: float32 RGB in [0, 255]; images of different sizes share the top left corner.
            targets: ground truth of each image; images without instances are fine.
            generator: for random draws, made for the whole batch; in the same state, the same is drawn.
            image_sizes: (height, width) of each image where they differ.
            backbone_dtype: autocast type of the backbone; heads stay in float32.
            share: which images of the batch these are, all of it when None. The losses of all shares add up to the batch's.
        """

    def set_class_counts(self, image_count_C: Sequence[int]) -> None:
        """Tell in how many training images each class occurs, (C,); for networks whose loss asks."""

    def add_gradients(
        self,
        image_NCHW: Tensor,
        targets: Sequence[InstanceTarget],
        generator: torch.Generator,
        image_sizes: Sequence[Size],
        backbone_dtype: torch.dtype | None,
        share: BatchShare,
        parts: int,
        backward: Callable[[Tensor], None],
    ) -> Losses:
        """Add the gradient of the batch's loss, as far as it comes from a share's images; return that part of the loss.

        Arguments are those of :meth:`losses`; the images go through the network in ``parts`` parts, all at once where a trained
        batch norm needs them together, and ``backward`` runs the backward pass of a loss. Collective.
        """
        start = generator.get_state()

        def loss_of_part(rows: slice, part: BatchShare) -> Losses:
            again = torch.Generator(generator.device)
            again.set_state(start)
            losses = self.losses(image_NCHW[rows], targets[rows], again, image_sizes[rows], backbone_dtype, part)
            return Losses.of(losses)

        whole = any(norm.training for norm in batch_norms(self))
        return loss_in_parts(loss_of_part, share, 1 if whole else parts, backward)

    @abstractmethod
    def detect(
        self,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
        masks: bool = True,
    ) -> list[Detections]:
        """Detect instances; call it in evaluation mode.

        Args:
            image_NCHW: float32 RGB in [0, 255].
            image_sizes: (height, width) of each image where they differ.
            output_sizes: (height, width) to scale boxes and masks to, e.g. the image before resizing; ``image_sizes`` when
                None.
            masks: whether to make masks, which are most of the work on large images.
        """

    @abstractmethod
    def save_pretrained(self, folder: Path | str) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder, each atomically."""


class PanopticSegmenter(InstanceSegmenter):
    """An instance segmenter that also knows classes without instances, and gives every pixel a segment or a class."""

    @abstractmethod
    def segment_panoptic(
        self,
        image_NCHW: Tensor,
        thresholds: PanopticThresholds,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
    ) -> list[PanopticSegments]:
        """Return segments that do not overlap, things one by one and each stuff class at most once; in evaluation mode.

        Args:
            image_NCHW: float32 RGB in [0, 255].
            thresholds: which finds become segments.
            image_sizes: (height, width) of each image where they differ.
            output_sizes: (height, width) of the maps; ``image_sizes`` when None.
        """

    @abstractmethod
    def segment_semantic(
        self,
        image_NCHW: Tensor,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
    ) -> list[Tensor]:
        """Return the class of every pixel of each image, int64 (H, W); arguments are those of :meth:`segment_panoptic`."""

    def find_all(
        self,
        image_NCHW: Tensor,
        thresholds: PanopticThresholds,
        image_sizes: Sequence[Size] | None = None,
        output_sizes: Sequence[Size] | None = None,
    ) -> list[AllFound]:
        """Return segments, classes of pixels and detections of each image; arguments are those of :meth:`segment_panoptic`.

        Images pass through the network once where its answers do not depend on what they are for, else once for each of the three.
        """
        segments = self.segment_panoptic(image_NCHW, thresholds, image_sizes, output_sizes)
        classes = self.segment_semantic(image_NCHW, image_sizes, output_sizes)
        things = self.detect(image_NCHW, image_sizes, output_sizes)
        return [AllFound(*found) for found in zip(segments, classes, things, strict=True)]
