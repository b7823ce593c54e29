"""OpenCV and processes."""

from collections.abc import Iterator
from contextlib import contextmanager


def use_one_opencv_thread(_worker: int = 0) -> None:
    """Let OpenCV have one thread in this process, for good."""
    import cv2

    cv2.setNumThreads(1)


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Let OpenCV have one thread for the length of the block, in this process and in copies of it that are made there.

    Its threads are not copied with a process, but the copy counts on them and waits for them forever.
    """
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
