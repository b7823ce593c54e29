"""Every stage, in each shape that a smoke plan gives it: pure, going on from wherever it is killed, keeping to its own folder.

A new stage is covered as soon as a paper's smoke plan has a cell of it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from methods.common.stage import Stage
from reproductions.harness.cell import check_record
from reproductions.harness.store import Store
from reproductions.harness.worker import _clear_leftovers
from tests.contracts.compare import BYTES, Rounding, differences, differences_of_shards, record_as_file
from tests.contracts.papers import chosen_cells, defined_stages, is_first_shape, known_papers, smoke_plan
from tests.contracts.promises import (
    DECIDE,
    PROMISES,
    another,
    in_small_units,
    rounding_of,
    sharing_fields,
    value_of,
    with_value,
)
from tests.contracts.runs import Bench, Finished, Rerun
from tests.contracts.states import choose, swept, to_go_on_from
from tests.contracts.watch import State, read_state, write_state
from tests.unit.team_processes import double_precision

CELLS = chosen_cells()

IN_NO_SMOKE_PLAN = {
    "ade20k_segments": "reads what ADE20K publishes, at tier paper alone; tests/unit/test_ade20k_segments.py interrupts it",
    "evaluate_instances": "for papers to come; what it does is tried as mrca_evaluate",
    "evaluate_semantic": "for papers from outside; what it does is tried as sam_filter_evaluate",
    "palette_report": "writes nothing beside its record, and `segrepro palette-check` does the same; tests/unit/test_seggen_palette_report.py runs both",
    "train_instances": "for papers from outside; what it does is tried as instance_synthesis_train",
    "train_semantic": "for papers from outside; what it does is tried as sam_filter_train",
    "instance_synthesis_evaluate_coco": "scores a user's own data; tests/e2e/test_own_frames.py runs it",
    "mrca_import_objects": "reads a user's own cut-outs; tests/unit/test_mrca_stages_go_on.py kills it",
}
"""Stages that no smoke plan has, and what holds for them instead."""

DRAWN_BY_NONE = {("train_generator", "data")}
"""Declared axes that no smoke cell of the stage draws from; all they do is that cells are made anew. The generator's pictures come drawn,
but without the axis the cells behind the shipped weights were others."""

DRAWN_BY_SOME = {
    ("robust_label", "generation"),
    ("diffumask_prune", "generation"),
    ("seggen_captions", "generation"),
    ("seggen_copies", "generation"),
    ("robust_filter_masks", "generation"),
}
"""Declared axes that cells of the stage draw from where their config asks for chance, as the controls do."""

KILLS, KILLS_OF_FURTHER_SHAPES = 2, 1
"""In how many states a cell is killed: the first shape of its stage, and the others."""


@pytest.fixture(scope="module", params=CELLS)
def label(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def bench(label: str, store_of: Callable[[str], Store]) -> Bench:
    paper_id, cell = CELLS[label]
    return Bench(cell, store_of(paper_id))


@pytest.fixture(scope="module")
def rerun(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Rerun:
    """An undisturbed run in small units, with other global generators and undeclared seeds than the smoke run had."""
    return bench.run(tmp_path_factory.mktemp("rerun") / "work", bench.small_units, luck=1)


def complaints(one: Finished, other: Finished, rounding: Rounding = BYTES) -> list[str]:
    return differences(
        {**one.files, **record_as_file(one.record)}, {**other.files, **record_as_file(other.record)}, rounding
    )


# -- which stages ----------------------------------------------------------------------------------------------------------


def test_every_stage_is_in_a_smoke_plan_or_listed_with_a_reason() -> None:
    planned = {cell.stage.name for paper_id in known_papers() for cell in smoke_plan(paper_id)}
    assert set(defined_stages()) - planned == set(IN_NO_SMOKE_PLAN)


def test_every_planned_stage_is_found_where_a_job_looks_for_it() -> None:
    for paper_id in known_papers():
        for cell in smoke_plan(paper_id):
            module = importlib.import_module(cell.stage.run.__module__)
            found = [
                value for value in vars(module).values() if isinstance(value, Stage) and value.name == cell.stage.name
            ]
            assert found == [cell.stage], f"{cell.label}: {module.__name__} does not hold its stage"


# -- one cell of each shape ------------------------------------------------------------------------------------------------


def test_it_makes_again_what_it_made(bench: Bench, rerun: Rerun) -> None:
    """In another process, folder and order, with other global generators, other undeclared seeds and other checkpoints."""
    rounding = rounding_of(bench.cell.stage.name, bench.cell.config, bench.small_units)
    assert complaints(rerun.finished, bench.stored, rounding) == []


def test_it_writes_below_its_folder_only(rerun: Rerun) -> None:
    assert rerun.watch.strays == []
    assert rerun.disturbed == []


def test_its_record_is_plain_finite_numbers(rerun: Rerun) -> None:
    check_record(rerun.raw_record)


def test_killed_anywhere_it_ends_alike(
    label: str, bench: Bench, rerun: Rerun, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    changes = to_go_on_from(rerun.watch.changes)
    chosen = choose(changes, KILLS if is_first_shape(label) else KILLS_OF_FURTHER_SHAPES)
    record_property("killed", f"in {len(chosen)} of {len(changes)} states")
    known, signs = [swept(change.state) for change in changes], []
    for number, change in enumerate(chosen):
        again = _go_on(bench, change.state, tmp_path / str(number))
        assert complaints(again.finished, rerun.finished) == [], f"killed after {change.name} was {change.kind}"
        signs.append(again.num_signs)
        new = [other.state for other in to_go_on_from(again.watch.changes) if swept(other.state) not in known]
        if number == 0 and new:
            twice = _go_on(bench, new[len(new) // 2], tmp_path / "twice")
            assert complaints(twice.finished, rerun.finished) == [], (
                f"killed twice, last with {sorted(new[len(new) // 2])}"
            )
    assert not chosen or min(signs) < rerun.num_signs, "wherever it is killed it does everything again"


def test_killed_before_its_first_checkpoint_it_begins_again(
    label: str, bench: Bench, rerun: Rerun, tmp_path: Path
) -> None:
    """What is left is swept for every shape; that a run from there ends alike is one more run, of one cell of each stage."""
    lost = [change.state for change in rerun.watch.changes if not to_go_on_from([change])]
    work = tmp_path / "work"
    _sweep(work, lost[-1])
    assert not any(path.is_file() for path in work.rglob("*"))
    rerun_was_compared = bench.small_units == bench.cell.config  # with the smoke run, bit for bit
    if is_first_shape(label) and not rerun_was_compared:
        assert complaints(bench.run(work, bench.small_units, luck=2).finished, rerun.finished) == []


def _go_on(bench: Bench, state: State, work: Path) -> Rerun:
    _sweep(work, state)
    return bench.run(work, bench.small_units, luck=3)


def _sweep(work: Path, state: State) -> None:
    """Put a state there as a kill leaves it, and let the harness prepare the next attempt."""
    write_state(work, state)
    _clear_leftovers(work)
    assert read_state(work) == swept(state), "the harness sweeps otherwise than this contract"


def test_it_draws_from_the_axes_that_it_declares(bench: Bench, rerun: Rerun) -> None:
    """Others fail at once. One that is declared and not drawn from makes cells anew for nothing."""
    stage = bench.cell.stage
    idle = {axis for name, axis in DRAWN_BY_NONE if name == stage.name}
    chance = {axis for name, axis in DRAWN_BY_SOME if name == stage.name}
    assert rerun.seeds.drawn | chance == set(stage.seed_axes) - idle


def test_parts_of_a_batch_change_nothing(label: str, bench: Bench, rerun: Rerun, tmp_path: Path) -> None:
    """In double precision, where rounding is not taken for a fault nor a fault for rounding; one cell of each stage that asks."""
    if not rerun.asked_for_parts or not is_first_shape(label):
        return
    with double_precision():
        whole, parts = (
            bench.run(tmp_path / str(number), bench.cell.config, batch_parts=number).finished for number in (1, 2)
        )
    assert complaints(parts, whole, Rounding(relative=1e-9)) == []


# -- how work is cut up and shared out ---------------------------------------------------------------------------------------


def test_every_field_that_shares_work_out_promises_something() -> None:
    fields = {
        (stage.name, field)
        for stage in defined_stages().values()
        for field in sharing_fields(stage.config_type)
        if stage.name not in IN_NO_SMOKE_PLAN and not field.endswith(DECIDE)
    }
    assert fields == set(PROMISES)


def _first_with(stage: str, field: str) -> str:
    """The first cell of a stage whose config has a field."""
    return next(
        label
        for label, (_, cell) in CELLS.items()
        if cell.stage.name == stage and value_of(cell.config, field) is not None
    )


def _is_tried_by_small_units(stage: str, field: str) -> bool:
    config = CELLS[_first_with(stage, field)][1].config
    return value_of(in_small_units(config), field) != value_of(config, field)


def _by_paper(stage: str, field: str) -> Any:
    """One case, named by its paper like every cell, so that one process runs all that takes from one smoke run."""
    return pytest.param(stage, field, id=f"{CELLS[_first_with(stage, field)][0]}: {stage}, {field}")


@pytest.mark.parametrize(
    ("stage", "field"),
    [_by_paper(*named) for named in PROMISES if named[1] != "num_shards" and not _is_tried_by_small_units(*named)],
)
def test_shared_out_otherwise_it_makes_the_same(
    stage: str, field: str, store_of: Callable[[str], Store], tmp_path: Path
) -> None:
    paper_id, cell = CELLS[_first_with(stage, field)]
    bench = Bench(cell, store_of(paper_id))
    other = bench.run(tmp_path / "work", another(cell.config, field)).finished
    assert complaints(other, bench.stored, PROMISES[stage, field]) == []


@pytest.mark.parametrize(("stage", "field"), [_by_paper(*named) for named in PROMISES if named[1] == "num_shards"])
def test_shards_together_are_the_whole(
    stage: str, field: str, store_of: Callable[[str], Store], tmp_path: Path
) -> None:
    """However many cells make it; the cells of the smoke plan are compared with another number of them."""
    paper_id, cell = CELLS[_first_with(stage, field)]
    store = store_of(paper_id)
    base = with_value(cell.config, "shard_index", 0)
    resharded = another(base, field)
    others = [other for other in smoke_plan(paper_id) if other.stage is cell.stage and other.inputs == cell.inputs]
    stored = [
        Bench(other, store).stored.files for other in others if with_value(other.config, "shard_index", 0) == base
    ]
    made = [
        Bench(cell, store).run(tmp_path / str(index), with_value(resharded, "shard_index", index)).finished.files
        for index in range(value_of(resharded, field))
    ]
    assert len(stored) == value_of(base, field) != len(made)
    assert differences_of_shards(made, stored, PROMISES[stage, field]) == []
