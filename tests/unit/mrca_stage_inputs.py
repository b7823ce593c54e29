"""Small inputs for the stages around generation: drawn pictures instead of generated ones, the shipped networks, a segmenter
with random weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from methods.common.generated.image_shards import GeneratedImage, shard_path, write_images
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.lvis_view import DrawLvisConfig, draw_lvis
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.web import single_object
from methods.common.miniature.world_config import WebConfig
from methods.common.seeds import Seeds
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature
from methods.common.stage import Inputs, LocalContext
from methods.mrca.stages.generate import GenerateConfig, image_seed
from methods.mrca.stages.split import SplitConfig, split

NUM_CLASSES = 12
NUM_IMAGES = 40


def make_inputs(folder: Path) -> Inputs:
    """Write a data set, a split, two shards of pictures of one object each, and two segmenters; return the roles."""
    for name in ("data", "split", "images"):
        (folder / name).mkdir(parents=True)
    sizes = DrawLvisConfig(num_train_images=24, num_val_images=11, num_categories=NUM_CLASSES)
    draw_lvis(Inputs(), sizes, LocalContext(folder / "data"))
    split(Inputs({"data": [folder / "data"]}), SplitConfig(heldout_fraction=0.15), LocalContext(folder / "split"))
    classes = json.loads((folder / "split" / "classes.json").read_text())
    images = [_picture(number, classes[number % 4]) for number in range(NUM_IMAGES)]
    write_images(shard_path(folder / "images", 0), images[:23])
    write_images(shard_path(folder / "images", 1), images[23:])
    (folder / "images" / "result.json").write_text(json.dumps({"num_images": NUM_IMAGES}))
    for seed, name in enumerate(("current", "warm_up")):
        torch.manual_seed(seed)
        model = CenterNet2(centernet2_miniature(NUM_CLASSES))
        model.save_pretrained(folder / name / "model")
    return Inputs(
        {
            **{name: [folder / name] for name in ("data", "split", "images", "current", "warm_up")},
            "model": [folder / "current"],
            "models": [folder / "warm_up", folder / "current"],
            "clip": [CHECKPOINTS / "clip"],
            "cutter": [CHECKPOINTS / "cutout"],
        }
    )


def _picture(number: int, asked: dict[str, Any]) -> GeneratedImage:
    """Every fifth picture shows something else than was asked for, every seventh nothing at all."""
    shown = (CATEGORY_NAMES.index(asked["name"]) + 7 * (number % 5 == 0)) % len(CATEGORY_NAMES)
    image_HW3 = single_object(3, number, shown, "grass", WebConfig()).image_HW3
    if number % 7 == 0:
        image_HW3 = np.full_like(image_HW3, 90)
    index = number // 4
    seed = image_seed(Seeds(), GenerateConfig(), asked["id"], index)
    return GeneratedImage(image_HW3, asked["id"], index, 1, f"a photo of {asked['name']}", seed)
