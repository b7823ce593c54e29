"""What a running stage is given, and the order to stop."""

import math

import pytest

from methods.common.seeds import Seeds
from reproductions.harness import context as context_module
from reproductions.harness.context import CellContext, StopFlag, StopRequestedError, read_progress
from reproductions.harness.store import Store


def make(store: Store, stop: StopFlag, every_s: float = 1000.0) -> CellContext:
    return CellContext(store, "cell", Seeds(), uses_gpu=False, stop=stop, checkpoint_every_s=every_s)


def test_a_stage_that_saves_gets_its_chance_first(store: Store) -> None:
    """The order may come between the question and the report; the step after it must still be saved."""
    stop = StopFlag()
    context = make(store, stop)
    assert not context.checkpoint_due()
    stop.set()
    context.progress(1, 3)
    assert context.checkpoint_due()
    with pytest.raises(StopRequestedError):
        context.progress(2, 3)


def test_a_stage_that_never_saves_stops_at_once(store: Store) -> None:
    stop = StopFlag()
    context = make(store, stop)
    context.progress(1, 3)
    stop.set()
    with pytest.raises(StopRequestedError):
        context.progress(2, 3)


def test_a_stage_that_saves_too_seldom_is_not_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "_GRACE_S", -1.0)
    stop = StopFlag()
    context = make(store, stop)
    context.checkpoint_due()
    stop.set()
    with pytest.raises(StopRequestedError):
        context.progress(1, 3)


def test_progress_is_plain_json(store: Store) -> None:
    make(store, StopFlag()).progress(3, 3, "steps", loss=math.nan, rate=2.0)
    note = read_progress(store, "cell")
    assert note is not None
    assert note["numbers"] == {"loss": None, "rate": 2.0}
    assert (note["done"], note["total"], note["unit"]) == (3, 3, "steps")
