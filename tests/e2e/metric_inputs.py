"""Small inputs of every metric in the official formats, under the names that docs/metrics.md uses.

Whatever is named ``other...`` or ``..._other`` is a second, worse set of predictions of the same form.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from methods.common.datasets.rle import encode_mask
from methods.common.miniature.shipped import CHECKPOINTS

SIZE = 32
FRAME = (64, 128)


def write_detections(folder: Path) -> None:
    """LVIS (and COCO) annotations of twelve images, `gt.json`, with `dt.json` and `other.json`."""
    generator = np.random.default_rng(0)
    annotations, good, worse = [], [], []
    for image_id in range(1, 13):
        for category_id in (1, 2):
            if image_id % 4 == 0 and category_id == 2:
                continue
            top, left = (int(value) for value in generator.integers(0, 12, 2))
            where = {"image_id": image_id, "category_id": category_id}
            annotations.append({"id": len(annotations) + 1, **where, **_square(top, left), "iscrowd": 0})
            good.append({**where, **_square(top + 1, left), "score": float(generator.random())})
            worse.append({**where, **_square(top + 4, left + image_id % 5), "score": float(generator.random())})
    images = [
        {
            "id": image_id,
            "width": SIZE,
            "height": SIZE,
            "file_name": f"{image_id:012}.jpg",
            "coco_url": f"http://images.cocodataset.org/val2017/{image_id:012}.jpg",
            "neg_category_ids": [3],
            "not_exhaustive_category_ids": [],
        }
        for image_id in range(1, 13)
    ]
    categories = [
        {"id": index, "name": name, "synset": f"{name}.n.01", "synonyms": [name], "def": name, "frequency": frequency}
        for index, (name, frequency) in enumerate((("cat", "f"), ("dog", "r"), ("owl", "c")), start=1)
    ]
    truth = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
    for name, content in (("gt", truth), ("dt", good), ("other", worse)):
        _write_json(folder / f"{name}.json", content)


def _square(top: int, left: int, side: int = 14) -> dict[str, Any]:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[top : top + side, left : left + side] = True
    return {"segmentation": encode_mask(mask), "area": int(mask.sum()), "bbox": [left, top, side, side]}


def write_cityscapes(folder: Path) -> None:
    """Four frames: `gtFine/val`, instance predictions in `results`, label maps in `maps`."""
    generator = np.random.default_rng(1)
    for number in range(4):
        frame = f"town_000000_{number:06}"
        label_HW = np.full(FRAME, 7, np.uint8)  # road
        instance_HW = np.full(FRAME, 7, np.uint16)
        top, left = (int(value) for value in generator.integers(2, 20, 2))
        shapes = [(26, top, left, 24, 40), (24, top, left + 60, 36, 16)]  # a car and a person
        for index, (label, *place) in enumerate(shapes):
            label_HW[_block(*place)] = label
            instance_HW[_block(*place)] = 1000 * label + index
        truth = folder / "gtFine" / "val" / "town"
        _write_png(truth / f"{frame}_gtFine_labelIds.png", label_HW)
        _write_png(truth / f"{frame}_gtFine_instanceIds.png", instance_HW)
        for ending, shift in (("", 2), ("_other", 8)):
            predicted_HW = np.full(FRAME, 7, np.uint8)
            lines = []
            for index, (label, y, x, height, width) in enumerate(shapes):
                mask_HW = np.zeros(FRAME, np.uint8)
                mask_HW[_block(y + shift, x, height, width)] = 255
                predicted_HW[mask_HW > 0] = label
                _write_png(folder / f"results{ending}" / f"{frame}_{index}.png", mask_HW)
                lines.append(f"{frame}_{index}.png {label} {0.5 + float(generator.random()) / 2:.6f}\n")
            (folder / f"results{ending}" / f"{frame}_pred.txt").write_text("".join(lines))
            _write_png(folder / f"maps{ending}" / f"{frame}_pred.png", predicted_HW)


def _block(top: int, left: int, height: int, width: int) -> tuple[slice, slice]:
    return slice(top, top + height), slice(left, left + width)


def _labels(generator: np.random.Generator, num_labels: int) -> NDArray[np.uint8]:
    """Draw a label map of stripes."""
    return np.repeat(generator.integers(0, num_labels, (8, 1), np.uint8), SIZE // 8, 0).repeat(SIZE, 1)


def _disturbed(label_HW: NDArray[np.uint8], num_columns: int) -> NDArray[np.uint8]:
    """Return the map with wrong labels in its first columns."""
    wrong_HW = label_HW.copy()
    wrong_HW[:, :num_columns] = np.roll(label_HW, 4, 0)[:, :num_columns]
    return wrong_HW


def write_semantic(folder: Path) -> None:
    """VOC in `SegmentationClass`, `voc_maps` and `val.txt`; ADE20K in `annotations` and `ade_maps`; masks for mask-quality."""
    generator = np.random.default_rng(2)
    names = [f"2007_{number:06}" for number in range(6)]
    for name in names:
        voc_HW = _labels(generator, 21)
        for ending, width in (("", 4), ("_other", 16)):
            _write_png(folder / f"voc_maps{ending}" / f"{name}.png", _disturbed(voc_HW, width))
            _write_png(folder / f"generated_masks{ending}" / f"{name}.png", _disturbed(voc_HW, width))
        _write_png(folder / "hand_drawn" / f"{name}.png", voc_HW)
        voc_HW[:, -2:] = 255
        _write_png(folder / "SegmentationClass" / f"{name}.png", voc_HW)
        ade_HW = _labels(generator, 151)
        _write_png(folder / "annotations" / f"{name}.png", ade_HW)
        for ending, width in (("", 4), ("_other", 16)):
            _write_png(folder / f"ade_maps{ending}" / f"{name}.png", (np.maximum(_disturbed(ade_HW, width), 1) - 1))
    (folder / "val.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "voc_classes.txt").write_text("".join(f"class {index}\n" for index in range(21)))


def write_imagenet_s(folder: Path) -> None:
    """Maps of R + 256 G in `validation-segmentation` and `imagenet_s_maps`."""
    generator = np.random.default_rng(3)
    for number in range(6):
        id_HW = _labels(generator, 4)
        name = f"ILSVRC2012_val_{number:08}.png"
        _write_png(folder / "validation-segmentation" / name, _as_rgb(id_HW))
        for ending, width in (("", 4), ("_other", 16)):
            _write_png(folder / f"imagenet_s_maps{ending}" / name, _as_rgb(_disturbed(id_HW, width)))


def _as_rgb(id_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([id_HW, np.zeros_like(id_HW), np.zeros_like(id_HW)], 2)


def write_panoptic(folder: Path) -> None:
    """`panoptic_val2017.json`, `panoptic_results.json`, `panoptic_results_other.json`, each beside its folder of PNGs."""
    categories = [
        {"id": 1, "name": "person", "isthing": 1, "color": [220, 20, 60]},
        {"id": 2, "name": "grass", "isthing": 0, "color": [152, 251, 152]},
    ]
    images = [{"id": number, "file_name": f"{number:012}.jpg", "width": SIZE, "height": SIZE} for number in range(1, 7)]
    for name, shift in (("panoptic_val2017", 0), ("panoptic_results", 1), ("panoptic_results_other", 5)):
        annotations = []
        for image in images:
            segment_HW = np.full((SIZE, SIZE), 7, np.uint8)
            segment_HW[4 + shift : 18 + shift, 4 : 14 + int(image["id"])] = 9
            file_name = f"{image['id']:012}.png"
            _write_png(folder / name / file_name, _as_rgb(segment_HW))
            areas = [int((segment_HW == segment).sum()) for segment in (9, 7)]
            segments = [
                {"id": segment, "category_id": category, "area": area, "iscrowd": 0, "bbox": [0, 0, 1, 1]}
                for (segment, category), area in zip(((9, 1), (7, 2)), areas, strict=True)
            ]
            annotations.append({"image_id": image["id"], "file_name": file_name, "segments_info": segments})
        _write_json(folder / f"{name}.json", {"images": images, "annotations": annotations, "categories": categories})


def write_pictures(folder: Path) -> None:
    """Pictures in `generated`, `generated_other`, `real` and `sources`, their `prompts.csv`, and a small CLIP in `clip`."""
    generator = np.random.default_rng(4)
    rows = ["file,prompt"]
    for number in range(4):
        source = generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        _write_png(folder / "sources" / f"{number}.png", source)
        _write_png(folder / "real" / f"{number}.png", generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8))
        _write_png(folder / "generated" / f"{number}.png", source // 2 + 60)
        _write_png(folder / "generated_other" / f"{number}.png", np.roll(source, 8, 1))
        rows.append(f"{number}.png,a photo of a windmill on grass")
    (folder / "prompts.csv").write_text("\n".join(rows) + "\n")
    (folder / "clip").symlink_to(CHECKPOINTS / "clip")


def write_inception(folder: Path) -> None:
    """`pt_inception.pth`: the FID network with weights drawn at random."""
    import torch

    from tests.parity.random_inception import random_inception

    torch.save(random_inception(), folder / "pt_inception.pth")


WRITERS: tuple[Callable[[Path], None], ...] = (
    write_detections,
    write_cityscapes,
    write_semantic,
    write_imagenet_s,
    write_panoptic,
    write_pictures,
    write_inception,
)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


def _write_png(path: Path, array: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
