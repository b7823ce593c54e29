"""How often verdicts are wrong where nothing differs, and how often right where something does; ``docs/verdicts.md`` prints the same rates.

The rules are written here once more, over many draws at once, and held against :func:`judge_claim` on whole reports; the rates then come
from that. Run with ``-s`` to see them. Shape legend: D draws, A arms, S seeds, V the values that were not missed, R rounds.
"""

import itertools
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.records import (
    Arm,
    Backbone,
    ClaimOutcome,
    Metric,
    Provenance,
    Report,
    Result,
    Run,
    ScatterPoint,
    SeriesPoint,
)
from reproductions.mrca.claims import CLAIMS as MRCA_CLAIMS
from reproductions.mrca.claims import METRICS as MRCA_METRICS
from reproductions.sam_filter.claims import CLAIMS as FILTER_CLAIMS
from reproductions.sam_filter.claims import METRICS as FILTER_METRICS
from reproductions.verdicts.claims import Claim, judge_claim
from reproductions.verdicts.correlation import Correlated
from reproductions.verdicts.differences import Gain, GainOverAll, NoGain
from reproductions.verdicts.trends import Falling, Level, RisesFaster, Rising
from reproductions.verdicts.variance import one_more_run
from reproductions.verdicts.verdict import judge

PAGE = Path(__file__).resolve().parents[2] / "docs" / "verdicts.md"
NOMINAL = 0.025
"""Of each side."""
Rates = tuple[float, float]
"""Shares of "holds" and of "contradicted"."""


# --- the rules once more, over many draws -------------------------------------------------------------------------


