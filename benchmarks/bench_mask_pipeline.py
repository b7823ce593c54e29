"""From prompts to label maps with trusted pixels: pictures a second of processor time, beside sampling alone in the same run.

    pytest benchmarks/bench_mask_pipeline.py --benchmark-only

The shipped miniature generator, eight steps with guidance, pictures of 64 px: the two stages as a run has them, with heat maps of one preset or of all
five, files and loading the generator included; sampling alone has it loaded.
"""

import json
import time
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.sizes import size
from methods.common.generators.sampling import load_pipeline, sample_images
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext
from methods.diffumask_robust.stages.label import label
from methods.diffumask_robust.stages.synthesize_attention import synthesize_attention
from reproductions.diffumask_robust.recipe import mini

COUNT, ROUNDS = size(16, 48), size(2, 3)
GENERATOR = CHECKPOINTS / "stable_diffusion"


def write_prompts(folder: Path) -> list[str]:
    """One prompt a picture, as the stage of prompts writes them."""
    names = CATEGORY_NAMES[:5]
    texts, lines = [], []
    for number in range(COUNT):
        name = names[number % 5]
        text = f"a photo of a {name}"
        texts.append(text)
        span = [1 + number % 5, len(text) - len(name), len(text)]
        line = {
            "id": f"{number:06d}",
            "base_id": "b",
            "text": text,
            "spans": [span],
            "replacements": [],
            "seed": number,
        }
        lines.append(json.dumps(line) + "\n")
    (folder / "prompts.jsonl").write_text("".join(lines))
    (folder / "classes.json").write_text(json.dumps(["background", *names]))
    return texts


@pytest.mark.parametrize("presets", ["one", "all"])
def test_pictures_and_masks(benchmark: BenchmarkFixture, tmp_path: Path, presets: str) -> None:
    torch.set_num_threads(1)
    study, texts = mini(), write_prompts(tmp_path)
    name = study.label.preset
    chosen = study.presets if presets == "all" else {name: study.presets[name]}
    config = study.synthesis.model_copy(update={"presets": chosen})
    pipeline = load_pipeline(GENERATOR, config, torch.device("cpu"))
    number, whole_s, labels_s, plain_s = 0, [], [], []

    def plain() -> None:
        start = time.process_time()
        for first in range(0, COUNT, config.batch_size):
            batch = texts[first : first + config.batch_size]
            sample_images(pipeline, batch, range(len(batch)), config)
        plain_s.append(time.process_time() - start)

    def run() -> None:
        nonlocal number
        number += 1
        pairs, out = tmp_path / f"pairs{number}", tmp_path / f"labels{number}"
        for folder in (pairs, out):
            folder.mkdir()
        start = time.process_time()
        roles = Inputs({"prompts": [tmp_path], "generator": [GENERATOR]})
        synthesize_attention(roles, config, LocalContext(pairs, Seeds()))
        middle = time.process_time()
        label(Inputs({"pairs": [pairs]}), study.label, LocalContext(out, Seeds()))
        whole_s.append(time.process_time() - start)
        labels_s.append(time.process_time() - middle)

    benchmark.pedantic(run, setup=plain, rounds=ROUNDS, warmup_rounds=1)
    benchmark.extra_info["images_per_cpu_s"] = round(COUNT / min(whole_s[1:]), 2)
    benchmark.extra_info["sampling_alone_images_per_cpu_s"] = round(COUNT / min(plain_s[1:]), 2)
    benchmark.extra_info["cpu_ratio_of_minima"] = round(min(whole_s[1:]) / min(plain_s[1:]), 3)
    benchmark.extra_info["labels_share"] = round(min(labels_s[1:]) / min(whole_s[1:]), 3)
