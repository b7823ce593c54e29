"""Tier ``mini`` can decide: from the numbers of one real run of each paper (``docs/examples/*_mini_results.csv``).

What other seeds would have given is drawn from how far the run's own values lie from arm plus seed. Effects are planted into that noise.
"""

import csv
import itertools
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

from reproductions.verdicts.statistics import SeedMean
from reproductions.verdicts.variance import paired_difference

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
METRICS = ("AP_box", "AP_mask")
PLANTED = 3.0
"""Points of AP by which one arm is better by construction."""
REPEATS = 400


def measured(metric: str, paper: str = "mrca") -> dict[str, dict[int, float]]:
    """Value by arm and seed."""
    values: dict[str, dict[int, float]] = defaultdict(dict)
    with (EXAMPLES / f"{paper}_mini_results.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] == metric and row["value"]:
                values[row["arm"]][int(row["seed"])] = float(row["value"])
    return values


def difference(values: dict[str, dict[int, float]], left: str, right: str) -> SeedMean:
    found = paired_difference(values, left, right)
    assert found is not None
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_mrca_against_xpaste_is_known_to_two_points(metric):
    values = measured(metric)
    assert len(values) >= 6
    assert all(len(seeds) >= 4 for seeds in values.values())
    found = difference(values, "mrca", "xpaste")
    assert (found.interval.high - found.interval.low) / 2 <= 2.0


def test_what_the_page_says_of_repainting_and_the_zoom():
    values = measured("AP", "instance_synthesis")
    page = " ".join((EXAMPLES.parent / "miniature.md").read_text().split())
    mean = {arm: f"{fmean(seeds.values()):.1f}" for arm, seeds in values.items()}
    assert f"Real images alone reach {mean['real']} AP" in page
    assert f"reach {mean['zoom']} where nothing is generated, {mean['copy_paste']} with copied instances" in page
    painters = [mean[painter] for painter in ("gligen", "inpainting", "blended")]
    assert "and {}, {} and {} with those that".format(*painters) in page
    for painter in ("gligen", "inpainting", "blended"):
        found = difference(values, painter, "zoom").interval
        assert f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]" in page
        assert found.low < 0 < found.high
        assert (found.high - found.low) / 2 < 3
        assert difference(values, painter, "real").interval.high < 0


def test_what_the_page_says_of_generated_masks_and_images():
    values = measured("miou", "seggen")
    page = " ".join((EXAMPLES.parent / "miniature.md").read_text().split())
    mean = {arm: f"{fmean(seeds.values()):.1f}" for arm, seeds in values.items()}
    assert f"On all 120 real images the network reaches {mean['real']} mIoU" in page
    assert f"MaskSyn {mean['mask_syn']}, with ImgSyn {mean['img_syn']}, with both {mean['both']}" in page
    both = difference(values, "both", "real").interval
    assert f"{both.mean:+.2f} [{both.low:+.2f}, {both.high:+.2f}] for both" in page
    assert f"on real images alone it reaches {mean['real_twice']}" in page
    assert f"({mean['few_real']} alone, {mean['few_both']} with both)" in page
    assert f"the captions of other images give {mean['img_syn_shuffled']}" in page
    assert f"give {mean['re_rendered']}." in page
    assert difference(values, "real_twice", "both").interval.low > 0
    assert difference(values, "img_syn", "img_syn_shuffled").interval.low > 0


@pytest.mark.parametrize("metric", METRICS)
def test_twice_the_training_adds_less_than_generated_objects_could(metric):
    """A miniature that is far from converged would answer every question with the length of the training."""
    values = measured(metric)
    assert 0 < difference(values, "no_aug_double", "no_aug").plain.mean < 8
    assert difference(values, "xpaste", "no_aug_double").interval.low > 0


@pytest.mark.parametrize("metric", METRICS)
def test_what_is_better_by_construction_is_found_by_any_three_of_the_seeds(metric):
    """Twice the training: longer is better as long as nothing overfits, and here nothing does."""
    values = measured(metric)
    found = []
    for seeds in itertools.combinations(sorted(values["no_aug"]), 3):
        some = {arm: {seed: of[seed] for seed in seeds} for arm, of in values.items()}
        found.append(difference(some, "no_aug_double", "no_aug").interval.low > 0)
    assert len(found) == 4
    assert all(found)


@pytest.mark.parametrize("metric", METRICS)
def test_a_planted_effect_is_found_and_an_arm_like_another_is_left_alone(metric):
    """Beside the run's arms stand two more: one like "X-Paste", one better by the planted effect, each with noise of the run."""
    values = measured(metric)
    arms = sorted(values)
    table_AS = np.array([[values[arm][seed] for seed in sorted(values[arm])] for arm in arms])
    residual_AS = table_AS - table_AS.mean(1, keepdims=True) - table_AS.mean(0) + table_AS.mean()
    num_arms, num_seeds = residual_AS.shape
    noise = np.sqrt(np.sum(residual_AS**2) / ((num_arms - 1) * (num_seeds - 1)))
    assert noise > 0.1, "the run's values are no copies of one another"
    rng = np.random.default_rng(20261130)
    found = called = 0
    for _ in range(REPEATS):
        truth_AS = table_AS.mean(1, keepdims=True) + (table_AS.mean(0) - table_AS.mean())
        base_S = truth_AS[arms.index("xpaste")]
        all_AS = np.vstack([truth_AS, base_S, base_S + PLANTED])
        drawn_AS = all_AS + noise * rng.standard_normal(all_AS.shape)
        drawn = {
            arm: dict(enumerate(row.tolist())) for arm, row in zip([*arms, "null", "planted"], drawn_AS, strict=True)
        }
        found += difference(drawn, "planted", "xpaste").interval.low > 0
        null = difference(drawn, "null", "xpaste")
        called += null.interval.low > 0 or null.interval.high < 0
    assert found / REPEATS >= 0.9
    assert called / REPEATS <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / REPEATS)


@pytest.mark.parametrize("other", ["all_40k", "random_same_mix_20k"])
def test_the_filtered_half_is_known_to_four_points(other):
    """Against all pairs, and against a random half with its classes. A plain random half differs by its luck with classes too."""
    found = difference(measured("miou", "sam_filter"), "sam_20k", other).interval
    assert (found.high - found.low) / 2 <= 4.0
