"""Weights on disk: whole folders pass, and each way to break one is one clear sentence."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reproductions.requirements.inspect_weights import (
    diffusers_folder,
    remote_code_folder,
    torch_file,
    transformers_folder,
)
from reproductions.requirements.inspection import Inspection, inspect_place
from tests.unit.inspected import Break, cut, problem, write_json, write_weights


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline folder with every kind of part."""
    folder = tmp_path / "pipeline"
    parts: dict[str, Any] = {
        "_class_name": "SomePipeline",
        "_diffusers_version": "0.42",
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_3": ["transformers", "T5TokenizerFast"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "unet": ["diffusers", "UNet2DConditionModel"],
    }
    write_json(folder / "model_index.json", parts)
    write_json(folder / "scheduler" / "scheduler_config.json", {})
    write_json(folder / "tokenizer" / "tokenizer_config.json", {})
    write_json(folder / "tokenizer" / "vocab.json", {"a": 0})
    (folder / "tokenizer" / "merges.txt").write_text("a b\n")
    write_json(folder / "tokenizer_3" / "tokenizer_config.json", {})
    write_json(folder / "tokenizer_3" / "tokenizer.json", {})
    write_json(folder / "feature_extractor" / "preprocessor_config.json", {})
    write_json(folder / "unet" / "config.json", {})
    write_weights(folder / "unet" / "diffusion_pytorch_model.safetensors")
    write_json(folder / "text_encoder" / "config.json", {})
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for name in shards:
        write_weights(folder / "text_encoder" / name)
    write_json(
        folder / "text_encoder" / "model.safetensors.index.json",
        {"weight_map": {"x": shards[0], "y": shards[1], "z": shards[0]}},
    )
    return folder


def test_a_whole_pipeline(pipeline: Path) -> None:
    assert diffusers_folder(pipeline) == Inspection("ok")


def test_a_safety_checker_that_is_not_there_is_not_missed(pipeline: Path) -> None:
    index = json.loads((pipeline / "model_index.json").read_text())
    write_json(pipeline / "model_index.json", index | {"safety_checker": ["stable_diffusion", "SafetyChecker"]})
    assert diffusers_folder(pipeline) == Inspection("ok")
    write_json(pipeline / "safety_checker" / "config.json", {})
    assert "safety_checker/ holds no whole weights" in problem(diffusers_folder(pipeline))


UNET = "unet/diffusion_pytorch_model.safetensors"
INDEX = "text_encoder/model.safetensors.index.json"
SHARD = "text_encoder/model-00002-of-00002.safetensors"


def _only_variant(folder: Path) -> None:
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")


def _only_pickle(folder: Path) -> None:
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model.bin")


def _folder_for_file(folder: Path) -> None:
    (folder / UNET).unlink()
    (folder / UNET).mkdir()


def _file_for_folder(folder: Path) -> None:
    shutil.rmtree(folder / "scheduler")
    (folder / "scheduler").write_text("{}")


def _loop(folder: Path) -> None:
    (folder / UNET).unlink()
    (folder / UNET).symlink_to(folder / UNET)


