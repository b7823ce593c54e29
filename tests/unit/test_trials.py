"""``check --load``: every kind of network that the plans load is opened by the stages' loaders, and what goes wrong is one sentence."""

import json
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from methods.common.cutouts.names import CutterName
from methods.common.generators.captioners import BlipCaptions
from methods.common.generators.repainting.configs import BlendedLatentConfig, InpaintingConfig
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.prompters.configs import GroundingDinoSamConfig, Sam3PrompterConfig
from methods.common.segment_anything import released
from methods.common.segment_anything.sam import Sam
from methods.common.segmenters.centernet2.model import CenterNet2
from methods.common.segmenters.centernet2.presets import centernet2_miniature
from methods.common.segmenters.mask2former.model import Mask2Former
from methods.common.segmenters.mask2former.presets import mask2former_miniature
from methods.common.stage import Config
from methods.common.stages.train_instances import InstanceTrainingConfig
from methods.mrca.guidance import GuidanceConfig
from methods.mrca.stages.generate import GenerateConfig
from methods.sam_filter.stages.synthesis_config import CaptureSteps, SynthesizeConfig
from reproductions.cli import app
from reproductions.harness.store import Store
from reproductions.instance_synthesis import openers as instances
from reproductions.instance_synthesis import recipe as instance_recipe
from reproductions.instance_synthesis.paper import InstanceSynthesisPaper
from reproductions.mrca import openers as mrca
from reproductions.mrca.paper import MrcaPaper
from reproductions.requirements import openers, prompters, trial_runs
from reproductions.requirements.inspect_machine import free_memory_bytes
from reproductions.requirements.inspect_weights import count_weights, weight_files
from reproductions.requirements.openers import open_semantic_segmenter
from reproductions.requirements.preflight import Finding
from reproductions.requirements.trial import Opener, Trial
from reproductions.requirements.trial_process import make_trial
from reproductions.requirements.trial_runs import least_bytes, loading_findings, try_loading
from reproductions.sam_filter import openers as sam_filter
from reproductions.sam_filter.paper import SamFilterPaper
from reproductions.study.request import Request
from tests.parity.sam_release import network, release_state
from tests.unit import odd_openers
from tests.unit.inspected import write_json
from tests.unit.tiny_models import (
    birefnet_stub,
    change_weights,
    keep_remote_code_in,
    tiny_blip,
    tiny_detector,
    tiny_diffusion_with_checker,
    tiny_sam3,
)
from tests.unit.tiny_pipelines import tiny_sd3, tiny_sdxl, tiny_stable_diffusion

REPOSITORY = Path(__file__).resolve().parents[2]


def tried(opener: Opener, places: Mapping[str, Path], config: Config | None = None) -> dict[str, Any]:
    """Make a trial in this process, by the document that another process would get."""
    trial = Trial("a network", places, opener, config or Config())
    return make_trial(json.loads(json.dumps(trial.document())))


def works(opener: Opener, places: Mapping[str, Path], config: Config | None = None) -> None:
    outcome = tried(opener, places, config)
    assert (outcome["problem"], outcome["opened"], outcome["ran"]) == ("", True, True)


def problem(opener: Opener, places: Mapping[str, Path], config: Config | None = None) -> str:
    outcome = tried(opener, places, config)
    assert not outcome["ran"]
    assert "\n" not in outcome["problem"]
    return str(outcome["problem"])


# -- every kind of network ---------------------------------------------------------------------------------------------

PLAIN = GenerateConfig(size_px=16, precision="float32", scheduler="dpm_solver")
GUIDED = GenerateConfig(size_px=16, precision="float32", guidance=GuidanceConfig(period=1))


def save_sd3(folder: Path) -> None:
    tiny_sd3().save_pretrained(folder)


@pytest.mark.parametrize(
    ("make", "config"),
    [(tiny_diffusion_with_checker, PLAIN), (tiny_diffusion_with_checker, GUIDED), (save_sd3, GUIDED)],
)
def test_mrcas_generators(tmp_path: Path, make: Callable[[Path], object], config: GenerateConfig) -> None:
    make(tmp_path)
    works(mrca.open_generator, {"generator": tmp_path}, config)


