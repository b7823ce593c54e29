"""Labels, sampling, the federated loss, mask targets and pasting."""

import math

import pytest
import torch

from methods.common.segmenters.centernet2.cascade import StageOutputs, StageTotals
from methods.common.segmenters.centernet2.federated import federated_loss, federated_subset
from methods.common.segmenters.centernet2.mask_head import mask_targets
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.paste import paste_masks
from methods.common.segmenters.centernet2.presets import centernet2_miniature
from methods.common.segmenters.centernet2.sampling import LabelledBoxes, label_boxes, sample_boxes
from methods.common.segmenters.instance.interface import InstanceTarget

TARGET = InstanceTarget(
    torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]]), torch.tensor([4, 2]), torch.zeros(2, 40, 40, dtype=torch.bool)
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_labels_follow_the_largest_overlap() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 6], [0, 0, 10, 5.9], [21, 20, 30, 30], [50, 50, 60, 60]])
    (labelled,) = label_boxes([boxes], [TARGET], foreground_iou=0.6, background=7)
    assert labelled.labels_N.tolist() == [4, 7, 2, 7]  # an IoU of exactly 0.6 is foreground
    assert labelled.truth_N[[0, 2]].tolist() == [0, 1]


def test_each_image_has_its_own_objects() -> None:
    empty = InstanceTarget(
        torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.zeros(0, 40, 40, dtype=torch.bool)
    )
    one = InstanceTarget(
        torch.tensor([[20.0, 20, 30, 30]]), torch.tensor([5]), torch.zeros(1, 40, 40, dtype=torch.bool)
    )
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30], [0, 0, 5, 5]])
    found = label_boxes([boxes[:2], boxes, boxes[:1], boxes[:0]], [TARGET, empty, one, one], 0.6, background=7)
    assert [image.labels_N.tolist() for image in found] == [[4, 2], [7, 7, 7], [7], []]
    assert [image.boxes_N4.tolist() for image in found] == [
        mine.tolist() for mine in (boxes[:2], boxes, boxes[:1], boxes[:0])
    ]
    assert found[0].truth_N.tolist() == [0, 1]
    for threshold in (0.6, 0.0):
        assert label_boxes([boxes], [empty], threshold, background=7)[0].labels_N.tolist() == [7, 7, 7]


def test_box_loss_takes_the_truth_of_the_same_image() -> None:
    cascade = CenterNet2(centernet2_miniature(7), seeded()).cascade
    masks = torch.zeros(1, 40, 40, dtype=torch.bool)
    other = InstanceTarget(torch.tensor([[5.0, 6, 17, 12]]), torch.tensor([3]), masks)
    exact, background = other.boxes_N4, torch.tensor([[30.0, 2, 38, 9]])
    boxes = label_boxes([TARGET.boxes_N4, torch.cat([background, exact])], [TARGET, other], 0.6, background=7)
    outputs = StageOutputs(boxes, torch.zeros(4, 8), torch.zeros(4, 4))  # a box on its truth needs no change
    totals = StageTotals(torch.ones(7, dtype=torch.bool), 4, 3)
    assert cascade.losses([outputs], [TARGET, other], [totals])["box_1"].item() == 0
    wider = StageOutputs(boxes, torch.zeros(4, 8), torch.tensor([[0.0, 0, 0, 0]] * 3 + [[0, 0, 0.5, -1]]))
    assert cascade.losses([wider], [TARGET, other], [totals])["box_1"].item() == pytest.approx(1.5 / (4 * 3))


def test_sampling_respects_both_limits() -> None:
    labels = torch.tensor([0] * 10 + [7] * 90)
    boxes = LabelledBoxes(torch.arange(400.0).view(100, 4), labels, torch.arange(100))
    sampled = sample_boxes(boxes, 16, 0.25, 7, seeded())
    assert (sampled.labels_N != 7).sum() == 4
    assert len(sampled.labels_N) == 16
    assert len(set(sampled.truth_N.tolist())) == 16
    assert sample_boxes(boxes, 16, 0.25, 7, seeded()).truth_N.tolist() == sampled.truth_N.tolist()
    assert sample_boxes(boxes, 16, 0.25, 7, seeded(1)).truth_N.tolist() != sampled.truth_N.tolist()


def test_federated_subset_holds_what_occurs_and_is_filled_up() -> None:
    weights = torch.tensor([1.0, 0, 1, 1, 1, 1])
    subset = federated_subset(torch.tensor([0, 2, 0, 0, 0, 0, 1]), weights, 4, seeded())
    assert subset[1]  # occurs, although its weight is 0
    assert subset.sum() == 3  # the background is the fourth label
    everything = federated_subset(torch.tensor([0, 0, 0, 0, 0, 0, 1]), weights, 50, seeded())
    assert everything.tolist() == [True, False, True, True, True, True]


def test_federated_subset_draws_by_weight() -> None:
    weights = torch.tensor([1.0, 3.0, 0.0])
    generator = seeded()
    draws = sum(bool(federated_subset(torch.tensor([0, 0, 0, 1]), weights, 2, generator)[1]) for _ in range(2000))
    assert draws / 2000 == pytest.approx(0.75, abs=0.04)


def test_federated_loss_by_hand() -> None:
    logits = torch.zeros(2, 4, requires_grad=True)
    loss = federated_loss(logits, torch.tensor([1, 3]), torch.tensor([True, True, False]), 2)
    assert loss.item() == pytest.approx(4 * math.log(2) / 2)  # 2 boxes x 2 columns, over 2 boxes
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[:, 2:].abs().sum() == 0  # neither the class outside the subset nor the background
    assert logits.grad[0].tolist() == pytest.approx([0.25, -0.25, 0, 0])
    assert federated_loss(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), torch.ones(3), 0).item() == 0


def test_mask_targets_crop_the_right_mask() -> None:
    masks = torch.zeros(2, 16, 16, dtype=torch.bool)
    masks[1, 4:12, 4:8] = True
    crop = mask_targets(masks, torch.tensor([1, 0]), torch.tensor([[4.0, 4, 12, 12], [4, 4, 12, 12]]), 8)
    assert crop[0].sum() == 32
    assert crop[0, :, :4].min() == 1
    assert crop[1].sum() == 0
    assert mask_targets(masks, torch.zeros(0, dtype=torch.long), torch.zeros(0, 4), 8).shape == (0, 8, 8)


def test_full_mask_pastes_to_its_box() -> None:
    pasted = paste_masks(torch.ones(1, 28, 28), torch.tensor([[3.0, 5, 11, 9]]), (12, 16), 0.5)
    expected = torch.zeros(12, 16, dtype=torch.bool)
    expected[5:9, 3:11] = True
    assert torch.equal(pasted[0], expected)


def test_paste_samples_at_pixel_centres() -> None:
    half = torch.zeros(1, 4, 4)
    half[:, :, 2:] = 1.0
    pasted = paste_masks(half, torch.tensor([[0.0, 0, 8, 8]]), (8, 8), 0.5)
    assert torch.equal(pasted[0], (torch.arange(8) >= 4).expand(8, 8))
    assert paste_masks(torch.zeros(0, 4, 4), torch.zeros(0, 4), (8, 8), 0.5).shape == (0, 8, 8)
