"""Pictures of a domain: their layouts, the squares that are cut, what they show, and texts about it."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from methods.common.errors import InputError
from methods.diffumask_robust.adaptation.config import AdaptationConfig
from methods.diffumask_robust.adaptation.domain_images import (
    LabelledPictures,
    cut_square,
    list_in_words,
    open_pictures,
    shown_classes,
)
from methods.diffumask_robust.adaptation.texts import classes_prompt, draw_classes, text_of
from tests.unit.cityscapes_frames import add_frame, instance_map
from tests.unit.test_prompts import Words

CAR, PERSON = 26, 24
NAMES = {7: "road", CAR: "car", PERSON: "person"}


def street(root: Path) -> Path:
    add_frame(root, "bonn_000000_000019", instance_map((26000, 0, 0, 12, 24), (24000, 40, 0, 48, 4)))
    add_frame(root, "aachen_000000_000019", instance_map())
    return root


class Drawn:
    """A picture whose colours tell where they were."""

    class_names = ("background", "left", "right")

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image = np.zeros((8, 20, 3), np.uint8)
        image[..., 0] = np.arange(20) * 10
        return image, (np.arange(20) // 10 + 1).astype(np.uint8)[None].repeat(8, 0)

    def name(self, index: int) -> str:
        return "drawn"


# -- pictures --


def test_labels_of_cityscapes_are_needed_for_tags_only(tmp_path: Path) -> None:
    root = street(tmp_path)
    image, label, names = open_pictures(root, "train", with_labels=True).read(1)
    assert image.shape == (24, 48, 3)
    assert label is not None
    assert set(np.unique(label)) == {7, CAR, PERSON}
    assert names[CAR] == "car"
    assert len(names) == 19
    next((root / "gtFine").glob("train/bonn/*_labelIds.png")).unlink()
    assert open_pictures(root, "train", with_labels=False).read(1)[1] is None
    with pytest.raises(InputError, match="from which tags are read; add it, or adapt with one fixed text"):
        open_pictures(root, "train", with_labels=True)
    with pytest.raises(InputError, match="name another split or folder"):
        open_pictures(root, "test", with_labels=False)


def test_a_damaged_picture_is_told(tmp_path: Path) -> None:
    root = street(tmp_path)
    next((root / "leftImg8bit").glob("train/aachen/*")).write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be decoded; replace it"):
        open_pictures(root, "train", with_labels=False).read(0)


def test_a_square_is_as_large_as_the_picture_and_lies_anywhere_along_it() -> None:
    pictures = LabelledPictures(Drawn(), with_labels=True)
    lefts = Counter()
    for seed in range(200):
        square = cut_square(pictures, 0, 8, 0, 0.0, np.random.default_rng(seed))
        columns = square.image_SS3[0, :, 0] // 10
        assert np.array_equal(columns, np.arange(columns[0], columns[0] + 8))
        left = int(columns[0])
        lefts[left] += 1
        expected = ("left",) if left <= 2 else ("right",) if left >= 10 else None
        if expected:
            assert square.classes == expected
        else:
            assert square.classes[0] == ("left" if 10 - left >= 4 else "right")
    assert set(lefts) == set(range(13))


def test_squares_are_resized_and_mirrored_in_their_share() -> None:
    pictures = LabelledPictures(Drawn(), with_labels=False)
    made = [cut_square(pictures, 0, 4, 0.25, 0.0, np.random.default_rng(seed)) for seed in range(200)]
    assert {square.image_SS3.shape for square in made} == {(4, 4, 3)}
    assert {square.classes for square in made} == {()}
    mirrored = sum(bool(square.image_SS3[0, 0, 0] > square.image_SS3[0, -1, 0]) for square in made)
    assert mirrored == pytest.approx(50, abs=20)


def test_classes_below_their_share_and_without_a_name_are_not_told() -> None:
    label = np.repeat([7, CAR, PERSON, 3], [60, 30, 8, 2])[None]
    assert shown_classes(label, NAMES, 0.0) == ("road", "car", "person")
    assert shown_classes(label, NAMES, 0.1) == ("road", "car")


# -- texts --


def test_lists_in_words() -> None:
    assert [list_in_words(["a", "b", "c"][:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_as_many_tags_as_the_text_encoder_reads_the_largest_first() -> None:
    config = AdaptationConfig(texts="tags", tag_text="a street with {classes}", fixed_text="a street")
    classes = ["road", "sky", "car"]
    assert text_of(classes, config, Words()) == "a street with road, sky and car"
    assert text_of(classes, config, Words(8)) == "a street with road and sky"
    assert text_of(classes, config, Words(5)) == "a street"
    assert text_of([], config, Words()) == "a street"
    assert text_of(classes, config.model_copy(update={"max_tags": 1}), Words()) == "a street with road"
    assert text_of(classes, config.model_copy(update={"texts": "fixed"}), Words()) == "a street"
    with pytest.raises(InputError, match="is longer than the 3 tokens"):
        text_of(classes, config, Words(3))


def test_a_tag_text_without_its_place_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"must hold \{classes\} once"):
        AdaptationConfig(tag_text="a street")


def test_a_prompt_of_several_classes_keeps_each_span() -> None:
    prompt = classes_prompt("a street with {classes}, seen from a car", [(0, "road"), (10, "sky"), (13, "car")], "p")
    assert prompt.text == "a street with road, sky and car, seen from a car"
    assert [(class_id, prompt.text[start:end]) for class_id, start, end in prompt.spans] == [
        (0, "road"),
        (10, "sky"),
        (13, "car"),
    ]
    with pytest.raises(InputError, match="at least one class word"):
        classes_prompt("a street with {classes}", [], "p")


def test_classes_are_drawn_by_weight_after_those_that_are_always_named() -> None:
    drawn = [draw_classes({0: 5, 1: 3, 2: 1, 3: 1}, (0, 9), 3, np.random.default_rng(seed)) for seed in range(400)]
    assert {classes[:2] for classes in drawn} == {(0, 9)}
    assert Counter(len(classes) - 2 for classes in drawn).keys() == {1, 2, 3}
    assert all(len(set(classes)) == len(classes) for classes in drawn)
    first = Counter(classes[2] for classes in drawn if len(classes) == 3)
    assert first[1] / sum(first.values()) == pytest.approx(0.6, abs=0.12)
