"""Small data sets, each as an annotation tool or a well-known data set lays it out and writes its fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 96, 128
CLASSES = ("cup", "red ball", "bird")
"""The last one has no cut-outs."""
_COLOURS = ((200, 180, 40), (210, 30, 30), (40, 60, 200))
_NUM_IMAGES = {"train": 6, "val": 3}
Record = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """A rectangle in a picture."""

    label: int
    x: int
    y: int
    width: int
    height: int

    @property
    def outline(self) -> list[float]:
        """Its four corners."""
        left, top, right, bottom = self.x, self.y, self.x + self.width, self.y + self.height
        return [float(v) for v in (left, top, right, top, right, bottom, left, bottom)]


def pictures(split: str) -> Iterator[tuple[str, Image.Image, list[Shown]]]:
    """The pictures of a split: name without ending, pixels, what is shown; the same at every call."""
    for number in range(_NUM_IMAGES[split]):
        draws = np.random.default_rng([number, split == "val"])
        image_HW3 = draws.integers(90, 140, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        shown = []
        for label in range(len(CLASSES)):
            x, y = int(draws.integers(2 + 42 * label, 12 + 42 * label)), int(draws.integers(2, 50))
            shown.append(Shown(label, x, y, int(draws.integers(16, 30)), int(draws.integers(16, 40))))
            image_HW3[y : y + shown[-1].height, x : x + shown[-1].width] = _COLOURS[label]
        yield f"{split} photo {number}", Image.fromarray(image_HW3), shown


def cutouts(folder: Path) -> Path:
    """Cut-outs of all classes but the last."""
    for name, colour in zip(CLASSES[:-1], _COLOURS, strict=False):
        rgba_HW4 = np.zeros((24, 24, 4), np.uint8)
        rgba_HW4[3:20, 2:22] = (*colour, 255)
        (folder / name).mkdir(parents=True)
        Image.fromarray(rgba_HW4).save(folder / name / "one.png")
    return folder


@dataclass(frozen=True)
class Tool:
    """How a tool writes COCO's format."""

    file: Callable[[str], str]
    """Annotation file of a split, below the data folder."""
    place: Callable[[str], str]
    """Folder of its images."""
    file_name: Callable[[str, str], str] = lambda split, name: f"{name}.jpg"
    """What a record calls its image."""
    on_disk: Callable[[str], str] = lambda name: f"{name}.jpg"
    first_class: int = 1
    first_image: int = 1
    first_annotation: int = 1
    root: str | None = None
    """A class above the others, with the first id."""
    image: Record = None  # type: ignore[assignment]
    annotation: Record = None  # type: ignore[assignment]
    top: Record = None  # type: ignore[assignment]
    with_runs: bool = False
    """Whether the first object of a split is a brush mask: runs, marked as a crowd."""

    def write(self, folder: Path) -> Path:
        """Write both splits."""
        for split in ("train", "val"):
            content = self._content(split, folder)
            path = folder / self.file(split)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
        return folder

    def _content(self, split: str, folder: Path) -> Record:
        names = ([self.root] if self.root else []) + list(CLASSES)
        offset = self.first_class + bool(self.root)
        above = {"supercategory": self.root or ""}
        categories = [{"id": self.first_class + k, "name": name, **above} for k, name in enumerate(names)]
        images: list[Record] = []
        annotations: list[Record] = []
        (folder / self.place(split)).mkdir(parents=True, exist_ok=True)
        for name, picture, shown in pictures(split):
            image_id = self.first_image + len(images)
            picture.save(folder / self.place(split) / self.on_disk(name), quality=92)
            size = {"width": WIDTH, "height": HEIGHT}
            images.append({"id": image_id, **size, "file_name": self.file_name(split, name), **(self.image or {})})
            for one in shown:
                annotations.append(
                    {
                        "id": self.first_annotation + len(annotations),
                        "image_id": image_id,
                        "category_id": offset + one.label,
                        "segmentation": [one.outline],
                        "bbox": [one.x, one.y, one.width, one.height],
                        "area": float(one.width * one.height),
                        "iscrowd": 0,
                        **(self.annotation or {}),
                    }
                )
        if self.with_runs:
            annotations[0] |= {"segmentation": _runs(next(pictures(split))[2][0]), "iscrowd": 1}
        return {**(self.top or {}), "categories": categories, "images": images, "annotations": annotations}


def _runs(one: Shown) -> Record:
    """Runs along columns, as CVAT and COCO write brush masks and crowds."""
    mask_HW = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask_HW[one.y : one.y + one.height, one.x : one.x + one.width] = 1
    flat = mask_HW.ravel("F")
    ends = [*np.flatnonzero(np.diff(flat)) + 1, len(flat)]
    return {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *ends]).tolist()}


def _hashed(name: str) -> str:
    return f"{name.replace(' ', '-')}_jpg.rf.0a1b2c3d4e5f"


def _valid(split: str) -> str:
    return {"val": "valid"}.get(split, split)


_COCO_INFO = {"info": {"description": "COCO", "year": 2017}, "licenses": [{"id": 1, "name": "CC", "url": ""}]}

