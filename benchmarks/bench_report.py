"""What the HTML page of a report costs beside the Markdown page, from the same records in the same run.

    pytest benchmarks/bench_report.py --benchmark-only

The records are those of a small store without networks: arms of MRCA with 12 seeds, a quarter of them without `--full-size`, every training with a
history of 200 iterations. `collect_s` is reading them from the store, `html_s` and `markdown_s` the two pages, in processor seconds, `html_mb`
the size without figures.
"""

import time
from pathlib import Path

import pytest

from benchmarks.sizes import size
from reports.html.page import render_html
from reports.markdown import render
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.mrca.arms import ARMS, DiverGen
from reproductions.study.run_details import collect_details
from tests.unit.report_runs import finish, planners
from tests.unit.report_synthetic import synthetic_report

SEEDS = range(size(3, 12))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory):
    store, made = Store.create(tmp_path_factory.mktemp("store")), planners(SEEDS)
    arms = [arm for arm in ARMS if not arm.not_run and not isinstance(arm.how, DiverGen)]  # which has places of its own
    plan = Plan("mrca-mini", tuple(cell for one in made for arm in arms for cell in one.arm(arm).wanted))
    finish(store, plan)
    return store, made, arms, plan


def processor_seconds(call) -> tuple[float, object]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def test_html_page(benchmark, stored, tmp_path: Path) -> None:
    store, made, arms, plan = stored
    report = synthetic_report(seeds=tuple(SEEDS))
    render(report, [])
    markdown_s, _ = processor_seconds(lambda: render(report, []))
    collect_s, details = processor_seconds(lambda: collect_details(made, arms, plan, store, report))
    html_s, page = processor_seconds(lambda: render_html(report, [], [], details, tmp_path))
    benchmark.extra_info.update(
        cells=len(plan), collect_s=collect_s, html_s=html_s, markdown_s=markdown_s, html_mb=len(page) / 1e6
    )
    benchmark(render_html, report, [], [], details, tmp_path)
