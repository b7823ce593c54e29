"""How far a difference would move on other evaluation images: what evaluations keep, and what a report makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from methods.common.metrics.bootstrap import draw_weights
from methods.common.metrics.resamples import NUM_RESAMPLES, resampled
from reports.evidence_words import evidence_text
from reports.records import Arm, Backbone, Metric, Provenance, Report, Result, Run
from reproductions.verdicts.differences import Gain, GainOverAll, NoGain
from reproductions.verdicts.images import image_margin

NUM_IMAGES = 120
RUN = Run(
    paper_id="p",
    paper_title="P",
    tier="paper",
    data="data",
    seeds=(0, 1, 2),
    command="c",
    provenance=Provenance(commit="c", packages={}, hosts=(), devices=(), started="", finished="", cells=0, store="s"),
)


def mean_of(value_I):
    """An evaluation whose number is the mean over images."""
    return lambda weight_I: {"AP": float(np.average(value_I, weights=weight_I))}


def report_of(value_ASI, **changes) -> Report:
    """A report of arms "a", "b", .. in the order of the first axis, with the seeds of the second."""
    arms = [chr(ord("a") + number) for number in range(len(value_ASI))]
    results = tuple(
        Result(
            arm=arm,
            backbone="miniature",
            seed=seed,
            metrics=mean_of(value_I)(np.ones(len(value_I))),
            cells=("cell",),
            resamples=tuple(resampled(mean_of(value_I), len(value_I))),
        )
        for arm, value_SI in zip(arms, value_ASI, strict=True)
        for seed, value_I in enumerate(value_SI)
    )
    return Report(
        run=RUN,
        arms=tuple(Arm(id=arm, title=arm.upper()) for arm in arms),
        backbones=(Backbone(id="miniature", title="Miniature"),),
        metrics=(Metric(id="AP", title="AP"),),
        results=results,
    ).model_copy(update=changes)


def test_every_evaluation_of_as_many_images_draws_the_same_resamples() -> None:
    seen: list[list[float]] = []

    def numbers(weight_I):
        seen.append(weight_I.tolist())
        return {"metrics": {"AP": 1 / 3, "APr": None}}

    once = resampled(numbers, 5)
    assert once == [{"metrics": {"AP": 0.3333, "APr": None}}] * NUM_RESAMPLES
    resampled(numbers, 5)
    assert seen[:NUM_RESAMPLES] == seen[NUM_RESAMPLES:]
    assert seen[3] == draw_weights(5, np.random.default_rng([20, 3])).tolist()
    assert len({tuple(weights) for weights in seen}) > 50
    assert all(sum(weights) == 5 for weights in seen)
    assert resampled(numbers, 0) == []


def test_the_margin_is_that_of_the_mean_difference_of_paired_images() -> None:
    """Images differ by 30, which both arms share; what differs between the arms has a standard deviation of 3 an image and seed."""
    draws = np.random.default_rng(0)
    shared_I = draws.normal(50, 30, NUM_IMAGES)
    value_ASI = shared_I + draws.normal(0, 3 / np.sqrt(2), (2, 3, NUM_IMAGES))
    expected = 1.96 * 3 / np.sqrt(3 * NUM_IMAGES)
    margin = image_margin(report_of(value_ASI), "miniature", "AP", "a", "b", (0, 1, 2))
    assert margin == pytest.approx(expected, rel=0.25)
    of_one_seed = image_margin(report_of(value_ASI), "miniature", "AP", "a", "b", (1,))
    assert of_one_seed == pytest.approx(np.sqrt(3) * expected, rel=0.25)


def test_the_interval_covers_what_all_images_would_say() -> None:
    """Nominal 95 %: of 150 draws of images, some 8 lie outside, give or take 3 standard errors and the 100 resamples' own 7 %."""
    draws, outside = np.random.default_rng(1), 0
    for _ in range(150):
        value_ASI = draws.normal(50, 10, (2, 1, 40))
        report = report_of(value_ASI)
        margin = image_margin(report, "miniature", "AP", "a", "b", (0,))
        mean = report.by_seed("a", "miniature", "AP")[0] - report.by_seed("b", "miniature", "AP")[0]
        outside += abs(mean) > margin
    assert 1 <= outside <= 17


def test_a_margin_needs_resamples_of_every_seed_and_a_metric_that_they_define() -> None:
    value_ASI = np.random.default_rng(2).normal(50, 10, (2, 2, 20))
    report = report_of(value_ASI)
    first, *others = report.results
    lacking = report.model_copy(update={"results": (first.model_copy(update={"resamples": ()}), *others)})
    assert image_margin(lacking, "miniature", "AP", "a", "b", (0, 1)) is None
    assert image_margin(lacking, "miniature", "AP", "a", "b", (1,)) is not None
    assert image_margin(report, "miniature", "AP", "a", "b", (0, 7)) is None
    assert image_margin(report, "miniature", "AP", "a", "b", ()) is None
    assert image_margin(report, "miniature", "APr", "a", "b", (0, 1)) is None
    part = tuple({"AP": None} if number % 2 else found for number, found in enumerate(first.resamples))
    partly = report.model_copy(update={"results": (first.model_copy(update={"resamples": part}), *others)})
    whole = image_margin(report, "miniature", "AP", "a", "b", (0, 1))
    assert image_margin(partly, "miniature", "AP", "a", "b", (0, 1)) == pytest.approx(whole, rel=0.3)


def test_claims_say_beside_the_seeds_what_other_images_would_do() -> None:
    """B is ahead by 6 with every seed alike; images differ so much that their interval reaches zero, and the text says so."""
    draws = np.random.default_rng(3)
    value_I = draws.normal(0, 60, NUM_IMAGES)
    value_I -= value_I.mean()
    steps = np.array([[0.0, 0.2, 0.1], [6.1, 6.0, 6.3]])[..., None]
    report = report_of(50 + steps + np.array([np.zeros(NUM_IMAGES), value_I])[:, None])
    [gain] = Gain("b", "a", ("AP",)).evidence(report, "miniature")
    margin = image_margin(report, "miniature", "AP", "b", "a", (0, 1, 2))
    assert gain.verdict == "holds"
    assert gain.image_margin == margin > 6.1
    assert f"; other images ±{margin:.2f}, which reaches zero; positive in 3 of 3 seeds" in evidence_text(report, gain)
    [lead] = GainOverAll("b", ("a",), "AP", "arms").evidence(report, "miniature")
    [none] = NoGain("b", "a", "AP", 20.0).evidence(report, "miniature")
    assert lead.image_margin == none.image_margin == margin
    kept = Report.model_validate_json(report.model_dump_json())
    [without] = Gain("b", "a", ("AP",)).evidence(kept, "miniature")
    assert without.image_margin is None
    assert "other images" not in evidence_text(kept, without)
    assert without.model_copy(update={"image_margin": margin}) == gain
