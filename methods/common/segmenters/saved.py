"""Folders that hold a segmenter: ``config.json`` and ``model.safetensors``. Written and read alike by every segmenter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.common.growth import read_stored
from methods.common.segmenters.construction import build_without_weights
from methods.common.stage import Config

ConfigT = TypeVar("ConfigT", bound=Config)

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


class SavedWithConfig(nn.Module, Generic[ConfigT]):
    """A network whose folder holds its config, and that is read without drawing weights first."""

    config: ConfigT
    """What it is built from."""
    config_type: ClassVar[type[Any]]
    """Type of :attr:`config`."""

    @classmethod
    def without_weights(cls, config: ConfigT) -> Self:
        """Build on the CPU without drawing weights; the caller fills every entry of the state dict.

        A network with values that no file holds sets them here.
        """
        build: Callable[[ConfigT], Self] = cls
        return build_without_weights(lambda: build(config))

    def save_pretrained(self, folder: Path | str) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder, which is made if absent, each atomically."""
        folder = Path(folder)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        write_atomic(folder / WEIGHTS_FILE, save(tensors, metadata={"format": "pt"}))
        write_atomic(folder / CONFIG_FILE, (self.config.model_dump_json(indent=2) + "\n").encode())

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> Self:
        """Read what :meth:`save_pretrained` wrote, on the CPU and in evaluation mode.

        Raises:
            InputError: a file is missing, unreadable, or does not fit the other.
        """
        model = cls.without_weights(read_config(Path(folder), cls.config_type))
        load_weights(model, Path(folder))
        return model.eval()


def read_kind(folder: Path) -> str | None:
    """Return the kind of segmenter that a folder holds; None where its config names none, as CenterNet2's.

    Raises:
        InputError: there is no readable config.
    """
    kind = _read_json(folder).get("kind")
    return None if kind is None else str(kind)


def read_config(folder: Path, config_type: type[ConfigT]) -> ConfigT:
    """Read a segmenter's config.

    Raises:
        InputError: it is missing, or describes something else.
    """
    content = _read_json(folder)
    try:
        return read_stored(config_type, content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(
            f"{folder / CONFIG_FILE} describes no {config_type.__name__}: {place}: {first['msg']}; give the folder of such a segmenter"
        ) from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read a segmenter's state dict.

    Raises:
        InputError: it is missing or damaged.
    """
    path = folder / WEIGHTS_FILE
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); give a folder that a segmenter's save_pretrained wrote"
        ) from error


def load_weights(model: nn.Module, folder: Path) -> None:
    """Fill a network from a folder.

    Raises:
        InputError: the weights are missing, damaged or those of another network.
    """
    try:
        model.load_state_dict(read_weights(folder))
    except RuntimeError as error:
        what = " ".join(str(error).split())
        raise InputError(
            f"{folder / WEIGHTS_FILE} does not fit its {CONFIG_FILE} ({what}); train the segmenter again"
        ) from error


def _read_json(folder: Path) -> dict[str, Any]:
    return read_json_config(folder / CONFIG_FILE, "a folder that a segmenter's save_pretrained wrote")


def read_json_config(path: Path, wanted: str) -> dict[str, Any]:
    """Read a config that is a JSON object.

    Args:
        path: the file.
        wanted: what to give in place of a folder whose config cannot be read, for the message.

    Raises:
        InputError: it is missing, unreadable, or holds something else.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); give {wanted}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no config; give {wanted}")
    return content
