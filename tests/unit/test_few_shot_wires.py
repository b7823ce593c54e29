"""What hands what to whom in branches B and C, where a default or a neighbour would do by chance: sampling, views, students, the ladder."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from methods.common.segmenters.backbones.generative.backbone import GenerativeBackbone
from methods.common.segmenters.backbones.generative.presets import generative_backbone, miniature_networks
from methods.common.segmenters.diffusioninst.config import DiffusionConfig, DiffusionInstLossConfig
from methods.common.segmenters.diffusioninst.diffusion import TrainingNoise, cosine_alphas
from methods.common.segmenters.diffusioninst.head import HeadOutputs, region_levels
from methods.common.segmenters.diffusioninst.losses import diffusioninst_losses
from methods.common.segmenters.diffusioninst.model import Candidates, DiffusionInst, ImageFeatures
from methods.common.segmenters.diffusioninst.presets import diffusioninst_miniature
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.training.batch_shard import BatchShare
from methods.instance_synthesis.distillation import Distillation
from methods.instance_synthesis.sizes import LadderConfig
from methods.instance_synthesis.views import views_of
from reproductions.instance_synthesis.arms import ARMS
from reproductions.instance_synthesis.branch_b_arms import ARM_OF_RUNG, BRANCH_B_ARMS, RUNG_OF
from reproductions.instance_synthesis.branch_b_recipe import mini
from reproductions.instance_synthesis.claims import METRICS
from reproductions.instance_synthesis.collect import LADDER_STUDY, Collector
from reproductions.instance_synthesis.plan import SeedPlanner
from tests.unit.plan_edges import outside
from tests.unit.told_store import ToldStore, number

MINIATURE = diffusioninst_miniature(2).model_copy(update={"num_proposals": 4})
ALPHAS = cosine_alphas(1000, 0.008)
SIZE = (40, 80)


def network(diffusion: DiffusionConfig | None = None, **changes: object) -> DiffusionInst:
    config = MINIATURE.model_copy(update={"diffusion": diffusion or DiffusionConfig(), **changes})
    return DiffusionInst(config, torch.Generator().manual_seed(0)).eval()


# -- DiffusionInst -------------------------------------------------------------------------------------------------------------

SURE = torch.tensor([[3.0, -3.0], [0.9, -3.0], [-3.0, 2.5], [-3.0, -3.0]])
"""Probabilities of the best class: 0.95, 0.71, 0.92 and 0.05."""
FOUND = torch.tensor([[8.0, 4, 24, 12], [0, 0, 40, 20], [40, 20, 80, 40], [16, 8, 48, 24]])


def test_a_sampling_step_follows_its_own_two_times_and_the_configs_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps, from 999 to 499: DDIM's rule written out, boxes that are not sure enough drawn anew, only the last step's kept."""
    diffusion = DiffusionConfig(sampling_steps=2, eta=0.3, renewal_score=0.8, ensemble=False, noise_seed=5)
    model, seen = network(diffusion), []

    def decode(features: Any, noisy_NQ4: torch.Tensor, timestep_N: torch.Tensor) -> list[HeadOutputs]:
        seen.append((noisy_NQ4[0].clone(), timestep_N.tolist()))
        return [HeadOutputs(SURE[None], FOUND[None], torch.zeros(1, 4, model.config.num_filters))]

    monkeypatch.setattr(model, "decode", decode)
    first = model._first_boxes(torch.device("cpu"))
    assert torch.equal(first, torch.randn(4, 4, generator=torch.Generator().manual_seed(5)))
    steps = model.sample(SimpleNamespace(sizes=[SIZE]), first[None])  # type: ignore[arg-type]
    assert [times for _, times in seen] == [[999], [499]]
    assert len(steps) == 1
    now, following = (float(ALPHAS[time]) for time in (999, 499))
    sides = FOUND / torch.tensor([80.0, 40, 80, 40])
    shares = torch.cat([(sides[:, :2] + sides[:, 2:]) / 2, sides[:, 2:] - sides[:, :2]], 1)
    signal = (2 * shares - 1) * 2
    noise = (first - math.sqrt(now) * signal) / math.sqrt(1 - now)
    sigma = 0.3 * math.sqrt((1 - now / following) * (1 - following) / (1 - now))
    fresh, renewed = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(6))
    going_on = math.sqrt(following) * signal + math.sqrt(1 - following - sigma**2) * noise + sigma * fresh
    expected = torch.stack([going_on[0], renewed[1], going_on[2], renewed[3]])
    torch.testing.assert_close(seen[1][0], expected, atol=1e-4, rtol=1e-4)


