"""Drawing the street view: pictures, id maps and polygons below one folder. ``street_view.py`` holds what is asked for.

Shape legend: H, W pixels. Source: our choice.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_labels import LABEL_BY_ID
from methods.common.datasets.cityscapes_layout import (
    GROUP_SUFFIX,
    CityscapesPaths,
    CityscapesPolygon,
    CityscapesSplit,
    frame_paths,
    write_frame,
)
from methods.common.miniature.street_classes import STREET_KINDS, StreetKind
from methods.common.miniature.street_scene import StreetLayer, StreetScene, render_street
from methods.common.seeds import Seeds
from methods.common.stage import Context, Record

if TYPE_CHECKING:
    from methods.common.miniature.street_view import DrawCityscapesConfig

CITIES: dict[CityscapesSplit, tuple[str, ...]] = {
    "train": ("alderby", "birchow", "cedarley", "dornham"),
    "val": ("elmstead", "fernwick"),
}
"""Invented; no city is in both splits, as in Cityscapes."""
_SNIPPET_FRAME = 19
"""Cityscapes labels the 20th frame of each sequence of 30."""


def paths_of(root: Path, split: CityscapesSplit, index: int) -> CityscapesPaths:
    """Return where picture ``index`` of a split lies; cities take turns."""
    city = CITIES[split][index % len(CITIES[split])]
    return frame_paths(root, split, city, f"{city}_{index:06d}_{_SNIPPET_FRAME:06d}")


def draw_frame(config: DrawCityscapesConfig, split: CityscapesSplit, index: int, seeds: Seeds) -> StreetScene:
    """Draw one picture with its labels."""
    scene = config.scene
    if split == "val":
        scene = scene.model_copy(update={"evenness": config.val_evenness})
    return render_street(scene, seeds.numpy("data", "street", split, index))


def scene_polygons(scene: StreetScene) -> list[CityscapesPolygon]:
    """Return polygons that, painted one after the other by Cityscapes' own tools, give the scene's id maps."""
    things = [CityscapesPolygon(_polygon_label(layer), _drawable(layer.outline_N2)) for layer in scene.layers]
    return [*_stuff_polygons(scene.stuff_HW), *things]


def _polygon_label(layer: StreetLayer) -> str:
    is_group = layer.kind is not None and layer.number is None
    return LABEL_BY_ID[layer.label_id].name + (GROUP_SUFFIX if is_group else "")


def _drawable(outline_N2: NDArray[np.int32]) -> NDArray[np.int32]:
    """Repeat corners of what is one or two pixels large: Pillow, which Cityscapes' tools draw with, wants three."""
    return outline_N2 if len(outline_N2) >= 3 else np.resize(outline_N2, (3, 2))


def _stuff_polygons(stuff_HW: NDArray[np.uint8]) -> list[CityscapesPolygon]:
    """Outline every connected region without its holes; larger ones first, so that what fills a hole comes later."""
    found = []
    for label in np.unique(stuff_HW).tolist():
        is_label_HW = (stuff_HW == label).astype(np.uint8)
        outlines, _ = cv2.findContours(is_label_HW, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        for outline in outlines:
            filled_HW = cv2.drawContours(np.zeros_like(is_label_HW), [outline], -1, 1, -1)
            corners_N2 = _drawable(np.asarray(outline[:, 0], np.int32))
            found.append((int(filled_HW.sum()), CityscapesPolygon(LABEL_BY_ID[label].name, corners_N2)))
    return [polygon for _, polygon in sorted(found, key=lambda region: -region[0])]


def _draw_split(
    config: DrawCityscapesConfig, split: CityscapesSplit, count: int, context: Context
) -> Counter[StreetKind | None]:
    """Draw one split; returns its instances by class."""
    instances: Counter[StreetKind | None] = Counter()
    for index in range(count):
        scene = draw_frame(config, split, index, context.seeds)
        paths = paths_of(context.out, split, index)
        write_frame(paths, scene.image_HW3, scene.label_HW, scene.instance_HW, scene_polygons(scene))
        instances.update(instance.kind for instance in scene.instances)
        context.progress(index + 1, count, f"{split} pictures")
    return instances


def draw_splits(config: DrawCityscapesConfig, context: Context) -> Record:
    """Draw both splits below ``context.out``.

    Returns:
        numbers of pictures, of instances, and of training instances by class.
    """
    train = _draw_split(config, "train", config.num_train, context)
    val = _draw_split(config, "val", config.num_val, context)
    return {
        "num_train_images": config.num_train,
        "num_val_images": config.num_val,
        "num_train_instances": train.total(),
        "num_val_instances": val.total(),
        "num_train_by_class": {kind: train[kind] for kind in STREET_KINDS},
    }
