"""What an evaluation says of its inputs, found in this process or beside it."""

import hashlib
import time
from multiprocessing.context import ForkProcess
from pathlib import Path

import pytest

from methods.common.errors import InputError
from reproductions.commands.evaluate import inputs
from reproductions.commands.evaluate.inputs import describe_inputs


@pytest.fixture(params=["in this process", "in its own"])
def num_started(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have inputs described here or by a process, whatever their size; the number of processes that begin."""
    alone = request.param == "in its own"
    monkeypatch.setattr(inputs, "_WORTH_A_PROCESS", 0 if alone else 1 << 40)
    return int(alone)


def test_files_are_known_by_their_bytes_and_folders_by_their_number(
    tmp_path: Path, num_started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    begin = ForkProcess.start
    monkeypatch.setattr(ForkProcess, "start", lambda process: (started.append(process), begin(process))[1])
    monkeypatch.setattr("methods.common.metrics.processes._has_one_thread", lambda: True)
    file, folder = tmp_path / "dt.json", tmp_path / "maps"
    file.write_bytes(b"[]" * 50_000)
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").touch()
    answer = describe_inputs({"predictions": file, "ground_truth": folder})
    assert answer() == {
        "predictions": {"path": str(file), "bytes": 100_000, "sha256": hashlib.sha256(b"[]" * 50_000).hexdigest()},
        "ground_truth": {"path": str(folder), "num_files": 3},
    }
    assert len(started) == num_started


def test_a_missing_input_is_told_before_the_work(tmp_path: Path, num_started: int) -> None:
    with pytest.raises(InputError, match=r"dt\.json cannot be read \(No such file or directory\); name what exists"):
        describe_inputs({"predictions": tmp_path / "dt.json"})


def test_an_input_that_vanishes_meanwhile_is_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_WORTH_A_PROCESS", 0)
    monkeypatch.setattr("methods.common.metrics.processes._has_one_thread", lambda: True)
    (tmp_path / "dt.json").touch()

    def vanished(path: Path) -> str:
        path.unlink()
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(inputs, "file_sha256", vanished)
    answer = describe_inputs({"predictions": tmp_path / "dt.json"})
    with pytest.raises(InputError, match="cannot be read"):
        answer()


def test_a_killed_process_is_replaced_by_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_WORTH_A_PROCESS", 0)
    monkeypatch.setattr("methods.common.metrics.processes._has_one_thread", lambda: True)
    begin = ForkProcess.start

    def start_and_kill(process: ForkProcess) -> None:
        begin(process)
        process.kill()

    (tmp_path / "dt.json").write_bytes(b"[]")
    monkeypatch.setattr(inputs, "_send", lambda *_: time.sleep(60))
    monkeypatch.setattr(ForkProcess, "start", start_and_kill)
    answer = describe_inputs({"predictions": tmp_path / "dt.json"})
    assert answer()["predictions"]["sha256"] == hashlib.sha256(b"[]").hexdigest()


def test_linked_folders_are_counted(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "elsewhere")
    described = describe_inputs({"predictions": tmp_path / "folder"})()
    assert described == {"predictions": {"path": str(tmp_path / "folder"), "num_files": 1}}
