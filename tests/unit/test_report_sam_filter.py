"""The SAM filter's page: the paper's tables with their certainty, what is drawn, and what a reader must not compare."""

import csv
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from reports.markdown import render
from reports.selection_section import selection_section
from reports.selections import ScoreHistogram, SelectionStatistics, of_one_arm
from reports.tables import markdown_frame, paper_table
from reproductions.sam_filter.arms import ARMS
from reproductions.sam_filter.claims import CLAIMS
from reproductions.sam_filter.collect import places_by_rank
from reproductions.sam_filter.figures import arm_rows, draw_figures
from reproductions.sam_filter.paper import PAPER
from reproductions.sam_filter.records import SamFilterReport
from reproductions.study.reporting import render_report
from reproductions.verdicts.verdict import judge
from tests.unit.report_synthetic_sam_filter import synthetic_filter_report, synthetic_own_report

GENERIC = ("figure_accuracy_miniature.png", "figure_differences.png", "figure_pilot_miniature.png")
OF_THE_FILTER = ("figure_scores.png", "figure_class_mix.png", "figure_filter_samples.png", "figure_drawn_samples.png")


@pytest.fixture(scope="module")
def report() -> SamFilterReport:
    return synthetic_filter_report()


@pytest.fixture(scope="module")
def at_paper() -> SamFilterReport:
    return synthetic_filter_report(tier="paper")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[SamFilterReport, Path]:
    made = synthetic_filter_report(tmp_path_factory.mktemp("images"))
    return made, render_report(PAPER, made, tmp_path_factory.mktemp("out"))


def section(page: str, name: str) -> str:
    return page.split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


# --- tables


def test_table_1_has_the_papers_rows_in_order_the_lost_one_among_them(report):
    rows = cells(markdown_frame(paper_table(report, "Table 1")))
    assert [row[0] for row in rows if row[1] == "paper"] == [
        "SBD (real)",
        "Random 10k",
        "SAM top 10k",
        "Random 20k",
        "SAM top 20k",
        "Random 30k",
        "SAM top 30k",
        "All 40k",
    ]
    printed = {row[0]: row[4] for row in rows if row[1] == "paper"}
    assert printed["SAM top 10k"] == "lost (above 26.35)"
    assert printed["Random 20k"] == "31.80 (inferred)"
    assert printed["SAM top 20k"] == "37.9 (inferred: 37.86 to 37.93)"
    assert printed["All 40k"] == "32.96"


def test_our_numbers_stand_under_the_papers_also_where_its_own_is_lost(report):
    rows = cells(markdown_frame(paper_table(report, "Table 1")))
    for arm, title in (("sam_10k", "SAM top 10k"), ("all_40k", "All 40k")):
        ours = rows[[row[0] for row in rows].index(title) + 1]
        estimate = report.estimate(arm, "miniature", "miou")
        assert ours[1] == "ours"
        assert ours[4] == f"{estimate.mean:.2f} ± {estimate.high - estimate.mean:.2f}"


def test_tables_count_images_and_the_arms_own_iterations(report):
    rows = cells(markdown_frame(paper_table(report, "Table 2")))
    assert rows[0][2:4] == ["20,000", "125,000"]
    assert rows[1][2:4] == ["1,000", "625"]  # without the 625 of pre-training


def test_controls_stand_beside_one_table_each(report):
    extras = {
        table: [row[0] for row in cells(markdown_frame(paper_table(report, table))) if "not in the paper" in row[0]]
        for table in ("Table 1", "Table 2", "Table 3")
    }
    assert extras["Table 2"] == ["VA backbone, then SAM top 20k *(not in the paper)*"]
    assert extras["Table 3"] == []
    assert len(extras["Table 1"]) == 8


def test_no_absolute_comparison_at_mini(report):
    page = render(report, [])
    assert "| verdict |" not in page
    assert "(paper " not in section(page, "Claims") + section(page, "Controls")
    assert "absolute numbers are not compared at this tier" in page
    assert {outcome.verdict for outcome in report.outcomes} == {"not comparable"}


def test_at_tier_paper_every_printed_number_has_a_verdict_and_gains_stand_beside_the_papers(at_paper):
    tables = [markdown_frame(paper_table(at_paper, table)) for table in ("Table 1", "Table 2", "Table 3")]
    assert [table.count("| verdict |") for table in tables] == [7, 3, 4]
    claims = section(render(at_paper, []), "Claims")
    assert "(paper +3.12)" in claims  # clean minus noisy, filtered half
    assert "(paper +4.9, inferred)" in claims  # filtered half minus all
    assert "(paper +5.43)" in claims


