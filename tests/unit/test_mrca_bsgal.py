"""BSGAL accepts what it should by its formula, its estimate is that of the exact step, and its gate changes nothing else."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from methods.common.seeds import Seeds
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.instance.training_images import Batch, collate
from methods.common.stage import LocalContext
from methods.common.state_file import load_state
from methods.common.training.batch_shard import BatchShare
from methods.common.training.distributed import Team
from methods.mrca.bsgal import (
    BsgalConfig,
    FixedThreshold,
    RunningThreshold,
    acceptance_record,
    threshold_at,
)
from methods.mrca.bsgal_gradients import Judge, Judged, cosine, flat_gradient, stepped
from methods.mrca.stages.gate import Gate, GatedBatch
from methods.mrca.stages.gated_images import GatedImages
from methods.mrca.stages.pasting import NoPasting
from methods.mrca.stages.train import TrainConfig, train
from methods.mrca.stages.training_data import TrainingImages
from tests.contracts import contexts
from tests.contracts.contexts import files_of
from tests.unit.team_processes import double_precision, draw_world, inputs_of, network_config, train_config

ALL, NONE = FixedThreshold(value=-2.0), FixedThreshold(value=2.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    draw_world(folder / "world")
    return folder / "world"


def gated_config(steps: int = 3, **changes: object) -> TrainConfig:
    return train_config("batch", steps).model_copy(update={"acceptance": BsgalConfig(**changes)})


@pytest.fixture(scope="module")
def batch(world: Path) -> GatedBatch:
    images = GatedImages(TrainingImages(inputs_of(world), gated_config(), Seeds()))
    return next(images.batches(0, BatchShare(0, 4, 4)))


# -- thresholds and numbers ------------------------------------------------------------------------------------------------


def test_a_fixed_threshold_is_the_released_one() -> None:
    assert threshold_at([0.5, 0.7], 0.3, FixedThreshold()) == -0.05


def test_a_running_threshold_is_a_quantile_of_the_last_scores() -> None:
    """A rate of 0.25 accepts the best quarter: the 0.75-quantile of those in the window, the oldest being forgotten."""
    rule = RunningThreshold(window=5, first_rate=0.25, last_rate=0.25)
    assert threshold_at([], 0.5, rule) == -np.inf
    assert threshold_at([100.0, 90.0, 1.0, 2.0, 3.0, 4.0], 0.5, rule) == 4.0


def test_a_growing_rate_is_linear_in_the_progress() -> None:
    rule = RunningThreshold(first_rate=0.0, last_rate=1.0)
    scores = [float(score) for score in range(101)]
    assert [threshold_at(scores, progress, rule) for progress in (0.0, 0.25, 1.0)] == [100.0, 75.0, 0.0]


def test_the_record_counts_judged_batches_alone() -> None:
    record = acceptance_record([1, 1, -1, 0, 0, -1, -1, 1], num_parts=4)
    assert record == {"judged": 5, "rate": 0.6, "rate_by_part": [1.0, 0.0, 0.0, 1.0]}
    assert acceptance_record([-1])["rate"] is None


def test_the_cosine_of_gradients() -> None:
    one = torch.tensor([3.0, 4.0])
    assert cosine(one, torch.tensor([4.0, 3.0])) == pytest.approx(24 / 25)
    assert cosine(one, -2 * one) == pytest.approx(-1.0)
    assert cosine(one, torch.zeros(2)) == 0.0
    assert np.isnan(cosine(one, torch.tensor([np.inf, 1.0])))


def test_parameters_that_a_loss_does_not_see_have_no_gradient() -> None:
    seen, unseen = torch.nn.Parameter(torch.tensor([2.0])), torch.nn.Parameter(torch.ones(2))
    assert flat_gradient((seen**2).sum(), [unseen, seen]).tolist() == [0.0, 0.0, 4.0]


# -- the estimate and the exact step ---------------------------------------------------------------------------------------


def judge_of(model: CenterNet2) -> Judge:
    return Judge(
        model, BatchShare(0, 4, 4), 1, None, lambda name, number: Seeds().torch("training", "judge", name, number)
    )


def judged(batch: Batch, is_pasted: list[torch.Tensor] | None = None) -> Judged:
    targets = [replace(target, boxes_N4=target.boxes_N4.to(torch.get_default_dtype())) for target in batch.targets]
    return Judged(batch.image_NCHW.to(torch.get_default_dtype()), batch.image_sizes, targets, is_pasted)


@pytest.fixture(scope="module")
def trained(world: Path, tmp_path_factory: pytest.TempPathFactory) -> CenterNet2:
    """A small network that has learned a little, so that gradients are not those of chance."""
    folder = tmp_path_factory.mktemp("trained")
    train(inputs_of(world), train_config("group", 6), LocalContext(folder))
    model = CenterNet2(network_config("group"))
    model.load_state_dict(load_state(folder / "training.safetensors")["model"])
    return model.train()


def test_the_first_order_estimate_is_the_limit_of_the_exact_step(batch: GatedBatch, trained: CenterNet2) -> None:
    """(L_U(w) - L_U(w - lr g_P)) / lr goes to <g_U, g_P>, in sign and value, and the error with lr.

    Where backpropagation is that of the loss: gradients into the features not divided, boxes that do not move with the weights.
    """
    config = network_config("group")
    config = config.model_copy(update={"cascade": config.cascade.model_copy(update={"gradient_divisor": 1.0})})
    with double_precision():
        model = CenterNet2(config)
        model.load_state_dict(trained.state_dict())
        for head in model.cascade.heads:
            torch.nn.init.zeros_(head.get_parameter("regressor.weight"))
        judge = judge_of(model.double().train())
        trusted, pasted = judged(batch.trusted), judged(batch.pasted, batch.is_pasted)
        subset_C = judge.subset(trusted, pasted)
        trusted_P, pasted_P = judge.gradient(trusted, subset_C), judge.gradient(pasted, subset_C)
        parameters = list(model.parameters())
        for direction in (pasted_P, -pasted_P):
            estimate, before, errors = float(trusted_P @ direction), judge.loss(trusted, subset_C), []
            for rate in (1e-4, 1e-6):
                with stepped(parameters, direction, rate):
                    exact = (before - judge.loss(trusted, subset_C)) / rate
                errors.append(abs(exact / estimate - 1))
            assert np.sign(exact) == np.sign(estimate)
            assert errors[1] < 1e-3
            assert errors[1] < errors[0]
        assert judge.loss(trusted, subset_C) == before, "the step was not taken back"


class TwoAlike(Team):
    """Stands for two processes that have the same images: every sum is twice one's own."""

    def sum_(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.mul_(2)


def test_gradients_and_losses_are_those_of_all_processes(batch: GatedBatch, trained: CenterNet2) -> None:
    """Both are averages over the whole batch, so two processes with the same images find what one of them does."""
    alone = judge_of(trained)
    together = replace(alone, share=BatchShare(0, 4, 8, TwoAlike(0, 2)))
    subset_C, pasted = torch.ones(12, dtype=torch.bool), judged(batch.pasted, batch.is_pasted)
    torch.testing.assert_close(together.gradient(pasted, subset_C), alone.gradient(pasted, subset_C))
    assert together.loss(pasted, subset_C) == pytest.approx(alone.loss(pasted, subset_C), rel=1e-5)


def test_only_pasted_objects_are_in_the_pasted_gradient(batch: GatedBatch, trained: CenterNet2) -> None:
    judge = judge_of(trained)
    subset_C = torch.ones(12, dtype=torch.bool)
    none = [torch.zeros_like(pasted_N) for pasted_N in batch.is_pasted]
    every = [torch.ones_like(pasted_N) for pasted_N in batch.is_pasted]
    assert not judge.gradient(judged(batch.pasted, none), subset_C).any()
    some_P, every_P = (judge.gradient(judged(batch.pasted, which), subset_C) for which in (batch.is_pasted, every))
    assert some_P.any()
    assert cosine(some_P, every_P) < 0.999


def test_the_columns_are_those_of_both_batches(batch: GatedBatch, trained: CenterNet2) -> None:
    trained.cascade.class_weight_C.zero_()  # so that no further class is drawn
    try:
        found_C = judge_of(trained).subset(judged(batch.trusted), judged(batch.pasted, batch.is_pasted))
    finally:
        trained.cascade.class_weight_C.fill_(1)
    classes = {
        int(index) for one in (batch.trusted, batch.pasted) for target in one.targets for index in target.classes_N
    }
    assert set(torch.nonzero(found_C)[:, 0].tolist()) == classes


# -- the gate --------------------------------------------------------------------------------------------------------------


def gate_of(folder: Path, **changes: object) -> Gate:
    config = gated_config(**changes)
    model = CenterNet2(config.segmenter, torch.Generator().manual_seed(0)).train()
    assert config.acceptance is not None
    return Gate(model, config.acceptance, config.recipe, LocalContext(folder), config.phase)


def told(gate: Gate, monkeypatch: pytest.MonkeyPatch, gradients: list[list[float]]) -> None:
    """Let the gate see these gradients, in the order pasted, trusted, pasted, ..."""
    rows = iter(torch.tensor(row) for row in gradients)
    monkeypatch.setattr(Judge, "gradient", lambda *_: next(rows))
    gate.cache_P = torch.zeros(len(gradients[0]))


def test_the_cache_keeps_a_tenth_of_itself(tmp_path: Path, batch: GatedBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = gate_of(tmp_path)
    told(gate, monkeypatch, [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    gate.choose(batch, 0)
    gate.choose(batch, 1)
    torch.testing.assert_close(gate.cache_P, torch.tensor([0.1 * 0.9, 0.9 * 2.0]))
    assert gate.scores == pytest.approx([0.0, 1.8 / np.hypot(0.09, 1.8)])


def test_a_batch_that_helps_is_pasted_and_one_that_harms_is_not(
    tmp_path: Path, batch: GatedBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = gate_of(tmp_path, cache_momentum=0.0)
    told(gate, monkeypatch, [[1.0, 0.1], [1.0, 0.0], [-1.0, 0.1], [1.0, 0.0], [-0.04, 1.0], [1.0, 0.0]])
    chosen = [gate.choose(batch, iteration) for iteration in range(3)]
    assert [one is batch.pasted for one in chosen] == [True, False, True]
    assert chosen[1] is batch.real
    assert gate.record()["rate_by_part"][:3] == [1.0, 0.0, 1.0]


def with_other_classes(batch: Batch) -> Batch:
    targets = [replace(target, classes_N=(target.classes_N + 5) % 12) for target in batch.targets]
    return replace(batch, targets=targets)


def gate_shown_true_and_false(model: CenterNet2, batches: list[Batch], folder: Path) -> Gate:
    """A gate after batches whose objects have their own classes and others, by turns."""
    config = gated_config()
    assert config.acceptance is not None
    gate = Gate(model, config.acceptance, config.recipe, LocalContext(folder), config.phase)
    for number in range(8):
        real = batches[number // 2 % 2]
        pasted = with_other_classes(real) if number % 2 else real
        every = [torch.ones(len(target.classes_N), dtype=torch.bool) for target in real.targets]
        gate.choose(GatedBatch(real, pasted, every, real), number)
    return gate


def test_objects_of_wrong_classes_are_turned_away_and_those_of_their_own_are_not(
    world: Path, trained: CenterNet2, tmp_path: Path
) -> None:
    """The same objects on the same images, judged at the released threshold."""
    images = TrainingImages(inputs_of(world), gated_config(), Seeds())
    batches = [collate([images.without_pasting(4 * k + place) for place in range(4)]) for k in range(2)]
    gate = gate_shown_true_and_false(trained, batches, tmp_path)
    assert np.mean(gate.scores[::2]) - np.mean(gate.scores[1::2]) > 0.5
    assert gate.accepted[::2] == [1] * 4
    assert sum(gate.accepted[1::2]) <= 2


def test_a_gradient_that_is_not_finite_is_neither_cached_nor_accepted(
    tmp_path: Path, batch: GatedBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = gate_of(tmp_path)
    told(gate, monkeypatch, [[np.nan, 1.0], [np.inf, 1.0], [1.0, 0.0], [1.0, 0.0]])
    assert gate.choose(batch, 0) is batch.real
    assert (gate.cache_P.tolist(), gate.scores) == ([0.0, 0.0], [])
    assert gate.choose(batch, 1) is batch.pasted


def test_a_batch_without_pasted_objects_is_not_judged(tmp_path: Path, batch: GatedBatch) -> None:
    gate = gate_of(tmp_path)
    nothing = replace(batch, is_pasted=[torch.zeros_like(pasted_N) for pasted_N in batch.is_pasted])
    assert gate.choose(nothing, 0) is batch.pasted
    assert (gate.accepted, gate.scores, bool(gate.cache_P.any())) == ([-1], [], False)


def test_a_trial_step_scores_how_much_the_trusted_loss_falls(
    tmp_path: Path, batch: GatedBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = gate_of(tmp_path, comparison="trial_step", threshold=FixedThreshold(value=0.0))
    losses = iter([2.0, 1.5, 2.0, 2.25])
    monkeypatch.setattr(Judge, "loss", lambda *_: next(losses))
    assert gate.choose(batch, 0) is batch.pasted
    assert gate.choose(batch, 1) is batch.real
    assert gate.scores == [0.5, -0.25]
    assert gate.record()["cache_mib"] == 0


def test_the_cache_takes_a_number_for_each_parameter(tmp_path: Path) -> None:
    gate = gate_of(tmp_path)
    size = sum(one.numel() for one in gate.model.parameters() if one.requires_grad)
    assert gate.record()["cache_mib"] == 4 * size / 2**20


# -- the images ------------------------------------------------------------------------------------------------------------


def test_trusted_images_are_real(world: Path) -> None:
    images = TrainingImages(inputs_of(world), gated_config(), Seeds())
    gated = GatedImages(images)
    for number in range(12):
        _, (_, pasted), (_, trusted) = gated[number]
        assert pasted.source_N.any() or not images.classes_of_objects(number)
        assert not trusted.source_N.any()


def test_the_classes_are_those_pasted_into_the_whole_batch(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = TrainingImages(inputs_of(world), gated_config(), Seeds())
    asked: list[int] = []
    monkeypatch.setattr(images, "classes_of_objects", lambda number: asked.append(number) or [0])
    GatedImages(images)._trusted(6)
    assert asked == [4, 5, 6, 7]


def test_the_trusted_image_is_one_of_those_with_a_pasted_class(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each class is pasted alone in turn, so every trusted image must have it."""
    images = TrainingImages(inputs_of(world), gated_config(), Seeds())
    dataset, gated, drawn = images.real.dataset, GatedImages(images), []
    read = type(images.real).__getitem__
    monkeypatch.setattr(type(images.real), "__getitem__", lambda self, place: drawn.append(place) or read(self, place))
    for index in range(12):
        monkeypatch.setattr(images, "classes_of_objects", lambda number, index=index: [index])
        drawn.clear()
        gated._trusted(5)
        annotations = dataset.annotations[images.real.images[drawn[0]].id]
        assert index in {dataset.class_index[item.category_id] for item in annotations}


def test_x_and_x_pasted_are_the_same_images(world: Path) -> None:
    images = TrainingImages(inputs_of(world), gated_config(), Seeds())
    (real_HW3, real), (pasted_HW3, pasted), _ = GatedImages(images)[1]
    covered_HW = pasted.mask_NHW[pasted.source_N == 1].any(0)
    assert covered_HW.any()
    assert not real.source_N.any()
    np.testing.assert_array_equal(real_HW3[~covered_HW], pasted_HW3[~covered_HW])


# -- the stage -------------------------------------------------------------------------------------------------------------


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    tree = load_state(folder / "training.safetensors")
    return {**tree["model"], **{f"average/{name}": value for name, value in tree["average"]["model"].items()}}


@pytest.mark.parametrize("comparison", ["cosine", "trial_step"])
def test_a_gate_that_lets_all_or_nothing_pass_changes_nothing_else(
    world: Path, tmp_path: Path, comparison: str
) -> None:
    """Accepting all is X-Paste, accepting nothing is training on real images, both bit for bit."""
    plain = train_config("batch", 2)
    cases = {"all": (ALL, plain), "nothing": (NONE, plain.model_copy(update={"pasting": NoPasting()}))}
    for name, (threshold, expected) in cases.items():
        for kind, config in (
            ("gated", gated_config(2, threshold=threshold, comparison=comparison)),
            ("plain", expected),
        ):
            (tmp_path / name / kind).mkdir(parents=True)
            train(inputs_of(world), config, LocalContext(tmp_path / name / kind))
        found, wanted = weights_of(tmp_path / name / "gated"), weights_of(tmp_path / name / "plain")
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert torch.equal(found[key], value), f"{name}: {key}"


def test_killed_anywhere_a_gated_training_ends_alike(world: Path, tmp_path: Path) -> None:
    """The cache, the scores and the decisions go on with the network; they are in the file of its state."""
    attempt = partial(contexts.attempt, train, inputs_of(world))
    config = gated_config(4, threshold=RunningThreshold(first_rate=0.6, last_rate=0.2))
    _, record = attempt(config, tmp_path / "whole")
    assert record is not None
    assert record["acceptance"]["judged"] == 4
    assert attempt(config, tmp_path / "killed", kill_at=3)[1] is None
    context, again = attempt(config, tmp_path / "killed")
    assert context.done[0] == 2
    assert json.dumps(again) == json.dumps(record)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def test_judging_asks_for_something_pasted() -> None:
    with pytest.raises(ValueError, match="nothing is pasted"):
        TrainConfig(segmenter=network_config("batch"), acceptance=BsgalConfig())


def test_trusted_gradients_are_those_of_the_trusted_images(
    tmp_path: Path, batch: GatedBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Judged] = []
    gate = gate_of(tmp_path)
    monkeypatch.setattr(Judge, "gradient", lambda _, judged, subset_C: seen.append(judged) or torch.ones(3))
    gate.cache_P = torch.zeros(3)
    gate.choose(batch, 0)
    (pasted,) = [one for one in seen if one.is_pasted is not None]
    (trusted,) = [one for one in seen if one.is_pasted is None]
    assert torch.equal(trusted.image_NCHW, batch.trusted.image_NCHW.float())
    assert torch.equal(pasted.image_NCHW, batch.pasted.image_NCHW.float())


def test_pasted_instances_are_marked(world: Path, batch: GatedBatch) -> None:
    """As many as objects are visible, and behind the real ones."""
    images = TrainingImages(inputs_of(world), gated_config(), Seeds())
    for number in range(4):
        _, instances = images[number]
        assert batch.is_pasted[number].tolist() == (instances.source_N == 1).tolist()
        assert len(batch.pasted.targets[number].classes_N) == len(batch.is_pasted[number])
