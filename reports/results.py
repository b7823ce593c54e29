"""The numbers of a report as pandas frames: one row a seed, and one row a printed or own number.

Tables, files and anyone's own analysis start here::

    from reports import load_results
    frame = load_results("reports/generated")
    frame.groupby(["paper", "arm", "metric"])["value"].agg(["mean", "std", "count"])
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.records import Cost, Report, Result, Target, TargetOutcome

RESULTS_FILE = "results.parquet"
KEYS = ["paper", "tier", "arm", "backbone", "seed", "metric"]
"""What names a row of :func:`results_frame`; ``seed`` is missing where an arm of the paper was not run."""
COLUMNS = [
    *KEYS,
    "value",
    "unit",
    "control",
    "cell",
    "table",
    "target",
    "target_backbone",
    "target_decimals",
    "verdict",
]


def results_frame(report: Report) -> pd.DataFrame:
    """Return one row a seed and metric of every arm that ran, then one a printed number that none of ours stands beside.

    Columns:
        paper, tier, arm, backbone, seed, metric: what the number is of; ``seed`` is a nullable integer.
        value, unit: in percent where the unit is AP or mIoU; missing where it was not run or is undefined.
        control: True for an arm that the paper does not have.
        cell: id of the evaluation behind the value.
        table, target, target_backbone, target_decimals: the printed number beside it and where it stands; ``target`` is missing
            where the paper prints none, or several that differ for other backbones.
        verdict: what our runs say of the printed number, the same for every seed.
    """
    ours = pd.DataFrame([row for result in report.results for row in _seed_rows(report, result)])
    printed = _targets_frame(report)
    if ours.empty:
        found = printed
    else:
        beside = ["arm", "backbone", "metric"]
        joined = printed.dropna(subset=["backbone"]).groupby(beside, sort=False).agg(_one_or_missing).reset_index()
        found = ours.merge(joined, "left", beside)
        absent = printed.merge(ours[beside].drop_duplicates(), "left", beside, indicator=True)
        found = pd.concat([found, absent[absent["_merge"] == "left_only"]], ignore_index=True)
    found["paper"], found["tier"] = report.run.paper_id, report.run.tier
    units = {metric.id: metric.unit for metric in report.metrics}
    found["unit"] = found["metric"].map(units)
    found["control"] = found["arm"].map({arm.id: arm.control for arm in report.arms}).eq(True)
    return found.reindex(columns=COLUMNS).astype(
        {"seed": "Int64", "target_decimals": "Int64", "value": "float64", "target": "float64"}
    )


def _seed_rows(report: Report, result: Result) -> list[dict[str, object]]:
    named = {"arm": result.arm, "backbone": result.backbone, "seed": result.seed, "cell": result.cells[0]}
    known = (metric.id for metric in report.metrics if metric.id in result.metrics)
    return [{**named, "metric": metric, "value": result.metrics[metric]} for metric in known]


def _targets_frame(report: Report) -> pd.DataFrame:
    """One row a printed number, with the backbone of ours that stands beside it."""
    outcomes = {_place(outcome): outcome.verdict for outcome in report.outcomes}
    rows = [
        {
            "arm": target.arm,
            "backbone": report.beside.get(target.backbone),
            "metric": target.metric,
            "table": target.table,
            "target": target.value,
            "target_backbone": target.backbone,
            "target_decimals": target.decimals,
            "verdict": outcomes.get(_place(target)),
        }
        for target in report.targets
    ]
    columns = ["arm", "backbone", "metric", "table", "target", "target_backbone", "target_decimals", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _place(known: Target | TargetOutcome) -> tuple[str, str, str, str]:
    return known.table, known.arm, known.backbone, known.metric


def _one_or_missing(values: pd.Series) -> object:
    """The one value of several equal ones; names are joined; numbers that differ give nothing."""
    different = values.dropna().drop_duplicates()
    if len(different) == 1:
        return different.iloc[0]
    return "; ".join(different) if len(different) and isinstance(different.iloc[0], str) else None


def costs_frame(report: Report) -> pd.DataFrame:
    """Return what every arm took, one row a seed; columns as in :class:`~reports.records.Cost`."""
    return pd.DataFrame([cost.model_dump() for cost in report.costs], columns=list(Cost.model_fields))


def load_results(place: str | Path = "reports/generated") -> pd.DataFrame:
    """Read the frames of every report below a folder into one, see :func:`results_frame`.

    The column ``report`` says from which folder a row comes, relative to ``place``.

    Raises:
        FileNotFoundError: there is no report.
    """
    files = sorted(Path(place).rglob(RESULTS_FILE))
    if not files:
        raise FileNotFoundError(f"there is no {RESULTS_FILE} below {place}; `segrepro report PAPER` writes one")
    frames = [pd.read_parquet(path).assign(report=path.parent.relative_to(place).as_posix()) for path in files]
    return pd.concat(frames, ignore_index=True)
