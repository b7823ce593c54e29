"""What lies at the top of the repository: the rooms, and what such a repository needs; a stray file is noticed."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {"benchmarks", "docs", "methods", "reports", "reproductions", "tests"}
FILES = {"CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "pyproject.toml", "requirements.lock"}


def test_nothing_else_lies_at_the_top() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout of git")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = {name.split("/")[0] for name in listed.splitlines()}
    assert {name for name in found if not name.startswith(".")} == ROOMS | FILES
