"""Claims of the SAM filter: what the tests say of made-up gains, the correlation over few points, targets and the ledger."""

import csv
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.records import ClaimOutcome, Report, ScatterPoint
from reproductions.sam_filter.arms import ARMS
from reproductions.sam_filter.claims import (
    CLAIMS,
    METRICS,
    OWN_DATA_CLAIMS,
    PILOT,
)
from reproductions.sam_filter.paper import PAPER
from reproductions.study.ledger import read_ledger
from reproductions.study.targets import read_lost_targets, read_targets
from reproductions.verdicts.claims import Claim, judge_claim
from reproductions.verdicts.correlation import Correlated, correlate, pearson
from reproductions.verdicts.differences import Gain, GainOverAll, NoGain
from reproductions.verdicts.verdict import judge
from tests.unit.bare_reports import bare_report
from tests.unit.report_synthetic_sam_filter import LEVELS, synthetic_filter_report, synthetic_own_report

CORRELATED = Correlated(PILOT, "quality", "outcome")


def report(
    values: dict[str, list[float]] | None = None, points: list[list[tuple[float, float]]] | None = None
) -> Report:
    """Records with values by arm and seed, and points by seed and variant."""
    scattered = tuple(
        ScatterPoint(scatter=PILOT, variant=f"v{number}", backbone="small", seed=seed, x=x, y=y)
        for seed, known in enumerate(points or [])
        for number, (x, y) in enumerate(known)
    )
    return bare_report(METRICS, "miou", values or {}, points=scattered)


def judged(test, of: Report) -> ClaimOutcome:
    return judge_claim(Claim(id="X", wording="w", source="s", tests=(test,)), of)


# --- correlation


def test_a_hand_computed_correlation():
    assert pearson([1, 2, 3], [2, 4, 7]) == pytest.approx(5 / (2 * 38 / 3) ** 0.5)
    assert pearson([1, 1, 1], [2, 4, 7]) == 0


@pytest.mark.parametrize("coefficient", ["Pearson", "Spearman"])
def test_correlation_equals_scipy_and_the_test_counts_every_order(coefficient):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=6), rng.normal(size=6)
    official = stats.pearsonr if coefficient == "Pearson" else stats.spearmanr
    found = correlate(list(zip(x, y, strict=True)), coefficient)
    assert found.value == pytest.approx(official(x, y)[0])
    without = [official(np.delete(x, i), np.delete(y, i))[0] for i in range(6)]
    assert found.leave_one_out == pytest.approx((min(without), max(without)))
    orders = np.array([official(x, y[list(order)])[0] for order in itertools.permutations(range(6))])
    assert found.p_above == pytest.approx(np.mean(orders >= found.value - 1e-9))
    assert found.p_below == pytest.approx(np.mean(orders <= found.value + 1e-9))
    assert found.p_value == pytest.approx(2 * min(found.p_above, found.p_below))


def test_perfect_order_of_eight_has_the_least_p_there_is():
    points = [(float(i), 2.0 * i) for i in range(8)]
    assert correlate(points, "Spearman").p_value == pytest.approx(2 / 40320)
    assert correlate(points, "Pearson").value == pytest.approx(1)


def test_more_than_eight_points_are_tested_on_a_fixed_sample_of_orders():
    points = [(float(i), float(i)) for i in range(12)]
    first, second = correlate(points, "Pearson"), correlate(points, "Pearson")
    assert first == second
    assert 0 < first.p_value < 0.001


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=6), st.randoms())
def test_correlation_is_bounded_and_does_not_depend_on_the_order_of_points(points, random):
    found = correlate(points, "Spearman")
    shuffled = list(points)
    random.shuffle(shuffled)
    assert -1 - 1e-9 <= found.leave_one_out[0] <= found.leave_one_out[1] <= 1 + 1e-9
    assert 0 < found.p_value <= 1
    assert correlate(shuffled, "Spearman").value == pytest.approx(found.value)
    assert correlate([(x, -y) for x, y in points], "Spearman").value == pytest.approx(-found.value)


@pytest.mark.parametrize("points", [[(0, 0), (1, 1)], [(0, 0), (1, 1), (2, float("nan"))]])
def test_too_few_points_or_none_that_are_finite_are_refused(points):
    with pytest.raises(ValueError, match="at least three finite points"):
        correlate(points, "Pearson")


