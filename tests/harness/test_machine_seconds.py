"""What a cell costs a machine: processors' time with that of children, and whose seconds a report adds up."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from methods.common.seeds import Seeds
from reproductions.harness.cell import Cell
from reproductions.harness.provenance import Stopwatch
from reproductions.mrca.collect import Collector
from tests.harness.toy import DRAW, DrawConfig

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def test_the_time_of_children_counts_and_waiting_does_not() -> None:
    watch = Stopwatch()
    subprocess.run([sys.executable, "-c", BURN], check=True)
    with_child = watch.read()["cpu_s"]
    assert with_child >= 0.3
    time.sleep(0.3)
    found = watch.read()
    assert found["cpu_s"] < with_child + 0.2
    assert found["wall_s"] >= 0.6


def test_what_ran_before_an_attempt_is_not_in_it() -> None:
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert Stopwatch().read()["cpu_s"] < 0.2


class Told:
    """A store that knows what cells took, by label."""

    def __init__(self, by_label: dict[str, dict[str, Any]]) -> None:
        self.by_label = by_label

    def provenance(self, cell: Cell) -> dict[str, Any]:
        return self.by_label[cell.label]


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        ({"wall_s": 50.0, "cpu_s": 20.0, "gpu": None, "processes": 1}, 20.0),  # beside other work
        ({"wall_s": 50.0, "cpu_s": 20.0, "gpu": None}, 20.0),  # stored before teams were
        ({"wall_s": 50.0, "cpu_s": 400.0, "gpu": "H200", "processes": 1}, 50.0),  # its loaders' time is no GPU's
        ({"wall_s": 50.0, "cpu_s": 400.0, "gpu": "H200", "processes": 4}, 200.0),
    ],
)
def test_a_gpu_counts_by_the_clock_and_a_cpu_by_its_own_time(found: dict[str, Any], seconds: float) -> None:
    store = Told({"a": found, "b": {"wall_s": 9.0, "cpu_s": 1.0, "gpu": None, "processes": 1}})
    cells = [Cell(DRAW, DrawConfig(), Seeds(), label) for label in ("a", "b")]
    collector = Collector(store, (), (), "miniature", (), Path())  # type: ignore[arg-type]
    assert collector.seconds(cells) == seconds + 1.0
