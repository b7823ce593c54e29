"""Small frames whose pictures tell which instance a pixel is of, in memory and on disk."""

import json

import cv2
import numpy as np

from methods.common.datasets.cityscapes_layout import frame_paths, write_frame
from methods.common.datasets.rle import encode_mask
from methods.instance_synthesis.frames import Frame, FrameInstance

CAR, PERSON, GROUP = 26001, 24000, 26


def id_map(height=32, width=64):
    """A person left, a car of two parts right, a group of cars, road elsewhere."""
    id_HW = np.full((height, width), 7, np.uint16)
    id_HW[4:20, 6:12] = PERSON
    id_HW[12:20, 30:42] = CAR
    id_HW[12:20, 46:50] = CAR
    id_HW[2:6, 52:60] = GROUP
    return id_HW


def colours_of(id_HW):
    """A colour for each id, so that a picture can be compared with its map."""
    return np.stack([id_HW % 251, id_HW // 7 % 253, id_HW // 11 % 255], -1).astype(np.uint8)


def street_frame(id_HW=None, name="aachen_000000_000019"):
    id_HW = id_map() if id_HW is None else id_HW
    names = {24: "person", 26: "car", 33: "bicycle"}
    instances = tuple(
        FrameInstance(int(id), 0, names[id if id < 1000 else id // 1000], bool(id < 1000))
        for id in np.unique(id_HW)
        if (id if id < 1000 else id // 1000) in names
    )
    label_HW = np.where(id_HW < 1000, id_HW, id_HW // 1000).astype(np.uint8)
    return Frame(name, colours_of(id_HW), (id_HW,), instances, label_HW)


def write_cityscapes(root, frames, split="train"):
    for frame in frames:
        city = frame.name.split("_")[0]
        write_frame(frame_paths(root, split, city, frame.name), frame.image_HW3, frame.label_HW, frame.id_LHW[0], [])
    return root


def write_coco(root, masks, height=24, width=48, split="train", crowd=()):
    """One image with masks that may overlap, classes cat and dog in turn."""
    rng = np.random.default_rng(0)
    (root / split).mkdir(parents=True)
    cv2.imwrite(str(root / split / "one.png"), rng.integers(0, 255, (height, width, 3), np.uint8))
    document = {
        "images": [{"id": 7, "file_name": "one.png", "height": height, "width": width}],
        "categories": [{"id": 70, "name": "cat"}, {"id": 90, "name": "dog"}],
        "annotations": [
            {
                "id": number,
                "image_id": 7,
                "category_id": (70, 90)[number % 2],
                "iscrowd": int(number in crowd),
                "segmentation": mask if isinstance(mask, list | dict) else encode_mask(mask),
            }
            for number, mask in enumerate(masks)
        ],
    }
    (root / f"{split}.json").write_text(json.dumps(document))
    return root
