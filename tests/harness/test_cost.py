"""The cost of what is missing: measured where the store holds the like, assumed elsewhere."""

import pytest

from reproductions.harness.cell import Cell
from reproductions.harness.cost import estimate
from reproductions.harness.launcher import run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.site import Site, StageResources
from reproductions.harness.store import Store
from tests.harness.toy import draw_cell, walk_cell


def on_cpu(cell: Cell) -> StageResources:
    return StageResources(gpus=0, cpus=2)


def test_assumed_until_measured(store: Store) -> None:
    plan = Plan("toy-mini", tuple(draw_cell(seed, pause_s=0.2) for seed in range(4)))
    [before] = estimate(plan, store, on_cpu)
    assert (before.num_missing, before.source, before.gpu_hours) == (4, "assumed", 0.0)
    assert before.cpu_hours == pytest.approx(4 * 1.0 * 2 / 3600), "one second each is expected, on two CPUs"
    run_in_process(Plan("toy-mini", plan.targets[:2]), store, lambda: None)
    [after] = estimate(plan, store, on_cpu)
    assert (after.num_missing, after.source) == (2, "measured on 2 cells")
    assert 2 * 0.2 * 2 / 3600 < after.cpu_hours < 2 * 1.0 * 2 / 3600
    assert 500 < after.disk_bytes < 50_000


def test_another_scale_does_not_count(store: Store) -> None:
    run_in_process(Plan("toy-smoke", (draw_cell(),)), store, lambda: None)
    [cost] = estimate(Plan("toy-mini", (draw_cell(1),)), store, on_cpu)
    assert cost.source == "assumed"


def test_nothing_missing_costs_nothing(store: Store) -> None:
    plan = Plan("toy", (draw_cell(),))
    run_in_process(plan, store, lambda: None)
    [cost] = estimate(plan, store, on_cpu)
    assert (cost.gpu_hours, cost.cpu_hours, cost.disk_bytes, cost.source) == (0, 0, 0, "")


def test_only_stages_that_use_a_gpu_cost_gpu_hours(store: Store) -> None:
    site = Site(stages={"train": StageResources(gpus=4)})
    [cost] = estimate(Plan("toy", (walk_cell(),)), store, lambda cell: site.resources(cell.stage.kind, True))
    assert cost.gpu_hours == 0.0, "the toy walks on a CPU, whatever the site gives"
