"""Captions of SegGen: where they come from, what is kept of them, and files that do not fit."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.errors import InputError
from methods.common.generators.captioners import Blip2Captions, TemplateCaptions, load_captioner
from methods.common.miniature.ade20k_view import DrawAde20kConfig, draw_ade20k
from methods.common.resumable_records import read_lines
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.seggen.captions import own_captions, peoples_captions, short_form
from methods.seggen.stages.captions import CAPTIONS, CaptionsConfig, OwnCaptions, PeoplesCaptions, caption_images
from tests.contracts.contexts import attempt, files_of
from tests.unit.tiny_models import tiny_blip2

PRINTED = (
    "a bed, and a window",
    "twin beds",
    "a carpeted room with a desk and chairs",
    "a room with artwork on the walls",
    "a woman painting a dog",
    "a giant inflatable gorilla",
)
"""The six captions that the authors show (SegGen section 3)."""
OWN = CaptionsConfig(captioner=OwnCaptions())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    draw_ade20k(Inputs(), DrawAde20kConfig(num_train=12, num_val=4), LocalContext(out))
    return out


@pytest.fixture(scope="module")
def blip2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_blip2(tmp_path_factory.mktemp("blip2"))


def run(config: CaptionsConfig, out: Path, seeds: Seeds | None = None, **roles: Path) -> tuple[list[dict], dict]:
    out.mkdir(exist_ok=True)
    inputs = Inputs({role: (place,) for role, place in roles.items()})
    record = caption_images(inputs, config, LocalContext(out, seeds or Seeds()))
    return read_lines(out / "captions.jsonl"), record


@pytest.mark.parametrize("caption", PRINTED)
def test_printed_captions_have_the_form_that_ours_get(caption: str) -> None:
    assert short_form(caption) == caption
    assert short_form(f"  {caption.capitalize()}. \n") == caption
    assert 2 <= len(caption.split()) <= 8


def test_own_captions_are_those_of_the_world_in_the_order_of_the_split(world: Path, tmp_path: Path) -> None:
    lines, record = run(OWN, tmp_path, data=world)
    data = open_labelled_images(world, "training")
    truth = {line["id"]: line["caption"] for line in read_lines(world / "captions.jsonl")}
    assert [line["id"] for line in lines] == [data.name(index) for index in range(12)]
    assert [line["caption"] for line in lines] == [truth[line["id"]] for line in lines]
    for index in (0, 11):
        assert lines[index]["image_sha256"] == hashlib.sha256(data[index][0].tobytes()).hexdigest()
    assert {line["captioner"] for line in lines} == {"own"} == {record["captioner"]}
    assert record["num_images"] == 12
    assert record["longest_words"] == max(len(line["caption"].split()) for line in lines)


def test_a_smaller_number_of_images_and_the_other_split(world: Path, tmp_path: Path) -> None:
    few, _ = run(OWN.model_copy(update={"max_images": 3}), tmp_path / "few", data=world)
    more, _ = run(OWN.model_copy(update={"max_images": 5}), tmp_path / "more", data=world)
    val, _ = run(OWN.model_copy(update={"split": "validation"}), tmp_path / "val", data=world)
    assert len(few) == 3
    assert {line["id"] for line in few} < {line["id"] for line in more}
    assert [line["id"][:7] for line in val] == ["ADE_val"] * 4


def test_shuffled_captions_are_those_of_others_each_once(world: Path, tmp_path: Path) -> None:
    config = OWN.model_copy(update={"shuffled": True})
    right, _ = run(OWN, tmp_path / "right", data=world)
    lines, _ = run(config, tmp_path / "shuffled", data=world)
    again, _ = run(config, tmp_path / "again", Seeds(training=3), data=world)
    other, _ = run(config, tmp_path / "other", Seeds(generation=1), data=world)
    assert [line["id"] for line in lines] == [line["id"] for line in right]
    assert sorted(line["caption"] for line in lines) == sorted(line["caption"] for line in right)
    assert len({line["caption"] for line in right}) == 12
    assert all(one["caption"] != two["caption"] for one, two in zip(lines, right, strict=True))
    assert [line["image_sha256"] for line in lines] == [line["image_sha256"] for line in right]
    assert lines == again != other


def test_sentences_name_the_classes_of_the_mask(world: Path, tmp_path: Path) -> None:
    config = CaptionsConfig(captioner=TemplateCaptions(templates=("we see {names}",)))
    lines, _ = run(config, tmp_path, data=world)
    data = open_labelled_images(world, "training")
    for index, line in enumerate(lines):
        present = [data.class_names[k] for k in np.unique(data[index][1]) if k < 255]
        assert all(f"a {name}" in line["caption"] for name in present)


def test_blip2_looks_at_the_image_and_says_which_network_it_is(world: Path, blip2: Path, tmp_path: Path) -> None:
    config = CaptionsConfig(captioner=Blip2Captions(num_beams=1, max_new_tokens=4))
    lines, record = run(config, tmp_path / "out", data=world, captioner=blip2)
    captioner = load_captioner(config.captioner, blip2, torch.device("cpu"))
    image_HW3, _ = open_labelled_images(world, "training")[7]
    assert lines[7]["caption"] == captioner.captions(image_HW3, [], [0])[0]
    assert len({line["caption"] for line in lines}) > 1
    assert record["captioner"].startswith("blip2 ")
    other = Path(shutil.copytree(blip2, tmp_path / "other"))
    place = other / "generation_config.json"
    place.write_text(place.read_text().replace("5", "6", 1))
    changed, _ = run(config, tmp_path / "changed", data=world, captioner=other)
    assert changed[0]["captioner"] != lines[0]["captioner"], "another revision is told apart"


def test_a_network_without_words_leaves_the_names_of_the_classes(
    world: Path, blip2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from methods.common.generators.captioners import Blip2Captioner

    monkeypatch.setattr(Blip2Captioner, "captions", lambda *_: [" . "])
    lines, _ = run(CaptionsConfig(), tmp_path, data=world, captioner=blip2)
    data = open_labelled_images(world, "training")
    for index, line in enumerate(lines):
        labels, counts = np.unique(data[index][1], return_counts=True)
        largest = [data.class_names[k] for k in labels[np.argsort(-counts, kind="stable")] if k < 255]
        assert line["caption"] == " and ".join(largest)


def test_a_killed_stage_ends_with_the_same_bytes(world: Path, tmp_path: Path) -> None:
    inputs = Inputs({"data": (world,)})
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    record = caption_images(inputs, OWN, LocalContext(whole))
    attempt(caption_images, inputs, OWN, killed, kill_at=5)
    assert caption_images(inputs, OWN, LocalContext(killed)) == record
    assert files_of(killed) == files_of(whole)


def people(folder: Path, captions: list[tuple[int, int, str]], names: dict[int, str]) -> None:
    (folder / "annotations").mkdir(exist_ok=True)
    document = {
        "images": [{"id": id, "file_name": f"{name}.jpg"} for id, name in names.items()],
        "annotations": [{"id": id, "image_id": image, "caption": text} for id, image, text in captions],
    }
    (folder / "annotations" / "captions_train2017.json").write_text(json.dumps(document))


def test_of_the_captions_by_people_the_one_with_the_smallest_id_counts(tmp_path: Path) -> None:
    people(tmp_path, [(9, 1, "later"), (3, 1, "A cat."), (5, 2, "two dogs")], {1: "000001", 2: "000002"})
    assert peoples_captions(tmp_path, "train2017", ["000002", "000001"]) == ["two dogs", "A cat."]
    with pytest.raises(InputError, match=r"has no caption for 1 of 2 images, '000003' among them"):
        peoples_captions(tmp_path, "train2017", ["000002", "000003"])
    with pytest.raises(InputError, match=r"captions_val2017\.json holds no captions as COCO has them \(No such file"):
        peoples_captions(tmp_path, "val2017", ["000002"])
    people(tmp_path, [(3, 7, "of no image")], {1: "000001"})
    with pytest.raises(InputError, match=r"holds no captions as COCO has them \(7 is missing\)"):
        peoples_captions(tmp_path, "train2017", ["000001"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('{"id": "a", "caption": "one"}\n', r"has no caption for 1 of 2 images, 'b' among them"),
        ('{"id": "a", "caption": "one"}\n{"id": "b", "caption": " "}\n', r"no caption for 1 of 2 images, 'b'"),
        ('{"id": "x", "caption": "one"}\n', r"is about other images: .* none of the 2 here, such as 'a'"),
        ('{"id": "a", "caption": "one"}\n' * 2, r"line 2: image 'a' has a caption already"),
        ('{"id": "a"}\n', r"line 1 lacks `id` or `caption`"),
        ("[]\n", r"line 1 is no JSON object"),
    ],
)
def test_a_file_of_captions_that_does_not_fit_is_one_sentence(tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "captions.jsonl").write_text(lines)
    with pytest.raises(InputError, match=said):
        own_captions(tmp_path, ["a", "b"])


def test_no_captions_and_no_network_are_the_users_mistake(world: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(world, tmp_path / "bare"))
    (bare / "captions.jsonl").unlink()
    with pytest.raises(InputError, match=r"captions\.jsonl is missing"):
        run(OWN, tmp_path / "one", data=bare)
    with pytest.raises(InputError, match="'blip2' needs a folder with its network; name one for the role 'captioner'"):
        run(CaptionsConfig(), tmp_path / "two", data=world)
    with pytest.raises(InputError, match=r"captions_training\.json holds no captions as COCO has them"):
        run(CaptionsConfig(captioner=PeoplesCaptions()), tmp_path / "three", data=world)


def test_planning_the_stage_loads_nothing_heavy() -> None:
    code = (
        "import sys, methods.seggen.stages.captions\n"
        "print({'torch', 'cv2', 'diffusers', 'transformers', 'PIL', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert (CAPTIONS.name, CAPTIONS.seed_axes) == ("seggen_captions", ("generation",))
