"""Verdicts on printed numbers and on claims, with numbers small enough to check by hand."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

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
from reproductions.mrca.paper import PAPER as MRCA
from reproductions.sam_filter.paper import PAPER as SAM_FILTER
from reproductions.study.targets import read_targets
from reproductions.verdicts.claims import Claim, combine, corrected, judge_claim
from reproductions.verdicts.differences import FewerObjects, Gain
from reproductions.verdicts.evidence import SMALLEST_INTERESTING
from reproductions.verdicts.statistics import seeds_needed
from reproductions.verdicts.trends import Level, RisesFaster, Rising
from reproductions.verdicts.verdict import judge, judge_number, printed_range
from tests.unit.report_synthetic import synthetic_report

AP = Metric(id="AP", title="AP")
PAPERS = (MRCA, SAM_FILTER)


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


def number(value, decimals, ours, others=()):
    return judge_number(value, decimals, dict(enumerate(ours)), [dict(enumerate(known)) for known in others])


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ([], "not run"),
        ([28.19, 28.20, 28.21], "matches"),
        ([28.204], "matches"),
        ([28.0, 28.1, 28.2], "within seed noise"),  # one more run: 28.1 +- 0.497
        ([27.0, 27.1, 27.2], "below"),  # 27.1 +- 0.497
        ([29.0, 29.1, 29.2], "above"),
        ([28.0], "not comparable"),
        ([28.21], "not comparable"),
        ([28.0, 28.0, 28.0], "not comparable"),
    ],
)
def test_verdict_on_a_printed_number(ours, verdict):
    assert number(28.20, 2, ours)[0] == verdict


def test_fewer_printed_decimals_accept_more():
    assert number(28.2, 1, [28.24])[0] == "matches"
    assert number(28.20, 2, [28.24])[0] == "not comparable"


def test_without_known_noise_there_is_no_side():
    assert number(28.20, 2, [20.0]) == ("not comparable", "one seed: seed noise is unknown")
    assert number(28.20, 2, [20.0, 20.0]) == ("not comparable", "the seeds do not differ: seed noise is unknown")


def test_the_edge_of_one_more_run_decides():
    # mean 2, s 1: one more run within 2 +- 4.96828
    assert number(6.96, 2, [1.0, 2.0, 3.0])[0] == "within seed noise"
    assert number(6.98, 2, [1.0, 2.0, 3.0])[0] == "below"


def test_three_seeds_that_happen_to_agree_are_not_taken_at_their_word():
    ours, others = [27.00, 27.01, 27.02], [[25.1, 26.3, 25.2], [24.2, 22.9, 24.9], [29.3, 28.1, 27.7]]
    assert number(28.20, 2, ours)[0] == "below"
    assert number(28.20, 2, ours, others)[0] == "within seed noise"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=5), st.integers(0, 10000))
def test_verdicts_are_two_sided(ours, hundredths):
    mirrored = {"below": "above", "above": "below"}
    verdict = number(hundredths / 100, 2, ours)[0]
    opposite = number(-hundredths / 100, 2, [-value for value in ours])[0]
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


def test_other_arms_tell_the_noise_of_a_printed_number():
    values = {("a", "small"): [27.00, 27.01, 27.02]}
    [alone] = judge(report(values, tier="paper", targets=(target(),)), ()).outcomes
    [beside] = judge(
        report(values | {("b", "small"): [25.1, 26.3, 25.2]}, tier="paper", targets=(target(),)), ()
    ).outcomes
    assert (alone.verdict, beside.verdict) == ("below", "within seed noise")


def deviation(**changed):
    known = {"id": "D9", "what": "w", "stated": "s", "ours": "o", "mark": "C", "reason": "r", "incomparable": True}
    return Deviation.model_validate(known | changed)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"arms": ("a",)}, "not comparable"),
        ({"arms": ()}, "not comparable"),  # concerns every arm
        ({"arms": ("b",)}, "within seed noise"),
        ({"arms": (), "tiers": ("smoke", "mini")}, "within seed noise"),
        ({"arms": (), "incomparable": False}, "within seed noise"),
    ],
)
def test_a_deviation_blocks_the_arms_and_tiers_that_it_concerns(changed, verdict):
    values = {("a", "small"): [28.0, 28.1, 28.2]}
    of = report(values, tier="paper", targets=(target(),), deviations=(deviation(**changed),))
    assert judge(of, ()).outcomes[0].verdict == verdict


def test_what_changes_every_row_of_mrca_blocks_every_number_at_tier_paper():
    """Held-out images are missing from every arm's training, and X-Paste's pool is cut by one network for four."""
    reasons = {}
    for outcome in synthetic_report(tier="paper").outcomes:
        reasons.setdefault(outcome.arm, set()).add((outcome.verdict, outcome.reason))
    assert reasons["no_aug"] == reasons["mrca"] == {("not comparable", "deviation D54")}
    assert reasons["xpaste"] == {("not comparable", "deviation D48, D54")}
    assert {verdict for verdict, _ in reasons["bsgal"]} == {"not run"}


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


def costs(*counts):
    return tuple(
        Cost(arm=arm, backbone="small", seed=seed, objects_generated=count)
        for arm, count in zip("ab", counts, strict=True)
        for seed in (0, 1)
    )


def test_fewer_objects_is_a_fact_and_no_test():
    [fact] = FewerObjects("a", "b").evidence(report(costs=costs(60, 1000)), "small")
    assert (fact.verdict, fact.mean, fact.reason) == ("holds", pytest.approx(0.06), "a fact, no test")
    assert judged(FewerObjects("a", "b"), report(costs=costs(60, 1000))).verdict == "not run"  # nothing is tested
    values = {("a", "small"): [12.0, 12.1, 12.2], ("b", "small"): [10.0, 10.0, 10.1]}
    claim = Claim("C", "w", "s", (Gain("a", "b", ("AP",)), FewerObjects("a", "b")))
    found = [judge_claim(claim, report(values, costs=known)) for known in (costs(60, 1000), costs(1000, 60), ())]
    assert [(known.verdict, known.reason) for known in found] == [
        ("holds", "1 of 1 tests"),
        ("not resolved", "a fact that it rests on is not so"),
        ("not resolved", "a fact that it rests on is missing"),
    ]


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


def test_equal_changes_are_not_believed_where_rounds_scatter():
    """Three changes of 0.06 +- 0.02 around which the rounds scatter by 0.4: they agree by luck."""
    noisy = [[2.0, 2.5, 1.8, 2.3], [2.0, 2.5, 1.8, 2.32], [2.0, 2.5, 1.8, 2.28]]
    found = judged(Rising("e", "e", "a", "nats"), report(series=points("e", *noisy))).evidence[0]
    assert found.plain_low > 0
    assert found.low < 0 < found.high
    assert (found.verdict, found.degrees) == ("not resolved", 2)


def test_equal_straight_lines_decide_nothing():
    same = points("e", *[[2.0, 2.1, 2.2]] * 3)
    found = judged(Rising("e", "e", "a", "nats"), report(series=same)).evidence[0]
    assert (found.verdict, found.reason, found.p_value) == (
        "not resolved",
        "the seeds do not differ, no interval",
        None,
    )


# --- several tests of one claim


def of(verdict, p_against=None, kind="difference"):
    return Evidence(
        label="", kind=kind, unit="", backbone="", seeds=(), values=(), verdict=verdict, reason="r", p_against=p_against
    )


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["holds", "holds"], "holds"),
        (["holds", "not resolved"], "not resolved"),
        (["holds", "not run"], "not resolved"),
        (["holds", "equivalent"], "not resolved"),
        (["equivalent", "equivalent"], "equivalent"),
        (["holds", "contradicted", "not run"], "contradicted"),
        (["not run", "not run"], "not run"),
        ([], "not run"),
    ],
)
def test_all_tests_of_a_claim_must_hold(verdicts, expected):
    assert combine([of(verdict) for verdict in verdicts])[0] == expected


def test_a_contradiction_must_outlast_the_correction_for_the_claims_tests():
    one = corrected([of("contradicted", 0.02)])
    four = corrected([of("contradicted", 0.02), *[of("not resolved", 0.5)] * 3])
    strong = corrected([of("contradicted", 0.006), *[of("not resolved", 0.5)] * 3])
    assert [item.verdict for item in one] == ["contradicted"]
    assert {item.verdict for item in four} == {"not resolved"}
    assert four[0].reason == "r; on the other side, but not after correction for 4 tests"
    assert strong[0].verdict == "contradicted"


def test_what_was_not_run_and_facts_are_not_corrected_for():
    beside = [of("not run"), of("holds", kind="ratio")]
    assert corrected([of("contradicted", 0.02), *beside])[0].verdict == "contradicted"


def five_arms(metric_values):
    """A report of five arms and one metric; ``metric_values`` gives three seeds an arm."""
    made = report()
    results = tuple(
        Result(arm=arm, backbone="small", seed=seed, metrics={"AP": value}, cells=())
        for arm, values in metric_values.items()
        for seed, value in enumerate(values)
    )
    arms = tuple(Arm(id=arm, title=arm) for arm in metric_values)
    return made.model_copy(update={"arms": arms, "results": results})


def equal_pool_control():
    """MRCA's control K2: differences -1.21, -1.48, -1.21 beside three arms whose pooled variance with them is 1.43."""
    differences = np.array([-1.21, -1.48, -1.21])
    both_S, others_AS = np.array([-0.4, 0.1, 0.3]), np.array([[0.9, -0.2, -0.7], [-1.1, 0.3, 0.8], [0.2, -0.1, -0.1]])
    wanted = 8 * 1.43 - np.var(differences) * 3 / 2  # squares in all, less the pair's own
    scale = np.sqrt(wanted / (np.sum(others_AS**2) + 6 / 5 * np.sum(both_S**2)))
    luck = 20 + np.array([1.0, -2.0, 0.5])
    arms = {"mrca": luck + scale * both_S + differences / 2, "equal_pool": luck + scale * both_S - differences / 2}
    arms |= {f"arm{number}": luck + scale * row for number, row in enumerate(others_AS)}
    return five_arms({arm: values.tolist() for arm, values in arms.items()})


