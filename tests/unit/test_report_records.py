import pytest
from pydantic import ValidationError

from reports.records import Result, SeriesPoint
from reproductions.mrca.records import BudgetRound, MrcaReport
from tests.unit.report_synthetic import synthetic_report


@pytest.fixture(scope="module")
def report() -> MrcaReport:
    return synthetic_report()


def test_json_round_trip_changes_nothing(report, tmp_path):
    report.save(tmp_path / "a.json")
    again = MrcaReport.load(tmp_path / "a.json")
    again.save(tmp_path / "b.json")
    assert again == report
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_undefined_metrics_are_absent_by_seed(report):
    first = report.results[0]
    undefined = first.model_copy(update={"metrics": first.metrics | {"APr_box": None}})
    changed = report.model_copy(update={"results": (undefined, *report.results[1:])})
    assert set(report.by_seed("no_aug", "miniature", "APr_box")) == {0, 1, 2}
    assert set(changed.by_seed("no_aug", "miniature", "APr_box")) == {1, 2}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(value):
    with pytest.raises(ValidationError, match="finite"):
        SeriesPoint(series="s", arm="a", backbone="b", seed=0, round=1, value=value)


def test_two_results_for_one_run_are_refused(report):
    document = report.model_dump()
    document["results"] = [document["results"][0]] * 2
    with pytest.raises(ValidationError, match="two results for one arm"):
        MrcaReport.model_validate(document)


def test_a_result_of_an_unknown_arm_is_refused(report):
    stray = Result(arm="nobody", backbone="miniature", seed=0, metrics={}, cells=())
    with pytest.raises(ValidationError, match="unknown arm 'nobody'"):
        MrcaReport.model_validate(report.model_dump() | {"results": (stray.model_dump(),)})


@pytest.mark.parametrize("field", ["arm", "backbone"])
def test_a_papers_own_records_are_of_known_arms_and_backbones(report, field):
    stray = report.budgets[0].model_copy(update={field: "none"})
    with pytest.raises(ValidationError, match=f"BudgetRound of unknown {field} 'none'"):
        MrcaReport.model_validate(report.model_dump() | {"budgets": (stray.model_dump(),)})


def test_a_budget_has_one_count_a_class(report):
    short = BudgetRound(arm="mrca", backbone="miniature", seed=0, round=1, objects=(1, 2))
    with pytest.raises(ValidationError, match="one count a class"):
        MrcaReport.model_validate(report.model_dump() | {"budgets": (short.model_dump(),)})
