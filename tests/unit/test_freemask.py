"""FreeMask's steps on any generator's pairs: class losses, noisy regions, hardness, as values and as stages."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from methods.common.datasets.png_labels import read_labels
from methods.common.datasets.voc import write_labels
from methods.common.generated.pair_reader import list_pairs
from methods.common.seeds import Seeds
from methods.common.segmenters.mask2former.model import Mask2Former
from methods.common.segmenters.mask2former.presets import mask2former_miniature
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter
from methods.common.stage import Inputs, LocalContext
from methods.seggen.freemask.hardness import Mask, groups_by_mask, hardness_of, keep_by_hardness, num_kept
from methods.seggen.freemask.losses import ClassLosses, IgnoredPixels, without_noise
from methods.seggen.freemask.segmenter import losses_of_pixels
from methods.seggen.stages.freemask_class_losses import ClassLossesConfig, class_losses
from methods.seggen.stages.freemask_filter import FilterConfig, filter_noisy
from methods.seggen.stages.freemask_hardness import HardnessConfig, select_by_hardness
from tests.unit.labelled_data import refusal

NAMES = ("sky", "disc", "ring")


def labels(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


def test_a_class_loss_is_a_mean_over_pixels_not_over_images() -> None:
    totals = ClassLosses(3)
    totals.add(np.array([[1.0, 1.0, 1.0, 9.0]], np.float32), labels([0, 0, 0, 255]))
    totals.add(np.array([[5.0, 2.0]], np.float32), labels([0, 2]))
    assert totals.means() == [2.0, None, 2.0]  # the mean of the image means of class 0 is 3


def test_pixels_above_the_tolerance_are_ignored_and_nothing_else_changes() -> None:
    loss = np.array([[1.25, 1.26, 2.5, 2.51, 9.0, 9.0]], np.float32)
    label = labels([0, 0, 1, 1, 2, 255])
    kept = without_noise(loss, label, np.array([1.0, 2.0, np.inf]), 1.25)
    assert kept.tolist() == [[0, 255, 1, 255, 2, 255]]
    ignored = IgnoredPixels(3)
    ignored.add(label, kept)
    assert ignored.shares(NAMES) == {"all": 2 / 5, "by_class": {"sky": 0.5, "disc": 0.5, "ring": 0.0}}
    assert IgnoredPixels(3).shares(NAMES) == {"all": None, "by_class": dict.fromkeys(NAMES)}


def test_hardness_weighs_class_losses_by_area() -> None:
    mean = np.array([1.0, 3.0, np.inf])
    assert hardness_of(labels([0, 0, 0, 1], [255, 255, 255, 255]), mean, 8) == pytest.approx(1.5)
    assert hardness_of(labels([0, 2], [2, 2]), mean, 8) == 1.0
    assert hardness_of(labels([255, 255]), mean, 8) == 0.0


def test_the_easiest_mask_keeps_one_image_and_the_hardest_all() -> None:
    assert [num_kept(rank, 20210, 20) for rank in (1, 505, 506, 20210)] == [1, 1, 2, 20]
    counts = [num_kept(rank, 20210, 20) for rank in range(1, 20211)]
    assert counts == sorted(counts)
    assert sum(counts) == 221_814  # as the release counts its images on ADE20K
    assert np.mean(counts) == pytest.approx(10.98, abs=0.005)
    six = [num_kept(rank, 118_287, 6) for rank in range(1, 118_288)]
    assert np.mean(six) == pytest.approx(3.92, abs=0.005)


def test_harder_masks_keep_more_of_their_own_images_whatever_the_order() -> None:
    masks = [Mask(hardness, tuple(f"{hardness}_{k}" for k in range(4))) for hardness in (0.3, 0.1, 0.4, 0.2)]
    kept = keep_by_hardness(masks, Seeds())
    assert [one.mask.hardness for one in kept] == [0.1, 0.2, 0.3, 0.4]
    assert [len(one.kept) for one in kept] == [2, 3, 4, 4]
    assert all(set(one.kept) <= set(one.mask.pairs) for one in kept)
    assert keep_by_hardness(masks[::-1], Seeds()) == kept
    others = [keep_by_hardness(masks, Seeds(generation=seed)) for seed in range(1, 9)]
    assert any(other[0].kept != kept[0].kept for other in others)


def write_shard(folder: Path, made: dict[str, np.ndarray]) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "masks" / "seggen").mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(NAMES))
    (folder / "pairs.jsonl").write_text("".join(json.dumps({"id": name, "classes": []}) + "\n" for name in made))
    rng = np.random.default_rng(0)
    for name, label_HW in made.items():
        picture = rng.integers(0, 256, (*label_HW.shape, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "images" / f"{name}.png")
        write_labels(folder / "masks" / "seggen" / f"{name}.png", label_HW)
    return folder


SKY = np.zeros((16, 20), np.uint8)
HALF = np.where(np.arange(20) < 10, 0, 1)[None].repeat(16, 0).astype(np.uint8)
VOID = np.where(np.arange(16) < 8, 255, 1)[:, None].repeat(20, 1).astype(np.uint8)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("world")
    for part in ("images", "annotations"):
        (folder / "data" / part / "training").mkdir(parents=True)
    (folder / "data" / "classes.txt").write_text("[void]\n" + "".join(f"{name}\n" for name in NAMES))
    rng = np.random.default_rng(1)
    for number, label_HW in enumerate((SKY, HALF, VOID)):
        picture = rng.integers(0, 256, (*label_HW.shape, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"data/images/training/{number}.png")
        raw = np.where(label_HW == 255, 0, label_HW + 1).astype(np.uint8)
        write_labels(folder / f"data/annotations/training/{number}.png", raw)
    one = write_shard(folder / "one", {"a_0": SKY, "a_1": SKY, "b_0": HALF})
    two = write_shard(folder / "two", {"a_2": SKY, "b_1": HALF, "c_0": VOID})
    model = ConvolutionalSegmenter(ConvolutionalConfig(num_classes=3, widths=(8, 8)), torch.Generator().manual_seed(0))
    model.eval().save_pretrained(folder / "cell" / "model")
    return {"data": [folder / "data"], "pairs": [one, two], "model": [folder / "cell"]}


def run(stage, roles, settings, out: Path) -> dict:
    out.mkdir()
    return stage(Inputs(roles), settings, LocalContext(out))


@pytest.fixture(scope="module")
def losses_cell(world, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("losses") / "out"
    run(class_losses, world, ClassLossesConfig(), out)
    return out


def direct_losses(world, image_HW3: np.ndarray, label_HW: np.ndarray) -> np.ndarray:
    model = ConvolutionalSegmenter.from_pretrained(world["model"][0] / "model")
    logits = model.scores(torch.from_numpy(image_HW3).permute(2, 0, 1)[None].float())
    target = torch.from_numpy(label_HW)[None].long()
    return functional.cross_entropy(logits, target, ignore_index=255, reduction="none")[0].detach().numpy()


def test_the_stages_ignore_what_is_above_the_losses_on_real_images(world, losses_cell, tmp_path) -> None:
    sums, counts = np.zeros(3), np.zeros(3)
    for number, label_HW in enumerate((SKY, HALF, VOID)):
        image_HW3 = np.array(Image.open(world["data"][0] / f"images/training/{number}.png"))
        loss_HW = direct_losses(world, image_HW3, label_HW)
        for label in range(3):
            sums[label] += loss_HW[label_HW == label].sum()
            counts[label] += (label_HW == label).sum()
    mean = sums[:2] / counts[:2]
    written = json.loads((losses_cell / "class_losses.json").read_text())
    assert [written["sky"], written["disc"]] == pytest.approx(mean)
    assert written["ring"] is None
    roles = world | {"class_losses": [losses_cell]}
    record = run(filter_noisy, roles, FilterConfig(tolerance=1.05), tmp_path / "out")
    pairs, _ = list_pairs(world["pairs"])
    ignored = known = 0
    for pair in pairs:
        label_HW = pair.read_labels("seggen", 3)
        loss_HW = direct_losses(world, pair.read_image(), label_HW)
        limit = 1.05 * np.array([*mean, np.inf])[np.where(label_HW == 255, 2, label_HW)]
        expected = np.where(loss_HW > limit, 255, label_HW)
        found = read_labels(tmp_path / "out" / "masks" / "freemask" / f"{pair.id}.png")
        assert np.array_equal(found, expected)
        ignored, known = ignored + ((found == 255) & (label_HW != 255)).sum(), known + (label_HW != 255).sum()
    assert record["num_pairs"] == 6
    assert 0 < ignored < known
    assert record["ignored_share"]["all"] == pytest.approx(ignored / known)


def test_pairs_of_one_mask_are_found_by_the_mask_itself(world, losses_cell, tmp_path) -> None:
    pairs, _ = list_pairs(world["pairs"])
    groups = groups_by_mask(pairs, "seggen", np.array([1.0, 3.0, np.inf]), 20)
    assert [one.pairs for one in groups] == [("a_0", "a_1", "a_2"), ("b_0", "b_1"), ("c_0",)]
    assert [one.hardness for one in groups] == [1.0, 2.0, 3.0]
    record = run(select_by_hardness, world | {"class_losses": [losses_cell]}, HardnessConfig(), tmp_path / "out")
    selected = (tmp_path / "out" / "selected.txt").read_text().split()
    assert (record["num_masks"], record["num_pairs"], record["num_kept"]) == (3, 6, len(selected))
    assert record["kept_per_mask"] == len(selected) / 3
    assert selected == [pair.id for pair in pairs if pair.id in selected]
    rows = list(csv.DictReader((tmp_path / "out" / "hardness.csv").open()))
    hardness = [float(row["hardness"]) for row in rows]
    assert hardness == sorted(hardness)
    for rank, row in enumerate(rows, start=1):
        assert int(row["kept"]) == num_kept(rank, 3, int(row["images"]))
        assert len([name for name in selected if name[0] == row["first_pair"][0]]) == int(row["kept"])


def test_a_network_of_masks_is_a_judge_too() -> None:
    model = Mask2Former(mask2former_miniature(3), torch.Generator().manual_seed(0)).eval()
    image = torch.rand(1, 3, 16, 20, generator=torch.Generator().manual_seed(1)) * 255
    found = model.log_probabilities(image)
    assert torch.allclose(found.exp().sum(1), torch.ones(1, 16, 20), atol=1e-5)
    assert torch.equal(found.argmax(1), model.scores(image).argmax(1))
    loss = losses_of_pixels(model, np.zeros((16, 20, 3), np.uint8), VOID)
    assert (loss[:8] == 0).all()
    assert (loss[8:] > 0).all()


def test_other_classes_are_refused(world, losses_cell, tmp_path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "class_losses.json").write_text(json.dumps({"sky": 1.0, "wall": 1.0, "ring": 1.0}))
    roles = world | {"class_losses": [other]}
    assert "knows other classes than the pairs" in refusal(
        lambda: run(select_by_hardness, roles, HardnessConfig(), tmp_path / "a")
    )
    roles = world | {"class_losses": [tmp_path]}
    assert "name a cell of freemask_class_losses" in refusal(
        lambda: run(filter_noisy, roles, FilterConfig(), tmp_path / "b")
    )
    small = ConvolutionalSegmenter(ConvolutionalConfig(num_classes=2, widths=(8, 8)), torch.Generator().manual_seed(0))
    small.save_pretrained(tmp_path / "cell" / "model")
    roles = world | {"model": [tmp_path / "cell"]}
    assert "has 2 classes, the images 3" in refusal(
        lambda: run(class_losses, roles, ClassLossesConfig(), tmp_path / "c")
    )
