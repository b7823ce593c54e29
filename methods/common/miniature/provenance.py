"""Where shipped weights come from: ``training_provenance.json`` beside them."""

import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any, NamedTuple

from methods.common.files import write_atomic
from methods.common.stage import Config, Context, Record, Stage

_PACKAGES = ("torch", "diffusers", "transformers", "numpy", "opencv-python-headless", "safetensors")
FILE_NAME = "training_provenance.json"
"""Not ``provenance.json``, which the harness writes into every cell."""


class TrainedPart(NamedTuple):
    """What a trainer hands to its stage when it has saved its weights."""

    record: Record
    """What the stage returns."""
    cpu_seconds: float
    """Processor time of all attempts together."""


def write_provenance(stage: Stage[Any], config: Config, context: Context, cpu_seconds: float) -> None:
    """Write stage, version, full config, seeds, processor time and package versions into ``context.out``."""
    record = {
        "stage": stage.name,
        "version": stage.version,
        "config": config.model_dump(mode="json"),
        "seeds": {axis: getattr(context.seeds, axis) for axis in stage.seed_axes},
        "cpu_seconds": round(cpu_seconds, 1),
        "device": context.device.type,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    write_atomic(context.out / FILE_NAME, json.dumps(record, indent=2).encode())


def read_provenance(folder: Path) -> dict[str, Any]:
    """Return what :func:`write_provenance` wrote into a folder."""
    record: dict[str, Any] = json.loads((folder / FILE_NAME).read_text())
    return record
