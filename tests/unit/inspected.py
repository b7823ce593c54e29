"""What the tests of inspectors and of the preflight share."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from reproductions.requirements.inspection import Inspection

Break = Callable[[Path], object]
"""Damages something at a place."""


def problem(inspection: Inspection, state: str = "damaged") -> str:
    """The one sentence of an inspection that found something."""
    assert inspection.state == state, inspection
    assert len(inspection.problems) == 1, inspection.problems
    assert "\n" not in inspection.problems[0]
    return inspection.problems[0]


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_weights(path: Path, size: int = 50) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"a": np.zeros(size, np.float32), "b": np.ones((3, 2), np.float16)}, path)


def cut(path: Path, num_bytes: int = 10) -> None:
    path.write_bytes(path.read_bytes()[:-num_bytes])
