"""In which precision the cells of a plan compute on a GPU, from their configs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reproductions.harness.cell import Cell

_FIELDS = {"precision": "", "autocast": "", "backbone_autocast": "backbone", "vae_precision": "autoencoder"}
"""Settings that say it, and of which part; a cell without any computes in float32."""


def precisions(cells: Iterable[Cell]) -> str:
    """Return a few words, e.g. "generate in float16, train in float16 (backbone) or float32"; empty where no cell uses a GPU."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for cell in cells:
        if cell.stage.uses_gpu:
            for part, precision in list(_named(cell.identity["config"])) or [("", "float32")]:
                found[cell.stage.kind][precision].add(part)
    return ", ".join(f"{kind} in {_words(parts)}" for kind, parts in sorted(found.items()))


def _words(parts: Mapping[str, set[str]]) -> str:
    """Precisions, each with the parts that alone have it."""
    return " or ".join(
        name if "" in of_name else f"{name} ({', '.join(sorted(of_name))})" for name, of_name in sorted(parts.items())
    )


def _named(config: Any) -> Iterator[tuple[str, str]]:
    """Parts and precisions that a config names at any depth; autocast to nothing is float32."""
    if isinstance(config, list):
        for item in config:
            yield from _named(item)
    elif isinstance(config, dict):
        for name, value in config.items():
            if name in _FIELDS and isinstance(value, str):
                yield _FIELDS[name], "float32" if value == "none" else value
            else:
                yield from _named(value)
