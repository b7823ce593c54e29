"""Margins, trusted pixels, the four losses, boundary mixing, warm-up and schedule of the robust training, by hand."""

from collections import Counter

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from methods.common.training.batch_shard import BatchShare
from methods.diffumask_robust.boundary import paste_boundary
from methods.diffumask_robust.co_training_config import MixingConfig, RobustLossConfig
from methods.diffumask_robust.losses import online_labels, robust_losses
from methods.diffumask_robust.margins import score_margins
from methods.diffumask_robust.mixing import Labels, MixedBatch, choose_classes, mix_batch
from methods.diffumask_robust.reliability import trust_best_of_each_class
from methods.diffumask_robust.schedule import RobustRecipe
from methods.diffumask_robust.warm_up import iterations_of_epoch, warm_up_iterations


def row(*values: float) -> np.ndarray:
    return np.array(values)[None]


# -- margins and trusted pixels (Attn2mask section 14) --


def test_margins_of_two_classes() -> None:
    score = np.stack([row(-0.1, 0, 0.35, 0.7), row(0.9, 0.3, 0.45, 0.1), row(0.2, 0.8, 0.44, 0.05)])
    assert np.allclose(score_margins(score, row(1, 2, 1, 0).astype(int)), row(0.7, 0.5, 0.01, 0.6))


def test_a_changed_label_has_a_negative_margin_and_a_tie_none() -> None:
    score = np.stack([row(0.2, 0.5, 0.1), row(0.9, 0.5, 0.3), row(0.4, 0.3, 0.2)])
    label = row(0, 1, 255).astype(int)
    assert np.allclose(score_margins(score, label), row(-0.7, 0, 0.1))
    assert np.allclose(score_margins(score, label, "as_released"), row(0.5, 0.2, 0.1))