def _dangling(folder: Path) -> None:
    (folder / UNET).unlink()
    (folder / UNET).symlink_to("nowhere")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: cut(f / UNET), [UNET, "cut short", "bytes where its header says"]),
        (lambda f: (f / UNET).write_bytes((f / UNET).read_bytes() + b"x"), [UNET, "longer"]),
        (lambda f: (f / UNET).write_bytes(b""), [UNET, "is empty"]),
        (lambda f: (f / UNET).write_bytes(b"\x10"), [UNET, "not a safetensors file"]),
        (lambda f: (f / UNET).write_bytes(b"\xff" * 100), [UNET, "not a safetensors file"]),
        (lambda f: (f / UNET).write_bytes((100).to_bytes(8, "little") + b'{"a'), [UNET, "do not even hold its header"]),
        (lambda f: (f / UNET).write_bytes((4).to_bytes(8, "little") + b"{]{]"), [UNET, "header"]),
        (lambda f: (f / UNET).write_bytes((8).to_bytes(8, "little") + b'{"a": 1}'), [UNET, "header"]),
        (lambda f: (f / UNET).write_text("version https://git-lfs.github.com/spec/v1\noid"), [UNET, "Git LFS"]),
        (lambda f: (f / UNET).write_text("<!DOCTYPE html><html>no entry</html>"), [UNET, "web page"]),
        (lambda f: (f / UNET).unlink(), ["unet/", "no .safetensors file"]),
        (_only_variant, ["unet/", "only a variant", "fp16"]),
        (_only_pickle, ["unet/", "only the pickle"]),
        (_folder_for_file, [UNET, "folder where a file is expected"]),
        (_file_for_folder, ["scheduler/", "not a folder"]),
        (_loop, [UNET, "leads back to itself"]),
        (_dangling, [UNET, "link to nothing"]),
        (lambda f: (f / "unet/config.json").write_text("{"), ["unet/config.json", "not readable JSON"]),
        (lambda f: (f / "unet/config.json").write_text("[" * 100_000), ["unet/config.json", "not readable JSON"]),
        (lambda f: (f / "unet/config.json").write_bytes(b"\xff\xfe{}"), ["unet/config.json", "not readable JSON"]),
        (lambda f: (f / "unet/config.json").write_text("[]"), ["unet/config.json", "not an object"]),
        (lambda f: (f / "unet/config.json").unlink(), ["unet/config.json", "missing"]),
        (lambda f: (f / "scheduler/scheduler_config.json").unlink(), ["scheduler_config.json", "missing"]),
        (lambda f: shutil.rmtree(f / "scheduler"), ["scheduler/", "DPMSolverMultistepScheduler", "missing"]),
        (lambda f: (f / "tokenizer/merges.txt").unlink(), ["tokenizer/merges.txt", "missing"]),
        (lambda f: (f / "tokenizer_3/tokenizer.json").write_text(""), ["tokenizer_3/tokenizer.json", "empty"]),
        (lambda f: (f / "feature_extractor/preprocessor_config.json").unlink(), ["preprocessor_config.json"]),
        (lambda f: (f / SHARD).unlink(), [SHARD, "missing"]),
        (lambda f: cut(f / SHARD), [SHARD, "cut short"]),
        (lambda f: write_json(f / INDEX, {}), [INDEX, "weight_map"]),
        (lambda f: write_json(f / INDEX, {"weight_map": {"x": "../../secret"}}), [INDEX, "outside its folder"]),
        (lambda f: write_json(f / INDEX, {"weight_map": {"x": 7}}), [INDEX, "outside its folder"]),
        (lambda f: write_json(f / INDEX, {"weight_map": {"x": "a\0b"}}), ["no name that a file can have"]),
        (lambda f: write_json(f / INDEX, {"weight_map": {"x": "a" * 5000}}), ["cannot be read"]),
        (lambda f: (f / "model_index.json").unlink(), ["model_index.json", "missing"]),
        (lambda f: write_json(f / "model_index.json", ["unet"]), ["model_index.json", "not an object"]),
        (lambda f: write_json(f / "model_index.json", {"unet": ["a", "B"]}), ["model_index.json", "no pipeline class"]),
        (lambda f: write_json(f / "model_index.json", {"_class_name": "P"}), ["model_index.json", "no part"]),
        (
            lambda f: write_json(f / "model_index.json", {"_class_name": "P", "../unet": ["a", "B"]}),
            ["model_index.json", "outside the folder"],
        ),
    ],
)
def test_each_damage_of_a_pipeline_is_one_sentence(pipeline: Path, damage: Break, words: list[str]) -> None:
    damage(pipeline)
    sentence = problem(inspect_place(pipeline, diffusers_folder))
    for word in words:
        assert word in sentence


def test_all_damages_are_told_at_once(pipeline: Path) -> None:
    cut(pipeline / UNET)
    (pipeline / "scheduler" / "scheduler_config.json").unlink()
    assert len(diffusers_folder(pipeline).problems) == 2


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_weights_cut_anywhere_are_noticed(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "model"
    write_json(folder / "config.json", {})
    write_weights(folder / "model.safetensors")
    whole = (folder / "model.safetensors").read_bytes()
    length = data.draw(st.integers(0, len(whole) - 1))
    (folder / "model.safetensors").write_bytes(whole[:length])
    assert problem(transformers_folder(folder)).startswith("model.safetensors ")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.binary(max_size=60) | st.text('{}[]":,01e-NaIfity_data_offsets', max_size=60).map(str.encode))
def test_no_header_crashes_the_inspector(tmp_path: Path, header: bytes) -> None:
    folder = tmp_path / "model"
    write_json(folder / "config.json", {})
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert transformers_folder(folder).state in ("ok", "damaged")


