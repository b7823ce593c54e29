"""Synthetic annotation and results files in the official layouts, at any size, written image by image.

Images have 480x640 pixels. Instances are star-shaped outlines of 12 to 47 points with radii of 6 to 60 pixels, evenly spread on
a logarithmic scale; detections are the masks of outlines moved and scaled a little, in most cases with the right class.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = 480, 640

Record = dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """Files of one problem."""

    truth: Path
    results: Path


def write_lvis(folder: Path, num_images: int, detections: int = 100, seed: int = 0) -> Inputs:
    """1,203 classes with a long tail, 12 or 13 instances an image; three classes present, five verified absent.

    Three of five detections have the right class, one a class known in its image, one any class.
    """
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, 1204)
    share /= share.sum()
    images = []

    def draw() -> Iterator[tuple[list[Record], list[Record]]]:
        next_id = 1
        for image_id in range(1, num_images + 1):
            known = rng.choice(1203, 8, replace=False, p=share) + 1
            images.append(lvis_image(image_id, known.tolist()))
            placed = instances(rng, next_id, image_id, known[:3], 12 + image_id % 2)
            next_id += len(placed)
            kind = rng.random(detections)
            others = np.where(kind < 0.8, rng.choice(known, detections), rng.choice(1203, detections, p=share) + 1)
            yield placed, found(rng, placed, np.where(kind < 0.6, 0, others))

    categories = [
        {
            "id": k,
            "name": f"class {k}",
            "frequency": "fcr"[min(2, k * 4 // 1203)],
            "synset": "",
            "synonyms": [],
            "def": "",
        }
        | {"image_count": 1, "instance_count": 1}
        for k in range(1, 1204)
    ]
    return write(folder, draw(), images, categories)


def lvis_image(image_id: int, known: list[int]) -> Record:
    url = f"http://images.cocodataset.org/val2017/{image_id:012d}.jpg"
    image = {"id": image_id, "width": WIDTH, "height": HEIGHT, "coco_url": url}
    return image | {"neg_category_ids": known[3:], "not_exhaustive_category_ids": known[:1]}


def write_coco(folder: Path, num_images: int, detections: int = 100, seed: int = 0) -> Inputs:
    """80 classes, about 7 instances an image of three of them, one in eighty a crowd with a run-length mask."""
    rng = np.random.default_rng(seed)
    share = np.arange(1, 81) ** -0.7
    share /= share.sum()
    images = []

    def draw() -> Iterator[tuple[list[Record], list[Record]]]:
        next_id = 1
        for image_id in range(1, num_images + 1):
            images.append({"id": image_id, "width": WIDTH, "height": HEIGHT, "file_name": f"{image_id:012d}.jpg"})
            shown = rng.choice(80, 3, replace=False, p=share) + 1
            placed = instances(rng, next_id, image_id, shown, 1 + int(rng.poisson(6.3)))
            next_id += len(placed)
            others = np.where(rng.random(detections) < 0.6, 0, rng.choice(80, detections, p=share) + 1)
            yield [as_coco(record, rng.random() < 1 / 80) for record in placed], found(rng, placed, others)

    return write(folder, draw(), images, [{"id": k, "name": f"class {k}"} for k in range(1, 81)])


def as_coco(record: Record, crowd: bool) -> Record:
    if not crowd:
        return record | {"iscrowd": 0}
    pixels = coco_mask.decode(coco_mask.frPyObjects(record["segmentation"], HEIGHT, WIDTH))[:, :, 0].ravel(order="F")
    places = np.flatnonzero(np.diff(np.concatenate([[0], pixels.astype(np.int8), [0]])))
    runs = np.diff(np.concatenate([[0], places, [HEIGHT * WIDTH]])).tolist()
    return record | {"iscrowd": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs}}


def instances(rng: np.random.Generator, first_id: int, image_id: int, classes: np.ndarray, count: int) -> list[Record]:
    """Annotations of one image."""
    records = []
    for annotation_id in range(first_id, first_id + count):
        num_points = int(rng.integers(12, 48))
        angle = np.sort(rng.random(num_points)) * 2 * np.pi
        radius = np.exp(rng.uniform(np.log(6), np.log(60))) * rng.uniform(0.7, 1, num_points)
        centre = rng.uniform([61, 61], [WIDTH - 61, HEIGHT - 61])
        points = (centre + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)).round(2)
        x, y = points.T
        area = abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2
        record = {"id": annotation_id, "image_id": image_id, "category_id": int(rng.choice(classes))}
        record |= {"bbox": [*points.min(0).tolist(), *np.ptp(points, axis=0).round(2).tolist()]}
        records.append(record | {"area": round(float(area), 2), "segmentation": [points.ravel().tolist()]})
    return records


def found(rng: np.random.Generator, placed: list[Record], classes: np.ndarray) -> list[Record]:
    """Detections of one image, boxes and masks; class 0 stands for the class of the instance that one is made from."""
    outlines = []
    for record in placed:
        points = np.array(record["segmentation"][0]).reshape(-1, 2)
        for _ in range(4):
            moved = (points - points.mean(0)) * rng.uniform(0.8, 1.2) + points.mean(0)
            outlines.append((moved + rng.normal(0, 0.08, 2) * np.ptp(points, axis=0)).ravel().tolist())
    masks = coco_mask.frPyObjects(outlines, HEIGHT, WIDTH)
    boxes = coco_mask.toBbox(masks).tolist()
    chosen = rng.integers(0, len(masks), len(classes)).tolist()
    return [
        {
            "image_id": placed[0]["image_id"],
            "category_id": class_id or placed[index // 4]["category_id"],
            "bbox": boxes[index],
            "score": score,
            "segmentation": {"size": [HEIGHT, WIDTH], "counts": masks[index]["counts"].decode()},
        }
        for index, class_id, score in zip(chosen, classes.tolist(), rng.random(len(classes)).tolist(), strict=True)
    ]


def write(
    folder: Path, drawn: Iterator[tuple[list[Record], list[Record]]], images: list[Record], categories: list[Record]
) -> Inputs:
    """Write both files; ``images`` fills while ``drawn`` is gone through."""
    inputs = Inputs(folder / "truth.json", folder / "results.json")
    with inputs.truth.open("w") as truth, inputs.results.open("w") as results:
        truth.write('{"annotations": [')
        results.write("[")
        for number, (placed, detected) in enumerate(drawn):
            append(truth, placed, number == 0)
            append(results, detected, number == 0)
        truth.write('], "images": ' + json.dumps(images) + ', "categories": ' + json.dumps(categories) + "}")
        results.write("]")
    return inputs


def append(file: TextIO, records: list[Record], first: bool) -> None:
    file.write(("" if first else ", ") + ", ".join(map(json.dumps, records)))
