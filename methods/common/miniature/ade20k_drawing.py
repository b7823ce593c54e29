"""Drawing the view as ADE20K: images, label maps, classes and captions below one folder. ``ade20k_view.py`` holds what is asked for.

Source: our choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from methods.common.datasets.labelled_folders import CLASSES
from methods.common.datasets.voc import encode_labels
from methods.common.files import write_atomic
from methods.common.miniature.stuff_drawing import Split, class_names, draw_scenes, write_captions, write_image
from methods.common.stage import Context, Record

if TYPE_CHECKING:
    from methods.common.miniature.ade20k_view import DrawAde20kConfig

_FOLDERS: dict[Split, str] = {"train": "training", "val": "validation"}


def draw_splits(config: DrawAde20kConfig, plans: Mapping[Split, Sequence[Sequence[int]]], context: Context) -> Record:
    """Draw both splits below ``context.out``.

    Args:
        config: sizes and looks.
        plans: the things that each image of a split shows.
        context: folder, data seed and progress.

    Returns:
        numbers of images, classes and things, and the share of pixels without a class.
    """
    captions: list[tuple[str, str]] = []
    num_things, void_shares = 0, []
    for split, plan in plans.items():
        if not plan:
            continue
        images, labels = (context.out / folder / _FOLDERS[split] for folder in ("images", "annotations"))
        for folder in (images, labels):
            folder.mkdir(parents=True, exist_ok=True)
        for index, drawn in enumerate(draw_scenes(split, plan, config, context.seeds)):
            name = f"ADE_{split}_{index + 1:08d}"
            write_image(images / f"{name}.png", drawn.scene.image_HW3)
            label_HW = drawn.class_HW
            (labels / f"{name}.png").write_bytes(encode_labels(label_HW))
            captions.append((name, drawn.caption))
            num_things += len(drawn.things)
            void_shares.append(float((label_HW == 0).mean()))
            context.progress(index + 1, len(plan), f"{split} images")
    names = class_names(config)
    write_atomic(context.out / CLASSES, "".join(f"{name}\n" for name in ["[void]", *names]).encode())
    write_captions(context.out, captions)
    return {
        **{f"num_{split}_images": len(plan) for split, plan in plans.items()},
        "num_classes": len(names),
        "num_things": num_things,
        "void_share": float(np.mean(void_shares)),
    }