def line(sign: float, seed: int) -> list[tuple[float, float]]:
    jitter = np.random.default_rng(seed).normal(0, 0.2, 8)
    return [(float(i), sign * i + float(jitter[i])) for i in range(8)]


def test_correlation_holds_on_a_line_and_is_contradicted_on_a_falling_one():
    rising = judged(CORRELATED, report(points=[line(1, seed) for seed in range(3)]))
    falling = judged(CORRELATED, report(points=[line(-1, seed) for seed in range(3)]))
    assert (rising.verdict, falling.verdict) == ("holds", "contradicted")
    assert [item.label.split("'")[0] for item in rising.evidence] == ["Pearson", "Spearman"]
    assert all(len(item.values) == 3 and item.leave_one_out[0] > 0 for item in rising.evidence)


def test_one_point_cannot_make_a_correlation():
    cloud = [(0.0, 0.0), (0.1, -0.1), (0.2, 0.1), (-0.1, 0.1), (0.15, -0.15), (-0.2, 0.05), (0.05, 0.15), (9.0, 9.0)]
    found = judged(CORRELATED, report(points=[cloud, cloud, cloud]))
    assert found.evidence[0].mean > 0.99
    assert found.evidence[0].reason == "its sign depends on a single variant"
    assert found.verdict == "not resolved"


def test_a_correlation_is_of_the_means_over_seeds():
    seeds = [line(1, seed) for seed in range(3)]
    means = np.mean(seeds, axis=0)
    found = judged(CORRELATED, report(points=seeds)).evidence[0]
    assert found.mean == pytest.approx(stats.pearsonr(means[:, 0], means[:, 1])[0])
    assert found.values == pytest.approx([stats.pearsonr(*zip(*seed, strict=True))[0] for seed in seeds])


def test_one_seed_or_few_variants_decide_nothing():
    assert judged(CORRELATED, report(points=[line(1, 0)])).verdict == "not resolved"
    assert judged(CORRELATED, report(points=[line(1, seed)[:4] for seed in range(3)])).verdict == "not run"
    assert judged(CORRELATED, report()).verdict == "not run"


# --- new kinds of differences


LEAD = GainOverAll("real", ("a", "b", "absent"), "miou", "arms")


def test_a_lead_is_over_each_arm_and_shows_the_one_that_comes_closest():
    [found] = judged(LEAD, report({"real": [10, 10, 10.1], "a": [5, 8, 5], "b": [7, 6, 7.5]})).evidence
    assert found.values == pytest.approx((3, 4, 2.6))
    assert (found.right, found.rivals) == ("b", 2)
    assert found.label == "real − b, the best of 2 arms, mIoU"
    assert (found.verdict, found.reason) == ("holds", "ahead of 2 of 2 by the whole interval")


def test_a_lead_needs_the_whole_interval_over_every_arm():
    [found] = judged(LEAD, report({"real": [10, 10, 10.1], "a": [5], "b": [7, 6, 7.5]})).evidence  # one seed of a
    assert (found.verdict, found.reason) == ("not resolved", "ahead of 1 of 2 by the whole interval")
    [found] = judged(LEAD, report({"real": [10, 10, 10.1], "a": [2, 14, 4], "b": [7, 6, 7.5]})).evidence
    assert found.verdict == "not resolved"


def test_a_lead_is_contradicted_by_one_arm_only_after_correction_for_all():
    arms = {f"arm{number}": [10.0, 10.3, 9.8] for number in range(12)}
    test = GainOverAll("real", ("a", *arms), "miou", "arms")
    spread = {
        name: [value + 0.3 * (i % 3 - 1) * (j - 1) for j, value in enumerate(known)]
        for i, (name, known) in enumerate(arms.items())
    }
    slight = report({"real": [9.4, 9.7, 9.3], "a": [10.0, 10.2, 9.9], **spread})
    clear = report({"real": [4.4, 4.7, 4.3], "a": [10.0, 10.2, 9.9], **spread})
    [alone] = judged(GainOverAll("real", ("a",), "miou", "arms"), slight).evidence
    [among] = judged(test, slight).evidence
    assert alone.verdict == "contradicted"
    assert among.verdict == "not resolved"
    assert among.reason.endswith("the best one lies ahead, but not after correction for 13 arms")
    assert judged(test, clear).verdict == "contradicted"


