"""Label maps, masks and panoptic files as other people's tools write them: any depth, any form of a name, any number."""

import json
import os
import shutil
from pathlib import Path
from typing import Any
from unicodedata import normalize

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.e2e.evaluations import Evaluate


def png(path: str, values: Any, mode: str = "L") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(values, np.uint16 if mode == "I;16" else np.uint8))
    if mode == "P":
        image = image.convert("L")
        image.putpalette([255, 0, 0, 0, 255, 0, 9, 9, 9] + [0] * 759)
    image.convert("1").save(path) if mode == "1" else image.save(path)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


MAP = np.kron([[0, 1], [1, 0]], np.ones((4, 4), int))


def test_a_label_map_has_any_depth_in_every_evaluator(here: Path, evaluate: Evaluate) -> None:
    for mode in ("L", "P", "I;16", "1"):
        png(f"{mode}/town_0_1_gtFine_labelIds.png", MAP * (255 if mode == "1" else 1), mode)
        shutil.copy(f"{mode}/town_0_1_gtFine_labelIds.png", f"{mode}/town_0_1_gtFine_instanceIds.png")
    for mode in ("P", "I;16", "1"):
        between = ["--ground-truth", "L", "--predictions", mode]
        assert evaluate("semantic", *between, "--num-classes", "2").metrics["mIoU"] == 1
        assert evaluate("mask-quality", *between, "--num-classes", "2").metrics["mIoU"] == 1
        Path(f"{mode}/town_0_1_gtFine_instanceIds.png").unlink()
        said = evaluate("cityscapes-semantic", *between)  # void alone, which does not count
        assert (
            "averageScoreClasses has no class to be a mean of; left out: 19 without a pixel that counts" in said.notes
        )
    png("rgb/town_0_1_gtFine_labelIds.png", np.stack([MAP] * 3, 2))
    for words in (["semantic", "--num-classes", "2"], ["mask-quality", "--num-classes", "2"], ["cityscapes-semantic"]):
        Path("P/town_0_1_gtFine_instanceIds.png").unlink(missing_ok=True)
        said = evaluate(words[0], "--ground-truth", "P", "--predictions", "rgb", *words[1:])
        assert "is RGB with 8 bits, not a label map of one channel" in said.error


@pytest.mark.parametrize("value", [34, 255, 999, 7001, 34_000, 65_535])
def test_both_cityscapes_commands_refuse_the_same_ids(here: Path, evaluate: Evaluate, value: int) -> None:
    ids = np.where(MAP, value, 7)
    png("gt/town_0_1_gtFine_labelIds.png", np.full_like(MAP, 7))
    png("gt/town_0_1_gtFine_instanceIds.png", ids, "I;16")
    png("pred/town_0_1_pred.png", np.full_like(MAP, 7))
    Path("pred/town_0_1_pred.txt").write_text("")
    for metric in ("cityscapes-semantic", "cityscapes-instance"):
        said = evaluate(metric, "--ground-truth", "gt", "--predictions", "pred").error
        assert str(value) in said
        assert "Cityscapes' instance maps hold label ids 0 to 33, and 1000 * label id + number" in said


def test_masks_of_16_bits_are_told_too(here: Path, evaluate: Evaluate) -> None:
    png("white/a.png", MAP * 65_535, "I;16")
    png("labels/a.png", MAP)
    for words in (["semantic", "--num-classes", "2"], ["mask-quality", "--num-classes", "2"]):
        said = evaluate(words[0], "--ground-truth", "white", "--predictions", "labels", *words[1:])
        assert "masks of 0 and 65535 need 1 for the object" in said.error
    png("gt/town_0_1_gtFine_labelIds.png", MAP)
    png("masks/town_0_1.png", MAP * 255)
    said = evaluate("cityscapes-semantic", "--ground-truth", "gt", "--predictions", "masks", "--protocol", "grouped")
    assert "holds nothing but 0 and 255, as a mask does" in said.error


PAIRS: list[tuple[str, str, str]] = [
    ("001.png", "1.png", "(there is '1': its number has other leading zeros)"),
    ("A.png", "a.png", "(there is 'a': upper and lower case differ)"),
    ("a.png", "b/a.png", "(there is 'b/a': it lies in another folder)"),
    ("a.png", "a_pred.png", "(there is 'a_pred': the name goes on)"),
    ("a.png", "a.jpg", "(there is a.jpg; save label maps as PNG)"),
]


