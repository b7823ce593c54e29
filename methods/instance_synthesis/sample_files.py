"""Training samples on disk, in the layout of the data set that they come from.

Cityscapes: extra city folders below ``leftImg8bit/train`` and ``gtFine/train``, with instance and label ids. COCO: ``train/*.png`` and, at
the end, ``annotations/instances_train.json``.

Shape legend: H, W sample in pixels.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_layout import IMAGE_SUFFIX, IMAGES, INSTANCE_SUFFIX, LABEL_SUFFIX, TRUTH
from methods.common.files import write_atomic
from methods.instance_synthesis.frame_files import Layout
from methods.instance_synthesis.integrate import Sample
from methods.instance_synthesis.pictures import encode_png

SPLIT = "train"


def sample_name(layout: Layout, frame: str, number: int, variant: int) -> str:
    """Return the name of a sample; for Cityscapes ``<city>synthetic_<row>_<variant>``, six digits each, as its tools expect."""
    city = f"{frame.split('_')[0]}synthetic" if layout == "cityscapes" else "synthetic"
    return f"{city}_{number:06d}_{variant:06d}"


def sample_paths(layout: Layout, name: str) -> tuple[str, ...]:
    """Return where the files of a sample lie below the folder: the picture, then instance ids and label ids if they have files."""
    if layout == "coco":
        return (f"{SPLIT}/{name}.png",)
    city = name.split("_")[0]
    truth = f"{TRUTH}/{SPLIT}/{city}/{name}"
    return f"{IMAGES}/{SPLIT}/{city}/{name}{IMAGE_SUFFIX}", f"{truth}{INSTANCE_SUFFIX}", f"{truth}{LABEL_SUFFIX}"


def encode_sample(layout: Layout, name: str, sample: Sample) -> dict[str, bytes]:
    """Return the files of a sample by their path below the folder."""
    contents = [encode_png(sample.image_HW3)]
    if layout == "cityscapes":
        assert sample.label_HW is not None, "frames in Cityscapes' layout have labels"
        contents += [_encode_map(sample.id_LHW[0]), _encode_map(sample.label_HW)]
    return dict(zip(sample_paths(layout, name), contents, strict=True))


def _encode_map(map_HW: NDArray[Any]) -> bytes:
    import cv2

    ok, encoded = cv2.imencode(".png", map_HW, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert ok, f"cannot encode a map of shape {map_HW.shape}"
    return bytes(encoded)


def write_files(folder: Path, files: dict[str, bytes]) -> int:
    """Write files below a folder and return their checksum; a torn one is found by it."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return checksum(files.values())


def checksum(contents: Iterable[bytes]) -> int:
    """CRC-32 of contents, one after the other."""
    value = 0
    for data in contents:
        value = zlib.crc32(data, value)
    return value


def coco_annotations(sample: Sample) -> list[dict[str, Any]]:
    """Return COCO's records of a sample without ids: class by name, box, area, mask as compressed run lengths."""
    from methods.common.datasets.rle import encode_mask
    from methods.instance_synthesis.frames import box_of

    records = []
    for instance in sample.instances:
        mask_HW = sample.id_LHW[instance.layer] == instance.id
        box = box_of(mask_HW)
        records.append(
            {
                "category": instance.class_name,
                "iscrowd": int(instance.is_group),
                "bbox": [box.x0, box.y0, box.width, box.height],
                "area": int(np.count_nonzero(mask_HW)),
                "segmentation": encode_mask(mask_HW),
            }
        )
    return records


def write_coco(folder: Path, samples: Sequence[dict[str, Any]]) -> None:
    """Write the annotation file of all samples: ``name``, ``height``, ``width``, ``annotations`` of each."""
    names = sorted({record["category"] for sample in samples for record in sample["annotations"]})
    ids = {name: number for number, name in enumerate(names, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, sample in enumerate(samples, start=1):
        size = {side: sample[side] for side in ("height", "width")}
        images.append({"id": number, "file_name": f"{sample['name']}.png", **size})
        for record in sample["annotations"]:
            plain = {key: value for key, value in record.items() if key != "category"}
            links = {"id": len(annotations) + 1, "image_id": number, "category_id": ids[record["category"]]}
            annotations.append({**links, **plain})
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    document = {"images": images, "annotations": annotations, "categories": categories}
    write_atomic(folder / "annotations" / f"instances_{SPLIT}.json", json.dumps(document).encode())
