"""From named masks to a selection: scores that follow damage, stages that join their files, messages for files that do not fit."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from methods.common.datasets.rle import encode_mask
from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.common.stages.segment_named import SegmentNamedConfig, segment_with
from methods.sam_filter.stages.reference_quality import (
    REFERENCE_QUALITY,
    ReferenceQualityConfig,
    reference_label_map,
)
from methods.sam_filter.stages.score import SCORE, ScoreConfig, agreement_of_pair
from methods.sam_filter.stages.select import SELECT, SelectConfig
from tests.unit.oracle import DamagedOracle, Oracle

NAMES = ("background", "coin", "melon", "tent")
SIDE = 24


def square(top: int, left: int, side: int) -> np.ndarray:
    mask_HW = np.zeros((SIDE, SIDE), bool)
    mask_HW[top : top + side, left : left + side] = True
    return mask_HW


def labels_of(masks: dict[str, np.ndarray]) -> np.ndarray:
    label_HW = np.zeros((SIDE, SIDE), np.uint8)
    for name, mask_HW in masks.items():
        label_HW[mask_HW] = NAMES.index(name)
    return label_HW


def scores_of(label_HW, masks, uncertain="ignore"):
    return {name: float(v) for name, v in agreement_of_pair(label_HW, masks, NAMES, uncertain).scores().items()}


TRUTH = {"coin": square(2, 2, 8), "melon": square(13, 12, 10)}


def test_scores_by_hand():
    label_HW = np.zeros((SIDE, SIDE), np.uint8)
    label_HW[0, :4], label_HW[1, :2], label_HW[2, :3] = 1, 2, 255
    coin_HW, melon_HW = np.zeros((SIDE, SIDE), bool), np.zeros((SIDE, SIDE), bool)
    coin_HW[0, 2:6] = True
    coin_HW[2, 0] = True
    melon_HW[1, :1] = True
    found = {"coin": coin_HW, "melon": melon_HW}
    # coin: 2 of 6 (uncertain row left out); melon: 1 of 2.
    rest = SIDE * SIDE - 3
    assert scores_of(label_HW, found) == pytest.approx(
        {"S1": (2 / 6 + 1 / 2) / 2, "S2": 3 / 8, "S3": (2 / 6 + 1 / 2 + (rest - 8) / (rest - 3)) / 3, "S4": 3 / 8}
    )
    assert scores_of(label_HW, found, "background")["S1"] == pytest.approx((2 / 7 + 1 / 2) / 2)
    assert scores_of(label_HW, found, "foreground")["S1"] == pytest.approx((3 / 9 + 1 / 5) / 2)


def test_empty_classes():
    label_HW, nothing = labels_of({"coin": TRUTH["coin"]}), np.zeros((SIDE, SIDE), bool)
    one = scores_of(label_HW, {"coin": nothing})
    assert (one["S1"], one["S2"], one["S4"]) == (0, 0, 0)
    assert scores_of(label_HW, {"coin": TRUTH["coin"], "tent": nothing})["S1"] == 1.0
    every = scores_of(np.zeros((SIDE, SIDE), np.uint8), {"coin": nothing, "tent": nothing})
    assert (every["S1"], every["S2"], every["S4"]) == (0, 0, 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.floats(0, 0.3), min_size=2, max_size=5, unique=True))
def test_ranking_follows_damage(seed, shares):
    image_HW3 = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    oracle = Oracle()
    oracle.tell(image_HW3, TRUTH)
    label_HW = labels_of(TRUTH)
    found_masks = [DamagedOracle(oracle, share, seed).segment(image_HW3, list(TRUTH)) for share in sorted(shares)]
    damaged = [scores_of(label_HW, masks) for masks in found_masks]
    num_wrong = [sum(int((masks[name] ^ TRUTH[name]).sum()) for name in TRUTH) for masks in found_masks]
    for name in ("S1", "S2"):  # each class apart: every damaged pixel costs
        scores = [found[name] for found in damaged]
        assert scores == sorted(scores, reverse=True)
        assert (scores[-1] < scores[0]) == (num_wrong[-1] > num_wrong[0])
    for name in ("S3", "S4"):  # classes together: what one loses another may cover by mistake
        assert all(found[name] <= 1 for found in damaged)
        assert scores_of(label_HW, TRUTH)[name] == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["ignore", "background", "foreground"]))
def test_order_of_classes_and_what_lies_below_uncertain_pixels_change_nothing(seed, uncertain):
    rng = np.random.default_rng(seed)
    label_HW = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (SIDE, SIDE))
    masks = {name: rng.uniform(size=(SIDE, SIDE)) < 0.4 for name in NAMES[1:]}
    backwards = dict(reversed(masks.items()))
    before = scores_of(label_HW, masks, uncertain)
    assert scores_of(label_HW, backwards, uncertain) == before
    # Uncertain pixels swap places where the found masks look alike.
    unsure = np.argwhere(label_HW == 255)
    swapped_HW, moved = label_HW.copy(), {name: mask_HW.copy() for name, mask_HW in masks.items()}
    order = rng.permutation(len(unsure))
    for mask_HW in moved.values():
        mask_HW[tuple(unsure.T)] = mask_HW[tuple(unsure[order].T)]
    assert scores_of(swapped_HW, moved, uncertain) == before
    if uncertain == "ignore":
        for mask_HW in moved.values():
            mask_HW[label_HW == 255] ^= True
        assert scores_of(label_HW, moved, uncertain) == before


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Path, Oracle]:
    """Six pairs: masks are ever smaller parts of the truth; the fifth picture shows nothing, the sixth two classes."""
    folder, oracle = tmp_path / "pairs", Oracle()
    (folder / "images").mkdir(parents=True)
    (folder / "masks" / "s8_c4").mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(NAMES))
    lines = []
    for number in range(6):
        name = f"{number:06d}"
        image_HW3 = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        truth = {"coin": TRUTH["coin"]} if number < 5 else TRUTH
        label_HW = labels_of(truth)
        label_HW[2 : 2 + number] = 0
        oracle.tell(image_HW3, {} if number == 4 else truth)
        Image.fromarray(image_HW3).save(folder / "images" / f"{name}.png")
        Image.fromarray(label_HW).save(folder / "masks" / "s8_c4" / f"{name}.png")
        lines.append(json.dumps({"id": name, "caption": "x", "class_prompt": "x", "classes": list(truth), "seed": 1}))
    (folder / "pairs.jsonl").write_text("\n".join(lines) + "\n")
    return folder, oracle


def context(tmp_path: Path, name: str, **more) -> LocalContext:
    (tmp_path / name).mkdir(exist_ok=True)
    return LocalContext(tmp_path / name, **more)


@pytest.fixture
def scored(pairs, tmp_path: Path) -> tuple[Path, Path, Path]:
    folder, oracle = pairs
    record = segment_with(oracle, Inputs({"pairs": [folder]}), SegmentNamedConfig(), context(tmp_path, "named"))
    assert record == {"num_images": 6, "num_named": 7, "found_share": 6 / 7, "num_without_mask": 1}
    inputs = Inputs({"pairs": [folder], "named": [tmp_path / "named"]})
    record = SCORE.run(inputs, ScoreConfig(variant="s8_c4"), context(tmp_path, "scores"))
    assert record["num_without_mask"] == 1
    assert record["zero_share"]["S1"] == pytest.approx(1 / 6)
    return folder, tmp_path / "named", tmp_path / "scores"


def test_scores_file(scored):
    lines = (scored[2] / "scores.csv").read_text().splitlines()
    assert lines[0] == "id,S1,S2,S3,S4,num_classes"
    rows = [line.split(",") for line in lines[1:]]
    assert [row[0] for row in rows] == [f"{number:06d}" for number in range(6)]
    assert [float(row[1]) for row in rows[:5]] == [1.0, 7 / 8, 6 / 8, 5 / 8, 0.0]
    assert float(rows[5][1]) == (3 / 8 + 1.0) / 2
    assert [row[5] for row in rows] == ["1", "1", "1", "1", "1", "2"]
    assert json.loads((scored[2] / "pixels.json").read_text())["pixels"]["000001"] == {"coin": 56}


def run_select(scored, tmp_path, name, seed=0, **config):
    inputs = Inputs({"pairs": [scored[0]], "scores": [scored[2]]})
    where = context(tmp_path, name, seeds=Seeds(generation=seed))
    record = SELECT.run(inputs, SelectConfig(variant="s8_c4", **config), where)
    return (tmp_path / name / "selected.txt").read_text().splitlines(), record


def test_top_k_is_nested_and_everything_is_everything(scored, tmp_path):
    best, _ = run_select(scored, tmp_path, "top2", keep=2)
    more, record = run_select(scored, tmp_path, "top4", keep=4)
    assert best == ["000000", "000001"]
    assert more[:2] == best
    assert record["cutoff_score"] == 5.5 / 8
    every, _ = run_select(scored, tmp_path, "all", rule="all")
    assert sorted(every) == [f"{number:06d}" for number in range(6)]
    statistics = json.loads((tmp_path / "top4" / "statistics.json").read_text())
    assert statistics["images_per_class"]["before"] == {"coin": 6, "melon": 1, "tent": 0}


def test_random_subsets_are_nested_repeat_and_differ_by_seed(scored, tmp_path):
    few, _ = run_select(scored, tmp_path, "r2", rule="random", keep=2)
    more, record = run_select(scored, tmp_path, "r5", rule="random", keep=5)
    again, _ = run_select(scored, tmp_path, "again", rule="random", keep=5)
    others = [run_select(scored, tmp_path, f"o{seed}", seed, rule="random", keep=5)[0] for seed in (1, 2, 3)]
    assert more[:2] == few
    assert again == more
    assert any(other != more for other in others)
    assert 0.8 <= record["share_among_best"] <= 1.0


def test_same_mix_keeps_the_number_of_each_set_of_classes(scored, tmp_path):
    alike, _ = run_select(scored, tmp_path, "mix", rule="random_same_mix", keep=4)
    best, _ = run_select(scored, tmp_path, "best", keep=4)
    assert "000005" in best
    assert "000005" in alike


def test_select_says_what_does_not_fit(scored, tmp_path):
    with pytest.raises(InputError, match="has 6 images, 7 are to be kept"):
        run_select(scored, tmp_path, "much", keep=7)
    inputs = Inputs({"pairs": [scored[0]], "scores": [scored[2]]})
    with pytest.raises(InputError, match="is of masks 's8_c4', the selection asks for 's32_c16'"):
        SELECT.run(inputs, SelectConfig(keep=1), context(tmp_path, "variant"))
    table = scored[2] / "scores.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(InputError, match="has scores of other pairs"):
        SELECT.run(inputs, SelectConfig(keep=1, variant="s8_c4"), context(tmp_path, "short"))
    table.write_text("id,S1\n000000,much\n")
    with pytest.raises(InputError, match="is no table of scores"):
        SELECT.run(inputs, SelectConfig(keep=1, variant="s8_c4"), context(tmp_path, "torn"))
    for faulty in ({"rule": "all", "keep": 3}, {"rule": "score"}):
        with pytest.raises(ValidationError, match="keep is for every rule but `all`"):
            SelectConfig(**faulty)


def test_score_says_what_does_not_fit(scored, tmp_path):
    folder, named, _ = scored
    inputs = Inputs({"pairs": [folder], "named": [named]})
    lines = (named / "named_masks.jsonl").read_text().splitlines()
    small = json.dumps({"id": "000000", "masks": {"coin": encode_mask(np.zeros((4, 4), bool))}})
    broken = json.dumps({"id": "000000", "masks": {"coin": {"size": [SIDE, SIDE], "counts": "1"}}})
    for content, message in (
        (lines[:-1], "5 lines of named_masks.jsonl come with 6 pairs"),
        ([lines[1], lines[0], *lines[2:]], "line 1 is of picture '000001', the pair there is '000000'"),
        ([small, *lines[1:]], "24x24 pixels, the mask found of 'coin' 4x4"),
        ([broken, *lines[1:]], "line 1: the mask of 'coin' has run lengths that do not add up"),
        (['{"id": "000000", "masks": {}}', *lines[1:]], "line 1: the mask of 'coin' is missing"),
    ):
        (named / "named_masks.jsonl").write_text("\n".join(content) + "\n")
        with pytest.raises(InputError, match=message):
            SCORE.run(inputs, ScoreConfig(variant="s8_c4"), context(tmp_path, "wrong"))
    (named / "named_masks.jsonl").write_text("\n".join(lines) + "\n")
    faulty_HW = np.full((SIDE, SIDE), 9, np.uint8)
    Image.fromarray(faulty_HW).save(folder / "masks" / "s8_c4" / "000000.png")
    with pytest.raises(InputError, match="label 9 at row 0, column 0; labels are 0 to 3, and 255 for uncertain"):
        SCORE.run(inputs, ScoreConfig(variant="s8_c4"), context(tmp_path, "label"))
    with pytest.raises(InputError, match="cannot be read"):
        SCORE.run(inputs, ScoreConfig(variant="s16_c4"), context(tmp_path, "variant"))


def test_pairs_are_checked(pairs, tmp_path):
    folder, oracle = pairs
    inputs = Inputs({"pairs": [folder]})
    good = (folder / "pairs.jsonl").read_text().splitlines()
    for line, message in (
        (good[0], "line 7: id '000000' occurs twice"),
        ('{"id": "x", "classes": ["moon"]}', "line 7: class 'moon' is not in classes.json"),
        ('{"id": "x"}', "line 7 lacks `id` or `classes`"),
        ('{"id": "x", "classes": ["coin"]}', "has no picture 'x'"),
    ):
        (folder / "pairs.jsonl").write_text("\n".join([*good, line]) + "\n")
        with pytest.raises(InputError, match=message):
            segment_with(oracle, inputs, SegmentNamedConfig(), context(tmp_path, "checked"))
    (folder / "pairs.jsonl").write_text("\n".join(good) + "\n")
    (folder / "images" / "000002.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"000002\.png cannot be decoded"):
        segment_with(oracle, inputs, SegmentNamedConfig(), context(tmp_path, "damaged"))
    (folder / "classes.json").write_text("{}")
    with pytest.raises(InputError, match=r"classes\.json is no list of class names"):
        segment_with(oracle, inputs, SegmentNamedConfig(), context(tmp_path, "classes"))
    (folder / "classes.json").unlink()
    with pytest.raises(InputError, match=r"classes\.json cannot be read"):
        segment_with(oracle, inputs, SegmentNamedConfig(), context(tmp_path, "no_classes"))


def test_reference_map_leaves_out_what_two_classes_claim():
    masks = {"coin": square(0, 0, 4), "tent": square(2, 2, 4)}
    label_HW = reference_label_map(masks, NAMES)
    assert (label_HW == 255).sum() == 4
    assert (label_HW == 1).sum() == (label_HW == 3).sum() == 12


def test_reference_quality_pools_pixels_and_skips_what_was_not_found(scored, tmp_path):
    folder, named, _ = scored
    inputs = Inputs({"pairs": [folder], "reference": [named]})
    config = ReferenceQualityConfig(variant="s8_c4")
    record = REFERENCE_QUALITY.run(inputs, config, context(tmp_path, "quality"))
    assert record["num_images"] == 5
    assert record["num_skipped"] == 1
    # 64 pixels of coin in five pictures, less 8 a row: 0, 8, 16, 24 and 40 lost.
    assert record["iou"]["coin"] == pytest.approx(100 * (320 - 88) / 320)
    assert record["iou"]["melon"] == pytest.approx(100.0)
    assert record["iou"]["tent"] is None
    assert record["miou_foreground"] == pytest.approx((record["iou"]["coin"] + 100) / 2)
    two = REFERENCE_QUALITY.run(inputs, ReferenceQualityConfig(variant="s8_c4", max_images=2), context(tmp_path, "two"))
    assert two["iou"]["coin"] == pytest.approx(100 * (128 - 8) / 128)


def test_reference_quality_without_any_found_class(scored, tmp_path):
    folder, named, _ = scored
    lines = [json.loads(line) for line in (named / "named_masks.jsonl").read_text().splitlines()]
    for line in lines:
        line["masks"] = {name: encode_mask(np.zeros((SIDE, SIDE), bool)) for name in line["masks"]}
    (named / "named_masks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match="in none of 6 pictures every named class was found"):
        REFERENCE_QUALITY.run(
            Inputs({"pairs": [folder], "reference": [named]}),
            ReferenceQualityConfig(variant="s8_c4"),
            context(tmp_path, "none"),
        )
