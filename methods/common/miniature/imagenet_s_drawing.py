"""Drawing the ImageNet-S view: pictures and masks in a folder a category. ``imagenet_s_view.py`` holds what is asked for.

Shape legend: H, W pixels; 3 RGB. Source: our choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.imagenet_s import NOT_RATED
from methods.common.datasets.labelled_images import IGNORED
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.voc_drawing import Split, draw_image, label_map
from methods.common.stage import Context, Record

if TYPE_CHECKING:
    from methods.common.miniature.imagenet_s_view import DrawImageNetSConfig


def in_colours(label_HW: NDArray[np.uint8], names: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return a mask as ImageNet-S stores it, uint8 RGB [H, W, 3] with id = R + 256 G.

    Args:
        label_HW: 0 other, 1 + category, 255 not rated.
        names: of the categories; ids count them from 1 in the order of the alphabet.
    """
    ids = np.zeros(IGNORED + 1, np.uint16)
    for category, name in enumerate(names):
        ids[1 + category] = 1 + sorted(names).index(name)
    ids[IGNORED] = NOT_RATED
    id_HW = ids[label_HW]
    return np.stack((id_HW % 256, id_HW // 256, np.zeros_like(id_HW)), axis=2).astype(np.uint8)


def draw_splits(config: DrawImageNetSConfig, context: Context) -> Record:
    """Draw both splits below ``context.out``.

    Returns:
        numbers of pictures.
    """
    names = CATEGORY_NAMES[: config.num_categories]
    splits: tuple[tuple[Split, int], ...] = (("train-semi", config.num_train), ("validation", config.num_val))
    for split, count in splits:
        for name in names:
            for folder in (split, f"{split}-segmentation"):
                (context.out / folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            scene = draw_image(config.looks(), split, index, context.seeds)
            (category,) = {instance.category for instance in scene.instances}
            label_HW = label_map(scene, config.border_px)
            file = f"{names[category]}/{split}_{index:06d}.png"
            for folder, pixels_HW3 in (
                (split, scene.image_HW3),
                (f"{split}-segmentation", in_colours(label_HW, names)),
            ):
                written = cv2.imwrite(str(context.out / folder / file), pixels_HW3[..., ::-1])
                assert written, f"could not write {file} in {folder}"
            context.progress(index + 1, count, f"{split} pictures")
    return {"num_train_images": config.num_train, "num_val_images": config.num_val}
