"""The process of one trial: ``python -m reproductions.requirements.trial_process RESULT`` with the trial on its standard input.

It opens the model, sends a tiny batch through it, and writes what came of it as JSON. Whatever else happens to it, a crash or its end for
want of memory, happens to it alone.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from methods.common.errors import InputError
from reproductions.requirements.trial import TinyBatch


def make_trial(document: Mapping[str, Any]) -> dict[str, Any]:
    """Make a trial in this process.

    Args:
        document: of a :class:`~reproductions.requirements.trial.Trial`.

    Returns:
        ``opened`` and ``ran``; ``problem``, one sentence or empty; ``no_room``, whether memory was what lacked; ``seconds``
        until it was open; ``peak_gib`` of memory; ``device``.
    """
    import torch

    outcome: dict[str, Any] = {"opened": False, "ran": False, "problem": "", "no_room": False}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began = time.monotonic()
    try:
        tiny_batch = _open(document, device)
        outcome |= {"opened": True, "seconds": round(time.monotonic() - began, 1)}
        if tiny_batch is not None:
            tiny_batch()
            outcome["ran"] = True
    except Exception as error:
        outcome |= _what_failed(error, outcome["opened"])
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {**outcome, "peak_gib": round(peak_gib, 1), "device": device.type}


def _open(document: Mapping[str, Any], device: Any) -> TinyBatch | None:
    config = _find(document["config_type"]).model_validate(document["config"])
    places = {role: Path(place) for role, place in document["places"].items()}
    tiny_batch: TinyBatch | None = _find(document["opener"])(places, config, device)
    return tiny_batch


def _find(name: str) -> Any:
    module, _, thing = name.partition(":")
    return getattr(importlib.import_module(module), thing)


def _what_failed(error: Exception, opened: bool) -> dict[str, Any]:
    from methods.common.whole_weights import in_brief, is_out_of_memory

    if is_out_of_memory(error):
        return {"no_room": True, "problem": f"memory ran out {'in a tiny batch' if opened else 'while it was opened'}"}
    said = in_brief(error) if isinstance(error, InputError) else f"{type(error).__name__}: {in_brief(error)}"
    return {"problem": f"opens, but a tiny batch fails: {said}" if opened else said}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(make_trial(json.load(sys.stdin))))
