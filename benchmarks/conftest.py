"""The option `--full-size`, and a line for each benchmark as it begins and ends, as some take a minute."""

import os
import time
from collections.abc import Iterator

import pytest

from benchmarks.sizes import FULL_SIZE


def pytest_addoption(parser: pytest.Parser) -> None:
    help_text = "take the problem sizes that documents quote: an hour in place of ten minutes"
    parser.addoption("--full-size", action="store_true", help=help_text)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--full-size", default=False):
        os.environ[FULL_SIZE] = "1"


def pytest_unconfigure() -> None:
    os.environ.pop(FULL_SIZE, None)


@pytest.fixture(autouse=True)
def progress(request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Say which benchmark runs, and how long it took."""
    items = request.session.items
    start, number = time.monotonic(), items.index(request.node) + 1
    with capfd.disabled():
        print(f"\n[{number}/{len(items)}] {request.node.nodeid} ...", end="", flush=True)
    yield
    with capfd.disabled():
        print(f" {time.monotonic() - start:.1f} s", end="", flush=True)