def test_real_data_below_a_synthetic_arm_is_contradicted_and_without_synthetic_arms_not_run():
    below = report({"real": [5, 5.1, 5], "a": [7, 7, 7.1], "b": [1, 1, 1]})
    assert judged(LEAD, below).verdict == "contradicted"
    assert judged(LEAD, report({"real": [5, 5.1, 5]})).verdict == "not run"


@pytest.mark.parametrize(
    ("left", "verdict"),
    [
        ([10.1, 9.9, 10.0], "holds"),
        ([5.0, 5.1, 4.9], "holds"),
        ([13.0, 13.1, 12.9], "contradicted"),
        ([10.2, 11.4, 11.0], "not resolved"),
    ],
)
def test_no_gain_asks_for_the_interval_below_a_margin(left, verdict):
    assert judged(NoGain("l", "r", "miou", 1.0), report({"l": left, "r": [10, 10, 10]})).verdict == verdict


# --- the paper's claims


def verdicts(of: Report) -> dict[str, str]:
    return {claim.id: claim.verdict for claim in of.claims}


def test_claims_on_made_up_gains():
    found = verdicts(synthetic_filter_report(noise=0.1))
    for claim in ("C1", "C2", "C3", "C4", "C6", "C7", "C8", "C9", "C10", "K1", "K2", "K3", "K4", "K6", "K8", "K9"):
        assert found[claim] == "holds", claim
    assert found["K7"] == "contradicted"  # the made-up ImageNet arm lies above


def test_claims_on_arms_that_do_not_differ():
    made = synthetic_filter_report()
    flat = tuple(
        result.model_copy(update={"metrics": {"miou": result.metrics["miou"] - LEVELS[result.arm] + 40}})
        for result in made.results
    )
    found = verdicts(judge(made.model_copy(update={"results": flat}), CLAIMS))
    assert [claim for claim in found if found[claim] == "holds" and claim not in ("C8", "C10")] == []


def test_every_arm_of_a_claim_is_an_arm_and_every_paper_arm_has_a_claim():
    named = set()
    for claim in CLAIMS:
        for test in claim.tests:
            if isinstance(test, Gain | NoGain):
                named |= {test.left, test.right}
            elif isinstance(test, GainOverAll):
                named |= {test.left, *test.rights}
    assert named == {arm.id for arm in ARMS if arm.row}


def test_own_data_claims():
    found = verdicts(synthetic_own_report())
    assert found == dict.fromkeys([claim.id for claim in OWN_DATA_CLAIMS], "holds")


# --- printed numbers


def test_targets_are_the_specifications_numbers(shared):
    printed, lost = [], []
    for table in ("table1_filtering", "table2_contour", "table3_noise"):
        with (shared / "papers" / "sam_filter" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                bounds = tuple(float(row[name]) if row[name] else None for name in ("value_low", "value_high"))
                known = (f"Table {row['table']}", int(row["n_data"]), int(row["iters"]), row["certainty"])
                if row["value"]:
                    printed.append((*known, float(row["value"]), *bounds))
                else:
                    lost.append((known[:3], bounds[0]))
    ours = [(t.table, t.objects, t.iterations, t.certainty, t.value, t.low, t.high) for t in read_targets(PAPER.folder)]
    assert ours == printed
    assert [((t.table, t.objects, t.iterations), t.low) for t in read_lost_targets(PAPER.folder)] == lost


def test_decimals_are_as_printed():
    assert [t.decimals for t in read_targets(PAPER.folder) if t.certainty == "inferred"] == [2, 1]
    assert {t.decimals for t in read_targets(PAPER.folder) if t.certainty == "certain"} == {2}


# --- the ledger


def test_ledger_ids_run_and_every_mark_and_arm_is_known():
    ledger = read_ledger(PAPER.folder, ARMS)
    assert [item.id for item in ledger] == [f"D{number}" for number in range(1, len(ledger) + 1)]
    known = {part.split()[0] for part in PAPER.style.marks.rstrip(".").split(", ")}
    assert {item.mark for item in ledger} <= known
    assert {arm for item in ledger for arm in item.arms} <= {arm.id for arm in ARMS}


def test_the_number_for_real_data_is_not_compared_at_tier_paper():
    made = synthetic_filter_report(tier="paper")
    reasons = {outcome.arm: outcome.reason for outcome in made.outcomes if outcome.verdict == "not comparable"}
    assert reasons == {"sbd": "deviation D14"}
