"""Every number of instance synthesis' report is the one of the right cell: of its own arm, seed, generator and metric."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from methods.instance_synthesis.manifest import MANIFEST_FILE, SAMPLES_FILE, InstanceRow, SampleRow, write_rows
from methods.instance_synthesis.pictures import RepaintedCrop, shard_path, write_pictures
from reproductions.instance_synthesis.arms import ARMS
from reproductions.instance_synthesis.claims import CLASSES, METRICS
from reproductions.instance_synthesis.collect import GENERATORS_STUDY, Collector
from reproductions.instance_synthesis.oneformer_recipe import smoke as oneformer_smoke
from reproductions.instance_synthesis.plan import SeedPlanner
from reproductions.instance_synthesis.recipe import mini
from tests.unit.plan_edges import outside
from tests.unit.told_store import ToldStore, number, seconds

SEEDS = (0, 1)
GENERATORS = ("gligen", "inpainting", "blended")
ARM_IDS = (
    "real",
    *GENERATORS,
    "zoom",
    "copy_paste",
    "zoom_doubled",
    "zoom_half",
    "blended_half",
    "real_25",
    "blended_25",
)
QUALITY = ("clip-similarity-release", "fid-paired-crops", "ssim-grey-release", "psnr")
OTHERS = ("clip-similarity", "clip-score-text", "ssim")
PLACES = outside(*(f"{name}_generator" for name in GENERATORS), "clip", "inception")
NUM_PICTURES = 40

RECORDS = {
    "evaluate_cityscapes": lambda label: {
        "metrics": {name: number(label, name) for name in ("AP", "AP50")},
        "metrics_coco": {name: number(label, f"COCO {name}") for name in ("AP", "AP50")},
    },
    "instance_synthesis_quality": lambda label: {
        "metrics": {name: number(label, name) for name in (*QUALITY, *OTHERS)}
    },
    "instance_synthesis_generate": lambda label: {
        "num_pictures": NUM_PICTURES,
        "denoiser_calls": 1000 + number(label, "calls") if any(name in label for name in GENERATORS) else 0,
    },
    "instance_synthesis_train": lambda label: {
        "iterations": number(label, "iterations"),
        "num_images": number(label, "images"),
        "instances": {name: number(label, name) for name in (*CLASSES, "total")},
    },
}


def instance(place: int, class_name: str, area_px: int) -> InstanceRow:
    box = {"x0": 8, "y0": 8, "x1": 24, "y1": 24}
    window = {"window_x0": 8, "window_y0": 8, "window_side": 16}
    known = {"layer": 0, "instance_id": 26000, "area_px": area_px, "prompt": f"a photo of a {class_name}"}
    return InstanceRow(
        number=place,
        frame="town_000000_000000",
        class_name=class_name,
        seeds=[1, 2],
        focus_seeds=[3, 4],
        **known,
        **box,
        **window,
    )


def write_manifest(label: str, folder: Path) -> None:
    rows = [instance(0, "car", 256), instance(1, "car", 300)]
    write_rows(folder / MANIFEST_FILE, rows, InstanceRow)


def write_crops(label: str, folder: Path) -> None:
    """A crop of one grey level, which tells the cell that it comes from."""
    grey = np.full((16, 16, 3), number(label, "grey", 200), np.uint8)
    crops = [RepaintedCrop(place, variant, 1, grey) for place in (0, 1) for variant in (1, 2)]
    write_pictures(shard_path(folder, 0), crops)


def write_frame_of(folder: Path, name: str, level: int) -> None:
    city = name.split("_")[0]
    for kind in ("leftImg8bit", "gtFine"):
        (folder / kind / "train" / city).mkdir(parents=True, exist_ok=True)
    ids = np.full((32, 64), 7, np.uint16)
    ids[8:24, 8:24] = 26000
    Image.fromarray(np.full((32, 64, 3), level, np.uint8)).save(
        folder / f"leftImg8bit/train/{city}/{name}_leftImg8bit.png"
    )
    Image.fromarray(ids).save(folder / f"gtFine/train/{city}/{name}_gtFine_instanceIds.png")
    Image.fromarray(np.where(ids > 7, 26, 7).astype(np.uint8)).save(
        folder / f"gtFine/train/{city}/{name}_gtFine_labelIds.png"
    )


def write_world(label: str, folder: Path) -> None:
    write_frame_of(folder, "town_000000_000000", 100)


def write_samples(label: str, folder: Path) -> None:
    name = "townsynthetic_000000_000001"
    write_frame_of(folder, name, number(label, "grey", 200))
    numbers = {key: 0 for key in ("seed", "focus_seed", "offset", "num_tries", "focus_x0", "focus_y0", "checksum")}
    row = SampleRow(
        name=name, number=0, variant=1, frame="town_000000_000000", layer=0, instance_id=26000, class_name="car", prompt="",
        ratio=1.0, focus_x1=64, focus_y1=32, num_instances=1, **numbers,
    )  # fmt: skip
    write_rows(folder / SAMPLES_FILE, [row], SampleRow)


FILES = {
    "draw_cityscapes": write_world,
    "instance_synthesis_select": write_manifest,
    "instance_synthesis_generate": write_crops,
    "instance_synthesis_integrate": write_samples,
}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Collector:
    folder = tmp_path_factory.mktemp("store")
    study = mini().model_copy(update={"num_shards": 1})
    planners = [SeedPlanner(study, index, PLACES) for index in SEEDS]
    arms = [arm for arm in ARMS if arm.id in ARM_IDS]
    store: Any = ToldStore(folder, RECORDS, FILES)
    return Collector(
        store, planners, arms, "fastinst_miniature", [metric.id for metric in METRICS], folder / "pictures"
    )


@pytest.fixture(scope="module")
def extras(collector: Collector) -> dict[str, Any]:
    return collector.extras()


def test_accuracies_are_cityscapes_own_of_the_arm_and_seed(collector) -> None:
    """InstSynth section 9.2: Cityscapes' definition, not COCO's, which stands beside it in the record."""
    results = {(result.arm, result.seed): result.metrics for result in collector.results()}
    assert results.keys() == {(arm, seed) for arm in ARM_IDS for seed in SEEDS}
    for (arm, seed), metrics in results.items():
        label = f"seed{seed}/{arm}/evaluate"
        assert {name: metrics[name] for name in ("AP", "AP50")} == {
            name: number(label, name) for name in ("AP", "AP50")
        }


def test_quality_is_that_of_the_rows_own_generator_by_the_releases_definitions(collector) -> None:
    """InstSynth sections 9.3 and 9.4; only rows that stand in Table 1 have it."""
    for result in collector.results():
        found = {name: result.metrics.get(name) for name in ("clip_image_similarity", "FID", "SSIM", "PSNR")}
        if result.arm not in GENERATORS:
            assert set(found.values()) == {None}, result.arm
            continue
        label = f"seed{result.seed}/{result.arm}/quality"
        assert list(found.values()) == [number(label, name) for name in QUALITY]


def test_counts_are_of_real_images_and_of_those_with_samples(collector) -> None:
    counted = {}
    for result in collector.results():
        found = {name: value for name, value in result.metrics.items() if name.startswith("instances_")}
        if found:
            counted[result.arm, result.seed] = found
    assert counted.keys() == {(arm, seed) for arm in ("real", "blended") for seed in SEEDS}
    for (arm, seed), found in counted.items():
        label = f"seed{seed}/{arm}/train"
        assert found == {f"instances_{name}": number(label, name) for name in (*CLASSES, "total")}


def test_every_result_names_the_cells_behind_it(collector) -> None:
    planner = collector.planners[0]
    cells = {arm.id: planner.arm(arm) for arm in collector.arms}
    for result in (one for one in collector.results() if one.seed == 0):
        of_arm = cells[result.arm]
        behind = [of_arm.evaluation, of_arm.quality]
        assert result.cells == tuple(cell.id for cell in behind if cell is not None)


@pytest.mark.parametrize("seed", SEEDS)
def test_costs_are_those_of_the_arms_own_crops(collector, seed) -> None:
    costs = {cost.arm: cost for cost in collector.costs() if cost.seed == seed}
    for arm in GENERATORS:
        label, cost = f"seed{seed}/{arm}", costs[arm]
        assert (cost.objects_generated, cost.denoiser_calls) == (40, 1000 + number(f"{label}/generate0", "calls"))
        assert cost.generate_s == seconds(f"{label}/generate0")
        assert cost.cut_s == seconds(f"seed{seed}/select/2_variants", f"{label}/integrate0")
        assert (cost.training_images, cost.iterations) == (
            number(f"{label}/train", "images"),
            number(f"{label}/train", "iterations"),
        )
        assert cost.train_s == seconds(f"{label}/train")
    assert (costs["zoom"].objects_generated, costs["zoom"].denoiser_calls) == (None, None)
    assert costs["zoom"].cut_s == seconds(f"seed{seed}/select/2_variants", f"seed{seed}/identity/integrate0")
    assert (costs["real"].objects_generated, costs["real"].generate_s) == (None, None)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_share_of_the_images_costs_that_share_of_the_crops(collector, seed) -> None:
    cost = next(cost for cost in collector.costs() if (cost.arm, cost.seed) == ("blended_25", seed))
    label = f"seed{seed}/blended/generate0"
    assert cost.objects_generated == 10
    assert cost.denoiser_calls == round(0.25 * (1000 + number(label, "calls")))
    assert cost.generate_s == pytest.approx(0.25 * seconds(label))


def test_points_are_similarity_and_ap_of_the_same_back_end(extras) -> None:
    points = {(point.variant, point.seed): point for point in extras["points"]}
    titles = {"gligen": "GLIGEN", "inpainting": "inpainting", "blended": "blended"}
    assert points.keys() == {(title, seed) for title in (*titles.values(), "untouched") for seed in SEEDS}
    for seed in SEEDS:
        for arm, title in titles.items():
            point = points[title, seed]
            assert point.x == number(f"seed{seed}/{arm}/quality", "clip-similarity-release")
            assert point.y == number(f"seed{seed}/{arm}/evaluate", "AP")
            assert point.scatter == GENERATORS_STUDY
        assert points["untouched", seed].x == 1.0
        assert points["untouched", seed].y == number(f"seed{seed}/zoom/evaluate", "AP")


def level(path: Path, row: int = 0, column: int = 0) -> int:
    return int(np.asarray(Image.open(path))[row, column].flat[0])


def test_sheets_show_each_generators_own_crop_beside_the_real_one(extras) -> None:
    """Of the first seed; the copied instance beside the generators', nothing for untouched crops."""
    samples = extras["repainted"]
    assert [sample.row for sample in samples] == ["car", "car"]
    for sample in samples:
        assert level(sample.crop_path) == 100
        assert list(sample.repainted) == ["GLIGEN", "inpainting", "blended", "copied"]
        for title, path in sample.repainted.items():
            name = {"GLIGEN": "gligen", "copied": "copy_paste"}.get(title, title)
            assert level(path) == number(f"seed0/{name}/generate0", "grey", 200)
        assert sample.pasted_title == "blended"


