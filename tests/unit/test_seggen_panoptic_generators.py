"""Mask2Img on panoptic data: what it learns from, what it is conditioned on, and what is written of its pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.datasets.coco_panoptic import CocoPanoptic, open_coco_panoptic
from methods.common.datasets.png_labels import read_rgb_ids
from methods.common.miniature.coco_panoptic_view import DrawCocoPanopticConfig, draw_coco_panoptic
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.common.training.batch_shard import BatchShare
from methods.seggen.colour_coding import edges
from methods.seggen.diffusion.batches import CaptionedMasks
from methods.seggen.diffusion.coding_file import ColourCoding
from methods.seggen.diffusion.config import DiffusionRecipe
from methods.seggen.diffusion.frames import Frames
from methods.seggen.diffusion.pictures import open_pictures
from methods.seggen.mask2img import controlnet as controlnets
from methods.seggen.mask2img import training
from methods.seggen.mask2img.config import Mask2ImgTrainingConfig
from methods.seggen.palettes import SEGGEN_EDGE, PaletteConfig
from methods.seggen.sampling import paint_images
from methods.seggen.sampling.config import PaintImagesConfig
from methods.seggen.stages.images import IMAGES
from methods.seggen.stages.mask2img import MASK2IMG
from tests.unit.seggen_worlds import cell, write_generator

FRAMES = Frames(size_px=32, step_px=8)
EDGED = PaletteConfig(edge=True)
TRAINING = Mask2ImgTrainingConfig(
    recipe=DiffusionRecipe(iterations=2, batch_size=3, warmup_iterations=0),
    frames=FRAMES,
    palette=EDGED,
    panoptic=True,
    split="train2017",
)
PAINTING = PaintImagesConfig(
    num_steps=1, variants=2, frames=FRAMES, batch_size=2, image_format="png", split="train2017"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn panoptic data in ``data``, their captions, and a generator with random weights."""
    root = tmp_path_factory.mktemp("world")
    drawing = DrawCocoPanopticConfig(num_train=4, num_val=1, num_things=3, image_size_px=32, crowd_share=0.9)
    draw_coco_panoptic(Inputs(), drawing, LocalContext(cell(root, "data"), Seeds(data=1)))
    names = [real(root).name(index) for index in range(4)]
    lines = [json.dumps({"id": name, "caption": f"of {name}"}) for name in names]
    (cell(root, "captions") / "captions.jsonl").write_text("".join(f"{line}\n" for line in lines))
    write_generator(root / "generator", "sd")
    return root


def real(root: Path) -> CocoPanoptic:
    return open_coco_panoptic(root / "data", "train2017")


def roles(root: Path, **others: Path) -> Inputs:
    named = {name: root / name for name in ("data", "captions", "generator")}
    return Inputs({name: [path] for name, path in (named | others).items()})


