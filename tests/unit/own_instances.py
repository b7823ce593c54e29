"""Small own data with instance masks, in any layout, for the tests of their reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 16, 24
Document = dict[str, Any]


def outline(x: float, y: float, width: float = 6, height: float = 5) -> list[list[float]]:
    """A rectangle as one polygon."""
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def document(split: str = "train", num_images: int = 3) -> Document:
    """Plain COCO: each image has a cat at (2, 3) and a dog at (12, 8); the names of images have no folder."""
    annotations: list[Document] = []
    for image in range(1, num_images + 1):
        for category, (x, y) in ((1, (2, 3)), (2, (12, 8))):
            record = {"id": len(annotations) + 1, "image_id": image, "category_id": category, "iscrowd": 0}
            annotations.append(
                {**record, "segmentation": outline(x, y), "bbox": [float(x), float(y), 6.0, 5.0], "area": 30.0}
            )
    return {
        "images": [
            {"id": number, "width": WIDTH, "height": HEIGHT, "file_name": f"{split}_{number}.png"}
            for number in range(1, num_images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }


def picture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """Noise."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def write_own(
    folder: Path,
    files: tuple[str, str] = ("train.json", "val.json"),
    images: tuple[str, str] = ("train", "val"),
    change: Callable[[Document, str], object] = lambda content, split: None,
) -> Path:
    """Write both splits: annotation files and folders of images where a layout has them.

    Args:
        folder: the data folder.
        files: annotation files of train and val below it.
        images: folders of their images.
        change: what is done to each split's content before it is written.
    """
    for split, file, place in zip(("train", "val"), files, images, strict=True):
        content = document(split)
        (folder / place).mkdir(parents=True, exist_ok=True)
        for image in content["images"]:
            picture(image["id"]).save(folder / place / image["file_name"])
        change(content, split)
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(json.dumps(content))
    return folder


def in_train(change: Callable[[Document], object]) -> Callable[[Document, str], object]:
    """Change the training split only."""
    return lambda content, split: change(content) if split == "train" else None


def in_val(change: Callable[[Document], object]) -> Callable[[Document, str], object]:
    """Change the validation split only."""
    return lambda content, split: change(content) if split == "val" else None
