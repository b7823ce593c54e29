"""Targets, matching and losses of FastInst, against the section's formulas written image by image."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.fastinst.config import FastInstConfig, FastInstLossConfig
from methods.common.segmenters.fastinst.decoder import DecoderOutputs, Prediction
from methods.common.segmenters.fastinst.losses import fastinst_losses, match_cells, matching_cost
from methods.common.segmenters.fastinst.model import FastInst
from methods.common.segmenters.fastinst.presets import fastinst_miniature
from methods.common.segmenters.fastinst.targets import cells_inside, join_targets, masks_of_queries
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.segmenters.mask_queries.points import PointSource
from methods.common.training.batch_shard import BatchShare

CLASSES = 4
POINTS = torch.from_numpy(np.random.RandomState(7).rand(4000, 2).astype(np.float32))
LOSS = FastInstLossConfig(num_points=40)
CONFIG = fastinst_miniature(CLASSES).model_copy(update={"loss": LOSS, "decoder_layers": 2})


def target(
    boxes: Sequence[tuple[int, int, int, int]], classes: Sequence[int], height: int, width: int
) -> InstanceTarget:
    masks = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    return InstanceTarget(
        torch.tensor(boxes, dtype=torch.float32).view(-1, 4), torch.tensor(classes, dtype=torch.int64), masks
    )


TARGETS = [
    target([(3, 5, 20, 30), (30, 20, 55, 50), (18, 2, 26, 12)], [0, 2, 2], 60, 56),
    target([], [], 64, 60),
    target([(10, 33, 40, 60)], [3], 64, 64),
]


def batch(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(2)) * 255


def test_targets_of_all_images_in_one_list() -> None:
    joined = join_targets(TARGETS, (64, 64))
    assert joined.counts == [3, 0, 1]
    assert joined.class_M.tolist() == [0, 2, 2, 3]
    assert joined.image_M.tolist() == [0, 0, 0, 2]
    assert joined.place_M.tolist() == [0, 1, 2, 0]
    assert joined.mask_MHW.sum(dim=(1, 2)).tolist() == [17 * 25, 25 * 30, 80, 30 * 27]
    assert joined.mask_MHW[0, 5, 3] == 1
    assert joined.mask_MHW[0, 5, 20] == 0


def test_a_cell_is_inside_if_any_of_its_pixels_is() -> None:
    joined = join_targets([target([(3, 0, 5, 1)], [1], 8, 8)], (8, 8))
    assert cells_inside(joined, (2, 2)).tolist() == [[True, True, False, False]]


def test_true_masks_are_those_of_matched_queries() -> None:
    joined = join_targets([target([(0, 0, 4, 8), (4, 4, 8, 8)], [1, 2], 8, 8)], (8, 8))
    inside = masks_of_queries(joined, torch.tensor([2, -1]), 3, (2, 2))
    assert inside.tolist() == [[[False] * 4, [False] * 4, [True, False, True, False]]]


def test_a_query_matches_an_object_that_it_sits_on_whatever_it_says() -> None:
    joined = join_targets([target([(0, 0, 4, 8), (4, 0, 8, 8)], [0, 1], 8, 8)], (8, 8))
    logit = torch.tensor([[[9.0, -9, -9], [-9, 9, -9]]])
    prediction = Prediction(logit, torch.zeros(1, 2, 2, 2))
    locations = torch.tensor([[[0.9, 0.5], [0.1, 0.5]]])  # the first sits on the second object
    cost = matching_cost(prediction, locations, joined, POINTS[None, :40], LOSS)
    rows, columns = linear_sum_assignment(cost[0].numpy())
    assert dict(zip(rows.tolist(), columns.tolist(), strict=True)) == {0: 1, 1: 0}
    assert (cost[0, 0, 0] - cost[0, 0, 1]) > 900


def test_the_surest_cell_that_touches_the_object_learns_it() -> None:
    joined = join_targets([target([(4, 0, 8, 8)], [1], 8, 8)], (8, 8))
    logit = torch.zeros(1, 4, 3)
    logit[0, :, 1] = torch.tensor([5.0, 1.0, 0.0, 2.0])  # cell 0 is surest, and outside
    assert match_cells(logit, joined, (2, 2), LOSS).tolist() == [3]


# -- all losses against a naive version ------------------------------------------------------------------------------------------


def read(maps: Tensor, points: Tensor) -> Tensor:
    """Maps [M, h, w] at common points [P, 2]."""
    grid = (2 * points - 1)[None, :, None].expand(len(maps), -1, -1, -1)
    return functional.grid_sample(maps[:, None], grid, align_corners=False)[:, 0, :, 0]


def naive_match(class_logit: Tensor, mask_logit: Tensor, truth: InstanceTarget, locations: Tensor) -> dict[int, int]:
    """Query of each target of one image."""
    if not len(truth.classes_N):
        return {}
    masks = functional.pad(
        truth.masks_NHW.float(), (0, 64 - truth.masks_NHW.shape[2], 0, 64 - truth.masks_NHW.shape[1])
    )
    wanted, given = read(masks, POINTS[:40]), read(mask_logit, POINTS[:40])
    chance = class_logit.softmax(-1)
    on = read(masks, locations)
    cost = torch.zeros(len(class_logit), len(masks))
    for query in range(len(class_logit)):
        for number in range(len(masks)):
            entropy = functional.binary_cross_entropy_with_logits(given[query], wanted[number])
            soft = given[query].sigmoid()
            dice = 1 - (2 * (soft * wanted[number]).sum() + 1) / (soft.sum() + wanted[number].sum() + 1)
            cost[query, number] = 5 * entropy + 5 * dice - 2 * chance[query, truth.classes_N[number]]
            cost[query, number] -= 1000 * float(on[number, query] > 0)
    rows, columns = linear_sum_assignment(cost.detach().numpy())
    return dict(zip(columns.tolist(), rows.tolist(), strict=True))


def naive_prediction_loss(prediction: Prediction, matches: list[dict[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
    logits, masks = prediction.class_logit_NQK, prediction.mask_logit_NQhw
    assert logits is not None
    classes = torch.full(logits.shape[:2], CLASSES)
    entropies, dices = [], []
    for image, (truth, match) in enumerate(zip(TARGETS, matches, strict=True)):
        for number, query in match.items():
            classes[image, query] = truth.classes_N[number]
            mask = truth.masks_NHW[number].float()
            padded = functional.pad(mask, (0, 64 - mask.shape[1], 0, 64 - mask.shape[0]))
            logit = masks[image, query]
            candidates, uniform = POINTS[:120], POINTS[:10]
            surest = read(logit[None], candidates)[0].abs().topk(30, largest=False).indices
            points = torch.cat([candidates[surest], uniform])
            wanted, given = read(padded[None], points)[0], read(logit[None], points)[0]
            entropies.append(functional.binary_cross_entropy_with_logits(given, wanted))
            soft = given.sigmoid()
            dices.append(1 - (2 * (soft * wanted).sum() + 1) / (soft.sum() + wanted.sum() + 1))
    weight = torch.ones(CLASSES + 1)
    weight[-1] = 0.1
    class_loss = functional.cross_entropy(logits.transpose(1, 2), classes, weight)
    return 2 * class_loss, 5 * torch.stack(entropies).sum() / 4, 5 * torch.stack(dices).sum() / 4


def naive_proposal_loss(outputs: DecoderOutputs) -> Tensor:
    logit = outputs.proposals.class_logit_NKhw
    height, width = logit.shape[2:]
    classes = torch.full((len(logit), height * width), CLASSES)
    for image, truth in enumerate(TARGETS):
        if not len(truth.classes_N):
            continue
        masks = functional.pad(
            truth.masks_NHW.float(), (0, 64 - truth.masks_NHW.shape[2], 0, 64 - truth.masks_NHW.shape[1])
        )
        touched = masks.view(len(masks), height, 64 // height, width, 64 // width).amax(dim=(2, 4)).flatten(1) > 0
        chance = logit[image].flatten(1).softmax(0)[truth.classes_N]
        cost = -2 * chance - 1000 * touched.float()
        numbers, cells = linear_sum_assignment(cost.detach().numpy())
        classes[image, cells] = truth.classes_N[numbers]
    return 20 * functional.cross_entropy(logit.flatten(2), classes)


def test_losses_equal_the_naive_ones_at_the_same_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PointSource, "draw", lambda self, *shape: POINTS[: shape[-1]].expand(*shape, 2).clone())
    model = FastInst(CONFIG, torch.Generator().manual_seed(0)).train()
    outputs = model(batch())
    joined, share = join_targets(TARGETS, (64, 64)), BatchShare(0, 3, 3)
    found = fastinst_losses(model.decoder, outputs, joined, CONFIG, torch.Generator(), share)
    locations = outputs.proposals.locations()
    matches = [
        [
            naive_match(prediction.class_logit_NQK[image], prediction.mask_logit_NQhw[image], truth, locations[image])
            for image, truth in enumerate(TARGETS)
        ]
        for prediction in outputs.predictions
        if prediction.class_logit_NQK is not None
    ]
    assert len(matches) == 3
    inside = torch.zeros(3, 16, 16 * 16, dtype=torch.bool)
    for image, (truth, match) in enumerate(zip(TARGETS, matches[-1], strict=True)):
        for number, query in match.items():
            mask = truth.masks_NHW[number]
            padded = functional.pad(mask.float(), (0, 64 - mask.shape[1], 0, 64 - mask.shape[0]))
            inside[image, query] = padded[::4, ::4].flatten() > 0
    guided = model.decoder.guided(outputs, inside)
    rows = {
        "": [naive_prediction_loss(outputs.predictions[-1], matches[-1])],
        "earlier_": [naive_prediction_loss(*pair) for pair in zip(outputs.predictions[:-1], matches[:-1], strict=True)],
        "guided_": [naive_prediction_loss(prediction, matches[-1]) for prediction in guided],
    }
    expected = {"proposal": naive_proposal_loss(outputs)}
    for prefix, values in rows.items():
        for place, name in enumerate(("class", "mask", "dice")):
            expected[prefix + name] = torch.stack([row[place] for row in values]).sum()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name].detach()) == pytest.approx(float(value.detach()), rel=1e-4), name


# -- shares and parts --------------------------------------------------------------------------------------------------------------


def frozen() -> FastInst:
    """A network whose images can go through it apart: no trained batch norm."""
    backbone = CONFIG.backbone.model_copy(update={"norm": "group"})
    return FastInst(CONFIG.model_copy(update={"backbone": backbone}), torch.Generator().manual_seed(0)).train()


def gradients(parts: int) -> tuple[float, dict[str, float], Tensor]:
    model = frozen().double()
    losses = model.add_gradients(
        batch().double(),
        TARGETS,
        torch.Generator().manual_seed(5),
        [(60, 56), (64, 60), (64, 64)],
        None,
        BatchShare(0, 3, 3),
        parts,
        lambda loss: loss.backward(),
    )
    assert all(parameter.grad is not None for parameter in model.parameters())
    gradient = torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])
    return float(losses.total), {name: float(part) for name, part in losses.parts.items()}, gradient


def test_parts_of_a_batch_add_up() -> None:
    whole, in_parts = gradients(1), gradients(3)
    assert in_parts[0] == pytest.approx(whole[0], rel=1e-4)
    assert in_parts[1] == pytest.approx(whole[1], rel=1e-4)
    assert (in_parts[2] - whole[2]).norm() < 1e-3 * whole[2].norm()


def test_a_batch_without_objects_trains_every_parameter() -> None:
    model = frozen()
    nothing = [target([], [], 64, 64)] * 2
    losses = model.losses(batch(2), nothing, torch.Generator().manual_seed(0))
    assert losses["mask"] == losses["guided_dice"] == 0
    torch.stack(list(losses.values())).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


def test_more_objects_than_queries_are_left_over() -> None:
    config = CONFIG.model_copy(update={"num_queries": 4})
    model = FastInst(config, torch.Generator().manual_seed(0)).train()
    boxes = [(8 * column, 8 * row, 8 * column + 6, 8 * row + 6) for row in range(3) for column in range(3)]
    losses = model.losses(batch(1), [target(boxes, [1] * 9, 64, 64)], torch.Generator().manual_seed(0))
    assert all(loss.isfinite() for loss in losses.values())


def test_a_deformable_backbone_learns_its_places() -> None:
    backbone = ResNetConfig(
        blocks=(1, 1, 1, 1),
        widths=(8, 8, 8, 8),
        stem_width=16,
        norm="group",
        stem="deep",
        shortcut="pooled",
        deformable_stages=(2, 3),
    )
    config = FastInstConfig(
        num_classes=CLASSES, backbone=backbone, width=16, norm_groups=4, heads=2, num_queries=4, loss=LOSS
    )
    model = FastInst(config, torch.Generator().manual_seed(0)).train()
    losses = model.losses(batch(), TARGETS, torch.Generator().manual_seed(0))
    torch.stack(list(losses.values())).sum().backward()
    offset = model.backbone.get_submodule("layer4.0.conv2_offset").get_parameter("bias")
    assert offset.grad is not None
    assert offset.grad.abs().sum() > 0
