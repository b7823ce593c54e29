"""The whole page: every number derives from the records, equal records give equal bytes, gaps are survived."""

import csv
import hashlib
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from reports.figures import MAX_BYTES, VERDICT_COLOURS, save_image
from reports.markdown import render
from reports.records import ClaimVerdict
from reports.tables import summary_csv
from reproductions.mrca.claims import (
    CLAIMS,
    ENTROPY_CURRENT,
    ENTROPY_LAST,
    ENTROPY_SAME,
    ENTROPY_WARMUP,
    UNGUIDED_LAST,
    UNGUIDED_WARMUP,
)
from reproductions.mrca.figures import budget_caption, draw_budget, guidance_section, mean_budget
from reproductions.mrca.paper import PAPER
from reproductions.mrca.records import MrcaReport
from reproductions.study.reporting import render_report
from reproductions.verdicts.verdict import judge
from tests.unit.report_synthetic import synthetic_report

NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*\.?\d*")


@pytest.fixture(scope="module")
def report() -> MrcaReport:
    return synthetic_report()


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[MrcaReport, Path]:
    folder = tmp_path_factory.mktemp("images")
    made = synthetic_report(folder, rounds=3)
    return made, render_report(PAPER, made, tmp_path_factory.mktemp("out"))


def section(page: str, name: str) -> str:
    return page.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


# --- every number derives from the records


def spread(values) -> list[float]:
    """Mean, half of the interval, bounds: computed here once more, by scipy."""
    sample = np.array(values)
    if len(sample) < 2:
        return [sample.mean()]
    low, high = stats.t.interval(0.95, len(sample) - 1, sample.mean(), stats.sem(sample))
    return [sample.mean(), high - sample.mean(), low, high]


def decided(values, variance: float, degrees: float) -> list[float]:
    """Bounds, p-value and needed seeds of a mean whose values have a given variance: once more, by scipy."""
    sample = np.array(values)
    mean, error = sample.mean(), (variance / len(sample)) ** 0.5
    power = (
        stats.nct.sf(stats.t.ppf(0.975, degrees - 3 + n), degrees - 3 + n, abs(mean) / variance**0.5 * n**0.5)
        for n in range(2, 101)
    )
    needed = next((n for n, known in enumerate(power, start=2) if known >= 0.8), 100)
    return [*stats.t.interval(0.95, degrees, mean, error), 2 * stats.t.sf(abs(mean) / error, degrees), needed, degrees]


def from_results(raw: MrcaReport) -> list[float]:
    by_arm = {
        (arm.id, metric.id): [r.metrics[metric.id] for r in raw.results if r.arm == arm.id]
        for arm in raw.arms
        for metric in raw.metrics
    }
    numbers = [number for values in by_arm.values() for number in spread(values)]
    for metric in raw.metrics:
        table_AS = np.array([by_arm[arm.id, metric.id] for arm in raw.arms])
        residual_AS = table_AS - table_AS.mean(0) - table_AS.mean(1, keepdims=True) + table_AS.mean()
        gains = {
            other: np.mean(by_arm["mrca", metric.id]) - np.mean(by_arm[other, metric.id])
            for other in ("no_aug", "no_aug_double", "xpaste", "xpaste_equal_paste")
        }
        shares = (gains["no_aug_double"] / gains["no_aug"], gains["xpaste_equal_paste"] / gains["xpaste"])
        numbers += [100 * share for share in shares if share < 1]  # of C2 by K1, of C1 and C3 by K2
        for other in ("no_aug", "no_aug_double", "xpaste", "xpaste_equal_pool", "xpaste_equal_paste"):
            differences = np.subtract(by_arm["mrca", metric.id], by_arm[other, metric.id])
            own = differences.var(ddof=1)
            others = (2 * np.sum(residual_AS**2) - 2 * own) / 8  # six arms, three seeds
            numbers += [*spread(differences), *decided(differences, max(own, (2 * own + 4 * others) / 6), 6)]
    return numbers


