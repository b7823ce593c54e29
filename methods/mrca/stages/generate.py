"""Stage ``mrca_generate``: make one round's images, guided by a segmenter or not; one shard file after another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from methods.common.generators.cascade import UpscalingConfig
from methods.common.generators.sampling import SamplingConfig, load_pipeline, sample_images
from methods.common.growth import Added
from methods.common.seeds import Seeds
from methods.common.stage import Context, Inputs, Record, Stage
from methods.mrca.divergen_prompts import prompt_of_image
from methods.mrca.guidance import GuidanceConfig
from methods.mrca.prompts import PromptConfig, mrca_prompt
from methods.mrca.stages.diverse_classes import read_prompts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from methods.common.generated.image_shards import GeneratedImage
    from methods.mrca.guidance import EntropyGuidance, GuidanceTrace


class GenerateConfig(SamplingConfig):
    """How images are sampled. X-Paste samples with ``scheduler="dpm_solver"`` [B]; parts of the work are classes, none torn apart."""

    pool: str = "mrca"
    """Name of the pool; images of different pools never share a seed."""
    prompts: PromptConfig = PromptConfig()
    """MRCA draws one of seven templates an image [R]; X-Paste always uses its one [B]."""
    num_steps: int = Field(default=30, ge=1)
    """Denoising steps. [R]"""
    guidance_scale: float = Field(default=5.0, ge=0)
    """Classifier-free guidance gamma. [R]"""
    size_px: int = Field(default=512, ge=16)
    """Side of the square images. [R]"""
    precision: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    """Precision of the networks on CUDA. [R]"""
    images_per_shard: int = Field(default=256, ge=1)
    """Images in one Parquet file; also how much a kill can lose."""
    round_index: int = Field(default=1, ge=1)
    """Round r; part of each image's seed."""
    guidance: GuidanceConfig | None = None
    """Criterion guidance by the segmenter in role ``guide``; None for plain sampling."""
    upscaling: Annotated[UpscalingConfig | None, Added(neutral=None)] = None
    """A second stage, in role ``upscaler``, that enlarges what the generator makes; None for none."""


@dataclass(frozen=True)
class Order:
    """One image to make."""

    category_id: int
    index: int
    prompt: str
    seed: int


def image_seed(seeds: Seeds, config: GenerateConfig, category_id: int, index: int) -> int:
    """Seed of one image: a function of pool, round, class and number, never of order or sharding."""
    return seeds.derive("generation", config.pool, config.round_index, category_id, index)


def list_orders(
    counts: Sequence[int],
    classes: Sequence[dict[str, Any]],
    config: GenerateConfig,
    seeds: Seeds,
    listed: Mapping[int, Sequence[str]] | None = None,
) -> list[Order]:
    """List this cell's images, class after class; their prompts are drawn by the config, or taken in turn from those listed by class."""
    orders = []
    for position, (count, category) in enumerate(zip(counts, classes, strict=True)):
        if not config.has(position):
            continue
        for index in range(count):
            seed = image_seed(seeds, config, category["id"], index)
            if listed is not None:
                prompt = prompt_of_image(listed[category["id"]], index)
            else:
                prompt = mrca_prompt(category["name"], seeds.numpy("generation", "prompt", seed), config.prompts)
            orders.append(Order(category["id"], index, prompt, seed))
    return orders


def generate(inputs: Inputs, config: GenerateConfig, context: Context) -> Record:
    """Sample every ordered image and write it with its prompt and seed.

    Roles: ``split`` (class names), ``budget`` (how many of each class), ``generator`` (a diffusers folder), ``upscaler``
    (another one; only with upscaling), ``prompts`` (where each class has its own), ``guide`` (a training cell whose averaged segmenter
    guides; only with guidance by its criterion).
    """
    from methods.common.generated.image_shards import shard_path, write_images

    classes = json.loads((inputs.folder("split") / "classes.json").read_text())
    listed = read_prompts(inputs.folder("prompts")) if inputs.folders("prompts") else None
    orders = list_orders(inputs.record("budget")["counts"], classes, config, context.seeds, listed)
    sample = _sampler(inputs, config, context) if orders else None
    found = context.checkpoints.load()
    shards_done, tally = found if found is not None else (0, _empty_tally())
    for first in range(shards_done * config.images_per_shard, len(orders), config.images_per_shard):
        images: list[GeneratedImage] = []
        shard = orders[first : first + config.images_per_shard]
        for start in range(0, len(shard), config.batch_size):
            assert sample is not None
            images += sample(shard[start : start + config.batch_size], tally)
            context.progress(first + len(images), len(orders), "images")
        write_images(shard_path(context.out, shards_done), images)
        shards_done += 1
        if context.checkpoint_due():
            context.checkpoints.save(shards_done, tally)
    return {
        "num_images": len(orders),
        "denoiser_calls": tally["calls"],
        "criterion_by_guided_step": _mean(tally["criterion"]),
    }


