"""Stages of the robust paper that are killed and go on end with the same bytes as those that were not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from methods.common.generators.attention_presets import AttentionPreset, attn2mask, dataset_diffusion
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.segmenters.deeplab.presets import deeplab_miniature
from methods.common.stage import Inputs
from methods.common.training.history import PACE_FILE
from methods.diffumask_robust.co_training_config import CoTrainingConfig
from methods.diffumask_robust.crop_config import CropConfig
from methods.diffumask_robust.prompts import AugmentedPrompt, template_prompt
from methods.diffumask_robust.schedule import RobustRecipe
from methods.diffumask_robust.stages.sources import LabelledSource
from methods.diffumask_robust.stages.synthesis_config import SynthesizeAttentionConfig
from methods.diffumask_robust.stages.synthesize_attention import synthesize_attention
from methods.diffumask_robust.stages.train_robust import TrainRobustConfig, train_robust
from tests.contracts.contexts import attempt
from tests.unit.test_diffumask_robust_stage_values import CLASSES, write_labels, write_pairs


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != PACE_FILE)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def same_after_kills(run: Any, inputs: Inputs, config: Any, folder: Path, kills: tuple[int, ...]) -> dict[str, bytes]:
    """Run once whole, and once killed at these signs of progress; return what the first left."""
    _, whole = attempt(run, inputs, config, folder / "whole")
    for kill_at in kills:
        _, none = attempt(run, inputs, config, folder / "killed", kill_at=kill_at)
        assert none is None
    _, again = attempt(run, inputs, config, folder / "killed")
    assert again == whole
    assert contents(folder / "killed") == contents(folder / "whole")
    return contents(folder / "whole")


@pytest.mark.parametrize("scheme", ["plain", "pair"])
def test_a_training_goes_on_bit_for_bit(tmp_path: Path, scheme: str) -> None:
    rng, names = np.random.default_rng(0), ("a", "b", "c")
    pairs = write_pairs(
        tmp_path / "pairs", {name: rng.random((1, 20, 20)) for name in names}, {name: [1] for name in names}
    )
    labels = {name: rng.integers(0, 3, (20, 20)) for name in names}
    trusted = {name: rng.random((20, 20)) < 0.5 for name in names}
    inputs = Inputs({"pairs": [pairs], "labels": [write_labels(tmp_path / "labels", labels, trusted)]})
    config = TrainRobustConfig(
        segmenter=deeplab_miniature(len(CLASSES)),
        scheme=scheme,  # type: ignore[arg-type]
        training=CoTrainingConfig(recipe=RobustRecipe(iterations=4, batch_size=2)),
        crops=CropConfig(crop_px=16),
        source=LabelledSource(),
        start="scratch",
        num_samples=1,
    )
    left = same_after_kills(train_robust, inputs, config, tmp_path, (1, 2))
    networks = {"plain": 1, "pair": 2}[scheme]
    assert sum(name.endswith(".safetensors") for name in left) == networks
    assert "samples/00_trusted.png" in left


SMALL: dict[str, AttentionPreset] = {
    "attn2mask": attn2mask().model_copy(update={"map_side": 8}),
    "dataset-diffusion": dataset_diffusion().model_copy(update={"cross_sides": (8,), "self_side": 8}),
}


def write_prompts(folder: Path, count: int) -> Path:
    folder.mkdir()
    (folder / "classes.json").write_text(json.dumps(CLASSES))
    lines = [
        AugmentedPrompt(template_prompt("a photo of a {word}", 1, "coin", f"{number}"), "base", (), number).to_record()
        for number in range(count)
    ]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def test_sampling_goes_on_and_a_part_of_the_work_makes_the_same_pictures(tmp_path: Path) -> None:
    inputs = Inputs(
        {"prompts": [write_prompts(tmp_path / "prompts", 4)], "generator": [CHECKPOINTS / "stable_diffusion"]}
    )
    config = SynthesizeAttentionConfig(
        num_steps=2, guidance_scale=3.0, batch_size=1, scheduler="dpm_solver", presets=SMALL, image_format="png"
    )
    left = same_after_kills(synthesize_attention, inputs, config, tmp_path, (1, 2))
    lines = [json.loads(line) for line in left["pairs.jsonl"].splitlines()]
    assert [line["id"] for line in lines] == ["0", "1", "2", "3"]
    assert set(lines[0]["ranges"]) == set(SMALL)
    part = config.model_copy(update={"shard_index": 1, "num_shards": 2})
    attempt(synthesize_attention, inputs, part, tmp_path / "part")
    for name in ("images/1.png", "images/3.png", "maps/attn2mask/1.png", "maps/dataset-diffusion/3.png"):
        assert (tmp_path / "part" / name).read_bytes() == left[name]
    assert not (tmp_path / "part" / "images" / "0.png").exists()
