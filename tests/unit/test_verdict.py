"""Verdicts on printed numbers and on claims, with numbers small enough to check by hand."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.records import (
    Arm,
    Backbone,
    Cost,
    Deviation,
    Evidence,
    Metric,
    Provenance,
    Report,
    Result,
    Run,
    SeriesPoint,
    Target,
)
from reproductions.mrca.claims import METRICS
from reproductions.mrca.paper import PAPER
from reproductions.study.targets import read_targets
from reproductions.verdicts.claims import Claim, combine, judge_claim
from reproductions.verdicts.differences import FewerObjects, Gain
from reproductions.verdicts.trends import Level, RisesFaster, Rising
from reproductions.verdicts.verdict import judge, judge_number, printed_range

AP = Metric(id="AP", title="AP")


def report(values=None, tier="mini", series=(), costs=(), targets=(), deviations=(), backbones=("small",)):
    """Records with AP by (arm, backbone) and seed."""
    values = values or {}
    return Report(
        run=Run(
            paper_id="p",
            paper_title="P",
            tier=tier,
            data="d",
            seeds=(0, 1, 2),
            command="c",
            provenance=Provenance(commit="0"),
        ),
        arms=tuple(Arm(id=name, title=name.upper()) for name in ("a", "b")),
        backbones=tuple(Backbone(id=name, title=name) for name in backbones),
        metrics=(AP,),
        results=tuple(
            Result(arm=arm, backbone=backbone, seed=seed, metrics={"AP": value}, cells=(f"{arm}{seed}",))
            for (arm, backbone), by_seed in values.items()
            for seed, value in enumerate(by_seed)
        ),
        series=series,
        costs=costs,
        targets=targets,
        deviations=deviations,
        beside={"theirs": "small"},
    )


def points(name, *by_seed):
    return tuple(
        SeriesPoint(series=name, arm="a", backbone="small", seed=seed, round=number, value=value)
        for seed, values in enumerate(by_seed)
        for number, value in enumerate(values, start=1)
    )


def judged(test, given_report):
    return judge_claim(Claim("C", "w", "s", (test,)), given_report)


# --- printed numbers


def test_a_printed_number_stands_for_all_that_round_to_it():
    assert printed_range(28.20, 2) == (pytest.approx(28.195), pytest.approx(28.205))
    assert printed_range(28.2, 1) == (pytest.approx(28.15), pytest.approx(28.25))


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ([], "not run"),
        ([28.19, 28.20, 28.21], "matches"),
        ([28.204], "matches"),
        ([28.0, 28.1, 28.2], "within seed noise"),  # one more run: 28.1 +- 0.497
        ([27.0, 27.1, 27.2], "below"),  # 27.1 +- 0.497
        ([29.0, 29.1, 29.2], "above"),
        ([28.0], "below"),
        ([28.21], "above"),
    ],
)
def test_verdict_on_a_printed_number(ours, verdict):
    assert judge_number(28.20, 2, ours)[0] == verdict


def test_fewer_printed_decimals_accept_more():
    assert judge_number(28.2, 1, [28.24])[0] == "matches"
    assert judge_number(28.20, 2, [28.24])[0] == "above"


def test_one_seed_says_that_its_noise_is_unknown():
    assert judge_number(28.20, 2, [20.0]) == ("below", "one seed, so seed noise is unknown")


def test_the_edge_of_one_more_run_decides():
    # mean 2, s 1: one more run within 2 +- 4.96828
    assert judge_number(6.96, 2, [1.0, 2.0, 3.0])[0] == "within seed noise"
    assert judge_number(6.98, 2, [1.0, 2.0, 3.0])[0] == "below"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5), st.integers(0, 10000))
def test_verdicts_are_two_sided(ours, hundredths):
    mirrored = {"below": "above", "above": "below"}
    verdict = judge_number(hundredths / 100, 2, ours)[0]
    opposite = judge_number(-hundredths / 100, 2, [-value for value in ours])[0]
    assert opposite == mirrored.get(verdict, verdict)


def target(value=28.20, arm="a"):
    return Target(
        table="Table 1",
        arm=arm,
        arm_title=arm,
        backbone="theirs",
        backbone_title="Theirs",
        metric="AP",
        value=value,
        decimals=2,
        source="s",
    )


def test_other_tiers_and_declared_deviations_are_not_comparable():
    values = {("a", "small"): [28.2, 28.2, 28.2]}
    changed = Deviation(id="D9", what="w", stated="s", ours="o", mark="C", reason="r", arms=("a",), incomparable=True)
    [mini] = judge(report(values, targets=(target(),)), ()).outcomes
    [paper] = judge(report(values, tier="paper", targets=(target(),)), ()).outcomes
    [deviant] = judge(report(values, tier="paper", targets=(target(),), deviations=(changed,)), ()).outcomes
    assert (mini.verdict, mini.reason) == ("not comparable", "tier mini")
    assert paper.verdict == "matches"
    assert (deviant.verdict, deviant.reason) == ("not comparable", "deviation D9")


def test_an_arm_without_results_was_not_run_at_any_tier():
    for tier in ("smoke", "mini", "paper"):
        [outcome] = judge(report(tier=tier, targets=(target(arm="b"),)), ()).outcomes
        assert (outcome.verdict, outcome.our_backbone) == ("not run", None)


# --- claims


@pytest.mark.parametrize(
    ("left", "verdict"),
    [
        ([12.0, 12.1, 12.2], "holds"),
        ([10.1, 10.2, 9.8], "not resolved"),
        ([8.0, 8.1, 7.9], "contradicted"),
        ([12.0], "not resolved"),
        ([], "not run"),
    ],
)
def test_gain(left, verdict):
    found = judged(Gain("a", "b", ("AP",)), report({("a", "small"): left, ("b", "small"): [10.0, 10.0, 10.1]}))
    assert found.verdict == verdict


def test_gain_is_paired_over_seeds():
    # seeds differ by ten points, the difference is always one
    values = {("a", "small"): [11.0, 21.05, 30.95], ("b", "small"): [10.0, 20.0, 30.0]}
    [evidence] = judged(Gain("a", "b", ("AP",)), report(values)).evidence
    assert (evidence.verdict, evidence.reason) == ("holds", "positive in 3 of 3 seeds")
    assert evidence.values == pytest.approx((1.0, 1.05, 0.95))


def test_smoke_never_decides():
    values = {("a", "small"): [12.0, 12.1, 12.2], ("b", "small"): [10.0, 10.0, 10.1]}
    found = judged(Gain("a", "b", ("AP",)), report(values, tier="smoke"))
    assert (found.verdict, found.evidence[0].verdict) == ("not resolved", "not resolved")


def test_a_backbone_that_was_not_run_is_left_out_and_one_that_was_counts():
    values = {("a", "small"): [12.0, 12.1, 12.2], ("b", "small"): [10.0, 10.0, 10.1]}
    alone = judged(Gain("a", "b", ("AP",)), report(values, backbones=("small", "large")))
    assert (alone.verdict, len(alone.evidence)) == ("holds", 1)
    values |= {("a", "large"): [9.0, 9.1, 9.2], ("b", "large"): [10.0, 10.0, 10.1]}
    both = judged(Gain("a", "b", ("AP",)), report(values, backbones=("small", "large")))
    assert (both.verdict, len(both.evidence)) == ("contradicted", 2)


def test_fewer_objects():
    costs = [
        Cost(arm=arm, backbone="small", seed=seed, objects_generated=count)
        for arm, count in (("a", 60), ("b", 1000))
        for seed in (0, 1)
    ]
    found = judged(FewerObjects("a", "b"), report(costs=tuple(costs)))
    assert (found.verdict, found.evidence[0].mean) == ("holds", pytest.approx(0.06))
    assert judged(FewerObjects("b", "a"), report(costs=tuple(costs))).verdict == "contradicted"
    assert judged(FewerObjects("a", "b"), report()).verdict == "not run"


def test_rising_series():
    rising = points("e", [2.0, 2.1, 2.2, 2.3], [2.0, 2.1, 2.2, 2.31], [2.0, 2.1, 2.2, 2.29])
    found = judged(Rising("e", "e", "a", "nats"), report(series=rising))
    assert found.verdict == "holds"
    assert found.evidence[0].values[0] == pytest.approx(0.3)
    flat = points("e", [2.0, 2.1, 2.0], [2.1, 2.0, 2.0], [2.0, 2.1, 2.05])
    assert judged(Rising("e", "e", "a", "nats"), report(series=flat)).verdict == "not resolved"


def test_two_rounds_are_no_trend():
    assert judged(Rising("e", "e", "a", "nats"), report(series=points("e", [2.0, 3.0]))).verdict == "not run"


@pytest.mark.parametrize(
    ("rises", "verdict"),
    [((0.0, 0.01, -0.01), "holds"), ((0.5, 0.51, 0.49), "contradicted"), ((0.1, 0.2, 0.3), "not resolved")],
)
def test_level_needs_the_whole_interval_within_the_band(rises, verdict):
    series = points("e", *([2.0, 2.0 + rise / 2, 2.0 + rise] for rise in rises))
    found = judged(Level("e", "e", "a", "nats", tolerance=0.1), report(series=series))
    mean = sum(point.value for point in series) / len(series)
    assert found.verdict == verdict
    assert found.evidence[0].band == pytest.approx((-0.1 * mean, 0.1 * mean))


def test_noise_alone_never_counts_as_level():
    series = points("e", [2.0, 2.5, 3.0], [3.0, 2.5, 2.0], [2.5, 2.5, 2.5])
    assert judged(Level("e", "e", "a", "nats", tolerance=0.1), report(series=series)).verdict == "not resolved"


def test_one_series_rises_faster_than_another_on_the_same_seeds():
    series = points("m", [2.0, 2.2, 2.4], [3.0, 3.21, 3.4]) + points("n", [2.0, 2.0, 2.0], [3.0, 3.0, 3.01])
    assert judged(RisesFaster("m", "m", "n", "n", "a", "nats"), report(series=series)).verdict == "holds"
    assert judged(RisesFaster("n", "n", "m", "m", "a", "nats"), report(series=series)).verdict == "contradicted"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "not resolved"], "not resolved"),
        (["holds", "not run"], "not resolved"),
        (["holds", "contradicted", "not run"], "contradicted"),
        (["not run", "not run"], "not run"),
        ([], "not run"),
    ],
)
def test_all_tests_of_a_claim_must_hold(verdicts, expected):
    evidence = [
        Evidence(label="", kind="change", unit="", backbone="", seeds=(), values=(), verdict=verdict, reason="")
        for verdict in verdicts
    ]
    assert combine(evidence)[0] == expected


# --- MRCA's own list


def test_targets_are_the_88_printed_values_in_their_order():
    targets = read_targets(PAPER.folder)
    assert len(targets) == 88
    assert [known.metric for known in targets[:8]] == [metric.id for metric in METRICS]
    assert list(dict.fromkeys(known.arm for known in targets if known.table == "Table 2")) == [
        "no_aug",
        "xpaste",
        "xpaste_clip",
        "bsgal",
        "divergen",
        "mrca",
    ]
    assert {known.decimals for known in targets} == {2}


def test_targets_equal_the_transcription_of_the_paper(shared: Path):
    with (shared / "papers/mrca/mrca_main_results.csv").open(encoding="utf-8") as file:
        printed = [
            (row["table"], row["method"], row["backbone"], row["metric"], row["value"]) for row in csv.DictReader(file)
        ]
    ours = [
        (known.table, known.arm_title, known.backbone_title, known.metric, f"{known.value:.{known.decimals}f}")
        for known in read_targets(PAPER.folder)
    ]
    assert ours == printed


def test_printed_averages_follow_from_the_printed_groups():
    """On LVIS v1 val, AP = 0.1727 APr + 0.4344 APc + 0.3929 APf within rounding; a typing mistake would break it."""
    value = {(known.table, known.arm, known.metric): known.value for known in read_targets(PAPER.folder)}
    for table, arm, metric in value:
        if metric in ("AP_box", "AP_mask"):
            rare, common, frequent = (value[table, arm, metric.replace("AP_", f"AP{group}_")] for group in "rcf")
            expected = 0.1727 * rare + 0.4344 * common + 0.3929 * frequent
            assert value[table, arm, metric] == pytest.approx(expected, abs=0.02)