def test_three_differences_that_happen_to_agree_do_not_contradict():
    [found] = judged(Gain("mrca", "equal_pool", ("AP",)), equal_pool_control()).evidence
    assert found.values == pytest.approx((-1.21, -1.48, -1.21))
    assert found.plain_high < 0  # alone they would contradict
    assert (found.mean, found.high - found.mean) == (pytest.approx(-1.30, abs=0.005), pytest.approx(2.25, abs=0.03))
    assert found.p_value == pytest.approx(0.21, abs=0.01)
    assert (found.verdict, found.degrees) == ("not resolved", 6)


def test_what_is_not_resolved_says_how_many_seeds_would_do():
    found = judged(Gain("mrca", "equal_pool", ("AP",)), equal_pool_control())
    [item] = found.evidence
    spread = (item.high - item.low) / 2 / stats.t.ppf(0.975, 6) * 3**0.5
    assert item.seeds_needed == seeds_needed(1.3, spread, 4)
    assert item.reason == f"positive in 0 of 3 seeds; about {item.seeds_needed} seeds would resolve what is seen"
    assert found.reason == f"0 of 1 tests hold; about {item.seeds_needed} seeds would resolve what is seen"


def test_the_papers_gain_is_held_against_our_noise_at_tier_paper_only():
    values = {("a", "small"): [28.0, 29.0, 28.3], ("b", "small"): [28.1, 28.2, 28.6]}
    printed = (target(29.70, "a"), target(28.20, "b"))
    [at_paper] = judged(Gain("a", "b", ("AP",)), report(values, tier="paper", targets=printed)).evidence
    [at_mini] = judged(Gain("a", "b", ("AP",)), report(values, targets=printed)).evidence
    assert re.search(r"about 1?\d seeds? the paper's \+1\.50$", at_paper.reason)
    assert at_mini.reason.endswith("would resolve what is seen")
    turned = (target(28.20, "a"), target(29.70, "b"))
    [against] = judged(Gain("a", "b", ("AP",)), report(values, tier="paper", targets=turned)).evidence
    assert "the paper's" not in against.reason


