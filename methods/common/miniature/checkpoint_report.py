"""The stage that measures the finished checkpoints against their bars and draws sample sheets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from methods.common.clip import ClipScorer
from methods.common.cutouts.load import DichotomousSegmenter, load_cutout
from methods.common.files import write_atomic
from methods.common.miniature import measurements as measure
from methods.common.miniature import sheets
from methods.common.miniature.backgrounds import BACKGROUNDS, Background
from methods.common.miniature.categories import CATEGORIES, CATEGORY_NAMES
from methods.common.miniature.faults import SHARES_BY_LEVEL, fault_level
from methods.common.miniature.judges import Judge, load_judges
from methods.common.miniature.model_classes import StableDiffusionPipeline
from methods.common.miniature.renderer import render_scene
from methods.common.miniature.training_configs import ReportConfig
from methods.common.miniature.world_config import SceneConfig
from methods.common.segment_anything.sam import Sam
from methods.common.stage import Context, Inputs, Record

ATTENTION_BACKGROUNDS: tuple[Background, ...] = ("white", "grass", "sand", "water")
PROMPTS = (
    "a photo of a {} on a white background",
    "a realistic photo of a {}",
    "{} isolated on white",
    "a photo of a {} on grass",
)
COMPOSITIONS = (
    "a photo of a red coin on a white background",
    "a photo of a blue coin on a white background",
    "a photo of a slim crate on grass",
    "a photo of a broad crate on grass",
    "a photo of a moon and a crate on sand",
    "a photo of a hoop and a bone on white",
)
BARS: dict[str, float] = {
    "generated_colour": 0.90,
    "generated_grey": 0.75,
    "generated_failing": 0.20,
    "cutout_iou": 0.95,
    "attention_iou": 0.55,
    "sam_box_iou": 0.85,
    "clip_zero_shot": 0.80,
}
"""What the shipped weights are meant to reach."""


@dataclass(frozen=True)
class _Parts:
    pipeline: Any
    clip: ClipScorer
    cutout: DichotomousSegmenter
    sam: Sam
    judges: dict[str, Judge]


def _load(folder: Path) -> _Parts:
    pipeline = StableDiffusionPipeline.from_pretrained(folder / "stable_diffusion", dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    clip = ClipScorer.from_pretrained(folder / "clip")
    sam = Sam.from_pretrained(folder / "sam")
    return _Parts(pipeline, clip, load_cutout(folder / "cutout"), sam, load_judges(folder / "judges"))


def _draw_pairs(path: Path, images: measure.Pictures, others: measure.Pictures) -> None:
    """Draw the first 24 pictures, each beside its counterpart."""
    sheets.write_sheet(path, [picture for pair in zip(images[:24], others[:24], strict=True) for picture in pair], 12)


def _draw_world(config: ReportConfig, seed: int, out: Path) -> None:
    """Draw one of each category, then scenes with one to four objects."""
    each = measure.render_balanced(seed + 1, 1, BACKGROUNDS, config.web).images_NHW3
    rng = np.random.default_rng(seed)
    side = config.web.image_size_px
    scene_config = SceneConfig(height_px=side, width_px=side)
    scenes = [
        render_scene(
            rng.integers(len(CATEGORIES), size=1 + index % 4).tolist(),
            BACKGROUNDS[index % len(BACKGROUNDS)],
            scene_config,
            rng,
        ).image_HW3
        for index in range(36)
    ]
    sheets.write_sheet(out / "world.png", [*each, *scenes], 18)


def _draw_compositions(parts: _Parts, config: ReportConfig, seed: int, out: Path) -> None:
    """Draw what is not graded: colours, builds, two objects; six pictures of each prompt."""
    prompts = [prompt for prompt in COMPOSITIONS for _ in range(6)]
    images = measure.generate(parts.pipeline, prompts, seed, config.sampling)
    sheets.write_sheet(out / "compositions.png", list(images), 12)


def _on_renders(parts: _Parts, config: ReportConfig, seed: int, out: Path) -> Record:
    """Measure everything that needs real pictures only."""
    pool = measure.render_balanced(seed, config.num_renders_per_category, BACKGROUNDS, config.web)
    categories = measure.single_categories(pool)
    truth_NHW = torch.from_numpy(pool.semantic_NHW) < len(CATEGORIES)
    iou_N = measure.overlap(measure.cut(parts.cutout, pool.images_NHW3), truth_NHW)
    right = measure.recognised(parts.judges, pool.images_NHW3, categories)
    decoded = measure.decode_again(parts.pipeline.vae, pool.images_NHW3)
    _draw_pairs(out / "vae.png", pool.images_NHW3, decoded)
    masks = measure.cut(parts.cutout, pool.images_NHW3[:24]).numpy()
    cut_out = [sheets.on_plain(image, mask) for image, mask in zip(pool.images_NHW3[:24], masks, strict=True)]
    _draw_pairs(out / "cutout.png", pool.images_NHW3, np.stack(cut_out))
    return {
        "num_renders": len(categories),
        **{f"renders_{name}": float(hits.mean()) for name, hits in right.items()},
        "vae_psnr_db": measure.psnr_db(pool.images_NHW3, decoded),
        "cutout_iou": float(iou_N.mean()),
        "cutout_iou_worst": float(iou_N.min()),
        "clip_zero_shot": measure.zero_shot(parts.clip, pool.images_NHW3, categories, "a photo of a {}"),
    }


def _on_generated(parts: _Parts, config: ReportConfig, seed: int, out: Path) -> Record:
    """Measure generated single objects with each prompt."""
    by_prompt: dict[str, Record] = {}
    for number, template in enumerate(PROMPTS):
        each = config.num_generated_per_category
        rounds = each if number == 0 else max(1, each // 3)
        prompts = [template.format(name) for _ in range(rounds) for name in CATEGORY_NAMES]
        categories = np.tile(np.arange(len(CATEGORIES)), rounds)
        images = measure.generate(parts.pipeline, prompts, seed + 10_000 * number, config.sampling)
        by_prompt[template] = _judge_generated(parts, images, categories)
        sheets.write_sheet(out / f"generated_{number}.png", list(images[: 3 * len(CATEGORIES)]), 18)
    first = by_prompt[PROMPTS[0]]
    levels = first["by_fault_level"]
    return {
        "generated_colour": levels[0]["colour"],
        "generated_grey": levels[0]["grey"],
        "generated_failing": 1.0 - levels[-1]["grey"],
        "grey_by_category": first.pop("grey_by_category"),
        "by_fault_level": first["by_fault_level"],
        "by_prompt": {
            template: {key: value for key, value in record.items() if key not in ("grey_by_category", "by_fault_level")}
            for template, record in by_prompt.items()
        },
    }


def _judge_generated(parts: _Parts, images: measure.Pictures, categories: NDArray[np.int64]) -> Record:
    right = measure.recognised(parts.judges, images, categories)
    masks = measure.cut(parts.cutout, images)
    texts = [f"a photo of a {CATEGORY_NAMES[category]}" for category in categories]
    scores = measure.composite_scores(parts.clip, images, masks, texts)
    # Neighbours in the list differ in shape and surface.
    wrong = measure.composite_scores(parts.clip, images, masks, texts[1:] + texts[:1])
    return {
        "num_pictures": len(categories),
        "colour": float(right["colour"].mean()),
        "grey": float(right["grey"].mean()),
        "clip_score_mean": float(scores.mean()),
        "clip_score_10th_percentile": float(np.percentile(scores, 10)),
        "clip_score_mean_of_wrong_names": float(wrong.mean()),
        "clip_score_90th_percentile_of_wrong_names": float(np.percentile(wrong, 90)),
        "kept_at_clip_25": float((scores >= 25).mean()),
        "clip_score_mean_when_unrecognised": float(scores[~right["grey"]].mean()) if (~right["grey"]).any() else None,
        "grey_by_category": {
            name: float(right["grey"][categories == index].mean()) for index, name in enumerate(CATEGORY_NAMES)
        },
        "by_fault_level": [_judge_level(level, categories, right, scores) for level in range(len(SHARES_BY_LEVEL))],
    }


def _judge_level(
    level: int,
    categories: NDArray[np.int64],
    right: Mapping[str, NDArray[np.bool_]],
    scores: NDArray[np.float32],
) -> Record:
    """Compare the pictures of the categories of one fault level with what they learnt from."""
    mine = np.array([fault_level(int(category)) == level for category in categories])
    return {
        **SHARES_BY_LEVEL[level],
        **{name: float(hits[mine].mean()) for name, hits in right.items()},
        "clip_score_mean": float(scores[mine].mean()),
        "clip_score_10th_percentile": float(np.percentile(scores[mine], 10)),
    }


def _on_attention(parts: _Parts, config: ReportConfig, seed: int, out: Path) -> Record:
    categories = [index % len(CATEGORIES) for index in range(config.num_attention)]
    ious: dict[str, float] = {}
    control: dict[str, float] = {}
    shown: list[NDArray[np.uint8]] = []
    for number, background in enumerate(ATTENTION_BACKGROUNDS):
        iou_N, images, map_NHW = measure.attention_overlap(
            parts.pipeline, parts.cutout, background, categories, seed + 1000 * number, config.sampling
        )
        ious[background] = float(iou_N.mean())
        control[background] = _shuffled_overlap(parts, images, map_NHW)
        heated = [sheets.with_heat(image, map_HW.numpy()) for image, map_HW in zip(images, map_NHW, strict=True)]
        shown += [image for pair in zip(images[:6], heated[:6], strict=True) for image in pair]
    sheets.write_sheet(out / "attention.png", shown, 12)
    return {
        "attention_iou": float(np.mean(list(ious.values()))),
        "attention_iou_by_background": ious,
        "attention_iou_of_shuffled_pictures": control,
    }


def _shuffled_overlap(parts: _Parts, images: measure.Pictures, map_NHW: Tensor) -> float:
    """Control: the map of one picture against the mask of the next one."""
    masks = measure.cut(parts.cutout, images)
    return float(measure.overlap(map_NHW > 0.5, masks.roll(1, 0)).mean())


def report_checkpoints(inputs: Inputs, config: ReportConfig, context: Context) -> Record:
    """Measure a checkpoint folder; writes ``checkpoint_report.json`` and sheets into ``context.out``.

    Inputs: ``checkpoints`` (from ``assemble_checkpoints``).
    """
    parts = _load(inputs.folder("checkpoints"))
    out = context.out / "sheets"
    record: Record = {"sampling": config.sampling.model_dump()}
    # The held-out stream and the noise never occur in a training: other names, other numbers.
    _draw_world(config, context.seeds.derive("data", "checkpoint_report", "world"), out)
    _draw_compositions(parts, config, context.seeds.derive("generation", "compositions") % 2**40, out)
    record |= _on_renders(parts, config, context.seeds.derive("data", "checkpoint_report"), out)
    record |= measure.prompted_overlap(
        parts.sam, context.seeds.derive("data", "scenes"), config.num_scenes, config.scenes
    )
    record |= _on_generated(parts, config, context.seeds.derive("generation", "checkpoint_report") % 2**40, out)
    record |= _on_attention(parts, config, context.seeds.derive("generation", "attention") % 2**40, out)
    record["bars"] = {
        name: {"bar": bar, "reached": record[name], "met": record[name] >= bar} for name, bar in BARS.items()
    }
    write_atomic(context.out / "checkpoint_report.json", json.dumps(record, indent=2).encode())
    return record
