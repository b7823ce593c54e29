"""Every number of MRCA's report is the one of the right cell: of its own arm, seed, round, model and metric."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.objects.shards import PooledObject, write_pool
from reproductions.mrca.arms import ARMS
from reproductions.mrca.claims import (
    ENTROPY_CURRENT,
    ENTROPY_LAST,
    ENTROPY_SAME,
    ENTROPY_WARMUP,
    METRICS,
    UNGUIDED_LAST,
    UNGUIDED_WARMUP,
)
from reproductions.mrca.collect import Collector
from reproductions.mrca.plan import SeedPlanner
from reproductions.mrca.recipe import mini
from tests.unit.plan_edges import outside
from tests.unit.told_store import ToldStore, number, seconds

SEEDS, ROUNDS = (0, 1), 4
SHARDS, EQUAL = mini().xpaste.num_shards, ROUNDS * mini().mrca.rounds.objects_per_round
"""Cells of X-Paste's pool, and the objects of all of MRCA's rounds."""
CLASSES = [
    {
        "id": n,
        "name": f"class {n}",
        "group": "r",
        "image_count": 10 + n,
        "instance_count": 20 + n,
        "feedback_image_count": n - 2,
    }
    for n in (2, 5, 7)
]
ARM_IDS = (
    "no_aug",
    "no_aug_double",
    "xpaste",
    "bsgal",
    "xpaste_equal_pool",
    "mrca",
    "xpaste_equal_accepted",
    "divergen",
)
COUNTS, WEIGHTS = (1, 2, 4), (3.0, 2.0, 1.0)
"""S and the weights of rounds with feedback."""
GROUPS = ("AP", "APr", "APc", "APf")


def evaluated(label: str) -> dict[str, Any]:
    def drawn(which: str) -> dict[str, Any]:
        return {
            f"metrics_{kind}": {name: number(label, f"{kind} {name}{which}") for name in GROUPS}
            for kind in ("box", "mask")
        }

    return {**drawn(""), "resamples": [drawn(" 0"), drawn(" 1")]}


def looked_at(label: str) -> dict[str, Any]:
    def of_model(m: int) -> dict[str, int]:
        return {name: number(label, f"M_{m} {name}") for name in ("mean", "class_mean", "standard_error")}

    return {"num_images": number(label, "count"), "models": [of_model(m) for m in range(ROUNDS + 1)]}


def shared_out(label: str) -> dict[str, Any]:
    record: dict[str, Any] = {"counts": [number(label, str(item["id"])) for item in CLASSES], "feedback": False}
    if label.endswith(("round3/budget", "round4/budget")):
        record |= {"feedback": True, "training_counts": COUNTS, "weights": WEIGHTS}
    return record


def trained(label: str) -> dict[str, Any]:
    record: dict[str, Any] = {"iterations": number(label, "mine"), "iterations_total": number(label, "total")}
    if "bsgal" in label:
        parts = [number(label, f"part {part}") / 1000 for part in range(10)]
        record["acceptance"] = {
            "rate": number(label, "rate") / 1000,
            "rate_by_part": parts,
            "cache_mib": number(label, "cache"),
        }
    return record


def cut_out(label: str) -> dict[str, Any]:
    outcomes = {key: {"accepted": number(label, key), "clip_score": number(label, f"bad {key}")} for key in ("5", "7")}
    record: dict[str, Any] = {"accepted": {key: of["accepted"] for key, of in outcomes.items()}, "outcomes": outcomes}
    if "/xpaste/" in label:
        record["chosen"] = {"cutter": number(label, "first"), "sam_middle": number(label, "second")}
    return record


RECORDS = {
    "mrca_evaluate": evaluated,
    "mrca_entropy": looked_at,
    "mrca_budget": shared_out,
    "mrca_generate": lambda label: {"num_images": 648, "denoiser_calls": number(label, "calls")},
    "mrca_cut": lambda label: cut_out(label),
    "mrca_energy_gap": lambda label: {name: number(label, name) for name in ("gap", "train", "val")},
    "mrca_take": lambda label: {"accepted": {"2": number(label, "2")}},
    "mrca_take_as_many": lambda label: {"generated": number(label, "made"), "accepted": {"2": number(label, "2")}},
    "mrca_train": lambda label: trained(label),
}


def write_classes(label: str, folder: Path) -> None:
    (folder / "classes.json").write_text(json.dumps(CLASSES))


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Collector:
    folder = tmp_path_factory.mktemp("store")
    store = ToldStore(folder, RECORDS, {"mrca_split": write_classes, "mrca_cut": write_object})  # type: ignore[arg-type]
    generators = ("generator", "xpaste_generator", "divergen_generator", "divergen_second")
    places = outside(*generators, "cutter", "sam_middle", "clip", "extra_classes", "written_prompts")
    planners = [SeedPlanner(mini(), index, places) for index in SEEDS]
    arms = [arm for arm in ARMS if arm.id in ARM_IDS]
    return Collector(store, planners, arms, "miniature", [metric.id for metric in METRICS], folder / "pictures")  # type: ignore[arg-type]


def write_object(label: str, folder: Path) -> None:
    rgba_HW4 = np.full((4, 4, 4), 255, np.uint8)
    rgba_HW4[..., :3] = number(label, "grey", 255)
    write_pool(folder, [PooledObject(rgba_HW4, 5, 1, "", 0, 30.0).encode()])


@pytest.fixture(scope="module")
def extras(collector: Collector) -> dict[str, Any]:
    return collector.extras()


def evaluation_of(arm: str, seed: int) -> str:
    return f"seed{seed}/{arm}/evaluate"


def test_every_metric_is_its_arms_and_seeds_own(collector) -> None:
    """Box AP from boxes, mask AP from masks, each frequency group from its own field."""
    results = {(result.arm, result.seed): result for result in collector.results()}
    assert results.keys() == {(arm, seed) for arm in ARM_IDS for seed in SEEDS}
    for (arm, seed), result in results.items():
        label = evaluation_of(arm, seed)
        assert result.metrics == {
            f"{name}_{kind}": number(label, f"{kind} {name}") for name in GROUPS for kind in ("box", "mask")
        }


def test_resamples_stand_beside_the_numbers_of_the_same_evaluation(collector) -> None:
    for result in collector.results():
        label = evaluation_of(result.arm, result.seed)
        assert result.resamples == tuple(
            {f"{name}_{kind}": number(label, f"{kind} {name} {draw}") for name in GROUPS for kind in ("box", "mask")}
            for draw in range(2)
        )


def test_entropy_is_reported_of_the_model_that_steered_of_m0_and_of_the_last(extras) -> None:
    """Lag 2: M_0 steers rounds 1 and 2 as far as anything does, M_1 round 3, M_2 round 4; round 1 has no guided objects.

    What is told is the mean over classes.
    """
    points = {(point.series, point.seed, point.round): point for point in extras["series"]}
    expected = {}
    for seed in SEEDS:
        for index, steering in ((2, 0), (3, 1), (4, 2)):
            label = f"seed{seed}/mrca/round{index}/entropy"
            for series, model in ((ENTROPY_CURRENT, steering), (ENTROPY_WARMUP, 0), (ENTROPY_LAST, 4)):
                expected[series, seed, index] = (label, model)
        for index in (1, 2, 3, 4):
            label = f"seed{seed}/mrca/round{index}/{'entropy' if index == 1 else 'unguided/entropy'}"
            expected |= {(series, seed, index): (label, m) for series, m in ((UNGUIDED_WARMUP, 0), (UNGUIDED_LAST, 4))}
        for model in range(5):
            expected[ENTROPY_SAME, seed, model] = (f"seed{seed}/mrca/round1/entropy", model)
    assert points.keys() == expected.keys()
    assert len(points) == len(extras["series"])
    for key, (label, model) in expected.items():
        point = points[key]
        told = tuple(number(label, f"M_{model} {name}") for name in ("class_mean", "standard_error"))
        assert (point.value, point.standard_error) == told, key
        assert (point.model, point.count) == (f"M_{model}", number(label, "count"))


def test_the_series_of_the_claims_are_these() -> None:
    """The poster's figure: level under the *current* model, rising under M_0 (MRCA section 1)."""
    assert (ENTROPY_CURRENT, ENTROPY_WARMUP) == ("entropy_current", "entropy_warmup")


