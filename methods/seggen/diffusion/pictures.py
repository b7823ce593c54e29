"""Labelled pictures with their captions, from ADE20K's layout and its like or from COCO's panoptic one.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.limited import limited_indices
from methods.common.datasets.panoptic_files import Segment
from methods.common.datasets.pictures import read_header
from methods.common.errors import InputError
from methods.common.resumable_records import read_lines
from methods.seggen.colour_coding import encode, encode_segments
from methods.seggen.diffusion.frames import Placing, Size, fit_ids
from methods.seggen.palettes import Palette

if TYPE_CHECKING:
    from methods.common.datasets.coco_panoptic import CocoPanoptic
    from methods.common.datasets.labelled_images import CheckedImages
    from methods.common.datasets.limited import LimitedImages

CAPTIONS_FILE = "captions.jsonl"


class Mask(NamedTuple):
    """What a picture shows where."""

    label_HW: NDArray[np.uint8]
    """Class, 255 where nothing is rated."""
    segment_HW: NDArray[np.int32] | None = None
    """Id of the segment, 0 for void; None where only classes are known."""
    segments: tuple[Segment, ...] = ()
    """What the segments are."""

    def fit(self, placing: Placing) -> Mask:
        """Bring it into a frame."""
        segment_HW = None if self.segment_HW is None else fit_ids(self.segment_HW, placing).astype(np.int32)
        return self._replace(label_HW=fit_ids(self.label_HW, placing).astype(np.uint8), segment_HW=segment_HW)

    def mirrored(self) -> Mask:
        """Exchange left and right."""
        segment_HW = None if self.segment_HW is None else np.ascontiguousarray(self.segment_HW[:, ::-1])
        return self._replace(label_HW=np.ascontiguousarray(self.label_HW[:, ::-1]), segment_HW=segment_HW)

    def coloured(self, palette: Palette, edge_px: int) -> NDArray[np.uint8]:
        """Draw it in colours, uint8 [H, W, 3]; with edges where segments and a colour for edges are there."""
        if self.segment_HW is None or palette.edge is None:
            return encode(self.label_HW, palette)
        return encode_segments(self.label_HW, self.segment_HW, palette, edge_px)


class Pictures(Protocol):
    """Pictures with masks; a map-style data set."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""

    def __len__(self) -> int:
        """Number of pictures."""

    def name(self, index: int) -> str:
        """Return a picture's name."""

    def size(self, index: int) -> Size:
        """Return its height and width, without reading its pixels."""

    def read(self, index: int) -> tuple[NDArray[np.uint8], Mask]:
        """Return its pixels, uint8 RGB [H, W, 3], and its mask.

        Raises:
            InputError: a file is damaged, or its labels do not fit.
        """


class LabelledPictures:
    """Pictures of a data set for semantic segmentation."""

    def __init__(self, images: CheckedImages | LimitedImages) -> None:
        self._images = images

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""
        return self._images.class_names

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._images)

    def name(self, index: int) -> str:
        """Return a picture's name."""
        return self._images.name(index)

    def size(self, index: int) -> Size:
        """Return its height and width."""
        return Size(*self._images.size(index))

    def read(self, index: int) -> tuple[NDArray[np.uint8], Mask]:
        """Return its pixels and its mask."""
        image_HW3, label_HW = self._images[index]
        return image_HW3, Mask(label_HW)


class PanopticPictures:
    """Pictures of COCO's panoptic data, or data in its layout."""

    def __init__(self, data: CocoPanoptic, max_images: int | None) -> None:
        """Open all, or so many of them, drawn by name.

        Raises:
            InputError: there are fewer.
        """
        names = [data.name(index) for index in range(len(data))]
        self._data = data
        self._indices = list(range(len(data))) if max_images is None else limited_indices(names, max_images)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""
        return self._data.class_names

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._indices)

    def name(self, index: int) -> str:
        """Return a picture's name."""
        return self._data.name(self._indices[index])

    def size(self, index: int) -> Size:
        """Return its height and width."""
        return Size(*read_header(self._data.picture(self._indices[index])).size_seen)

    def read(self, index: int) -> tuple[NDArray[np.uint8], Mask]:
        """Return its pixels and its mask."""
        sample = self._data[self._indices[index]]
        return sample.image_HW3, Mask(sample.class_HW, sample.segment_HW.astype(np.int32), sample.segments)

    def category_id(self, label: int) -> int:
        """Return the id of a class in the data's files."""
        return self._data.categories[label].id


def open_pictures(folder: Path, split: str, panoptic: bool, max_images: int | None = None) -> Pictures:
    """Open a split.

    Args:
        folder: of the data.
        split: its name.
        panoptic: whether it lies as COCO's panoptic data do.
        max_images: so many of it, drawn by name; None for all.

    Raises:
        InputError: something in it is missing or faulty, or it has fewer images.
    """
    from methods.common.datasets.limited import LimitedImages
    from methods.common.datasets.open_labelled import open_labelled_images

    if panoptic:
        from methods.common.datasets.coco_panoptic import open_coco_panoptic

        return PanopticPictures(open_coco_panoptic(folder, split), max_images)
    images = open_labelled_images(folder, split)
    return LabelledPictures(images if max_images is None else LimitedImages(images, max_images))


def read_captions(folder: Path, pictures: Pictures) -> tuple[str, ...]:
    """Return the caption of every picture, in their order.

    Args:
        folder: with ``captions.jsonl``; it may name other pictures, too.
        pictures: whose captions.

    Raises:
        InputError: a line lacks a name or a caption, a name occurs twice, or a picture has none.
    """
    path = folder / CAPTIONS_FILE
    caption_of: dict[str, str] = {}
    for number, record in enumerate(read_lines(path), start=1):
        name, caption = record.get("id"), record.get("caption")
        if not isinstance(name, str) or not isinstance(caption, str) or not caption.strip():
            raise InputError(f"{path}, line {number} lacks `id` or `caption`; caption the images again")
        if name in caption_of:
            raise InputError(f"{path}, line {number}: image {name!r} occurs twice; keep one of its captions")
        caption_of[name] = caption
    names = [pictures.name(index) for index in range(len(pictures))]
    missing = next((name for name in names if name not in caption_of), None)
    if missing is not None:
        raise InputError(f"{path} has no caption of image {missing!r}; caption the split that is used here")
    return tuple(caption_of[name] for name in names)
