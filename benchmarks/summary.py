"""Turns pytest-benchmark's JSON into the small CSV that the repository keeps, and that into the page docs/benchmarks.md.

Use: ``pytest benchmarks/ --benchmark-only --full-size --benchmark-json=all.json``, then ``python benchmarks/summary.py all.json HARDWARE``,
where HARDWARE names the machine and precision, e.g. ``amd-epyc-2cores-fp32``; one file a machine.
"""

import csv
import json
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
FIELDS = ("file", "benchmark", "median_s", "min_s", "rounds", "extra")
HEAD = """# Benchmarks

Made by `make bench` (with `ARGS=--full-size` the sizes of validation sets and a million objects, an hour or more; without it minutes) and written by `benchmarks/summary.py`; each file of `benchmarks/` names what it compares with, in the same
run. Times are wall seconds of one call, medians over rounds; ratios within a run are worth more than times. One torch thread.
"""


def rows(document: dict) -> list[dict[str, str]]:
    """One row a benchmark, in the order of the run."""
    return [
        {
            "file": Path(item["fullname"].split("::")[0]).name,
            "benchmark": item["name"].removeprefix("test_"),
            "median_s": f"{item['stats']['median']:.6g}",
            "min_s": f"{item['stats']['min']:.6g}",
            "rounds": str(item["stats"]["rounds"]),
            "extra": "; ".join(f"{key} {_short(value)}" for key, value in item["extra_info"].items()),
        }
        for item in document["benchmarks"]
    ]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def page() -> str:
    """The page, from every CSV that the repository keeps."""
    parts = [HEAD]
    for path in sorted(RESULTS.glob("*.csv")):
        parts.append(f"\n## {path.stem}\n\n| file | benchmark | median s | least s | also |\n|---|---|---:|---:|---|")
        with path.open(newline="") as file:
            parts += [
                f"| `{row['file']}` | {row['benchmark']} | {row['median_s']} | {row['min_s']} | {row['extra']} |"
                for row in csv.DictReader(file)
            ]
    return "\n".join(parts) + "\n"


def merged(old: list[dict[str, str]], new: list[dict[str, str]]) -> list[dict[str, str]]:
    """Old rows with those of the same benchmarks replaced, file by file."""
    replaced = {(row["file"], row["benchmark"]) for row in new}
    kept = [row for row in old if (row["file"], row["benchmark"]) not in replaced]
    return sorted([*kept, *new], key=lambda row: row["file"])


def main() -> None:
    """Write CSV and page; benchmarks that did not run keep their rows."""
    source, hardware = sys.argv[1:]
    path = RESULTS / f"{hardware}.csv"
    RESULTS.mkdir(exist_ok=True)
    old = list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []
    all_rows = merged(old, rows(json.loads(Path(source).read_text())))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(all_rows)
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
