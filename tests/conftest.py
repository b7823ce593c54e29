"""Fixtures every test folder uses."""

import os
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference data and outputs of official models; absent on most machines."""
    folder = Path(os.environ.get("SEGREPRO_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set SEGREPRO_SHARED to its place")
    return folder
