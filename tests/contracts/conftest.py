"""The finished smoke runs that contracts take their inputs from."""

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import pytest

from reproductions.harness.store import Store
from tests.contracts.papers import is_first_shape
from tests.e2e.smoke_runs import made_once, shared_run

for make_folder in (matplotlib.get_configdir, matplotlib.get_cachedir):
    make_folder()  # torchmetrics imports matplotlib, which makes folders of its own once; no stage is to blame for them


RUN_WHOLE = ("mrca", "sam_filter", "checkpoints")
"""Plans whose whole smoke run tests of reports need anyway, or that have no report; of the others only what the chosen cells need is run."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Leave to ``--exhaustive``: the trainings behind the shipped checkpoints, and further shapes of a stage."""
    label = getattr(getattr(item, "callspec", None), "params", {}).get("label")
    if label is not None and (label.startswith("checkpoints: ") or not is_first_shape(label)):
        item.add_marker("exhaustive")


@pytest.fixture(scope="session")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Store]:
    """Gives the store with a paper's finished smoke cells; those of a part of a plan also made a report."""

    def commands(paper_id: str, folder: Path) -> list[list[str]]:
        store = str(folder / "store")
        report = ["-m", "reproductions.cli", "report", paper_id, "--tier", "smoke", "--seeds", "1", "--arms", "all"]
        return [
            [sys.executable, "-m", "tests.contracts.chosen_run", paper_id, store],
            [sys.executable, *report, "--store", store, "--out", str(folder / "out")],
        ]

    def store(paper_id: str) -> Store:
        if paper_id in RUN_WHOLE:
            folder = shared_run(paper_id, tmp_path_factory)
        else:
            folder = made_once(f"{paper_id}-chosen", tmp_path_factory, lambda place: commands(paper_id, place))
        return Store(folder / "store")

    return store