def test_a_difference_that_is_surely_too_small_to_matter_is_equivalent():
    values = {("a", "small"): [28.0, 29.00, 28.30], ("b", "small"): [28.1, 28.95, 28.30]}
    found = judged(Gain("a", "b", ("AP",)), report(values))
    assert (found.verdict, found.reason) == ("equivalent", "1 of 1 tests: no difference that would matter")
    assert found.evidence[0].reason == "positive in 1 of 3 seeds; the whole interval lies within ±0.50"
    small_gain = {("a", "small"): [28.2, 29.2, 28.31], ("b", "small"): [28.1, 29.1, 28.2]}
    assert judged(Gain("a", "b", ("AP",)), report(small_gain)).verdict == "holds"  # small, and surely there


PRINTED_CLOSE = ("mrca", "bsgal")
"""0.16 box and 0.25 mask AP apart on R50: less than what would matter, so "equivalent" is no refutation of that row."""


def test_what_would_matter_is_less_than_any_gain_that_a_claim_rests_on():
    for paper in PAPERS:
        units = {metric.id: metric.unit for metric in paper.metrics}
        printed = {(t.table, t.backbone, t.arm, t.metric): t.value for t in read_targets(paper.folder)}
        tables = {place[:2] for place in printed}
        gains = [
            (printed[*table, test.left, metric] - printed[*table, test.right, metric], units[metric])
            for claim in paper.claims
            for test in claim.tests
            if isinstance(test, Gain) and (test.left, test.right) != PRINTED_CLOSE
            for metric in test.metrics
            for table in tables
            if (*table, test.left, metric) in printed and (*table, test.right, metric) in printed
        ]
        assert len(gains) > 5
        assert all(gain > SMALLEST_INTERESTING[unit] for gain, unit in gains)


