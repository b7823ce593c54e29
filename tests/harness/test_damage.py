"""What is torn, edited or flipped is noticed and made anew; damaged checkpoints give way to older ones."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reproductions.harness import store as store_module
from reproductions.harness.launcher import prepare, run_in_process
from reproductions.harness.plan import Plan
from reproductions.harness.store import Store
from reproductions.harness.worker import Worker
from tests.harness.children import in_child, kill_self
from tests.harness.toy import draw_cell, outputs, shards_cell, train_cell, walk_cell

PLAN = Plan("toy", (walk_cell(0, draw_cell(), steps=4), shards_cell()))
DRAW, WALK, SHARDS = PLAN


def run(plan: Plan, store: Store) -> int:
    return run_in_process(plan, store, lambda: None).exit_code


def flip_bit(path: Path) -> None:
    """Change one bit in the middle and put the time back."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit_number(folder: Path) -> None:
    text = (folder / "result.json").read_text()
    (folder / "result.json").write_text(text.replace("1", "2"))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no seal": (lambda folder: (folder / "seal.json").unlink(), "seal.json is torn"),
    "half a seal": (lambda folder: truncate(folder / "seal.json"), "seal.json is torn"),
    "a seal that says nothing": (lambda folder: (folder / "seal.json").write_text("[]"), "seal.json is torn"),
    "half a file": (lambda folder: truncate(folder / "path.txt"), "path.txt has another size"),
    "a file gone": (lambda folder: (folder / "path.txt").unlink(), "path.txt is missing"),
    "a file more": (lambda folder: (folder / "more.txt").write_text("?"), "more.txt is not its own"),
    "a flipped bit": (lambda folder: flip_bit(folder / "path.txt"), "path.txt was changed"),
    "an edited result": (edit_number, "result.json was changed"),
    "edited provenance": (lambda folder: flip_bit(folder / "provenance.json"), "provenance.json was changed"),
    "only the first file": (lambda folder: [path.unlink() for path in folder.iterdir()], "seal.json is torn"),
}


@pytest.fixture
def finished(store: Store) -> Store:
    assert run(PLAN, store) == 0
    return store


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_noticed_and_made_anew(what: str, finished: Store) -> None:
    before = outputs(PLAN, finished)
    kept = {cell.id: finished.provenance(cell) for cell in (DRAW, SHARDS)}
    act, reason = DAMAGES[what]
    act(finished.cell_folder(WALK))
    assert PLAN.drop_damaged(finished) == [(WALK, reason)]
    assert [cell.label for cell in PLAN.missing(finished)] == ["walk/0"]
    assert run(PLAN, finished) == 0
    assert outputs(PLAN, finished) == before
    assert {cell.id: finished.provenance(cell) for cell in (DRAW, SHARDS)} == kept, "only the damaged cell is redone"
    assert PLAN.drop_damaged(finished) == []


def test_a_cell_of_another_place_is_noticed(finished: Store) -> None:
    shutil.rmtree(finished.cell_folder(WALK))
    shutil.copytree(finished.cell_folder(DRAW), finished.cell_folder(WALK))
    assert PLAN.drop_damaged(finished) == [(WALK, "it belongs to another cell")]


def test_what_desktops_leave_and_touched_files_do_no_harm(finished: Store) -> None:
    (finished.cell_folder(WALK) / ".DS_Store").write_text("?")
    (finished.cell_folder(WALK) / "path.txt").touch()
    assert PLAN.drop_damaged(finished) == []


def test_a_damaged_input_is_made_anew_and_its_finished_users_stay(finished: Store) -> None:
    before, kept = outputs(PLAN, finished), finished.provenance(WALK)
    flip_bit(finished.cell_folder(DRAW) / "numbers.txt")
    assert [cell for cell, _ in PLAN.drop_damaged(finished)] == [DRAW]
    assert run(PLAN, finished) == 0
    assert outputs(PLAN, finished) == before
    assert finished.provenance(WALK) == kept