def test_a_scheduler_that_guidance_does_not_know_is_told_before_any_run(tmp_path: Path) -> None:
    from diffusers import HeunDiscreteScheduler

    pipeline = tiny_stable_diffusion()
    pipeline.scheduler = HeunDiscreteScheduler(steps_offset=1)
    pipeline.save_pretrained(tmp_path)
    works(mrca.open_generator, {"generator": tmp_path}, GUIDED.model_copy(update={"guidance": None}))
    told = problem(mrca.open_generator, {"generator": tmp_path}, GUIDED)
    assert "a tiny batch fails: entropy guidance knows no clean estimate for HeunDiscreteScheduler" in told


def test_the_generator_of_pairs_is_tried_with_the_capture_of_its_attention(tmp_path: Path) -> None:
    tiny_diffusion_with_checker(tmp_path)
    at_8 = {"precision": "float32", "size_px": 16, "self_sides": (8,), "cross_sides": (8,)}
    late = CaptureSteps(first=50)  # of a hundred steps; the trial makes two
    works(sam_filter.open_generator, {"generator": tmp_path}, SynthesizeConfig(**at_8, capture_steps=late))
    other = SynthesizeConfig(**{**at_8, "self_sides": (64,)})
    told = problem(sam_filter.open_generator, {"generator": tmp_path}, other)
    assert "a tiny batch fails: the network has no self-attention at 64 cells a side" in told


def test_a_black_picture_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_stable_diffusion().save_pretrained(tmp_path)
    change = {"decoder.conv_out.weight": 0.0, "decoder.conv_out.bias": -9.0}
    blacken(tmp_path / "vae" / "diffusion_pytorch_model.safetensors", change)
    assert "makes a black picture" in problem(mrca.open_generator, {"generator": tmp_path}, PLAIN)
    at_8 = SynthesizeConfig(precision="float32", size_px=16, self_sides=(8,), cross_sides=(8,))
    assert "makes a black picture" in problem(sam_filter.open_generator, {"generator": tmp_path}, at_8)


def blacken(path: Path, values: dict[str, float]) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(path)
    for name, value in values.items():
        tensors[name].fill_(value)
    save_file(tensors, path, metadata={"format": "pt"})


def test_clip_and_both_cutters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_remote_code_in(tmp_path / "modules", monkeypatch)
    works(openers.open_clip, {"clip": CHECKPOINTS / "clip"})
    trusted = openers.CutterTrial(trust_remote_code=True)
    works(openers.open_cutter, {"cutter": CHECKPOINTS / "cutout"}, openers.CutterTrial(trust_remote_code=False))
    stub = birefnet_stub(tmp_path / "BiRefNet-trial")
    works(openers.open_cutter, {"cutter": stub}, trusted)
    assert "allow it with trust_remote_code" in problem(
        openers.open_cutter, {"cutter": stub}, openers.CutterTrial(trust_remote_code=False)
    )


def test_sam_in_both_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works(openers.open_sam, {"sam": CHECKPOINTS / "sam"})
    monkeypatch.setattr(released, "_KINDS", {(64,): "miniature"})
    monkeypatch.setattr(released, "sam_model_registry", {"miniature": network})
    state, path = release_state(Sam.from_pretrained(CHECKPOINTS / "sam").model), tmp_path / "sam_vit_h_4b8939.pth"
    torch.save(state, path)
    works(openers.open_sam, {"sam": path})
    torch.save({name: tensor for name, tensor in state.items() if "neck.0" not in name}, path)
    assert "does not fill the network miniature" in problem(openers.open_sam, {"sam": path})


def test_captioner_detector_and_sam3(tmp_path: Path) -> None:
    works(openers.open_captioner, {"captioner": tiny_blip(tmp_path / "blip")}, BlipCaptions(max_new_tokens=3))
    works(
        prompters.open_detector,
        {"detector": tiny_detector(tmp_path / "dino")},
        GroundingDinoSamConfig(box_threshold=0),
    )
    works(prompters.open_sam3, {"sam": tiny_sam3(tmp_path / "sam3")}, Sam3PrompterConfig())
    change_weights(tmp_path / "dino" / "model.safetensors", drop="model.enc_output.weight")
    told = problem(prompters.open_detector, {"detector": tmp_path / "dino"}, GroundingDinoSamConfig())
    assert told.startswith(f"{tmp_path / 'dino'} lacks 1 of the weights of Grounding DINO")