@pytest.mark.parametrize(
    ("shape", "label", "message"),
    [
        ((2, 1, 1), [[2]], "a label is 2, there are scores from 0 to 1"),
        ((2, 1, 2), [[0]], "give .K, H, W. with K >= 2"),
        ((1, 1, 1), [[0]], "give .K, H, W. with K >= 2"),
    ],
)
def test_labels_that_are_no_scores_are_refused(shape: tuple[int, ...], label: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_margins(np.zeros(shape), np.array(label))


def test_the_better_half_of_each_class_is_trusted() -> None:
    background = row(0.70, 0.60, 0.55, 0.20, 0.30, 0.10, 0.45)
    foreground = row(0.10, 0.15, 0.45, 0.80, 0.50, 0.85, 0.55)
    label = (foreground > background).astype(int)
    assert label.tolist() == [[0, 0, 0, 1, 1, 1, 1]]
    margin = score_margins(np.stack([background, foreground]), label)
    assert trust_best_of_each_class(margin, label).astype(int).tolist() == [[1, 0, 0, 1, 0, 1, 0]]


def test_of_equal_margins_the_earlier_pixel_and_unknown_ones_never() -> None:
    label = row(5, 255, 5, 5, 7, 255, 5, 5).astype(int)
    assert trust_best_of_each_class(np.ones((1, 8)), label).astype(int).tolist() == [[1, 0, 1, 0, 0, 0, 0, 0]]
    assert trust_best_of_each_class(np.ones((1, 8)), label, 1.0).sum() == 6
    with pytest.raises(ValueError, match="share is 2"):
        trust_best_of_each_class(np.ones((1, 8)), label, 2)
    with pytest.raises(ValueError, match="give both of one image"):
        trust_best_of_each_class(np.ones((2, 8)), label)


# -- losses --

LOGITS1 = torch.tensor([[2.0, 0], [0, 1], [1, 1.5], [-1, 2]]).T.reshape(1, 2, 2, 2)
LOGITS2 = torch.tensor([[1.0, 0], [0.5, 0], [0, 2], [0, 1]]).T.reshape(1, 2, 2, 2)
LABEL = torch.tensor([0, 1, 0, 255]).reshape(1, 2, 2)
TRUSTED = torch.tensor([1, 1, 0, 0]).bool().reshape(1, 2, 2)
BOUNDARY = torch.tensor([0, 1, 0, 0]).bool().reshape(1, 2, 2)


def losses(config: RobustLossConfig | None = None, share: BatchShare | None = None) -> dict[str, float]:
    found = robust_losses(
        (LOGITS1, LOGITS2), LABEL, TRUSTED, BOUNDARY, config or RobustLossConfig(), share or BatchShare(0, 1, 1)
    )
    return {name: loss.item() for name, loss in found.items()}


def test_the_losses_of_the_worked_example() -> None:
    expected = {"supervised1": 0.125711, "supervised2": 0.370539, "co1": 0.130666, "co2": 0.110047}
    assert losses() == pytest.approx(expected, abs=1e-6)
    assert sum(losses().values()) == pytest.approx(0.736963, abs=1e-6)


def test_mask_only_has_no_co_training_and_a_share_divides_by_the_batch() -> None:
    mask_only = losses(RobustLossConfig(co_training=0))
    assert mask_only == {**losses(), "co1": 0.0, "co2": 0.0}
    assert losses(share=BatchShare(0, 1, 4)) == pytest.approx({name: loss / 4 for name, loss in losses().items()})


def test_boundaries_weigh_in_both_kinds_as_asked() -> None:
    plain = losses(RobustLossConfig(supervised_boundary=0))
    assert plain["supervised1"] == pytest.approx(0.125711 - 0.2 * 0.313262 / 4, abs=1e-6)
    everywhere = robust_losses(
        (LOGITS1, LOGITS2), LABEL, TRUSTED, ~TRUSTED, RobustLossConfig(co_boundary=0.5), BatchShare(0, 1, 1)
    )
    assert everywhere["co1"].item() == pytest.approx(1.5 * 0.130666, abs=1e-6)


def test_no_network_is_trained_by_what_it_says_itself() -> None:
    logits = [one.clone().requires_grad_() for one in (LOGITS1, LOGITS2)]
    found = robust_losses(
        (logits[0], logits[1]), LABEL, TRUSTED, BOUNDARY, RobustLossConfig(), BatchShare(0, 1, 1)
    )  # fmt: skip
    gradients = torch.autograd.grad(found["co1"], logits, allow_unused=True)
    assert gradients[0] is not None
    assert gradients[1] is None
    assert not gradients[0][:, :, 0].any(), "trusted pixels are no part of it"


def test_each_network_learns_what_the_other_says() -> None:
    one, two = torch.tensor([3.0, 0.0]).reshape(1, 2, 1, 1), torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1)
    nowhere, label = torch.zeros(1, 1, 1, dtype=torch.bool), torch.zeros(1, 1, 1, dtype=torch.int64)
    found = robust_losses((one, two), label, nowhere, nowhere, RobustLossConfig(), BatchShare(0, 1, 1))
    assert found["co1"].item() == pytest.approx(3 + np.log1p(np.exp(-3)))
    assert found["co2"].item() == pytest.approx(1 + np.log1p(np.exp(-1)))


def test_online_labels_are_of_the_mean_logits() -> None:
    one, two = torch.tensor([4.0, 0, 0]), torch.tensor([0.0, 0, 3])
    label, confident = online_labels((one.reshape(1, 3, 1, 1), two.reshape(1, 3, 1, 1)), 0.5)
    probability = ((one + two) / 2).softmax(0)[0].item()
    assert label.item() == 0
    assert confident.item() == (probability > 0.5)
    same = (one.reshape(1, 3, 1, 1), two.reshape(1, 3, 1, 1))
    assert not online_labels(same, probability)[1].item(), "above, not at, the threshold"


# -- mixing --


class Scripted:
    """Draws what it is told; the first candidates are chosen."""

    def __init__(self, *values: float) -> None:
        self.values, self.asked = list(values), []

    def random(self) -> float:
        return self.values.pop(0)

    def choice(self, a, size, replace, /):
        self.asked.append((list(a), size))
        assert replace is False
        return a[:size]


def images(count: int = 4) -> torch.Tensor:
    return torch.arange(count).reshape(count, 1, 1, 1).expand(count, 3, 3, 4).float()


def labelled(*per_image: int, trusted: bool = True) -> Labels:
    """Label c in the middle of image c's row 1, background elsewhere."""
    label = torch.zeros(len(per_image), 3, 4, dtype=torch.int64)
    label[:, 1, 1:3] = torch.tensor(per_image)[:, None]
    return Labels(label, torch.full(label.shape, trusted))