def test_a_large_cell_is_trusted_by_its_change_times_only(finished: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_DEEP_CHECK_BYTES", 0)
    hashed: list[Path] = []
    sha256 = store_module.file_sha256
    monkeypatch.setattr(store_module, "file_sha256", lambda path: hashed.append(path) or sha256(path))
    assert finished.damage(WALK) is None
    assert hashed == []
    flip_bit(finished.cell_folder(WALK) / "path.txt")
    assert finished.damage(WALK) == "path.txt was changed", "the change time that cannot be put back tells"
    assert len(hashed) == 1


def test_a_cell_that_another_process_works_on_is_not_discarded(finished: Store) -> None:
    edit_number(finished.cell_folder(WALK))
    with finished.claim(WALK.id) as claimed:
        assert claimed
        assert PLAN.drop_damaged(finished) == []
    assert len(PLAN.drop_damaged(finished)) == 1


def test_a_half_discarded_folder_is_swept(finished: Store) -> None:
    folder = finished.cell_folder(WALK)
    folder.rename(folder.with_name(f".discarded-{folder.name}-x"))
    Store.create(finished.root)
    assert os.listdir(folder.parent) == []  # noqa: PTH208


@pytest.mark.parametrize("how", [truncate, flip_bit, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("num_damaged", [1, 2])
@pytest.mark.parametrize("make", [walk_cell, train_cell])
def test_damaged_checkpoints(
    make: Callable[..., object], num_damaged: int, how: Callable[[Path], object], quick_folder: Path
) -> None:
    """With the newest one damaged it goes on from the one before, with both from the start; the result is the same."""
    plan = Plan("toy", (make(steps=6),))  # type: ignore[arg-type]
    [cell] = plan
    reference, store = Store.create(quick_folder / "reference"), Store.create(quick_folder / "store")
    assert run(plan, reference) == 0
    steps: list[int] = []

    def child() -> None:
        from reproductions.harness import context

        real = context.CellContext.progress
        context.CellContext.progress = lambda self, done, *rest, **more: (  # type: ignore[method-assign]
            kill_self() if done == 4 else real(self, done, *rest, **more)
        )
        run(plan, store)

    assert in_child(child) == -9
    checkpoints = sorted((store.work_folder(cell.id) / "checkpoints").iterdir())
    assert [path.name[:14] for path in checkpoints] == ["step-000000003", "step-000000004"]
    for path in checkpoints[::-1][:num_damaged]:
        how(path)

    def note(step: int) -> int:
        from reproductions.harness import context

        real = context.CellContext.progress

        def first(self: object, done: int, *rest: object, **more: object) -> None:
            steps.append(done)
            real(self, done, *rest, **more)  # type: ignore[arg-type]

        context.CellContext.progress = first  # type: ignore[method-assign]
        run(plan, store)
        return steps[0]

    assert in_child(lambda: note(0)) == (4 if num_damaged == 1 else 1)
    assert outputs(plan, store) == outputs(plan, reference)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"id": "x"}', "edited"], ids=["empty", "torn", "a list", "half", "edited"]
)
def test_a_damaged_spec_fails_its_cell_only_and_heals(text: str, store: Store) -> None:
    path = store.root / "specs" / f"{WALK.id}.json"
    prepare(PLAN, store)
    path.write_text(path.read_text().replace('"steps":4', '"steps":5') if text == "edited" else text)
    Worker(store, "a run").run([cell.id for cell in PLAN])
    assert [cell for cell in PLAN.missing(store)] == [WALK]
    failure = store.failure(WALK.id)
    assert failure is not None
    assert str(path) in failure.message
    assert "run the same command again" in failure.message
    assert run(PLAN, store) == 0


def test_torn_notes_are_only_history(store: Store) -> None:
    prepare(PLAN, store)
    for name in ("attempts.json", "progress.json"):
        path = store.work_folder(WALK.id) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('[{"run": ')
    (store.root / "failures" / f"{DRAW.id}.json").write_text("{")
    assert run(PLAN, store) == 0
    assert len(json.loads((store.cell_folder(WALK) / "provenance.json").read_text())["attempts"]) == 1