TOOLS: dict[str, Tool] = {
    "coco": Tool(
        file=lambda split: f"annotations/instances_{split}2017.json",
        place=lambda split: f"{split}2017",
        image={"license": 1, "coco_url": "http://images.example/x.jpg", "flickr_url": "", "date_captured": ""},
        top=_COCO_INFO,
        with_runs=True,
    ),
    "mmdetection": Tool(
        file=lambda split: f"annotations/instances_{split}.json",
        place=lambda split: f"images/{split}",
        file_name=lambda split, name: f"{split}/{name}.jpg",
        first_class=0,
        first_image=0,
        first_annotation=0,
    ),
    "roboflow": Tool(
        file=lambda split: f"{_valid(split)}/_annotations.coco.json",
        place=_valid,
        file_name=lambda split, name: f"{_hashed(name)}.jpg",
        on_disk=lambda name: f"{_hashed(name)}.jpg",
        first_class=0,
        first_image=0,
        first_annotation=0,
        root="objects",
        image={"license": 1, "date_captured": "2024-01-01T00:00:00+00:00", "extra": {"name": "x.jpg"}},
        top={"info": {"year": "2024"}, "licenses": [{"id": 1, "name": "CC BY 4.0"}]},
    ),
    "cvat": Tool(
        file=lambda split: f"{split}/annotations/instances_default.json",
        place=lambda split: f"{split}/images/default",
        image={"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0},
        annotation={"attributes": {"occluded": False}},
        top={"licenses": [{"name": "", "id": 0, "url": ""}], "info": {"contributor": "", "year": ""}},
        with_runs=True,
    ),
    "label_studio": Tool(
        file=lambda split: f"{split}/result.json",
        place=lambda split: f"{split}/images",
        file_name=lambda split, name: f"images\\1f2e-{name}.jpg",
        on_disk=lambda name: f"1f2e-{name}.jpg",
        first_class=0,
        first_image=0,
        first_annotation=0,
        annotation={"ignore": 0},
        top={"info": {"year": 2024, "version": "1.0"}},
    ),
    "labelme2coco": Tool(
        file=lambda split: f"{split}.json",
        place=lambda split: "pictures",
        file_name=lambda split, name: f"/home/me/labelled/pictures/{name}.jpg",
        first_class=0,
    ),
    "fiftyone": Tool(
        file=lambda split: f"{'validation' if split == 'val' else split}/labels.json",
        place=lambda split: f"{'validation' if split == 'val' else split}/data",
        first_class=0,
        image={"license": None, "coco_url": None},
        annotation={"supercategory": None},
        top={"info": {"year": ""}, "licenses": []},
    ),
}
"""Instance segmentation: each tool's quirks of ids, names, nulls and further fields."""


def label_maps(split: str) -> Iterator[tuple[str, Image.Image, np.ndarray]]:
    """The pictures of a split with labels: 0 is what lies around."""
    for name, picture, shown in pictures(split):
        label_HW = np.zeros((HEIGHT, WIDTH), np.uint8)
        for one in shown:
            label_HW[one.y : one.y + one.height, one.x : one.x + one.width] = one.label + 1
        label_HW[0] = 255
        yield name.replace(" ", "_"), picture, label_HW


def _save(image: Path, picture: Image.Image, labels: Path, label_HW: np.ndarray, palette: bool = False) -> None:
    for path in (image, labels):
        path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(image, quality=92) if image.suffix == ".jpg" else picture.save(image)
    label = Image.fromarray(label_HW)
    if palette:
        label.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    label.save(labels)


def voc(folder: Path) -> Path:
    """PASCAL VOC: palette files and lists."""
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split in ("train", "val"):
        names = []
        for name, picture, label_HW in label_maps(split):
            _save(
                folder / f"JPEGImages/{name}.jpg",
                picture,
                folder / f"SegmentationClass/{name}.png",
                label_HW,
                palette=True,
            )
            names.append(name)
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def ade20k(folder: Path) -> Path:
    """ADE20K as the challenge has it: 0 for other things, then its 150 classes."""
    for split, called in (("train", "training"), ("val", "validation")):
        for name, picture, label_HW in label_maps(split):
            label_HW[label_HW == 255] = 0
            _save(
                folder / f"images/{called}/{name}.jpg", picture, folder / f"annotations/{called}/{name}.png", label_HW
            )
    return folder


def mmsegmentation(folder: Path) -> Path:
    """MMSegmentation's folders."""
    for split in ("train", "val"):
        for name, picture, label_HW in label_maps(split):
            _save(folder / f"img_dir/{split}/{name}.jpg", picture, folder / f"ann_dir/{split}/{name}.png", label_HW)
    (folder / "classes.txt").write_text("\n".join(("around", *CLASSES)) + "\n")
    return folder


def roboflow_masks(folder: Path) -> Path:
    """Roboflow's semantic masks."""
    for split in ("train", "valid"):
        for name, picture, label_HW in label_maps({"valid": "val"}.get(split, split)):
            _save(folder / f"{split}/{name}.jpg", picture, folder / f"{split}/{name}_mask.png", label_HW)
        lines = ["Pixel Value, Class", *(f"{k}, {name}" for k, name in enumerate(("around", *CLASSES)))]
        (folder / split / "_classes.csv").write_text("\n".join(lines) + "\n")
    return folder


def cityscapes(folder: Path) -> Path:
    """Cityscapes: ids of its own, a file of labels and one of instances a frame."""
    of_label = np.zeros(256, np.uint8)
    of_label[:4] = (7, 26, 24, 11)  # road, car, person, building
    for split in ("train", "val"):
        for number, (_, picture, label_HW) in enumerate(label_maps(split)):
            frame = f"aachen_{number:06d}_000019"
            ids_HW, beside = of_label[label_HW], folder / f"gtFine/{split}/aachen"
            image = folder / f"leftImg8bit/{split}/aachen/{frame}_leftImg8bit.png"
            _save(image, picture, beside / f"{frame}_gtFine_labelIds.png", ids_HW)
            instance_HW = np.where(ids_HW >= 24, ids_HW.astype(np.uint16) * 1000, ids_HW).astype(np.uint16)
            Image.fromarray(instance_HW).save(beside / f"{frame}_gtFine_instanceIds.png")
    return folder


LABELLED: tuple[Callable[[Path], Path], ...] = (voc, ade20k, mmsegmentation, roboflow_masks, cityscapes)
"""Semantic segmentation."""
