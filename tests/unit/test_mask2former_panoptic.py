"""Mask2Former on segments: losses and inference against slow ones that follow the text word for word, teams, files."""

import math
from itertools import permutations
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from methods.common.segmenters.instance.interface import InstanceTarget, PanopticThresholds
from methods.common.segmenters.instance.segmenters import build_segmenter, load_segmenter
from methods.common.segmenters.mask2former.config import PanopticMask2FormerConfig
from methods.common.segmenters.mask2former.panoptic import PanopticMask2Former
from methods.common.segmenters.mask2former.recipes import (
    COCO_STUFF,
    ade20k_r50,
    ade20k_recipe,
    ade20k_swinl,
    coco_r50,
    coco_recipe,
    coco_swinl,
    panoptic_miniature,
)
from methods.common.segmenters.mask_queries.points import PointSource
from methods.common.training.batch_shard import BatchShare
from tests.unit import mask2former_scenes
from tests.unit.mask2former_scenes import config, gradients_alone, uneven_scenes
from tests.unit.oneformer_scenes import scenes
from tests.unit.team_processes import free_ports, start_processes


def network(seed: int = 1, **changes: object) -> PanopticMask2Former:
    return PanopticMask2Former(config(**changes), torch.Generator().manual_seed(seed))


# --- SegGen section 8.2, word for word ---


def read_at(map_HW: Tensor, point: Tensor) -> float:
    """Bilinear value of a map at a point (x, y) in [0, 1], zero outside; a cell's value sits at its centre."""
    height, width = map_HW.shape
    x, y = float(point[0]) * width - 0.5, float(point[1]) * height - 0.5
    value = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                value += (1 - abs(y - row)) * (1 - abs(x - column)) * float(map_HW[row, column])
    return value


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def slow_cross_entropy(logits: list[float], targets: list[float]) -> float:
    return sum(
        -(target * math.log(sigmoid(logit)) + (1 - target) * math.log(1 - sigmoid(logit)))
        for logit, target in zip(logits, targets, strict=True)
    ) / len(logits)


def slow_dice(logits: list[float], targets: list[float]) -> float:
    chances = [sigmoid(logit) for logit in logits]
    overlap = sum(chance * target for chance, target in zip(chances, targets, strict=True))
    return 1 - (2 * overlap + 1) / (sum(chances) + sum(targets) + 1)


def slow_losses(outputs, targets: list[InstanceTarget], points: Tensor, settings) -> dict[str, float]:
    """The losses of each prediction set at the first points of a list, which every mask and image looks at."""
    wide = points[: settings.num_points]
    candidates = points[: int(settings.num_points * settings.oversampling)]
    num_uncertain = int(settings.num_points * settings.importance_share)
    uniform = points[: settings.num_points - num_uncertain]
    num_masks = max(1, sum(len(target.classes_N) for target in targets))
    sets = []
    for class_logit, mask_logit in zip(outputs.class_logits, outputs.mask_logits, strict=True):
        weighted = weights = mask_sum = dice_sum = 0.0
        for image, target in enumerate(targets):
            chance_QK = class_logit[image].softmax(-1)
            queries, segments = len(chance_QK), len(target.classes_N)
            masks = [mask.float() for mask in target.masks_NHW]
            cost = [[0.0] * segments for _ in range(queries)]
            for query in range(queries):
                logits = [read_at(mask_logit[image, query], point) for point in wide]
                for segment in range(segments):
                    wanted = [read_at(masks[segment], point) for point in wide]
                    cost[query][segment] = (
                        2 * -float(chance_QK[query, int(target.classes_N[segment])])
                        + 5 * slow_cross_entropy(logits, wanted)
                        + 5 * slow_dice(logits, wanted)
                    )
            best = min(
                permutations(range(queries), segments),
                key=lambda chosen: sum(cost[query][segment] for segment, query in enumerate(chosen)),
            )
            wanted_class = [len(chance_QK[0]) - 1] * queries
            for segment, query in enumerate(best):
                wanted_class[query] = int(target.classes_N[segment])
                surest = sorted(candidates, key=lambda point: abs(read_at(mask_logit[image, query], point)))
                seen = [*surest[:num_uncertain], *uniform]
                logits = [read_at(mask_logit[image, query], point) for point in seen]
                wanted = [read_at(masks[segment], point) for point in seen]
                mask_sum += slow_cross_entropy(logits, wanted)
                dice_sum += slow_dice(logits, wanted)
            for query, index in enumerate(wanted_class):
                weight = 0.1 if index == len(chance_QK[0]) - 1 else 1.0
                weighted += -weight * math.log(float(chance_QK[query, index]))
                weights += weight
        sets.append((2 * weighted / weights, 5 * mask_sum / num_masks, 5 * dice_sum / num_masks))
    earlier = [sum(values) for values in zip(*sets[:-1], strict=True)]
    names = ("class", "mask", "dice")
    return dict(zip(names, sets[-1], strict=True)) | {
        f"earlier_{name}": value for name, value in zip(names, earlier, strict=True)
    }


