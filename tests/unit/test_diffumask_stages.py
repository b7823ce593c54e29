"""What DiffuMask's stages make of each picture, heat map and label, and what they say of wrong input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.voc import write_labels
from methods.common.errors import InputError
from methods.common.resumable_records import append_lines, read_lines
from methods.common.seeds import Seeds
from methods.common.segmenters.semantic import prediction
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.segmenters import build_segmenter
from methods.common.stage import Inputs, LocalContext
from methods.diffumask_robust.affinity.config import WalkConfig, affinity_miniature
from methods.diffumask_robust.affinity.crop_config import AffinityCropConfig
from methods.diffumask_robust.affinity.recipe import AffinityRecipe
from methods.diffumask_robust.diffumask.area_config import AreaRule
from methods.diffumask_robust.diffumask.mosaic_config import NO_DISTORTIONS, Blur, Distortions, Mosaics
from methods.diffumask_robust.diffumask.split_config import SplitConfig
from methods.diffumask_robust.diffumask.split_levels import split_levels
from methods.diffumask_robust.label_files import LABELS_FILE, read_trusted
from methods.diffumask_robust.stages.fold_source import FoldSource
from methods.diffumask_robust.stages.prune import PRUNE, PruneConfig
from methods.diffumask_robust.stages.refine import REFINE
from methods.diffumask_robust.stages.refine_config import RefineConfig
from methods.diffumask_robust.stages.score_fold import SCORE_FOLD, SCORES_FILE, ScoreFoldConfig
from methods.diffumask_robust.stages.seed import SEED, SeedConfig
from methods.diffumask_robust.stages.sources import LabelledSource
from methods.diffumask_robust.stages.splice import SPLICE, SpliceConfig
from methods.diffumask_robust.stages.train_affinity import TRAIN_AFFINITY, TrainAffinityConfig
from tests.unit.diffumask_inputs import CLASSES, draw, iou, run, write_pictures

SEEDING = SeedConfig(stride=4, split=SplitConfig(low=0.3, high=0.5), smoothing=None)
TRAINING = TrainAffinityConfig(
    network=affinity_miniature(),
    recipe=AffinityRecipe(iterations=60, base_lr=0.02, momentum="as_meant"),
    crops=AffinityCropConfig(crop_px=48),
    start="scratch",
)
DOGS = TRAINING.model_copy(update={"class_name": "dog", "recipe": TRAINING.recipe.model_copy(update={"iterations": 8})})
REFINING = RefineConfig(
    walk=WalkConfig(background=0.35),
    walk_box_px2=4,
    thresholds=(0.2, 0.3, 0.4, 0.5),
    smoothing=None,
    box_px2=16,
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two shards of pictures, their seeds, a network of all classes and one of dogs, and refined masks."""
    folder = tmp_path_factory.mktemp("diffumask")
    found = {"one": write_pictures(folder / "one", range(10)), "two": write_pictures(folder / "two", range(10, 16))}
    shards = [found["one"], found["two"]]
    for name in ("one", "two"):
        found[f"{name}_seeds"] = folder / f"{name}_seeds"
        run(SEED, {"pairs": [found[name]]}, SEEDING, found[f"{name}_seeds"])
    roles = {"pairs": shards, "seeds": [found["one_seeds"], found["two_seeds"]]}
    found["all"], found["dogs"] = folder / "all", folder / "dogs"
    run(TRAIN_AFFINITY, roles, TRAINING, found["all"])
    run(TRAIN_AFFINITY, roles, DOGS, found["dogs"])
    for name in ("one", "two"):
        found[f"{name}_labels"] = folder / f"{name}_labels"
        run(REFINE, {"pairs": [found[name]], "affinity": [found["all"]]}, REFINING, found[f"{name}_labels"])
    return found


def labelled(cells: dict[str, Path]) -> dict[str, list[Path]]:
    """Roles of everything that reads labelled pictures."""
    return {"pairs": [cells["one"], cells["two"]], "labels": [cells["one_labels"], cells["two_labels"]]}


# ---- seeds and networks


def test_seeds_follow_the_levels_of_each_map(cells: dict[str, Path]) -> None:
    lines = read_lines(cells["one_seeds"] / "seeds.jsonl")
    assert [line["id"] for line in lines] == [f"{number:03d}" for number in range(10)]
    for number, line in enumerate(lines):
        name, _, truth, map_hw = draw(number)
        levels = split_levels(map_hw, SplitConfig(low=0.3, high=0.5))
        assert line["classes"] == [name]
        assert line["levels"] == pytest.approx([levels.foreground, levels.background], abs=1e-3)
        label = read_labels(cells["one_seeds"] / "seeds" / f"{line['id']}.png")
        assert label.shape == (16, 16)
        assert set(np.unique(label)) == {0, 1, 255}
        inside = truth.reshape(16, 4, 16, 4).mean((1, 3))
        assert inside[label == 1].mean() > 0.8
        assert inside[label == 0].mean() < 0.1