def by_hand(data: CocoPanoptic, index: int) -> np.ndarray:
    """The mask as the paper draws it: a class's colour by its place on the lattice, void black, two pixels of edge between segments."""
    sample = data[index]
    drawn = np.zeros((*sample.segment_HW.shape, 3), np.uint8)
    for segment in sample.segments:
        c = segment.category + 1
        drawn[sample.segment_HW == segment.id] = [51 * (c // 6 % 6), 51 * (c // 36), 51 * (c % 6)]
    for row in range(drawn.shape[0]):
        for column in range(drawn.shape[1]):
            around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
            inside = [place for place in around if min(place) >= 0 and max(place) < 32]
            if any(sample.segment_HW[place] != sample.segment_HW[row, column] for place in inside):
                drawn[row, column] = SEGGEN_EDGE
    return drawn


def test_a_step_sees_each_segment_with_its_edge(world: Path, tmp_path: Path) -> None:
    pictures, data = open_pictures(world / "data", "train2017", True), real(world)
    palette = ColourCoding(palette=EDGED, class_names=pictures.class_names).build()
    drawn = CaptionedMasks(pictures, ["a", "b", "c", "d"], palette, TRAINING, LocalContext(tmp_path / "out"), 2)
    for index in range(4):
        expected_HW3 = by_hand(data, index)
        assert (expected_HW3 == SEGGEN_EDGE).all(-1).any()
        np.testing.assert_array_equal(drawn.cut(index, False).colour_HW3, expected_HW3)
        np.testing.assert_array_equal(drawn.cut(index, False).image_HW3, data[index].image_HW3)
        np.testing.assert_array_equal(drawn.cut(index, True).colour_HW3, expected_HW3[:, ::-1])
    (batch,) = list(drawn.batches(1, BatchShare(0, 3, 3)))
    for (index, mirrored), colour_3HW in zip(batch.shown, batch.colour_N3HW, strict=True):
        np.testing.assert_array_equal(colour_3HW.permute(1, 2, 0), drawn.cut(index, mirrored).colour_HW3)


def test_the_training_reads_edges_and_keeps_how_they_are_drawn(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def watched(unet, controlnet, noisy, when, condition, colour_N3HW):
        seen.append(colour_N3HW)
        return controlnets.controlled(unet, controlnet, noisy, when, condition, colour_N3HW)

    monkeypatch.setattr(training, "controlled", watched)
    record = MASK2IMG.run(roles(world), TRAINING, LocalContext(cell(tmp_path, "out")))
    assert (record["num_images"], len(seen)) == (4, 2)
    possible = {by_hand(real(world), index)[:, ::step].tobytes() for index in range(4) for step in (1, -1)}
    shown = {one.permute(1, 2, 0).numpy().tobytes() for batch in seen for one in batch}
    assert shown <= possible
    assert len(shown) > 1
    coding = ColourCoding.read(tmp_path / "out")
    assert (coding.panoptic, coding.edge_px, coding.build().edge) == (True, 2, SEGGEN_EDGE)
    assert coding.class_names == real(world).class_names


def test_pictures_are_painted_onto_edges_and_labelled_with_the_human_segments(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MASK2IMG.run(roles(world), TRAINING, LocalContext(cell(tmp_path, "mask2img")))
    conditions: dict[str, np.ndarray] = {}

    def watched(pipeline, orders, config, num_steps, *, image, **options):
        for order, condition_3HW in zip(orders, image, strict=True):
            conditions[order.id] = (condition_3HW * 255).round().byte().permute(1, 2, 0).numpy()
        return np.zeros((len(orders), 32, 32, 3), np.uint8)

    monkeypatch.setattr(paint_images, "sample", watched)
    IMAGES.run(roles(world, controlnet=tmp_path / "mask2img"), PAINTING, LocalContext(cell(tmp_path, "pairs")))
    data, pairs = real(world), tmp_path / "pairs"
    lines = [json.loads(line) for line in (pairs / "pairs.jsonl").read_text().splitlines()]
    assert sorted(line["id"] for line in lines) == sorted(conditions)
    assert len(lines) == 8
    places = {data.name(index): index for index in range(4)}
    crowds = 0
    for line in lines:
        index = places[line["of"]]
        sample = data[index]
        np.testing.assert_array_equal(conditions[line["id"]], by_hand(data, index))
        assert edges(sample.segment_HW, 2).any()
        mask = pairs / "masks" / "seggen" / f"{line['id']}.png"
        np.testing.assert_array_equal(read_rgb_ids(mask), sample.segment_HW)
        assert line["segments_info"] == [
            {"id": one.id, "category_id": data.categories[one.category].id, "iscrowd": int(one.is_crowd)}
            for one in sample.segments
        ]
        crowds += sum(one["iscrowd"] for one in line["segments_info"])
        assert (line["strategy"], line["caption"]) == ("ImgSyn", f"of {line['of']}")
        assert Image.open(pairs / "images" / f"{line['id']}.png").size == (32, 32)
    assert crowds > 0
