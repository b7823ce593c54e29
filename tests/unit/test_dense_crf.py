"""The dense CRF against sums over all pairs of pixels, its lattice by itself, and the papers' settings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.common.dense_crf.config import BilateralKernel, DenseCrfConfig, SmoothnessKernel
from methods.common.dense_crf.lattice import PermutohedralLattice
from methods.common.dense_crf.mean_field import DenseCrf, infer
from methods.common.dense_crf.unary import energy_of_labels
from methods.diffumask_robust.crf import (
    LabelCrf,
    attn2mask_crf,
    diffumask_seed_crf,
    diffumask_threshold_crf,
    relabel,
)

NO_PLACE, NO_COLOUR = SmoothnessKernel(weight=0), BilateralKernel(weight=0)


def disk(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture of a disk, the disk, and a mask of it that is shifted."""
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height * 0.3) ** 2
    picture = np.where(inside[..., None], (60, 110, 70), (200, 180, 160))
    noise = np.random.default_rng(seed).normal(0, 8, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8), inside, np.roll(inside, (2, 3), (0, 1)).astype(np.uint8)


def softmax(value_LN: np.ndarray) -> np.ndarray:
    power = np.exp(value_LN - value_LN.max(0))
    return power / power.sum(0)


def over_all_pairs(energy_LHW: np.ndarray, image_HW3: np.ndarray, config: DenseCrfConfig) -> np.ndarray:
    """Mean field with the exact kernels, float64."""
    place_2N = np.indices(image_HW3.shape[:2]).reshape(2, -1).astype(float)
    colour_3N = image_HW3.reshape(-1, 3).T.astype(float)
    kernels = []
    for weight, feature in (
        (config.smoothness.weight, place_2N / config.smoothness.sigma_px),
        (
            config.bilateral.weight,
            np.concatenate((place_2N / config.bilateral.sigma_px, colour_3N / config.bilateral.sigma_rgb)),
        ),
    ):
        near_NN = np.exp(-0.5 * ((feature[:, :, None] - feature[:, None]) ** 2).sum(0))
        norm_N = near_NN.sum(1) ** -0.5
        kernels.append(weight * norm_N[:, None] * near_NN * norm_N)
    energy_LN = energy_LHW.reshape(len(energy_LHW), -1).astype(float)
    belief_LN = softmax(-energy_LN)
    for _ in range(config.iterations):
        belief_LN = softmax(-energy_LN + sum(belief_LN @ kernel for kernel in kernels))
    return belief_LN.reshape(energy_LHW.shape)


# -- against sums over all pairs --


