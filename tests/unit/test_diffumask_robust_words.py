"""Captions of images, and words that CLIP recognises: what the stages write, by generators and judges that are told what to say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.datasets.voc import encode_labels
from methods.common.errors import InputError
from methods.common.generators.captioners import TemplateCaptions
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.stage import Inputs, LocalContext
from methods.diffumask_robust.stages import filter_words as words_stage
from methods.diffumask_robust.stages.caption import CaptionConfig, caption
from methods.diffumask_robust.stages.filter_words import FilterWordsConfig, filter_words
from methods.diffumask_robust.stages.prompts import AugmentedPrompts, PromptsConfig, make_prompts
from tests.unit.test_diffumask_robust_stages_go_on import same_after_kills

CLASSES = ("background", "coin", "hoop")
SHOWN = {"a": [0, 2, 255], "b": [0, 1, 2], "c": [0, 255]}
GENERATOR = CHECKPOINTS / "stable_diffusion"
CAPTIONS = CaptionConfig(captioner=TemplateCaptions(templates=("a photo of {names}",)), split="val")


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    """Images whose labels show known classes, in VOC's layout."""
    folder = tmp_path / "voc"
    for below in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / below).mkdir(parents=True)
    for name, labels in SHOWN.items():
        Image.fromarray(np.zeros((1, len(labels), 3), np.uint8)).save(folder / "JPEGImages" / f"{name}.png")
        (folder / "SegmentationClass" / f"{name}.png").write_bytes(encode_labels(np.array([labels], np.uint8)))
    (folder / "ImageSets/Segmentation/val.txt").write_text("".join(f"{name}\n" for name in SHOWN))
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    return folder


def test_each_image_has_a_caption_of_what_it_shows_and_prompts_read_them(voc: Path, tmp_path: Path) -> None:
    record = caption(Inputs({"data": [voc]}), CAPTIONS, LocalContext(tmp_path))
    lines = [json.loads(line) for line in (tmp_path / "captions.jsonl").read_text().splitlines()]
    assert [(line["image"], line["caption"], line["shown"]) for line in lines] == [
        ("a", "a photo of a hoop", ["hoop"]),
        ("b", "a photo of a coin and a hoop", ["coin", "hoop"]),
        ("c", "", []),
    ]
    assert record == {"num_images": 3, "num_captions": 3, "images_per_class": {"coin": 1, "hoop": 2}}
    asked = PromptsConfig(prompts=AugmentedPrompts(), lexicon="miniature", num_prompts=6)
    out = tmp_path / "prompts"
    out.mkdir()
    inputs = Inputs({"data": [voc], "generator": [GENERATOR], "captions": [tmp_path]})
    record = make_prompts(inputs, asked, LocalContext(out))
    made = [json.loads(line) for line in (out / "prompts.jsonl").read_text().splitlines()]
    assert {line["base_id"] for line in made} == {"caption0", "caption1"}
    assert {tuple(span[0] for span in line["spans"]) for line in made} == {(2,), (1, 2)}


def test_more_images_than_there_are_is_told(voc: Path, tmp_path: Path) -> None:
    config = CAPTIONS.model_copy(update={"num_images": 4})
    with pytest.raises(InputError, match=r"num_images is 4, but the split 'val' has 3"):
        caption(Inputs({"data": [voc]}), config, LocalContext(tmp_path))


class _Clip:
    """Takes a picture of so much grey for the class of that number."""

    def embed_texts(self, texts: list[str]) -> torch.Tensor:
        assert texts == ["a photo of a coin", "a photo of a hoop"]
        return torch.eye(2)

    def embed_images(self, images: list[Any]) -> torch.Tensor:
        return torch.eye(2)[[int(image[0, 0, 0]) for image in images]]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """A generator that paints synonyms of coin as hoops in all images but one, and everything else as asked; the calls."""
    calls: list[tuple[str, int]] = []

    def sample(pipeline: Any, texts: list[str], seeds: list[int], config: Any) -> np.ndarray:
        made = []
        for text, seed in zip(texts, seeds, strict=True):
            calls.append((text, seed))
            first = next(one for other, one in calls if other == text) == seed
            hoop = ("hoop" in text or "loop" in text) or ("token" in text and not first)
            made.append(np.full((1, 1, 3), int(hoop), np.uint8))
        return np.stack(made)

    monkeypatch.setattr("methods.common.generators.sampling.sample_images", sample)
    monkeypatch.setattr("methods.common.generators.sampling.load_pipeline", lambda *_: None)
    monkeypatch.setattr("methods.common.clip.ClipScorer.from_pretrained", lambda *_: _Clip())
    return calls


WORDS = FilterWordsConfig(
    lexicon="miniature", template="a photo of a {word}", num_images=3, min_right=2, batch_size=2, precision="float32"
)


def test_words_that_clip_takes_for_another_class_leave_the_lexicon(
    voc: Path, tmp_path: Path, judged: list[tuple[str, int]]
) -> None:
    inputs = Inputs({"data": [voc], "generator": [GENERATOR], "clip": [tmp_path]})
    record = filter_words(inputs, WORDS, LocalContext(tmp_path))
    stored = json.loads((tmp_path / "lexicon.json").read_text())["classes"]
    assert (stored["coin"]["self"], stored["coin"]["synonym"]) == (["coin"], [])
    assert stored["coin"]["hyponym"] == ["slim coin", "broad coin"]
    assert stored["hoop"]["synonym"] == ["loop"]
    assert record == {"num_words": 6, "num_kept": 5, "kept_by_class": {"coin": 2, "hoop": 3}}
    lines = [json.loads(line) for line in (tmp_path / words_stage.WORDS_FILE).read_text().splitlines()]
    assert {line["word"]: line["right"] for line in lines}["token"] == 1
    assert len(judged) == 6 * 3
    assert len({seed for _, seed in judged}) == 6 * 3


def test_an_interrupted_trial_of_words_goes_on(voc: Path, tmp_path: Path, judged: list[tuple[str, int]]) -> None:
    inputs = Inputs({"data": [voc], "generator": [GENERATOR], "clip": [tmp_path]})
    left = same_after_kills(filter_words, inputs, WORDS, tmp_path, (1, 3))
    assert {"lexicon.json", words_stage.WORDS_FILE} <= set(left)
