import csv
import io

import pytest

from reports.markdown import NONE_RUN, shown_tables, tables_section
from reports.records import Deviation, Estimate, Report
from reports.tables import (
    CSV_HEADER,
    deviation_table,
    fixed,
    markdown_frame,
    markdown_table,
    mean_text,
    p_text,
    paper_table,
    printed_text,
    result_table,
    summary_csv,
    whole,
)
from tests.unit.report_synthetic import synthetic_report


@pytest.fixture(scope="module")
def report() -> Report:
    return synthetic_report()


@pytest.fixture(scope="module")
def rows(report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(summary_csv(report))))


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [
        (28.2, False, "28.20"),
        (-0.001, False, "0.00"),
        (-0.001, True, "+0.00"),
        (-1.5, True, "-1.50"),
        (None, True, "–"),
    ],
)
def test_fixed(value, sign, text):
    assert fixed(value, 2, sign) == text


def test_counts_and_p_values():
    assert whole(1200000) == "1,200,000"
    assert [p_text(p) for p in (0.0004, 0.0312, None)] == ["p < 0.001", "p = 0.031", "no test"]


def test_mean_text_names_n_only_where_seeds_are_missing():
    three = Estimate(arm="a", backbone="b", metric="m", n=3, mean=12.345, low=11.0, high=13.69)
    one = Estimate(arm="a", backbone="b", metric="m", n=1, mean=12.345)
    assert mean_text(three, 3) == "12.35 ± 1.34" or mean_text(three, 3) == "12.34 ± 1.34"  # binary half
    assert mean_text(three, 4).endswith("(n=3)")
    assert mean_text(one, 1) in ("12.35", "12.34")
    assert mean_text(None, 3) == "–"


def test_markdown_table_escapes_what_would_break_it():
    text = markdown_table(["a", "b"], [["x|y", "two\nlines"]], numbers_from=1)
    assert text.splitlines() == ["| a | b |", "| --- | ---: |", "| x\\|y | two lines |"]


def test_csv_has_every_printed_and_every_own_number_once(report, rows):
    assert tuple(rows[0]) == CSV_HEADER
    assert len([row for row in rows if row["table"]]) == len(report.targets) == 88
    own = [(row["arm"], row["metric"]) for row in rows if not row["table"]]
    assert len(own) == len(set(own)) == 3 * 8  # the three controls
    assert rows[8]["paper_value"] == "34.20"


def test_csv_numbers_come_from_the_results(report, rows):
    for row in rows:
        if row["n"] == "3":
            values = report.by_seed(row["arm"], row["ours_backbone"], row["metric"])
            assert float(row["ours_mean"]) == pytest.approx(sum(values.values()) / 3, abs=5e-5)
            assert float(row["ours_low"]) < float(row["ours_mean"]) < float(row["ours_high"])
            cells = [cell for known in report.results if known.arm == row["arm"] for cell in known.cells]
            assert row["cells"] == ";".join(cells)
        else:
            assert (row["n"], row["verdict"], row["ours_mean"], row["cells"]) == ("0", "not run", "", "")


def test_paper_table_keeps_the_papers_rows_and_adds_the_controls_last(report):
    lines = markdown_frame(paper_table(report, "Table 2")).splitlines()[2:]
    titles = [line.split("|")[1].strip() for line in lines if "| paper |" in line]
    assert titles == ["No Aug.", "X-Paste", "X-Paste + CLIP (stand-in)", "BSGAL", "DiverGen", "MRCA"]
    assert "X-Paste, equal pool and pasting *(not in the paper)*" in lines[-1]
    assert "not run" in lines[titles.index("DiverGen") * 2 + 1]


def test_segmenters_of_one_table_keep_their_own_numbers(report):
    """Each printed number stands in the row of its arm and segmenter, all of which the heading names."""
    together = tuple(target.model_copy(update={"table": "Both"}) for target in report.targets)
    both = report.model_copy(update={"targets": together})
    frame = paper_table(both, "Both")
    assert len({target.backbone for target in together}) == 2
    for target in together:
        row = frame[(frame["Method"] == f"{target.arm_title}; {target.backbone_title}") & (frame[""] == "paper")]
        assert row[report.metric_title(target.metric)].tolist() == [printed_text(target)]
    (shown,) = shown_tables(both)
    assert all(title in shown.heading for title in {target.backbone_title for target in together})


def test_tables_of_which_nothing_was_run_are_folded_together_at_the_end(report):
    assert [shown.folded for shown in shown_tables(report)].count(NONE_RUN) == 0
    assert "Not run" not in tables_section(report)
    asked = {target.arm for target in report.targets if target.table == "Table 1"}
    none = report.model_copy(update={"results": tuple(one for one in report.results if one.arm not in asked)})
    names = [shown.heading for shown in shown_tables(none) if shown.folded == NONE_RUN]
    assert [name.split(":")[0] for name in names] == ["Table 1"]
    shown, together = tables_section(none).split("<summary>Not run, no row of them: Table 1</summary>")
    assert not [name for name in names if f"### {name}\n" in shown]
    assert [line[4:] for line in together.splitlines() if line.startswith("### ")] == names


def test_segmenters_with_the_same_one_of_ours_beside_them_share_its_row(report):
    (ours,) = {backbone.id for backbone in report.backbones}
    together = tuple(target.model_copy(update={"table": "Both"}) for target in report.targets)
    beside = dict.fromkeys({target.backbone for target in together}, ours)
    frame = paper_table(report.model_copy(update={"targets": together, "beside": beside}), "Both")
    assert frame.loc["mrca", ""].tolist() == ["paper", "paper", "ours"]
    assert (frame["Method"].str.contains("not in the paper")).sum() == 3


def test_verdicts_stand_in_the_table_at_tier_paper_only(report):
    assert "| verdict |" not in markdown_frame(paper_table(report, "Table 1"))
    table = markdown_frame(paper_table(synthetic_report(tier="paper"), "Table 1"))
    assert table.count("| verdict |") == 3


def test_result_table_shows_the_arms_asked_for_in_their_order(report):
    lines = markdown_frame(result_table(report, arms=["mrca", "no_aug"])).splitlines()
    assert [line.split("|")[1].strip() for line in lines] == ["Arm", "---", "MRCA", "No Aug."]
    assert len(markdown_frame(result_table(report)).splitlines()) == 2 + 6


def test_an_entry_of_the_ledger_names_a_few_of_its_arms():
    shown = {f"arm{number}": f"Arm {number}, half" for number in range(9)}
    entry = Deviation(id="D1", what="Windows", stated="s", ours="o", mark="C", reason="r")

    def what(number: int) -> str:
        row = deviation_table([entry.model_copy(update={"arms": tuple(shown)[:number]})], shown).splitlines()[-1]
        return row.split("|")[2].strip()

    assert what(0) == what(9) == "Windows"
    assert what(2) == "Windows (Arm 0, half; Arm 1, half)"
    assert what(5).endswith("Arm 4, half)")
    assert what(8) == "Windows (Arm 0, half; Arm 1, half; Arm 2, half; Arm 3, half; Arm 4, half and 3 more)"