def test_reasons_for_uncertain_numbers_are_printed_with_their_table(report):
    text = section(render(report, []), "The paper's tables, our numbers beside them")
    first, rest = text.split("### Table 2")
    assert "SAM top 20k, inferred: row lost; from 32.96+4.9" in first
    assert "SAM top 10k, lost:" in first
    assert "not certain" not in rest


def test_all_three_tables_are_open_and_a_repeated_one_is_folded(report):
    page = render(report, [])
    assert "<details><summary>Table" not in page
    only_va = judge(
        report.model_copy(update={"results": tuple(r for r in report.results if r.arm == "va_sam_20k")}), CLAIMS
    )
    assert "<details><summary>Table 3" in render(only_va, [])


def test_csv_says_what_is_inferred(written):
    with (written[1].parent / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["table"], row["arm"]): row for row in csv.DictReader(file)}
    assert "inferred" in rows["Table 1", "random_20k"]["reason"]
    assert "inferred" not in rows["Table 1", "random_30k"]["reason"]
    assert rows["", "sam_10k"]["paper_value"] == ""
    assert float(rows["", "sam_10k"]["ours_mean"]) > 0


# --- text


def test_the_summary_names_arms_where_there_is_one_metric(report):
    summary = render(report, []).split("\n## ", 1)[0]
    assert "10 claims of the paper:" in summary
    assert "SAM top 20k − All 40k +" in summary
    assert "Pearson's correlation over 8 variants +" in summary


def test_the_correlation_rule_and_its_spread_are_stated(report):
    text = section(render(report, []), "Claims")
    assert re.search(r"with one variant left out [+-]\d\.\d\d to [+-]\d\.\d\d; permutation p", text)
    assert "C10: Pearson's and Spearman's correlation" in text
    assert "changes two things at once" in text


def test_the_cost_table_has_the_filters_columns_and_not_those_of_others(report):
    header = section(render(report, []), "Cost").split("\n| Arm", 1)[1].splitlines()[0]
    assert "Images segmented" in header
    assert "Pre-training iterations" in header
    assert "Accepted" not in header
    assert "Objects" not in header


def test_selection_numbers_by_hand(report):
    known = [item for item in report.selections if item.arm == "sam_20k"]
    text = selection_section(report.arms, report.selections)
    row = next(line for line in text.splitlines() if line.startswith("| SAM top 20k |"))
    assert f"{np.mean([item.cut_off for item in known]):.3f}" in row
    assert (
        "| 1.45 | 1.24 | 65.0 % | 80.0 % |" in row
    )  # (1300 + 2 * 500 + 3 * 200) / 2000, (800 + 2 * 160 + 3 * 40) / 1000
    random = next(line for line in text.splitlines() if line.startswith("| Random 20k |"))
    assert "| 0.000 |" in random
    assert (
        sum(line.startswith(("| SAM", "| VA")) for line in text.splitlines()) == 2
    )  # VA's selection is that of the filter
    assert f"{100 * known[0].zero_share:.1f} %" in text


def test_classes_that_lose_over_half_of_their_share_are_named(report):
    losing = report.selections[0].model_copy(
        update={"images_before": (100,) * 9, "images_after": (80, 80, 80, 80, 80, 80, 80, 80, 30)}
    )
    text = selection_section(report.arms, (losing,))
    assert text.split("\n| SAM top 20k", 1)[1].splitlines()[0].endswith("| tent |")


# --- files and figures


def test_the_folder_holds_page_csv_records_and_every_figure_of_the_page(written):
    made, page = written
    figures = re.findall(r"!\[.*?\]\((.*?)\)", page.read_text(encoding="utf-8"))
    assert set(figures) == {*GENERIC, *OF_THE_FILTER}
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
    assert SamFilterReport.load(page.parent / "records.json") == made
    for figure in figures:
        with Image.open(page.parent / figure) as image:
            assert image.width <= 1010


def test_equal_records_give_equal_bytes(written, tmp_path):
    made, page = written
    again = render_report(PAPER, SamFilterReport.model_validate_json(made.model_dump_json()), tmp_path)
    digests = [
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        for folder in (page.parent, again.parent)
    ]
    assert digests[0] == digests[1]


