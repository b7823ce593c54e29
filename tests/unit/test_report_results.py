"""The frames of a report: one row a seed, targets beside them, and back from disk."""

import numpy as np
import pandas as pd
import pytest

from reports import load_results
from reports.latex import tables_tex
from reports.records import Report
from reports.results import COLUMNS, KEYS, results_frame
from reports.tables import paper_table, paper_tables
from reproductions.mrca.paper import PAPER
from reproductions.study.reporting import render_report
from tests.unit.report_synthetic import synthetic_report
from tests.unit.report_synthetic_sam_filter import synthetic_filter_report


@pytest.fixture(scope="module")
def report() -> Report:
    return synthetic_report()


@pytest.fixture(scope="module")
def frame(report: Report) -> pd.DataFrame:
    return results_frame(report)


def test_each_seed_and_metric_is_one_row_with_its_value_and_cell(report: Report, frame: pd.DataFrame) -> None:
    ran = frame.dropna(subset=["seed"])
    assert list(frame.columns) == COLUMNS
    assert not ran.duplicated(KEYS).any()
    assert len(ran) == sum(len(result.metrics) for result in report.results)
    for result in report.results:
        rows = ran[(ran["arm"] == result.arm) & (ran["seed"] == result.seed)]
        assert dict(zip(rows["metric"], rows["value"], strict=True)) == result.metrics
        assert set(rows["cell"]) == {result.cells[0]}


def test_means_by_grouping_are_the_estimates(report: Report, frame: pd.DataFrame) -> None:
    means = frame.groupby(["arm", "backbone", "metric"])["value"].agg(["mean", "count"])
    assert len(report.estimates) > 10
    for known in report.estimates:
        found = means.loc[(known.arm, known.backbone, known.metric)]
        assert found["mean"] == pytest.approx(known.mean)
        assert found["count"] == known.n


def test_every_printed_number_is_there_run_or_not(report: Report, frame: pd.DataFrame) -> None:
    absent = frame[frame["seed"].isna()]
    assert set(absent["arm"]) == {"xpaste_clip", "bsgal", "divergen"}
    assert set(absent["verdict"]) == {"not run"}
    assert absent["value"].isna().all()
    printed = {(t.arm, t.backbone, t.metric): t.value for t in report.targets if t.arm in set(absent["arm"])}
    found = {(row.arm, row.target_backbone, row.metric): row.target for row in absent.itertuples()}
    assert found == printed


def test_a_target_stands_beside_ours_only_where_it_is_one_number(frame: pd.DataFrame) -> None:
    of_both = frame[(frame["arm"] == "mrca") & (frame["metric"] == "AP_mask")]
    assert of_both["target"].isna().all()  # ResNet-50 and Swin-L print two, the miniature is neither
    assert set(of_both["table"]) == {"Table 1; Table 2"}
    filtered = results_frame(synthetic_filter_report())
    twice = filtered[filtered["arm"] == "va_sam_20k"]
    assert set(twice["target"]) == {40.83}  # the same number in two tables
    assert set(twice["table"]) == {"Table 2; Table 3"}


def test_each_backbone_has_the_numbers_of_its_own_table(report: Report) -> None:
    both = tuple(
        result.model_copy(update={"backbone": backbone})
        for backbone in ("resnet50", "swinl")
        for result in report.results
    )
    apart = report.model_copy(update={"results": both, "beside": {"resnet50": "resnet50", "swinl": "swinl"}})
    found = results_frame(apart)
    for target in report.targets:
        mine = found[
            (found["arm"] == target.arm) & (found["backbone"] == target.backbone) & (found["metric"] == target.metric)
        ]
        assert set(mine["target"]) <= {target.value}, (target.arm, target.backbone, target.metric)
    assert set(found[(found["arm"] == "mrca") & (found["backbone"] == "swinl")]["table"]) == {"Table 2"}


def test_controls_are_marked_and_have_no_target(frame: pd.DataFrame) -> None:
    control = frame[frame["arm"] == "no_aug_double"]
    assert control["control"].all()
    assert control["target"].isna().all()
    assert not frame[frame["arm"] == "mrca"]["control"].any()


def test_reports_of_a_folder_are_read_into_one_frame(report, frame, tmp_path) -> None:
    render_report(PAPER, report, tmp_path / "mrca" / "mini")
    smoke = report.model_copy(update={"run": report.run.model_copy(update={"tier": "smoke"})})
    render_report(PAPER, smoke, tmp_path / "mrca" / "smoke")
    loaded = load_results(tmp_path)
    assert sorted(set(loaded["report"])) == ["mrca/mini", "mrca/smoke"]
    mini = loaded[loaded["report"] == "mrca/mini"].drop(columns="report").reset_index(drop=True)
    pd.testing.assert_frame_equal(mini, frame, check_dtype=False)
    text = pd.read_csv(tmp_path / "mrca" / "mini" / "results.csv")
    np.testing.assert_array_equal(text["value"], frame["value"])
    with pytest.raises(FileNotFoundError, match=r"there is no results\.parquet below"):
        load_results(tmp_path / "nothing")


def test_nothing_run_gives_the_printed_numbers_alone(report: Report) -> None:
    bare = report.model_copy(update={"results": (), "costs": (), "estimates": ()})
    found = results_frame(bare)
    assert len(found) == len(report.targets)
    assert found["seed"].isna().all()


def test_latex_has_every_table_with_its_numbers(report: Report) -> None:
    text = tables_tex(report)
    assert text.count(r"\begin{tabular}") == len(paper_tables(report)) == 2
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 2
    rows = paper_table(report, "Table 1")
    assert len([line for line in text.split(r"\end{tabular}")[0].splitlines() if line.endswith(r"\\")]) == len(rows) + 1
    assert rows.iloc[1, 4].replace("±", r"$\pm$") in text
    assert "±" not in text
    assert "tier mini: not comparable" in text