def test_segmenters_with_published_backbones(tmp_path: Path) -> None:
    path = tmp_path / "resnet.pth"
    for config, build, opener in (
        (centernet2_miniature(5), CenterNet2, mrca.open_segmenter),
        (mask2former_miniature(5), Mask2Former, open_semantic_segmenter),
    ):
        torch.save(build(config, torch.Generator().manual_seed(3)).backbone.state_dict(), path)
        works(opener, {"backbone": path}, config)
        torch.save({"stem.weight": torch.zeros(1)}, path)
        assert f"{path} does not fit the ResNet backbone: " in problem(opener, {"backbone": path}, config)


def test_the_segmenter_that_starts_from_other_classes(tmp_path: Path) -> None:
    (study,) = MrcaPaper().studies(Request("mrca", Store(Path("store")), tier="smoke"))
    weights = {"pretrained": CHECKPOINTS / "segmenter" / "class_agnostic.safetensors"}
    works(mrca.open_segmenter, weights, study.segmenter)
    path = Path(shutil.copy(weights["pretrained"], tmp_path))
    change_weights(path, drop="mask_head.predictor.weight")
    told = problem(mrca.open_segmenter, {"pretrained": path}, study.segmenter)
    assert "does not fit the CenterNet2 without its classifiers: 1 missing: mask_head.predictor.weight" in told


def test_painters_of_instances(tmp_path: Path) -> None:
    """SDXL's kind of network and the shipped ones, each by the back end that the arms name."""
    small = {"size_px": 32, "precision": "float32"}
    tiny_sdxl().save_pretrained(tmp_path / "sdxl")
    works(instances.open_painter, {"generator": tmp_path / "sdxl"}, BlendedLatentConfig(**small))
    study = instance_recipe.smoke().back_ends
    for back_end, folder in (("blended", "inpainting"), ("inpainting", "inpainting"), ("gligen", "gligen")):
        works(instances.open_painter, {"generator": CHECKPOINTS / folder}, study.of(back_end))  # type: ignore[arg-type]
    told = problem(instances.open_painter, {"generator": tmp_path / "sdxl"}, InpaintingConfig(**small))
    assert "the U-Net has 4 input channels, one for inpainting has 9" in told
    change = {"decoder.conv_out.weight": 0.0, "decoder.conv_out.bias": -9.0}
    blacken(tmp_path / "sdxl" / "vae" / "diffusion_pytorch_model.safetensors", change)
    assert "paints black" in problem(
        instances.open_painter, {"generator": tmp_path / "sdxl"}, BlendedLatentConfig(**small)
    )


def test_the_segmenter_of_instances_is_opened_as_a_training_starts(tmp_path: Path) -> None:
    study = instance_recipe.mini().reproduced
    config = InstanceTrainingConfig(
        segmenter=study.segmenter, recipe=study.recipe, augmentation=study.augmentation, start=study.start
    )
    works(instances.open_segmenter, {"start": CHECKPOINTS / "street_segmenter"}, config)
    shutil.copytree(CHECKPOINTS / "street_segmenter", tmp_path / "start")
    change_weights(tmp_path / "start" / "model" / "model.safetensors", drop="backbone.bn1.bias")
    told = problem(instances.open_segmenter, {"start": tmp_path / "start"}, config)
    assert "does not fit: backbone.bn1.bias is missing" in told


# -- a process of its own ------------------------------------------------------------------------------------------------


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def test_a_process_that_is_killed_is_one_sentence(importable: None, tmp_path: Path) -> None:
    found = try_loading(Trial("a network", {"clip": tmp_path}, odd_openers.kill))
    assert found.state == "too small"
    assert found.problems[0].startswith("its process was killed, most likely because memory ran out, of which ")


