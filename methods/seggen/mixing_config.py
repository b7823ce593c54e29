"""How generated samples take the place of real ones, and what is trained on both. Imports nothing heavy, so that plans can be made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from methods.common.stage import Inputs
from methods.common.stages.training_sources import TrainingSource
from methods.seggen.replacement import Mixing

if TYPE_CHECKING:
    from methods.common.datasets.labelled_images import LabelledImages
    from methods.common.seeds import Seeds
    from methods.common.segmenters.image_order import ImageOrder
    from methods.seggen.mixed_images import RealAndGenerated
    from methods.seggen.mixed_segments import MixedSegments


class MixedSource(Mixing, TrainingSource):
    """Real images, some samples of which are replaced by generated ones.

    Roles: ``data``; ``pairs``, every shard of MaskSyn and of ImgSyn, whose lines name ``of``, the real image, and ``strategy``; ``filtered``,
    cells whose label maps stand for those of the pairs, where there are some; ``selection`` to use a part of the pairs.
    """

    kind: Literal["mixed"] = "mixed"
    """Which source this is."""
    split: str = "training"
    """Of the real images."""
    max_images: int | None = Field(default=None, ge=1)
    """So many of its images, as in :class:`methods.common.stages.training_sources.RealSource`; generated pairs of the others go too."""
    variant: str = "seggen"
    """Whose masks: a folder below ``masks`` of the pairs."""

    def open(self, inputs: Inputs, seeds: Seeds) -> RealAndGenerated:
        """Open the real images, then the pairs.

        Raises:
            InputError: something is missing or faulty, or a pair is of no real image.
        """
        from methods.seggen.mixed_images import open_joined

        return open_joined(inputs, self.split, self.max_images, self.variant, seeds)

    def order(self, images: LabelledImages, seeds: Seeds) -> ImageOrder:
        """Return which image each training sample shows: real ones in epochs, some of them replaced."""
        from methods.seggen.mixed_images import RealAndGenerated
        from methods.seggen.mixing import MixedOrder

        assert isinstance(images, RealAndGenerated), "opened by this source"
        return MixedOrder(images.pool, self, seeds)


class ConcatenatedSource(TrainingSource):
    """Real images, repeated, and generated pairs in one shuffled list, as FreeMask trains (section 9). Roles: those of :class:`MixedSource`."""

    kind: Literal["concatenated"] = "concatenated"
    """Which source this is."""
    split: str = "training"
    """Of the real images."""
    max_images: int | None = Field(default=None, ge=1)
    """So many of its images; generated pairs of the others go too."""
    real_repeats: int = Field(default=11, ge=1)
    """How often each real image is in the list. Section 9 [code] 11 on ADE20K, 4 on COCO-Stuff"""
    variant: str = "freemask"
    """Whose masks: a folder below ``masks`` of the pairs, or of role ``filtered``."""

    def open(self, inputs: Inputs, seeds: Seeds) -> RealAndGenerated:
        """Open the real images, then the pairs.

        Raises:
            InputError: something is missing or faulty.
        """
        from methods.seggen.mixed_images import open_joined

        return open_joined(inputs, self.split, self.max_images, self.variant, seeds)

    def order(self, images: LabelledImages, seeds: Seeds) -> ImageOrder:
        """Return which image each training sample shows."""
        from methods.seggen.mixed_images import RealAndGenerated
        from methods.seggen.mixing import ConcatenatedOrder

        assert isinstance(images, RealAndGenerated), "opened by this source"
        return ConcatenatedOrder(images.num_real, len(images) - images.num_real, self.real_repeats, seeds)


class MixedSegmentsSource(Mixing):
    """Real images with their segments, some samples of which are replaced by generated ones.

    Roles: ``data``, COCO's panoptic layout; unless ``p_aug`` is 0, ``pairs``, whose lines also hold ``segments_info``.
    """

    split: str = "train2017"
    """Of the real images."""
    segments: Literal["all", "things"] = "all"
    """What each image teaches: its segments, stuff included, or the things among them, for instance segmentation."""
    variant: str = "seggen"
    """Whose segments: a folder below ``masks`` of the pairs."""

    def open(self, inputs: Inputs, seeds: Seeds) -> MixedSegments:
        """Read the records of all training images, real ones first.

        Raises:
            InputError: a file is missing or faulty, or a pair is of no real image.
        """
        from methods.seggen.mixed_segments import open_mixed_segments

        return open_mixed_segments(
            inputs, self.split, self.variant, things_only=self.segments == "things", with_pairs=self.p_aug > 0
        )
