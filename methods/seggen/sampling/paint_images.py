"""Pictures painted by Mask2Img: onto human masks (ImgSyn) or drawn ones (MaskSyn); the mask is the label (section 2).

Shape legend: N pictures; H, W pixels; 3 RGB.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.generated.pair_writer import Pair
from methods.seggen.diffusion.coding_file import ColourCoding
from methods.seggen.diffusion.frames import Size, place
from methods.seggen.diffusion.pictures import Mask, Pictures
from methods.seggen.palettes import Palette
from methods.seggen.sampling.config import PaintImagesConfig
from methods.seggen.sampling.mask_files import ListedMask
from methods.seggen.sampling.orders import Order, Source
from methods.seggen.sampling.pipelines import sample
from methods.seggen.sampling.validity import present_classes

VARIANT = "seggen"
"""Name of the masks below ``masks`` of the pairs."""


class Painting(ABC):
    """What is painted onto, and what is said of it: a mask for each order, as it was drawn or as people drew it."""

    strategy: str

    @abstractmethod
    def sources(self) -> list[Source]:
        """List the masks."""

    @abstractmethod
    def mask(self, order: Order) -> Mask:
        """Return the mask in the order's frame."""

    def condition(self, order: Order, mask: Mask, palette: Palette, edge_px: int) -> NDArray[np.uint8]:
        """Return what Mask2Img reads, uint8 [H, W, 3]: the mask that becomes the label, coloured."""
        return mask.coloured(palette, edge_px)


class HumanMasks(Painting):
    """ImgSyn: masks of the data; void stays void, whatever is painted there (section 7)."""

    strategy = "ImgSyn"

    def __init__(self, pictures: Pictures, captions: Sequence[str]) -> None:
        self._pictures, self._captions = pictures, captions

    def sources(self) -> list[Source]:
        """List the images."""
        names = [self._pictures.name(index) for index in range(len(self._pictures))]
        return [
            Source(name, name, caption, self._pictures.size(index), index)
            for index, (name, caption) in enumerate(zip(names, self._captions, strict=True))
        ]

    def mask(self, order: Order) -> Mask:
        """Return the mask, cut in the middle where its shape is not the frame's."""
        _, mask = self._pictures.read(order.source.index)
        height, width = mask.label_HW.shape
        return mask.fit(place(height, width, order.frame))


class DrawnMasks(Painting):
    """MaskSyn: masks that Text2Mask drew, in the size in which it drew them."""

    strategy = "MaskSyn"

    def __init__(self, masks: Sequence[ListedMask], sizes: Sequence[Size], num_classes: int, raw: bool) -> None:
        """Keep the masks.

        Args:
            masks: of all shards.
            sizes: native size of the real image of each.
            num_classes: K.
            raw: whether Mask2Img reads the picture as it was drawn.
        """
        self._masks, self._sizes, self._num_classes, self._raw = masks, sizes, num_classes, raw

    def sources(self) -> list[Source]:
        """List the masks."""
        return [
            Source(mask.id, mask.of, mask.caption, size, index)
            for index, (mask, size) in enumerate(zip(self._masks, self._sizes, strict=True))
        ]

    def mask(self, order: Order) -> Mask:
        """Return the clean mask.

        Raises:
            InputError: it is of another size than is painted.
        """
        listed = self._masks[order.source.index]
        label_HW = listed.read_labels(self._num_classes)
        if label_HW.shape != tuple(order.frame):
            height, width = label_HW.shape
            raise InputError(
                f"the mask {listed.id!r} is {width}x{height} pixels, and {order.frame.width}x{order.frame.height} are painted; give both stages "
                "the same frames"
            )
        return Mask(label_HW)

    def condition(self, order: Order, mask: Mask, palette: Palette, edge_px: int) -> NDArray[np.uint8]:
        """Return the clean mask, coloured again so that condition and label agree (section 4.5, step 6), or the drawn picture."""
        if self._raw:
            return self._masks[order.source.index].read_raw()
        return super().condition(order, mask, palette, edge_px)


class Painter:
    """A loaded Mask2Img; a call paints one batch."""

    def __init__(
        self,
        pipeline: Any,
        coding: ColourCoding,
        painting: Painting,
        config: PaintImagesConfig,
        category_id: Callable[[int], int] | None,
    ) -> None:
        """Keep what a batch needs.

        Args:
            pipeline: with a ControlNet.
            coding: how it reads colours.
            painting: what is painted onto.
            config: steps, guidance and the ControlNet's weight.
            category_id: of a class, for panoptic data; else None.
        """
        self._pipeline, self._coding, self._painting, self._config = pipeline, coding, painting, config
        self._palette, self._category_id = coding.build(), category_id

    def __call__(self, orders: Sequence[Order]) -> list[Pair]:
        """Paint pictures of one size."""
        masks = [self._painting.mask(order) for order in orders]
        colours = [
            self._painting.condition(order, mask, self._palette, self._coding.edge_px)
            for order, mask in zip(orders, masks, strict=True)
        ]
        condition_N3HW = torch.from_numpy(np.stack(colours)).permute(0, 3, 1, 2).float() / 255
        image_NHW3 = sample(
            self._pipeline,
            orders,
            self._config,
            self._config.num_steps,
            image=condition_N3HW,
            controlnet_conditioning_scale=self._config.control_scale,
        )
        return [self._pair(*row) for row in zip(orders, masks, image_NHW3, strict=True)]

    def _pair(self, order: Order, mask: Mask, image_HW3: NDArray[np.uint8]) -> Pair:
        names = self._coding.class_names
        record: dict[str, Any] = {
            "id": order.id,
            "of": order.source.of,
            "strategy": self._painting.strategy,
            "caption": order.source.caption,
            "seed": order.seed,
            "classes": [names[label] for label in present_classes(mask.label_HW, len(names))],
        }
        if self._category_id is None or mask.segment_HW is None:
            return Pair(record, image_HW3, {VARIANT: mask.label_HW})
        left = set(np.unique(mask.segment_HW).tolist())
        record["segments_info"] = [
            {"id": one.id, "category_id": self._category_id(one.category), "iscrowd": int(one.is_crowd)}
            for one in mask.segments
            if one.id in left
        ]
        return Pair(record, image_HW3, {VARIANT: mask.segment_HW})


def open_painting(
    pictures: Pictures,
    captions: Sequence[str],
    masks: Sequence[ListedMask],
    coding: ColourCoding,
    raw: bool,
    where: Path,
) -> Painting:
    """Choose what is painted onto: drawn masks where there are some, else those of the data.

    Raises:
        InputError: a drawn mask is of an image that the data lack.
    """
    if not masks:
        return HumanMasks(pictures, captions)
    size_of = {pictures.name(index): pictures.size(index) for index in range(len(pictures))}
    unknown = next((mask for mask in masks if mask.of not in size_of), None)
    if unknown is not None:
        raise InputError(
            f"the mask {unknown.id!r} was drawn for image {unknown.of!r}, which {where} lacks; give the data that it was drawn for"
        )
    return DrawnMasks(masks, [size_of[mask.of] for mask in masks], len(coding.class_names), raw)
