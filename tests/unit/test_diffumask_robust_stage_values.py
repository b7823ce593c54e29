"""What the stages of the robust paper write, against numbers that were computed by hand or by an independent formula."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.dense_crf.config import BilateralKernel, DenseCrfConfig
from methods.common.errors import InputError
from methods.common.generated.pair_reader import list_pairs
from methods.common.generators.attention_presets import daam
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.diffumask_robust.colours import ColourConfig, change_colours
from methods.diffumask_robust.crf import LabelCrf
from methods.diffumask_robust.crop_config import CropConfig
from methods.diffumask_robust.heat_map_files import MAPS, PRESETS_FILE, encode_maps, pack_maps, read_maps
from methods.diffumask_robust.label_files import LABELS, LABELS_FILE, TRUSTED, encode_trusted, read_trusted
from methods.diffumask_robust.stages.label import label
from methods.diffumask_robust.stages.label_config import LabelConfig
from methods.diffumask_robust.stages.prompts import (
    AugmentedPrompts,
    DomainPrompts,
    PromptsConfig,
    SubclassPrompts,
    make_prompts,
)
from methods.diffumask_robust.stages.rate_masks import RateMasksConfig, rate_masks
from methods.diffumask_robust.stages.sources import LabelledSource
from methods.diffumask_robust.trusted_images import resized_crop

CLASSES = ("background", "coin", "hoop")


def write_pairs(folder: Path, maps: dict[str, np.ndarray], class_ids: dict[str, list[int]]) -> Path:
    """Write pictures of one grey with heat maps by one preset."""
    for below in ("images", f"{MAPS}/daam"):
        (folder / below).mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(CLASSES))
    (folder / PRESETS_FILE).write_text(json.dumps({"daam": daam().model_dump(mode="json")}))
    lines = []
    for name, map_Mhw in maps.items():
        packed = pack_maps(map_Mhw)
        (folder / MAPS / "daam" / f"{name}.png").write_bytes(encode_maps(packed.level_Hw))
        height, width = map_Mhw.shape[1:]
        Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(folder / "images" / f"{name}.png")
        spans = [[class_id, 0, 1] for class_id in class_ids[name]]
        classes = [CLASSES[class_id] for class_id in dict.fromkeys(class_ids[name])]
        lines.append({"id": name, "spans": spans, "classes": classes, "ranges": {"daam": packed.ranges}})
    (folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_labels(
    folder: Path, labels: dict[str, np.ndarray], trusted: dict[str, np.ndarray], dropped: str = ""
) -> Path:
    """Write labels as the stage does; ``dropped`` names the pictures that are of no use."""
    from methods.common.datasets.voc import encode_labels

    for below in (LABELS, TRUSTED):
        (folder / below).mkdir(parents=True)
    lines = []
    for name, label_HW in labels.items():
        (folder / LABELS / f"{name}.png").write_bytes(encode_labels(label_HW.astype(np.uint8)))
        (folder / TRUSTED / f"{name}.png").write_bytes(encode_trusted(trusted[name]))
        lines.append({"id": name, "dropped": "no use" if name in dropped.split() else ""})
    (folder / LABELS_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_voc(folder: Path) -> None:
    """Write one image in VOC's layout with a list of classes."""
    for below in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / below).mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "JPEGImages" / "one.png")
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / "SegmentationClass" / "one.png")
    (folder / "ImageSets/Segmentation/val.txt").write_text("one\n")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))


def ramp(*rows: list[float]) -> np.ndarray:
    """A heat map that is the same before and after DAAM's scaling: its smallest value is 0, its largest 1."""
    return np.array([rows], float)


# -- heat maps -----------------------------------------------------------------------------------------------------------------


