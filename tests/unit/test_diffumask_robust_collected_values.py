"""Every number of the robust paper's report is the one of the right cell: of its own arm, seed, masks, pictures and metric."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from methods.common.stages.evaluate_semantic import CONFUSION_FILE
from reproductions.diffumask_robust.arms import ARMS
from reproductions.diffumask_robust.claims import METRICS
from reproductions.diffumask_robust.collect import Collector
from reproductions.diffumask_robust.paper import PAPER
from reproductions.diffumask_robust.plan import SeedPlanner
from reproductions.diffumask_robust.recipe import mini
from reproductions.study.targets import read_targets
from tests.unit.plan_edges import outside
from tests.unit.told_store import ToldStore, number, seconds

SEEDS = (0, 1)
ARM_IDS = (
    *("plain", "plain_2k", "robust", "plain_daam", "plain_crf", "plain_oracle", "real", "diffumask"),
    *("diffumask_then_real", "street_adapted", "cityscapes_19_real", "imagenet_s50", "pretrained_then_real"),
    *("voc_sim_daam", "mask_quality"),
)
PLACES = outside("data", "generator", "cutter")
PRESETS = ("attn2mask", "daam", "dataset-diffusion", "ovam", "diffumask")


def evaluated(label: str) -> dict[str, Any]:
    names = ("background", "bird", "dog", "car")
    if "street" in label:
        names = ("background", "human", "vehicle")
    elif "cityscapes_19" in label:
        names = ("road", "traffic light", "car")
    return {"miou": number(label, "miou"), "iou": {name: number(label, name) for name in names}}


def rated(label: str) -> dict[str, Any]:
    names = ("miou", "pooled_iou", "right_trusted", "right_distrusted", "num_images")
    return {
        **{name: number(label, name) for name in names},
        "iou": {name: number(label, name) for name in ("background", "bird")},
    }


def trained(label: str) -> dict[str, Any]:
    return {"iterations": number(label, "iterations"), "num_images": number(label, "images")}


RECORDS = {
    "robust_evaluate": evaluated,
    "robust_evaluate_imagenet_s": lambda label: {
        name: number(label, name) for name in ("miou", "boundary_miou", "accuracy")
    },
    "robust_rate_masks": rated,
    "robust_train": trained,
    "robust_train_segmenter": trained,
    "robust_label": lambda label: {"num_dropped": number(label, "dropped")},
    "robust_synthesize": lambda label: {
        "num_images": number(label, "images"),
        "denoiser_calls": number(label, "calls"),
    },
}


class WithoutPictures(Collector):
    """Pictures come from real files, which no told cell has."""

    def _attention_samples(self) -> Iterator[Any]:
        return iter(())


@pytest.fixture
def collector(tmp_path: Path) -> Collector:
    store: Any = ToldStore(tmp_path, RECORDS)
    planners = [SeedPlanner(mini(), index, PLACES) for index in SEEDS]
    known = [arm for arm in ARMS if arm.id in ARM_IDS]
    return WithoutPictures(store, planners, known, mini().backbone, [metric.id for metric in METRICS], tmp_path)


def test_each_protocol_has_a_mean_of_its_own(collector: Collector) -> None:
    found = {(one.arm, one.seed): one.metrics for one in collector.results()}
    assert set(found) == {(arm, seed) for arm in ARM_IDS if arm != "mask_quality" for seed in SEEDS}
    means = {"miou", "miou_groups", "miou_19", "miou_imagenet_s", "protocol_iou"}
    for (arm, seed), metrics in found.items():
        label = f"seed{seed}/{arm}/evaluate"
        wanted: dict[str, float] = {"miou": number(label, "miou")}
        match arm:
            case "street_adapted":
                wanted = {"miou_groups": (number(label, "human") + number(label, "vehicle")) / 2}
            case "cityscapes_19_real":
                wanted = {"miou_19": number(label, "miou")}
            case "imagenet_s50":
                wanted = {"miou_imagenet_s": number(label, "miou")}
                assert metrics["boundary_miou"] == number(label, "boundary_miou")
                assert metrics["accuracy"] == number(label, "accuracy")
            case "voc_sim_daam":
                label = f"seed{seed}/voc_sim/voc_sim_daam/rating"
                wanted = {"protocol_iou": number(label, "miou")}
                assert metrics["protocol_pooled_iou"] == number(label, "pooled_iou")
            case _:
                assert metrics["miou_bird_dog"] == (number(label, "bird") + number(label, "dog")) / 2
                assert metrics["iou_car"] == number(label, "car")
        assert {name: value for name, value in metrics.items() if name in means} == wanted, arm


def test_floors_are_those_of_the_arms_own_ground_truth(collector: Collector) -> None:
    """Of 100 pixels of the street 70 are background, 10 + seed human, the rest vehicle; whatever was predicted."""
    for planner, arm, cells in collector.each():
        if arm.id in ("street_adapted", "plain") and cells.evaluation is not None:
            folder = collector.store.cell_folder(cells.evaluation)
            names = ["background", "human", "vehicle"] if arm.id == "street_adapted" else ["background", "bird", "dog"]
            human = 10 + planner.index
            pixels = [[0, 0, 70], [human, 0, 0], [0, 30 - human, 0]]
            (folder / CONFUSION_FILE).write_text(json.dumps({"classes": names, "pixels": pixels}))
    for one in collector.results():
        human = 10.0 + one.seed
        match one.arm:
            case "street_adapted":
                means = {"miou_groups": (30 - human) / 2}
                assert one.floors == pytest.approx({"iou_human": human, "iou_vehicle": 30 - human, **means})
            case "plain":
                floors = {"miou": 70 / 3, "iou_bird": human, "iou_dog": 30 - human, "miou_bird_dog": (30 - human) / 2}
                assert one.floors == pytest.approx(floors)
            case _:
                assert one.floors == {}, one.arm


def test_masks_are_those_of_the_arms_own_rating(collector: Collector) -> None:
    pictures = {
        "diffumask": "diffumask_100",
        "diffumask_then_real": "diffumask_100",
        "street_adapted": "street_adapted",
    }
    none = {"plain_oracle", "real", "cityscapes_19_real", "imagenet_s50", "pretrained_then_real", "voc_sim_daam"}
    for one in collector.results():
        if one.arm in none:
            assert "mask_iou" not in one.metrics, one.arm
            continue
        label = f"seed{one.seed}/{pictures.get(one.arm, 'hyponyms')}/{one.arm}/rating"
        if one.arm == "street_adapted":
            label = f"seed{one.seed}/street_adapted/rating"
        assert one.metrics["mask_iou"] == number(label, "miou"), one.arm
        for name in ("right_trusted", "right_distrusted"):
            assert one.metrics[name] == number(label, name)


def test_costs_are_of_the_pictures_and_labels_that_an_arm_chooses_from(collector: Collector) -> None:
    costs = {(cost.arm, cost.seed): cost for cost in collector.costs()}
    for seed in SEEDS:
        pictures = [f"seed{seed}/hyponyms/pictures{shard}" for shard in (0, 1)]
        for arm, masks in (("plain_2k", "attn2mask_own_margin"), ("plain_daam", "daam_own_margin")):
            cost = costs[arm, seed]
            assert cost.objects_generated == sum(number(label, "images") for label in pictures)
            assert cost.denoiser_calls == sum(number(label, "calls") for label in pictures)
            assert cost.generate_s == seconds(*pictures)
            assert cost.cut_s == seconds(*(f"seed{seed}/hyponyms/{masks}/labels{shard}" for shard in (0, 1)))
            assert cost.training_images == number(f"seed{seed}/{arm}/train", "images")
            assert cost.pretrain_s is None
        for arm, first, last in (
            ("diffumask_then_real", "diffumask_then_real/train", "diffumask_then_real/fine_tune"),
            ("pretrained_then_real", "imagenet_s50/train", "pretrained_then_real/train"),
        ):
            cost = costs[arm, seed]
            assert (cost.pretrain_s, cost.train_s) == (seconds(f"seed{seed}/{first}"), seconds(f"seed{seed}/{last}"))
            assert cost.training_images == number(f"seed{seed}/{last}", "images")
        assert costs["real", seed].objects_generated is None


def test_noise_of_masks_lies_on_x_and_accuracy_on_y(collector: Collector) -> None:
    """Arms that differ from plain training in their masks alone."""
    points = {(one.variant, one.seed): one for one in collector.extras()["points"]}
    assert set(points) == {(name, seed) for name in ("plain", "daam", "crf") for seed in SEEDS}
    for (name, seed), point in points.items():
        arm = name if name == "plain" else f"plain_{name}"
        assert point.x == number(f"seed{seed}/hyponyms/{arm}/rating", "miou")
        assert point.y == number(f"seed{seed}/{arm}/evaluate", "miou")


def test_every_preset_is_rated_by_its_own_masks(collector: Collector) -> None:
    ratings = collector.extras()["ratings"]
    assert [(one.preset, one.seed) for one in ratings] == [(name, seed) for seed in SEEDS for name in PRESETS]
    for one in ratings:
        label = f"seed{one.seed}/hyponyms/{one.preset}/rating"
        names = ("num_images", "miou", "pooled_iou", "right_trusted", "right_distrusted")
        assert [getattr(one, name) for name in names] == [number(label, name) for name in names]
        assert one.iou == {"bird": number(label, "bird")}
        labels = [f"seed{one.seed}/hyponyms/{one.preset}/labels{shard}" for shard in (0, 1)]
        assert one.num_dropped == sum(number(own, "dropped") for own in labels)


# -- printed numbers -----------------------------------------------------------------------------------------------------------

NETWORKS = {"R50": "mask2former_r50", "Swin-B": "mask2former_swin_b", "R101": "mask2former_r101"}
MEANS = {
    "mIoU": "miou",
    "mIoU (2 groups)": "miou_groups",
    "mIoU (3 classes)": "miou_3_classes",
    "mIoU (2 classes)": "miou_bird_dog",
    "mIoU seen": "miou_seen",
    "mIoU unseen": "miou_unseen",
}
ROWS = {
    ("table1_voc", "real", "R 11.5k (all)"): "real",
    ("table1_voc", "real", "R 5.0k"): "real_5k",
    ("table1_voc", "DiffuMask", "S 60.0k"): "diffumask",
    ("table1_voc", "DiffuMask, finetuned on real", "S 60.0k + R 5.0k"): "diffumask_then_real",
    ("table2_cityscapes", "real", "3.0k (all)"): "cityscapes_real",
    ("table2_cityscapes", "real", "1.5k"): "cityscapes_real_1500",
    ("table2_cityscapes", "DiffuMask", "S 100.0k"): "cityscapes_diffumask",
    ("table2_cityscapes", "DiffuMask, finetuned on real", "S 100.0k + R 1.5k"): "cityscapes_diffumask_then_real",
    ("ade20k", "real", "R 20.2k"): "ade20k_real",
    ("ade20k", "DiffuMask", "S 6.0k"): "ade20k_diffumask",
    ("table3_open_vocabulary", "DiffuMask", ""): "open_vocabulary",
    ("table4_map", "affinity map", "synthetic"): "diffumask_walk",
    **{
        ("table4_map", f"attention, threshold 0.{tenths}", "synthetic"): f"diffumask_fixed_{tenths}0"
        for tenths in (4, 5, 6)
    },
    ("table4_map", "adaptive threshold (AT)", "synthetic"): "diffumask",
    ("table4_prompt", "none", "synthetic"): "diffumask_bare",
    ("table4_prompt", "retrieval", "synthetic"): "retrieval",
    ("table4_prompt", "retrieval + 10 sub-classes", "synthetic"): "diffumask_10_subclasses",
    ("table4_prompt", "retrieval + 50 sub-classes", "synthetic"): "diffumask_50_subclasses",
    ("table4_prompt", "retrieval + 100 sub-classes", "synthetic"): "diffumask",
    **{
        ("table4_noise", f"share pruned 0.{tenths}", "synthetic"): f"diffumask_pruned_{tenths}0"
        for tenths in (3, 4, 5, 6)
    },
    ("table4_noise", "share pruned 0.7", "synthetic"): "diffumask",
    ("table4_augmentation", "none", "synthetic"): "diffumask_none",
    ("table4_augmentation", "splicing", "synthetic"): "diffumask_splicing",
    ("table4_augmentation", "splicing, blur", "synthetic"): "diffumask_blur",
    ("table4_augmentation", "splicing, blur, occlusion", "synthetic"): "diffumask_occlusion",
    ("table4_augmentation", "splicing, blur, occlusion, perspective", "synthetic"): "diffumask",
}
"""Which arm a printed row is, by table, method and training data."""
TITLES = {
    "table1_voc": "DiffuMask, Table 1",
    "table2_cityscapes": "DiffuMask, Table 2",
    "ade20k": "DiffuMask, ADE20K",
    "table3_open_vocabulary": "DiffuMask, Table 3",
    "table4_map": "DiffuMask, Table 4a",
    "table4_prompt": "DiffuMask, Table 4b",
    "table4_noise": "DiffuMask, Table 4c",
    "table4_augmentation": "DiffuMask, Table 4d",
    "table5_domain_generalisation": "DiffuMask, Table 5",
}
OVAM_METHODS = {"DAAM": "daam", "OVAM": "ovam", "DatasetDM": "datasetdm", "Grounded Diffusion": "grounded"}


def arm_of(row: dict[str, str]) -> str | None:
    """The arm of a row of DiffuMask's tables; None for methods of others."""
    if row["table"] != "table5_domain_generalisation":
        return ROWS.get((row["table"], row["method"], row["train_data"]))
    evaluated_on = "voc" if "VOC" in row["dataset"] else "cityscapes"
    return f"generalise_{row['method'].removeprefix('trained on ').lower()}_to_{evaluated_on}"


