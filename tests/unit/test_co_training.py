"""Two networks that train each other: how they begin, what each step asks of whom, interruptions, and what is saved."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.common.errors import InputError
from methods.common.seeds import Seeds
from methods.common.segmenters.backbones.config import ResNetConfig
from methods.common.segmenters.deeplab.config import DeepLabConfig
from methods.common.segmenters.deeplab.model import DeepLab
from methods.common.segmenters.semantic.averaged import AveragedSegmenter
from methods.common.segmenters.semantic.segmenters import load_segmenter
from methods.common.stage import LocalContext
from methods.common.training.batch_shard import BatchShare
from methods.diffumask_robust import co_training
from methods.diffumask_robust.co_training import (
    TrustedCrops,
    begin_co_training,
    begin_plain_training,
    build_pair,
    train_pair,
)
from methods.diffumask_robust.co_training_config import CoTrainingConfig, MixingConfig, RobustLossConfig
from methods.diffumask_robust.mixing import Labels
from methods.diffumask_robust.schedule import RobustRecipe
from tests.contracts.contexts import Killed, MortalContext

NETWORK = DeepLabConfig(
    num_classes=3,
    backbone=ResNetConfig(
        block="basic",
        blocks=(1, 1),
        widths=(8, 8),
        stem_width=8,
        stem_kernel=3,
        stem_pool=False,
        norm="batch",
        output_stages=(0, 1),
        dilated_stages=(1,),
    ),
    rates=(1, 2),
    width=8,
    low_level_width=8,
)
RECIPE = RobustRecipe(iterations=6, batch_size=4)
CONFIG = CoTrainingConfig(recipe=RECIPE, warm_up="as_released", colours=None)
NUM_IMAGES = 8
"""An epoch, which is the warm-up, has two iterations."""


def batch(iteration: int) -> TrustedCrops:
    """Squares of a class's colour; a random half of the pixels is trusted."""
    generator = torch.Generator().manual_seed(iteration)
    label = torch.zeros(4, 16, 16, dtype=torch.uint8)
    label[:, 4:12, 4:12] = torch.tensor([1, 2, 2, 1], dtype=torch.uint8)[:, None, None]
    label[:, 0] = 255
    noise = torch.randint(0, 40, (4, 3, 16, 16), generator=generator)
    image = noise + 100 * torch.stack([label == 1, label == 2, label == 0], 1)
    trusted = torch.rand(4, 16, 16, generator=generator) < 0.5
    return image.to(torch.uint8), label, trusted


def batches_from(first: int) -> Iterator[TrustedCrops]:
    return (batch(iteration) for iteration in range(first, RECIPE.iterations))


def weights(model: torch.nn.Module) -> Tensor:
    return torch.cat([value.double().flatten() for value in model.state_dict().values()])


def train(context: LocalContext, config: CoTrainingConfig = CONFIG) -> tuple[AveragedSegmenter, list[float]]:
    pair = build_pair(NETWORK, context.seeds)
    return pair, train_pair(pair, NUM_IMAGES, batches_from, config, context)


def test_backbones_begin_alike_and_heads_do_not() -> None:
    pair = build_pair(NETWORK, Seeds())
    one, two = (dict(member.named_parameters()) for member in pair.each())
    alike = {name for name in one if torch.equal(one[name], two[name])}
    assert {name for name in one if name.startswith("encoder.")} <= alike
    assert "head.classifier.weight" not in alike
    assert one["encoder.conv1.weight"] is not two["encoder.conv1.weight"]
    other = build_pair(NETWORK, Seeds(training=1))
    assert not torch.equal(weights(other), weights(pair))


def test_interrupted_equals_uninterrupted(tmp_path: Path) -> None:
    pair, losses = train(LocalContext(tmp_path / "one"))
    for kill_at in (1, 3):
        with pytest.raises(Killed):
            train(MortalContext(tmp_path / "two", kill_at=kill_at))
    again, losses_again = train(LocalContext(tmp_path / "two"))
    assert losses_again == losses
    assert len(losses) == 6
    assert torch.equal(weights(again), weights(pair))


def test_labels_go_online_after_the_warm_up_from_both_networks_in_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Labels | None] = []
    original = co_training.mix_batch

    def noted(image, offline, online, config, draws):
        seen.append(online)
        return original(image, offline, online, config, draws)

    monkeypatch.setattr(co_training, "mix_batch", noted)
    context = LocalContext(tmp_path)
    pair = build_pair(NETWORK, context.seeds)
    training = begin_co_training(pair, NUM_IMAGES, CONFIG, context)
    for iteration in range(3):
        if iteration == 2:
            with torch.no_grad():
                probability = pair.eval().scores(batch(2)[0].float()).softmax(1)
            pair.train()
        numbers = training.step(batch(iteration), iteration)
    assert pair.training
    assert seen[:2] == [None, None]
    assert seen[2] is not None
    assert torch.equal(seen[2].label_NHW, probability.argmax(1))
    assert torch.equal(seen[2].trusted_NHW, probability.max(1).values > 0.95)
    assert numbers.parts.keys() == {"supervised1", "supervised2", "co1", "co2"}
    assert all(part > 0 for part in numbers.parts.values())


