"""What the tests of the harness share: a store, and the surroundings of its processes."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reproductions.harness import worker
from reproductions.harness.store import Store

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: flushing to disk, hundreds of times, is slow on a busy machine."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="segrepro-test-", dir=memory))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes find the toy stages, save at every chance, and use one thread each."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("SEGREPRO_CHECKPOINT_EVERY_S", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(worker, "CHECKPOINT_EVERY_S", 0.0)
