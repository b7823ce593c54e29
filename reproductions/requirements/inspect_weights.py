"""Weights on disk: is every file there, and as long as it says it is? No tensor is read and torch is not loaded."""

from __future__ import annotations

import importlib.util
import json
import math
import re
import sys
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

from reproductions.requirements.file_checks import FaultyFileError, check_is_file, check_is_folder, fault, read_object
from reproductions.requirements.inspection import Inspection, judge

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000
"""Source: the safetensors format: a 64-bit length, a JSON header of at most 100 MB, the tensors' bytes."""
_OLD_TORCH_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa85019")
"""How files of torch before 1.6 begin: a pickled number, 0x1950a86a20f9469cfc6c. Source: torch.serialization."""
_LFS_POINTER = b"version https://git-lfs"
_OLD_TORCH_NOTE = "{} was written by torch before 1.6: nothing in it tells its length, only loading it does"


_MXNET_LIST = (0x112).to_bytes(8, "little")
"""How a list of arrays begins in MXNet's own format."""


def check_safetensors(path: Path) -> None:
    """Compare a file's size with what its header says.

    Raises:
        FaultyFileError: shorter, longer, or not a safetensors file.
    """
    size = check_is_file(path)
    with path.open("rb") as file:
        start = file.read(len(_LFS_POINTER))
        _refuse_stand_ins(start)
        length = int.from_bytes(start[:_LENGTH_BYTES], "little")
        if size < _LENGTH_BYTES or length > _MAX_HEADER_BYTES:
            raise FaultyFileError("is not a safetensors file")
        if _LENGTH_BYTES + length > size:
            raise FaultyFileError(f"is cut short: {size:,} bytes do not even hold its header of {length:,}")
        file.seek(_LENGTH_BYTES)
        end = _end_of_tensors(file.read(length))
    expected = _LENGTH_BYTES + length + end
    if size != expected:
        what = "is cut short" if size < expected else "is longer than it should be"
        raise FaultyFileError(f"{what}: {size:,} bytes where its header says {expected:,}")


def _end_of_tensors(header: bytes) -> int:
    try:
        entries = json.loads(header)
        ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
        return max(map(int, ends), default=0)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FaultyFileError("has a header that is not readable: it is damaged or not a safetensors file") from error


def _refuse_stand_ins(start: bytes) -> None:
    """Tell files that often lie where weights should be.

    Raises:
        FaultyFileError: a pointer of Git LFS, or a web page.
    """
    if start.startswith(_LFS_POINTER):
        raise FaultyFileError("is a pointer of Git LFS, not the weights")
    if start.lstrip()[:1] == b"<":
        raise FaultyFileError("is a web page, not weights")


def check_torch_file(path: Path) -> None:
    """Look whether a file that ``torch.save`` wrote is whole: its zip directory, at its very end, names the tensors' pickle.

    Raises:
        FaultyFileError: cut short, or not such a file.
    """
    check_is_file(path)
    with path.open("rb") as file:
        start = file.read(64)
    _refuse_stand_ins(start)
    if start.startswith(_OLD_TORCH_MAGIC):
        return
    if not start.startswith(b"PK"):
        raise FaultyFileError("is not a file that torch wrote")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise FaultyFileError("is cut short or damaged: it has no readable zip directory at its end") from error
    if not any(name.rsplit("/", 1)[-1] == "data.pkl" for name in names):
        raise FaultyFileError("is a zip file, but not one that torch wrote")


def safetensors_file(path: Path) -> Inspection:
    """Inspect one ``.safetensors`` file."""
    return judge(fault(path, path, check_safetensors))


def torch_file(path: Path) -> Inspection:
    """Inspect one ``.pth`` file."""
    problems = fault(path, path, check_torch_file)
    return judge(problems, [] if problems else _old_torch_notes(path))


def mxnet_file(path: Path) -> Inspection:
    """Inspect one ``.params`` file of MXNet: what its first eight bytes say it is."""
    with path.open("rb") as file:
        is_list = file.read(8) == _MXNET_LIST
    return judge([] if is_list else [f"{path.name} is no file of arrays that MXNet wrote"])