def from_series(raw: MrcaReport) -> list[float]:
    names = (ENTROPY_CURRENT, ENTROPY_WARMUP, ENTROPY_LAST, UNGUIDED_WARMUP, UNGUIDED_LAST, ENTROPY_SAME)
    line = {
        (name, seed): [
            v for _, v in sorted((p.round, p.value) for p in raw.series if (p.series, p.seed) == (name, seed))
        ]
        for name in names
        for seed in raw.run.seeds
    }
    apart = {
        (f"{guided} apart", s): np.subtract(line[guided, s], line[twin, s][1:])  # round 1 is unguided alone
        for guided, twin in ((ENTROPY_WARMUP, UNGUIDED_WARMUP), (ENTROPY_LAST, UNGUIDED_LAST))
        for s in raw.run.seeds
    }
    numbers = []
    for name in dict.fromkeys(name for name, _ in {**line, **apart}):
        known = [values for (series, _), values in {**line, **apart}.items() if series == name]
        rounds = np.arange(len(known[0]))
        fits = [np.polyfit(rounds, values, 1, full=True) for values in known]
        changes = [fit[0][0] * np.ptp(rounds) for fit in fits]
        scatter = (
            np.sum([fit[1] for fit in fits])
            / (3 * (len(rounds) - 2))
            * np.ptp(rounds) ** 2
            / (rounds.var() * len(rounds))
        )
        numbers += [*spread(changes), *decided(changes, max(np.var(changes, ddof=1), scatter), 2)]
    return [*numbers, 0.1 * np.mean([p.value for p in raw.series if p.series == ENTROPY_CURRENT])]


def from_costs(raw: MrcaReport) -> list[float]:
    names = [name for name in type(raw.costs[0]).model_fields if name not in ("arm", "backbone", "seed")]
    numbers = []
    for arm in raw.arms:
        for name in names:
            known = [value for cost in raw.costs if cost.arm == arm.id if (value := getattr(cost, name)) is not None]
            numbers += [np.mean(known)] if known else []
    objects = {arm.id: np.mean([c.objects_generated for c in raw.costs if c.arm == arm.id]) for arm in raw.arms}
    return [*numbers, objects["mrca"] / objects["xpaste"]]


def printed_forms(numbers) -> set[str]:
    forms = set()
    for number in numbers:
        number = float(number)
        forms |= {f"{number:.2f}", f"{round(number, 2) + 0.0:+.2f}", f"{number:.3f}", f"{number:,.0f}"}
    return forms


def test_every_number_in_claims_tables_costs_and_controls_derives_from_the_records(report):
    raw = MrcaReport.model_validate_json(report.model_dump_json())
    page = render(raw, [])
    derived = [*from_results(raw), *from_series(raw), *from_costs(raw)]
    derived += [target.value for target in raw.targets] + [target.objects for target in raw.targets]
    allowed = printed_forms(derived)
    allowed |= {str(count) for count in range(10)}  # "2 of 3 tests", "3 of 3 seeds", C1, Table 2
    allowed |= {"95", "0.001", "50"}  # 95 % interval, p < 0.001, ResNet-50
    for title in ("Claims", "The paper's tables, our numbers beside them", "Cost", "Controls"):
        text = section(page, title)
        for wording in [*(claim.wording for claim in raw.claims), *(arm.title for arm in raw.arms)]:
            text = text.replace(wording, "")
        found = NUMBER.findall(text)
        assert len(found) > 15, title
        strangers = [number for number in found if number.rstrip(".,") not in allowed]
        assert not strangers, f"{title}: {strangers}"


def test_a_changed_result_changes_its_numbers_and_no_others(report):
    raw = report.results[-1]  # MRCA, last seed
    changed = raw.model_copy(update={"metrics": raw.metrics | {"APc_box": 77.77}})
    other = judge(report.model_copy(update={"results": (*report.results[:-1], changed)}), CLAIMS)
    before, after = (
        section(render(made, []), "The paper's tables, our numbers beside them") for made in (report, other)
    )
    different = [
        (i, j)
        for i, (a, b) in enumerate(zip(before.splitlines(), after.splitlines(), strict=True))
        for j, (c, d) in enumerate(zip(a.split("|"), b.split("|"), strict=True))
        if c != d
    ]
    mrca_rows = [i for i, line in enumerate(before.splitlines()) if line.startswith("| MRCA ")]
    assert different == [(row + 1, 9) for row in mrca_rows]  # our row under each, column APc box


def test_the_summary_says_what_chance_would_decide(report):
    summary = render(report, []).split("\n## ", 1)[0]
    assert "chance alone would still decide up to 0.5 of the 9 that are tested" in summary
    untested = judge(report.model_copy(update={"results": (), "series": (), "costs": ()}), CLAIMS)
    assert "chance" not in render(untested, [])