def test_every_step_draws_anew_and_hands_on_what_the_config_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mixing draws by the iteration, networks drop out by themselves, and the confidence is the config's."""
    drawn: list[float] = []
    dropped: list[list[float]] = []
    asked: list[float] = []
    mix, online, scores = co_training.mix_batch, co_training.online_labels, DeepLab.training_scores

    def noted_mix(image, offline, labels, config, draws):
        drawn.append(draws.random())
        return mix(image, offline, labels, config, draws)

    def noted_online(logits, confidence):
        asked.append(confidence)
        return online(logits, confidence)

    def noted_scores(self, image, generator, share):
        state = generator.get_state()
        dropped.append(torch.rand(3, generator=generator).tolist())
        generator.set_state(state)
        return scores(self, image, generator, share)

    monkeypatch.setattr(co_training, "mix_batch", noted_mix)
    monkeypatch.setattr(co_training, "online_labels", noted_online)
    monkeypatch.setattr(DeepLab, "training_scores", noted_scores)
    config = CONFIG.model_copy(update={"warm_up": 1, "mixing": MixingConfig(confidence=0.4)})
    context = LocalContext(tmp_path)
    training = begin_co_training(build_pair(NETWORK, context.seeds), NUM_IMAGES, config, context)
    for iteration in range(2):
        training.step(batch(iteration), iteration)
    assert len(set(drawn)) == 2
    assert asked == [0.4]
    assert len({tuple(one) for one in dropped}) == 4


def test_mask_only_trains_on_trusted_labels_alone(tmp_path: Path) -> None:
    config = CONFIG.model_copy(
        update={"loss": RobustLossConfig(co_training=0), "mixing": MixingConfig(probability=0.0)}
    )
    context = LocalContext(tmp_path / "one")
    training = begin_co_training(build_pair(NETWORK, context.seeds), NUM_IMAGES, config, context)
    image, label, trusted = batch(0)
    wrong = torch.where(trusted | (label == 255), label, (label + 1) % 3)
    numbers = training.step((image, label, trusted), 0)
    again = begin_co_training(build_pair(NETWORK, context.seeds), NUM_IMAGES, config, context)
    assert again.step((image, wrong, trusted), 0) == numbers
    assert numbers.parts["co1"] == numbers.parts["co2"] == 0


def test_the_pair_learns_and_decides_by_the_mean(tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"iterations": 25, "base_lr": 0.1})
    context = LocalContext(tmp_path)
    pair = build_pair(NETWORK, context.seeds)
    training = begin_co_training(pair, 20 * 4, CONFIG.model_copy(update={"recipe": recipe}), context)
    losses = [training.step(batch(number), number).loss for number in range(25)]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    image = batch(99)[0].float()
    one, two = (member.eval().scores(image) for member in pair.each())
    torch.testing.assert_close(pair.eval().scores(image), (one + two) / 2)
    pair.save_pretrained(tmp_path / "model")
    loaded = load_segmenter(tmp_path / "model")
    assert isinstance(loaded, AveragedSegmenter)
    assert torch.equal(loaded.scores(image), pair.scores(image))
    (tmp_path / "model" / "network2" / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"network2/model.safetensors cannot be read"):
        load_segmenter(tmp_path / "model")


def test_the_plain_baseline_trains_one_network_on_all_labels(tmp_path: Path) -> None:
    context = LocalContext(tmp_path)
    expected, network = (build_pair(NETWORK, context.seeds).each()[0] for _ in range(2))
    assert isinstance(expected, DeepLab)
    image, label, trusted = batch(0)
    scores = expected.training_scores(image.float(), context.seeds.torch("training", "step", 0, 1), BatchShare(0, 4, 4))
    loss = torch.nn.functional.cross_entropy(scores, label.long(), ignore_index=255)
    optimizer = torch.optim.SGD(expected.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    loss.backward()
    optimizer.step()
    numbers = begin_plain_training(network, RECIPE, context).step((image, label, ~trusted), 0)
    assert numbers.loss == pytest.approx(loss.item(), rel=1e-6)
    torch.testing.assert_close(weights(network), weights(expected))


def test_a_label_that_is_no_class_is_named(tmp_path: Path) -> None:
    context = LocalContext(tmp_path)
    training = begin_co_training(build_pair(NETWORK, context.seeds), NUM_IMAGES, CONFIG, context)
    image, label, trusted = batch(0)
    label[0, 5, 5] = 3
    with pytest.raises(InputError, match="the training labels hold 3, the segmenter has 3 classes"):
        training.step((image, label, trusted), 0)
