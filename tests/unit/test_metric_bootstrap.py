"""The paired bootstrap, on metrics whose sampling distribution is known."""

from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from methods.common.errors import InputError
from methods.common.metrics.bootstrap import Difference, paired_bootstrap
from methods.common.metrics.label_conventions import VOC_2012
from methods.common.metrics.semantic import SemanticEvaluation

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
    """Two images, differences 1 and -1/2: a resample has the sum 2, 1/2 or -1."""
    (difference,) = paired_bootstrap(Means(np.array([1.0, -0.5])), Means(np.zeros(2)), 99, 4).values()
    draws = [np.random.default_rng([4, index]).integers(2, size=2) for index in range(99)]
    drawn = [np.array([1.0, -0.5])[draw].sum() for draw in draws]
    negative = sum(value < 0 for value in drawn)
    assert 0 < negative < 50
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
    assert found == Difference(None, None, None, None, None, None, 0)


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


def test_progress_counts_resamples() -> None:
    seen: list[tuple[int, int]] = []
    paired_bootstrap(Means(np.ones(3)), Means(np.ones(3)), 4, 0, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