def mixed(draws: Scripted, online: Labels | None, offline: Labels | None = None, **changes: object) -> MixedBatch:
    config = MixingConfig(**changes)  # type: ignore[arg-type]
    return mix_batch(images(), offline or labelled(1, 2, 3, 4, trusted=False), online, config, draws)


def test_a_composite_has_its_partners_objects_and_online_labels_everywhere() -> None:
    online = labelled(11, 12, 13, 14)
    online.trusted_NHW[2, 1, 1] = False
    found = mixed(Scripted(0.4, 0.5, 0.6, 0.7), online)
    assert found.image_N3HW[0, 0].tolist() == [[0] * 4, [0, 0, 2, 0], [0] * 4], "confident pixels of image 2 alone"
    assert found.labels.label_NHW[0].tolist() == [[0] * 4, [0, 11, 13, 0], [0] * 4]
    assert found.labels.trusted_NHW[0].all()
    assert torch.equal(found.image_N3HW[1:], images()[1:])
    assert found.labels.label_NHW[1:, 1, 1].tolist() == [2, 3, 4], "not mixed: offline"
    assert not found.labels.trusted_NHW[1:].any()
    assert found.boundary_NHW[0].tolist() == [[False, True, True, True]] * 3
    assert not found.boundary_NHW[1:].any()


def test_draws_follow_the_pairs_and_partners_are_half_a_batch_away() -> None:
    found = mixed(Scripted(0.9, 0.1, 0.9, 0.1), labelled(11, 12, 13, 14))
    assert [image[0, 1, 1].item() for image in found.image_N3HW] == [0, 1, 0, 1], "images 2 and 3 take from 0 and 1"
    again = mixed(Scripted(0.9, 0.1, 0.9, 0.1), labelled(11, 12, 13, 14), order="as_released")
    assert again.source_N == (0, 2, 1, 3)
    assert [image[0, 1, 1].item() for image in again.image_N3HW] == [0, 0, 1, 1]
    assert torch.equal(again.labels.label_NHW, found.labels.label_NHW[[0, 2, 1, 3]])


def test_the_warm_up_pastes_offline_labels_trusted_or_not_without_boundaries() -> None:
    found = mixed(Scripted(0, 1, 1, 1), None)
    assert found.image_N3HW[0, 0, 1].tolist() == [0, 2, 2, 0]
    assert found.labels.label_NHW[0, 1].tolist() == [0, 3, 3, 0]
    assert not found.labels.trusted_NHW.any()
    assert not found.boundary_NHW.any()


def test_partners_take_from_each_other_as_they_were() -> None:
    """Both ways at once: neither gets back what it has just given away."""
    found = mixed(Scripted(0, 0, 1, 1), labelled(11, 12, 13, 14))
    assert found.image_N3HW[:, 0, 1].tolist() == [[0, 2, 2, 0], [1] * 4, [2, 0, 0, 2], [3] * 4]
    assert found.labels.label_NHW[[0, 2], 1, 1].tolist() == [13, 11]


def test_interleaving_moves_trust_and_boundaries_with_their_pictures() -> None:
    own, released = (
        mixed(Scripted(1, 0, 1, 1), labelled(11, 12, 13, 14), order=order) for order in ("as_meant", "as_released")
    )
    assert own.boundary_NHW.any((1, 2)).tolist() == [False, False, True, False]
    assert own.labels.trusted_NHW.all(2).all(1).tolist() == [False, False, True, False]
    order = [0, 2, 1, 3]
    assert torch.equal(released.boundary_NHW, own.boundary_NHW[order])
    assert torch.equal(released.labels.trusted_NHW, own.labels.trusted_NHW[order])


def test_width_and_border_of_boundaries_are_the_configs() -> None:
    online = labelled(11, 12, 13, 14)
    online.label_NHW[2] = 13
    plain, meant = (
        mixed(Scripted(0, 1, 1, 1), online, border=border).boundary_NHW[0] for border in ("as_released", "as_meant")
    )
    assert not plain.any(), "the whole picture is pasted, and has no rim as released"
    assert meant.int().tolist() == [[1, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]]
    online.label_NHW[2] = 0
    online.label_NHW[2, 0, 0] = 13
    wide = mixed(Scripted(0, 1, 1, 1), online, boundary_radius_px=2).boundary_NHW[0]
    assert wide.int().tolist() == [[1, 1, 1, 0]] * 3