def test_a_claim_is_qualified_by_a_control_that_is_asked_beside_it():
    for paper in PAPERS:
        claims = {claim.id: claim for claim in paper.claims}
        for claim in paper.claims:
            assert not claim.qualified_by or claims[claim.qualified_by].control, claim.id
    assert {claim.id: claim.qualified_by for claim in MRCA.claims if claim.qualified_by}["C2"] == "K1"


# --- MRCA's own list


def test_targets_are_the_88_printed_values_in_their_order():
    targets = read_targets(MRCA.folder)
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
        (
            known.table,
            known.arm_title.removesuffix(" (stand-in)"),
            known.backbone_title,
            known.metric,
            f"{known.value:.{known.decimals}f}",
        )
        for known in read_targets(MRCA.folder)
    ]
    assert ours == printed


def test_printed_averages_follow_from_the_printed_groups():
    """On LVIS v1 val, AP = 0.1727 APr + 0.4344 APc + 0.3929 APf within rounding; a typing mistake would break it."""
    value = {(known.table, known.arm, known.metric): known.value for known in read_targets(MRCA.folder)}
    for table, arm, metric in value:
        if metric in ("AP_box", "AP_mask"):
            rare, common, frequent = (value[table, arm, metric.replace("AP_", f"AP{group}_")] for group in "rcf")
            expected = 0.1727 * rare + 0.4344 * common + 0.3929 * frequent
            assert value[table, arm, metric] == pytest.approx(expected, abs=0.02)
