"""The finished smoke runs that contracts take their inputs from."""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import pytest

from reproductions.harness.store import Store
from tests.e2e.smoke_runs import shared_run

for make_folder in (matplotlib.get_configdir, matplotlib.get_cachedir):
    make_folder()  # torchmetrics imports matplotlib, which makes folders of its own once; no stage is to blame for them


@pytest.fixture(scope="session")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Store]:
    """Gives the store with a paper's finished smoke run."""
    return lambda paper_id: Store(Path(shared_run(paper_id, tmp_path_factory) / "store"))
