"""SegGen's controls and diagnostics: moved masks, copies, classes by frequency, alignment, and how alike masks are."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from methods.common.errors import InputError
from methods.common.generated.pair_reader import list_pairs
from methods.common.miniature.ade20k_view import DRAW_ADE20K, DrawAde20kConfig
from methods.common.seeds import Seeds
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.segmenters import build_segmenter
from methods.common.stage import Inputs, LocalContext
from methods.seggen.mask_likeness import class_shares, co_occurrence, nearest_agreement, total_variation
from methods.seggen.moved_masks import Move, move_labels
from methods.seggen.sampling.mask_files import list_masks
from methods.seggen.stages.alignment import ALIGNMENT, AlignmentConfig
from methods.seggen.stages.class_pixels import CLASS_PIXELS, ClassPixelsConfig, thirds
from methods.seggen.stages.copies import COPIES, CopiesConfig
from methods.seggen.stages.evaluate import means_of
from methods.seggen.stages.mask_quality import MASK_QUALITY, MaskQualityConfig
from methods.seggen.stages.move_masks import MOVE_MASKS, MoveMasksConfig

WORLD = DrawAde20kConfig(num_train=3, num_val=2, num_things=4)


def draw(folder: Path, **changes: object) -> Path:
    DRAW_ADE20K.run(Inputs({}), WORLD.model_copy(update=changes), LocalContext(folder))
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def captions(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    (folder / "captions.jsonl").write_bytes((world / "captions.jsonl").read_bytes())
    return folder


# ---- moved masks


def test_a_shift_moves_everything_and_what_comes_in_is_void() -> None:
    label_HW = np.arange(16, dtype=np.uint8).reshape(4, 4)

    class Fixed:
        def uniform(self, low: float, high: float, size: int | None = None) -> object:
            return 0.0 if size is None else np.array([0.25, 0.0])

        def random(self) -> float:
            return 1.0

    moved_HW = move_labels(label_HW, Move(max_shift=0.5), Fixed())  # type: ignore[arg-type]
    assert moved_HW.tolist() == [[255] * 4, [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_mask_is_mirrored_as_often_as_asked(share: float) -> None:
    label_HW = np.arange(16, dtype=np.uint8).reshape(4, 4)
    move = Move(max_scale=1.0, max_shift=0.0, mirror_share=share)
    moved_HW = move_labels(label_HW, move, np.random.default_rng(0))
    assert (moved_HW == (label_HW[:, ::-1] if share else label_HW)).all()


def test_scaling_keeps_the_middle_and_the_classes() -> None:
    label_HW = np.zeros((64, 64), np.uint8)
    label_HW[24:40, 24:40] = 3
    areas = {
        int((move_labels(label_HW, Move(max_scale=2.0, max_shift=0.0), np.random.default_rng(seed)) == 3).sum())
        for seed in range(8)
    }
    assert min(areas) < 16 * 16 < max(areas)
    assert min(areas) >= 16 * 16 / 4
    assert max(areas) <= 16 * 16 * 4.6


def test_moved_masks_are_listed_as_drawn_ones(world: Path, captions: Path, tmp_path: Path) -> None:
    config = MoveMasksConfig(variants=2)
    record = MOVE_MASKS.run(Inputs({"data": [world], "captions": [captions]}), config, LocalContext(tmp_path))
    masks = list_masks([tmp_path])
    assert record["num_masks"] == len(masks) == 6
    assert {mask.of for mask in masks} == {f"ADE_train_{number:08d}" for number in (1, 2, 3)}
    said = {json.loads(line)["id"]: json.loads(line)["caption"] for line in (captions / "captions.jsonl").open()}
    assert all(mask.caption == said[mask.of] for mask in masks)
    assert not (masks[0].read_labels(12) == masks[1].read_labels(12)).all(), "variants move differently"


# ---- copies


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_jittered_copies_have_other_colours_and_the_same_masks(world: Path, tmp_path: Path) -> None:
    config = CopiesConfig(kind="jittered", variants=2, image_format="png")
    COPIES.run(Inputs({"data": [world]}), config, LocalContext(tmp_path))
    pairs, names = list_pairs([tmp_path])
    assert len(pairs) == 6
    lines = [json.loads(line) for line in (tmp_path / "pairs.jsonl").open()]
    assert {line["strategy"] for line in lines} == {"ImgSyn"}
    changed = 0
    for pair, line in zip(pairs, lines, strict=True):
        real = read(world / "images" / "training" / f"{line['of']}.png")
        changed += bool((pair.read_image() != real).any())
        annotation = read(world / "annotations" / "training" / f"{line['of']}.png").astype(int) - 1
        assert (pair.read_labels("seggen", len(names)) == np.where(annotation < 0, 255, annotation)).all()
    assert changed >= 4, "each change of colours has a chance of one half"
    assert (pairs[0].read_image() != pairs[1].read_image()).any(), "variants differ"


def background_of(folder: Path, name: str) -> np.ndarray:
    """Mean colour of the pixels of a background's class, which come first."""
    label_HW = read(folder / "annotations" / "training" / f"ADE_{name}.png")
    return read(folder / "images" / "training" / f"ADE_{name}.png")[(label_HW > 0) & (label_HW <= 8)].mean(0)