def test_figures_whose_records_are_absent_are_not_drawn_and_older_ones_go_away(report, tmp_path):
    (tmp_path / "figure_scores.png").touch()
    bare = report.model_copy(update={"points": (), "histograms": (), "selections": (), "results": (), "claims": ()})
    render_report(PAPER, bare, tmp_path)
    assert list(tmp_path.glob("*.png")) == []
    only_points = [
        drawn for drawn in draw_figures(bare.model_copy(update={"points": report.points}), tmp_path) if drawn
    ]
    assert [figure.file for figure in only_points] == ["figure_pilot_miniature.png"]
    assert "Correlation" not in only_points[0].caption


def test_nothing_run_at_all(report, tmp_path):
    absent = ("results", "costs", "points", "histograms", "selections", "estimates", "outcomes", "claims")
    page = render_report(PAPER, judge(report.model_copy(update=dict.fromkeys(absent, ())), CLAIMS), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "Nothing has been evaluated yet." in text
    assert "10 not run" in text
    assert "![" not in text


def test_one_seed_tests_nothing():
    made = synthetic_filter_report(seeds=(0,))
    assert {claim.verdict for claim in made.claims} == {"not resolved"}
    assert "One seed gives no interval, so nothing is tested." in render(made, [])


def test_own_data_has_one_group_and_no_numbers_of_the_paper(tmp_path):
    page = render_report(PAPER, synthetic_own_report(), tmp_path).read_text(encoding="utf-8")
    assert "2 questions of ours: 2 hold." in page
    assert "52.24" not in page
    assert "Table 1" not in page
    assert "![mIoU by arm" in page


def test_accuracy_rows_repeat_an_arm_that_two_tables_have(report):
    rows = [(row.group, row.arm) for row in arm_rows(report)]
    assert [group.split(":")[0] for group, arm in rows if arm == "va_sam_20k"] == ["Table 2", "Table 3"]
    assert [arm for group, arm in rows if group == "Controls"] == [arm.id for arm in report.arms if arm.control]
    assert len(rows) == len(set(rows)) == len(report.arms) + 1


@pytest.mark.parametrize(
    ("arm", "group"),
    [
        ("sbd_leaky", "real data"),
        ("random_same_mix_20k", "random"),
        ("va_noisy_all_40k", "all pairs"),
        ("imagenet_sam_20k", "SAM's best"),
        ("sam_20k_equal_iterations", "SAM's best"),
    ],
)
def test_groups_follow_from_how_an_arm_trains(arm, group):
    assert {known.id: known.group for known in ARMS}[arm] == group


# --- samples


@pytest.mark.parametrize(
    ("total", "shown"),
    [
        (100, {"best": [0, 1, 2, 3], "median": [48, 49, 50, 51], "worst": [96, 97, 98, 99]}),
        (7, {"best": [0, 1], "median": [2, 3], "worst": [5, 6]}),
        (2, {}),
    ],
)
def test_samples_are_the_best_the_middle_and_the_worst(total, shown):
    groups: dict[str, list[int]] = {}
    for group, place in places_by_rank(total):
        groups.setdefault(group, []).append(place)
    assert groups == shown


def test_the_class_mix_is_of_one_arm_that_leaves_something_out(report):
    assert {item.arm for item in of_one_arm(report.selections, "sam_20k")} == {"sam_20k"}
    assert {item.arm for item in of_one_arm(report.selections, "absent")} == {"sam_20k"}
    everything = [item.model_copy(update={"num_after": item.num_before}) for item in report.selections]
    assert of_one_arm(everything, "sam_20k") == []


# --- records


def test_records_that_cannot_be_are_refused(report):
    selection = report.selections[0].model_dump()
    with pytest.raises(ValidationError, match="one count a class"):
        SelectionStatistics.model_validate(selection | {"pixels_after": (1, 2)})
    with pytest.raises(ValidationError, match="2 edges for 2 bins"):
        ScoreHistogram(score="S1", seed=0, edges=(0, 1), counts=(1, 2))
    with pytest.raises(ValidationError, match="edges must ascend"):
        ScoreHistogram(score="S1", seed=0, edges=(0, 1, 1), counts=(1, 2))
    stray = report.selections[0].model_copy(update={"arm": "nobody"})
    with pytest.raises(ValidationError, match="SelectionStatistics of unknown arm 'nobody'"):
        SamFilterReport.model_validate(report.model_dump() | {"selections": (stray.model_dump(),)})
    point = report.points[0].model_copy(update={"backbone": "none"})
    with pytest.raises(ValidationError, match="ScatterPoint of unknown backbone 'none'"):
        SamFilterReport.model_validate(report.model_dump() | {"points": (point.model_dump(),)})
