"""Prompters: each kind runs the classes of its real model; crops, names, unions and "not found" by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from methods.common.clip import ClipScorer
from methods.common.errors import InputError
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.web import web_sample
from methods.common.miniature.world_config import WebConfig
from methods.common.prompters.automatic_clip import AutomaticClip, square_crop
from methods.common.prompters.configs import (
    ROLES,
    AutomaticClipConfig,
    GroundingDinoSamConfig,
    PrompterConfig,
    SalientConfig,
    Sam3PrompterConfig,
)
from methods.common.prompters.grounding_dino_sam import GroundingDinoSam, detector_phrase, load_detector
from methods.common.prompters.load import load_prompter
from methods.common.prompters.salient import Salient
from methods.common.prompters.sam3 import Sam3Prompter, load_sam3
from methods.common.prompters.written_names import written_name
from methods.common.segment_anything.automatic_masks import AutomaticMasksConfig, ProposedMasks
from methods.common.segment_anything.sam import Sam
from methods.common.stage import Inputs, LocalContext
from methods.sam_filter.stages.segment_named import SEGMENT_NAMED, SegmentNamedConfig
from tests.unit.oracle import DamagedOracle, Oracle
from tests.unit.tiny_models import tiny_detector, tiny_sam3

IMAGE_HW3 = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


MINIATURE = AutomaticClipConfig(
    masks=AutomaticMasksConfig(points_per_side=6, predicted_iou=0.25, stability=0.4), min_score=30.0
)


def shipped(role: str) -> Path:
    return CHECKPOINTS / {"sam": "sam", "clip": "clip", "cutter": "cutout"}[role]


def test_written_names():
    assert [written_name(name) for name in ("aeroplane", "diningtable", "tvmonitor", "motorbike", "cat")] == [
        "airplane",
        "dining table",
        "television",
        "motorcycle",
        "cat",
    ]
    assert [written_name(name, "voc") for name in ("aeroplane", "tvmonitor", "motorbike")] == [
        "aeroplane",
        "tv monitor",
        "motorbike",
    ]
    assert written_name("fire_hydrant") == "fire hydrant"


def test_kinds_are_told_apart_and_defaults_are_those_of_the_specification():
    read = TypeAdapter(PrompterConfig).validate_python
    assert read({"kind": "salient"}) == SalientConfig()
    assert set(ROLES) == {kind.model_fields["kind"].default for kind in PrompterConfig.__args__[0].__args__}
    boxes, masks = GroundingDinoSamConfig(), AutomaticClipConfig().masks
    assert (boxes.box_threshold, boxes.text_threshold, Sam3PrompterConfig().confidence) == (0.30, 0.25, 0.5)
    assert (masks.points_per_side, masks.predicted_iou, masks.stability, masks.box_nms) == (32, 0.88, 0.95, 0.7)
    with pytest.raises(ValidationError):
        read({"kind": "text_sam"})
    with pytest.raises(ValidationError, match=r"needs one \{\} for the name"):
        AutomaticClipConfig(template="a photo")


# T1


@pytest.fixture(scope="module")
def detector_folder(tmp_path_factory) -> Path:
    return tiny_detector(tmp_path_factory.mktemp("detector"))


def test_detector_phrase():
    assert [detector_phrase(text) for text in ("Potted Plant", "cat.", " dog ")] == ["potted plant.", "cat.", "dog."]


def test_t1_prompts_sam_with_the_detectors_boxes_of_one_name_at_a_time(detector_folder):
    detector, processor = load_detector(detector_folder)
    sam = Sam.from_pretrained(CHECKPOINTS / "sam")
    everything = GroundingDinoSamConfig(box_threshold=0.0, text_threshold=0.0)
    both = GroundingDinoSam(detector, processor, sam, everything).segment(IMAGE_HW3, ["coin", "melon"])
    inputs = processor(images=IMAGE_HW3, text="coin.", return_tensors="pt")
    with torch.no_grad():
        boxes_N4 = detector(**inputs).pred_boxes[0]
    corners_N4 = torch.cat([boxes_N4[:, :2] - boxes_N4[:, 2:] / 2, boxes_N4[:, :2] + boxes_N4[:, 2:] / 2], 1)
    pixels_N4 = (corners_N4 * torch.tensor([64.0, 48.0, 64.0, 48.0])).numpy()
    expected_NHW, _ = sam.masks_in_boxes(sam.embed(IMAGE_HW3), pixels_N4)
    assert len(pixels_N4) == 6
    assert both["coin"].any()
    assert np.array_equal(both["coin"], expected_NHW.any(0))
    alone = GroundingDinoSam(detector, processor, sam, everything).segment(IMAGE_HW3, ["melon"])
    assert np.array_equal(alone["melon"], both["melon"])


def test_t1_finds_nothing_above_a_high_threshold(detector_folder):
    folders = {"detector": detector_folder, "sam": CHECKPOINTS / "sam"}
    prompter = load_prompter(GroundingDinoSamConfig(box_threshold=1.0), folders.__getitem__)
    found = prompter.segment(IMAGE_HW3, ["coin", "melon"])
    assert list(found) == ["coin", "melon"]
    assert not any(mask_HW.any() for mask_HW in found.values())
    assert found["coin"].shape == (48, 64)


@pytest.mark.parametrize(("load", "name"), [(load_detector, "Grounding DINO"), (load_sam3, "SAM 3")])
def test_folders_without_the_model_are_named(tmp_path, load, name):
    with pytest.raises(InputError, match=f"holds no {name} .*; name a folder saved by transformers"):
        load(tmp_path)


# T2


def proposed(*masks_HW: np.ndarray) -> ProposedMasks:
    boxes = []
    for mask_HW in masks_HW:
        rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
        boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return ProposedMasks(np.stack(masks_HW), np.array(boxes), np.ones(len(masks_HW), np.float32))


def test_crop_is_a_square_with_margin_filled_outside_picture_and_mask():
    image_HW3 = np.full((20, 30, 3), 200, np.uint8)
    mask_HW = np.zeros((20, 30), bool)
    mask_HW[0:4, 2:10] = True
    box_4 = np.array([2, 0, 10, 4])
    crop_HW3 = square_crop(image_HW3, mask_HW, box_4, AutomaticClipConfig(margin=0.25))
    assert crop_HW3.shape == (12, 12, 3)
    # 8 + 2 * 2 pixels wide, so from column 0; 4 pixels of height in the middle, so from row -4.
    assert (crop_HW3 == 200).all(axis=2).sum() == 32
    assert (crop_HW3[4:8, 2:10] == 200).all()
    assert (crop_HW3[0] == 127).all()
    kept_HW3 = square_crop(image_HW3, mask_HW, box_4, AutomaticClipConfig(margin=0.25, surroundings="kept"))
    assert (kept_HW3[4:] == 200).all()
    assert (kept_HW3[:4] == 127).all()
    white_HW3 = square_crop(image_HW3, mask_HW, box_4, AutomaticClipConfig(margin=0.25, surroundings="white"))
    assert (white_HW3[0] == 255).all()


class ScriptedClip:
    """Knows pictures by their brightest colour."""

    texts = ("a photo of a coin", "a photo of a melon", "a photo of grass")

    def embed_texts(self, texts):
        return torch.eye(3)[[self.texts.index(text) for text in texts]]

    def embed_images(self, images):
        rows = {10: [0.9, 0.1, 0.0], 20: [0.3, 0.5, 0.0], 30: [0.2, 0.1, 0.8], 40: [0.1, 0.2, 0.0]}
        return torch.tensor([rows[int(image[image < 100].max())] for image in images]).reshape(-1, 3)


def test_t2_gives_each_mask_to_its_best_name_if_it_is_good_enough():
    image_HW3 = np.zeros((40, 40, 3), np.uint8)
    masks = []
    for number, value in enumerate((10, 10, 20, 30, 40)):
        mask_HW = np.zeros((40, 40), bool)
        mask_HW[8 * number : 8 * number + 6, 5:15] = True
        image_HW3[mask_HW] = value
        masks.append(mask_HW)
    sam = type("NoSam", (), {"propose_masks": lambda *_: proposed(*masks)})()
    config = AutomaticClipConfig(min_score=25.0, other_texts=("a photo of grass",))
    found = AutomaticClip(sam, ScriptedClip(), config).segment(image_HW3, ["coin", "melon"])
    assert np.array_equal(found["coin"], masks[0] | masks[1])
    assert np.array_equal(found["melon"], masks[2])
    small = config.model_copy(update={"max_area_share": 0.03})
    assert not AutomaticClip(sam, ScriptedClip(), small).segment(image_HW3, ["coin"])["coin"].any()


def test_t2_without_any_mask():
    nothing = AutomaticClipConfig(masks=AutomaticMasksConfig(points_per_side=2, predicted_iou=1.0))
    found = load_prompter(nothing, shipped).segment(IMAGE_HW3, ["coin"])
    assert not found["coin"].any()
    assert found["coin"].shape == (48, 64)


def truth_of(scene) -> dict[str, np.ndarray]:
    masks: dict[str, np.ndarray] = {}
    for instance in scene.instances:
        name = CATEGORY_NAMES[instance.category]
        masks[name] = masks.get(name, np.zeros(instance.mask_HW.shape, bool)) | instance.mask_HW
    return masks


def overlap(one_HW, other_HW) -> float:
    return float((one_HW & other_HW).sum() / max(1, (one_HW | other_HW).sum()))


def test_t2_finds_named_objects_with_the_shipped_parts():
    sam, clip = Sam.from_pretrained(CHECKPOINTS / "sam"), ClipScorer.from_pretrained(CHECKPOINTS / "clip")
    prompter = AutomaticClip(sam, clip, MINIATURE)
    ious = []
    for index in range(16):
        scene = web_sample(2024, index, WebConfig(single_share=0.4)).scene
        truth = truth_of(scene)
        found = prompter.segment(scene.image_HW3, list(truth))
        ious += [overlap(found[name], truth[name]) for name in truth]
    assert np.mean(ious) >= 0.35


# T3


def test_t3_unites_the_instances_above_the_confidence(tmp_path):
    folder = tiny_sam3(tmp_path)
    model, processor = load_sam3(folder)
    found = Sam3Prompter(model, processor, Sam3PrompterConfig(confidence=0.0)).segment(IMAGE_HW3, ["coin", "melon"])
    assert list(found) == ["coin", "melon"]
    inputs = processor(images=IMAGE_HW3, text="coin", return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
    masks = processor.post_process_instance_segmentation(output, threshold=0.0, target_sizes=[(48, 64)])[0]["masks"]
    assert len(masks) == 5
    assert np.array_equal(found["coin"], masks.bool().any(0).numpy())
    nothing = load_prompter(Sam3PrompterConfig(confidence=1.0), lambda role: folder)
    assert not nothing.segment(IMAGE_HW3, ["coin"])["coin"].any()


# T4 and the salient object


def test_oracle_knows_what_it_was_told():
    mask_HW = np.zeros((48, 64), bool)
    mask_HW[:9] = True
    oracle = Oracle()
    oracle.tell(IMAGE_HW3, {"coin": mask_HW})
    found = oracle.segment(IMAGE_HW3, ["coin", "melon"])
    assert np.array_equal(found["coin"], mask_HW)
    assert not found["melon"].any()
    assert not oracle.segment(IMAGE_HW3[::-1], ["coin"])["coin"].any()


def test_damage_flips_its_share_and_grows():
    oracle = Oracle()
    few, more = (DamagedOracle(oracle, share, 5).segment(IMAGE_HW3, ["coin"])["coin"] for share in (0.1, 0.4))
    assert few.sum() == round(0.1 * 48 * 64)
    assert more.sum() == round(0.4 * 48 * 64)
    assert not (few & ~more).any()


def test_salient_object_is_the_only_class_named():
    prompter = load_prompter(SalientConfig(), shipped)
    scene = web_sample(2024, 3, WebConfig(single_share=1.0)).scene
    (name, truth_HW), *_ = truth_of(scene).items()
    assert overlap(prompter.segment(scene.image_HW3, [name])[name], truth_HW) > 0.9
    several = prompter.segment(scene.image_HW3, [name, "another"])
    assert not several[name].any()
    assert not several["another"].any()


def test_salient_threshold():
    soft = type("Soft", (), {"soft_mask": lambda self, image_NCHW: torch.tensor([[[0.2, 0.7, 0.71]]])})()
    found = Salient(soft, SalientConfig(threshold=0.71)).segment(np.zeros((1, 3, 3), np.uint8), ["coin"])
    assert found["coin"].tolist() == [[False, False, True]]


def test_stage_runs_a_configured_prompter(tmp_path):
    scene = web_sample(2024, 3, WebConfig(single_share=1.0)).scene
    (name,) = truth_of(scene)
    (tmp_path / "pairs" / "images").mkdir(parents=True)
    Image.fromarray(scene.image_HW3).save(tmp_path / "pairs" / "images" / "a.png")
    (tmp_path / "pairs" / "classes.json").write_text(json.dumps(["background", name]))
    (tmp_path / "pairs" / "pairs.jsonl").write_text(json.dumps({"id": "a", "classes": [name]}) + "\n")
    (tmp_path / "out").mkdir()
    inputs = Inputs({"pairs": [tmp_path / "pairs"], "cutter": [CHECKPOINTS / "cutout"]})
    record = SEGMENT_NAMED.run(inputs, SegmentNamedConfig(prompter=SalientConfig()), LocalContext(tmp_path / "out"))
    assert record == {"num_images": 1, "num_named": 1, "found_share": 1.0, "num_without_mask": 0}
