"""What was read, so that a number can be traced: files by their SHA-256, folders by how many files they hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from methods.common.errors import InputError


def describe_inputs(inputs: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """Describe each input.

    Raises:
        InputError: one does not exist or cannot be read.
    """
    return {name: _describe(path) for name, path in inputs.items()}


def _describe(path: Path) -> dict[str, Any]:
    from reproductions.harness.fingerprint import file_sha256

    try:
        if path.is_dir():
            return {"path": str(path), "num_files": sum(len(files) for _, _, files in os.walk(path))}
        return {"path": str(path), "bytes": path.stat().st_size, "sha256": file_sha256(path)}
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); name what exists") from error