def test_a_crash_is_one_sentence_and_a_network_that_works_is_told_with_time_and_memory(importable: None) -> None:
    clip = {"clip": CHECKPOINTS / "clip"}
    crash, works = (try_loading(Trial("CLIP", clip, opener)) for opener in (odd_openers.crash, openers.open_clip))
    assert crash.state == "does not load"
    assert crash.problems == ("its process ended by signal SIGABRT, its last words: a library's last words",)
    assert works.state == "ok"
    assert works.notes[0].startswith("opened in ")
    assert works.notes[0].endswith(" GiB; a tiny batch went through")


@pytest.mark.parametrize(
    ("code", "words", "state", "told"),
    [
        (
            -signal.SIGKILL,
            "",
            "too small",
            "was killed, most likely because memory ran out, of which 3.0 GiB were free",
        ),
        (-signal.SIGABRT, "what():  std::bad_alloc", "too small", "was killed, most likely because memory"),
        (-signal.SIGSEGV, "", "does not load", "its process ended by signal SIGSEGV"),
        (3, "gone", "does not load", "its process ended with exit code 3, its last words: gone"),
        (None, "", "does not load", "it was not open after 2 minutes"),
    ],
)
def test_how_a_process_can_end(code: int | None, words: str, state: str, told: str) -> None:
    found = Finding("", "", *trial_runs._death(code, 3 << 30, words, 120.0))
    assert (found.state, told in found.problems[0], found.is_fatal) == (state, True, True)
    assert found.steps


@pytest.mark.parametrize(
    ("opener", "state", "told"),
    [
        (odd_openers.have_no_room, "too small", "memory ran out while it was opened"),
        (odd_openers.open_only, "ok", "memory ran out in a tiny batch"),
        (odd_openers.open_in_half_precision, "ok", "no tiny batch was run: in float32 it does not fit here"),
        (odd_openers.be_confused, "does not load", "KeyError: 'weight\\nof nothing'"),
    ],
)
def test_what_a_process_can_tell(opener: Opener, state: str, told: str) -> None:
    found = trial_runs._judge(tried(opener, {}))
    assert (found.state, told in (*found.problems, *found.notes)[0]) == (state, True), found
    assert found.is_fatal == (state != "ok")


# -- what is tried, and when ------------------------------------------------------------------------------------------------


def test_nothing_is_tried_of_a_place_that_is_not_in_order_or_where_memory_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    missing = Finding("CLIP", str(tmp_path / "clip"), "missing")
    trials = [
        Trial("CLIP as clip", {"clip": tmp_path / "clip"}, odd_openers.kill),
        Trial("SAM as sam", {"sam": CHECKPOINTS / "sam"}, odd_openers.kill),
    ]
    monkeypatch.setattr(trial_runs, "free_memory_bytes", lambda: 1 << 20)
    first, second = loading_findings(trials, [missing], told.append)
    assert (first.what, first.state, first.notes) == (
        "loading CLIP as clip",
        "unknown",
        ("not tried: CLIP is not in order",),
    )
    assert second.state == "unknown"
    assert second.notes[0] == "not tried: opening it takes about 1.0 GiB, 0.0 are free; check on a larger machine"
    assert told == ["SAM as sam"]


def test_weights_are_counted_where_a_loader_would_read_them(tmp_path: Path) -> None:
    folder = tiny_diffusion_with_checker(tmp_path / "diffusion")
    pipeline = tiny_stable_diffusion()
    counts = {
        name: sum(p.numel() for p in getattr(pipeline, name).parameters()) for name in ("text_encoder", "unet", "vae")
    }
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"another precision")
    files = weight_files(folder)
    assert [path.parent.name for path in files] == ["text_encoder", "unet", "vae"]
    assert [count_weights(path) for path in files] == list(counts.values())
    trial = Trial("", {"generator": folder}, odd_openers.kill, bytes_per_weight=2)
    assert least_bytes(trial) == 2 * (sum(counts.values()) + max(counts.values())) + (1 << 30)
    torch.save(torch.zeros(100_000), tmp_path / "old.pth")
    assert count_weights(tmp_path / "old.pth") == pytest.approx(100_000, rel=0.02)
    shards = {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}
    write_json(tmp_path / "t5" / "config.json", {})
    write_json(tmp_path / "t5" / "model.safetensors.index.json", {"weight_map": shards})
    assert [path.name for path in weight_files(tmp_path / "t5")] == ["model-1.safetensors", "model-2.safetensors"]


