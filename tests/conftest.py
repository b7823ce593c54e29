"""Fixtures every test folder uses."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent

torch.set_num_threads(1)

# What lands must not depend on luck: there the examples are the same every time. Everybody else draws new ones.
settings.register_profile("fixed", derandomize=True)
if "SEGREPRO_FIXED_EXAMPLES" in os.environ:
    settings.load_profile("fixed")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference data and outputs of official models; absent on most machines."""
    folder = Path(os.environ.get("SEGREPRO_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; set SEGREPRO_SHARED to its place")
    return folder