def test_guidance_is_weighed_against_the_twins_of_its_round(extras) -> None:
    costs = {(cost.seed, cost.round): (cost.guided_s, cost.unguided_s) for cost in extras["guidance_costs"]}
    assert costs == {
        (seed, index): (seconds(f"{name}/generate"), seconds(f"{name}/unguided/generate"))
        for seed in SEEDS
        for index in (2, 3, 4)
        for name in (f"seed{seed}/mrca/round{index}",)
    }


def test_a_budget_with_feedback_stands_beside_that_of_the_counts(extras) -> None:
    """1/S = 1, 0.5, 0.25; Pearson's correlation with 3, 2, 1 by hand: 0.375 / (sqrt(0.2917) sqrt(2)) / 1 = 0.9820."""
    for budget in extras["budgets"]:
        if budget.round < 3:
            assert budget.by_count is None
            assert budget.count_correlation is None
            continue
        total = sum(budget.objects)
        assert budget.by_count is not None
        assert sum(budget.by_count) == total
        assert np.array(budget.by_count) == pytest.approx(np.array([4, 2, 1]) * total / 7, abs=1)
        assert budget.count_correlation == pytest.approx(0.98198, abs=1e-5)


def test_budgets_are_a_rounds_own_in_the_order_of_the_classes(extras) -> None:
    budgets = {(budget.seed, budget.round): budget for budget in extras["budgets"]}
    assert len(budgets) == len(SEEDS) * ROUNDS
    for (seed, index), budget in budgets.items():
        of_budget, of_cut = (f"seed{seed}/mrca/round{index}/{what}" for what in ("budget", "cut"))
        assert budget.objects == tuple(number(of_budget, class_id) for class_id in ("2", "5", "7"))
        assert budget.accepted == (0, number(of_cut, "5"), number(of_cut, "7"))
    known = [(item.id, item.train_images, item.feedback_images) for item in extras["classes"]]
    assert known == [(2, 12, 0), (5, 15, 3), (7, 17, 5)]