def test_a_network_learns_from_its_class_alone(cells: dict[str, Path]) -> None:
    assert json.loads((cells["all"] / "result.json").read_text())["num_images"] == 16
    assert json.loads((cells["dogs"] / "result.json").read_text())["num_images"] == 8
    assert json.loads((cells["dogs"] / "affinity.json").read_text()) == {"class_name": "dog"}
    record = json.loads((cells["all"] / "result.json").read_text())
    assert record["iterations"] == 60
    assert record["loss_last"] < record["loss_first"]
    assert record["started_from"] == 0


def test_an_interrupted_training_ends_as_one_that_was_not(cells: dict[str, Path], tmp_path: Path) -> None:
    roles = {"pairs": [cells["one"], cells["two"]], "seeds": [cells["one_seeds"], cells["two_seeds"]]}

    class Stopped(LocalContext):
        def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
            if done == 5:
                raise KeyboardInterrupt

    (tmp_path / "again").mkdir()
    with pytest.raises(KeyboardInterrupt):
        TRAIN_AFFINITY.run(Inputs(roles), DOGS, Stopped(tmp_path / "again", checkpoint_every_s=0))
    TRAIN_AFFINITY.run(Inputs(roles), DOGS, LocalContext(tmp_path / "again", checkpoint_every_s=0))
    file = "model/model.safetensors"
    assert (tmp_path / "again" / file).read_bytes() == (cells["dogs"] / file).read_bytes()


# ---- masks


def test_refined_masks_are_better_than_plain_thresholds_and_lie_in_the_common_layout(cells: dict[str, Path]) -> None:
    lines = read_lines(cells["one_labels"] / LABELS_FILE)
    ours, plain = [], []
    for number, line in enumerate(lines):
        name, _, truth, map_hw = draw(number)
        label = read_labels(cells["one_labels"] / "labels" / f"{line['id']}.png")
        assert set(np.unique(label)) == {0, CLASSES.index(name)}
        assert line["foreground"] == pytest.approx((label > 0).mean())
        assert line["threshold"] in REFINING.thresholds
        assert 0.2 < line["agreement"] <= 0.5
        assert read_trusted(cells["one_labels"] / "trusted" / f"{line['id']}.png").all()
        ours.append(iou(label > 0, truth))
        plain.append([iou(map_hw > threshold, truth) for threshold in REFINING.thresholds])
    assert np.mean(ours) > max(np.mean(plain, 0)), "no fixed threshold does as well"
    images = LabelledSource().open(Inputs(labelled(cells)), Seeds())
    assert len(images) == 16
    assert images.class_names == tuple(CLASSES)


@pytest.mark.parametrize("mask", ["walk", "fixed"])
def test_the_other_rows_of_table_4a(cells: dict[str, Path], tmp_path: Path, mask: str) -> None:
    config = REFINING.model_copy(update={"mask": mask, "fixed_threshold": 0.45})
    affinity = [cells["all"]] if mask == "walk" else []
    record = run(REFINE, {"pairs": [cells["two"]], "affinity": affinity}, config, tmp_path / "out")
    assert record["num_images"] == 6
    assert record["threshold"] == (None if mask == "walk" else 0.45)
    for line in read_lines(tmp_path / "out" / LABELS_FILE):
        map_hw = draw(int(line["id"]))[3]
        label = read_labels(tmp_path / "out" / "labels" / f"{line['id']}.png")
        assert (iou(label > 0, map_hw > 0.45) > 0.98) == (mask == "fixed")


def test_a_mask_that_no_object_has_is_dropped(cells: dict[str, Path], tmp_path: Path) -> None:
    config = REFINING.model_copy(update={"area": AreaRule(max_share=0.12)})
    record = run(REFINE, {"pairs": [cells["one"]], "affinity": [cells["all"]]}, config, tmp_path / "out")
    lines = read_lines(tmp_path / "out" / LABELS_FILE)
    assert 0 < record["num_dropped"] == sum(line["foreground"] > 0.12 for line in lines) < 10
    assert all(bool(line["dropped"]) == (line["foreground"] > 0.12) for line in lines)