@pytest.mark.parametrize(("name", "other", "words"), PAIRS, ids=[words for _, _, words in PAIRS])
def test_names_without_a_partner_say_what_is_there(
    here: Path, evaluate: Evaluate, name: str, other: str, words: str
) -> None:
    for place in (f"gt/{name}", "gt/z.png", f"pred/{other}", "pred/z.png"):
        png(place, MAP)
    semantic = ["semantic", "--ground-truth", "gt", "--predictions", "pred", "--num-classes", "2"]
    assert words in evaluate(*semantic).error
    Path("pred/z.png").rename("pred/y.png")
    assert words.split(":")[0] in evaluate(*semantic).error
    Path("list.txt").write_text(f"{other.split('.')[0]}\n")
    png("pred/z.png", MAP)
    if not other.endswith(".jpg"):
        assert "(there is " in evaluate(*semantic, "--image-list", "list.txt").error


def test_two_files_of_one_name_are_refused(here: Path, evaluate: Evaluate) -> None:
    for name in ("a.png", "a.PNG"):
        png(f"gt/{name}", MAP)
    if len(os.listdir("gt")) < 2:  # noqa: PTH208
        pytest.skip("the file system knows no case")
    said = evaluate("semantic", "--ground-truth", "gt", "--predictions", "gt", "--num-classes", "2")
    assert "have one name, but for its form or ending; keep one" in said.error


def test_a_frame_is_not_taken_for_one_whose_number_goes_on(here: Path, evaluate: Evaluate) -> None:
    for frame in ("town_0_1", "town_0_10"):
        png(f"gt/{frame}_gtFine_instanceIds.png", np.where(MAP, 26_001, 7), "I;16")
        Path("pred").mkdir(exist_ok=True)
        Path(f"pred/{frame}_pred.txt").write_text("")
    assert evaluate("cityscapes-instance", "--ground-truth", "gt", "--predictions", "pred").code == 0
    Path("pred/town_0_1_pred.txt").rename("pred/town_00_01_pred.txt")
    said = evaluate("cityscapes-instance", "--ground-truth", "gt", "--predictions", "pred").error
    assert "has no prediction file town_0_1*.txt (there is 'town_00_01" in said


def panoptic(side: str, **fields: Any) -> dict[str, Any]:
    segment = {"id": 1, "category_id": 1, "area": 16, "iscrowd": 0} | fields
    return {
        "categories": [{"id": 1, "name": "thing", "isthing": 1}, {"id": 2, "name": "stuff", "isthing": 0}],
        "annotations": [{"image_id": 1, "file_name": f"{side}.png", "segments_info": [segment]}],
    }


def write_panoptic(truth: dict[str, Any], results: dict[str, Any]) -> list[str]:
    for side, content in (("gt", truth), ("pred", results)):
        Path(f"{side}.json").write_text(json.dumps(content))
        picture = np.zeros((8, 8, 3), np.uint8)
        picture[:4, :4, 0] = 1
        png(f"{side}/{side}.PNG", picture)
    return ["panoptic", "--ground-truth", "gt.json", "--predictions", "pred.json"]


def test_panoptic_files_follow_the_same_rules(here: Path, evaluate: Evaluate) -> None:
    whole = evaluate(*write_panoptic(panoptic("gt"), panoptic("pred")))
    assert whole.metrics["PQ"] == 1
    assert "PQ is the mean over 1 of 2 classes; left out: 1 without segments that count (stuff)" in whole.notes
    pointed = json.loads(
        json.dumps(panoptic("pred", id=1.0, category_id=1.0)).replace('"image_id": 1', '"image_id": 1.0')
    )
    assert evaluate(*write_panoptic(panoptic("gt", id=1.0, area=16.0), pointed)).metrics == whole.metrics
    for fields, words in (
        ({"id": 1.5}, "field `id` is 1.5; write a whole number"),
        ({"id": 10**19}, "is 10000000000000000000; use less than 2^63"),
        ({"category_id": -1}, "field `category_id` is -1; use at least 0"),
        ({"id": 0}, "field `id` must be from 1 to 16777215; 0 is void"),
        ({"area": -3}, "field `area` is -3"),
    ):
        assert words in evaluate(*write_panoptic(panoptic("gt", **fields), panoptic("pred"))).error
    crowd = evaluate(*write_panoptic(panoptic("gt", iscrowd=1), panoptic("pred"))).notes
    assert "PQ has no class to be a mean of; left out: 1 of crowds alone (thing)" in crowd
    lost = panoptic("gt")
    lost["annotations"][0]["segments_info"].append({"id": 2, "category_id": 2, "area": 5})
    assert (
        "segments of the ground truth without a pixel in the PNG: 1"
        in evaluate(*write_panoptic(lost, panoptic("pred"))).notes
    )


