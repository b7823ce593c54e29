"""The order and the units in which tests are shared out to processes."""

from types import SimpleNamespace

import pytest

from tests.distribution import place_of, scheduler, unit_of

DISTURBED = "tests/harness/slurm/test_disturbances.py::test_time_limit"
SMOKE = "tests/harness/slurm/test_smoke.py::test_nothing_is_submitted[a-b: c]"
STAGE = "tests/contracts/test_stages.py::test_it_makes_again_what_it_made[mrca: seed0/mrca/round1/cut]"
OF_NO_PAPER = "tests/contracts/test_stages.py::test_every_field_that_shares_work_out_promises_something"
REPRODUCED = "tests/e2e/test_reproduce_smoke.py::test_a_second_call"
KILLED = "tests/harness/test_kill.py::test_supervisor_killed"
METRIC = "tests/parity/test_fid.py::test_it[a::b]"
SMALL = "tests/unit/test_seeds.py::test_it"


def test_what_takes_long_comes_first() -> None:
    ordered = [DISTURBED, STAGE, REPRODUCED, SMOKE, KILLED, METRIC, SMALL]
    assert sorted(reversed(ordered), key=place_of) == ordered


def test_a_process_runs_a_file_a_papers_contracts_or_the_tests_of_one_cluster() -> None:
    assert unit_of(SMALL) == "tests/unit/test_seeds.py"
    assert unit_of(METRIC) == "tests/parity/test_fid.py"
    assert unit_of(STAGE) == "tests/contracts/test_stages.py: mrca"
    assert unit_of(STAGE.replace("mrca: ", "sam_filter: ")) == "tests/contracts/test_stages.py: sam_filter"
    assert unit_of(OF_NO_PAPER) == "tests/contracts/test_stages.py"
    assert unit_of(SMOKE) == unit_of("tests/harness/slurm/test_team.py::test_it") != unit_of(DISTURBED)


class Node:
    """A process as xdist's scheduler sees one."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.sent: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_units_are_given_out_in_the_order_of_the_collection() -> None:
    log = pytest.importorskip("xdist.remote").Producer("tests")
    tests = [
        STAGE,
        STAGE.replace("cut]", "train]"),
        STAGE.replace("mrca: ", "sam_filter: "),
        *[f"{SMALL}_{n}" for n in range(9)],
    ]
    told = SimpleNamespace(option=SimpleNamespace(loadscopereorder=True), getvalue=lambda _: ["2*popen"])
    shared_out = scheduler(told, log)
    nodes = [Node(), Node()]
    for node in nodes:
        shared_out.add_node(node)
        shared_out.add_node_collection(node, tests)
    shared_out.schedule()
    assert nodes[0].sent[:2] == [0, 1]
    assert nodes[1].sent[0] == 2
