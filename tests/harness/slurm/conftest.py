"""The cluster that the tests in this folder use; each process of pytest has its own."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.slurm.cluster import Cluster, ClusterError, check_installed

_FOLDERS = f"segrepro-slurm-test-{os.getuid()}-"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes, n1 and n2. SLURM's clients in this process and below find them."""
    try:
        check_installed()
    except ClusterError as error:
        pytest.skip(str(error))
    _remove_abandoned()
    cluster = Cluster.start(Path(tempfile.gettempdir()) / f"{_FOLDERS}{os.getpid()}")
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in cluster.env.items():
                patch.setenv(name, value)
            yield cluster
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def _calm(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test that uses the cluster there are no jobs, and both nodes are back."""
    if "cluster" not in request.fixturenames:
        yield
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    yield
    cluster.reset()


def _remove_abandoned() -> None:
    """Stop the clusters of test runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
        if not Path(f"/proc/{folder.name.removeprefix(_FOLDERS)}").exists():
            Cluster(folder).stop()
