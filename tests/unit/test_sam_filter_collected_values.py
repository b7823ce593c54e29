"""Every number and picture of the SAM filter's report is of the right cell: arm, seed, variant, selection, rank."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.common.datasets.rle import encode_mask
from reproductions.sam_filter.arms import ARMS
from reproductions.sam_filter.claims import PILOT
from reproductions.sam_filter.collect import Collector
from reproductions.sam_filter.plan import SeedPlanner
from reproductions.sam_filter.recipe import SamFilterStudy, smoke
from tests.unit.plan_edges import outside
from tests.unit.told_store import ToldStore, number, seconds

SEEDS = (0, 1)
ARM_IDS = ("sbd", "random_10k", "sam_10k", "sam_20k", "all_40k", "va_sam_20k", "va_noisy_sam_20k", "sam_20k_equal_iterations", "pilot")  # fmt: skip
CLASSES = ["background", "coin", "melon"]
IDS = [f"{k:06d}" for k in range(24)]
"""Of the pairs; even ones lie in shard 0."""
PAIRS, NAMED = (tuple(f"pairs{shard}/{what}" for shard in (0, 1)) for what in ("synthesize", "named"))


def told(*keys: str, **fixed: int) -> Any:
    return lambda label: {**{key: number(label, key) for key in keys}, **fixed}


RECORDS = {
    "sam_filter_synthesize": told("num_images", "denoiser_calls"),
    "sam_filter_segment_named": told("num_images"),
    "sam_filter_train": told("iterations", "num_images"),
    "sam_filter_evaluate": told("miou"),
    "sam_filter_reference_quality": told("miou"),
}


def score_of(name: str, label: str = "seed0/score", kind: str = "S1") -> float:
    return number(label, f"{kind} {name}") / 1001


def write_scores(label: str, folder: Path) -> None:
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "S1", "S2", "S3", "S4", "num_classes"])
        writer.writerows(
            [name, *(repr(score_of(name, label, kind)) for kind in ("S1", "S2", "S3", "S4")), 1] for name in IDS
        )


def write_pairs(label: str, folder: Path) -> None:
    """Ids of this shard; the coin's picture is the one of an even number."""
    (folder / "classes.json").write_text(json.dumps(CLASSES))
    (folder / "images").mkdir()
    names = IDS[int("pairs1" in label) :: 2]
    lines = [{"id": name, "classes": [CLASSES[1 + int(name) // 12]]} for name in names]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in names:
        (folder / "images" / f"{name}.png").touch()


def write_named(label: str, folder: Path) -> None:
    """The mask of pair k covers its first k + 1 pixels."""
    lines = []
    for name in IDS[int("pairs1" in label) :: 2]:
        mask_HW = (np.arange(36) <= int(name)).reshape(6, 6)
        lines.append({"id": name, "masks": {CLASSES[1 + int(name) // 12]: encode_mask(mask_HW)}})
    (folder / "named_masks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_statistics(label: str, folder: Path) -> None:
    def both(key: str) -> dict[str, Any]:
        return {when: number(label, f"{key} {when}") for when in ("before", "after")}

    def by_class(key: str) -> dict[str, Any]:
        return {
            when: {name: number(label, f"{key} {when} {name}") for name in CLASSES[1:]} for when in ("before", "after")
        }

    statistics = {
        "num_images": both("num"),
        "images_per_class": by_class("images"),
        "pixels_per_class": by_class("pixels"),
        "images_by_num_classes": {when: {"1": number(label, f"classes {when}")} for when in ("before", "after")},
        "zero_score_share": {when: number(label, f"zero {when}") / 1000 for when in ("before", "after")},
        "cutoff_score": number(label, "cutoff") / 1000,
        "score_quantiles": {when: {"0.25": number(label, f"quantile {when}") / 1000} for when in ("before", "after")},
    }
    (folder / "statistics.json").write_text(json.dumps(statistics))


FILES = {
    "sam_filter_score": write_scores,
    "sam_filter_synthesize": write_pairs,
    "sam_filter_segment_named": write_named,
    "sam_filter_select": write_statistics,
}


def study() -> SamFilterStudy:
    """24 pairs in two shards: quarters of 6."""
    return smoke()


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Collector:
    folder = tmp_path_factory.mktemp("store")
    store = ToldStore(folder, RECORDS, FILES)  # type: ignore[arg-type]
    planners = [SeedPlanner(study(), index, outside("generator", "sam", "clip", "cutter")) for index in SEEDS]
    arms = [arm for arm in ARMS if arm.id in ARM_IDS]
    (folder / "pictures").mkdir()
    return Collector(store, planners, arms, "convolutional", ["miou"], folder / "pictures")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def extras(collector: Collector) -> dict[str, Any]:
    return collector.extras()


def test_every_result_is_its_arms_and_seeds_own(collector) -> None:
    results = {(result.arm, result.seed): result.metrics["miou"] for result in collector.results()}
    labels = {(arm, seed): f"seed{seed}/{arm}/evaluate" for arm in ARM_IDS if arm != "pilot" for seed in SEEDS}
    assert results == {key: number(label, "miou") for key, label in labels.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_costs_are_of_the_whole_set_and_a_pretraining_stands_apart(collector, seed) -> None:
    costs = {cost.arm: cost for cost in collector.costs() if cost.seed == seed}
    pairs, named = ([f"seed{seed}/{label}" for label in labels] for labels in (PAIRS, NAMED))
    generated, calls, segmented = (
        sum(number(label, key) for label in labels)
        for key, labels in (("num_images", pairs), ("denoiser_calls", pairs), ("num_images", named))
    )
    for arm, before in (("sam_20k", None), ("va_sam_20k", "pretrain/va"), ("random_10k", None), ("all_40k", None)):
        cost, train = costs[arm], f"seed{seed}/{arm}/train"
        assert (cost.objects_generated, cost.denoiser_calls, cost.generate_s) == (generated, calls, seconds(*pairs))
        assert (cost.training_images, cost.train_s) == (number(train, "num_images"), seconds(train))
        earlier = f"seed{seed}/{before}" if before else None
        of_earlier = number(earlier, "iterations") if earlier else 0
        assert (cost.warmup_iterations, cost.iterations) == (of_earlier, of_earlier + number(train, "iterations"))
        assert cost.pretrain_s == (seconds(earlier) if earlier else None)
        assert cost.evaluate_s == seconds(f"seed{seed}/{arm}/evaluate")
        judged = "sam" in arm
        assert cost.segmented_images == (segmented if judged else None)
        assert cost.cut_s == (seconds(*named, f"seed{seed}/score") if judged else 0.0)
    assert costs["sbd"].objects_generated is costs["sbd"].denoiser_calls is costs["sbd"].segmented_images is None


def test_a_point_of_the_pilot_is_a_variants_quality_and_what_training_on_it_gives(extras) -> None:
    points = {(point.variant, point.seed): point for point in extras["points"]}
    assert points.keys() == {(variant, seed) for variant in study().pilot_variants for seed in SEEDS}
    for (variant, seed), point in points.items():
        name = f"seed{seed}/pilot/{variant}"
        assert (point.x, point.y) == (number(f"{name}/quality", "miou"), number(f"{name}/evaluate", "miou"))
        assert point.scatter == PILOT


def test_histogram_and_cut_offs_are_of_s1(extras) -> None:
    """The lowest score kept of 6 and 12 of 24; arms with a pre-training or another length share the selection of 20k."""
    for histogram in extras["histograms"]:
        scores = sorted((score_of(name, f"seed{histogram.seed}/score") for name in IDS), reverse=True)
        assert histogram.counts == tuple(np.histogram(scores, 25, (0.0, 1.0))[0])
        assert histogram.cut_offs == {"top 10k": scores[5], "top 20k": scores[11]}
    assert [histogram.seed for histogram in extras["histograms"]] == list(SEEDS)


def test_selections_are_told_as_they_were_before_and_after(extras) -> None:
    selections = {(item.arm, item.seed): item for item in extras["selections"]}
    assert {arm for arm, _ in selections} == {arm for arm in ARM_IDS if arm not in ("sbd", "pilot")}
    names = {
        "sam_10k": "score_1",
        "sam_20k": "score_2",
        "va_sam_20k": "score_2",
        "random_10k": "random_1",
        "all_40k": "all_4",
    }
    for (arm, seed), item in selections.items():
        if arm not in names:
            continue
        label = f"seed{seed}/select/{names[arm]}_quarters"
        assert (item.num_before, item.num_after) == (number(label, "num before"), number(label, "num after"))
        for when in ("before", "after"):
            for what in ("images", "pixels"):
                found = getattr(item, f"{what}_{when}")
                assert found == tuple(number(label, f"{what} {when} {name}") for name in CLASSES[1:])
            assert getattr(item, f"classes_an_image_{when}") == {1: number(label, f"classes {when}")}
        assert item.zero_share == number(label, "zero before") / 1000
        assert item.cut_off == number(label, "cutoff") / 1000
        assert item.quantiles == {"25 %": number(label, "quantile before") / 1000}


def test_samples_are_the_pictures_of_their_rank_with_their_own_masks(extras) -> None:
    """Of 24: ranks 1 to 4, 11 to 14 and 21 to 24; the half is kept."""
    ranked = sorted(IDS, key=lambda name: (-score_of(name), name))
    ranks = {"best": range(1, 5), "median": range(11, 15), "worst": range(21, 25)}
    shown = [(group, rank) for group, of_group in ranks.items() for rank in of_group]
    assert len(extras["filter_samples"]) == len(shown)
    for (group, rank), sample in zip(shown, extras["filter_samples"], strict=True):
        name = ranked[rank - 1]
        fate, class_name = "kept" if rank <= 12 else "dropped", CLASSES[1 + int(name) // 12]
        assert sample.group == group
        assert sample.caption == f"{score_of(name):.2f}, rank {rank} of 24, {fate}: {class_name}"
        assert sample.path.name == f"{name}.png"
        generated, segmented = sample.label_paths
        assert (generated.parent.name, generated.name) == (study().variant, f"{name}.png")
        label_HW = np.asarray(Image.open(segmented))
        assert np.count_nonzero(label_HW) == int(name) + 1
        assert set(np.unique(label_HW)) == {0, CLASSES.index(class_name)}


def test_drawn_samples_show_what_arms_are_pretrained_on(extras) -> None:
    groups = [sample.group for sample in extras["drawn_samples"]]
    assert groups == ["VA"] * 3 + ["VA, N1, up to 4 px"] * 3
    clean, noisy = extras["drawn_samples"][:3], extras["drawn_samples"][3:]
    for one, other in zip(clean, noisy, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
        assert one.label_paths[0].read_bytes() != other.label_paths[0].read_bytes()