def test_losses_are_those_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    monkeypatch.setattr(PointSource, "draw", lambda self, *shape: points[: shape[-1]].expand(*shape, 2).clone().float())
    images, targets = uneven_scenes()
    images, targets = images[1:], targets[1:]  # four, one and no segment
    loss = config().loss.model_copy(update={"num_points": 16})
    model = network(num_queries=5, decoder_layers=1, loss=loss.model_dump()).train()
    found = model.losses(images, targets, torch.Generator().manual_seed(0))
    monkeypatch.undo()
    again = network(num_queries=5, decoder_layers=1, loss=loss.model_dump()).train()
    with torch.no_grad():
        expected = slow_losses(again(images), targets, points.float(), loss)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=2e-4), name


def test_images_without_segments_give_zero_mask_losses_and_reach_every_parameter() -> None:
    images, _ = uneven_scenes()
    nothing = [InstanceTarget(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 32, 32).bool())] * 4
    model = network().train()
    losses = model.losses(images, nothing, torch.Generator().manual_seed(0))
    assert float(losses["mask"]) == float(losses["dice"]) == 0
    assert float(losses["class"]) > 0
    torch.stack(list(losses.values())).sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@pytest.fixture(scope="module")
def alone() -> dict[str, Tensor]:
    return gradients_alone()


def test_two_processes_with_unlike_numbers_of_segments_equal_one(tmp_path: Path, alone: dict[str, Tensor]) -> None:
    for process in start_processes(2, mask2former_scenes.run_team, free_ports(1)[0], tmp_path):
        process.join()
        assert process.exitcode == 0
    for rank in range(2):
        found = load_file(tmp_path / f"{rank}.safetensors")
        assert found.keys() == alone.keys()
        for name, expected in alone.items():
            assert float((found[name] - expected).abs().max()) < 1e-11, name


# --- SegGen section 8.3, word for word ---


def answers(seed: int, queries: int = 9, classes: int = 4) -> tuple[Tensor, Tensor]:
    """Sure and unsure queries with blobs for masks, some of the same stuff class."""
    generator = torch.Generator().manual_seed(seed)
    class_logit = 6 * torch.randn(queries, classes + 1, generator=generator)
    coarse = 8 * torch.randn(1, queries, 4, 5, generator=generator)
    return class_logit, functional.interpolate(coarse, (16, 20), mode="bilinear")[0]


def slow_masks(mask_logit: Tensor, padded, image, output) -> Tensor:
    wide = functional.interpolate(mask_logit[None], padded, mode="bilinear", align_corners=False)
    cut = wide[..., : image[0], : image[1]]
    return functional.interpolate(cut, output, mode="bilinear", align_corners=False)[0].sigmoid()