def test_the_same_scene_is_drawn_with_another_look(world: Path, tmp_path: Path) -> None:
    looks = [draw(tmp_path / f"look{number}", look=number) for number in (1, 2)]
    for look in looks:
        for folder in ("training", "validation"):
            for path in (world / "annotations" / folder).iterdir():
                assert path.read_bytes() == (look / "annotations" / folder / path.name).read_bytes()
                assert (read(world / "images" / folder / path.name) != read(look / "images" / folder / path.name)).any()
        moved = [
            background_of(world, name) - background_of(look, name) for name in ("train_00000001", "train_00000002")
        ]
        assert np.abs(moved).max() > 1.0, "backgrounds keep their shade"
    config = CopiesConfig(kind="re-rendered", variants=2, image_format="png")
    COPIES.run(Inputs({"data": [world], "drawn": looks}), config, LocalContext(tmp_path / "copies"))
    for pair in list_pairs([tmp_path / "copies"])[0]:
        name, variant = pair.id.rsplit("_c", 1)
        assert (pair.read_image() == read(looks[int(variant)] / "images" / "training" / f"{name}.png")).all()


def test_drawings_of_another_world_are_refused(world: Path, tmp_path: Path) -> None:
    other = draw(tmp_path / "other", repeat_share=1.0, unlabelled_share=1.0)
    config = CopiesConfig(kind="re-rendered", variants=1, image_format="png")
    with pytest.raises(InputError, match="does not show the scene"):
        COPIES.run(Inputs({"data": [world], "drawn": [other]}), config, LocalContext(tmp_path / "copies"))
    with pytest.raises(InputError, match="role 'drawn'"):
        COPIES.run(Inputs({"data": [world]}), config, LocalContext(tmp_path / "copies"))


# ---- classes by frequency, alignment


def test_classes_are_parted_by_their_training_pixels(world: Path, tmp_path: Path) -> None:
    record = CLASS_PIXELS.run(Inputs({"data": [world]}), ClassPixelsConfig(), LocalContext(tmp_path))
    total = sum(read(path).size for path in (world / "annotations" / "training").iterdir())
    assert sum(record["pixels"].values()) == pytest.approx(total * (1 - record["void_share"]))
    assert thirds({"a": 5, "b": 90, "c": 7, "d": 1}) == {"frequent": ["b"], "common": ["c"], "rare": ["a", "d"]}
    groups = thirds({"a": 3, "b": 2, "c": 1, "d": 0})
    means = means_of({"a": 10.0, "b": None, "c": 30.0, "d": 50.0}, groups)
    assert means == {"miou_frequent": 10.0, "miou_common": None, "miou_rare": 40.0}


def test_a_networks_own_answers_are_aligned_and_others_are_not(world: Path, tmp_path: Path) -> None:
    import torch

    from methods.common.datasets.voc import encode_labels
    from methods.common.segmenters.semantic.prediction import predict_labels

    model = build_segmenter(ConvolutionalConfig(num_classes=12), torch.Generator().manual_seed(0)).eval()
    model.save_pretrained(tmp_path / "trained" / "model")
    pairs = tmp_path / "pairs"
    COPIES.run(Inputs({"data": [world]}), CopiesConfig(kind="jittered", variants=1), LocalContext(pairs))
    roles = Inputs({"pairs": [pairs], "model": [tmp_path / "trained"]})
    config = AlignmentConfig(short_side_px=None)
    before = ALIGNMENT.run(roles, config, LocalContext(tmp_path / "before"))
    for pair in list_pairs([pairs])[0]:
        [answer_HW] = predict_labels(model, [pair.read_image()], None, 2048, torch.device("cpu"))
        pair.labels_path("seggen").write_bytes(encode_labels(answer_HW))
    after = ALIGNMENT.run(roles, config, LocalContext(tmp_path / "after"))
    assert before["miou"] < 50 < after["miou"] == pytest.approx(100.0)
    few = ALIGNMENT.run(roles, AlignmentConfig(short_side_px=None, max_images=2), LocalContext(tmp_path / "few"))
    assert few["num_images"] == 2


# ---- how alike masks are


def test_shares_and_pairs_of_classes_are_counted() -> None:
    masks = [np.array([[0, 0], [1, 255]], np.uint8), np.array([[1, 1], [1, 1]], np.uint8)]
    assert class_shares(masks, 3).tolist() == pytest.approx([2 / 7, 5 / 7, 0])
    assert co_occurrence(masks, 3).tolist() == [[0.5, 0.5, 0], [0.5, 1.0, 0], [0, 0, 0]]
    assert total_variation(np.array([0.5, 0.5]), np.array([0.8, 0.2])) == pytest.approx(0.3)


def test_a_copy_is_found_and_a_mask_is_no_copy_of_itself() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.integers(0, 5, (32, 32)).astype(np.uint8) for _ in range(4)]
    assert nearest_agreement(masks[:1], masks).tolist() == [1.0]
    assert nearest_agreement(masks, masks, leave_out_own=True).max() < 0.5


def test_human_masks_held_against_themselves_have_no_shift(world: Path, captions: Path, tmp_path: Path) -> None:
    still = MoveMasksConfig(variants=1, move=Move(max_scale=1.0, max_shift=0.0, mirror_share=0.0))
    MOVE_MASKS.run(Inputs({"data": [world], "captions": [captions]}), still, LocalContext(tmp_path / "masks", Seeds()))
    lines = [json.loads(line) for line in (tmp_path / "masks" / "masks.jsonl").open()]
    drawn = [{**line, "near_share": 0.5, "num_segments": 4, "num_small": 1} for line in lines]
    (tmp_path / "masks" / "masks.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in drawn))
    roles = Inputs({"masks": [tmp_path / "masks"], "data": [world]})
    record = MASK_QUALITY.run(roles, MaskQualityConfig(), LocalContext(tmp_path / "quality"))
    assert (record["class_shift"], record["together_shift"], record["nearest"]) == (0.0, 0.0, 100.0)
    assert record["nearest_of_human"] < 100
    assert (record["valid_px"], record["small_segments"]) == (50.0, 25.0)