def test_overlap_and_mask_thresholds_are_the_configs() -> None:
    """Two boxes of IoU 0.6, and masks of probability 0.6 everywhere."""
    features = ImageFeatures([], torch.zeros(1, 8, 10, 20), [SIZE], SIZE)
    filters = torch.zeros(2, MINIATURE.num_filters)
    filters[:, -1] = math.log(0.6 / 0.4)
    boxes = torch.tensor([[0.0, 0, 40, 20], [0, 0, 24, 20]])
    found = Candidates(boxes, torch.tensor([0.9, 0.8]), torch.tensor([1, 1]), filters)
    for changes, kept, filled in (
        ({}, 1, True),
        ({"detections_nms_iou": 0.7}, 2, True),
        ({"mask_threshold": 0.7}, 1, False),
    ):
        (detections,) = network(**changes).finish(features, [[found]])
        assert detections.masks_NHW is not None
        assert (len(detections.boxes_N4), bool(detections.masks_NHW.any())) == (kept, filled)


def test_noise_levels_and_focal_weight_are_the_configs() -> None:
    sizes = torch.tensor([[0.0, 0, 27, 27], [0, 0, 57, 57], [0, 0, 300, 300]])
    assert region_levels(sizes, (4, 8, 16, 32), MINIATURE).tolist() == [0, 2, 3], "56 px are the side of level 4"
    model = network(DiffusionConfig(signal_scale=0.5))
    target = InstanceTarget(
        torch.tensor([[8.0, 4, 24, 12]]), torch.tensor([1]), torch.zeros(1, *SIZE, dtype=torch.bool)
    )
    noisy, times = model._training_boxes([target], [SIZE], torch.Generator().manual_seed(3), BatchShare(0, 1, 1))
    seed = int(torch.randint(2**62, (1,), generator=torch.Generator().manual_seed(3)))
    drawn = TrainingNoise.draw(4, 1000, seed, torch.device("cpu"))
    assert times.tolist() == [drawn.timestep]
    alpha = ALPHAS[drawn.timestep]
    wanted = alpha.sqrt() * (torch.tensor([0.2, 0.2, 0.2, 0.2]) * 2 - 1) * 0.5 + (1 - alpha).sqrt() * drawn.noise_Q4[0]
    torch.testing.assert_close(noisy[0, 0], wanted.float(), atol=1e-5, rtol=1e-5)
    config = MINIATURE.model_copy(update={"loss": DiffusionInstLossConfig(focal_gamma=0.5, class_weight=3.0)})
    nothing = InstanceTarget(
        torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, *SIZE, dtype=torch.bool)
    )
    heads = [HeadOutputs(SURE[None], FOUND[None], torch.zeros(1, 4, config.num_filters))]
    found = diffusioninst_losses(heads, torch.zeros(1, 8, 10, 20), [nothing], [SIZE], SIZE, config, BatchShare(0, 1, 1))
    probability = SURE.sigmoid()
    assert float(found["class"]) == pytest.approx(
        float(3.0 * 0.75 * (probability**0.5 * functional.softplus(SURE)).sum()), rel=1e-4
    )


# -- extractor, views, students ------------------------------------------------------------------------------------------------


def test_the_rank_of_low_rank_updates_is_the_configs() -> None:
    config = generative_backbone(miniature_networks(), width=16).model_copy(update={"tuning": "lora", "lora_rank": 3})
    names = dict(GenerativeBackbone(config).extractor.unet.named_parameters())
    assert {tensor.shape[0] for name, tensor in names.items() if "lora_A" in name} == {3}


@pytest.mark.parametrize("strides", [(4, 12, 32), (8, 4)])
def test_levels_that_are_no_pyramid_are_told(strides: tuple[int, ...]) -> None:
    message = r"levels have strides \(.*\); each must be twice the one before"
    with pytest.raises(ValueError, match=message):
        generative_backbone(miniature_networks(), strides_px=strides)
    with pytest.raises(ValidationError, match=message):
        LadderConfig(networks=miniature_networks(), strides_px=strides)


def test_views_keep_within_the_longest_side() -> None:
    image = SimpleNamespace(height=100, width=400)
    found = list(views_of([image], (50, 30), 160, mirror=False))  # type: ignore[list-item]
    assert [(view.size, view.flip) for view in found] == [((40, 160), False), ((30, 120), False)]


