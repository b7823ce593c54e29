"""Pictures without a rated pixel: they are painted, trained on and scored as ones in which nothing is there, never as a class."""

import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

from methods.common.datasets.coco_panoptic import open_coco_panoptic
from methods.common.generated.pair_reader import list_pairs
from methods.common.miniature.coco_panoptic_view import DrawCocoPanopticConfig, draw_coco_panoptic
from methods.common.seeds import Seeds
from methods.common.segmenters.instance.augmentation import AugmentConfig
from methods.common.stage import Inputs, LocalContext
from methods.common.training.poly_recipe import PolyRecipe
from methods.seggen.mixing_config import MixedSegmentsSource
from methods.seggen.sampling import paint_images
from methods.seggen.stages.class_pixels import CLASS_PIXELS, ClassPixelsConfig
from methods.seggen.stages.images import IMAGES
from methods.seggen.stages.train_panoptic import SegGenTrainPanopticConfig, train_panoptic
from tests.unit.mask2former_scenes import config as small_network
from tests.unit.seggen_worlds import cell, roles
from tests.unit.test_seggen_sampling import IMAGES_CONFIG, mask2img


def emptied(folder: Path) -> None:
    """Make every label void."""
    for path in (folder / "annotations" / "training").iterdir():
        Image.fromarray(np.zeros_like(np.array(Image.open(path)))).save(path)


def test_a_mask_of_void_is_painted_from_black_and_stays_void(tmp_path: Path, monkeypatch) -> None:
    given = roles(tmp_path, controlnet=mask2img(tmp_path))
    emptied(tmp_path / "data")
    conditions: list[np.ndarray] = []

    def watched(pipeline, orders, config, num_steps, *, image, **options):
        conditions.append(image.numpy())
        return np.full((len(orders), *image.shape[2:], 3), 9, np.uint8)

    monkeypatch.setattr(paint_images, "sample", watched)
    IMAGES.run(given, IMAGES_CONFIG.model_copy(update={"variants": 1}), LocalContext(cell(tmp_path, "pairs")))
    assert all((one == 0).all() for one in conditions)
    pairs, _ = list_pairs([tmp_path / "pairs"])
    assert len(pairs) == 4
    assert all((pair.read_labels("seggen", 4) == 255).all() for pair in pairs)
    records = [json.loads(line) for line in (tmp_path / "pairs" / "pairs.jsonl").read_text().splitlines()]
    assert [record["classes"] for record in records] == [[]] * 4
    counted = CLASS_PIXELS.run(given, ClassPixelsConfig(split="training"), LocalContext(cell(tmp_path, "pixels")))
    assert counted["void_share"] == 1
    assert set(counted["pixels"].values()) == {0}


def test_a_training_on_void_alone_has_a_loss(tmp_path: Path) -> None:
    """Without a segment, all queries learn that they are no object."""
    data = cell(tmp_path, "data")
    draw_coco_panoptic(
        Inputs(), DrawCocoPanopticConfig(num_train=2, num_val=1, num_things=3, image_size_px=32), LocalContext(data)
    )
    path = data / "annotations" / "panoptic_train2017.json"
    document = json.loads(path.read_text())
    for annotation in document["annotations"]:
        annotation["segments_info"] = []
        place = path.with_suffix("") / annotation["file_name"]
        Image.fromarray(np.zeros_like(np.array(Image.open(place)))).save(place)
    path.write_text(json.dumps(document))
    assert (open_coco_panoptic(data, "train2017")[0].class_HW == 255).all()
    settings = SegGenTrainPanopticConfig(
        segmenter=small_network().model_copy(update={"num_classes": 11, "stuff_classes": tuple(range(3, 11))}),
        recipe=PolyRecipe(iterations=2, batch_size=2, base_lr=1e-3, max_gradient_norm=1.0),
        augmentation=AugmentConfig(size_px=32),
        source=MixedSegmentsSource(p_aug=0),
    )
    record = train_panoptic(Inputs({"data": [data]}), settings, LocalContext(cell(tmp_path, "out"), Seeds()))
    assert record["num_images"] == 2
    assert math.isfinite(record["loss_last"])
    assert record["loss_last"] > 0