def _sampler(
    inputs: Inputs, config: GenerateConfig, context: Context
) -> Callable[[list[Order], dict[str, Any]], list[GeneratedImage]]:
    """Load the networks once; return what samples one batch and adds its cost to the tally."""
    from methods.common.generated.image_shards import GeneratedImage

    pipeline = load_pipeline(inputs.folder("generator"), config, context.device)
    paint = _painter(pipeline, inputs, config, context)
    guidance = _make_guidance(inputs, config, context)

    def sample(batch: list[Order], tally: dict[str, Any]) -> list[GeneratedImage]:
        prompts, seeds = [order.prompt for order in batch], [order.seed for order in batch]
        with _attached(guidance, pipeline, seeds) as trace:
            image_NHW3 = paint(prompts, seeds)
        tally["calls"] += len(batch) * _denoiser_calls(config)
        if trace is not None:
            tally["criterion"] += trace.criterion_by_image()
        return [
            GeneratedImage(pixels, order.category_id, order.index, config.round_index, order.prompt, order.seed)
            for pixels, order in zip(image_NHW3, batch, strict=True)
        ]

    return sample


def _painter(
    pipeline: Any, inputs: Inputs, config: GenerateConfig, context: Context
) -> Callable[[Sequence[str], Sequence[int]], NDArray[np.uint8]]:
    """Return what makes pictures of prompts and seeds: the generator, or both stages of one that has two."""
    upscaling = config.upscaling
    if upscaling is None:
        return lambda prompts, seeds: sample_images(pipeline, prompts, seeds, config)
    from methods.common.generators.cascade import load_upscaler, sample_in_two_stages

    upscaler = load_upscaler(inputs.folder("upscaler"), config, context.device)
    return lambda prompts, seeds: sample_in_two_stages(pipeline, upscaler, prompts, seeds, config, upscaling)


def _empty_tally() -> dict[str, Any]:
    return {"calls": 0, "criterion": []}


def _denoiser_calls(config: GenerateConfig) -> int:
    """Denoiser evaluations an image: both halves of classifier-free guidance, and those for the gradient at each guided step."""
    plain, guidance = config.num_steps * config.denoisings_per_step, config.guidance
    if config.upscaling is not None:
        plain += config.upscaling.num_steps * (2 if config.upscaling.guidance_scale > 1 else 1)
    if guidance is None or guidance.relative_step == 0 or guidance.direction == "random":
        return plain
    each = config.denoisings_per_step if guidance.branches == "both" else 1
    return plain + each * len(range(0, config.num_steps, guidance.period))


def _make_guidance(inputs: Inputs, config: GenerateConfig, context: Context) -> EntropyGuidance | None:
    if config.guidance is None:
        return None
    from methods.common.segmenters.centernet2.model import CenterNet2
    from methods.mrca.guidance import EntropyGuidance, entropy_criterion, normalised_twice

    if config.guidance.direction == "random":
        return EntropyGuidance(config.guidance, None)
    segmenter = CenterNet2.from_pretrained(inputs.folder("guide") / "model").to(context.device).eval()
    segmenter.requires_grad_(False)
    is_pixels = config.guidance.detector_input == "pixels"

    def classify(image_NCHW: Tensor) -> Tensor:
        return segmenter.classify_whole_image(image_NCHW * 255 if is_pixels else normalised_twice(image_NCHW))

    return EntropyGuidance(config.guidance, entropy_criterion(classify, config.guidance.drop_background))


def _attached(
    guidance: EntropyGuidance | None, pipeline: Any, seeds: Sequence[int]
) -> AbstractContextManager[GuidanceTrace | None]:
    return nullcontext() if guidance is None else guidance.attached(pipeline, seeds)


def _mean(rows: list[list[float]]) -> list[float]:
    return [sum(column) / len(column) for column in zip(*rows, strict=True)]


GENERATE = Stage("mrca_generate", 1, GenerateConfig, generate, ("generation",), uses_gpu=True, kind="generate")