def test_the_pasted_image_differs_inside_the_mask_alone(extras) -> None:
    sample = extras["repainted"][0]
    pasted, mask = (np.asarray(Image.open(path)) for path in (sample.pasted_path, sample.pasted_mask_path))
    painted = number("seed0/blended/generate0", "grey", 200)
    assert set(np.unique(pasted[mask == 0])) == {100}
    assert set(np.unique(pasted[mask > 0])) == {painted}, (
        "no pixel lies outside the mask in this window, so nothing is taken off"
    )
    assert np.asarray(Image.open(sample.difference_path)).max() == 0
    assert "largest change outside the mask: 0" in sample.caption


def test_focused_crops_are_of_the_back_end_that_they_are_named_after(extras) -> None:
    names = {"GLIGEN": "gligen", "copied": "copy_paste", "untouched": "identity"}
    assert {sample.caption for sample in extras["focused"]} == {
        "GLIGEN",
        "inpainting",
        "blended",
        "copied",
        "untouched",
    }
    for sample in extras["focused"]:
        name = names.get(sample.caption, sample.caption)
        assert level(sample.path) == number(f"seed0/{name}/integrate0", "grey", 200)
        assert sample.pasted == (() if sample.caption == "untouched" else (1,))
        assert sample.names == {1: "car"}
        assert level(sample.instances_path, 10, 10) == 1
        assert level(sample.instances_path) == 0


