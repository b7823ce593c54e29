"""The few-shot section of the report: hypotheses before numbers, what synthesis adds, what is forgotten, and what a rung costs; and how claims are decided."""

import pytest

from reports.records import Arm, Backbone, Metric, Provenance, Result, Run
from reproductions.instance_synthesis.branch_b_arms import ARM_OF_RUNG, BRANCH_B_ARMS
from reproductions.instance_synthesis.branch_b_claims import BRANCH_B_CLAIMS
from reproductions.instance_synthesis.branch_b_metrics import FEW_SHOT_METRICS
from reproductions.instance_synthesis.branch_b_section import few_shot_section, ladder_section
from reproductions.instance_synthesis.records import InstanceSynthesisReport, RungCost
from reproductions.verdicts.claims import judge_claim

SEEDS = (0, 1, 2, 3)
JITTER = (-0.1, 0.0, 0.1, 0.05)
GENERATORS = ("gligen", "inpainting", "blended")


def report(means: dict[str, dict[str, float]], ladder: tuple[RungCost, ...] = ()) -> InstanceSynthesisReport:
    """Arms with (base, novel) AP around these means; every arm with noise of its own that is the same in sum."""
    results = tuple(
        Result(
            arm=arm,
            backbone="small",
            seed=seed,
            metrics={name: value + JITTER[(seed + place) % 4] for name, value in of_arm.items()},
            cells=("cell",),
        )
        for place, (arm, of_arm) in enumerate(means.items())
        for seed in SEEDS
    )
    run = Run(
        paper_id="p",
        paper_title="P",
        tier="mini",
        data="d",
        command="c",
        seeds=SEEDS,
        provenance=Provenance(commit="0"),
    )
    return InstanceSynthesisReport(
        run=run,
        arms=tuple(Arm(id=arm.id, title=arm.title) for arm in BRANCH_B_ARMS if arm.id in means),
        backbones=(Backbone(id="small", title="Small"),),
        metrics=(*FEW_SHOT_METRICS, Metric(id="AP", title="AP")),
        results=results,
        ladder=ladder,
    )


def numbers(base: float, novel: float) -> dict[str, float]:
    harmonic = 2 * base * novel / (base + novel) if base + novel else 0.0
    return {"AP_base": base, "AP_novel": novel, "AP50_novel": novel, "AP_harmonic": harmonic}


def test_hypotheses_stand_before_the_numbers_and_are_ours() -> None:
    text = few_shot_section(report({"few_base": numbers(20, 0), "few_5": numbers(15, 10)}))
    assert text.index("Hypotheses, ours") < text.index("| Arm |")
    for claim in BRANCH_B_CLAIMS:
        assert claim.wording in text
        assert claim.source.startswith("ours")
        assert claim.control
    assert few_shot_section(report({})) == ""


def test_a_row_says_what_is_added_and_what_is_kept() -> None:
    means = {
        "few_base": numbers(20, 0),
        "few_5": numbers(15, 10),
        "few_5_gligen_4": numbers(14, 13),
        "few_scratch": numbers(9, 4),
    }
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for line in few_shot_section(report(means)).splitlines()
        if len(cells := line.split("|")) == 9
    }
    assert rows["base stage"][-2:] == ["–", "–"]
    assert rows["5-shot"][1] == "10.01"
    assert rows["5-shot"][-1].startswith("-5.00") or rows["5-shot"][-1].startswith("−5.00")
    assert rows["5-shot + GLIGEN × 4"][-2].startswith("+3.00")
    assert rows["5-shot, from scratch"][-2:] == ["–", "–"], (
        "another backbone is compared with no base stage of this one"
    )


def test_a_rung_stands_beside_the_accuracy_of_its_arm() -> None:
    cost = {"weights_mib": 11.0, "peak_mib": 3.0, "ms_per_image": 7.0, "device": "cpu"}
    rungs = tuple(
        RungCost(rung=rung, title=rung, reader=arm, parameters=3_000_000, multiply_adds=2_500_000_000, **cost)
        for rung, arm in ARM_OF_RUNG.items()
    )
    text = ladder_section(report({"few_generator_half": numbers(20, 12)}, rungs))
    (line,) = [line for line in text.splitlines() if line.startswith("| features_only")]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == ["3.00", "11.0", "2.50", "3.0", "7.0", "20.01", "12.01"]
    assert ladder_section(report({})) == ""


STATED = {
    "B1": [("few_1", "few_base"), ("few_5", "few_1"), ("few_10", "few_5")],
    "B2": [("few_base", "few_5")],
    "B3": [("few_5", "few_scratch")],
    "B4": [("few_5", "few_no_noise")],
    "B5": [(f"few_5_{name}_4", "few_5") for name in GENERATORS],
    "B6": [(f"few_5_{name}_4", "few_5_identity_4") for name in GENERATORS],
    "B7": [(f"few_5_{name}_4", "few_5_copy_paste_4") for name in GENERATORS],
    "B8": [(f"few_5_{name}_4", f"few_5_{name}_1") for name in GENERATORS],
    "B9": [("few_generator", "few_generator_random")],
    "B10": [("few_generator", "few_5")],
    "B11": [("few_generator_lora", "few_generator")],
    "B12": [],
    "B13": [("few_generator", "few_generator_scratch")],
}
"""Who is better than whom, on novel classes; B2 on base classes."""


@pytest.mark.parametrize("claim", BRANCH_B_CLAIMS, ids=lambda claim: claim.id)
def test_a_hypothesis_holds_where_what_it_states_is_so_and_falls_where_it_is_not(claim) -> None:
    arms = {arm.id for arm in BRANCH_B_ARMS}
    rank = dict.fromkeys(arms, 0)
    for _ in arms:
        for better, worse in STATED[claim.id]:
            rank[better] = max(rank[better], rank[worse] + 1)
    for sign, verdict in ((1, "holds"), (-1, "contradicted")):
        if claim.id == "B12" and sign < 0:
            continue
        means = {arm: numbers(30.0 + 4 * sign * rank[arm], 20.0 + 4 * sign * rank[arm]) for arm in sorted(arms)}
        assert judge_claim(claim, report(means)).verdict == verdict
    if claim.id == "B12":
        worse = {arm: numbers(30, 10 if arm == "few_generator_heads" else 20) for arm in sorted(arms)}
        assert judge_claim(claim, report(worse)).verdict == "contradicted"