def slow_panoptic(class_logit: Tensor, chance_QHW: Tensor, things, score_over: float, overlap: float):
    """Segments as a list of (class, set of pixels), in the order in which queries make them."""
    kept = []
    for query, row in enumerate(class_logit.softmax(-1)):
        score, index = row.max(0)
        if int(index) != len(row) - 1 and float(score) > score_over:
            kept.append((query, float(score), int(index)))
    _, height, width = chance_QHW.shape
    pixels = [(y, x) for y in range(height) for x in range(width)]
    won: dict[int, set] = {query: set() for query, _, _ in kept}
    for y, x in pixels if kept else []:
        best = max(kept, key=lambda one: one[1] * float(chance_QHW[one[0], y, x]))
        won[best[0]].add((y, x))
    segments: list[tuple[int, set]] = []
    for query, _, index in kept:
        own = {(y, x) for y, x in pixels if float(chance_QHW[query, y, x]) >= 0.5}
        part = won[query] & own
        if not part or len(won[query]) / len(own) < overlap:
            continue
        same = next((one for one in segments if one[0] == index), None)
        if index not in things and same is not None:
            same[1].update(part)
        else:
            segments.append((index, part))
    return segments


@pytest.mark.parametrize("seed", range(6))
def test_panoptic_segments_are_those_of_the_text(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network().eval()
    class_logit, mask_logit = answers(seed)
    sizes = ((32, 40), (30, 33), (27, 29))
    monkeypatch.setattr(model, "answers", lambda *_: iter([(class_logit, mask_logit, sizes)]))
    for bounds in ((0.8, 0.8), (0.3, 0.5)):
        (found,) = model.segment_panoptic(torch.zeros(1, 3, 30, 33), PanopticThresholds(*bounds))
        expected = slow_panoptic(class_logit, slow_masks(mask_logit, *sizes), (0, 1), *bounds)
        assert found.classes_N.tolist() == [index for index, _ in expected]
        for number, (_, pixels) in enumerate(expected, start=1):
            assert {tuple(place) for place in torch.nonzero(found.segment_HW == number).tolist()} == pixels


def test_some_of_these_scenes_have_every_rule_at_work() -> None:
    """Else the test above would say little: stuff that is merged, queries that lose too much, a thing class twice."""
    merged = lost = twice = 0
    for seed in range(6):
        class_logit, mask_logit = answers(seed)
        chance = slow_masks(mask_logit, (32, 40), (30, 33), (27, 29))
        one_by_one = slow_panoptic(class_logit, chance, (0, 1, 2, 3), 0.3, 0.5)
        found = slow_panoptic(class_logit, chance, (0, 1), 0.3, 0.5)
        merged += len(one_by_one) > len(found)
        lost += len(slow_panoptic(class_logit, chance, (0, 1, 2, 3), 0.3, 0.0)) > len(one_by_one)
        twice += len([index for index, _ in found if index < 2]) > len({index for index, _ in found if index < 2})
    assert min(merged, lost, twice) > 0


@pytest.mark.parametrize("seed", range(3))
def test_detections_and_classes_are_those_of_the_text(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(detections_per_image=12).eval()
    class_logit, mask_logit = answers(seed)
    sizes = ((32, 40), (30, 33), (27, 29))
    monkeypatch.setattr(model, "answers", lambda *_: iter([(class_logit, mask_logit, sizes)]))
    chance_QHW = slow_masks(mask_logit, *sizes)
    probability_QK = class_logit.softmax(-1)[:, :-1]
    pairs = sorted(
        ((float(probability_QK[query, index]), query, index) for query in range(9) for index in range(4)), reverse=True
    )[:12]
    expected = []
    for chance, query, index in pairs:
        inside = [float(value) for value in chance_QHW[query].flatten() if value > 0.5]
        if index in (0, 1) and inside:
            expected.append((chance * sum(inside) / len(inside), index, len(inside)))
    expected.sort(reverse=True)
    (found,) = model.detect(torch.zeros(1, 3, 30, 33))
    assert found.scores_N.tolist() == pytest.approx([score for score, _, _ in expected], rel=1e-4)
    assert found.classes_N.tolist() == [index for _, index, _ in expected]
    assert found.masks_NHW is not None
    assert found.masks_NHW.flatten(1).sum(1).tolist() == [area for _, _, area in expected]
    (label_HW,) = model.segment_semantic(torch.zeros(1, 3, 30, 33))
    score_KHW = sum(probability_QK[query][:, None, None] * chance_QHW[query][None] for query in range(9))
    assert torch.equal(label_HW, score_KHW.argmax(0))


# --- the network as others see it ---


def test_training_lowers_the_loss_on_images_of_unlike_sizes() -> None:
    model = network(4).train()
    images, targets = scenes(2)
    targets[1] = InstanceTarget(targets[1].boxes_N4, targets[1].classes_N, targets[1].masks_NHW[:, :24, :28])
    sizes = [(32, 32), (24, 28)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    history = []
    for step in range(25):
        losses = model.losses(images, targets, torch.Generator().manual_seed(step), sizes, None, BatchShare(0, 2, 2))
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert set(losses) == {"class", "mask", "dice", "earlier_class", "earlier_mask", "earlier_dice"}
    assert history[-1] < 0.7 * history[0]


def test_it_is_built_and_found_again_by_its_kind(tmp_path: Path) -> None:
    model = build_segmenter(config(), torch.Generator().manual_seed(0))
    assert isinstance(model, PanopticMask2Former)
    model.save_pretrained(tmp_path)
    again = load_segmenter(tmp_path)
    assert isinstance(again, PanopticMask2Former)
    assert again.config == config()
    assert all(torch.equal(mine, other) for mine, other in zip(model.parameters(), again.parameters(), strict=True))


def test_classes_must_agree() -> None:
    with pytest.raises(ValidationError, match="stuff_classes names class 4; there are 4 from 0"):
        panoptic_miniature(4, (4,))
    with pytest.raises(ValidationError, match="stuff_classes names every class"):
        panoptic_miniature(2, (0, 1))
    dense = panoptic_miniature(4, ()).loss.model_copy(update={"dense_weight": 1.0})
    with pytest.raises(ValidationError, match="are for label maps"):
        PanopticMask2FormerConfig.model_validate(panoptic_miniature(4, ()).model_dump() | {"loss": dense.model_dump()})


def test_the_releases_settings() -> None:
    """The table of SegGen section 8.3."""
    assert [one.num_queries for one in (ade20k_r50(), ade20k_swinl(), coco_r50(), coco_swinl())] == [100, 100, 100, 200]
    assert ade20k_r50().backbone.norm == coco_r50().backbone.norm == "frozen"
    assert coco_r50().thing_classes == tuple(range(80))
    assert len(COCO_STUFF) == 53
    assert coco_r50(80, ()).thing_classes == coco_r50().thing_classes
    recipe = ade20k_recipe()
    assert (recipe.iterations, recipe.batch_size, recipe.base_lr, recipe.weight_decay) == (160_000, 16, 1e-4, 0.05)
    assert (recipe.backbone_lr_factor, recipe.max_gradient_norm, recipe.power) == (0.1, 0.01, 0.9)
    for epochs, iterations, drops in ((50, 368_750, (327_778, 355_092)), (100, 737_500, (655_556, 710_184))):
        steps = coco_recipe(epochs)
        assert (steps.iterations, steps.drops, steps.max_gradient_norm) == (iterations, drops, 0.01)
        assert iterations == epochs * 118_000 // 16
    with pytest.raises(ValueError, match="trains for 50 or 100"):
        coco_recipe(75)


def test_queries_levels_and_positions_are_not_decayed() -> None:
    with torch.device("meta"):
        model = PanopticMask2Former(coco_swinl())
    plain = coco_recipe(100).names_without_decay(model)
    for part in ("queries_embedder", "queries_features", "level_embed", "relative_position_bias_table", "norm"):
        assert any(part in name for name in plain), part
    assert not any("class_predictor" in name or "qkv" in name for name in plain)
