"""Child processes that are killed, or run out of space, before their n-th change to a folder."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path


def in_child(action: Callable[[], object]) -> int:
    """Do something in a forked process; return its exit code, negative when a signal ended it."""
    process_id = start_child(action)
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


def start_child(action: Callable[[], object]) -> int:
    """Fork a process that does something and exits with 0, or with 99 after an exception."""
    process_id = os.fork()
    if process_id == 0:
        try:
            code = action()
            os._exit(code if isinstance(code, int) else 0)
        except BaseException as error:
            print(f"child: {error!r}", file=sys.__stderr__, flush=True)
            os._exit(99)
    return process_id


CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
GROWTH = ("open", "os.mkdir")


def on_change(root: Path, kinds: tuple[str, ...], act: Callable[[int], None]) -> None:
    """Call ``act(n)`` before the n-th time that this process changes something below ``root``. Cannot be undone."""
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        path = os.fsdecode(arguments[0]) if isinstance(arguments[0], str | bytes | os.PathLike) else ""
        inside = path.startswith(str(root)) or (event in ("os.remove", "os.rmdir") and not path.startswith("/"))
        if event not in kinds or not inside:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        count += 1
        act(count)

    sys.addaudithook(hook)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
