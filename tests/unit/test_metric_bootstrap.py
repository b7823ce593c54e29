"""The paired bootstrap, on metrics whose sampling distribution is known."""

from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.common.datasets.label_conventions import VOC_2012
from methods.common.errors import InputError
from methods.common.metrics.bootstrap import Difference, draw_weights, paired_bootstrap
from methods.common.metrics.label_maps.semantic import SemanticEvaluation

IDS = tuple(str(index) for index in range(30))


@dataclass
class Means:
    """The mean of one value an image; and of the images marked rare, undefined where a resample has none of them."""

    value_I: NDArray[np.float64]
    rare_I: NDArray[np.bool_] | None = None
    image_ids: list[int | str] | None = None  # type: ignore[assignment]
    definition: str = "means"

    def __post_init__(self) -> None:
        self.image_ids = list(range(len(self.value_I))) if self.image_ids is None else self.image_ids

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        weight_I = np.ones(len(self.value_I)) if weight_I is None else weight_I
        assert weight_I.sum() == len(self.value_I)
        found: dict[str, float | None] = {"mean": float(weight_I @ self.value_I / weight_I.sum())}
        if self.rare_I is not None:
            weight_I = weight_I * self.rare_I
            found["rare"] = float(weight_I @ self.value_I / weight_I.sum()) if weight_I.any() else None
        return found

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        return []


@cache
def differences_of_trials(truth: float, num_trials: int = 300) -> list[Difference]:
    """Trials with 60 images, where the difference of both means is normal around ``truth`` with deviation 0.1."""
    generator = np.random.default_rng(11)
    found = []
    for seed in range(num_trials):
        common_I = 3 * generator.standard_normal(60)  # pairing must take this out
        noise_I = generator.standard_normal(60) * 0.1 * np.sqrt(60)
        first, second = Means(common_I + noise_I + truth), Means(common_I)
        found.append(paired_bootstrap(first, second, 200, seed)["mean"])
    return found


def test_the_interval_covers_the_true_difference_as_often_as_it_says() -> None:
    found = differences_of_trials(truth=0.3)
    covered = np.mean([one.low <= 0.3 <= one.high for one in found])  # type: ignore[operator]
    assert 0.91 <= covered <= 0.97  # a percentile interval of 60 images is slightly short
    widths = np.array([one.high - one.low for one in found])  # type: ignore[operator]
    assert np.mean(widths) == pytest.approx(2 * 1.96 * 0.1, rel=0.05)


def test_the_p_value_is_even_without_a_difference_and_small_with_one() -> None:
    without = np.array([one.p_value for one in differences_of_trials(truth=0.0)])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(without <= level) == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 300) + 0.02)
    assert np.mean(np.array([one.p_value for one in differences_of_trials(truth=0.3)]) < 0.05) > 0.8


def test_the_p_value_by_hand() -> None:
    """Two images, differences 1 and -1/2: a resample has the mean 1, 1/4 or -1/2."""
    (difference,) = paired_bootstrap(Means(np.array([1.0, -0.5])), Means(np.zeros(2)), 99, 4).values()
    drawn = [draw_weights(2, np.random.default_rng([4, index])) @ [0.5, -0.25] for index in range(99)]
    negative = sum(value < 0 for value in drawn)
    assert negative == pytest.approx(25, abs=12)
    assert difference.bias == pytest.approx(np.mean(drawn) - 0.25)
    assert (difference.low, difference.high) == (-0.5, 1.0)
    assert difference.p_value == 2 * (1 + negative) / 100
    assert difference.difference == 0.25


def test_equal_seeds_give_equal_answers_and_other_seeds_others() -> None:
    generator = np.random.default_rng(0)
    first, second = Means(generator.random(50)), Means(generator.random(50))
    assert paired_bootstrap(first, second, 50, 3) == paired_bootstrap(first, second, 50, 3)
    assert paired_bootstrap(first, second, 50, 3) != paired_bootstrap(first, second, 50, 4)


def test_processes_change_nothing(in_processes: None) -> None:
    generator = np.random.default_rng(0)
    first, second = (SemanticEvaluation(VOC_2012, IDS, generator.integers(1, 99, (30, 3, 21))) for _ in range(2))
    alone = paired_bootstrap(first, second, 40, 3)
    seen: list[int] = []
    together = paired_bootstrap(first, second, 40, 3, lambda done, _: seen.append(done), num_processes=2)
    assert together == alone
    assert seen == list(range(1, 41))


def test_identical_predictions_do_not_differ() -> None:
    values = np.random.default_rng(0).random(50)
    (difference,) = paired_bootstrap(Means(values), Means(values.copy()), 200, 0).values()
    mean = float(np.ones(50) @ values / 50)
    assert asdict(difference) == {
        "first": mean,
        "second": mean,
        "difference": 0.0,
        "low": 0.0,
        "high": 0.0,
        "p_value": 1.0,
        "num_resamples": 200,
        "bias": 0.0,
        "standard_error": 0.0,
    }


def test_resamples_that_leave_a_metric_undefined_are_left_out_and_counted() -> None:
    rare_I = np.arange(10) == 3
    found = paired_bootstrap(Means(np.ones(10), rare_I), Means(np.zeros(10), rare_I), 500, 0)
    assert found["mean"].num_resamples == 500
    expected = 500 * (1 - 0.9**10)
    assert found["rare"].num_resamples == pytest.approx(expected, abs=35)
    assert (found["rare"].low, found["rare"].high) == (1.0, 1.0)