class Student(Distillation):
    """A distillation of which only the draws are asked."""

    def __init__(self, seeds: Any) -> None:
        rows = [SimpleNamespace(height=8, width=9, number=place) for place in range(50)]
        self.dataset = SimpleNamespace(images=rows, image_path=lambda image: image.number)  # type: ignore[assignment]
        self.config = SimpleNamespace(crop_px=(4, 4), recipe=SimpleNamespace(batch_size=3, iterations=4))  # type: ignore[assignment]
        self.context = SimpleNamespace(seeds=seeds)  # type: ignore[assignment]


def test_no_picture_of_a_distillation_comes_twice_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Iteration 2 of batches of three begins with the seventh picture; pictures differ in which one is read, and where."""
    from methods.common.seeds import Seeds
    from methods.instance_synthesis import distillation

    asked: list[int] = []

    def crop(self: Any, number: int) -> np.ndarray:
        asked.append(number)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(
        distillation, "read_rgb", lambda place, height, width: np.full((height, width, 3), place, np.uint8)
    )
    student = Student(Seeds())
    assert len({int(student.crop(number)[0, 0, 0]) for number in range(12)}) > 6
    monkeypatch.setattr(Student, "crop", crop)
    assert len(list(student.batches(2))) == 2
    assert asked == [6, 7, 8, 9, 10, 11]


# -- the ladder of sizes -------------------------------------------------------------------------------------------------------

RUNGS = ("full", "half", "cut", "block_pruned", "head_pruned")


def test_each_rung_is_read_by_the_arm_that_has_its_networks() -> None:
    extractors = {arm.id: arm.how.extractor for arm in BRANCH_B_ARMS}
    for rung, arm in ARM_OF_RUNG.items():
        assert RUNG_OF[extractors[arm]] == ("half" if rung == "features_only" else rung)


def test_the_ladder_shows_what_each_rung_costs_and_what_its_own_arm_reaches(tmp_path: Path) -> None:
    def sizes(label: str) -> dict[str, Any]:
        numbers = ("parameters", "weights_mib", "multiply_adds", "peak_mib", "ms_per_image")
        return {
            "device": "cpu",
            "rungs": [{"rung": rung, **{name: number(rung, name) for name in numbers}} for rung in RUNGS],
        }

    def evaluated(label: str) -> dict[str, Any]:
        names = ("AP", "AP50", "AP_base", "AP_novel", "AP50_novel")
        return {"metrics": {name: number(label, name, 90) for name in names}}

    records = {
        "instance_synthesis_sizes": sizes,
        "evaluate_cityscapes": evaluated,
        "instance_synthesis_train": lambda label: {"num_images": 1, "iterations": 1, "instances": {"total": 1}},
    }
    store: Any = ToldStore(tmp_path, records)
    places = outside("backbone", "extractor")
    ids = ("few_sizes", "few_generator", "few_generator_heads", "few_generator_blocks", "few_5")
    known = [arm for arm in ARMS if arm.id in ids]
    planners = [SeedPlanner(mini(), index, places) for index in (0, 1)]
    collector = Collector(store, planners, known, "small", [metric.id for metric in METRICS], tmp_path)
    for result in collector.results():
        label = f"seed{result.seed}/{result.arm}/evaluate"
        base, novel = (number(label, name, 90) for name in ("AP_base", "AP_novel"))
        assert (result.metrics["AP_base"], result.metrics["AP_novel"]) == (base, novel)
        assert result.metrics["AP_harmonic"] == pytest.approx(2 * base * novel / (base + novel))
    extras = collector.extras()
    assert [(one.rung, one.multiply_adds) for one in extras["ladder"]] == [
        (rung, number(rung, "multiply_adds")) for rung in RUNGS
    ]
    titles = {one.rung: one.title for one in extras["ladder"]}
    assert (titles["half"], titles["head_pruned"]) == ("Half precision", "Fewer heads")
    points = {(one.variant, one.seed): one for one in extras["points"] if one.scatter == LADDER_STUDY}
    read = {"Whole pipeline, float32": "full", "Fewer heads": "head_pruned", "Fewer blocks": "block_pruned"}
    arms = {
        "full": "few_generator",
        "head_pruned": "few_generator_heads",
        "block_pruned": "few_generator_blocks",
    }
    assert set(points) == {(title, seed) for title in read for seed in (0, 1)}
    for (title, seed), point in points.items():
        rung = read[title]
        assert point.x == pytest.approx(number(rung, "multiply_adds") / 1e9)
        assert point.y == number(f"seed{seed}/{arms[rung]}/evaluate", "AP_novel", 90)