def test_lists_of_another_form_are_refused(here: Path, evaluate: Evaluate) -> None:
    for images in (5, {"id": 1}, "a.jpg"):
        said = evaluate(*write_panoptic(panoptic("gt") | {"images": images}, panoptic("pred")))
        assert "gt.json: field `images` must be a list" in said.error
    assert evaluate(*write_panoptic(panoptic("gt") | {"images": None}, panoptic("pred"))).metrics["PQ"] == 1


ENDINGS: list[tuple[str, str, str]] = [
    ("a_gtFine_labelIds.png", "a_leftImg8bit.png", "(there is 'a_leftImg8bit': another ending of Cityscapes)"),
    ("a_gtFine_labelIds.png", "x/a_leftImg8bit.png", "(there is 'x/a_leftImg8bit': another ending of Cityscapes)"),
    ("a_b.png", "a-b.png", "(there is 'a-b': it is spelled differently)"),
    ("a b.png", "a%20b.png", "(there is 'a%20b': it is spelled differently)"),
    ("\uff11.png", "1.png", "(there is '1': it is spelled differently)"),
]


@pytest.mark.parametrize(("name", "other", "words"), ENDINGS, ids=[words for _, _, words in ENDINGS])
def test_a_name_that_another_program_changed_is_named(
    here: Path, evaluate: Evaluate, name: str, other: str, words: str
) -> None:
    png(f"gt/{name}", MAP)
    png(f"pred/{other}", MAP)
    assert words in evaluate("semantic", "--ground-truth", "gt", "--predictions", "pred", "--num-classes", "2").error


def test_another_frame_is_not_named_instead_of_a_missing_one(here: Path, evaluate: Evaluate) -> None:
    for place in ("gt/frame_0001.png", "gt/frame_0002.png", "pred/frame_0001.png"):
        png(place, MAP)
    said = evaluate("semantic", "--ground-truth", "gt", "--predictions", "pred", "--num-classes", "2").error
    assert "there is no prediction pred/frame_0002.png, and 1 of 2 are missing" in said


def test_frames_of_cityscapes_are_paired_whatever_their_form(here: Path, evaluate: Evaluate) -> None:
    truth, found = np.where(MAP, 7, 11), np.where(MAP, 7, 0)
    for form, other in (("NFC", "NFD"), ("NFD", "NFC")):
        shutil.rmtree("gt", ignore_errors=True)
        shutil.rmtree("pred", ignore_errors=True)
        png("gt/" + normalize(form, "zürich_0_1_gtFine_labelIds.PNG"), truth)
        png("gt/" + normalize(other, "zürich_0_1_gtFine_instanceIds.png"), truth)
        png("pred/" + normalize(other, "zürich_0_1_leftImg8bit.png"), found)
        said = evaluate("cityscapes-semantic", "--ground-truth", "gt", "--predictions", "pred")
        assert said.metrics["averageScoreClasses"] == 0.5  # road is found, building is not


def test_an_instance_map_of_another_size_is_said_to_be_one(here: Path, evaluate: Evaluate) -> None:
    png("gt/town_0_1_gtFine_labelIds.png", MAP)
    png("gt/town_0_1_gtFine_instanceIds.png", MAP[:5])
    png("pred/town_0_1.png", MAP)
    said = evaluate("cityscapes-semantic", "--ground-truth", "gt", "--predictions", "pred").error
    assert "instanceIds.png is 8x5 pixels, town_0_1_gtFine_labelIds.png beside it 8x8; take both from one data" in said


CAR, PERSON = np.zeros((30, 40), np.uint8), np.zeros((30, 40), np.uint8)
CAR[2:16, 2:16], PERSON[18:29, 20:39] = 1, 1
INSTANCES = ["cityscapes-instance", "--ground-truth", "gt", "--predictions", "pred"]