@pytest.mark.parametrize("num_labels", [2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_mean_field_is_that_of_sums_over_all_pairs(num_labels: int, seed: int) -> None:
    image, inside, shifted = disk(26, 30, seed)
    shifted[:6, :6] = num_labels - 1
    energy = energy_of_labels(shifted, num_labels, 0.7)
    config = DenseCrfConfig()
    ours, exact = infer(energy, image, config), over_all_pairs(energy, image, config)
    assert np.abs(ours - exact).max() < 0.02
    assert np.array_equal(ours.argmax(0), exact.argmax(0))
    if num_labels == 2:
        assert np.mean(ours.argmax(0) != inside) < 0.01 < 0.1 < np.mean(shifted != inside)


@pytest.mark.parametrize(
    ("config", "bound"),
    [
        (DenseCrfConfig(bilateral=NO_COLOUR, iterations=1), 0.04),
        (DenseCrfConfig(smoothness=NO_PLACE, iterations=1), 0.04),
        (DenseCrfConfig(smoothness=SmoothnessKernel(weight=2, sigma_px=5), bilateral=NO_COLOUR), 0.04),
        (DenseCrfConfig(smoothness=NO_PLACE, bilateral=BilateralKernel(weight=1, sigma_px=9, sigma_rgb=30)), 0.04),
    ],
)
def test_each_kernel_by_itself_is_near_the_exact_one(config: DenseCrfConfig, bound: float) -> None:
    image, _, shifted = disk(22, 24)
    energy = energy_of_labels(shifted, 2, 0.6)
    difference = np.abs(infer(energy, image, config) - over_all_pairs(energy, image, config))
    assert difference.max() < bound
    assert difference.mean() < bound / 8


def test_without_iterations_and_without_kernels_the_unary_term_is_left() -> None:
    image, _, shifted = disk(12, 12)
    energy = energy_of_labels(shifted, 3, 0.8)
    for config in (DenseCrfConfig(iterations=0), DenseCrfConfig(smoothness=NO_PLACE, bilateral=NO_COLOUR)):
        assert np.allclose(infer(energy, image, config), np.exp(-energy), atol=1e-6)


# -- the lattice --


@settings(max_examples=25)
@given(st.integers(0, 9999), st.integers(1, 5))
def test_points_are_read_with_weights_that_add_up_to_one(seed: int, dims: int) -> None:
    feature = np.random.default_rng(seed).normal(0, 3, (40, dims)).astype(np.float32)
    lattice = PermutohedralLattice(feature)
    read = lattice._read.toarray()
    assert read.shape[0] == lattice.num_points == 40
    assert np.allclose(read.sum(1), 1, atol=1e-4)
    assert read.min() > -1e-4
    assert (np.count_nonzero(np.abs(read) > 1e-5, axis=1) <= dims + 1).all()


@settings(max_examples=25)
@given(st.integers(0, 9999), st.integers(1, 4))
def test_the_filter_is_near_the_gaussian_and_its_channels_do_not_meet(seed: int, dims: int) -> None:
    rng = np.random.default_rng(seed)
    feature = rng.normal(0, 1, (60, dims)).astype(np.float32)
    value = rng.uniform(0, 1, (60, 3)).astype(np.float32)
    lattice = PermutohedralLattice(feature)
    gaussian = np.exp(-0.5 * ((feature[:, None] - feature[None]) ** 2).sum(-1))
    ours = lattice.filter(value) / lattice.filter(np.ones((60, 1), np.float32))
    exact = (gaussian @ value) / gaussian.sum(1)[:, None]
    assert np.abs(ours - exact).mean() < 0.03
    for channel in range(3):
        alone = lattice.filter(value[:, channel : channel + 1])
        assert np.allclose(alone, lattice.filter(value)[:, channel : channel + 1], rtol=1e-5)


def test_scaling_multiplies_the_entry_of_two_points_by_the_factors_of_both() -> None:
    rng = np.random.default_rng(2)
    lattice = PermutohedralLattice(rng.normal(0, 1, (9, 2)).astype(np.float32))
    before = lattice.filter(np.eye(9, dtype=np.float32))
    factor = rng.uniform(0.5, 2, 9).astype(np.float32)
    lattice.scale(factor)
    assert np.allclose(lattice.filter(np.eye(9, dtype=np.float32)), before * np.outer(factor, factor), atol=1e-5)


def test_the_last_label_hears_what_it_would_hear_by_itself() -> None:
    """Its message is found from the others'; in another order of labels it is another label's that is."""
    image, _, shifted = disk(20, 24)
    shifted[:5, :5] = 2
    energy = energy_of_labels(shifted, 3, 0.6)
    config = DenseCrfConfig()
    turned = infer(energy[[2, 0, 1]], image, config)
    assert np.abs(infer(energy, image, config) - turned[[1, 2, 0]]).max() < 1e-4


@pytest.mark.parametrize("several", [0, 2])
def test_labels_that_stand_for_several_are_what_each_of_them_would_be(several: int) -> None:
    """The first or the last label stands for three of equal energy."""
    image, _, shifted = disk(16, 18)
    energy = energy_of_labels(shifted, 3, 0.6)
    counts = [3 if label == several else 1 for label in range(3)]
    whole = np.repeat(energy, counts, 0)
    places = np.cumsum(counts) - 1
    ours = DenseCrf(image, DenseCrfConfig()).infer(energy, counts)
    assert np.abs(ours - infer(whole, image, DenseCrfConfig())[places]).max() < 1e-4


def test_points_far_apart_do_not_hear_each_other() -> None:
    lattice = PermutohedralLattice(np.array([[0, 0], [50, 0], [0, 50]], np.float32))
    heard = lattice.filter(np.eye(3, dtype=np.float32))
    assert np.array_equal(heard > 0, np.eye(3, dtype=bool))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="no finite numbers"):
        PermutohedralLattice(np.array([[0, bad]], np.float32))


def test_features_that_spread_too_far_are_refused() -> None:
    feature = np.zeros((2, 5), np.float32)
    feature[1] = 1e6
    with pytest.raises(ValueError, match="use larger standard deviations"):
        PermutohedralLattice(feature)


# -- unary terms and bad inputs --


def test_labels_share_what_is_uncertain_and_255_is_no_opinion() -> None:
    energy = energy_of_labels(np.array([[1, 255]]), 3, 0.7)
    assert np.allclose(np.exp(-energy[:, 0, 0]), [0.15, 0.7, 0.15])
    assert np.allclose(np.exp(-energy[:, 0, 1]), 1 / 3)


@pytest.mark.parametrize(
    ("labels", "num_labels", "certainty", "message"),
    [([[2]], 2, 0.7, "a label is 2"), ([[0]], 1, 0.7, "give 2 or more"), ([[0]], 2, 1.0, "a certainty in .0, 1.")],
)
def test_faulty_labels_are_refused(labels: list[list[int]], num_labels: int, certainty: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        energy_of_labels(np.array(labels), num_labels, certainty)


def test_energies_and_pictures_must_fit() -> None:
    with pytest.raises(ValueError, match=r"give \[L, H, W\], finite"):
        infer(np.zeros((2, 4, 5)), np.zeros((4, 4, 3), np.uint8), DenseCrfConfig())
    with pytest.raises(ValueError, match=r"give \[L, H, W\], finite"):
        infer(np.full((2, 4, 4), np.nan), np.zeros((4, 4, 3), np.uint8), DenseCrfConfig())


# -- the papers' settings --


def test_settings_of_the_papers() -> None:
    def numbers(settings: LabelCrf) -> tuple[float, ...]:
        place, colour = settings.crf.smoothness, settings.crf.bilateral
        return (
            *(settings.crf.iterations, settings.certainty, place.weight, place.sigma_px),
            *(colour.weight, colour.sigma_px, colour.sigma_rgb),
        )

    assert numbers(attn2mask_crf()) == (5, 0.7, 3, 3, 10, 80, 13)
    assert numbers(diffumask_seed_crf()) == (10, 0.7, 3, 3, 9, 60, 10)
    assert numbers(diffumask_threshold_crf()) == (10, 0.5, 3, 3, 10, 80, 13)


def test_a_shifted_mask_snaps_to_its_object() -> None:
    image, inside, shifted = disk(40, 44)
    found = relabel(shifted, image, 2, attn2mask_crf())
    assert found.dtype == np.uint8
    assert np.mean(found != inside) < 0.01 < np.mean(shifted != inside)


def test_a_map_of_one_label_and_one_without_opinion_stay() -> None:
    image, _, shifted = disk(12, 12)
    assert not relabel(np.zeros_like(shifted), image, 2, attn2mask_crf()).any()
    assert np.array_equal(relabel(shifted, image, 2, diffumask_threshold_crf()), shifted)
