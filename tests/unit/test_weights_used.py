"""The report names the weights that it rests on, file by file, by their SHA-256."""

import hashlib
import json
import os
from pathlib import Path

from methods.common.miniature.shipped import CHECKPOINTS
from reports.markdown import provenance_section
from reports.records import Provenance, Weights
from reproductions.harness.store import Store
from reproductions.mrca.paper import PAPER
from reproductions.requirements.inspection import Inspection
from reproductions.requirements.need import Need
from reproductions.study.reporting import collect
from reproductions.study.request import Request
from reproductions.study.weights_used import weights_used
from tests.unit.report_synthetic import synthetic_report


def need(role: str, place: Path) -> Need:
    return Need(role, f"the {role}", place, lambda path: Inspection("ok"), ())


def test_every_file_of_weights_is_named_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "generator"
    for name in ("unet/model.safetensors", "unet/config.json", "old.ckpt", ".cache/model.safetensors"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (tmp_path / "backbone.pth").write_text("backbone")
    places = {"data": folder, "generator": folder, "backbone": tmp_path / "backbone.pth", "clip": tmp_path}
    store = Store.create(tmp_path / "store")
    found = weights_used([need(role, place) for role, place in places.items() if role != "clip"], store)
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("unet/model.safetensors", "old.ckpt")}
    assert found == (
        Weights(role="generator", what="the generator", files=digests),
        Weights(role="backbone", what="the backbone", files={"backbone.pth": hashlib.sha256(b"backbone").hexdigest()}),
    )
    assert str(folder / "old.ckpt") in json.loads((tmp_path / "store" / "fingerprints.json").read_text()), "hashed once"
    status = (folder / "old.ckpt").stat()
    (folder / "old.ckpt").write_text("CKPT.old"[: status.st_size])
    os.utime(folder / "old.ckpt", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert weights_used([need("generator", folder)], store)[0].files != digests, "another file, another hash"


def test_a_report_collects_the_weights_of_its_plan(tmp_path: Path) -> None:
    request = Request("mrca", Store(tmp_path / "store"), tier="smoke", num_seeds=1)
    (one,) = PAPER.asked(request)
    (planners,) = PAPER.planners(request, (one,))
    used = collect(PAPER, request, one, planners, PAPER.plan(request), tmp_path).run.provenance.weights
    assert [weights.role for weights in used] == [
        *("generator", "xpaste_generator", "divergen_generator", "divergen_second", "extra_classes"),
        *("cutter", "sam_middle", "sam_background", "clip", "pretrained"),
    ]
    unet = used[0].files["unet/diffusion_pytorch_model.safetensors"]
    place = CHECKPOINTS / "stable_diffusion"
    assert unet == hashlib.sha256((place / "unet/diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()


def test_the_page_shows_the_first_digits_and_leaves_the_rows_out_where_there_are_none() -> None:
    report = synthetic_report()

    def section(*weights: Weights) -> str:
        provenance = report.run.provenance.model_copy(update={"weights": weights})
        return provenance_section(
            report.model_copy(update={"run": report.run.model_copy(update={"provenance": provenance})})
        )

    shown = section(
        Weights(role="clip", what="CLIP ViT-L/14", files={"b.bin": "9" * 64, "a.bin": "0123456789abcdef" * 4})
    )
    assert "| Weights, clip | CLIP ViT-L/14: `a.bin` 0123456789abcdef, `b.bin` 9999999999999999 |" in shown
    assert "Weights" not in section()
    assert "weights" not in Provenance(commit="0").model_dump(), "records of before stay as they were"
