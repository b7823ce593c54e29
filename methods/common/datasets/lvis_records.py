"""The records of an LVIS file, and the dataset that holds them.

Shape legend: H, W image; K numbers of a polygon (x0, y0, x1, y1, ...) in pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.rle import Rle, decode_mask, encode_mask, polygons_to_rle
from methods.common.errors import InputError

Frequency = Literal["r", "c", "f"]
"""Rare, common, frequent."""

Polygons = tuple[NDArray[np.float64], ...]
"""Closed outlines, each float64 (K,), K even and at least 6."""


def frequency_group(image_count: int) -> Frequency:
    """Group a class by the number of training images that hold it: rare up to 10, common up to 100, else frequent.

    Source: the LVIS paper and the `frequency` field of its files (337 / 461 / 405 classes of v1).
    """
    if image_count <= 10:
        return "r"
    return "c" if image_count <= 100 else "f"


@dataclass(slots=True)
class LvisCategory:
    """One class. ``image_count`` and ``instance_count`` count the **training** images, in LVIS val files too."""

    id: int
    name: str
    frequency: Frequency
    image_count: int = 0
    instance_count: int = 0
    synonyms: tuple[str, ...] = ()
    synset: str = ""
    definition: str = ""

    @property
    def plain_name(self) -> str:
        """The name as words for a prompt: underscores become spaces, bracketed hints plain words."""
        return " ".join(self.name.replace("_", " ").replace("(", " ").replace(")", " ").split())


@dataclass(slots=True)
class LvisImage:
    """One image; sizes in pixels. Classes in neither list and without annotation are unknown in it."""

    id: int
    width: int
    height: int
    coco_url: str = ""
    file_name: str | None = None
    neg_category_ids: tuple[int, ...] = ()
    not_exhaustive_category_ids: tuple[int, ...] = ()
    license: int | None = None


@dataclass(slots=True, eq=False)
class LvisAnnotation:
    """One instance: box x, y, width, height and area in pixels; ``ignore`` only for the evaluator, absent in v1; ``crowd`` marks COCO's crowds."""

    id: int
    image_id: int
    category_id: int
    segmentation: Polygons | Rle
    bbox_xywh: tuple[float, float, float, float]
    area: float
    ignore: bool = False
    crowd: bool = False

    def rle(self, height: int, width: int) -> Rle:
        """Return the instance's mask in an image of this size, compressed."""
        if isinstance(self.segmentation, tuple):
            return polygons_to_rle(self.segmentation, height, width)
        return self.segmentation

    def mask(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return the instance's mask in an image of this size, bool (H, W), by pycocotools' rasteriser.

        A polygon thinner than a pixel may cover none.
        """
        return decode_mask(self.rle(height, width))


def annotation_from_mask(id: int, image_id: int, category_id: int, mask_HW: NDArray[np.bool_]) -> LvisAnnotation:
    """Make an annotation, with tight box and pixel area, from a mask that is not empty; bool (H, W)."""
    assert mask_HW.any(), f"annotation {id} would have an empty mask"
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    x, y = float(columns[0]), float(rows[0])
    box = (x, y, float(columns[-1]) + 1 - x, float(rows[-1]) + 1 - y)
    return LvisAnnotation(id, image_id, category_id, encode_mask(mask_HW), box, float(mask_HW.sum()))


@dataclass
class LvisDataset:
    """A checked LVIS file. Treat it as immutable: derived sets share its records.

    ``annotations`` maps every image id (images without instances too) to its annotations in file order.
    """

    categories: list[LvisCategory]
    images: list[LvisImage]
    annotations: dict[int, list[LvisAnnotation]]
    image_root: Path | None = None
    annotation_file: Path | None = field(default=None, compare=False)

    @cached_property
    def class_ids(self) -> list[int]:
        """Category ids in rising order; a model's class index is the position in this list."""
        return sorted(category.id for category in self.categories)

    @cached_property
    def class_index(self) -> dict[int, int]:
        """Class index 0..C-1 by category id."""
        return {category_id: index for index, category_id in enumerate(self.class_ids)}

    @cached_property
    def category_by_id(self) -> dict[int, LvisCategory]:
        """Category by its id."""
        return {category.id: category for category in self.categories}

    @property
    def classes(self) -> list[LvisCategory]:
        """Categories in the order of class indices."""
        return [self.category_by_id[category_id] for category_id in self.class_ids]

    @property
    def num_annotations(self) -> int:
        """Number of instances."""
        return sum(map(len, self.annotations.values()))

    def iter_annotations(self) -> Iterator[LvisAnnotation]:
        """Every instance, image by image in file order."""
        for image in self.images:
            yield from self.annotations[image.id]

    def image_path(self, image: LvisImage) -> Path:
        """Return the image's file: the first of :meth:`image_candidates` that exists.

        Raises:
            InputError: there is no image root, or none of the candidates exists.
        """
        candidates = self.image_candidates(image)
        for path in candidates:
            if path.is_file():
                return path
        raise InputError(
            f"{self.annotation_file or 'LVIS data'}, image {image.id}: there is no file "
            f"{' or '.join(map(str, candidates)) or 'name (coco_url and file_name are both empty)'}; "
            "put the image there or name another image folder"
        )

    def image_candidates(self, image: LvisImage) -> list[Path]:
        """Where the image may lie below the root: last two parts of `coco_url`, `file_name`, last part alone."""
        where = f"{self.annotation_file or 'LVIS data'}, image {image.id}"
        if self.image_root is None:
            raise InputError(f"{where}: no image folder is known; pass image_root when reading the file")
        url_parts = [part for part in PurePosixPath(urlsplit(image.coco_url).path).parts if part != "/"]
        relative = [PurePosixPath(*url_parts[-2:])] if url_parts else []
        if image.file_name:
            relative.append(PurePosixPath(image.file_name))
        relative += [PurePosixPath(path.name) for path in relative]
        for path in relative:
            if ".." in path.parts or path.is_absolute():
                raise InputError(f"{where}: {path} leads out of the image folder; use a path below it")
        return list(dict.fromkeys(self.image_root / path for path in relative))
