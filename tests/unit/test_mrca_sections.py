"""What MRCA's page says of ideas, costs and the gate is computed from the right arms."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reports.records import Arm, Backbone, Provenance, Result, Run, ScatterPoint
from reproductions.mrca.ablation_section import (
    BY_ITSELF,
    OTHERWISE,
    WITH_THE_OTHERS,
    Difference,
    ablation_section,
    difference,
)
from reproductions.mrca.arms import ARMS, ONLY_ONE, Rounds
from reproductions.mrca.claims import METRICS
from reproductions.mrca.cost_section import CALLS, cost_section, draw_calls, frontier, gate_section
from reproductions.mrca.divergen_section import filter_section, gap_section
from reproductions.mrca.records import EnergyGap, FilterRate, GateRate, MrcaReport

BY_ID = {arm.id: arm for arm in ARMS}
IDEAS = ("budget", "guidance", "unique_mapping", "resizing")


def report(values: dict[str, tuple[float, ...]], **records: Any) -> MrcaReport:
    """Each arm with one value a seed, on every metric the same."""
    results = [
        Result(arm=arm, backbone="b", seed=seed, metrics={m.id: value for m in METRICS}, cells=("c",))
        for arm, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    words = {"paper_title": "P", "tier": "mini", "data": "d", "command": "c", "provenance": Provenance(commit="0")}
    return MrcaReport(
        run=Run(paper_id="mrca", seeds=(0, 1, 2), **words),
        arms=tuple(Arm(id=arm.id, title=arm.title) for arm in ARMS),
        backbones=(Backbone(id="b", title="Small"),),
        metrics=METRICS,
        results=tuple(results),
        **records,
    )


@pytest.mark.parametrize("place", range(4))
def test_an_idea_is_compared_with_the_same_without_it(place: int) -> None:
    """Left and right differ in that idea and in no other."""
    for row, base in ((WITH_THE_OTHERS[place], "mrca"), (BY_ITSELF[place], ONLY_ONE[0].id)):
        left, right = (BY_ID[arm].how for arm in (row.left, row.right))
        assert isinstance(left, Rounds)
        assert isinstance(right, Rounds)
        assert base in (row.left, row.right)
        assert [idea for idea in IDEAS if getattr(left, idea) != getattr(right, idea)] == [IDEAS[place]]
        assert getattr(left, IDEAS[place]) == getattr(Rounds(), IDEAS[place]), "the idea is on the left"


def test_a_difference_is_left_minus_right_over_shared_seeds() -> None:
    made = report({"mrca": (30.0, 31.0, 33.0), "mrca_no_budget": (29.0, 29.0, 30.0)})
    found = difference(made, "b", "AP_mask", Difference("budget", "mrca", "mrca_no_budget"))
    assert found is not None
    assert found.mean == pytest.approx(2.0)
    assert found.low is not None
    assert found.low < 2.0
    assert difference(made, "b", "AP_mask", Difference("budget", "mrca", "one_shot")) is None


def test_the_section_names_what_gains_what_loses_and_what_is_open() -> None:
    rng = np.random.default_rng(0)

    def around(mean: float) -> tuple[float, ...]:
        return tuple(mean + rng.normal(0, 0.05, 3))

    made = report(
        {
            "mrca": around(30.0),
            "mrca_no_budget": around(27.0),
            "mrca_no_guidance": around(33.0),
            "mrca_no_mapping": around(30.0),
            "rounds_alone": around(25.0),
            "rounds_resizing": around(29.0),
            "one_shot": around(28.0),
        }
    )
    text = ablation_section(made)
    assert (
        "beside the other three: gains: class-wise budget; loses: entropy guidance; is not resolved: unique mapping."
        in text
    )
    assert "by itself: gains: accuracy-based resizing." in text
    assert "| class-wise budget | +3." in text
    assert "| accuracy-based resizing | +4." in text or "| accuracy-based resizing | +3.9" in text
    assert "| One-shot feedback | -2." in text or "| One-shot feedback | -1.9" in text
    assert ablation_section(report({"mrca": (1.0, 2.0, 3.0), "xpaste": (1.0, 2.0, 3.0)})) == ""
    assert {row.left for row in OTHERWISE} >= {"mrca_lag_1", "mrca_as_released", "mrca_random_direction", "one_shot"}


def points(**known: tuple[float, float]) -> tuple[ScatterPoint, ...]:
    return tuple(
        ScatterPoint(scatter=CALLS, variant=arm, backbone="b", seed=seed, x=x, y=y + shift)
        for arm, (x, y) in known.items()
        for seed, shift in enumerate((-0.5, 0.5))
    )


def test_the_frontier_is_what_no_cheaper_arm_reaches(tmp_path: Path) -> None:
    made = report({}, points=points(no_aug=(0, 20), mrca=(4, 30), xpaste=(26, 28), bsgal=(26, 31), one_shot=(4, 29)))
    assert [(arm, calls, round(ap, 6)) for arm, calls, ap in frontier(made, "b")] == [
        ("no_aug", 0, 20),
        ("mrca", 4, 30),
        ("bsgal", 26, 31),
    ]
    text = cost_section(made)
    assert "| Small | MRCA | 4,000 | 30.00 |" in text
    assert "X-Paste |" not in text
    assert draw_calls(made, tmp_path / "calls.png")
    assert (tmp_path / "calls.png").stat().st_size > 1000
    assert not draw_calls(report({}, points=points(no_aug=(0, 20))), tmp_path / "none.png")
    assert cost_section(report({})) == ""


def test_the_gate_is_told_in_all_and_by_tenths() -> None:
    rates = tuple(
        GateRate(arm="bsgal", backbone="b", seed=seed, rate=rate, by_part=parts, cache_mib=296.4)
        for seed, (rate, parts) in enumerate(((0.5, (0.25, None)), (0.75, (0.75, None))))
    )
    text = gate_section(report({}, gate_rates=rates))
    assert "| BSGAL | 62.5 | 50, – | 296.4 |" in text
    assert gate_section(report({})) == ""


def filtered(arm: str, pool: str, seed: int, chosen: dict[str, int] | None = None, **outcomes: int) -> FilterRate:
    return FilterRate(arm=arm, backbone="b", seed=seed, pool=pool, outcomes=outcomes, chosen=chosen or {})


def test_each_pool_is_told_by_what_its_images_failed() -> None:
    """Shares are of all seeds' images together, a row a generator, and arms with the same pool are one row."""
    rates = (
        filtered("xpaste", "xpaste", 0, {"u2net": 1, "clipseg": 3}, accepted=1, clip_score=3),
        filtered("bsgal", "xpaste", 0, {"u2net": 1, "clipseg": 3}, accepted=1, clip_score=3),
        filtered("xpaste", "xpaste", 1, {"u2net": 1, "clipseg": 3}, accepted=11, too_small=1),
        filtered("bsgal", "xpaste", 1, {"u2net": 1, "clipseg": 3}, accepted=11, too_small=1),
        filtered("divergen", "divergen", 0, accepted=3, empty_mask=1),
        filtered("divergen", "divergen_second", 0, accepted=1, too_large=3),
    )
    text = filter_section(report({}, filter_rates=rates))
    assert "| Arm | Pool | Images | Accepted | CLIP | Empty mask | Too small | Too large |" in text
    assert "| X-Paste and 1 more | xpaste | 16 | 75.0 | 18.8 | 0.0 | 6.2 | 0.0 |" in text
    assert "| DiverGen | divergen | 4 | 75.0 | 0.0 | 25.0 | 0.0 | 0.0 |" in text
    assert "| DiverGen | divergen_second | 4 | 25.0 | 0.0 | 0.0 | 0.0 | 75.0 |" in text
    assert text.endswith("Whose mask of xpaste was best: clipseg 75 %, u2net 25 %.")
    assert filter_section(report({})) == ""


def test_gaps_are_means_over_seeds_of_val_less_training() -> None:
    gaps = tuple(
        EnergyGap(arm=arm, backbone="b", seed=seed, gap=val - train, train=train, val=val)
        for arm, rows in {"no_aug": ((-3.0, -1.0), (-2.0, -1.0)), "divergen": ((-2.0, -1.75),)}.items()
        for seed, (train, val) in enumerate(rows)
    )
    text = gap_section(report({}, energy_gaps=gaps))
    assert "| No Aug. | -2.50 | -1.00 | +1.50 | +2.00, +1.00 |" in text
    assert "| DiverGen | -2.00 | -1.75 | +0.25 | +0.25 |" in text
    assert gap_section(report({})) == ""
