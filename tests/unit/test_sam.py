"""Segment Anything behind our loader: the same masks as transformers' own processing, automatic masks, messages."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SamModel, SamProcessor

from methods.common.errors import InputError
from methods.common.miniature.measurements import prompted_overlap
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.web import web_sample
from methods.common.miniature.world_config import WebConfig
from methods.common.segment_anything.automatic_masks import AutomaticMasksConfig, grid_points, propose_masks
from methods.common.segment_anything.interface import EmbeddedImage
from methods.common.segment_anything.load import load_sam
from methods.common.segment_anything.sam import Sam

SCENES = WebConfig(single_share=0.4)


@pytest.fixture(scope="module")
def sam() -> Sam:
    return Sam.from_pretrained(CHECKPOINTS / "sam")


def test_masks_equal_those_of_transformers_own_processing(sam):
    # Neither square nor of the network's size, so that scaling, padding and both enlargements count.
    image_HW3 = np.array(Image.fromarray(web_sample(3, 1, SCENES).scene.image_HW3).resize((90, 60)))
    model = SamModel.from_pretrained(CHECKPOINTS / "sam", dtype=torch.float32)
    processor = SamProcessor.from_pretrained(CHECKPOINTS / "sam")
    embedded = sam.embed(image_HW3)
    boxes, points = [[10.0, 5.0, 50.0, 40.0], [30.0, 20.0, 80.0, 55.0]], [[20.0, 30.0], [70.0, 10.0]]
    for ask in ("boxes", "points"):
        prompts = {"input_boxes": [boxes]} if ask == "boxes" else {"input_points": [[[point] for point in points]]}
        inputs = processor(Image.fromarray(image_HW3), **prompts, return_tensors="pt")
        sizes = inputs["original_sizes"], inputs["reshaped_input_sizes"]
        tensors = {key: value.float() if value.is_floating_point() else value for key, value in inputs.items()}
        with torch.no_grad():
            output = model(**tensors, multimask_output=ask == "points")
        theirs = processor.post_process_masks(output.pred_masks, *sizes)[0]
        if ask == "boxes":
            masks_NHW, iou_N = sam.masks_in_boxes(embedded, np.array(boxes, np.float32))
            assert np.array_equal(masks_NHW, theirs[:, 0].numpy())
            assert torch.allclose(iou_N, output.iou_scores[0, :, 0])
        else:
            logits_PMHW, iou_PM = sam.masks_at_points(embedded, np.array(points, np.float32))
            assert np.array_equal((logits_PMHW > 0).numpy(), theirs.numpy())
            assert torch.allclose(iou_PM, output.iou_scores[0])


def test_no_box_no_mask(sam):
    masks_NHW, iou_N = sam.masks_in_boxes(sam.embed(np.zeros((30, 40, 3), np.uint8)), np.zeros((0, 4), np.float32))
    assert masks_NHW.shape == (0, 30, 40)
    assert len(iou_N) == 0


def test_shipped_model_finds_objects_by_box_and_by_point(sam):
    measured = prompted_overlap(sam, 11, 40, SCENES)
    assert measured["sam_box_iou"] >= 0.6
    assert measured["sam_point_iou"] >= 0.4
    assert measured["num_scene_objects"] > 50


def test_grid_by_hand():
    assert grid_points(2, 40, 80).tolist() == [[20, 10], [60, 10], [20, 30], [60, 30]]


class Scripted:
    """Answers each point with three given masks and scores."""

    def __init__(self, logits_PMHW, iou_PM):
        self.logits_PMHW, self.iou_PM = logits_PMHW, iou_PM
        self.asked = 0

    def masks_at_points(self, image, point_P2):
        part = slice(self.asked, self.asked + len(point_P2))
        self.asked += len(point_P2)
        return self.logits_PMHW[part], self.iou_PM[part]


def test_unsure_unstable_empty_and_double_masks_go():
    logits_PMHW = torch.full((4, 3, 20, 20), -9.0)
    logits_PMHW[0, 0, 2:10, 2:10] = 9.0  # sure: kept
    logits_PMHW[1, 0, 2:10, 2:11] = 9.0  # nearly the same box, surer: takes its place
    logits_PMHW[1, 1, 12:18, 12:18] = 9.0  # unsure
    logits_PMHW[2, 0, 12:18, 2:8] = 0.5  # unstable: nothing above +1
    logits_PMHW[3, 2, 12:16, 12:18] = 9.0  # kept
    iou_PM = torch.full((4, 3), 0.95)
    iou_PM[1, 0], iou_PM[1, 1] = 0.99, 0.5
    image = EmbeddedImage(torch.zeros(0), (20, 20), (20, 20))
    config = AutomaticMasksConfig(points_per_side=2, points_per_batch=3)
    found = propose_masks(Scripted(logits_PMHW, iou_PM), image, config)
    assert found.box_N4.tolist() == [[2, 2, 11, 10], [12, 12, 18, 16]]
    assert found.predicted_iou_N.tolist() == pytest.approx([0.99, 0.95])
    assert found.mask_NHW.sum((1, 2)).tolist() == [72, 24]


def test_nothing_found():
    image = EmbeddedImage(torch.zeros(0), (20, 20), (20, 20))
    scripted = Scripted(torch.full((1, 3, 20, 20), -9.0), torch.ones(1, 3))
    found = propose_masks(scripted, image, AutomaticMasksConfig(points_per_side=1))
    assert found.mask_NHW.shape == (0, 20, 20)
    assert found.box_N4.shape == (0, 4)


def test_places_that_hold_no_sam_are_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"holds no SAM .*; name a folder saved by transformers"):
        load_sam(tmp_path)
    with pytest.raises(InputError, match=r"there is no file .*absent\.pth; give sam_vit_h_4b8939\.pth"):
        load_sam(tmp_path / "absent.pth")
    assert isinstance(load_sam(CHECKPOINTS / "sam"), Sam)


def test_weights_that_do_not_fill_the_network_are_refused(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    for file in (CHECKPOINTS / "sam").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["vision_encoder.neck.conv1.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        InputError, match=r"lacks 1 of the weights of SAM, vision_encoder\.neck\.conv1\.weight among them"
    ):
        Sam.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="holds no SAM"):
        Sam.from_pretrained(tmp_path)