def test_a_claim_that_a_control_qualifies_says_so_with_its_numbers(report):
    summary = render(report, []).split("\n## ", 1)[0]
    [bullet] = [line for line in summary.splitlines() if line.startswith("- **C2 holds**")]
    control = next(claim for claim in report.claims if claim.id == "K1")
    means = {item.metric: f"{item.mean:+.2f}" for item in control.evidence}
    whole = next(claim for claim in report.claims if claim.id == "C2")
    shares = [
        f"{100 * left.mean / item.mean:.0f} % of it"
        for item, left in zip(whole.evidence, control.evidence[2:], strict=True)
    ]
    told = f"(APr box {means['APr_box']}, {shares[0]}, APr mask {means['APr_mask']}, {shares[1]})."
    assert bullet.endswith(f"Read it with K1, {control.verdict}: {control.wording.rstrip('.')} {told}")


def test_what_a_control_leaves_of_a_gain_is_none_a_share_or_all(report):
    """K1 against C2: a gain of 4 over the longer training, of 10 over the shorter one, leaves 40 %."""

    def told(alone: float, longer: float, mrca: float) -> str:
        values = {"no_aug": alone, "no_aug_double": longer, "mrca": mrca}
        results = tuple(
            result.model_copy(
                update={"metrics": {metric.id: values[result.arm] + 0.01 * result.seed for metric in report.metrics}}
            )
            for result in report.results
            if result.arm in values
        )
        made = judge(report.model_copy(update={"results": results}), CLAIMS)
        [row] = [line for line in section(render(made, []), "Claims").splitlines() if line.startswith("| C2 |")]
        return re.search(r"APr mask [+-][\d.]+([^*]*)\*", row).group(1)

    assert told(10.0, 16.0, 20.0) == ", 40 % of it"
    assert told(10.0, 21.0, 20.0) == ", none of it"
    assert told(10.0, 9.0, 20.0) == ", all of it"
    assert told(20.0, 9.0, 10.0) == ""  # there is no gain to share


def test_what_a_control_leaves_is_a_share_of_the_same_metric_s_gain(report):
    """Gains of 10 in one metric and of 20 in the other; the control leaves 5 of both."""
    values = {"no_aug": (10.0, 0.0), "no_aug_double": (15.0, 15.0), "mrca": (20.0, 20.0)}
    results = tuple(
        result.model_copy(
            update={
                "metrics": {
                    metric.id: values[result.arm][metric.id.endswith("mask")] + 0.01 * result.seed
                    for metric in report.metrics
                }
            }
        )
        for result in report.results
        if result.arm in values
    )
    made = judge(report.model_copy(update={"results": results}), CLAIMS)
    [row] = [line for line in section(render(made, []), "Claims").splitlines() if line.startswith("| C2 |")]
    assert re.search(r"APr box \+5.00, 50 % of it, APr mask \+5.00, 25 % of it\*", row)


def test_a_claim_of_rounds_stands_beside_the_control_of_rounds(report):
    """Such a control has no metric in common with its claim, so all of its numbers are told, in summary and table."""
    control = next(claim for claim in report.claims if claim.id == "K3")
    told = ", ".join(f"{item.label} {item.mean:+.2f} nats" for item in control.evidence)
    page = render(report, [])
    summary = page.split("\n## ", 1)[0]
    [bullet] = [line for line in summary.splitlines() if line.startswith("- **C5 holds**")]
    assert bullet.endswith(f"Read it with K3, {control.verdict}: {control.wording.rstrip('.')} ({told}).")
    assert f"<br>*read with K3, {control.verdict}: {told}* |" in section(page, "Claims")


def test_the_ledger_is_folded_but_for_what_makes_numbers_incomparable(report):
    ledger = section(render(report, []), "Deviations")
    open_part, folded = ledger.split("<details>")
    assert "| D54 |" in open_part
    assert "| D54 |" not in folded
    assert "| D43 |" in folded


def test_what_decides_and_the_seeds_alone_both_stand_in_the_claims(report):
    text = section(render(report, []), "Claims")
    item = next(claim for claim in report.claims if claim.id == "C2").evidence[0]
    deciding, alone = (
        f"[{low:+.2f}, {high:+.2f}]" for low, high in ((item.low, item.high), (item.plain_low, item.plain_high))
    )
    assert f"{deciding} (6 df), p < 0.001; by these seeds alone {alone}" in text
    assert "generated objects, MRCA / X-Paste: 0.150; a fact, no test" in text


def test_the_summary_counts_what_the_claims_say(report):
    summary = render(report, []).split("\n## ", 1)[0]
    stated = [claim.verdict for claim in report.claims if not claim.control]
    assert (
        f"{len(stated)} claims of the paper: {stated.count('holds')} hold, {stated.count('not resolved')} not resolved"
        in summary
    )
    for claim in report.claims:
        assert (f"**{claim.id} holds**" in summary) == (claim.verdict == "holds")


# --- the files


