"""What stands in the place of an idea of MRCA does what it says, and each arm differs from MRCA in just that."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from methods.common.objects.pool import ObjectPool
from methods.common.objects.shards import PooledObject, write_pool
from methods.common.seeds import Seeds
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.stage import Inputs, LocalContext
from methods.mrca.budget import BudgetConfig, class_budget, early_budget, fill_up_budget
from methods.mrca.cut import CutConfig, judge_cut
from methods.mrca.guidance import (
    EntropyGuidance,
    GuidanceConfig,
    class_entropy,
    decode_latent,
    entropy_criterion,
    normalised_twice,
)
from methods.mrca.mapping import MappingConfig, RandomMapping, UniqueMapping
from methods.mrca.stages import generate as generation
from methods.mrca.stages.cut import CutStageConfig, MrcaCutting
from methods.mrca.stages.generate import GenerateConfig, image_seed
from methods.mrca.stages.pasting import MrcaPasting
from methods.mrca.stages.real_objects import RealObjectsConfig, real_objects
from methods.mrca.stages.shuffle_budget import ShuffleConfig, shuffle_budget
from methods.mrca.stages.take_as_many import TakeAsManyConfig, take_as_many
from methods.mrca.stages.train import TrainConfig
from methods.mrca.stages.training_data import TrainingImages
from reproductions.harness.cell import Cell
from reproductions.mrca.ablations import settings_of
from reproductions.mrca.arms import ARMS, Rounds
from reproductions.mrca.plan import ArmCells, SeedPlanner
from reproductions.mrca.recipe import paper_r50, paper_swinl
from tests.unit.plan_edges import label_of
from tests.unit.team_processes import draw_world, inputs_of, network_config
from tests.unit.test_mrca_guidance import Segmenter, sample
from tests.unit.test_mrca_plan_edges import BY_ID, PLACES, study
from tests.unit.tiny_pipelines import tiny_stable_diffusion

COUNT = np.array([1, 10, 5, 2])


# -- budgets ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "expected"),
    [(10, [5, 0, 1, 4]), (11, [6, 0, 1, 4]), (3, [2, 0, 0, 1]), (0, [0, 0, 0, 0]), (28, [11, 2, 6, 9])],
)
def test_filling_up_raises_the_smallest_classes_to_one_level(total: int, expected: list[int]) -> None:
    """10 objects lift classes of 1, 5 and 2 to 6; the eleventh goes to the first of them; 28 lift all to 11 and two to 12."""
    assert fill_up_budget(total, COUNT).tolist() == expected
    assert early_budget(total, COUNT, BudgetConfig(early_rounds="fill_up")).tolist() == expected


def test_a_budget_by_counts_alone_leaves_accuracy_and_change_out() -> None:
    config = BudgetConfig(steering="inverse_count")
    found = class_budget(18, np.array([1.0, 0.0, 0.5, 0.2]), np.array([0.0, 9.0, 1.0, 2.0]), COUNT, config)
    assert found.tolist() == [10, 1, 2, 5]


def shuffled(folder: Path, round_index: int, seed: int = 0) -> dict[str, Any]:
    record = {
        "counts": [1, 2, 3, 4, 5, 6, 7, 8],
        "weights": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
        "accuracy": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
        "feedback": True,
    }
    (folder / "budget").mkdir(exist_ok=True)
    (folder / "budget" / "result.json").write_text(json.dumps(record))
    context = LocalContext(folder, seeds=Seeds(generation=seed))
    return shuffle_budget(Inputs({"budget": [folder / "budget"]}), ShuffleConfig(round_index=round_index), context)


def test_a_shuffled_budget_keeps_its_numbers_and_loses_whom_they_are_for(tmp_path: Path) -> None:
    found = shuffled(tmp_path, 3)
    assert sorted(found["counts"]) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert found["counts"] != sorted(found["counts"])
    assert found["weights"] == [count / 10 for count in found["counts"]], "a weight belongs to its number of objects"
    assert found["accuracy"][:2] == [0.0, 0.1], "what is known of a class stays with it"
    others = (shuffled(tmp_path, 4)["counts"], shuffled(tmp_path, 3, seed=1)["counts"])
    assert found["counts"] not in others, "every round and seed has a shuffle of its own"


# -- mapping ---------------------------------------------------------------------------------------------------------------


def test_random_mapping_gives_as_many_objects_an_image_and_not_each_once() -> None:
    unique, drawn = UniqueMapping(20, 5), RandomMapping(20, 5)
    images = [drawn.objects_of_image(image) for image in range(400)]
    assert [len(found) for found in images] == [len(unique.objects_of_image(image)) for image in range(400)]
    used = np.bincount(np.concatenate(images), minlength=20)
    assert used.min() > 0
    assert used.max() - used.min() > 1
    assert drawn.objects_of_image(7).tolist() == RandomMapping(20, 5).objects_of_image(7).tolist()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    draw_world(folder / "world")
    return folder / "world"


@pytest.mark.parametrize(("draw", "kind"), [("unique", UniqueMapping), ("random", RandomMapping)])
def test_a_training_maps_as_it_is_told(world: Path, draw: Any, kind: type) -> None:
    pasting = MrcaPasting(mapping=MappingConfig(draw=draw))
    config = TrainConfig(segmenter=network_config("batch"), pasting=pasting)
    assert type(TrainingImages(inputs_of(world), config, Seeds()).chooser) is kind


# -- guidance --------------------------------------------------------------------------------------------------------------

RANDOM = GuidanceConfig(period=2, direction="random")


def shifted(seeds: tuple[int, ...], prompts: tuple[str, ...]) -> tuple[torch.Tensor, Any]:
    pipeline = tiny_stable_diffusion("text")
    with EntropyGuidance(RANDOM, None).attached(pipeline, seeds) as trace:
        return sample(pipeline, prompts=prompts, seeds=seeds), trace


def test_a_random_direction_is_as_long_as_guidance_and_asks_nobody() -> None:
    latents, trace = shifted((1, 2), ("a cat", "dog"))
    assert [step.step_index for step in trace.steps] == [0, 2, 4]
    for step in trace.steps:
        assert step.relative_shift == pytest.approx((0.03, 0.03), rel=1e-5)
    assert trace.extra_denoiser_calls == 0
    assert not torch.equal(latents, sample(tiny_stable_diffusion("text")))


def test_a_random_direction_is_of_its_image_and_step_alone() -> None:
    together, _ = shifted((1, 2), ("a cat", "dog"))
    alone, _ = shifted((2,), ("dog",))
    assert torch.allclose(together[1:], alone, atol=2e-4)
    from methods.mrca.guidance import random_direction

    latent = torch.zeros(2, 4, 8, 8)
    first, again, later = (random_direction(latent, (5, 6), step) for step in (0, 0, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, later)
    assert not torch.equal(first[0], first[1])


def test_latents_are_scaled_by_an_eighth_where_the_release_is_followed() -> None:
    vae, latent = tiny_stable_diffusion("text").vae, torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = (vae.decode(latent / 8, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)
        assert torch.equal(decode_latent(vae, latent, "eighth"), expected)
        assert not torch.equal(decode_latent(vae, latent), expected)


def test_pixels_are_normalised_by_the_statistics_of_imagenet_where_the_release_is_followed() -> None:
    found = normalised_twice(torch.tensor([0.485, 0.456 + 0.224, 0.406 - 0.225]).view(1, 3, 1, 1))
    torch.testing.assert_close(found.flatten(), torch.tensor([0.0, 1.0, -1.0]), atol=1e-6, rtol=0)


def test_both_branches_are_judged_where_the_release_is_followed() -> None:
    """An image that is asked for without words has two equal branches, so both give what one gives."""

    def guided(config: GuidanceConfig, prompts: tuple[str, ...]) -> tuple[torch.Tensor, Any]:
        pipeline = tiny_stable_diffusion("text")
        with EntropyGuidance(config, entropy_criterion(Segmenter())).attached(pipeline) as trace:
            return sample(pipeline, prompts=prompts), trace

    one, both = GuidanceConfig(period=2), GuidanceConfig(period=2, branches="both")
    (plain, trace_of_one), (doubled, trace) = guided(one, ("", "")), guided(both, ("", ""))
    assert torch.allclose(plain, doubled, atol=1e-5)
    assert trace.extra_denoiser_images == 2 * trace_of_one.extra_denoiser_images == 12
    assert [len(step.criterion) for step in trace.steps] == [2, 2, 2]
    assert not torch.allclose(guided(one, ("a cat", "dog"))[0], guided(both, ("a cat", "dog"))[0], atol=1e-4)


@pytest.mark.parametrize(
    ("config", "calls"),
    [
        (None, 20),
        (GuidanceConfig(), 22),
        (GuidanceConfig(direction="random"), 20),
        (GuidanceConfig(branches="both"), 24),
        (GuidanceConfig(relative_step=0.0), 20),
    ],
)
def test_denoiser_calls_are_those_of_the_steps_and_of_the_gradients(config: GuidanceConfig | None, calls: int) -> None:
    assert generation._denoiser_calls(GenerateConfig(num_steps=10, guidance_scale=4.0, guidance=config)) == calls


@pytest.mark.parametrize("as_released", [True, False])
def test_the_segmenter_is_asked_as_the_config_says(tmp_path: Path, as_released: bool) -> None:
    model = CenterNet2(network_config("batch"), torch.Generator().manual_seed(0)).eval()
    model.save_pretrained(tmp_path / "guide" / "model")
    released = GuidanceConfig(drop_background=False, detector_input="normalised_twice")
    config = GenerateConfig(guidance=released if as_released else GuidanceConfig())
    guidance = generation._make_guidance(Inputs({"guide": [tmp_path / "guide"]}), config, LocalContext(tmp_path))
    assert guidance is not None
    assert guidance.criterion is not None
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = model.classify_whole_image(normalised_twice(image) if as_released else 255 * image)
        expected = class_entropy(logits if as_released else logits[:, :-1])
        torch.testing.assert_close(guidance.criterion(image), expected)


def test_a_random_direction_needs_no_model(tmp_path: Path) -> None:
    found = generation._make_guidance(Inputs({}), GenerateConfig(guidance=RANDOM), LocalContext(tmp_path))
    assert found is not None
    assert found.criterion is None


# -- cutting and pools -----------------------------------------------------------------------------------------------------


def test_the_whole_canvas_is_kept_where_the_release_is_followed() -> None:
    """Every pixel that the 8-bit mask has above 0, on the uncropped image, however little or much that is."""
    image_HW3 = np.full((8, 10, 3), 200, np.uint8)
    soft_HW = np.zeros((8, 10), np.float32)
    soft_HW[2, 3], soft_HW[7, 9], soft_HW[0, 0] = 1.0, 0.01, 0.001
    found = judge_cut(image_HW3, soft_HW, 30.0, CutConfig(canvas="whole", min_area_fraction=0.5))
    assert found.outcome == "accepted"
    assert found.rgba_HW4 is not None
    assert found.rgba_HW4.shape == (8, 10, 4)
    assert np.argwhere(found.rgba_HW4[..., 3] == 255).tolist() == [[2, 3], [7, 9]]
    assert found.rgba_HW4[2, 3, :3].tolist() == [200, 200, 200]
    assert judge_cut(image_HW3, soft_HW, 20.0, CutConfig(canvas="whole")).outcome == "clip_score"
    assert judge_cut(image_HW3, 0 * soft_HW, 30.0, CutConfig(canvas="whole")).outcome == "empty_mask"
    assert judge_cut(image_HW3, soft_HW, 30.0, CutConfig(min_area_fraction=0.5)).outcome == "too_small"


def test_as_many_objects_are_taken_as_other_pools_have_and_the_first_images_in_turn(tmp_path: Path) -> None:
    """Class 7 has images 0 to 3, class 9 only image 2: after four objects come images 0, 1, 2 of 7 and 2 of 9."""
    config = TakeAsManyConfig(images_per_class=4, generation=GenerateConfig(pool="xpaste"))
    pixels_HW4 = np.full((3, 3, 4), 255, np.uint8)

    def write(folder: Path, places: list[tuple[int, int]]) -> Path:
        folder.mkdir()
        seeds = [image_seed(Seeds(), config.generation, *place) for place in places]
        write_pool(
            folder,
            [
                PooledObject(pixels_HW4, class_id, 1, str(index), seed, 50.0).encode()
                for (class_id, index), seed in zip(places, seeds, strict=True)
            ],
        )
        return folder

    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "classes.json").write_text(json.dumps([{"id": 7}, {"id": 9}]))
    roles = {
        "split": [tmp_path / "split"],
        "pool": [write(tmp_path / "one", [(7, 3), (7, 0), (7, 1)]), write(tmp_path / "two", [(9, 2), (7, 2)])],
        "like": [write(tmp_path / "three", [(7, 0), (9, 0)]), write(tmp_path / "four", [(9, 1), (7, 1)])],
    }
    (tmp_path / "out").mkdir()
    record = take_as_many(Inputs(roles), config, LocalContext(tmp_path / "out"))
    found = [(item.category_id, item.prompt) for item in ObjectPool.open(tmp_path / "out")]
    assert found == [(7, "0"), (7, "1"), (9, "2"), (7, "2")]
    assert record == {"generated": 6, "accepted": {"7": 3, "9": 1}}


def test_real_objects_are_the_instances_of_the_fitting_part(world: Path, tmp_path: Path) -> None:
    inputs = inputs_of(world)
    record = real_objects(inputs, RealObjectsConfig(images_per_shard=5), LocalContext(tmp_path))
    rows = json.loads((inputs.folder("split") / "fit.json").read_text())["annotations"]
    large = [row for row in rows if min(row["bbox"][2:]) >= 6]
    pool = ObjectPool.open(tmp_path)
    assert len(large) <= len(pool) <= len(rows)
    assert sum(record["accepted"].values()) == len(pool)
    item = pool[0]
    first = next(row for row in rows if str(row["image_id"]) == item.prompt and row["category_id"] == item.category_id)
    assert abs(int((item.rgba_HW4[..., 3] == 255).sum()) - first["area"]) <= 1
    assert item.rgba_HW4[..., :3].any()


# -- arms ------------------------------------------------------------------------------------------------------------------


def cells_of(arm: str, **changes: Any) -> ArmCells:
    return SeedPlanner(study(**changes), 0, PLACES).arm(BY_ID[arm])


def last(cells: tuple[Cell, ...]) -> Cell:
    return cells[-1]


VARIANTS = [arm for arm in ARMS if isinstance(arm.how, Rounds) and not arm.how.given_pool and not arm.how.one_shot]


@pytest.mark.parametrize("arm", VARIANTS, ids=lambda arm: arm.id)
def test_a_variant_differs_from_mrca_in_what_it_says_alone(arm: Any) -> None:
    mrca, found = cells_of("mrca").rounds[-1], cells_of(arm.id).rounds[-1]
    how = arm.how
    assert (found.budget.stage.name == "mrca_shuffle_budget") == (how.budget == "shuffled")
    asked = last(found.budget.inputs["budget"]) if how.budget == "shuffled" else found.budget
    assert ("feedback" in asked.inputs) == (how.budget != "uniform")
    assert ("feedback" in found.train.inputs) == how.resizing
    guidance = found.images[0].config.guidance
    assert (guidance is None) == (how.guidance == "none")
    assert ("guide" in found.images[0].inputs) == (how.guidance == "entropy")
    assert found.train.config.pasting.mapping.draw == ("unique" if how.unique_mapping else "random")
    for cell in (asked, found.train):
        for feedback in cell.inputs.get("feedback", ()):
            assert feedback.config.split == ("val" if how.feedback == "val" else "feedback")
            steering = (how.lag or 2) if cell is asked or how.resizing else 0
            assert f"/round{4 - steering}/feedback" in label_of(feedback)
    if how.guidance == "entropy":
        assert label_of(last(found.images[0].inputs["guide"])) == f"{arm.id}/round{4 - (how.lag or 2)}/train"
    if not how.as_released and how.feedback != "val":
        expected = mrca.train.config.pasting.resizing
        assert found.train.config.pasting.resizing == expected
        assert found.images[0].config.model_copy(update={"guidance": None}) == mrca.images[0].config.model_copy(
            update={"guidance": None}
        )
        assert last(found.pools).config == last(mrca.pools).config
    assert found.train.config.recipe == mrca.train.config.recipe
    assert [item.entropy is None for item in cells_of(arm.id).rounds] == [arm.id != "mrca"] * 4


def test_each_of_the_four_ideas_is_taken_away_once_and_stands_alone_once() -> None:
    ideas = {"budget": "uniform", "guidance": "none", "unique_mapping": False, "resizing": False}
    nothing = replace(Rounds(), **ideas)
    by_how = {arm.how: arm.id for arm in ARMS if isinstance(arm.how, Rounds)}
    assert by_how[nothing] == "rounds_alone"
    for idea, absent in ideas.items():
        name = idea.removeprefix("unique_")
        assert by_how[replace(Rounds(), **{idea: absent})] == f"mrca_no_{name}"
        assert by_how[replace(nothing, **{idea: getattr(Rounds(), idea)})] == f"rounds_{name}"


def test_what_the_release_does_is_all_there_is_in_its_arm() -> None:
    config = settings_of(paper_r50().mrca, BY_ID["mrca_as_released"].how)
    assert config.budget.model_dump(mode="json") == {
        "accuracy_term": "ap",
        "count_mode": "real",
        "early_rounds": "inverse_count",
        "weight_change_rows": "shifted",
        "shrinkage": {"toward": "none", "prior_instances": 5.0},
        "steering": "feedback",
    }
    guidance = config.generation.guidance
    assert guidance is not None
    found = (guidance.drop_background, guidance.latent_scale, guidance.detector_input, guidance.branches)
    assert found == (False, "eighth", "normalised_twice", "both")
    assert isinstance(config.cutting.rule, MrcaCutting)
    assert config.cutting == CutStageConfig(rule=MrcaCutting(filter=CutConfig(canvas="whole")))
    assert config.pasting.resizing.shrinkage.toward == "none"


def test_other_counts_and_lags_reach_their_cells() -> None:
    assert cells_of("mrca_real_counts").rounds[-1].budget.config.formula.count_mode == "real"
    by_count = cells_of("mrca_count_budget")
    assert [item.budget.config.formula.steering for item in by_count.rounds] == ["inverse_count"] * 4
    assert {item.budget.config.formula.early_rounds for item in by_count.rounds} == {"inverse_count"}
    assert cells_of("mrca_lag_1", lag=2).rounds[0].plan.guide_model == 0
    assert cells_of("mrca_val_feedback").rounds[-1].budget.config.formula.shrinkage.toward == "none"


def test_one_shot_feedback_makes_all_objects_at_once_by_the_first_model() -> None:
    (only,) = cells_of("one_shot").rounds
    assert only.budget.config.objects == 4 * 72
    assert only.budget.config.formula.early_rounds == "fill_up"
    assert label_of(last(only.images[0].inputs["guide"])) == "warm_up/train"
    assert (only.train.config.first_iteration, only.train.config.last_iteration) == (0, 480)
    assert "feedback" not in only.train.inputs
    assert only.feedback is None


def test_unguided_rounds_without_feedback_share_their_objects() -> None:
    """No model is behind them, so arms that differ in how they paste are paired object by object."""
    planner = SeedPlanner(study(), 0, PLACES)
    alone, mapped, resized = (planner.arm(BY_ID[f"rounds_{name}"]) for name in ("alone", "mapping", "resizing"))
    assert [cell.id for cell in alone.images] == [cell.id for cell in mapped.images] == [c.id for c in resized.images]
    assert len({cell.id for cell in (last(alone.trains), last(mapped.trains), last(resized.trains))}) == 3


def test_bsgal_judges_xpastes_batches() -> None:
    planner = SeedPlanner(study(), 0, PLACES)
    plain = last(planner.arm(BY_ID["xpaste"]).trains)
    for arm, kind, threshold in (
        ("bsgal", "cosine", "fixed"),
        ("bsgal_running", "cosine", "running"),
        ("bsgal_trial_step", "trial_step", "fixed"),
    ):
        train = last(planner.arm(BY_ID[arm]).trains)
        acceptance = train.config.acceptance
        assert (acceptance.comparison, acceptance.threshold.kind) == (kind, threshold)
        assert train.config.model_copy(update={"acceptance": None}) == plain.config
        assert train.inputs == plain.inputs
    assert paper_swinl().bsgal.threshold.kind == "running"
    assert paper_r50().bsgal.threshold.kind == "fixed"


def test_pools_of_other_objects() -> None:
    planner = SeedPlanner(study(), 0, PLACES)
    mrca, equal = planner.arm(BY_ID["mrca"]), planner.arm(BY_ID["xpaste_equal_accepted"])
    (taken,) = equal.pools
    assert [cell.id for cell in taken.inputs["like"]] == [cell.id for cell in mrca.pools]
    assert [cell.id for cell in taken.inputs["pool"]] == [cell.id for cell in planner.arm(BY_ID["xpaste"]).pools]
    real = planner.arm(BY_ID["real_copy_paste"])
    assert [cell.stage.name for cell in last(real.trains).inputs["pool"]] == ["mrca_real_objects"]
    limits = [last(cells.trains).config.pasting.sampler for cells in (real, equal)]
    assert [(one.min_objects_per_image, one.max_objects_per_image) for one in limits] == [(1, 2), (1, 2)]