def test_each_picture_has_the_network_of_its_class(cells: dict[str, Path], tmp_path: Path) -> None:
    roles = {"pairs": [cells["two"]], "affinity": [cells["all"], cells["dogs"]]}
    run(REFINE, roles, REFINING.model_copy(update={"mask": "walk"}), tmp_path / "both")
    run(REFINE, roles | {"affinity": [cells["all"]]}, REFINING.model_copy(update={"mask": "walk"}), tmp_path / "all")
    changed = {
        line["classes"][0]
        for line in read_lines(tmp_path / "both" / LABELS_FILE)
        if not np.array_equal(
            *(read_labels(tmp_path / one / "labels" / f"{line['id']}.png") for one in ("both", "all"))
        )
    }
    assert changed == {"dog"}
    with pytest.raises(InputError, match="no AffinityNet of class 'cat'"):
        run(REFINE, roles | {"affinity": [cells["dogs"]]}, REFINING, tmp_path / "none")
    with pytest.raises(InputError, match="both of None"):
        run(REFINE, roles | {"affinity": [cells["all"], cells["all"]]}, REFINING, tmp_path / "twice")


# ---- cross validation and pruning


def fold_scores(cells: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: set[int]) -> list[Path]:
    """Scores of every fold by a segmenter that finds the masks of some pictures, and half of those of the others."""
    model = build_segmenter(ConvolutionalConfig(num_classes=3, widths=(8, 8)), torch.Generator().manual_seed(0))
    model.save_pretrained(tmp_path / "cell" / "model")
    masks = {draw(number)[1].tobytes(): number for number in range(16)}

    def predicted(_model: Any, images: list[np.ndarray], *_sizes: Any) -> np.ndarray:
        number = masks[images[0].tobytes()]
        shard = "one" if number < 10 else "two"
        label = read_labels(cells[f"{shard}_labels"] / "labels" / f"{number:03d}.png").copy()
        if number not in good:
            label[:, ::2] = 0
        return label[None]

    monkeypatch.setattr(prediction, "predict_labels", predicted)
    for fold in range(2):
        config = ScoreFoldConfig(num_folds=2, fold=fold)
        run(SCORE_FOLD, {**labelled(cells), "model": [tmp_path / "cell"]}, config, tmp_path / f"fold{fold}")
    return [tmp_path / "fold0", tmp_path / "fold1"]


def test_every_picture_is_rated_by_a_network_that_has_not_seen_it(cells, tmp_path, monkeypatch) -> None:
    folders = fold_scores(cells, tmp_path, monkeypatch, set(range(16)))
    rated = [{line["id"] for line in read_lines(folder / SCORES_FILE)} for folder in folders]
    assert not rated[0] & rated[1]
    assert len(rated[0] | rated[1]) == 16
    for fold in range(2):
        images = FoldSource(num_folds=2, fold=fold).open(Inputs(labelled(cells)), Seeds())
        assert {images.name(index) for index in range(len(images))} == rated[1 - fold]


def test_the_worst_of_each_class_go(cells, tmp_path, monkeypatch) -> None:
    good = {0, 2, 6, 12, 3, 7, 11, 13}
    folders = fold_scores(cells, tmp_path, monkeypatch, good)
    roles = {**labelled(cells), "scores": folders}
    record = run(PRUNE, roles, PruneConfig(pruned_share=0.5), tmp_path / "pruned")
    lines = read_lines(tmp_path / "pruned" / LABELS_FILE)
    assert [line["id"] for line in lines] == [f"{number:03d}" for number in range(16)]
    assert {int(line["id"]) for line in lines if not line["dropped"]} == good
    assert record == {"num_images": 16, "num_kept": 8, "iou_before": pytest.approx(0.75, abs=0.1), "iou_kept": 1.0}
    images = LabelledSource().open(Inputs({**labelled(cells), "labels": [tmp_path / "pruned"]}), Seeds())
    assert {int(images.name(index)) for index in range(len(images))} == good
    for index in range(len(images)):
        number = int(images.name(index))
        before = cells["one_labels" if number < 10 else "two_labels"] / "labels" / f"{number:03d}.png"
        assert np.array_equal(images[index][1], read_labels(before))
    random = run(PRUNE, roles, PruneConfig(pruned_share=0.5, rule="random"), tmp_path / "random")
    assert random["num_kept"] == 8
    assert random["iou_kept"] < 1
    with pytest.raises(InputError, match="score every fold"):
        run(PRUNE, {**roles, "scores": folders[:1]}, PruneConfig(), tmp_path / "half")
    with pytest.raises(InputError, match="scored twice"):
        run(PRUNE, {**roles, "scores": [folders[0], folders[0]]}, PruneConfig(), tmp_path / "twice")


# ---- splicing


