"""Fixtures every test folder uses."""

import os
from collections.abc import Generator, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from methods.common.metrics import bootstrap
from methods.common.metrics.detection import file_workers as detections_parts
from methods.common.metrics.label_maps import png_folders
from tests.distribution import place_of, scheduler

REPOSITORY = Path(__file__).resolve().parent.parent

torch.set_num_threads(1)

# `make test ARGS=...` hands its words on to every make below it: tests that start one mean their own.
for inherited in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"):
    os.environ.pop(inherited, None)

# What lands must not depend on luck: there the examples are the same every time. Everybody else draws new ones.
settings.register_profile("fixed", derandomize=True)
if "SEGREPRO_FIXED_EXAMPLES" in os.environ:
    settings.load_profile("fixed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--exhaustive", action="store_true", help="also run what takes minutes and repeats what other tests hold"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long work first: the end of the run is then made of small pieces."""
    if not config.getoption("--exhaustive"):
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    items.sort(key=lambda item: place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadfile`` one process runs what :func:`tests.distribution.unit_of` says as a whole."""
    return scheduler(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One process more than cores: tests that wait for a cluster or for a kill leave theirs to others."""
    found = yield
    return found if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else found + 1


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference data and outputs of official models; absent on most machines."""
    folder = Path(os.environ.get("SEGREPRO_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set SEGREPRO_SHARED to its place")
    return folder


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let metrics that are given two processes work in them, or in threads, however little there is to do; fails if none was started."""
    started: list[Executor] = []

    def counted(kind: type[Executor]) -> type[Executor]:
        class Counted(kind):
            def submit(self, *arguments, **options):
                if self not in started:
                    started.append(self)
                return super().submit(*arguments, **options)

        return Counted

    monkeypatch.setattr("methods.common.metrics.processes.ProcessPoolExecutor", counted(ProcessPoolExecutor))
    monkeypatch.setattr(detections_parts, "ThreadPoolExecutor", counted(ThreadPoolExecutor))
    monkeypatch.setattr(png_folders, "ALONE_S", 0)
    monkeypatch.setattr(png_folders, "_help", lambda *_: [])
    monkeypatch.setattr(detections_parts, "_WORTH_WORKERS", 0)
    monkeypatch.setattr(bootstrap, "_WORTH_PROCESSES_S", 0.0)
    yield
    assert started, "all was done in one process"