def test_a_metric_that_is_undefined_has_no_difference() -> None:
    nobody = np.zeros(10, bool)
    found = paired_bootstrap(Means(np.ones(10), nobody), Means(np.zeros(10), nobody), 20, 0)["rare"]
    assert found == Difference(None, None, None, None, None, None, 0, None, None)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (["a", "b"], ["a", "c"], "image 'b' is only in the first"),
        (["a"], ["a", "c"], "image 'c' is only in the second"),
        ([], [], "there are no images"),
    ],
)
def test_predictions_of_other_images_are_refused(first: list[str], second: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        paired_bootstrap(Means(np.ones(len(first)), None, first), Means(np.ones(len(second)), None, second), 5, 0)


@dataclass
class SparseClasses:
    """Precision averaged over classes, each right in one image and wrong in some others, undefined without the former."""

    right_KI: NDArray[np.float64]
    wrong_KI: NDArray[np.float64]
    definition: str = "precision"

    @property
    def image_ids(self) -> list[int | str]:
        return list(range(self.right_KI.shape[1]))

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        weight_I = np.ones(self.right_KI.shape[1]) if weight_I is None else weight_I
        right_K, wrong_K = self.right_KI @ weight_I, self.wrong_KI @ weight_I
        defined_K = right_K > 0
        return {"precision": float((right_K[defined_K] / (right_K + wrong_K)[defined_K]).mean())}

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        return []


def sparse_classes(seed: int, num_images: int = 100) -> tuple[SparseClasses, SparseClasses]:
    """Each class is right in about one image of 100, and wrong in 3 or in 9 others by chance."""
    generator = np.random.default_rng(seed)
    right_KI = (generator.random((400, num_images)) < 1 / num_images).astype(float)
    first, second = (
        SparseClasses(right_KI, (generator.random(right_KI.shape) < number / num_images) * (1 - right_KI))
        for number in (3, 9)
    )
    return first, second


def test_sparse_classes_do_not_move_the_interval() -> None:
    """Resamples drop classes or repeat them beside fewer wrong images; uncentred they would miss the true value by far."""
    trials = [sparse_classes(seed) for seed in range(20)]
    found = [paired_bootstrap(first, second, 150, 0)["precision"] for first, second in trials]
    true = np.mean([one.difference for one in found])  # type: ignore[misc]
    assert all(one.is_biased for one in found)
    assert np.mean([one.low <= true <= one.high for one in found]) >= 0.9  # type: ignore[operator]
    assert np.mean([one.low + one.bias <= true for one in found]) <= 0.5  # type: ignore[operator]


@dataclass
class Spread:
    """The square of a mean, which noise in the weights raises."""

    value_I: NDArray[np.float64]
    image_ids: list[int | str]
    depends_on_size: bool = False
    definition: str = "squared mean"

    def metrics(self, weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        weight_I = np.ones(len(self.value_I)) if weight_I is None else weight_I
        found: dict[str, float | None] = {"square": float(weight_I @ self.value_I / len(self.value_I)) ** 2}
        return found if (weight_I != 1).any() else {**found, "official alone": 1.0}

    def per_class(self) -> list[dict[str, str | int | float | None]]:
        return []


def test_few_images_that_differ_are_no_significant_difference() -> None:
    """Resamples without them differ by exactly 0, which lies on either side."""
    for num_differing in (1, 2, 3):
        value_I = np.where(np.arange(100) < num_differing, 1.0, 0.0)
        for seed in range(6):
            (found,) = paired_bootstrap(Means(value_I), Means(np.zeros(100)), 1000, seed).values()
            expected = min(1.0, 2 * (1 - num_differing / 100) ** 100)  # P that a resample has none of them
            assert found.p_value == pytest.approx(expected, abs=0.1)
            assert found.low == 0.0
            assert not found.is_biased


def test_resamples_beside_the_value_are_said_to_be() -> None:
    generator = np.random.default_rng(1)
    value_I = generator.standard_normal(40)
    spread = Spread(value_I - value_I.mean(), list(range(40)))
    (found,) = paired_bootstrap(spread, Spread(np.zeros(40), list(range(40))), 300, 0).values()
    assert found.bias == pytest.approx(np.var(value_I) / 40, rel=0.3)
    assert found.is_biased
    (found,) = paired_bootstrap(Means(value_I), Means(np.zeros(40)), 300, 0).values()
    assert found.standard_error == pytest.approx(np.std(value_I) / np.sqrt(40), rel=0.15)
    assert not found.is_biased


def test_sets_of_other_pictures_are_resampled_apart() -> None:
    generator = np.random.default_rng(2)
    value_I = 1 + generator.standard_normal(50)
    names = [str(index) for index in range(50)]
    apart = paired_bootstrap(Spread(value_I[:40], names[:40]), Spread(value_I, names), 300, 0)
    together = paired_bootstrap(Spread(value_I, names), Spread(value_I, names), 300, 0)
    assert (together["square"].low, together["square"].high) == (0.0, 0.0)
    assert apart["square"].standard_error > 0.1  # type: ignore[operator]
    assert list(apart) == ["square"]
    smaller, larger = (Spread(value_I[:number], names[:number], depends_on_size=True) for number in (40, 50))
    with pytest.raises(InputError, match="the sets have 40 and 50 images, and the metric depends on how many"):
        paired_bootstrap(smaller, larger, 5, 0)


def test_progress_counts_resamples() -> None:
    seen: list[tuple[int, int]] = []
    paired_bootstrap(Means(np.ones(3)), Means(np.ones(3)), 4, 0, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