def draw(
    seed: int, draws: int, arms: int, seeds: int, spread_A: Iterable[float] | None = None, luck: float = 2.0
) -> np.ndarray:
    """Values of arms that do not differ in truth, [D, A, S]: what a seed does to all arms, and noise."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(draws, arms, seeds)) * (1.0 if spread_A is None else np.array(list(spread_A))[:, None])
    return noise + luck * rng.normal(size=(draws, 1, seeds))


def residual_squares(value_DAS: np.ndarray, there_AS: np.ndarray) -> tuple[np.ndarray, int]:
    """Squares that arm and seed do not explain, of the values that are there: [D], and degrees of freedom."""
    arm_V, seed_V = np.nonzero(there_AS)
    design_VP = np.hstack([np.eye(there_AS.shape[0])[arm_V], np.eye(there_AS.shape[1])[seed_V]])
    rest_VV = np.eye(len(arm_V)) - design_VP @ np.linalg.pinv(design_VP)
    return np.sum((value_DAS[:, arm_V, seed_V] @ rest_VV) ** 2, axis=1), len(arm_V) - int(
        np.linalg.matrix_rank(design_VP)
    )


def tails(value_DAS: np.ndarray, left: int, right: int, there_AS: np.ndarray | None = None, bound: float = 0.0):
    """One-sided p-values that left minus right lies above the bound and below it: [D], [D]."""
    there_AS = np.ones(value_DAS.shape[1:], bool) if there_AS is None else there_AS
    shared = np.flatnonzero(there_AS[left] & there_AS[right])
    apart_DS = value_DAS[:, left, shared] - value_DAS[:, right, shared]
    own_D, own_df = apart_DS.var(axis=1, ddof=1), len(shared) - 1
    squares_D, df = residual_squares(value_DAS, there_AS)
    others_df = df - own_df
    weight = min(4, others_df)
    others_D = 2 * (squares_D - own_D * own_df / 2) / max(others_df, 1)
    variance_D = np.maximum(own_D, (own_df * own_D + weight * others_D) / (own_df + weight))
    t_D = (apart_DS.mean(axis=1) - bound) / np.sqrt(variance_D / len(shared))
    return stats.t.sf(t_D, own_df + weight), stats.t.cdf(t_D, own_df + weight)


def claim_rates(above: list[np.ndarray], below: list[np.ndarray]) -> Rates:
    """A claim of several tests: all must hold, one contradicts after correction for their number."""
    holds_D = np.all([p <= NOMINAL for p in above], axis=0)
    against_D = np.min(below, axis=0) * len(below) <= NOMINAL
    return float(holds_D.mean()), float((against_D & ~holds_D).mean())


def gain_rates(value_DAS: np.ndarray, pairs: Iterable[tuple[int, int]], there_AS: np.ndarray | None = None) -> Rates:
    above, below = zip(*(tails(value_DAS, *pair, there_AS) for pair in pairs), strict=True)
    return claim_rates(list(above), list(below))


def correlated_metrics(seed: int, draws: int, seeds: int, metrics: int) -> list[np.ndarray]:
    """Metrics of five arms with correlation 0.9: one array [D, A, S] a metric."""
    common_DAS = draw(seed, draws, 5, seeds, luck=0.0)
    own = (draw(seed + number, draws, 5, seeds, luck=0.0) for number in range(1, metrics + 1))
    return [np.sqrt(0.9) * common_DAS + np.sqrt(0.1) * alone_DAS for alone_DAS in own]


def changes(seed: int, draws: int, seeds: int, scatter: float, slopes: float, rounds: int = 6):
    """Series without a trend in truth: fitted changes [D, S], and variance of one that the scatter implies [D]."""
    rng = np.random.default_rng(seed)
    time_R = np.arange(rounds) - (rounds - 1) / 2
    value_DSR = scatter * rng.normal(size=(draws, seeds, rounds)) + slopes * rng.normal(size=(draws, seeds, 1)) * time_R
    rise_DS = value_DSR @ time_R / (time_R @ time_R)
    left_DSR = value_DSR - value_DSR.mean(-1, keepdims=True) - rise_DS[..., None] * time_R
    reach = rounds - 1
    variance_D = np.sum(left_DSR**2, axis=(1, 2)) / (seeds * (rounds - 2)) * reach**2 / (time_R @ time_R)
    return rise_DS * reach, variance_D


def trend_tails(change_DS: np.ndarray, scatter_D: np.ndarray, bound: float):
    seeds = change_DS.shape[1]
    error_D = np.sqrt(np.maximum(change_DS.var(axis=1, ddof=1), scatter_D) / seeds)
    t_D = (change_DS.mean(axis=1) - bound) / error_D
    return stats.t.sf(t_D, seeds - 1), stats.t.cdf(t_D, seeds - 1)


def spread_evenly(arms: int) -> np.ndarray:
    """Standard deviations of arms whose variances are spread evenly over a factor of four."""
    return 4 ** (np.arange(arms) / (arms - 1) / 2)


def coefficient(x_DV: np.ndarray, y_DV: np.ndarray) -> np.ndarray:
    x_DV, y_DV = (value - value.mean(-1, keepdims=True) for value in (x_DV, y_DV))
    return np.sum(x_DV * y_DV, -1) / np.sqrt(np.sum(x_DV**2, -1) * np.sum(y_DV**2, -1))


def ranks(value_DV: np.ndarray) -> np.ndarray:
    return value_DV.argsort(-1).argsort(-1).astype(np.float64)


def correlation_tails(point_DVC: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Permutation p-values to both sides of Pearson's and Spearman's coefficient, 1 where one point makes the sign; here V variants."""
    x_DV, y_DV = point_DVC[..., 0], point_DVC[..., 1]
    num = x_DV.shape[1]
    orders_OV = np.array(list(itertools.permutations(range(num))))
    above, below = [], []
    for prepare in (lambda value_DV: value_DV, ranks):
        left_DV, right_DV = prepare(x_DV), prepare(y_DV)
        all_DO = coefficient(left_DV[:, None], right_DV[:, orders_OV])
        seen_D = coefficient(left_DV, right_DV)
        kept = [np.delete(np.arange(num), place) for place in range(num)]
        without_ND = np.array([coefficient(prepare(x_DV[:, keep]), prepare(y_DV[:, keep])) for keep in kept])
        above.append(np.where(without_ND.min(0) > 0, np.mean(all_DO >= seen_D[:, None] - 1e-9, 1), 1.0))
        below.append(np.where(without_ND.max(0) < 0, np.mean(all_DO <= seen_D[:, None] + 1e-9, 1), 1.0))
    return above, below


