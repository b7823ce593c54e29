"""What several files of tests here use."""

import pytest

from tests.e2e.evaluations import Evaluate, evaluations


@pytest.fixture
def evaluate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Runs a command of `segrepro evaluate`."""
    return evaluations(monkeypatch, capsys)
