"""Every number of SegGen's report is the one of the right cell: of its own arm, seed, masks, images and metric."""

from pathlib import Path
from typing import Any

import pytest

from reproductions.seggen.arms import ARMS
from reproductions.seggen.claims import METRICS
from reproductions.seggen.collect import Collector
from reproductions.seggen.plan import SeedPlanner
from reproductions.seggen.recipe import SeggenStudy, mini, smoke_instance, smoke_panoptic
from tests.unit.plan_edges import outside
from tests.unit.told_store import ToldStore, number, seconds

SEEDS = (0, 1)
ARM_IDS = (
    "real",
    "mask_syn",
    "img_syn",
    "both",
    "synthetic_then_real",
    "jittered",
    "mask_syn_jittered",
    "freemask",
    "masks",
)
PLACES = outside("generator", "vae")
CLASSES = ("grass", "coin")
QUALITY = ("valid_px", "small_segments", "void_px", "class_shift", "together_shift", "nearest", "nearest_of_human")


def evaluated(label: str) -> dict[str, Any]:
    names = ("miou", "miou_frequent", "miou_common", "miou_rare")
    return {
        **{name: number(label, name) for name in names},
        "iou": {name: number(label, name) for name in CLASSES},
    }


RECORDS = {
    "seggen_evaluate": evaluated,
    "seggen_evaluate_voc": lambda label: {"miou": number(label, "miou"), "miou_objects": number(label, "objects")},
    "evaluate_coco_instances": lambda label: {"metrics": {name: number(label, name) for name in ("AP", "AP50")}},
    "seggen_alignment": lambda label: {"miou": number(label, "alignment")},
    "seggen_class_pixels": lambda label: {"pixels": {"grass": 30, "coin": 10}},
    "seggen_masks": lambda label: {
        "num_masks": number(label, "masks"),
        "num_steps": number(label, "steps"),
        "near_share": number(label, "near") / 1000,
        "denoiser_calls": number(label, "calls"),
    },
    "seggen_move_masks": lambda label: {"num_masks": number(label, "masks"), "denoiser_calls": 0},
    "seggen_images": lambda label: {
        "num_images": number(label, "images"),
        "num_steps": number(label, "steps"),
        "denoiser_calls": number(label, "calls"),
    },
    "seggen_copies": lambda label: {"num_images": number(label, "images"), "denoiser_calls": 0},
    "seggen_mask_quality": lambda label: {
        "num_masks": number(label, "masks"),
        **{name: number(label, name) for name in QUALITY},
    },
    "seggen_train": lambda label: {"iterations": number(label, "iterations"), "num_images": number(label, "images")},
    "seggen_train_panoptic": lambda label: {
        "iterations": number(label, "iterations"),
        "num_images": number(label, "images"),
    },
    "evaluate_coco_panoptic": lambda label: {
        "metrics": {name: number(label, name) for name in ("PQ", "PQ_th", "PQ_st", "SQ", "RQ", "AP_th", "mIoU")}
    },
}


class WithoutPictures(Collector):
    """Pictures come from real files, which no told cell has."""

    def _samples(self) -> Any:
        return iter(())


def collect(study: SeggenStudy, arms: tuple[str, ...], tmp_path: Path) -> Collector:
    store: Any = ToldStore(tmp_path, RECORDS)
    planners = [SeedPlanner(study, index, PLACES) for index in SEEDS]
    known = [arm for arm in ARMS if arm.id in arms]
    return WithoutPictures(store, planners, known, study.backbone, [metric.id for metric in METRICS], tmp_path)


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    return collect(mini(), ARM_IDS, tmp_path)


def test_accuracy_is_that_of_the_arms_own_evaluation(collector: Collector) -> None:
    found = list(collector.results())
    assert {(one.arm, one.seed) for one in found} == {
        (arm, seed) for arm in ARM_IDS if arm != "masks" for seed in SEEDS
    }
    for one in found:
        label = f"seed{one.seed}/{one.arm}/evaluate"
        for name in ("miou", "miou_frequent", "miou_common", "miou_rare"):
            assert one.metrics[name] == number(label, name)


def test_the_unseen_domain_stands_beside_the_arms_that_are_asked_there(collector: Collector) -> None:
    for one in collector.results():
        if one.arm in ("real", "mask_syn", "img_syn", "both", "jittered"):
            assert one.metrics["miou_unseen"] == number(f"seed{one.seed}/{one.arm}/unseen", "miou")
        else:
            assert "miou_unseen" not in one.metrics, one.arm


def test_alignment_is_of_the_arms_own_images(collector: Collector) -> None:
    """Arms that draw from the same images share the cell, which has the first one's name."""
    shared = {"synthetic_then_real": "img_syn", "freemask": "img_syn"}
    for one in collector.results():
        if one.arm == "real":
            assert "alignment" not in one.metrics
            continue
        labels = {f"seed{one.seed}/{name}/alignment" for name in (one.arm, shared.get(one.arm, one.arm))}
        assert one.metrics["alignment"] in {number(label, "alignment") for label in labels}