def one_more(value_DAS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Range of one more run of the first arm: [D], [D]."""
    num_arms, seeds = value_DAS.shape[1:]
    variance_DA = value_DAS.var(axis=2, ddof=1)
    pooled_D, between_D = variance_DA.mean(1), value_DAS.mean(1).var(axis=1, ddof=1)
    degrees_D = pooled_D**2 / ((between_D**2 + (pooled_D - between_D) ** 2 / (num_arms - 1)) / (seeds - 1))
    weight_D = np.clip((degrees_D - (seeds - 1)) / 2, 0, seeds - 1)
    own_D, others_D = variance_DA[:, 0], variance_DA[:, 1:].mean(1)
    variance_D = np.maximum(own_D, ((seeds - 1) * own_D + weight_D * others_D) / (seeds - 1 + weight_D))
    half_D = stats.t.ppf(0.975, seeds - 1 + weight_D) * np.sqrt(variance_D * (1 + 1 / seeds))
    return value_DAS[:, 0].mean(1) - half_D, value_DAS[:, 0].mean(1) + half_D


# --- the rates ------------------------------------------------------------------------------------------------------

DRAWS = 20_000


def _gain(arms: int, seeds: int) -> Rates:
    return gain_rates(draw(arms + seeds, DRAWS, arms, seeds), [(0, 1)])


def _two_arms() -> Rates:
    return gain_rates(draw(1, DRAWS, 2, 3), [(0, 1)])


def _four_metrics(seeds: int) -> Rates:
    metrics = correlated_metrics(20, DRAWS, seeds, 4)
    above, below = zip(*(tails(value_DAS, 0, 1) for value_DAS in metrics), strict=True)
    return claim_rates(list(above), list(below))


def _three_pairs() -> Rates:
    return gain_rates(draw(30, DRAWS, 23, 3), [(0, 1), (2, 3), (4, 5)])


def _lead(seeds: int) -> Rates:
    return gain_rates(draw(40, DRAWS, 23, seeds), [(0, right) for right in range(1, 14)])


def _no_gain() -> Rates:
    """At the margin itself, where "holds" and "contradicted" are equally wrong."""
    value_DAS = draw(50, DRAWS, 23, 3)
    value_DAS[:, 0] += 1.0
    above_D, below_D = tails(value_DAS, 0, 1, bound=1.0)
    return claim_rates([below_D], [above_D])


def _rising(slopes: float) -> Rates:
    above_D, below_D = trend_tails(*changes(60, DRAWS, 3, 0.05, slopes), 0.0)
    return claim_rates([above_D], [below_D])


def _level() -> Rates:
    """At the edge of the band itself."""
    edge = 0.2
    change_DS, scatter_D = changes(70, DRAWS, 3, 0.05, 0.01)
    (over_D, under_D), (least_D, _) = (trend_tails(change_DS + edge, scatter_D, bound) for bound in (edge, -edge))
    below_least_D = 1 - least_D
    holds_D = (under_D <= NOMINAL) & (least_D <= NOMINAL)
    against_D = 2 * np.minimum(over_D, below_least_D) <= NOMINAL
    return float(holds_D.mean()), float(against_D.mean())


def _missing(place: tuple[int, int]) -> Rates:
    there_AS = np.ones((5, 3), bool)
    there_AS[place] = False
    return gain_rates(draw(80, DRAWS, 5, 3), [(0, 1)], there_AS)


def _evenly(arms: int) -> Rates:
    """Over all pairs of arms whose variances differ by up to a factor of four."""
    value_DAS = draw(90 + arms, DRAWS // 2, arms, 3, spread_evenly(arms))
    pairs = [(0, arms - 1), (arms // 2, arms - 1), (0, arms // 2), (1, arms - 2)]
    found = [gain_rates(value_DAS, [pair]) for pair in pairs]
    return float(np.mean([rate[0] for rate in found])), float(np.mean([rate[1] for rate in found]))


def _worst_pair(arms: int) -> Rates:
    """Both arms have four times the variance of every other."""
    return gain_rates(draw(95 + arms, DRAWS, arms, 3, [2.0, 2.0] + [1.0] * (arms - 2)), [(0, 1)])


def _correlated() -> Rates:
    """Variants without any relation; six, so that all orders are quick to try."""
    above, below = correlation_tails(np.random.default_rng(100).normal(size=(DRAWS // 4, 6, 2)))
    return claim_rates(above, below)


CASES: dict[str, Callable[[], Rates]] = {
    "gain, 5 arms, 3 seeds": lambda: _gain(5, 3),
    "gain, 5 arms, 5 seeds": lambda: _gain(5, 5),
    "gain, 23 arms, 3 seeds": lambda: _gain(23, 3),
    "gain, 23 arms, 5 seeds": lambda: _gain(23, 5),
    "gain, 2 arms alone, 3 seeds": _two_arms,
    "gain on 4 metrics, 5 arms, 3 seeds": lambda: _four_metrics(3),
    "gain on 4 metrics, 5 arms, 5 seeds": lambda: _four_metrics(5),
    "gain of 3 pairs, 23 arms, 3 seeds": _three_pairs,
    "lead over 13 of 23 arms, 3 seeds": lambda: _lead(3),
    "lead over 13 of 23 arms, 5 seeds": lambda: _lead(5),
    "no gain, true gain at the margin": _no_gain,
    "rising, or rising faster; seeds alike": lambda: _rising(0.0),
    "rising, or rising faster; seeds unlike": lambda: _rising(0.02),
    "level, true change at the edge": _level,
    "correlated": _correlated,
    "gain, a seed of the left arm missing": lambda: _missing((0, 2)),
    "gain, a seed of another arm missing": lambda: _missing((3, 1)),
    "gain, variances even over a factor 4, 5 arms": lambda: _evenly(5),
    "gain, variances even over a factor 4, 23 arms": lambda: _evenly(23),
}
"""Where nothing differs: each side at most ``NOMINAL``."""
UNFAIR: dict[str, tuple[Callable[[], Rates], float]] = {
    "gain, the pair 4 times as variable, 5 arms": (lambda: _worst_pair(5), 0.045),
    "gain, the pair 4 times as variable, 23 arms": (lambda: _worst_pair(23), 0.05),
}
"""Where the model is wrong on purpose, and what is allowed."""


def allowed(rate: float, draws: int) -> float:
    """A rate and four standard deviations of what so many draws show of it."""
    return rate + 4 * float(np.sqrt(rate * (1 - rate) / draws))


def _draws(name: str) -> int:
    return DRAWS // 4 if name == "correlated" else DRAWS


@pytest.mark.parametrize("name", CASES)
def test_where_nothing_differs_each_side_is_decided_as_often_as_stated_at_most(name):
    holds, contradicted = CASES[name]()
    print(f"{name}: holds {100 * holds:.2f} %, contradicted {100 * contradicted:.2f} %")
    assert max(holds, contradicted) <= allowed(NOMINAL, _draws(name))
    on_page(name, holds, contradicted)


@pytest.mark.parametrize("name", UNFAIR)
def test_a_pair_unlike_all_others_inflates_the_rates_by_no_more_than_stated(name):
    simulate, bound = UNFAIR[name]
    holds, contradicted = simulate()
    print(f"{name}: holds {100 * holds:.2f} %, contradicted {100 * contradicted:.2f} %")
    assert max(holds, contradicted) <= bound
    on_page(name, holds, contradicted)


@cache
def page_rows() -> dict[str, list[float]]:
    """Rows of the page's tables of percentages, by their first cell."""
    rows = re.findall(r"^\| ([^|]+?) \|((?: [\d.]+ % \|)+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: [float(number) / 100 for number in re.findall(r"[\d.]+", cells)] for name, cells in rows}


def on_page(name: str, *rates: float) -> None:
    """The page prints these rates, within its rounding and what chance may do to the draws."""
    assert page_rows()[name] == pytest.approx(rates, abs=0.0006 + 4 * (0.025 / _draws(name)) ** 0.5 * 0.25), name


def test_the_page_prints_no_other_rates():
    assert set(page_rows()) == {*CASES, *UNFAIR, *POWER, *PRINTED}


# --- what is found --------------------------------------------------------------------------------------------------


def _found(arms: int, seeds: int, effect: float) -> Rates:
    """A gain in standard deviations of one run's noise: by the rule, and by the pair's own seeds."""
    value_DAS = draw(200 + arms + seeds, DRAWS, arms, seeds)
    value_DAS[:, 0] += effect
    return gain_rates(value_DAS, [(0, 1)])[0], gain_rates(value_DAS[:, :2], [(0, 1)])[0]


def _found_rise(effect: float) -> Rates:
    """A change in standard deviations of one seed's fitted change, of which half of the variance lies between seeds."""
    change_DS, scatter_D = changes(250, DRAWS, 3, 0.05, 0.05 / np.sqrt(17.5))
    moved_DS = change_DS + effect * change_DS.std()
    (found_D, _), (alone_D, _) = (trend_tails(moved_DS, least_D, 0.0) for least_D in (scatter_D, 0 * scatter_D))
    return float(np.mean(found_D <= NOMINAL)), float(np.mean(alone_D <= NOMINAL))


POWER: dict[str, Callable[[], Rates]] = {
    "gain of 1 sigma, 5 arms, 3 seeds": lambda: _found(5, 3, 1.0),
    "gain of 2 sigma, 5 arms, 3 seeds": lambda: _found(5, 3, 2.0),
    "gain of 3 sigma, 5 arms, 3 seeds": lambda: _found(5, 3, 3.0),
    "gain of 3 sigma, 23 arms, 3 seeds": lambda: _found(23, 3, 3.0),
    "gain of 2 sigma, 5 arms, 5 seeds": lambda: _found(5, 5, 2.0),
    "rise of 3 sigma, 3 seeds": lambda: _found_rise(3.0),
}


@pytest.mark.parametrize("name", POWER)
def test_power_is_as_printed_beside_that_of_the_seeds_alone(name):
    found, alone = POWER[name]()
    print(f"{name}: found {100 * found:.1f} %, by these seeds alone {100 * alone:.1f} %")
    assert (found > alone) == name.startswith("gain")  # a trend has no other arms to learn from, and is held back
    assert page_rows()[name] == pytest.approx((found, alone), abs=0.015)


# --- printed numbers ------------------------------------------------------------------------------------------------

PRINTED = {
    "printed number, 5 arms, 3 seeds, no luck of seeds": (5, 3, 0.0, 1.0),
    "printed number, 5 arms, 3 seeds, half of the variance luck": (5, 3, 1.0, 1.0),
    "printed number, 23 arms, 3 seeds, nine tenths luck": (23, 3, 3.0, 1.0),
    "printed number, 5 arms, 5 seeds, half of the variance luck": (5, 5, 1.0, 1.0),
    "printed number, 23 arms, 3 seeds, the arm 4 times as variable": (23, 3, 0.0, 2.0),
}
"""Arms, seeds, standard deviation of what a seed does to all arms, and of the arm's own noise (1 for the others)."""


@pytest.mark.parametrize("name", PRINTED)
def test_a_faithful_single_run_is_called_below_or_above_about_as_often_as_stated(name):
    arms, seeds, luck, own = PRINTED[name]
    low_D, high_D = one_more(draw(300 + arms, DRAWS, arms, seeds, [own] + [1.0] * (arms - 1), luck))
    single_D = np.random.default_rng(301).normal(size=DRAWS) * np.hypot(luck, own)
    outside = float(np.mean((single_D < low_D) | (single_D > high_D)))
    print(f"{name}: below or above {100 * outside:.1f} %")
    assert outside <= (0.0625 if own == 1 else 0.08)
    assert page_rows()[name] == pytest.approx([outside], abs=0.007)


# --- the rules above are those of the reports -----------------------------------------------------------------------


def report(metrics: Iterable[Metric], values: dict[str, np.ndarray], **more: object) -> Report:
    """Records of arms a0, a1, ... with values [A, S] by metric; NaN where a seed is missing."""
    arms, seeds = next(iter(values.values())).shape if values else (1, 3)
    made = Report(
        run=Run(
            paper_id="p",
            paper_title="P",
            tier="mini",
            data="d",
            seeds=tuple(range(seeds)),
            command="c",
            provenance=Provenance(commit="0"),
        ),
        arms=tuple(Arm(id=f"a{arm}", title=f"A{arm}") for arm in range(arms)),
        backbones=(Backbone(id="b", title="B"),),
        metrics=tuple(metrics),
        results=tuple(
            Result(
                arm=f"a{arm}",
                backbone="b",
                seed=seed,
                metrics={name: float(value_AS[arm, seed]) for name, value_AS in values.items()},
                cells=(),
            )
            for arm in range(arms if values else 0)
            for seed in range(seeds)
            if not any(np.isnan(value_AS[arm, seed]) for value_AS in values.values())
        ),
    )
    return made.model_copy(update=more)


def scatter(value_SVC: np.ndarray) -> Report:
    """Records of a study over variants: seeds, variants, x and y."""
    points = tuple(
        ScatterPoint(scatter="s", variant=f"v{variant}", backbone="b", seed=seed, x=x, y=y)
        for seed, known in enumerate(value_SVC.tolist())
        for variant, (x, y) in enumerate(known)
    )
    return report([], {}, points=points)


def series(value_SR: np.ndarray, name: str = "e") -> tuple[SeriesPoint, ...]:
    return tuple(
        SeriesPoint(series=name, arm="a0", backbone="b", seed=seed, round=number, value=value)
        for seed, known in enumerate(value_SR.tolist())
        for number, value in enumerate(known, start=1)
    )


MIOU = Metric(id="m", title="M", unit="none")


def judged(test, of: Report) -> ClaimOutcome:
    return judge_claim(Claim("C", "w", "s", (test,) if not isinstance(test, tuple) else test), of)


def word(holds: bool, contradicted: bool) -> str:
    return "holds" if holds else "contradicted" if contradicted else "not resolved"


@pytest.mark.parametrize("missing", [None, (0, 2), (3, 1)])
def test_gains_and_leads_are_judged_by_these_rules(missing):
    value_DAS = draw(400, 60, 5, 4, spread_evenly(5))
    value_DAS[:, 0] += np.linspace(-9, 9, 60)[:, None]
    there_AS = np.ones((5, 4), bool)
    if missing is not None:
        there_AS[missing] = False
    found = {right: tails(value_DAS, 0, right, there_AS) for right in range(1, 5)}
    below_margin = tails(value_DAS, 0, 1, there_AS, bound=1.0)
    seen = set()
    for number, value_AS in enumerate(value_DAS):
        of = report([MIOU], {"m": np.where(there_AS, value_AS, np.nan)})
        above, below = ([found[right][side][number] for right in range(1, 5)] for side in (0, 1))
        rule = word(max(above) <= NOMINAL, min(below) * 4 <= NOMINAL)
        several = tuple(Gain("a0", f"a{right}", ("m",)) for right in range(1, 5))
        assert judged(several, of).verdict == rule
        assert judged(GainOverAll("a0", ("a1", "a2", "a3", "a4"), "m", "arms"), of).verdict == rule
        assert judged(several[0], of).verdict == word(above[0] <= NOMINAL, below[0] <= NOMINAL)
        over, under = (side[number] for side in below_margin)
        assert judged(NoGain("a0", "a1", "m", 1.0), of).verdict == word(under <= NOMINAL, over <= NOMINAL)
        seen.add(rule)
    assert seen == {"holds", "contradicted", "not resolved"}


def test_trends_are_judged_by_these_rules():
    rng = np.random.default_rng(410)
    seen = set()
    for number in range(60):
        value_SR = 2 + 0.05 * rng.normal(size=(3, 6)) + (number - 30) / 300 * np.arange(6)
        fits = [np.polyfit(np.arange(6), line, 1, full=True) for line in value_SR]
        change_DS = np.array([[5 * fit[0][0] for fit in fits]])
        scatter_D = np.array([np.sum([fit[1] for fit in fits]) / 12 * 25 / 17.5])
        above, below = (side[0] for side in trend_tails(change_DS, scatter_D, 0.0))
        rule = word(above <= NOMINAL, below <= NOMINAL)
        of = report([], {}, series=series(value_SR) + series(np.ones((3, 6)), "flat"))
        assert judged(Rising("e", "e", "a0", "nats"), of).verdict == rule
        falls = word(below <= NOMINAL, above <= NOMINAL)
        assert judged(Falling("e", "e", "a0", "nats"), of).verdict == falls
        assert judged(RisesFaster("e", "e", "flat", "f", "a0", "nats"), of).verdict == rule
        edge = 0.1 * value_SR.mean()
        over, under = (side[0] for side in trend_tails(change_DS, scatter_D, edge))
        above_least, below_least = (side[0] for side in trend_tails(change_DS, scatter_D, -edge))
        within = under <= NOMINAL and above_least <= NOMINAL
        level = word(within, 2 * min(over, below_least) <= NOMINAL)
        assert judged(Level("e", "e", "a0", "nats", 0.1), of).verdict == level
        seen |= {rule, level}
    assert seen == {"holds", "contradicted", "not resolved"}


def test_correlations_are_judged_by_these_rules():
    rng = np.random.default_rng(420)
    point_DVC = rng.normal(size=(120, 6, 2))
    point_DVC[..., 1] += np.linspace(-2.5, 1.5, 120)[:, None] * point_DVC[..., 0]
    above, below = correlation_tails(point_DVC)
    seen = set()
    for number, point_VC in enumerate(point_DVC):
        rule = word(max(p[number] for p in above) <= NOMINAL, 2 * min(p[number] for p in below) <= NOMINAL)
        assert judged(Correlated("s", "x", "y"), scatter(np.stack([point_VC, point_VC]))).verdict == rule
        seen.add(rule)
    assert seen == {"holds", "contradicted", "not resolved"}


def test_one_more_run_is_reckoned_by_these_rules():
    value_DAS = draw(430, 40, 6, 3, luck=1.0)
    low_D, high_D = one_more(value_DAS)
    for value_AS, low, high in zip(value_DAS, low_D, high_D, strict=True):
        ours, *others = (dict(enumerate(row)) for row in value_AS.tolist())
        assert one_more_run(ours, others) == pytest.approx((low, high))


# --- whole reports --------------------------------------------------------------------------------------------------


def _mrca(rng: np.random.Generator) -> Report:
    common_AS = rng.normal(size=(6, 3))
    values = {m.id: 20 + np.sqrt(0.9) * common_AS + np.sqrt(0.1) * rng.normal(size=(6, 3)) for m in MRCA_METRICS}
    made = report(MRCA_METRICS, values)
    names = dict(
        zip(
            (f"a{arm}" for arm in range(6)),
            ("mrca", "no_aug", "no_aug_double", "xpaste", "xpaste_equal_pool", "xpaste_equal_paste"),
            strict=True,
        )
    )
    shown = ("current", "warmup", "last", "unguided_warmup", "unguided_last", "same")
    lines = [series(2 + 0.05 * rng.normal(size=(3, 6)), f"entropy_{name}") for name in shown]
    return _renamed(made, names, series=tuple(point for line in lines for point in line))


def _filter(rng: np.random.Generator) -> Report:
    named = {name for claim in FILTER_CLAIMS for test in claim.tests for name in _arms(test)}
    made = report(FILTER_METRICS, {"miou": 40 + rng.normal(size=(len(named), 3)) + rng.normal(size=3)})
    return _renamed(made, {f"a{number}": name for number, name in enumerate(sorted(named))})


def _arms(test: object) -> tuple[str, ...]:
    if isinstance(test, GainOverAll):
        return (test.left, *test.rights)
    return (test.left, test.right) if isinstance(test, Gain | NoGain) else ()


def _renamed(made: Report, names: dict[str, str], **more: object) -> Report:
    more = {"series": tuple(p.model_copy(update={"arm": names[p.arm]}) for p in more.get("series", ()))}
    results = tuple(result.model_copy(update={"arm": names[result.arm]}) for result in made.results)
    arms = tuple(arm.model_copy(update={"id": names[arm.id]}) for arm in made.arms)
    return made.model_copy(update={"arms": arms, "results": results, **more})


@pytest.mark.parametrize(
    ("make", "claims", "true", "reports"),
    [(_mrca, MRCA_CLAIMS, {"C4"}, 60), (_filter, FILTER_CLAIMS, {"C8", "C10"}, 25)],
    ids=["mrca", "sam_filter"],
)
def test_a_whole_report_decides_no_more_by_chance_than_its_summary_says(make, claims, true, reports):
    """C4 and C8 are true where nothing differs; C10 is not run."""
    rng = np.random.default_rng(500)
    asked = [claim for claim in claims if claim.id not in true]
    decided = [
        outcome.verdict in ("holds", "contradicted")
        for _ in range(reports)
        for outcome in judge(make(rng), asked).claims
    ]
    print(f"{len(asked)} claims of {make.__name__}: {100 * np.mean(decided):.1f} % decided")
    assert np.mean(decided) <= allowed(0.05, len(decided))


# --- what must not matter -------------------------------------------------------------------------------------------

LARGE = st.lists(st.lists(st.integers(-40, 40), min_size=3, max_size=3), min_size=3, max_size=5)


@settings(max_examples=25, deadline=None)
@given(LARGE, st.lists(st.integers(-99, 99), min_size=3, max_size=3), st.randoms(), st.sampled_from([0.5, 4.0]))
def test_order_shared_luck_and_scale_change_no_verdict(table, luck, random, scale):
    value_AS = np.array(table, dtype=np.float64) / 4
    tests = (Gain("a0", "a1", ("m",)), GainOverAll("a0", ("a1", "a2"), "m", "arms"))
    of = report([MIOU], {"m": value_AS})
    shuffled = list(of.results)
    random.shuffle(shuffled)
    arms = list(of.arms)
    random.shuffle(arms)
    alike = [
        of.model_copy(update={"results": tuple(shuffled), "arms": tuple(arms)}),
        report([MIOU], {"m": value_AS + np.array(luck) / 8}),
        report([MIOU], {"m": value_AS * scale}),
        report([MIOU], {"m": value_AS[:, [2, 0, 1]]}),
    ]
    for test in tests:
        first = judged(test, of).evidence[0]
        for other in alike:
            found = judged(test, other).evidence[0]
            assert (found.verdict, found.degrees) == (first.verdict, first.degrees)
            assert found.p_value == pytest.approx(first.p_value, abs=1e-9)