def test_panoptic_numbers_are_those_of_the_arms_own_network(tmp_path) -> None:
    """InstSynth section 9.5: PQ over all classes, not over things, and IoU; none for a network that knows no stuff."""
    measured = ("PQ", "PQ_th", "PQ_st", "SQ", "IoU")
    records = RECORDS | {
        "evaluate_cityscapes_panoptic": lambda label: {"metrics": {name: number(label, name) for name in measured}}
    }
    store: Any = ToldStore(tmp_path, records)
    planners = [SeedPlanner(oneformer_smoke(), index, PLACES) for index in SEEDS]
    arms = [arm for arm in ARMS if arm.id in ("published", "zoom")]
    collected = Collector(store, planners, arms, "oneformer_miniature", [metric.id for metric in METRICS], tmp_path)
    for result in collected.results():
        label = f"seed{result.seed}/{result.arm}/panoptic"
        assert {name: result.metrics[name] for name in ("PQ", "IoU")} == {
            name: number(label, name) for name in ("PQ", "IoU")
        }
        assert result.metrics["AP"] == number(f"seed{result.seed}/{result.arm}/evaluate", "AP")
        cells = planners[result.seed].arm(next(arm for arm in arms if arm.id == result.arm))
        assert result.cells == (cells.evaluation.id, cells.panoptic.id)


def test_fastinst_has_no_panoptic_numbers(collector) -> None:
    assert not any({"PQ", "IoU"} & set(result.metrics) for result in collector.results())
