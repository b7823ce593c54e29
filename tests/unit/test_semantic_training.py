"""Training of semantic segmenters: the same whatever interrupts it, and in however many processes and parts."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from methods.common.errors import InputError, NotFiniteError
from methods.common.seeds import Seeds
from methods.common.segmenters.image_cache import BUDGET_BYTES
from methods.common.segmenters.semantic.augmentation_config import SemanticAugmentConfig
from methods.common.segmenters.semantic.config import ConvolutionalConfig
from methods.common.segmenters.semantic.convolutional import ConvolutionalSegmenter
from methods.common.segmenters.semantic.training import begin_training, check_labels, num_parts, train_segmenter
from methods.common.segmenters.semantic.training_images import EpochOrder, TrainingCrops
from methods.common.stage import LocalContext
from methods.common.state_file import load_state
from methods.common.training.batch_shard import BatchShare
from methods.common.training.distributed import ALONE, Team
from methods.common.training.losses import Losses
from methods.common.training.micro_batches import loss_in_parts
from methods.common.training.poly_recipe import PolyRecipe
from tests.contracts.contexts import Killed, MortalContext
from tests.unit.team_processes import double_precision, free_ports, start_processes

RECIPE = PolyRecipe(iterations=6, batch_size=5, base_lr=3e-3, max_gradient_norm=1.0)
SURE = RECIPE.model_copy(update={"iterations": 40, "base_lr": 1e-2, "backbone_lr_factor": 1.0})
AUGMENTATION = SemanticAugmentConfig(crop_px=16, min_scale_tenths=8, max_scale_tenths=12)


class Squares:
    """Coloured squares in memory; every image has pixels that are not rated, some many."""

    class_names = ("ground", "red", "green")

    def __init__(self, number: int = 7) -> None:
        rng = np.random.default_rng(0)
        self.pairs = []
        for index in range(number):
            label_HW = np.zeros((20, 18), np.uint8)
            label_HW[4:12, 3:11] = 1 + index % 2
            label_HW[: 2 + index % 5] = 255
            image_HW3 = rng.integers(0, 90, (20, 18, 3), dtype=np.uint8)
            image_HW3[..., 1 + index % 2][label_HW > 0] += 120
            self.pairs.append((image_HW3, label_HW))
        self.read: list[int] = []

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        return f"square {index}"

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self.read.append(index)
        return self.pairs[index]


def build(norm: str) -> ConvolutionalSegmenter:
    config = ConvolutionalConfig(num_classes=3, widths=(8, 8, 16), convs_per_level=1, norm=norm)
    return ConvolutionalSegmenter(config, torch.Generator().manual_seed(0))


def weights(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.double().flatten() for value in model.state_dict().values()])


def train(norm: str, context: LocalContext, recipe: PolyRecipe = RECIPE, num_workers: int = 0):
    model = build(norm)
    return model, train_segmenter(model, Squares(), AUGMENTATION, recipe, context, num_workers)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_interrupted_equals_uninterrupted(tmp_path: Path, norm: str) -> None:
    model, losses = train(norm, LocalContext(tmp_path / "one"))
    for kill_at in (2, 4):
        with pytest.raises(Killed):
            train(norm, MortalContext(tmp_path / "two", kill_at=kill_at))
    again, losses_again = train(norm, LocalContext(tmp_path / "two"))
    assert losses_again == losses
    assert len(losses) == 6
    assert torch.equal(weights(again), weights(model))


def test_the_seed_decides_and_workers_do_not(tmp_path: Path) -> None:
    runs = {
        name: train("group", LocalContext(tmp_path / name, seeds=Seeds(training=seed)), num_workers=workers)
        for name, seed, workers in (("one", 0, 0), ("workers", 0, 2), ("other", 1, 0))
    }
    assert runs["one"][1] == runs["workers"][1] != runs["other"][1]
    assert torch.equal(weights(runs["one"][0]), weights(runs["workers"][0]))


def test_the_loss_falls(tmp_path: Path) -> None:
    _, losses = train("batch", LocalContext(tmp_path / "out"), SURE)
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:8])


def test_a_loss_that_is_not_finite_stops_at_the_last_good_step(tmp_path: Path) -> None:
    context = LocalContext(tmp_path / "out")
    recipe = RECIPE.model_copy(update={"base_lr": 1e30, "max_gradient_norm": None})
    with pytest.raises(NotFiniteError, match=r"the loss is (nan|inf) at iteration \d; lower recipe.base_lr or look"):
        train("group", context, recipe)
    found = context.checkpoints.load()
    assert found is not None
    assert found[0] == len(found[1]["losses"]) >= 1
    assert np.isfinite(found[1]["losses"]).all()


def test_the_rate_of_the_last_step_is_the_recipes(tmp_path: Path) -> None:
    context = MortalContext(tmp_path / "out", kill_at=6)
    with pytest.raises(Killed):
        train("group", context)
    groups = context.checkpoints.load()[1]["training"]["optimizer"]["param_groups"]
    assert len(groups) > 1
    for group in groups:
        assert group["lr"] == pytest.approx(group["lr_factor"] * RECIPE.rate_at(4))


def test_gradients_are_clipped_together(tmp_path: Path) -> None:
    """One step of plain descent under AdamW without history moves by the rate whatever the gradient: look at its moments."""
    moments = {}
    for norm in (1e-3, None):
        context = LocalContext(tmp_path / f"{norm}")
        training = begin_training(build("group"), RECIPE.model_copy(update={"max_gradient_norm": norm}), context)
        share = BatchShare.of(ALONE, RECIPE.batch_size)
        training.step(next(TrainingCrops(Squares(), AUGMENTATION, Seeds()).batches(0, 1, share, 0)), 0)
        states = training.optimizer.state_dict()["state"].values()
        moments[norm] = torch.cat([state["exp_avg"].flatten() for state in states]) / (1 - RECIPE.betas[0])
    assert moments[1e-3].norm() == pytest.approx(1e-3, rel=1e-3)
    assert moments[None].norm() > 1e-2


def test_every_image_comes_once_an_epoch_in_another_order() -> None:
    order = EpochOrder(7, seed=3)
    epochs = [[order.image_index(epoch * 7 + place) for place in range(7)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert EpochOrder(7, seed=3).image_index(15) == epochs[2][1]
    assert [EpochOrder(7, seed=4).image_index(place) for place in range(7)] != epochs[0]


@pytest.mark.timeout(60)
def test_workers_start_where_opencv_has_threads() -> None:
    """A copied process would wait for them forever."""
    crops = TrainingCrops(Squares(), AUGMENTATION, Seeds())
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    cv2.warpAffine(np.zeros((2000, 2000, 3), np.uint8), np.eye(2, 3), (2000, 2000))
    image, _ = next(crops.batches(0, 1, BatchShare.of(ALONE, 4), 1))
    assert len(image) == 4
    assert cv2.getNumThreads() == 2
    cv2.setNumThreads(before)


def test_images_are_read_once_as_far_as_there_is_room() -> None:
    images = Squares()
    crops = TrainingCrops(images, AUGMENTATION, Seeds())
    crops.cache.divide_among(BUDGET_BYTES // (images.pairs[0][0].nbytes + images.pairs[0][1].nbytes))
    for _ in range(3):
        crops.original(0)
        crops.original(1)
    assert images.read == [0, 1, 1, 1]


@pytest.mark.parametrize(("num_workers", "team_size", "readers"), [(0, 1, 1), (2, 1, 2), (2, 4, 8), (0, 4, 4)])
def test_the_room_for_images_is_that_of_all_workers_together(num_workers: int, team_size: int, readers: int) -> None:
    crops = TrainingCrops(Squares(), AUGMENTATION, Seeds())
    for _ in range(2):  # a second time divides no further
        crops.batches(0, 0, BatchShare.of(Team(0, team_size), 4), num_workers)
    assert crops.cache.room_bytes * readers == BUDGET_BYTES


def test_bad_training_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the training data holds no image; check the split"):
        TrainingCrops(Squares(0), AUGMENTATION, Seeds())
    images = Squares()
    images.pairs[2] = (images.pairs[2][0], images.pairs[2][1][:-1])
    with pytest.raises(InputError, match="image square 2 is 18x20 pixels, its labels 18x19; mend one of them"):
        TrainingCrops(images, AUGMENTATION, Seeds()).original(2)
    with pytest.raises(
        InputError, match=r"labels hold 3, the segmenter has 3 classes from 0 to 2; set segmenter.num_cl"
    ):
        check_labels(torch.tensor([[[0, 255, 3]]], dtype=torch.uint8), 3)
    check_labels(torch.tensor([[[0, 255, 2]]], dtype=torch.uint8), 3)


def test_parts_change_nothing(tmp_path: Path) -> None:
    with double_precision():
        model, losses = train("group", LocalContext(tmp_path / "one"))
        for parts in (2, 5, 9):
            other, found = train("group", LocalContext(tmp_path / str(parts), batch_parts=parts))
            assert found == pytest.approx(losses, rel=1e-12)
            torch.testing.assert_close(weights(other), weights(model), rtol=1e-9, atol=1e-12)


def test_batch_norm_keeps_all_images_in_one_part(tmp_path: Path) -> None:
    context = LocalContext(tmp_path, batch_parts=3)
    assert {norm: num_parts(build(norm).train(), context) for norm in ("batch", "group")} == {"batch": 1, "group": 3}


def test_a_part_is_told_the_sums_of_all_and_gathers_all_rows() -> None:
    """The loss uses every exchange that a segmenter may use: a number, a tensor, rows of all images, draws for all."""
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    value_N = torch.arange(1.0, 8.0, dtype=torch.float64)

    def loss_of_part(rows: slice, share: BatchShare) -> Losses:
        draw_N = share.uniform(torch.Generator().manual_seed(0)).double()
        count = share.team.sum_number(float(rows.stop - rows.start))
        total = share.team.sum_(value_N[rows].sum())
        everyone_B = share.gather(value_N[rows].square())
        assert len(everyone_B) == 7
        loss = weight * (value_N[rows] * draw_N).sum() / count / total * everyone_B.sum()
        return Losses(loss, {"third": loss / 3})

    found = {}
    for parts in (1, 3, 7):
        weight.grad = None
        losses = loss_in_parts(loss_of_part, BatchShare.of(ALONE, 7), parts, torch.autograd.backward)
        found[parts] = (losses.total.item(), weight.grad.item())
        assert 3 * losses.parts["third"].item() == pytest.approx(losses.total.item(), rel=1e-12)
        assert found[parts] == pytest.approx(found[1], rel=1e-12)
    assert found[1][0] == pytest.approx(found[1][1])


def run_teams(rank: int, ports: list[int], folder: Path) -> None:
    """Train in two processes: batch norm, group norm, group norm in parts."""
    torch.set_num_threads(1)
    for (norm, parts), port in zip(TEAMS, ports, strict=True):
        team = Team.join("127.0.0.1", port, rank, 2, torch.device("cpu"))
        with double_precision():
            context = MortalContext(folder / f"{norm}-{parts}" / str(rank), team=team, batch_parts=parts)
            model, losses = train(norm, context)
        team.leave()
        (folder / f"{norm}-{parts}-{rank}.json").write_text(json.dumps([losses, weights(model).tolist()]))


TEAMS = [("batch", 1), ("group", 1), ("group", 2)]


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    """Five images a step: three in one process, two in the other."""
    processes = start_processes(2, run_teams, free_ports(len(TEAMS)), tmp_path)
    try:
        with double_precision():
            alone = {norm: train(norm, LocalContext(tmp_path / norm)) for norm in ("batch", "group")}
        for process in processes:
            process.join(timeout=120)
        assert [process.exitcode for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    for norm, parts in TEAMS:
        model, losses = alone[norm]
        found = [json.loads((tmp_path / f"{norm}-{parts}-{rank}.json").read_text()) for rank in (0, 1)]
        assert found[0] == found[1], "both processes hold the same bits"
        assert found[0][0] == pytest.approx(losses, rel=1e-12)
        expected = weights(model)
        torch.testing.assert_close(torch.tensor(found[0][1], dtype=torch.float64), expected, rtol=1e-9, atol=1e-12)
        first = tmp_path / f"{norm}-{parts}" / "0.checkpoints"
        assert len(load_state(max(first.iterdir()))["losses"]) == 6
        assert not (first.parent / "1.checkpoints").exists()
