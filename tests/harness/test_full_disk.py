"""A full disk: one clear sentence, nothing lost, and the same result once there is room again."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reproductions.harness.files import is_disk_full
from reproductions.harness.launcher import Outcome, prepare, run_in_process, run_local
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.harness.worker import Worker, room_marker
from tests.harness.children import GROWTH, in_child, on_change
from tests.harness.toy import draw_cell, fail_cell, outputs, shards_cell, walk_cell

PLAN = Plan("toy", (walk_cell(0, draw_cell(), steps=3), shards_cell(shards=3)))


def run(plan: Plan, store: Store) -> Outcome:
    return run_in_process(plan, store, lambda: None)


def told(outcome: Outcome) -> list[str]:
    return [failure.message for failure in outcome.failures.values() if failure.kind != "blocked"]


def test_no_room_from_any_moment_on(quick_folder: Path) -> None:
    """Opening and making files fails from the n-th time on; removing still works, as on a real full disk."""
    reference = Store.create(quick_folder / "reference")
    assert run(PLAN, reference).exit_code == 0
    expected = outputs(PLAN, reference)
    moment, stride, code = 0, 3, 2
    while code != 0:
        moment += stride
        store = Store.create(quick_folder / f"store-{moment}")

        def fill_up(count: int, moment: int = moment) -> None:
            if count >= moment:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def child(store: Store = store, fill_up: object = fill_up) -> int:
            on_change(store.root, GROWTH, fill_up)  # type: ignore[arg-type]
            try:
                outcome = run(PLAN, store)
            except InputError as error:
                return 2 if str(error) == store.full_message else 98
            assert outcome.exit_code == 0 or told(outcome) == [store.full_message], outcome
            return outcome.exit_code

        code = in_child(child)
        assert code in (0, 2), f"no room from change {moment} on"
        assert PLAN.drop_damaged(store) == []
        assert run(PLAN, store).exit_code == 0
        assert outputs(PLAN, store) == expected, f"no room from change {moment} on"
    assert moment > 20, "the sweep hardly met anything"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small disk, and not in every container")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, leave_bytes: int) -> Path:
    """Fill the disk but for a rest."""
    ballast = place / "ballast"
    free = os.statvfs(place)
    ballast.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - leave_bytes)))
    return ballast


def test_a_real_full_disk(small_disk: Path, tmp_path: Path) -> None:
    """Real processes on a real small disk: the run ends by itself with the sentence, and goes on later."""
    plan = Plan("toy", (draw_cell(size=20_000), shards_cell(shards=3)))
    store = Store.create(small_disk / "store")
    ballast = fill(small_disk, leave_bytes=330_000)
    outcome = run_local(plan, store, 1, lambda: None)
    assert told(outcome) == [store.full_message], outcome
    assert outcome.exit_code == 2
    ballast.unlink()
    assert run(plan, store).exit_code == 0
    reference = Store.create(tmp_path / "reference")
    assert run(plan, reference).exit_code == 0
    assert outputs(plan, store) == outputs(plan, reference)


def test_a_store_on_a_full_disk_is_refused_at_once(small_disk: Path) -> None:
    store = Store.create(small_disk / "store")
    fill(small_disk, leave_bytes=0)
    with pytest.raises(
        InputError, match=r"^no space left in the store .*/store: free some and run the same command again$"
    ):
        Store.create(small_disk / "store")
    with pytest.raises(InputError, match="no space left"):
        run(PLAN, store)


def test_a_library_that_hides_the_reason(small_disk: Path) -> None:
    assert not is_disk_full(RuntimeError("could not write image"), small_disk)
    fill(small_disk, leave_bytes=4096)
    assert is_disk_full(RuntimeError("could not write image"), small_disk)


def test_a_full_disk_behind_another_error(tmp_path: Path) -> None:
    error = RuntimeError("saving failed")
    error.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert is_disk_full(error, tmp_path)
    assert is_disk_full(RuntimeError("I/O error: No space left on device (os error 28)"), tmp_path)
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"), tmp_path)


def test_the_cell_that_met_it_is_named(store: Store) -> None:
    """The run stops: every other cell would meet the same end."""
    outcome = run(Plan("toy", (fail_cell("full"), draw_cell())), store)
    assert told(outcome) == [store.full_message]
    assert outcome.exit_code == 2
    assert not outcome.interrupted


def test_the_run_learns_of_it_by_a_removal(store: Store) -> None:
    """A record of the failure may not fit any more; taking a file away always works, and no process is replaced."""
    plan = Plan("toy", (fail_cell("full"),))
    prepare(plan, store)
    marker = room_marker(store, "a-run")
    marker.parent.mkdir()
    marker.touch()
    worker = Worker(store, "a-run")
    worker.run([cell.id for cell in plan])
    assert worker.disk_is_full
    assert not marker.exists()