def accepted(*cuts: str) -> int:
    return sum(number(cut, class_id) for cut in cuts for class_id in ("5", "7"))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cost_of_mrca_is_that_of_all_its_rounds(collector, seed) -> None:
    cost = next(cost for cost in collector.costs() if (cost.arm, cost.seed) == ("mrca", seed))
    rounds = [f"seed{seed}/mrca/round{index}" for index in range(1, ROUNDS + 1)]
    images, cuts, trains = ([f"{name}/{what}" for name in rounds] for what in ("generate", "cut", "train"))
    warm_up = f"seed{seed}/warm_up/train"
    assert (cost.objects_generated, cost.objects_accepted) == (4 * 648, accepted(*cuts))
    assert cost.denoiser_calls == sum(number(label, "calls") for label in images)
    assert (cost.warmup_iterations, cost.iterations) == (number(warm_up, "mine"), number(trains[-1], "total"))
    assert (cost.generate_s, cost.cut_s, cost.train_s) == (seconds(*images), seconds(*cuts), seconds(warm_up, *trains))
    feedback = [f"{name}/feedback" for name in rounds[:2]]  # M_1 and M_2 steer rounds 3 and 4
    assert cost.evaluate_s == seconds(evaluation_of("mrca", seed), *feedback)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_smaller_pool_costs_its_share_of_the_large_one(collector, seed) -> None:
    """Every shard of X-Paste made 648 images; the control may use as many as MRCA's rounds are asked for."""
    costs = {cost.arm: cost for cost in collector.costs() if cost.seed == seed}
    shards = [f"seed{seed}/xpaste/shard{shard}" for shard in range(SHARDS)]
    images, cuts = ([f"{name}/{what}" for name in shards] for what in ("generate", "cut"))
    calls, share = sum(number(label, "calls") for label in images), EQUAL / (SHARDS * 648)
    whole, part = costs["xpaste"], costs["xpaste_equal_pool"]
    assert (whole.objects_generated, whole.objects_accepted) == (SHARDS * 648, accepted(*cuts))
    assert (whole.denoiser_calls, whole.generate_s, whole.cut_s) == (calls, seconds(*images), seconds(*cuts))
    taken = f"seed{seed}/xpaste_equal_pool/take"
    assert (part.objects_generated, part.objects_accepted) == (EQUAL, number(taken, "2"))
    assert part.denoiser_calls == round(share * calls)
    assert part.generate_s == pytest.approx(share * seconds(*images))
    assert part.cut_s == pytest.approx(share * seconds(*cuts))


