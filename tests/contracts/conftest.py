"""The finished smoke runs that contracts take their inputs from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reproductions.harness.store import Store
from tests.e2e.smoke_runs import shared_run


@pytest.fixture(scope="session")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Store]:
    """Gives the store with a paper's finished smoke run."""
    return lambda paper_id: Store(Path(shared_run(paper_id, tmp_path_factory) / "store"))