def test_maps_are_kept_within_half_a_level_of_their_own_range(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    map_Mhw = np.stack([rng.uniform(-1, 1, (5, 4)), 1e-9 * rng.uniform(3, 4, (5, 4)), np.full((5, 4), 7.0)])
    packed = pack_maps(map_Mhw)
    path = tmp_path / "maps.png"
    path.write_bytes(encode_maps(packed.level_Hw))
    found = read_maps(path, packed.ranges)
    for one, other in zip(found, map_Mhw, strict=True):
        assert np.abs(one - other).max() <= 0.5001 * np.ptp(other) / 65535
    with pytest.raises(InputError, match="are no 2 maps"):
        read_maps(path, packed.ranges[:2])


def test_a_map_that_is_no_number_spans_nothing() -> None:
    packed = pack_maps(np.array([[[np.nan, 1.0]], [[2.0, 4.0]]]))
    assert packed.ranges == [[0.0, 0.0], [2.0, 4.0]]
    assert packed.level_Hw.tolist() == [[0, 0], [0, 65535]]


# -- labels --------------------------------------------------------------------------------------------------------------------


def labelled(
    tmp_path: Path, maps: np.ndarray, class_ids: list[int], config: LabelConfig
) -> tuple[np.ndarray, np.ndarray, dict]:
    pairs = write_pairs(tmp_path / "pairs", {"a": maps}, {"a": class_ids})
    out = tmp_path / "out"
    out.mkdir()
    label(Inputs({"pairs": [pairs]}), config, LocalContext(out))
    line = json.loads((out / LABELS_FILE).read_text())
    label_HW = np.asarray(Image.open(out / LABELS / "a.png"))
    return label_HW, read_trusted(out / TRUSTED / "a.png"), line


def test_labels_and_trusted_pixels_by_hand(tmp_path: Path) -> None:
    """One class: foreground above 0.4 with beta 0.2, margin |2 a - 0.8|, half of each class trusted."""
    map_1hw = ramp([0.0, 0.1, 0.3, 0.39], [0.41, 0.6, 0.9, 1.0])
    label_HW, trusted_HW, line = labelled(tmp_path, map_1hw, [2], LabelConfig(preset="daam"))
    assert label_HW.tolist() == [[0, 0, 0, 0], [2, 2, 2, 2]]
    assert trusted_HW.tolist() == [[True, True, False, False], [False, False, True, True]]
    assert (line["dropped"], line["foreground"], line["trusted"]) == ("", 0.5, 0.5)


def test_a_class_that_is_not_asked_for_never_wins_and_the_larger_map_does(tmp_path: Path) -> None:
    maps = np.concatenate([ramp([0.0, 1.0, 0.5, 0.2]), ramp([0.0, 0.7, 1.0, 0.1])])
    label_HW, _, _ = labelled(tmp_path, maps, [1, 2], LabelConfig(preset="daam"))
    assert label_HW.tolist() == [[0, 1, 2, 0]]


def test_random_trust_marks_as_many_pixels_of_each_class(tmp_path: Path) -> None:
    map_1hw = np.linspace(0, 1, 64).reshape(1, 8, 8)
    config = LabelConfig(preset="daam", trusted="random")
    label_HW, trusted_HW, _ = labelled(tmp_path, map_1hw, [1], config)
    for class_id in (0, 1):
        assert trusted_HW[label_HW == class_id].sum() == (label_HW == class_id).sum() // 2
    best = np.abs(2 * map_1hw[0] - 0.8)
    assert not (trusted_HW[label_HW == 1] == (best >= np.median(best[label_HW == 1]))[label_HW == 1]).all()


def test_a_pixel_whose_label_the_crf_changed_ranks_last(tmp_path: Path) -> None:
    """A lone sure pixel among others of one colour becomes background; its margin is negative, so it is not trusted."""
    map_1hw = np.zeros((1, 9, 9))
    map_1hw[0, 0, :4], map_1hw[0, 1, :4], map_1hw[0, 6, 6] = 0.9, 0.9, 1.0
    crf = LabelCrf(crf=DenseCrfConfig(bilateral=BilateralKernel(sigma_px=3)))
    kept = LabelConfig(preset="daam", trusted_share=0.99, smoothing=crf)
    label_HW, trusted_HW, _ = labelled(tmp_path, map_1hw, [1], kept)
    assert label_HW[6, 6] == 0
    assert not trusted_HW[6, 6]
    assert trusted_HW[label_HW == 0].sum() == int(0.99 * (label_HW == 0).sum())


def test_an_unknown_preset_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no preset 'ovam'; there are daam"):
        labelled(tmp_path, ramp([0.0, 1.0]), [1], LabelConfig(preset="ovam"))


# -- rating --------------------------------------------------------------------------------------------------------------------


def test_masks_are_rated_by_hand_computed_numbers(tmp_path: Path) -> None:
    maps = {name: ramp([0.0, 1.0, 0.5, 0.5]) for name in ("a", "b", "c")}
    pairs = write_pairs(tmp_path / "pairs", maps, {"a": [1], "b": [2], "c": [1]})
    truth = {"a": np.array([[0, 1, 1, 0]]), "b": np.array([[2, 2, 0, 0]]), "c": np.array([[0, 0, 0, 0]])}
    made = {"a": np.array([[0, 1, 0, 1]]), "b": np.array([[2, 2, 2, 255]]), "c": np.array([[1, 1, 1, 1]])}
    trust = {
        "a": np.array([[True, True, False, False]]),
        "b": np.array([[True, False, True, False]]),
        "c": np.ones((1, 4), bool),
    }
    labels = write_labels(tmp_path / "labels", made, trust, dropped="b")
    reference = write_labels(tmp_path / "reference", truth, trust, dropped="c")
    inputs = Inputs({"pairs": [pairs], "labels": [labels], "reference": [reference]})
    found = rate_masks(inputs, RateMasksConfig(), LocalContext(tmp_path / "out"))
    # a: coin 1 of 3; b: hoop 2 of 3, the uncertain pixel is left out; c has no reference.
    assert found["iou"]["coin"] == pytest.approx(100 / 3)
    assert found["iou"]["hoop"] == pytest.approx(200 / 3)
    assert found["miou"] == pytest.approx(50.0)
    assert found["pooled_iou"] == pytest.approx(50.0)
    assert found["right_trusted"] == pytest.approx(75.0)
    assert found["right_distrusted"] == pytest.approx(100 / 3)
    assert found["num_images"] == 2
    kept = rate_masks(inputs, RateMasksConfig(kept_only=True), LocalContext(tmp_path / "out"))
    assert (kept["num_images"], kept["miou"]) == (1, pytest.approx(100 / 3))


# -- training data -------------------------------------------------------------------------------------------------------------


def test_a_smaller_set_lies_within_a_larger_one_and_dropped_pictures_are_left_out(tmp_path: Path) -> None:
    names = ("0", "1", "2", "3")
    pairs = write_pairs(tmp_path / "pairs", {name: ramp([0.0, 1.0]) for name in names}, {name: [1] for name in names})
    some = {name: np.array([[0, 1]]) for name in names}
    labels = write_labels(tmp_path / "labels", some, {name: np.ones((1, 2), bool) for name in names}, dropped="1")
    inputs = Inputs({"pairs": [pairs], "labels": [labels]})

    def kept(count: int | None) -> list[str]:
        images = LabelledSource(max_images=count).open(inputs, Seeds())
        return [images.name(index) for index in range(len(images))]

    assert kept(None) == ["0", "2", "3"]
    assert kept(3) == ["0", "2"]
    with pytest.raises(InputError, match="there are 4 pictures"):
        kept(5)
    assert len(list_pairs((pairs,))[0]) == 4


def test_a_crop_moves_image_labels_and_trust_together() -> None:
    label_HW = np.arange(40 * 50).reshape(40, 50) % 5
    trusted_HW = label_HW >= 2
    image_HW3 = np.repeat((label_HW * 50)[..., None], 3, -1).astype(np.uint8)
    config = CropConfig(crop_px=16, min_area=1.0, max_area=1.0, max_aspect=1.0, flip_probability=1.0)
    square = tuple(pixels[:40, :40] for pixels in (image_HW3, label_HW.astype(np.uint8), trusted_HW))
    image, found, trusted = resized_crop(square, config, np.random.default_rng(0))  # type: ignore[arg-type]
    assert found.shape == (16, 16)
    assert (trusted == (found >= 2)).all()
    assert 0 < trusted.mean() < 1
    assert found[0, 0] == label_HW[1, 38]  # mirrored: the last column's centre
    assert image.dtype == np.uint8


def test_parts_have_the_area_that_is_asked_for() -> None:
    item = (np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8), np.zeros((60, 80), bool))
    from methods.diffumask_robust.trusted_images import choose_part

    for seed in range(50):
        top, left, rows, columns = choose_part(*item[1].shape, CropConfig(), np.random.default_rng(seed))
        assert 0.49 <= rows * columns / 4800 <= 0.76
        assert 0.7 <= columns / rows <= 1.4
        assert top + rows <= 60
        assert left + columns <= 80


