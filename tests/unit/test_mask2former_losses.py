"""Targets, points, matching and loss of Mask2Former, against hand counts and against ``transformers`` at the same points."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.mask2former import modeling_mask2former as library

from methods.common.segmenters.mask2former.config import Mask2FormerConfig, Mask2FormerLossConfig
from methods.common.segmenters.mask2former.head import HeadOutputs
from methods.common.segmenters.mask2former.losses import mask2former_losses
from methods.common.segmenters.mask2former.presets import mask2former_miniature
from methods.common.segmenters.mask2former.targets import find_targets
from methods.common.segmenters.mask_queries import losses as losses_module
from methods.common.segmenters.mask_queries.matching import assign
from methods.common.segmenters.mask_queries.points import PointSource, point_sources, sample, uncertain_points
from methods.common.training.batch_shard import BatchShare
from methods.common.training.distributed import Team

CLASSES, QUERIES, LAYERS = 5, 7, 3
WHOLE = BatchShare(0, 3, 3)


def config(void: Literal["negative", "excluded"] = "negative", **loss: float) -> Mask2FormerConfig:
    base = mask2former_miniature(CLASSES)
    changed = Mask2FormerLossConfig.model_validate({"num_points": 40, "void": void, **loss})
    return base.model_copy(update={"loss": changed, "num_queries": QUERIES})


def outputs(images: int = 3, queries: int = QUERIES, seed: int = 0) -> HeadOutputs:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return (2 * torch.randn(*shape, generator=generator)).requires_grad_()

    classes = tuple(draw(images, queries, CLASSES + 1) for _ in range(LAYERS))
    masks = tuple(draw(images, queries, 4, 6) for _ in range(LAYERS))
    return HeadOutputs(torch.zeros(1), (), classes, masks, draw(images, CLASSES, 4, 6))


def labels(images: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randint(0, CLASSES, (images, 2, 3), generator=generator).repeat_interleave(8, 1).repeat_interleave(8, 2)
    )


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def test_one_target_for_each_class_present() -> None:
    label = torch.tensor([[[4, 4, 0], [255, 0, 0]], [[255, 255, 255], [255, 255, 255]], [[2, 2, 2], [2, 2, 255]]])
    targets = find_targets(label, CLASSES, "negative")
    assert targets.class_M.tolist() == [0, 4, 2]
    assert targets.image_M.tolist() == [0, 0, 2]
    assert targets.place_M.tolist() == [0, 1, 0]
    assert targets.counts == [2, 0, 1]
    assert targets.mask_MHW[:2].tolist() == [[[0, 0, 1], [0, 1, 1]], [[1, 1, 0], [0, 0, 0]]]
    assert targets.known_NHW is None
    known = find_targets(label, CLASSES, "excluded").known_NHW
    assert known is not None
    assert torch.equal(known, label != 255)


def test_255_classes_leave_label_255_alone() -> None:
    targets = find_targets(torch.tensor([[[254, 255, 0]]]), 255, "negative")
    assert targets.class_M.tolist() == [0, 254]


def test_a_label_out_of_range_is_noticed() -> None:
    with pytest.raises(AssertionError, match="neither below 5 nor 255"):
        find_targets(torch.tensor([[[5]]]), CLASSES, "negative")


def test_maps_are_read_at_pixel_centres() -> None:
    values = torch.arange(6.0).view(1, 1, 2, 3)
    centres = torch.tensor([[[0.5 / 3, 0.25], [2.5 / 3, 0.75]]])
    assert torch.allclose(sample(values, centres), torch.tensor([[[0.0, 5.0]]]), atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**62 - 1), known=st.lists(st.booleans(), min_size=12, max_size=12))
def test_points_lie_on_known_pixels(seed: int, known: list[bool]) -> None:
    known_HW = torch.tensor(known).view(3, 4)
    plain = PointSource(seed, torch.device("cpu"), None).draw(2, 50)
    points = PointSource(seed, torch.device("cpu"), known_HW).draw(2, 50)
    assert points.shape == (2, 50, 2)
    if known_HW.all() or not known_HW.any():
        assert torch.equal(points, plain)
        return
    scaled = points * torch.tensor([4.0, 3.0])
    distance = (scaled.view(-1, 1, 2) - (torch.nonzero(known_HW).flip(1) + 0.5)).abs().amax(2)  # to known pixel centres
    assert (distance.min(1).values <= 0.5 + 1e-5).all()


def test_points_are_uniform_over_known_pixels() -> None:
    known_HW = torch.tensor([[True, False, False, True]])
    points = PointSource(3, torch.device("cpu"), known_HW).draw(20_000)
    share = (points[:, 0] < 0.25).float().mean()
    assert abs(float(share) - 0.5) < 0.02
    inside = points[points[:, 0] < 0.25][:, 0] * 4
    assert abs(float(inside.mean()) - 0.5) < 0.02


def test_uncertain_points_come_first() -> None:
    logits = torch.tensor([[[-9.0, -3.0, 1.0, 5.0]]])
    candidates = torch.tensor([[[0.125, 0.5], [0.375, 0.5], [0.625, 0.5], [0.875, 0.5]]])
    chosen = uncertain_points(logits, candidates, torch.tensor([[[0.3, 0.3]]]), 2)
    assert torch.allclose(chosen[0], torch.tensor([[0.625, 0.5], [0.375, 0.5], [0.3, 0.3]]))


def test_assignment_is_the_cheapest() -> None:
    cost = torch.tensor([[[[1.0, 2.0], [0.0, 0.5], [4.0, 0.0]]]])
    assert assign(cost, [2]).tolist() == [[1, 2]]
    assert assign(cost, [1]).tolist() == [[1]]
    assert assign(cost.transpose(2, 3), [3]).tolist() == [[-1, 0, 1]]
    assert sorted(assign(torch.full((1, 1, 3, 2), torch.nan), [2])[0].tolist()) == [0, 1]


POINTS = torch.from_numpy(np.random.RandomState(7).rand(4000, 2).astype(np.float32))


def fixed_points(*shape: int, **_: object) -> Tensor:
    """The same points for every mask, image and layer."""
    count = shape[-2]
    return POINTS[:count].expand(*shape[:-2], count, 2).clone()


@pytest.mark.parametrize("queries", [QUERIES, 3])
def test_losses_equal_those_of_transformers_at_the_same_points(monkeypatch: pytest.MonkeyPatch, queries: int) -> None:
    ours, label = outputs(queries=queries), labels()
    chosen = config().model_copy(update={"num_queries": queries})
    monkeypatch.setattr(PointSource, "draw", lambda self, *shape: fixed_points(*shape, 2))
    found = mask2former_losses(
        HeadOutputs(torch.zeros(1), (), ours.class_logits, ours.mask_logits, None), label, chosen, generator(), WHOLE
    )
    monkeypatch.setattr(torch, "rand", fixed_points)
    theirs = transformers.Mask2FormerConfig(train_num_points=40)
    theirs.num_labels = CLASSES
    weights = {"loss_cross_entropy": 2.0, "loss_mask": 5.0, "loss_dice": 5.0}
    criterion = library.Mask2FormerLoss(theirs, weights)
    targets = find_targets(label, CLASSES, "negative")
    masks = [targets.mask_MHW[targets.image_M == image] for image in range(3)]
    classes = [targets.class_M[targets.image_M == image] for image in range(3)]
    earlier = [
        {"masks_queries_logits": mask, "class_queries_logits": logit}
        for mask, logit in zip(ours.mask_logits[:-1], ours.class_logits[:-1], strict=True)
    ]
    expected = criterion(ours.mask_logits[-1], ours.class_logits[-1], masks, classes, earlier)
    for name, key in zip(losses_module.NAMES, weights, strict=True):
        assert found[name].item() == pytest.approx(weights[key] * expected[key].item(), rel=1e-5)
        rest = sum(expected[f"{key}_{layer}"].item() for layer in range(LAYERS - 1))
        assert found[f"earlier_{name}"].item() == pytest.approx(weights[key] * rest, rel=1e-5)


def test_both_readings_of_void_agree_without_void() -> None:
    negative = mask2former_losses(outputs(), labels(), config("negative"), generator(), WHOLE)
    excluded = mask2former_losses(outputs(), labels(), config("excluded"), generator(), WHOLE)
    assert negative == excluded


@pytest.mark.parametrize(("void", "matters"), [("negative", True), ("excluded", False)])
def test_masks_on_void_pixels_count_only_when_negative(void: Literal["negative", "excluded"], matters: bool) -> None:
    label = labels()
    label[:, :, 12:] = 255
    kept, changed = outputs(), outputs()
    with torch.no_grad():
        for mask_logit in changed.mask_logits:
            mask_logit[..., 4:] += 3.0  # cells 4 and 5 of 6 begin at pixel 16 of 24
    first = mask2former_losses(kept, label, config(void, dense_weight=0.0), generator(), WHOLE)
    second = mask2former_losses(changed, label, config(void, dense_weight=0.0), generator(), WHOLE)
    same = [first[name].item() == pytest.approx(second[name].item(), rel=1e-6) for name in ("mask", "dice")]
    assert same == [not matters] * 2


def test_targets_beside_void_stay_whole_when_excluded() -> None:
    label = torch.full((1, 4, 4), 255)
    label[:, :, :2] = 1
    points = torch.rand(1, 200, 2, generator=generator()) * torch.tensor([0.5, 1.0])
    plain = find_targets(torch.ones_like(label), CLASSES, "negative").at_points(points)
    assert torch.allclose(find_targets(label, CLASSES, "excluded").at_points(points), plain, atol=1e-5)
    assert not torch.allclose(find_targets(label, CLASSES, "negative").at_points(points), plain, atol=1e-1)


@dataclass(frozen=True)
class CountingTeam(Team):
    """Stands for a team whose processes run one after another: first it listens, then it answers with the total."""

    counts: list[Tensor] = field(default_factory=list)
    total: Tensor | None = None

    def sum_(self, tensor: Tensor) -> Tensor:
        self.counts.append(tensor.clone())
        return tensor if self.total is None else tensor.copy_(self.total)


@pytest.mark.parametrize("void", ["negative", "excluded"])
def test_losses_of_shares_add_up_to_those_of_the_batch(void: Literal["negative", "excluded"]) -> None:
    made, label, chosen = outputs(), labels(), config(void)
    label[1, 5:] = 255
    label[2] = 255

    def share_losses(rows: slice, team: Team) -> dict[str, Tensor]:
        part = HeadOutputs(
            torch.zeros(1),
            (),
            tuple(logit[rows] for logit in made.class_logits),
            tuple(logit[rows] for logit in made.mask_logits),
            None if made.dense_logits is None else made.dense_logits[rows],
        )
        share = BatchShare(rows.start, rows.stop - rows.start, 3, team)
        return mask2former_losses(part, label[rows], chosen, generator(), share)

    parts = [slice(0, 2), slice(2, 3)]
    listening = CountingTeam()
    for rows in parts:
        share_losses(rows, listening)
    answering = CountingTeam(total=torch.stack(listening.counts).sum(dim=0))
    added: dict[str, float] = {}
    for rows in parts:
        for name, loss in share_losses(rows, answering).items():
            added[name] = added.get(name, 0.0) + loss.item()
    whole = mask2former_losses(made, label, chosen, generator(), WHOLE)
    assert added == pytest.approx({name: loss.item() for name, loss in whole.items()}, rel=1e-5)


def test_each_image_has_its_own_stream_whatever_the_share() -> None:
    device = torch.device("cpu")
    all_images = point_sources(None, device, generator(), WHOLE)
    last = point_sources(None, device, generator(), BatchShare(2, 1, 3))
    drawn = [source.draw(4) for source in all_images]
    assert torch.equal(drawn[2], last[0].draw(4))
    assert not torch.equal(drawn[0], drawn[1])


def test_a_batch_without_classes_trains_the_classifier_only_but_reaches_everything() -> None:
    made = outputs()
    found = mask2former_losses(made, torch.full((3, 16, 24), 255), config("excluded"), generator(), WHOLE)
    assert [found[name].item() for name in ("mask", "dice", "dense")] == [0, 0, 0]
    torch.stack(list(found.values())).sum().backward()
    assert all(logit.grad is not None and bool(logit.grad.any()) for logit in made.class_logits)
    assert all(logit.grad is not None and not logit.grad.any() for logit in made.mask_logits)


def test_a_network_that_is_no_number_gives_a_loss_that_is_none() -> None:
    made = outputs()
    with torch.no_grad():
        made.mask_logits[-1].fill_(torch.nan)
    found = mask2former_losses(made, labels(), config(), generator(), WHOLE)
    assert torch.isnan(found["mask"])