def test_valid_pixels_are_a_mean_over_the_masks_of_all_shards(collector: Collector) -> None:
    for one in collector.results():
        if one.arm not in ("mask_syn", "both"):
            assert "valid_px" not in one.metrics, one.arm
            continue
        labels = [f"seed{one.seed}/generators/masks{shard}" for shard in (0, 1)]
        counts = [number(label, "masks") for label in labels]
        total = sum(count * number(label, "near") / 1000 for count, label in zip(counts, labels, strict=True))
        assert one.metrics["valid_px"] == pytest.approx(100 * total / sum(counts))


def test_costs_hold_masks_images_and_both_generators(collector: Collector) -> None:
    costs = {(cost.arm, cost.seed): cost for cost in collector.costs()}
    for seed in SEEDS:
        name = f"seed{seed}/generators"
        masks = [f"{name}/masks{shard}" for shard in (0, 1)]
        painted = [f"{label}/pictures" for label in masks]
        images = [f"{name}/img_syn{shard}" for shard in (0, 1)]
        cost = costs["both", seed]
        assert cost.objects_generated == sum(number(label, "images") for label in (*painted, *images))
        assert cost.denoiser_calls == sum(number(label, "calls") for label in (*masks, *painted, *images))
        teaching = (f"{name}/text2mask", f"{name}/mask2img")
        assert cost.generate_s == seconds(*teaching, *masks, *painted, *images)
        assert cost.training_images == number(f"seed{seed}/both/train", "images")
        assert costs["img_syn", seed].generate_s == seconds(teaching[1], *images)
        assert costs["real", seed].objects_generated is None
        assert costs["jittered", seed].denoiser_calls == 0
        judged = ("freemask/losses", "freemask/filter0", "freemask/filter1", "freemask/hardness")
        assert costs["freemask", seed].cut_s == seconds(*(f"seed{seed}/{label}" for label in judged))


def test_two_trainings_are_told_apart(collector: Collector) -> None:
    for cost in collector.costs():
        if cost.arm == "synthetic_then_real":
            first, last = (f"seed{cost.seed}/synthetic_then_real/{name}" for name in ("pretrain", "train"))
            assert (cost.pretrain_s, cost.train_s) == (seconds(first), seconds(last))
            assert cost.warmup_iterations == number(first, "iterations")
            assert cost.training_images == number(last, "images")


def test_masks_are_rated_by_their_number_of_steps(collector: Collector) -> None:
    ratings = collector.extras()["ratings"]
    assert [(one.seed, one.steps) for one in ratings] == [
        (seed, steps) for seed in SEEDS for steps in mini().mask_steps
    ]
    for one in ratings:
        label = f"seed{one.seed}/masks/{one.steps}_steps/quality"
        assert [getattr(one, name) for name in QUALITY] == [number(label, name) for name in QUALITY]


def test_network_calls_are_of_the_job_that_they_are_named_after(collector: Collector) -> None:
    calls = {(one.job, one.seed): one for one in collector.extras()["calls"]}
    for seed in SEEDS:
        masks = [f"seed{seed}/generators/masks{shard}" for shard in (0, 1)]
        jobs = {
            "Text2Mask": (masks, "masks"),
            "Mask2Img, MaskSyn": ([f"{label}/pictures" for label in masks], "images"),
            "Mask2Img, ImgSyn": ([f"seed{seed}/generators/img_syn{shard}" for shard in (0, 1)], "images"),
        }
        for job, (labels, count) in jobs.items():
            one = calls[job, seed]
            assert one.samples == sum(number(label, count) for label in labels)
            assert one.calls == sum(number(label, "calls") for label in labels)
            assert (one.steps, one.seconds) == (number(labels[0], "steps"), seconds(*labels))


def test_classes_have_their_share_of_the_training_pixels(collector: Collector) -> None:
    classes = collector.extras()["classes"]
    assert {one.arm for one in classes} == {"real", "both"}
    for one in classes:
        assert one.share == {"grass": 75.0, "coin": 25.0}[one.name]
        assert one.iou == number(f"seed{one.seed}/{one.arm}/evaluate", one.name)


def test_panoptic_numbers_have_the_papers_names(tmp_path: Path) -> None:
    collected = collect(smoke_panoptic(), ("real", "synthetic_then_real"), tmp_path)
    names = {"PQ": "PQ", "PQ_things": "PQ_th", "PQ_stuff": "PQ_st", "AP_pan_things": "AP_th", "miou_pan": "mIoU"}
    for one in collected.results():
        label = f"seed{one.seed}/{one.arm}"
        assert one.metrics == {
            **{metric: number(f"{label}/evaluate", name) for metric, name in names.items()},
            "miou_unseen": number(f"{label}/unseen", "miou"),
        }


def test_instances_have_the_ap_of_masks(tmp_path: Path) -> None:
    results = list(collect(smoke_instance(), ("real", "img_syn"), tmp_path).results())
    assert len(results) == 2 * len(SEEDS)
    for one in results:
        assert one.metrics == {"AP": number(f"seed{one.seed}/{one.arm}/evaluate", "AP")}


def test_several_scales_have_a_column_of_their_own(tmp_path: Path) -> None:
    collected = collect(mini().model_copy(update={"scales": (0.5, 1.0)}), ("real", "img_syn", "both"), tmp_path)
    for one in collected.results():
        label = f"seed{one.seed}/{one.arm}/several_scales"
        expected = None if one.arm == "img_syn" else number(label, "miou")
        assert one.metrics.get("miou_ms") == expected, one.arm