def test_the_folder_holds_page_csv_records_and_every_figure_of_the_page(written):
    made, page = written
    text = page.read_text(encoding="utf-8")
    figures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert len(figures) == 6
    assert {path.name for path in page.parent.iterdir()} == {
        "report.md",
        "report.html",
        "summary.json",
        "results.parquet",
        "results.csv",
        "summary.csv",
        "tables.tex",
        "records.json",
        *figures,
    }
    assert MrcaReport.load(page.parent / "records.json") == made
    for figure in figures:
        assert (page.parent / figure).stat().st_size <= MAX_BYTES
        with Image.open(page.parent / figure) as image:
            assert image.width <= 1010
            assert not image.info.keys() & {"Creation Time", "Software", "date"}


def test_sections_stand_in_the_order_of_a_readers_questions(written):
    headings = re.findall(r"^## (.*)$", written[1].read_text(encoding="utf-8"), re.M)
    assert headings == [
        "Claims",
        "The paper's tables, our numbers beside them",
        "Figures",
        "Guidance",
        "Cost",
        "Controls",
        "Deviations",
        "Provenance",
        "Command",
    ]


def test_equal_records_give_equal_bytes(written, tmp_path):
    made, page = written
    again = render_report(PAPER, MrcaReport.model_validate_json(made.model_dump_json()), tmp_path)
    digests = [
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        for folder in (page.parent, again.parent)
    ]
    assert digests[0] == digests[1]


def test_csv_does_not_depend_on_when_or_where_it_ran(report):
    elsewhere = report.run.provenance.model_copy(update={"hosts": ("other",), "finished": "2030-01-01", "commit": "f"})
    costs = tuple(cost.model_copy(update={"train_s": 9.0}) for cost in report.costs)
    run = report.run.model_copy(update={"provenance": elsewhere})
    moved = judge(report.model_copy(update={"run": run, "costs": costs}), CLAIMS)
    assert render(moved, []) != render(report, [])
    assert summary_csv(moved) == summary_csv(report)


def test_older_figures_that_the_records_no_longer_allow_go_away(report, tmp_path):
    only_rounds = report.model_copy(update={"results": (), "claims": ()})
    for records, left in (
        (only_rounds, {"figure_budget.png", "figure_entropy.png"}),
        (only_rounds.model_copy(update={"series": ()}), {"figure_budget.png"}),
    ):
        folder = render_report(PAPER, records, tmp_path).parent
        assert {path.name for path in folder.glob("*.png")} == left


# --- gaps