def test_mosaics_show_their_pictures_with_their_labels(cells: dict[str, Path], tmp_path: Path) -> None:
    config = SpliceConfig(
        mosaics=(Mosaics(rows=1, columns=2, count=2, may_turn=True), Mosaics(rows=2, columns=2, count=2)),
        distortions=NO_DISTORTIONS,
        image_format="png",
    )
    out = tmp_path / "out"
    record = run(SPLICE, labelled(cells), config, out)
    assert record == {"num_images": 20, "num_singles": 16, "num_mosaics": 4}
    images = LabelledSource().open(Inputs({"pairs": [out], "labels": [out]}), Seeds())
    assert len(images) == 20
    mosaics = {line["id"]: line for line in read_lines(out / "pairs.jsonl") if "mosaic" in line["id"]}
    for index in range(len(images)):
        name, (image, label) = images.name(index), images[index]
        sources = mosaics[name]["sources"] if name in mosaics else [name]
        tiles = [(draw(int(source))[1], CLASSES.index(draw(int(source))[0])) for source in sources]
        rows = label.shape[0] // 64
        for place, (tile, own) in enumerate(tiles):
            top, left = (64 * side for side in divmod(place, len(tiles) // rows))
            assert np.array_equal(image[top : top + 64, left : left + 64], tile)
            assert set(np.unique(label[top : top + 64, left : left + 64])) == {0, own}
    assert {tuple(images[index][1].shape) for index in range(len(images))} >= {(64, 64), (128, 128)}


def test_a_distorted_set_is_the_same_however_it_was_interrupted(cells: dict[str, Path], tmp_path: Path) -> None:
    config = SpliceConfig(
        mosaics=(Mosaics(rows=2, columns=1, count=3),),
        distortions=Distortions(blur=Blur(chance=1.0)),
        image_format="png",
    )
    run(SPLICE, labelled(cells), config, tmp_path / "whole")

    class Stopped(LocalContext):
        def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
            if done == 8:
                raise KeyboardInterrupt

    (tmp_path / "again").mkdir()
    with pytest.raises(KeyboardInterrupt):
        SPLICE.run(Inputs(labelled(cells)), config, Stopped(tmp_path / "again", checkpoint_every_s=0))
    SPLICE.run(Inputs(labelled(cells)), config, LocalContext(tmp_path / "again"))
    for path in sorted((tmp_path / "whole").rglob("*.*")):
        if path.name != "result.json":
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(tmp_path / "whole")).read_bytes(), path
    single = np.asarray(Image.open(tmp_path / "whole" / "images" / "000.png"))
    assert not np.array_equal(single, draw(0)[1])


# ---- wrong input


def test_wrong_input_is_told_in_one_sentence(cells: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no preset 'daam'; there are diffumask"):
        run(SEED, {"pairs": [cells["one"]]}, SeedConfig(preset="daam"), tmp_path / "a")
    several = write_pictures(tmp_path / "several", range(0))
    append_lines(several / "pairs.jsonl", [{"id": "x", "classes": ["cat", "dog"], "ranges": {}}])
    with pytest.raises(InputError, match="shows 2 classes"):
        run(SEED, {"pairs": [several]}, SEEDING, tmp_path / "b")
    roles = {"pairs": [cells["one"], cells["two"]], "seeds": [cells["two_seeds"], cells["one_seeds"]]}
    with pytest.raises(InputError, match="not of the 16 pictures in their order"):
        run(TRAIN_AFFINITY, roles, TRAINING, tmp_path / "c")
    roles["seeds"].reverse()
    with pytest.raises(InputError, match="class_name is 'cow', but the pictures are of cat, dog"):
        run(TRAIN_AFFINITY, roles, TRAINING.model_copy(update={"class_name": "cow"}), tmp_path / "d")
    with pytest.raises(InputError, match="name them as role 'trunk'"):
        run(TRAIN_AFFINITY, roles, TRAINING.model_copy(update={"start": "imagenet"}), tmp_path / "e")
    with pytest.raises(InputError, match=r"affinity.json cannot be read"):
        run(REFINE, {"pairs": [cells["one"]], "affinity": [cells["one"]]}, REFINING, tmp_path / "f")


def test_pictures_of_two_sizes_make_no_mosaic(cells: dict[str, Path], tmp_path: Path) -> None:
    small = write_pictures(tmp_path / "small", range(20, 21))
    Image.fromarray(draw(20, 32)[1]).save(small / "images" / "020.png")
    (tmp_path / "labels" / "labels").mkdir(parents=True)
    write_labels(tmp_path / "labels" / "labels" / "020.png", np.zeros((32, 32), np.uint8))
    (tmp_path / "labels" / "trusted").mkdir()
    write_labels(tmp_path / "labels" / "trusted" / "020.png", np.ones((32, 32), np.uint8))
    append_lines(tmp_path / "labels" / LABELS_FILE, [{"id": "020", "classes": ["cat"], "dropped": ""}])
    roles = labelled(cells)
    roles = {"pairs": [*roles["pairs"], small], "labels": [*roles["labels"], tmp_path / "labels"]}
    config = SpliceConfig(mosaics=(Mosaics(rows=8, columns=8, count=1),), distortions=NO_DISTORTIONS, singles=False)
    with pytest.raises(InputError, match="splice images of one size"):
        run(SPLICE, roles, config, tmp_path / "out")