def test_free_memory_is_what_the_container_leaves(tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    assert free_memory_bytes(told, tmp_path) is None
    told.write_text("MemTotal: 999 kB\nMemAvailable:     8 kB\n")
    assert free_memory_bytes(told, tmp_path) == 8192
    for name, text in {"max": "max", "current": "5000", "stat": "anon 1\ninactive_file 1000\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert free_memory_bytes(told, tmp_path) == 8192
    (tmp_path / "memory.max").write_text("9000\n")
    assert free_memory_bytes(told, tmp_path) == 5000


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGREPRO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("SEGREPRO_DATA", str(tmp_path))
    return tmp_path


def asked(
    paper: MrcaPaper | SamFilterPaper | InstanceSynthesisPaper, folder: Path, **options: Any
) -> dict[str, tuple[Any, ...]]:
    """Opener, config, name of the place and bytes a weight of each trial, by its title."""
    trials = paper.trials(Request(paper.id, Store(folder / "store"), **{"tier": "paper", **options}))
    assert len({trial.what for trial in trials}) == len(trials) or len(trials) in (9, 13)
    return {
        f"{trial.what}, {next(iter(trial.places.values())).name}": (trial.opener, trial.config, trial.bytes_per_weight)
        for trial in trials
    }


def test_mrca_tries_every_network_of_both_tables_once(weights: Path) -> None:
    r50, swinl = MrcaPaper().studies(Request("mrca", Store(weights / "store"), tier="paper"))
    untrusted = openers.CutterTrial(trust_remote_code=False)

    def cutter(name: CutterName) -> openers.CutterTrial:
        return openers.CutterTrial(trust_remote_code=False, name=name)

    assert asked(MrcaPaper(), weights) == {
        "SD3 medium (MRCA) as generator, stable-diffusion-3-medium": (mrca.open_generator, r50.mrca.generation, 2),
        "SD 1.5 (X-Paste) as xpaste_generator, stable-diffusion-v1-5": (mrca.open_generator, r50.xpaste.generation, 2),
        "SD 1.5 (DiverGen) as divergen_generator, stable-diffusion-v1-5": (mrca.open_generator, r50.divergen.first, 2),
        "DeepFloyd IF, stage I (DiverGen's second) as divergen_second, IF-I-XL-v1.0": (
            mrca.open_generator,
            r50.divergen.second,
            2,
        ),
        "DeepFloyd IF, stage II as divergen_upscaler, IF-II-L-v1.0": (mrca.open_upscaler, r50.divergen.second, 2),
        "BiRefNet as cutter, BiRefNet": (openers.open_cutter, untrusted, 4),
        "U2-Net as u2net, u2net.pth": (openers.open_cutter, cutter("u2net"), 4),
        "CLIPSeg as clipseg, clipseg-rd64": (openers.open_cutter, cutter("clipseg"), 4),
        "SAM ViT-H as sam_background, sam-vit-huge": (openers.open_cutter, cutter("sam_background"), 4),
        "CLIP ViT-L/14 as clip, clip-vit-large-patch14": (openers.open_clip, Config(), 4),
        "ResNet-50, ImageNet-21K as backbone, resnet50_miil_21k.pth": (mrca.open_segmenter, r50.segmenter, 4),
        "Swin-L, ImageNet-22K as backbone, swin_large_patch4_window12_384_22k.pth": (
            mrca.open_segmenter,
            swinl.segmenter,
            4,
        ),
    }
    allowed = {"mrca.cutting.trust_remote_code": "true"}
    trusted = asked(MrcaPaper(), weights, settings=allowed)["BiRefNet as cutter, BiRefNet"]
    assert trusted[1] == openers.CutterTrial(trust_remote_code=True)
    assert list(asked(MrcaPaper(), weights, arms=("no_aug",))) == [
        "ResNet-50, ImageNet-21K as backbone, resnet50_miil_21k.pth",
        "Swin-L, ImageNet-22K as backbone, swin_large_patch4_window12_384_22k.pth",
    ]


def test_sam_filter_tries_what_its_prompters_load(weights: Path) -> None:
    (study,) = SamFilterPaper().studies(Request("sam_filter", Store(weights / "store"), tier="paper"))
    assert asked(SamFilterPaper(), weights) == {
        "SD 2.1 base as generator, stable-diffusion-2-1-base": (sam_filter.open_generator, study.synthesis, 2),
        "BLIP as captioner, blip-image-captioning-base": (openers.open_captioner, study.prompts.captioner, 4),
        "SAM ViT-H as sam, sam-vit-huge": (openers.open_sam, Config(), 4),
        "Grounding DINO as detector, grounding-dino-base": (prompters.open_detector, study.prompter, 4),
        "ResNet-50, ImageNet as backbone, resnet50-0676ba61.pth": (
            open_semantic_segmenter,
            study.imagenet_segmenter,
            4,
        ),
    }
    named = asked(SamFilterPaper(), weights, arms=("sam_20k",), settings={"prompter.kind": "sam3"})
    assert named["SAM 3 as sam, sam3"][0] is prompters.open_sam3
    salient = {"reference.kind": "salient", "reference.trust_remote_code": "true"}
    cutter = asked(SamFilterPaper(), weights, arms=("pilot",), settings=salient)["BiRefNet as cutter, BiRefNet"]
    assert cutter[:2] == (openers.open_cutter, openers.CutterTrial(trust_remote_code=True))


def test_instance_synthesis_tries_every_painter_and_every_start_once(weights: Path) -> None:
    studies = InstanceSynthesisPaper().studies(Request("instance_synthesis", Store(weights / "store"), tier="paper"))
    back_ends = studies[0].back_ends
    found = asked(InstanceSynthesisPaper(), weights)
    painters = {
        what: (opener, config) for what, (opener, config, _) in found.items() if opener is instances.open_painter
    }
    assert painters == {
        "GLIGEN inpainting (gligen) as gligen_generator, gligen-1-4-inpainting-text-box": (
            instances.open_painter,
            back_ends.gligen,
        ),
        "SD 2 inpainting (inpainting) as inpainting_generator, stable-diffusion-2-inpainting": (
            instances.open_painter,
            back_ends.inpainting,
        ),
        "SDXL base 1.0 (blended) as blended_generator, stable-diffusion-xl-base-1.0": (
            instances.open_painter,
            back_ends.blended,
        ),
    }
    starts = [
        (config.segmenter, config.start) for opener, config, _ in found.values() if opener is instances.open_segmenter
    ]
    wanted = {
        (one.segmenter, one.start)
        for study in studies
        for one in (study.reproduced, study.published)
        if study.few_shot is None
    }
    assert len(starts) == len(wanted) == 5
    assert all(start in wanted for start in starts)
    real = asked(InstanceSynthesisPaper(), weights, tier="mini", arms=("real",))
    assert {what: opener for what, (opener, _, _) in real.items()} == {
        "miniature segmenter of the street, of other classes as start, street_segmenter": instances.open_segmenter
    }


@pytest.mark.parametrize(("state", "exit_code"), [("does not load", 2), ("ok", 0), ("unknown", 0)])
def test_the_command_tries_each_network_and_its_exit_code_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: Any, exit_code: int
) -> None:
    tried_ones = []

    def say(trial: Trial) -> Finding:
        tried_ones.append(trial.what)
        return Finding("", "", state, ("it is torn",) if state == "does not load" else ())

    monkeypatch.setattr(trial_runs, "try_loading", say)
    words = ["check", "mrca", "--tier", "smoke", "--arms", "xpaste", "--store", str(tmp_path / "store"), "--json"]
    done = CliRunner().invoke(app, [*words, "--load"])
    assert done.exit_code == exit_code, done.output
    told = {finding["what"]: finding for finding in json.loads(done.stdout)["findings"]}
    expected = [f"{what} as {role}" for what, role in (
        ("miniature generator", "xpaste_generator"), ("miniature cut-out network", "cutter"),
        ("miniature SAM", "sam_middle"), ("miniature CLIP", "clip"), ("miniature segmenter, of other classes", "pretrained"),
    )]  # fmt: skip
    assert tried_ones == expected
    assert [told[f"loading {what}"]["state"] for what in expected] == [state] * 5
    tried_ones.clear()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert tried_ones == [], "without --load nothing is loaded"
