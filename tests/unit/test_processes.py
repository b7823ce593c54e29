"""Worker processes end with the process that started them, however that ends, and a killed one is told of in one sentence."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from methods.common.errors import InputError
from methods.common.metrics.label_maps.png_folders import map_images
from methods.common.metrics.processes import process_pool

PROGRAM = """
import os, sys, tempfile, threading, time
from methods.common.metrics.label_maps import png_folders
from tests.unit.test_processes import tell_and_wait

png_folders.ALONE_S = 0
png_folders._help = lambda *_: []
if sys.argv[2] == "forkserver":
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
if __name__ == "__main__":
    png_folders.map_images(tell_and_wait, [sys.argv[1]] * 64, 2)
"""


def tell_and_wait(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until_none_is_alive(processes: set[int]) -> None:
    until = time.monotonic() + 20
    while any(map(is_alive, processes)):
        assert time.monotonic() < until, "workers live on"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up as Linux tells of them")
@pytest.mark.parametrize("begun", ["fork", "forkserver"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent(tmp_path: Path, number: signal.Signals, begun: str) -> None:
    """A kill reaches the parent alone, an interrupt the whole group, as a terminal's does; workers say nothing of it."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "workers").mkdir()
    parent = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "workers"), begun],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    until = time.monotonic() + 60
    while len(list((tmp_path / "workers").iterdir())) < 2:
        assert time.monotonic() < until, "no worker started"
        assert parent.poll() is None
        time.sleep(0.05)
    workers = {int(path.name) for path in (tmp_path / "workers").iterdir()}
    assert parent.pid not in workers
    if number == signal.SIGINT:
        os.killpg(parent.pid, number)
    else:
        parent.send_signal(number)
    _, errors = parent.communicate(timeout=30)
    wait_until_none_is_alive(workers)
    assert not [line for line in errors.splitlines() if line.startswith("Process ")], "a worker printed a traceback"


def kill_self(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_sentence(in_processes: None) -> None:
    with pytest.raises(
        InputError, match="a worker process was killed, perhaps because memory ran out; run it again with"
    ):
        map_images(kill_self, range(64), 2)


KILLED = """
import os, signal, time
from pathlib import Path
from methods.common.errors import InputError
from methods.common.metrics.label_maps import png_folders
from tests.unit.test_processes import work_or_die

if __name__ == "__main__":
    try:
        png_folders.map_images(work_or_die, [os.getpid()] * 2000, 2)
    except InputError as error:
        print(error)
"""


def work_or_die(parent: int) -> None:
    """Take a moment; one of the other processes dies after some of them."""
    time.sleep(0.002)
    _done.append(None)
    if os.getpid() != parent and len(_done) == 100:
        os.kill(os.getpid(), signal.SIGKILL)


_done: list[None] = []


def test_the_rest_ends_soon_after_a_worker_was_killed(tmp_path: Path) -> None:
    """Neither does the pool wait for the workers that are left, nor does it complain of what the first process did itself."""
    (tmp_path / "killed.py").write_text(KILLED)
    found = subprocess.run(
        [sys.executable, str(tmp_path / "killed.py")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert found.stdout.startswith("a worker process was killed")
    assert found.stderr == ""


def test_an_error_does_not_wait_for_what_others_work_on(in_processes: None) -> None:
    begun = time.monotonic()
    with pytest.raises(InputError, match="faulty"):
        map_images(fault_or_wait, range(64), 2)
    assert time.monotonic() - begun < 30


def fault_or_wait(number: int) -> None:
    if number == 0:
        raise InputError("faulty")
    time.sleep(60)


def add(number: int, other: int) -> int:
    return number + other


_prepared: list[int] = []


def prepare(number: int) -> None:
    _prepared.append(number)


def prepared_sum(_: int) -> int:
    return sum(_prepared)


def test_each_process_is_prepared_once() -> None:
    with process_pool(2, [__name__], prepare, 3) as pool:
        assert list(pool.map(prepared_sum, range(20))) == [3] * 20
        assert list(pool.map(add, range(3), [5] * 3)) == [5, 6, 7]
    assert _prepared == []