@pytest.mark.parametrize(("rule", "label"), [("as_released", 11), ("as_meant", 1)])
def test_where_nothing_can_be_pasted(rule: str, label: int) -> None:
    draws = Scripted(0, 1, 1, 1)
    found = mixed(draws, labelled(11, 12, 13, 14, trusted=False), labelled(1, 2, 3, 4), nothing_pasted=rule)
    assert found.labels.label_NHW[0, 1, 1].item() == label
    assert found.labels.trusted_NHW[0].any().item() == (rule == "as_meant")
    assert torch.equal(found.image_N3HW, images())
    assert draws.asked == []


def test_half_of_the_foreground_classes_rounded_up() -> None:
    draws = Scripted()
    assert choose_classes([7, 255, 3, 0, 9], 0.5, draws) == [3, 7]
    assert draws.asked == [([3, 7, 9], 2)]
    assert choose_classes([0, 255], 0.5, draws) == []
    rng = np.random.default_rng(0)
    counts = Counter(one for _ in range(600) for one in choose_classes([1, 2, 3], 0.5, rng))
    assert all(abs(counts[one] - 400) < 60 for one in (1, 2, 3))


def test_an_odd_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="the batch has 3 images; mixing pairs them"):
        mix_batch(images(3), labelled(1, 2, 3), None, MixingConfig(), Scripted())
    with pytest.raises(ValidationError, match="multiple of 2"):
        RobustRecipe(batch_size=5)


def test_boundaries_by_hand() -> None:
    region = torch.zeros(1, 5, 6, dtype=torch.bool)
    region[0, 0:4, 0:4] = True
    expected = [[0, 0, 0, 1, 1, 0]] * 3 + [[1, 1, 1, 1, 1, 0]] * 2
    assert paste_boundary(region).int()[0].tolist() == expected
    as_meant = paste_boundary(region, border="as_meant").int()[0].tolist()
    assert as_meant == [[1, 1, 1, 1, 1, 0], [1, 0, 0, 1, 1, 0], [1, 0, 0, 1, 1, 0], *expected[3:]]
    assert not paste_boundary(torch.ones(1, 4, 4, dtype=torch.bool)).any()
    assert not paste_boundary(torch.zeros(1, 4, 4, dtype=torch.bool), 2).any()
    with pytest.raises(ValueError, match="radius_px is 0"):
        paste_boundary(region, 0)


# -- warm-up and schedule --


def test_the_warm_up() -> None:
    assert iterations_of_epoch(10_582, 16) == 661
    assert warm_up_iterations(52_880, 10_582, 16, "as_released") == 661
    assert warm_up_iterations(52_880, 10_582, 16) == 661, "both rules agree where they come from"
    assert [warm_up_iterations(20_000, images, 16) for images in (2_000, 168_679)] == [250, 250]
    assert warm_up_iterations(20_000, 168_679, 16, "as_released") == 10_542
    assert warm_up_iterations(10, 168_679, 16, "as_released") == 10
    assert warm_up_iterations(1, 3, 16) == iterations_of_epoch(3, 16) == 1


def test_the_rate_falls_to_its_floor_and_the_optimiser_takes_all_parameters_alike() -> None:
    recipe = RobustRecipe(iterations=100)
    assert recipe.rate_at(0) == 0.01
    assert recipe.rate_at(50) == pytest.approx(0.01 * 0.5**0.9)
    assert recipe.rate_at(100) == 1e-5
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    optimizer = recipe.build_optimizer(model)
    (group,) = optimizer.param_groups
    assert (group["momentum"], group["weight_decay"], len(group["params"])) == (0.9, 1e-4, 4)
    recipe.set_rates(optimizer, 50)
    assert group["lr"] == recipe.rate_at(50)


def test_a_warm_up_may_be_a_number_of_iterations() -> None:
    assert warm_up_iterations(100, 8, 4, 30) == 30
    assert warm_up_iterations(100, 8, 4, 0) == 0
    assert warm_up_iterations(20, 8, 4, 30) == 20
