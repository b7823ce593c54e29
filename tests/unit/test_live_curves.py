"""Curves for TensorBoard: every iteration once, also after kills, with the history's numbers; nothing at all where nobody asked."""

import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from methods.common.errors import InputError
from methods.common.training.history import HISTORY_FILE
from methods.common.training.live_curves import live_curves, require_tensorboard
from methods.common.training.loop import run_training
from tests.contracts.contexts import Killed, MortalContext
from tests.unit.test_training_loop import STRETCH, Toy


def train(folder: Path, curves: Path | None, **options: int) -> None:
    folder.mkdir(exist_ok=True)
    context, toy = MortalContext(folder, curves=curves, **options), Toy()
    run_training(toy.training(context), STRETCH, toy.batches, context)


def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads of a training: every point of every curve, in the order of the files."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("events*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.tensor.float_val[0]))
    return found


def history(folder: Path) -> dict[str, list[float]]:
    return pq.read_table(folder / HISTORY_FILE).to_pydict()


def test_every_iteration_is_shown_with_the_numbers_of_the_history(tmp_path: Path) -> None:
    train(tmp_path / "out", tmp_path / "curves")
    known, points = history(tmp_path / "out"), shown(tmp_path / "curves")
    assert set(points) == (set(known) - {"iteration"}) | {"pace/seconds", "pace/memory_mib"}
    for name in set(known) - {"iteration"}:
        assert [step for step, _ in points[name]] == list(STRETCH) == known["iteration"], name
        assert [value for _, value in points[name]] == pytest.approx(known[name]), name


@pytest.mark.parametrize("kills", [(4,), (4, 3)])
def test_after_kills_no_point_is_twice_and_none_is_lost(tmp_path: Path, kills: tuple[int, ...]) -> None:
    """Saves at every second iteration, so that a kill undoes one that was shown already."""
    train(tmp_path / "whole", tmp_path / "curves_of_whole")
    for kill in kills:
        with pytest.raises(Killed):
            train(tmp_path / "out", tmp_path / "curves", save_every=2, kill_at=kill)
    train(tmp_path / "out", tmp_path / "curves")
    points, whole = shown(tmp_path / "curves"), shown(tmp_path / "curves_of_whole")
    assert sum(path.stat().st_size > 0 for path in (tmp_path / "curves").iterdir()) == 1
    same = [name for name in whole if not name.startswith("pace/")]
    assert {name: points[name] for name in same} == {name: whole[name] for name in same}
    assert all([step for step, _ in points[name]] == list(STRETCH) for name in points)


def test_an_open_tensorboard_forgets_the_attempt_before(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with pytest.raises(Killed):
        train(tmp_path / "out", tmp_path / "curves", save_every=2, kill_at=4)
    reader = EventAccumulator(str(tmp_path / "curves"))
    reader.Reload()
    assert len(reader.Scalars("loss")) > 0
    train(tmp_path / "out", tmp_path / "curves")
    reader.Reload()
    assert [event.step for event in reader.Scalars("loss")] == list(STRETCH)


def test_nobody_asked_means_nothing_is_loaded_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with live_curves(None, 0) as curves:
        assert curves is None
    train(tmp_path / "out", None)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["history.parquet", "pace.parquet"]


def test_what_is_shown_changes_no_bit_of_the_result(tmp_path: Path) -> None:
    train(tmp_path / "with", tmp_path / "curves")
    train(tmp_path / "without", None)
    assert (tmp_path / "with" / HISTORY_FILE).read_bytes() == (tmp_path / "without" / HISTORY_FILE).read_bytes()


def test_a_missing_package_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(
        InputError, match=r"install it with `pip install 'segrepro\[tensorboard\]'`, or leave --tensorboard out"
    ):
        require_tensorboard()