def test_colours_depend_on_iteration_and_place_alone() -> None:
    image_N3HW = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 255
    same_N3HW = image_N3HW[:1].repeat(4, 1, 1, 1)
    whole = change_colours(same_N3HW, ColourConfig(), Seeds(), 3, 0)
    assert torch.equal(change_colours(same_N3HW[2:], ColourConfig(), Seeds(), 3, 2), whole[2:])
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(change_colours(same_N3HW, ColourConfig(), Seeds(), 4, 0), whole)
    assert whole.min() >= 0
    assert whole.max() <= 255
    nothing = ColourConfig(jitter=0, grey=0, blur=0)
    assert torch.allclose(change_colours(image_N3HW, nothing, Seeds(), 0, 0), image_N3HW, atol=1e-3)


# -- prompts -------------------------------------------------------------------------------------------------------------------


def prompts(tmp_path: Path, config: PromptsConfig) -> tuple[list[dict], dict]:
    data = tmp_path / "data"
    if not data.exists():
        write_voc(data)
    out = tmp_path / f"{config.prompts.kind}-{config.num_prompts}"
    out.mkdir()
    inputs = Inputs({"data": [data], "generator": [CHECKPOINTS / "stable_diffusion"]})
    record = make_prompts(inputs, config, LocalContext(out))
    return [json.loads(line) for line in (out / "prompts.jsonl").read_text().splitlines()], record