@pytest.mark.parametrize("end", ["Infinity", "NaN", "[]", '"7"', "1e400", "-1", "null", "9" * 30])
def test_odd_offsets(tmp_path: Path, end: str) -> None:
    write_json(tmp_path / "config.json", {})
    header = f'{{"a": {{"data_offsets": [0, {end}]}}}}'.encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert problem(transformers_folder(tmp_path)).startswith("model.safetensors ")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {"a": torch.zeros(100)}}, path)
    return path


def test_whole_torch_files(checkpoint: Path) -> None:
    assert torch_file(checkpoint) == Inspection("ok")
    torch.save({"a": torch.zeros(3)}, checkpoint, _use_new_zipfile_serialization=False)
    found = torch_file(checkpoint)
    assert found.state == "ok"
    assert "before 1.6" in found.notes[0]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999))
def test_a_torch_file_cut_anywhere_is_noticed(checkpoint: Path, share: float) -> None:
    whole = checkpoint.read_bytes()
    cut_short = checkpoint.with_name("cut.pth")
    cut_short.write_bytes(whole[: int(share * len(whole))])
    assert problem(torch_file(cut_short)).startswith("cut.pth ")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_to_a_zip_directory_crashes_the_inspector(checkpoint: Path, data: st.DataObject) -> None:
    content = bytearray(checkpoint.read_bytes())
    damaged = checkpoint.with_name("damaged.pth")
    for _ in range(data.draw(st.integers(1, 5))):
        content[-data.draw(st.integers(1, 400))] = data.draw(st.integers(0, 255))
    damaged.write_bytes(content)
    assert torch_file(damaged).state in ("ok", "damaged")


def _other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda p: p.write_bytes(b"<html>404</html>"), "web page"),
        (lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1"), "Git LFS"),
        (lambda p: p.write_bytes(b"nonsense"), "not a file that torch wrote"),
        (_other_zip, "not one that torch wrote"),
        (lambda p: (p.unlink(), p.mkdir()), "folder where a file is expected"),
    ],
)
def test_what_is_no_torch_file(checkpoint: Path, damage: Break, word: str) -> None:
    damage(checkpoint)
    assert word in problem(torch_file(checkpoint))


def test_transformers_folders(tmp_path: Path, checkpoint: Path) -> None:
    folder = tmp_path / "clip"
    write_json(folder / "config.json", {})
    shutil.copy(checkpoint, folder / "pytorch_model.bin")
    assert transformers_folder(folder) == Inspection("ok")
    cut(folder / "pytorch_model.bin")
    assert "pytorch_model.bin is cut short" in problem(transformers_folder(folder))
    write_weights(folder / "model.safetensors")  # a loader takes it before the pickle
    assert transformers_folder(folder) == Inspection("ok")
    missing = transformers_folder(folder, ("tokenizer", "images")).problems
    assert [text.split()[0] for text in missing] == [
        "tokenizer_config.json",
        "vocab.json",
        "merges.txt",
        "preprocessor_config.json",
    ]


@pytest.fixture
def with_code(tmp_path: Path) -> Path:
    folder = tmp_path / "BiRefNet"
    write_json(
        folder / "config.json", {"auto_map": {"AutoConfig": "BiRefNet_config.C", "AutoModel": "own/repo--birefnet.B"}}
    )
    write_weights(folder / "model.safetensors")
    for name in ("BiRefNet_config.py", "birefnet.py"):
        (folder / name).write_text("raise SystemExit('nothing here may run')")
    return folder


def test_a_folder_with_its_own_code_waits_for_leave_and_packages(with_code: Path) -> None:
    assert remote_code_folder(with_code, True, "allow it", ("json",)) == Inspection("ok")
    found = remote_code_folder(with_code, False, "allow it", ("json", "no_such_package"))
    assert found.state == "not ready"
    assert found.problems == (
        "its code imports no_such_package, which this environment does not have",
        "it runs its own Python code, which no setting allows yet",
    )
    assert found.steps[0].endswith("bin/python no_such_package")
    assert found.steps[1] == "allow it"


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda f: (f / "birefnet.py").unlink(), "birefnet.py is missing"),
        (lambda f: write_json(f / "config.json", {}), "another model"),
        (lambda f: write_json(f / "config.json", {"auto_map": [1]}), "not an object"),
        (lambda f: cut(f / "model.safetensors"), "cut short"),
    ],
)
def test_a_damaged_folder_with_code(with_code: Path, damage: Break, word: str) -> None:
    damage(with_code)
    assert word in problem(remote_code_folder(with_code, False, "allow it", ()))
