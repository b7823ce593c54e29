"""The kept measurements: each is of a benchmark that is still there, and the page shows all of them."""

import csv
from pathlib import Path

from benchmarks.summary import PAGE, RESULTS, page

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_every_kept_measurement_is_of_a_benchmark_that_is_there() -> None:
    sources = {path.name: path.read_text() for path in BENCHMARKS.glob("bench_*.py")}
    kept = [row for path in RESULTS.glob("*.csv") for row in csv.DictReader(path.read_text().splitlines())]
    assert len(kept) > 100
    gone = [
        (row["file"], row["benchmark"])
        for row in kept
        if f"def test_{row['benchmark'].split('[')[0]}(" not in sources.get(row["file"], "")
    ]
    assert gone == []


def test_the_page_is_made_of_the_kept_measurements() -> None:
    assert PAGE.read_text() == page()