def test_classes_take_turns_and_spans_stand_at_the_new_words(tmp_path: Path) -> None:
    made = AugmentedPrompts(template="a photo of a {word}")
    lines, record = prompts(tmp_path, PromptsConfig(prompts=made, lexicon="miniature", num_prompts=24))
    assert record["images_per_class"] == {"coin": 12, "hoop": 12}
    assert set(record["words_by_relation"]) == {"self", "synonym", "hyponym"}
    for line in lines:
        (class_id, start, end), (replaced,) = line["spans"][0], line["replacements"]
        assert line["text"][start:end] == replaced["word"]
        assert class_id in (1, 2)
    fewer, _ = prompts(tmp_path, PromptsConfig(prompts=made, lexicon="miniature", num_prompts=5))
    assert fewer == lines[:5]


def test_sub_classes_stay_before_the_class_word(tmp_path: Path) -> None:
    config = PromptsConfig(prompts=SubclassPrompts(bare_share=0), lexicon="miniature", num_prompts=8)
    for line in prompts(tmp_path, config)[0]:
        _, start, end = line["spans"][0]
        assert line["text"][start:end] in CLASSES
        assert line["text"][:start] in ("Photo of a slim ", "Photo of a broad ")


def test_prompts_of_a_domain_name_things_by_words_of_their_class(tmp_path: Path) -> None:
    made = DomainPrompts(template="a photo of {classes}", max_words=2)
    lines, record = prompts(tmp_path, PromptsConfig(prompts=made, num_prompts=12))
    for line in lines:
        for class_id, start, end in line["spans"]:
            name = ("background", "human", "vehicle")[class_id]
            assert line["text"][start:end] in made.words[name]
    assert set(record["images_per_class"]) == {"human", "vehicle"}
    assert {len(line["spans"]) for line in lines} <= {1, 2}
