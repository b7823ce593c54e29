"""Commands as a user types them, in this process: a new process takes seconds to load what this one has loaded.

What only a process of its own shows (no traceback, nothing heavy loaded, signals, pipes) is tried in one by a few tests.
"""

import contextlib
import gc
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

from reproductions.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]


def segrepro(*words: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run a command in a working folder, and leave this process as it was."""
    out, err = io.StringIO(), io.StringIO()
    collecting, terminated = gc.get_threshold(), signal.getsignal(signal.SIGTERM)
    code: object = 0
    try:
        with (
            mock.patch.object(sys, "argv", ["segrepro", *words]),
            mock.patch.dict(os.environ),
            contextlib.chdir(folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as ended:
        code = ended.code
    finally:
        gc.set_threshold(*collecting)
        signal.signal(signal.SIGTERM, terminated)
    return subprocess.CompletedProcess(["segrepro", *words], int(code or 0), out.getvalue(), err.getvalue())  # type: ignore[call-overload]
