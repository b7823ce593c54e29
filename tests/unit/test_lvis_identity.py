"""The built-in identity of LVIS v1 val: on published tables, on a real file, and when something is wrong."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import pytest

from methods.common.metrics.detection.lvis import evaluate_lvis
from methods.common.metrics.detection.lvis_identity import (
    LVIS_V1_VAL_WEIGHTS,
    TOLERANCE,
    group_weights,
    identity_notes,
    weighted_ap,
)

TARGETS = Path(__file__).parents[2] / "reproductions/mrca/targets.csv"


def test_published_rows_obey_it() -> None:
    rows: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    with TARGETS.open(newline="") as file:
        for row in csv.DictReader(file):
            name, kind = row["metric"].split("_")
            rows[row["arm"], row["backbone"], kind][name] = float(row["value"]) / 100
    assert len(rows) == 22
    for metrics in rows.values():
        assert abs(metrics["AP"] - weighted_ap(metrics, LVIS_V1_VAL_WEIGHTS)) < TOLERANCE


def test_a_real_file_obeys_its_own_weights(shared: Path) -> None:
    source = shared / "data/lvis/lvis_val_100.json"
    content = json.loads(source.read_text())
    detections = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 1 / (1 + index % 7)}
        for index, a in enumerate(content["annotations"])
        if index % 3
    ]
    found = evaluate_lvis(source, detections, "bbox")
    rated = [c.frequency for c, ap in zip(found.categories, found.class_ap.values(), strict=True) if ap is not None]
    assert len(rated) == 190
    assert found.metrics()["AP"] == pytest.approx(weighted_ap(found.metrics(), group_weights(rated)), abs=1e-12)
    assert [note for note in found.notes() if "self-check" in note] == []


METRICS = {"APr": 0.25, "APc": 0.33, "APf": 0.39}
RATED = ["r"] * 179 + ["c"] * 450 + ["f"] * 407


def test_the_outcome_is_said_for_lvis_v1_val_only() -> None:
    metrics = METRICS | {"AP": weighted_ap(METRICS, group_weights(RATED))}
    (note,) = identity_notes(metrics, RATED, 19_809, 1_203)
    assert note.startswith("self-check passed: AP = 0.1727 APr + 0.4344 APc + 0.3929 APf")
    assert identity_notes(metrics, RATED, 19_808, 1_203) == []
    assert identity_notes(metrics | {"AP": None}, [], 19_809, 1_203) == []


def test_other_classes_and_wrong_means_are_noticed() -> None:
    fewer = RATED[100:]
    metrics = METRICS | {"AP": weighted_ap(METRICS, group_weights(fewer))}
    (note,) = identity_notes(metrics, fewer, 19_809, 1_203)
    assert note.startswith("self-check FAILED")
    with pytest.raises(AssertionError, match="not the mean"):
        identity_notes(metrics | {"AP": 0.3}, fewer, 19_809, 1_203)
