"""What tests of the training of semantic segmenters share: pairs and real data of three classes, a small network, attempts."""

import json
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from methods.common.datasets.voc import write_labels
from methods.common.miniature.voc_view import DrawVocConfig, draw_voc
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.train_semantic import TrainSegmenterConfig, train_semantic
from methods.common.training.poly_recipe import PolyRecipe

ConfigT = TypeVar("ConfigT", bound=TrainSegmenterConfig)

NETWORK = ConvolutionalConfig(num_classes=3, widths=(8, 8), convs_per_level=1)


def training(config_type: type[ConfigT], source, network=NETWORK, **changes) -> ConfigT:
    """Four small steps on a source."""
    recipe = PolyRecipe(iterations=4, batch_size=4, base_lr=1e-3, max_gradient_norm=1.0)
    augmentation = SemanticAugmentConfig(crop_px=32)
    parts = {"segmenter": network, "recipe": recipe, "augmentation": augmentation, "source": source} | changes
    return config_type(**parts)


def write_pairs(folder: Path, ids: list[str], names: tuple[str, ...] = ("background", "coin", "melon")) -> Path:
    """A shard as SYNTHESIZE writes it; the picture of pair k is of grey k, its mask holds label k modulo 3."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks" / "s8_c4").mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(names))
    (folder / "pairs.jsonl").write_text("".join(json.dumps({"id": name, "classes": ["coin"]}) + "\n" for name in ids))
    for name in ids:
        Image.fromarray(np.full((24, 24, 3), int(name), np.uint8)).save(folder / "images" / f"{name}.png")
        label_HW = np.full((24, 24), int(name) % 3, np.uint8)
        label_HW[0] = 255
        write_labels(folder / "masks" / "s8_c4" / f"{name}.png", label_HW)
    return folder


def make_world(folder: Path) -> dict[str, list[Path]]:
    """Roles: two shards of pairs, a selection of them, real data of three classes."""
    shards = [
        write_pairs(folder / "shard0", ["000000", "000002", "000004"]),
        write_pairs(folder / "shard1", ["000001", "000003", "000005"]),
    ]
    (folder / "selection").mkdir()
    (folder / "selection" / "selected.txt").write_text("000003\n000000\n000005\n000004\n")
    (folder / "data").mkdir()
    drawing = DrawVocConfig(num_train=6, num_val=3, num_categories=2, image_size_px=32)
    draw_voc(Inputs(), drawing, LocalContext(folder / "data"))
    return {"pairs": shards, "selection": [folder / "selection"], "data": [folder / "data"]}


def run(roles, stage_config, out: Path, **context):
    out.mkdir(parents=True)
    return train_semantic(Inputs(roles), stage_config, LocalContext(out, **context))


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model" / "model.safetensors")


def still(stage_config: ConfigT) -> ConfigT:
    """The same without any movement, so that the weights at the end are those at the start."""
    recipe = stage_config.recipe.model_copy(update={"iterations": 1, "base_lr": 1e-30, "weight_decay": 0.0})
    return stage_config.model_copy(update={"recipe": recipe})
