"""Copies of a process in which OpenCV has had threads."""

import subprocess
import sys

import pytest

COPY = """
import os, sys, cv2, numpy as np
from methods.common.opencv import one_opencv_thread

picture = np.zeros((2000, 2000, 3), np.uint8)
cv2.setNumThreads(2)
cv2.warpAffine(picture, np.eye(2, 3), (2000, 2000))
with one_opencv_thread():
    child = os.fork()
    if not child:
        cv2.setNumThreads(1)
        cv2.warpAffine(picture, np.eye(2, 3), (2000, 2000))
        os._exit(7)
assert cv2.getNumThreads() == 2
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
cv2.warpAffine(picture, np.eye(2, 3), (2000, 2000))
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux")
def test_a_copied_process_does_not_wait_for_threads_that_it_does_not_have() -> None:
    found = subprocess.run([sys.executable, "-c", COPY], capture_output=True, text=True, timeout=120, check=True)
    assert found.stdout == "done\n"