def _old_torch_notes(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [_OLD_TORCH_NOTE.format(path.name)] if file.read(64).startswith(_OLD_TORCH_MAGIC) else []


def transformers_folder(folder: Path, with_parts: Collection[Literal["tokenizer", "images"]] = ()) -> Inspection:
    """Inspect a folder that transformers' ``save_pretrained`` wrote: config and weights, tokenizer and image processor if asked."""
    check_is_folder(folder)
    problems = _model_faults(folder, folder, may_be_pickled=True)
    problems += _tokenizer_faults(folder, folder) if "tokenizer" in with_parts else []
    problems += fault(folder, folder / "preprocessor_config.json", _check_json) if "images" in with_parts else []
    return judge(problems)


def trained_segmenter_folder(folder: Path) -> Inspection:
    """Look at a folder whose ``model`` is a segmenter as a training saves it: a config and safetensors."""
    return transformers_folder(folder / "model")


def tokenizer_folder(folder: Path) -> Inspection:
    """Inspect a folder that holds a tokenizer of transformers."""
    check_is_folder(folder)
    return judge(_tokenizer_faults(folder, folder))


def text_and_image_folder(folder: Path) -> Inspection:
    """Inspect a transformers folder of a model that reads text and images."""
    return transformers_folder(folder, ("tokenizer", "images"))


def remote_code_folder(folder: Path, allowed: bool, how_to_allow: str, packages: Sequence[str]) -> Inspection:
    """Inspect a transformers folder that brings its own Python code, and whether that code may and can run.

    Args:
        folder: with ``config.json``, whose ``auto_map`` names the code.
        allowed: whether the plan's settings allow it.
        how_to_allow: the step that allows it.
        packages: top-level modules that the code imports; in the Python package index they have the same names.
    """
    problems = [*transformers_folder(folder).problems, *_code_faults(folder)]
    if problems:
        return judge(problems)
    waiting: dict[str, str] = {}
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    if absent:
        remark = f"its code imports {', '.join(absent)}, which this environment does not have"
        waiting[remark] = f"uv pip install --python {sys.executable} {' '.join(absent)}"
    if not allowed:
        waiting["it runs its own Python code, which no setting allows yet"] = how_to_allow
    return Inspection("not ready" if waiting else "ok", tuple(waiting), steps=tuple(waiting.values()))


def _code_faults(folder: Path) -> list[str]:
    try:
        classes = read_object(folder / "config.json").get("auto_map", {})
        modules = sorted({str(name).rsplit(".", 1)[0].split("--")[-1] for name in classes.values()})
    except AttributeError:
        return ["config.json has an auto_map that is not an object"]
    if not modules:
        return ["config.json names no code of its own (auto_map): it is another model"]
    return [text for name in modules for text in fault(folder, folder / f"{Path(name).name}.py", _check_text)]


def _check_text(path: Path) -> None:
    check_is_file(path)


def diffusers_folder(folder: Path) -> Inspection:
    """Inspect a pipeline folder: every part that ``model_index.json`` names, with its config and whole safetensors.

    A safety checker may be left out, because none is loaded unless a setting asks for it.
    """
    check_is_folder(folder)
    index = folder / "model_index.json"
    problems = fault(folder, index, _check_pipeline_index)
    if problems:
        return judge(problems)
    parts = _parts(read_object(index))
    if not (folder / "safety_checker").exists():
        parts.pop("safety_checker", None)
    return judge(text for name, kind in parts.items() for text in _part_faults(folder, name, kind))


def _parts(index: dict[str, Any]) -> dict[str, str]:
    """Class names by part; a part that is switched off is ``[null, null]``."""
    named = {name: value for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    return {name: value[1] for name, value in sorted(named.items()) if isinstance(value[1], str)}


def _check_pipeline_index(path: Path) -> None:
    index = read_object(path)
    if not isinstance(index.get("_class_name"), str):
        raise FaultyFileError("names no pipeline class")
    parts = _parts(index)
    if not parts:
        raise FaultyFileError("names no part of the pipeline")
    for name in parts:
        if Path(name).name != name:
            raise FaultyFileError(f"names a part {name!r} outside the folder")


def _part_faults(root: Path, name: str, kind: str) -> list[str]:
    folder = root / name
    if not folder.is_dir():
        return [f"the folder {name}/ ({kind}) is {'not a folder' if folder.exists() else 'missing'}"]
    if kind.endswith("Scheduler"):
        return fault(root, folder / "scheduler_config.json", _check_json)
    if re.search(r"Tokenizer(Fast)?$", kind):
        return _tokenizer_faults(root, folder)
    if re.search(r"(FeatureExtractor|Processor)$", kind):
        return fault(root, folder / "preprocessor_config.json", _check_json)
    return _model_faults(root, folder, may_be_pickled=False)


def _check_json(path: Path) -> None:
    read_object(path)


def _tokenizer_faults(root: Path, folder: Path) -> list[str]:
    """A tokenizer is one ``tokenizer.json``, a vocabulary with merges, or a sentencepiece model."""
    problems = fault(root, folder / "tokenizer_config.json", _check_json)
    if (folder / "tokenizer.json").exists():
        return [*problems, *fault(root, folder / "tokenizer.json", _check_json)]
    if (folder / "spiece.model").exists():
        return [*problems, *fault(root, folder / "spiece.model", _check_text)]
    vocabulary = fault(root, folder / "vocab.json", _check_json) + fault(root, folder / "merges.txt", _check_text)
    return [*problems, *vocabulary]


def _model_faults(root: Path, folder: Path, may_be_pickled: bool) -> list[str]:
    return [*fault(root, folder / "config.json", _check_json), *_weights_faults(root, folder, may_be_pickled)]


def _weights_faults(root: Path, folder: Path, may_be_pickled: bool) -> list[str]:
    """Check the files that a loader would take: one file, else the shards of an index, else (transformers) a pickle."""
    for stem in ("diffusion_pytorch_model", "model"):
        single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
        if single.exists() or single.is_symlink():
            return fault(root, single, check_safetensors)
        if index.exists():
            return _shard_faults(root, index)
    pickled = folder / "pytorch_model.bin"
    if may_be_pickled and pickled.exists():
        return fault(root, pickled, check_torch_file)
    return [f"{_name(root, folder)} holds no whole weights: {_what_is_there_instead(folder)}"]


def weight_files(place: Path) -> list[Path]:
    """Return the files that a loader would read at a place that its inspector found whole.

    Args:
        place: a file, a folder of transformers, or one of diffusers, whose safety checker does not count.
    """
    if place.is_file():
        return [place]
    folders = [place, *sorted(item for item in place.iterdir() if item.is_dir() and item.name != "safety_checker")]
    return [path for folder in folders if (folder / "config.json").is_file() for path in _files_of_model(folder)]


def _files_of_model(folder: Path) -> list[Path]:
    for stem in ("diffusion_pytorch_model", "model"):
        single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
        if single.exists():
            return [single]
        if index.exists():
            return [folder / name for name in sorted(set(read_object(index)["weight_map"].values()))]
    pickled = folder / "pytorch_model.bin"
    return [pickled] if pickled.exists() else []


def count_weights(path: Path) -> int:
    """Count the numbers in a file of weights that is whole; files that torch wrote are taken to hold float32."""
    if path.suffix != ".safetensors":
        return path.stat().st_size // 4
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(_LENGTH_BYTES), "little")))
    return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def _name(root: Path, folder: Path) -> str:
    return f"the folder {folder.relative_to(root).as_posix()}/" if folder != root else "it"


def _what_is_there_instead(folder: Path) -> str:
    variants = sorted(path.name for path in folder.glob("*.safetensors"))
    if variants:
        return f"only a variant or a part, {variants[0]}"
    pickles = sorted(path.name for path in folder.glob("*.bin"))
    return f"only the pickle {pickles[0]}, which is not loaded here" if pickles else "no .safetensors file"


def _shard_faults(root: Path, index: Path) -> list[str]:
    problems = fault(root, index, _check_shard_names)
    if problems:
        return problems
    shards = sorted(set(read_object(index)["weight_map"].values()))
    return [text for name in shards for text in fault(root, index.parent / name, check_safetensors)]


def _check_shard_names(path: Path) -> None:
    names = read_object(path).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise FaultyFileError("has no weight_map")
    for name in names.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise FaultyFileError(f"names a shard {name!r:.60} outside its folder")