def metric_of(printed: str) -> str:
    if printed.startswith("IoU["):
        return f"iou_{printed[4:-1]}"
    return MEANS.get(printed, printed)


def test_targets_are_the_printed_numbers_of_their_rows(shared: Path) -> None:
    """Each printed number once, beside the arm, the network and the metric of its row, as the authors' tables have them."""
    folder = shared / "papers" / "diffumask_robust"
    wanted: dict[tuple[str, str, str, str], float] = {}
    with (folder / "diffumask_tables_primary.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            arm = arm_of(row)
            if arm is not None:
                key = TITLES[row["table"]], arm, NETWORKS[row["backbone"]], metric_of(row["metric"])
                assert key not in wanted
                wanted[key] = float(row["value"])
    with (folder / "pseudo_mask_quality_ovam.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["table"] == "pseudo_mask_quality" and "IoU[" not in row["metric"]:
                method, _, token = row["method"].partition(" + ")
                protocol = row["dataset"].lower().replace("-", "_")
                arm = f"{protocol}_{OVAM_METHODS[method]}{'_token' if token else ''}"
                metric = "protocol_pooled_iou" if "pooled" in row["metric"] else "protocol_iou"
                wanted[f"OVAM, {row['dataset']}", arm, "none", metric] = float(row["value"])
    tables = {table for table, *_ in wanted}
    found = {
        (one.table, one.arm, one.backbone, one.metric): one.value
        for one in read_targets(PAPER.folder)
        if one.table in tables and one.value is not None
    }
    assert found == wanted