def test_nothing_run_at_all(report, tmp_path):
    nothing = {name: () for name in ("results", "costs", "budgets", "series", "estimates", "outcomes", "claims")}
    page = render_report(PAPER, judge(report.model_copy(update=nothing), CLAIMS), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "Nothing has been evaluated yet." in text
    assert "6 not run" in text
    assert "![" not in text


def test_an_arm_that_did_not_run(report):
    without = judge(
        report.model_copy(update={"results": tuple(r for r in report.results if r.arm != "xpaste")}), CLAIMS
    )
    text = render(without, [])
    verdicts = {claim.id: claim.verdict for claim in without.claims}
    assert "Not run: X-Paste." in text
    assert verdicts["C3"] == "not run"
    assert verdicts["C2"] == "holds"
    [said] = [line for line in text.splitlines() if line.startswith("- **Not run**")]
    reasons = {claim.reason for claim in without.claims if claim.verdict == "not run"}
    assert all(said.count(reason) == 1 for reason in reasons), "claims with one reason are named together"


def test_a_page_of_controls_alone_counts_no_claims(report):
    controls = report.model_copy(update={"claims": tuple(claim for claim in report.claims if claim.control)})
    text = render(controls, [])
    number = len(controls.claims)
    assert f"**What may be concluded.** {number} control{'s' if number > 1 else ''}: " in text


def test_one_seed_tests_nothing(tmp_path):
    made = synthetic_report(seeds=(0,))
    text = render(made, [])
    assert "One seed gives no interval, so nothing is tested." in text
    assert "±" not in section(text, "The paper's tables, our numbers beside them")
    assert not [item for claim in made.claims for item in claim.evidence if item.low is not None]
    assert {claim.verdict for claim in made.claims} <= {"not resolved", "not run"}


def test_a_seed_that_is_missing_for_one_arm_is_named(report):
    fewer = judge(
        report.model_copy(update={"results": tuple(r for r in report.results if (r.arm, r.seed) != ("mrca", 2))}),
        CLAIMS,
    )
    text = render(fewer, [])
    assert "With fewer seeds than planned: MRCA." in text
    assert "(n=2)" in section(text, "The paper's tables, our numbers beside them")


def test_own_data_has_results_and_no_targets(report):
    own = judge(report.model_copy(update={"targets": (), "beside": {}, "outcomes": ()}), CLAIMS)
    text = render(own, [])
    assert "## Results" in text
    assert "31.50" not in text


def test_smoke_says_that_its_numbers_are_meaningless():
    text = render(synthetic_report(tier="smoke", seeds=(0,), rounds=3), [])
    assert "> **Smoke run: the numbers are meaningless.**" in text
    assert "**holds**" not in text


def test_the_ledger_leaves_out_other_tiers_and_arms(report):
    text = section(render(report, []), "Deviations")
    assert "| D43 |" in text  # miniature data
    assert "| D1 |" not in text  # tier paper
    assert "| D15 |" not in text  # X-Paste + CLIP was not run


# --- figures


def test_every_verdict_of_a_claim_has_a_colour_of_its_own():
    assert set(VERDICT_COLOURS) == set(get_args(ClaimVerdict))
    assert len(set(VERDICT_COLOURS.values())) == len(VERDICT_COLOURS)


def test_mean_budget_by_hand(report):
    rounds, mean_RC = mean_budget([b for b in report.budgets if b.round in (2, 5)])
    assert rounds == [2, 5]
    expected = np.mean([b.objects for b in report.budgets if b.round == 5], axis=0)
    assert mean_RC[1].tolist() == expected.tolist()


def test_the_budgets_caption_says_how_far_it_goes_with_the_counts(report):
    """Correlations 0.93 to 0.96 by the records; moved: half of the absolute differences, as a share of a round's objects."""
    steered = [budget for budget in report.budgets if budget.round > 2]
    moved = np.mean([np.abs(np.subtract(b.objects, b.by_count)).sum() / 2 / sum(b.objects) for b in steered])
    caption = budget_caption(report)
    assert f"correlate with 1/S by 0.93 to 0.96, and {100 * moved:.0f} % of a round's objects" in caption
    early = report.model_copy(update={"budgets": tuple(b for b in report.budgets if b.round <= 2)})
    assert "correlate" not in budget_caption(early)


def test_the_change_of_the_entropy_is_split_by_hand(report):
    """From round 2 to 6: M_0's change is the objects', what is left the model's; the twins' change is the classes'."""
    value = {(p.series, p.seed, p.round): p.value for p in report.series}

    def change(series: str) -> float:
        return float(np.mean([value[series, seed, 6] - value[series, seed, 2] for seed in report.run.seeds]))

    total, objects, classes = (change(name) for name in (ENTROPY_CURRENT, ENTROPY_WARMUP, UNGUIDED_WARMUP))
    parts = [f"{part:+.2f}" for part in (total, objects, total - objects, classes, objects - classes)]
    text = guidance_section(report)
    assert f"| miniature CenterNet2 | {' | '.join(parts)} |" in text
    assert len(set(parts)) > 3
    assert "takes 3.00 times the seconds of its unguided twin" in text
    assert "(by seed 2.00, 3.00, 4.00)" in text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("known", [(0,), (5,), (0, 5), (None,)])
def test_every_mark_under_the_bars_may_be_missing(report, tmp_path, known):
    """The layout fails, with a warning, where a line of no marks is drawn."""
    classes = tuple(
        item.model_copy(update={"feedback_images": known[place % len(known)]})
        for place, item in enumerate(report.classes)
    )
    assert draw_budget(report.model_copy(update={"classes": classes}), tmp_path / "b.png")


@pytest.mark.filterwarnings("error")
def test_a_thousand_classes_fit_into_the_budget_figure(report, tmp_path):
    many = tuple(
        report.classes[0].model_copy(
            update={"id": i + 1, "train_images": 1 + (1202 - i) // 3, "group": "f" if i < 900 else "c"}
        )
        for i in range(1203)
    )
    budgets = tuple(
        b.model_copy(update={"objects": tuple(range(1203)), "by_count": tuple(range(1203)) if b.by_count else None})
        for b in report.budgets
    )
    assert draw_budget(report.model_copy(update={"classes": many, "budgets": budgets}), tmp_path / "b.png")
    assert (tmp_path / "b.png").stat().st_size <= MAX_BYTES


def test_pictures_are_made_to_fit(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (450, 450, 3)).astype(np.uint8)
    save_image(Image.fromarray(noise), tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size <= MAX_BYTES


def test_summary_csv_of_the_folder_is_read_by_any_tool(written):
    with (written[1].parent / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {len(row) for row in rows} == {14}
    assert {row["verdict"] for row in rows} == {"not comparable", "not run", ""}