def write_instances(car: Image.Image | None, lines: str, encoding: str = "utf-8") -> None:
    """One car and one person, the masks `car.png` and `person.png`, and the lines that name them."""
    png("gt/town_0_1_gtFine_instanceIds.png", 7 + CAR.astype(int) * 25_993 + PERSON.astype(int) * 23_993, "I;16")
    png("pred/person.png", PERSON * 255)
    if car is not None:
        car.save("pred/car.png")
    Path("pred/town_0_1.txt").write_text(lines, encoding=encoding)


BOTH = "car.png 26 0.9\nperson.png 24 0.5\n"


def test_a_mask_that_turns_black_as_a_picture_is_refused(here: Path, evaluate: Evaluate) -> None:
    black = Image.fromarray(CAR).convert("P")
    black.putpalette([0] * 768)
    for car in (black, Image.fromarray(np.stack([CAR, CAR * 0, CAR * 0], 2))):
        write_instances(car, BOTH)
        said = evaluate(*INSTANCES).error
        assert "town_0_1.txt, line 1: the mask " in said
        assert "car.png is black as a picture, though it holds other numbers than 0; save it grey" in said
    Path("pred/car.png").unlink()
    write_instances(None, BOTH)
    colours = np.stack([CAR.astype(np.uint16)] * 3, 2)  # 16 bits, of which programs drop the lower half
    Path("pred/car.png").write_bytes(cv2.imencode(".png", colours)[1].tobytes())
    assert "is black as a picture" in evaluate(*INSTANCES).error
    write_instances(Image.fromarray(CAR * 255).convert("P"), BOTH)
    assert evaluate(*INSTANCES).metrics["AP50"] == 1


def test_a_mask_without_a_pixel_is_noted(here: Path, evaluate: Evaluate) -> None:
    for empty in (Image.fromarray(CAR * 0), Image.fromarray(CAR * 0).convert("RGBA")):
        write_instances(empty, BOTH)
        said = evaluate(*INSTANCES)
        assert said.metrics["AP50"] == 0.5
        assert "predictions without a pixel, which find nothing: 1 (first: pred/town_0_1.txt, line 1)" in said.notes
    write_instances(Image.fromarray(CAR), BOTH)
    assert "without a pixel" not in evaluate(*INSTANCES).notes


def test_lines_of_predictions_are_read_as_they_are_meant(here: Path, evaluate: Evaluate) -> None:
    write_instances(Image.fromarray(CAR), BOTH, "utf-8-sig")
    assert evaluate(*INSTANCES).metrics["AP50"] == 1
    for number in ("0_9", "\uff19", "nan", "1e999"):
        write_instances(Image.fromarray(CAR), f"car.png 26 {number}\n")
        assert "town_0_1.txt, line 1: " in evaluate(*INSTANCES).error
    write_instances(Image.fromarray(CAR), "car.png 1e300 0.9\n")
    assert "label id 1e+300 is none of Cityscapes" in evaluate(*INSTANCES).error
    Path("pred/car.png").rename("pred/" + normalize("NFD", "zürich.png"))
    write_instances(None, normalize("NFC", "zürich.png 26 0.9\n") + "person.png 24 0.5\n")
    assert evaluate(*INSTANCES).metrics["AP50"] == 1


@pytest.mark.parametrize(
    "words", [["--ground-truth", "", "--predictions", "."], ["--ground-truth", ".", "--predictions="]]
)
def test_an_empty_name_is_not_the_folder_one_is_in(here: Path, evaluate: Evaluate, words: list[str]) -> None:
    png("a.png", MAP)
    said = evaluate("semantic", *words, "--num-classes", "2")
    assert "is empty; name what belongs there, or leave the option out" in said.error
    assert evaluate("semantic", "--ground-truth", ".", "--predictions", ".", "--num-classes", "2").metrics["mIoU"] == 1


def test_an_output_below_a_file_names_the_file(here: Path, evaluate: Evaluate) -> None:
    png("gt/a.png", MAP)
    Path("out").write_text("")
    words = ["semantic", "--ground-truth", "gt", "--predictions", "gt", "--num-classes", "2"]
    for place in ("out/x.json", "out/deeper/x.json"):
        assert "lies below out" in evaluate(*words, "--json", place).error
