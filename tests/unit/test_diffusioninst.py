"""Noise, filters, matching and losses of DiffusionInst, by hand or against the section's rules written pair by pair."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou, generalized_box_iou

from methods.common.segmenters.diffusioninst.boxes import refine
from methods.common.segmenters.diffusioninst.config import DiffusionConfig, DiffusionInstLossConfig
from methods.common.segmenters.diffusioninst.diffusion import (
    TrainingNoise,
    cosine_alphas,
    from_signal,
    noise_between,
    noised,
    sampling_times,
    starting_boxes,
    step,
    to_signal,
)
from methods.common.segmenters.diffusioninst.head import HeadOutputs, region_levels
from methods.common.segmenters.diffusioninst.losses import dice_loss, diffusioninst_losses, masks_at_stride
from methods.common.segmenters.diffusioninst.masks import MaskEnlarger, aligned_upsample, masks_by_filters
from methods.common.segmenters.diffusioninst.matching import (
    centres_within,
    focal_costs,
    matching_costs,
    proposals_of_objects,
)
from methods.common.segmenters.diffusioninst.model import Candidates, DiffusionInst
from methods.common.segmenters.diffusioninst.presets import diffusioninst_miniature, diffusioninst_r50
from methods.common.segmenters.instance.interface import InstanceTarget
from methods.common.training.batch_shard import BatchShare
from methods.common.training.losses import Losses

ALPHAS = cosine_alphas(1000, 0.008)
CONFIG = diffusioninst_miniature(3)
TRUE = torch.tensor([[0.3, 0.4, 0.2, 0.1], [0.7, 0.5, 0.5, 0.9]])


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(**changes: object) -> DiffusionInst:
    return DiffusionInst(CONFIG.model_copy(update=changes), seeded(0))


def drawn(timestep: int, seed: int = 0, proposals: int = 300) -> TrainingNoise:
    filler, noise = torch.randn(2, proposals, 4, generator=seeded(seed))
    return TrainingNoise(timestep, filler, noise, seed)


def test_the_schedule_is_the_squared_cosine() -> None:
    """Each value is the curve's, relative to its start, but for the last ones, where a step's variance is cut off at 0.999."""
    curve = [math.cos((step / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for step in range(1001)]
    expected = [value / curve[0] for value in curve[1:]]
    assert np.allclose(ALPHAS[:-1], expected[:-1], rtol=1e-9)
    assert float(ALPHAS[-1] / ALPHAS[-2]) == pytest.approx(0.001)


def test_almost_nothing_of_a_box_is_noise_at_first_and_nothing_of_it_is_left_at_last() -> None:
    rng = np.random.default_rng(0)
    boxes = torch.from_numpy(rng.uniform(0.05, 0.95, (1, 4000, 4)))
    noise = torch.from_numpy(rng.standard_normal((1, 4000, 4)))
    first, last = (from_signal(noised(to_signal(boxes, 2.0), noise, ALPHAS[[t]]), 2.0) for t in (0, 999))
    assert float((first - boxes).abs().max()) < 0.01
    assert abs(np.corrcoef(last.flatten(), boxes.flatten())[0, 1]) < 0.05
    exact = from_signal(noised(to_signal(boxes, 2.0), noise, torch.ones(1)), 2.0)
    assert torch.allclose(exact, boxes)


def test_the_signal_keeps_its_share_of_the_variance() -> None:
    signal, noise = torch.full((1, 1, 4), 2.0), torch.full((1, 1, 4), 1.0)
    found = noised(signal, noise, torch.tensor([0.36]))
    assert found[0, 0, 0].item() == pytest.approx(0.6 * 2 + 0.8 * 1)
    assert noise_between(found, signal, 0.36)[0, 0, 0].item() == pytest.approx(1.0)


def test_true_boxes_come_first_and_random_ones_fill_up() -> None:
    one = drawn(10)
    boxes = starting_boxes(TRUE, one)
    assert boxes.shape == (300, 4)
    assert torch.equal(boxes[:2], TRUE)
    assert torch.allclose(boxes[2:, :2], one.filler_Q4[2:, :2] / 6 + 0.5)
    assert float(boxes[2:, 2:].min()) == pytest.approx(1e-4)
    assert starting_boxes(torch.zeros(0, 4), one)[0].tolist() == [0.5, 0.5, 1, 1]


def test_of_too_many_objects_a_random_part_stays() -> None:
    many = torch.rand(30, 4, generator=seeded(1))
    parts = [starting_boxes(many, drawn(0, seed, proposals=10)) for seed in (3, 3, 4)]
    assert torch.equal(parts[0], parts[1])
    assert not torch.equal(parts[0], parts[2])
    assert all(any(torch.equal(row, one) for one in many) for row in parts[0])


def test_a_step_without_fresh_noise_goes_straight_on() -> None:
    signal, noise = torch.full((4,), 0.5), torch.full((4,), -1.0)
    straight = step(signal, noise, torch.full((4,), 9.0), 0.25, 0.64, 0.0)
    assert straight[0].item() == pytest.approx(0.8 * 0.5 - 0.6)
    sigma = math.sqrt((1 - 0.25 / 0.64) * 0.36 / 0.75)
    kept = math.sqrt(0.36 - sigma**2)
    whole = step(signal, noise, torch.full((4,), 9.0), 0.25, 0.64, 1.0)
    assert whole[0].item() == pytest.approx(0.8 * 0.5 - kept + 9 * sigma)


def test_times_run_from_noise_to_boxes() -> None:
    assert sampling_times(DiffusionConfig()) == [(999, -1)]
    assert sampling_times(DiffusionConfig(sampling_steps=4)) == [(999, 749), (749, 499), (499, 249), (249, -1)]


def test_fixed_boxes_are_not_sampled_twice() -> None:
    with pytest.raises(ValueError, match="go through the decoder once"):
        DiffusionConfig(start="fixed", sampling_steps=4)


def test_the_filters_are_153_numbers_and_a_network_of_three_layers() -> None:
    config = diffusioninst_r50(80)
    assert config.num_filters == 153
    rng = np.random.default_rng(3)
    numbers, values = rng.normal(size=153), rng.normal(size=(8, 2, 3))
    first, second, third = numbers[:64].reshape(8, 8), numbers[64:128].reshape(8, 8), numbers[128:136]
    bias1, bias2, bias3 = numbers[136:144], numbers[144:152], numbers[152]
    expected = np.zeros((2, 3))
    for y in range(2):
        for x in range(3):
            hidden = np.maximum(first @ values[:, y, x] + bias1, 0)
            expected[y, x] = third @ np.maximum(second @ hidden + bias2, 0) + bias3
    found = masks_by_filters(torch.from_numpy(values), torch.from_numpy(numbers)[None], config)
    assert np.allclose(found[0], expected)


def test_the_enlarged_map_is_shifted_by_half_a_factor() -> None:
    ramp = torch.arange(5.0).expand(1, 1, 3, 5)
    enlarged = aligned_upsample(ramp, 4)
    assert enlarged.shape == (1, 1, 12, 20)
    assert enlarged[0, 0, 0].tolist() == [0, 0, *(step / 4 for step in range(17)), 4]
    assert aligned_upsample(ramp, 1) is ramp


def test_true_masks_are_read_at_the_third_of_every_four_pixels() -> None:
    masks = torch.zeros(1, 10, 12, dtype=torch.bool)
    masks[0, 2, 6] = True
    target = InstanceTarget(torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64), masks)
    found = masks_at_stride(target, (32, 32))
    assert found.shape == (1, 8, 8)
    assert torch.nonzero(found[0]).tolist() == [[0, 1]]


def test_dice_has_squares_below() -> None:
    logit = torch.tensor([[[0.0, 0.0], [100.0, -100.0]]])
    true = torch.tensor([[[1, 0], [1, 0]]])
    assert dice_loss(logit, true)[0].item() == pytest.approx(1 - 2 * 1.5 / (0.25 + 0.25 + 1 + 2), abs=1e-5)


def test_a_head_moves_by_halves_of_a_side_and_grows_to_a_limit() -> None:
    box = torch.tensor([[10.0, 20, 30, 60]])
    moved = refine(box, torch.tensor([[2.0, -1, math.log(2), 0]]))
    assert moved[0].tolist() == pytest.approx([20, 0, 60, 40], abs=1e-4)
    huge = refine(box, torch.tensor([[0.0, 0, 99, 0]]))
    assert float(huge[0, 2] - huge[0, 0]) == pytest.approx(20 * 100_000 / 16, rel=1e-5)


def test_larger_boxes_are_pooled_from_coarser_levels() -> None:
    sides = torch.tensor([20.0, 111, 113, 224, 449, 5000])
    boxes = torch.cat([torch.zeros(6, 2), sides[:, None].expand(-1, 2)], dim=1)
    assert region_levels(boxes, (4, 8, 16, 32), diffusioninst_r50(80)).tolist() == [0, 0, 1, 2, 3, 3]


LOSS = DiffusionInstLossConfig()
OBJECTS = torch.tensor([[10.0, 10, 30, 40], [50, 20, 60, 30]])
BOXES = torch.tensor(
    [[11.0, 12, 29, 41], [9, 9, 33, 38], [48, 18, 63, 31], [0, 0, 64, 64], [30, 60, 34, 64], [12, 15, 31, 42]]
)


def test_costs_of_pairs() -> None:
    """Each term by its formula; the window around an object reaches 2.5 of its sides from its centre."""
    logit, classes = torch.randn(6, 3, generator=seeded(5)), torch.tensor([2, 0])
    found = matching_costs(logit, BOXES, classes, OBJECTS, (64, 80), LOSS)
    scale = torch.tensor([80.0, 64, 80, 64])
    giou = generalized_box_iou(BOXES, OBJECTS)
    for row in range(6):
        centre = (BOXES[row, :2] + BOXES[row, 2:]) / 2
        within_any = False
        for column in range(2):
            p = float(logit[row, classes[column]].sigmoid())
            focal = -0.25 * (1 - p) ** 2 * math.log(p + 1e-8) + 0.75 * p**2 * math.log(1 - p + 1e-8)
            size = OBJECTS[column, 2:] - OBJECTS[column, :2]
            middle = (OBJECTS[column, :2] + OBJECTS[column, 2:]) / 2
            in_box = bool(((centre > OBJECTS[column, :2]) & (centre < OBJECTS[column, 2:])).all())
            in_window = bool(((centre - middle).abs() < 2.5 * size).all())
            within_any = within_any or in_box or in_window
            expected = 2 * focal + 5 * float((BOXES[row] / scale - OBJECTS[column] / scale).abs().sum())
            expected += -2 * float(giou[row, column]) + 100 * (not (in_box and in_window))
            beyond = float(found[row, column]) - expected
            assert beyond == pytest.approx(0, abs=1e-3) or beyond == pytest.approx(10_000, abs=1e-2)
        assert (float(found[row].min()) > 9_000) == (not within_any)


def test_a_centre_far_from_everything_costs_most() -> None:
    far = torch.tensor([[300.0, 300, 310, 310]])
    in_box, in_window = centres_within(far, OBJECTS, LOSS)
    assert not in_box.any()
    assert not in_window.any()
    assert float(matching_costs(torch.zeros(1, 3), far, torch.tensor([0, 1]), OBJECTS, (400, 400), LOSS).min()) > 10_000
    assert focal_costs(torch.zeros(1, 3), torch.tensor([1]), LOSS).shape == (1, 1)


def test_an_object_takes_as_many_proposals_as_its_overlaps_add_up_to() -> None:
    """Overlaps 0.8, 0.7 and 0.6 are two proposals, not three; an object without overlap takes one all the same."""
    overlap = torch.tensor([[0.8, 0.0], [0.7, 0.0], [0.6, 0.0], [0.0, 0.1], [0.0, 0.0]])
    costs = torch.tensor([[3.0, 9], [1, 9], [2, 9], [8, 5], [7, 6]])
    assert proposals_of_objects(costs[None], overlap[None], 5).tolist() == [[-1, 0, 0, 1, -1]]


def test_a_proposal_that_two_want_goes_to_the_cheaper_one_and_the_other_takes_a_free_one() -> None:
    overlap = torch.zeros(3, 2)
    costs = torch.tensor([[1.0, 2.0], [5, 4], [9, 3]])
    assert proposals_of_objects(costs[None], overlap[None], 5).tolist() == [[0, -1, 1]]


def test_more_objects_than_proposals() -> None:
    found = proposals_of_objects(torch.tensor([[[3.0, 1, 2], [4, 5, 6]]]), torch.zeros(1, 2, 3), 5)
    assert sorted(found[0].tolist()) == [0, 1]


def test_each_head_is_matched_for_itself() -> None:
    """The first head's proposals are the second's in another order, and cost it less; only in the second an object is left over."""
    costs = torch.tensor([[[1.0, 9], [9, 2], [8, 8]], [[10.0, 20.0], [50, 40], [90, 30]]])
    assert proposals_of_objects(costs, torch.zeros(2, 3, 2), 5).tolist() == [[0, 1, -1], [0, -1, 1]]


def test_overlaps_of_boxes_decide_how_many() -> None:
    found = proposals_of_objects(torch.arange(12.0).view(1, 6, 2), box_iou(BOXES, OBJECTS)[None], 5)[0]
    assert (found == 0).sum() == int(box_iou(BOXES, OBJECTS)[:, 0].topk(5).values.sum())


def targets(*counts: int) -> list[InstanceTarget]:
    made = []
    for row, count in enumerate(counts):
        boxes = torch.tensor([[4.0, 6, 30, 40], [20, 20, 60, 50]])[:count] + row
        masks = torch.zeros(count, 64, 64, dtype=torch.bool)
        for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
            mask[y0:y1, x0:x1] = True
        made.append(InstanceTarget(boxes, torch.arange(count), masks))
    return made


def image(count: int, height: int = 64, width: int = 64) -> Tensor:
    return torch.rand(count, 3, height, width, generator=seeded(2)) * 255


def test_images_without_objects_train() -> None:
    losses = model().train().losses(image(2), targets(0, 0), seeded(1))
    assert all(torch.isfinite(value) for value in losses.values())
    assert float(losses["box"].detach()) == 0
    assert float(losses["class"].detach()) > 0


def test_an_object_without_area_is_passed_over() -> None:
    (one,) = targets(1)
    thin = InstanceTarget(torch.tensor([[5.0, 5, 5, 9]]), torch.zeros(1, dtype=torch.int64), one.masks_NHW)
    losses = model().train().losses(image(1), [thin], seeded(1))
    assert float(losses["giou"].detach()) == 0


def test_a_batch_in_shares_has_the_loss_of_the_whole() -> None:
    """Frozen statistics, so that a share sees what the whole sees; noise is drawn for the whole batch."""
    frozen = model().eval()
    batch, of_all = image(4), targets(2, 0, 1, 2)
    whole = Losses.of(frozen.losses(batch, of_all, seeded(7)))
    whole.total.backward()
    expected = {name: value.grad.clone() for name, value in frozen.named_parameters() if value.grad is not None}
    frozen.zero_grad()
    again = frozen.add_gradients(
        batch, of_all, seeded(7), [(64, 64)] * 4, None, BatchShare(0, 4, 4), 3, lambda loss: loss.backward()
    )
    assert float(again.total) == pytest.approx(float(whole.total.detach()), rel=1e-5)
    found = {name: value.grad for name, value in frozen.named_parameters() if value.grad is not None}
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max())), name


def test_losses_of_heads_are_their_own() -> None:
    """Together two heads have the losses that each has alone: the last under the plain names, the one before it under `earlier_`."""
    one, of_all = model().eval(), targets(2, 1)
    features = one.features(image(2))
    noisy, times = torch.randn(2, one.config.num_proposals, 4, generator=seeded(3)), torch.tensor([10, 600])
    heads = one.decode(features, noisy, times)[:2]

    def losses(outputs: list[HeadOutputs]) -> dict[str, Tensor]:
        share = BatchShare(0, 2, 2)
        return diffusioninst_losses(
            outputs, features.map_NCHW, of_all, features.sizes, features.padded, one.config, share
        )

    together, first, last = losses(heads), losses(heads[:1]), losses(heads[1:])
    assert {name: float(loss.detach()) for name, loss in together.items()} == pytest.approx(
        {
            **{f"earlier_{name}": float(loss.detach()) for name, loss in first.items()},
            **{name: float(loss.detach()) for name, loss in last.items()},
        },
        rel=1e-5,
    )
    assert float(together["box"].detach()) != pytest.approx(float(together["earlier_box"].detach()), rel=1e-3)


@pytest.mark.parametrize("name", ["class", "box", "giou", "dice"])
def test_each_weight_is_of_its_own_loss(name: str) -> None:
    """One proposal and one object, so that the matching, which has weights too, cannot change."""
    loss = CONFIG.loss.model_copy(update={f"{name}_weight": 3 * getattr(CONFIG.loss, f"{name}_weight")})
    plain, weighted = (
        model(num_proposals=1, **changes).eval().losses(image(1), targets(1), seeded(1))
        for changes in ({}, {"loss": loss})
    )
    name = "mask" if name == "dice" else name
    ratios = {key: float(weighted[key].detach() / plain[key].detach()) for key in plain}
    assert ratios == pytest.approx({key: 3.0 if key.removeprefix("earlier_") == name else 1.0 for key in plain})


@pytest.mark.parametrize("steps", [1, 4])
def test_an_image_is_detected_alike_alone_and_in_a_batch(steps: int) -> None:
    sampling = CONFIG.diffusion.model_copy(update={"sampling_steps": steps, "renewal_score": 0.02})
    one = model(diffusion=sampling, num_proposals=12).eval()
    batch = torch.full((3, 3, 70, 60), 90.0)
    batch[0, :, :64, :50], batch[1], batch[2, :, :40, :60] = image(1, 64, 50)[0], image(1, 70, 60)[0], 30.0
    sizes = [(64, 50), (70, 60), (40, 60)]
    together = one.detect(batch, sizes, output_sizes=[(64, 50), (140, 120), (40, 60)])
    alone = one.detect(batch[:1], sizes[:1], output_sizes=[(64, 50)])
    assert len(together) == 3
    assert together[1].masks_NHW is not None
    assert together[1].masks_NHW.shape[1:] == (140, 120)
    count = min(5, len(alone[0]))
    assert count > 0
    assert torch.allclose(together[0].scores_N[:count], alone[0].scores_N[:count], atol=1e-4)
    assert torch.allclose(together[0].boxes_N4[:count], alone[0].boxes_N4[:count], atol=0.05)


def test_unsure_boxes_are_drawn_anew() -> None:
    """With a limit that no box reaches, the second step begins with fresh noise, the same for all images."""
    unsure = model(diffusion=CONFIG.diffusion.model_copy(update={"sampling_steps": 2, "renewal_score": 1.0})).eval()
    seen: list[Tensor] = []
    decode = unsure.decode
    unsure.decode = lambda features, noisy, times: (seen.append(noisy), decode(features, noisy, times))[1]  # type: ignore[method-assign]
    unsure.detect(image(2), masks=False)
    assert len(seen) == 2
    assert torch.equal(seen[1][0], seen[1][1])
    assert abs(float(seen[1].std()) - 1) < 0.2


def test_the_ensemble_joins_the_boxes_of_all_steps() -> None:
    counts = {}
    for ensemble in (True, False):
        sampling = CONFIG.diffusion.model_copy(update={"sampling_steps": 3, "ensemble": ensemble})
        one = model(diffusion=sampling).eval()
        with torch.no_grad():
            counts[ensemble] = len(one.sample(one.features(image(1)), one._first_boxes(torch.device("cpu"))[None]))
    assert counts == {True: 3, False: 1}


def test_a_mask_ends_at_its_box() -> None:
    """Pixels whose upper left corner lies in the box belong to it."""
    one = model().eval()
    with torch.no_grad():
        features = one.features(image(1))
        everywhere = torch.zeros(1, CONFIG.num_filters)
        everywhere[0, -1] = 9.0  # the last bias alone
        box = torch.tensor([[9.2, 20, 29.5, 25]])
        candidates = Candidates(box, torch.tensor([0.9]), torch.tensor([1]), everywhere)
        (found,) = one.finish(features, [[candidates]])
    assert found.masks_NHW is not None
    assert int(found.masks_NHW.sum()) == 20 * 5
    assert found.masks_NHW[0, 20:25, 10:30].all()


def test_fixed_boxes_know_nothing_of_the_true_ones() -> None:
    fixed = model(diffusion=CONFIG.diffusion.model_copy(update={"start": "fixed"}))
    share = BatchShare(0, 2, 2)
    of_some, times = fixed._training_boxes(targets(2, 1), [(64, 64)] * 2, seeded(1), share)
    of_none, _ = fixed._training_boxes(targets(0, 0), [(64, 64)] * 2, seeded(2), share)
    assert torch.equal(of_some, of_none)
    assert torch.equal(of_some[0], fixed._first_boxes(torch.device("cpu")))
    assert times.tolist() == [999, 999]


def test_noise_follows_the_image_not_its_place_in_the_share() -> None:
    one = model()
    of_all, _ = one._training_boxes(targets(1, 2, 1), [(64, 64)] * 3, seeded(3), BatchShare(0, 3, 3))
    of_last, _ = one._training_boxes(targets(1, 2, 1)[2:], [(64, 64)], seeded(3), BatchShare(2, 1, 3))
    assert torch.equal(of_all[2:], of_last)


@pytest.mark.parametrize("output", [(30, 41), (60, 100), (17, 23)])
def test_a_window_of_an_enlarged_mask_is_cut_from_the_whole(output: tuple[int, int]) -> None:
    cells = torch.rand(8, 12, generator=seeded(4))
    whole = aligned_upsample(cells[None, None], 4)[:, :, :30, :41]
    expected = functional.interpolate(whole, output, mode="bilinear", align_corners=False)[0, 0]
    enlarger = MaskEnlarger((8, 12), (30, 41), output, cells.device)
    for rows, columns in ((slice(3, 11), slice(5, 20)), (slice(0, output[0]), slice(0, output[1]))):
        window = enlarger.window(rows, columns)
        assert torch.allclose(window.enlarge(cells[window.rows, window.columns]), expected[rows, columns], atol=1e-6)
    nothing = enlarger.window(slice(4, 4), slice(2, 3))
    assert nothing.enlarge(cells[nothing.rows, nothing.columns]).shape == (0, 1)