@pytest.mark.parametrize("seed", SEEDS)
def test_as_many_accepted_objects_cost_the_images_that_they_needed(collector, seed) -> None:
    """How many that are is known to the cell that took them."""
    costs = {cost.arm: cost for cost in collector.costs() if cost.seed == seed}
    taken, whole, part = f"seed{seed}/xpaste_equal_accepted/take", costs["xpaste"], costs["xpaste_equal_accepted"]
    share = number(taken, "made") / (SHARDS * 648)
    assert (part.objects_generated, part.objects_accepted) == (number(taken, "made"), number(taken, "2"))
    assert part.denoiser_calls == round(share * whole.denoiser_calls)


@pytest.mark.parametrize("seed", SEEDS)
def test_arms_on_real_images_generate_nothing(collector, seed) -> None:
    costs = {cost.arm: cost for cost in collector.costs() if cost.seed == seed}
    before, double = f"seed{seed}/warm_up/train", f"seed{seed}/no_aug_double/train"
    alone = costs["no_aug"]
    assert (alone.objects_generated, alone.objects_accepted, alone.denoiser_calls) == (0, 0, 0)
    assert (alone.warmup_iterations, alone.iterations) == (0, number(before, "total"))
    twice = costs["no_aug_double"]
    assert (twice.warmup_iterations, twice.iterations) == (number(before, "mine"), number(double, "total"))
    assert twice.train_s == seconds(before, double)


def test_sample_objects_are_of_their_round_and_class(extras) -> None:
    """Of the first seed alone, one picture a round here, as the pools hold one object each."""
    assert [(item.row, item.category) for item in extras["objects"]] == [
        (f"round {n}", "class 5") for n in (1, 2, 3, 4)
    ]
    for index, item in enumerate(extras["objects"], start=1):
        assert np.asarray(Image.open(item.path))[0, 0, 0] == number(f"seed0/mrca/round{index}/cut", "grey", 255)


def test_acceptance_is_of_the_gated_training_of_each_seed(extras) -> None:
    found = {rate.seed: rate for rate in extras["gate_rates"]}
    assert {rate.arm for rate in extras["gate_rates"]} == {"bsgal"}
    assert found.keys() == set(SEEDS)
    for seed, rate in found.items():
        label = f"seed{seed}/bsgal/train"
        assert rate.rate == number(label, "rate") / 1000
        assert rate.by_part[3] == number(label, "part 3") / 1000
        assert rate.cache_mib == number(label, "cache")


def test_mask_ap_stands_over_the_calls_of_its_own_arm_and_seed(collector, extras) -> None:
    costs = {(cost.arm, cost.seed): cost for cost in collector.costs()}
    points = {(point.variant, point.seed): point for point in extras["points"]}
    assert points.keys() == costs.keys()
    for (arm, seed), point in points.items():
        assert point.y == number(evaluation_of(arm, seed), "mask AP")
        assert point.x == costs[arm, seed].denoiser_calls / 1000


def test_filter_rates_are_of_each_generators_own_images(extras) -> None:
    found = {(rate.arm, rate.seed, rate.pool): rate for rate in extras["filter_rates"]}
    assert {pool for arm, _, pool in found if arm == "divergen"} == {"divergen", "divergen_second"}
    assert {pool for arm, _, pool in found if arm == "mrca"} == {"mrca"}
    for seed in SEEDS:
        for pool, name in (("divergen", "first"), ("divergen_second", "second")):
            labels = [f"seed{seed}/divergen/{name}/shard{shard}/cut" for shard in range(2)]
            expected = {
                "accepted": sum(number(label, key) for label in labels for key in ("5", "7")),
                "clip_score": sum(number(label, f"bad {key}") for label in labels for key in ("5", "7")),
            }
            assert found["divergen", seed, pool].outcomes == expected
            assert found["divergen", seed, pool].chosen == {}
        labels = [f"seed{seed}/xpaste/shard{shard}/cut" for shard in range(SHARDS)]
        assert found["xpaste", seed, "xpaste"].chosen == {
            "cutter": sum(number(label, "first") for label in labels),
            "sam_middle": sum(number(label, "second") for label in labels),
        }


def test_energy_gaps_are_of_the_arms_that_are_compared(extras) -> None:
    found = {(gap.arm, gap.seed): gap for gap in extras["energy_gaps"]}
    assert found.keys() == {(arm, seed) for arm in ("no_aug", "xpaste", "divergen") for seed in SEEDS}
    for (arm, seed), gap in found.items():
        label = f"seed{seed}/{arm}/energy_gap"
        assert (gap.gap, gap.train, gap.val) == tuple(number(label, name) for name in ("gap", "train", "val"))
