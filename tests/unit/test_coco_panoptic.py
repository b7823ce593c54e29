"""COCO's panoptic layout: the miniature view, real samples, and what is wrong with files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from methods.common.datasets.coco_panoptic import open_coco_panoptic
from methods.common.datasets.open_labelled import open_labelled_images
from methods.common.errors import InputError
from methods.common.miniature.ade20k_view import DrawAde20kConfig, draw_ade20k
from methods.common.miniature.backgrounds import BACKGROUNDS
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.coco_panoptic_view import DRAW_COCO_PANOPTIC, DrawCocoPanopticConfig, draw_coco_panoptic
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from tests.contracts.contexts import attempt, files_of

SMALL = DrawCocoPanopticConfig(num_train=40, num_val=6, repeat_share=0.8, crowd_share=0.5, unlabelled_share=0.4)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("coco")
    return out, draw_coco_panoptic(Inputs(), SMALL, LocalContext(out, Seeds(data=3)))


def test_it_reads_back_with_things_stuff_crowds_and_void(drawn: tuple[Path, dict]) -> None:
    out, record = drawn
    train = open_coco_panoptic(out, "train2017")
    assert train.class_names == (*CATEGORY_NAMES[:12], *BACKGROUNDS)
    assert train.is_thing == (True,) * 12 + (False,) * 8
    assert len(train) == 40 == record["num_train_images"]
    samples = [train[index] for index in range(40)]
    segments = [segment for sample in samples for segment in sample.segments]
    assert any(segment.is_crowd for segment in segments)
    assert any(not train.is_thing[segment.category] for segment in segments)
    assert any((sample.segment_HW == 0).any() for sample in samples), "no void"
    for sample in samples:
        for segment in sample.segments:
            assert (sample.segment_HW == segment.id).sum() == segment.area_px
        assert ((sample.class_HW == 255) == (sample.segment_HW == 0)).all()
    several = [sample for sample in samples if len({one.category for one in sample.segments}) < len(sample.segments)]
    assert several, "no image has two segments of a class"


def test_the_scenes_are_those_of_the_view_as_ade20k(drawn: tuple[Path, dict], tmp_path: Path) -> None:
    out, _ = drawn
    same = {name: getattr(SMALL, name) for name in DrawAde20kConfig.model_fields}
    draw_ade20k(Inputs(), DrawAde20kConfig(**same), LocalContext(tmp_path, Seeds(data=3)))
    panoptic, semantic = open_coco_panoptic(out, "val2017"), open_labelled_images(tmp_path, "validation")
    other = np.full(256, 255, np.uint8)
    other[:20] = [semantic.class_names.index(name) for name in panoptic.class_names]
    for index in range(6):
        sample, (image_HW3, label_HW) = panoptic[index], semantic[index]
        assert (sample.image_HW3 == image_HW3).all()
        assert (other[sample.class_HW] == label_HW).all()


def test_instances_and_captions_have_the_official_keys(drawn: tuple[Path, dict]) -> None:
    from pycocotools.coco import COCO

    out, _ = drawn
    instances = COCO(str(out / "annotations" / "instances_train2017.json"))
    panoptic = open_coco_panoptic(out, "train2017")
    for index in range(len(panoptic)):
        sample = panoptic[index]
        things = [one for one in sample.segments if panoptic.is_thing[one.category]]
        found = instances.loadAnns(instances.getAnnIds(imgIds=[panoptic.image_id(index)]))
        assert [one["iscrowd"] for one in found] == [int(one.is_crowd) for one in things]
        for annotation, thing in zip(found, things, strict=True):
            assert (instances.annToMask(annotation).astype(bool) == (sample.segment_HW == thing.id)).all()
            assert annotation["category_id"] == panoptic.categories[thing.category].id
    captions = COCO(str(out / "annotations" / "captions_train2017.json"))
    assert len(captions.anns) == 40
    assert all(one["caption"] for one in captions.anns.values())


def test_a_killed_stage_ends_with_the_same_bytes(drawn: tuple[Path, dict], tmp_path: Path) -> None:
    out, record = drawn
    attempt(draw_coco_panoptic, Inputs(), SMALL, tmp_path, seeds=Seeds(data=3), kill_at=9)
    assert draw_coco_panoptic(Inputs(), SMALL, LocalContext(tmp_path, Seeds(data=3))) == record
    assert files_of(tmp_path) == files_of(out)
    assert DRAW_COCO_PANOPTIC.seed_axes == ("data",)


def one_image(folder: Path, segments: list[dict], segment_HW: np.ndarray, picture: str = "5.png") -> None:
    """A data set of one image of 8 x 6 pixels."""
    (folder / "annotations" / "panoptic_val").mkdir(parents=True, exist_ok=True)
    (folder / "val").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "val" / picture), np.full((6, 8, 3), 90, np.uint8))
    bgr_HW3 = np.stack([segment_HW >> 16 & 255, segment_HW >> 8 & 255, segment_HW & 255], -1).astype(np.uint8)
    cv2.imwrite(str(folder / "annotations" / "panoptic_val" / "5.png"), bgr_HW3)
    annotation = {"image_id": 5, "file_name": "5.png", "segments_info": segments}
    categories = [{"id": 90, "name": "sky", "isthing": 0}, {"id": 7, "name": "cat", "isthing": 1}]
    document = {"annotations": [annotation], "categories": categories}
    (folder / "annotations" / "panoptic_val.json").write_text(json.dumps(document))


def segment(id: int, category_id: int = 7) -> dict:
    return {"id": id, "category_id": category_id, "area": 24, "iscrowd": 0}


def test_classes_are_in_the_order_of_ids_and_ids_have_three_bytes(tmp_path: Path) -> None:
    map_HW = np.zeros((6, 8), np.uint32)
    map_HW[:3], map_HW[3:, :4] = 70_000, 300
    one_image(tmp_path, [segment(70_000, 90), segment(300, 7)], map_HW)
    data = open_coco_panoptic(tmp_path, "val")
    assert data.class_names == ("cat", "sky")
    assert [one.category for one in data[0].segments] == [1, 0]
    assert (data[0].class_HW == [[1] * 8] * 3 + [[0] * 4 + [255] * 4] * 3).all()
    data.check(0)


def test_what_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    map_HW = np.full((6, 8), 3, np.uint32)
    map_HW[0, 0] = 4
    one_image(tmp_path, [segment(3)], map_HW)
    with pytest.raises(InputError, match=r"5\.png holds segment 4, which the list of image 5 lacks"):
        open_coco_panoptic(tmp_path, "val")
    one_image(tmp_path, [segment(3), segment(4), segment(9)], map_HW)
    with pytest.raises(InputError, match=r"5\.png holds no pixel of segment 9 of image 5"):
        open_coco_panoptic(tmp_path, "val")
    one_image(tmp_path, [segment(3)], np.full((8, 8), 3, np.uint32))
    with pytest.raises(InputError, match=r"5\.png is 8x8 pixels, but its image .* is 8x6"):
        open_coco_panoptic(tmp_path, "val")
    with pytest.raises(InputError, match=r"has no split 'train2017' .* the splits there are val"):
        open_coco_panoptic(tmp_path, "train2017")
    (tmp_path / "val" / "5.png").unlink()
    with pytest.raises(InputError, match=r"image 5 of .* has no picture: there is no .*5\.jpg or .*5\.png"):
        open_coco_panoptic(tmp_path, "val")


def test_real_files_are_read(shared: Path, tmp_path: Path) -> None:
    samples = shared / "data" / "coco_images" / "panoptic"
    (tmp_path / "annotations").mkdir()
    for place, target in (
        ("panoptic_examples.json", "annotations/panoptic_val2017.json"),
        ("panoptic_examples", "annotations/panoptic_val2017"),
        ("input_images", "val2017"),
    ):
        (tmp_path / target).symlink_to(samples / place)
    document = json.loads((samples / "panoptic_examples.json").read_text())
    data = open_coco_panoptic(tmp_path, "val2017")
    assert (len(data.class_names), sum(data.is_thing)) == (133, 80)
    for index, annotation in enumerate(document["annotations"]):
        sample = data[index]
        for one, told in zip(sample.segments, annotation["segments_info"], strict=True):
            assert (sample.segment_HW == one.id).sum() == told["area"]
            assert data.categories[one.category].id == told["category_id"]
