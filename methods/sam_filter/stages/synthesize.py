"""Stage ``sam_filter_synthesize``: sample pictures and take the masks of every variant from one capture of their attention."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.common.seeds import Seeds
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.sam_filter.class_prompts import names_in_class_prompt
from methods.sam_filter.stages.growing_lines import read_lines

if TYPE_CHECKING:
    from methods.sam_filter.stages.pair_files import PairFolder
    from methods.sam_filter.stages.sampler import Sampler

NEGATIVE_PROMPT = (
    "ugly, tiled pattern, badly drawn hands, badly drawn feet, badly drawn face, cropped, out of frame, extra limbs, deformed body, "
    "blurry, grainy, watermark, signature, text, washed out, low contrast, underexposed"
)
"""Quality words; [DD] has one fixed list of such words, the wording is ours."""
_MAX_LABEL = 254
_PUBLISHED_POWER = 4


class CaptureSteps(Config):
    """Which denoising steps count for attention maps. By default all, as published [DD]; fewer cost less."""

    first: int = Field(default=0, ge=0)
    """The first one, from 0."""
    last: int | None = Field(default=None, ge=0)
    """The last one; None for the end."""
    every: int = Field(default=1, ge=1)
    """From the first one on, each so-many-th."""

    def includes(self, step: int) -> bool:
        """Tell whether a step counts."""
        return step >= self.first and (self.last is None or step <= self.last) and (step - self.first) % self.every == 0


class SynthesizeConfig(Config):
    """How pictures are sampled and masks are made."""

    num_steps: int = Field(default=100, ge=1)
    """Denoising steps. [DD]"""
    guidance_scale: float = Field(default=7.5, ge=0)
    """Classifier-free guidance; at most 1 switches it off. [DD]"""
    negative_prompt: str | None = NEGATIVE_PROMPT
    """What guidance leads away from. [DD] in kind; None for nothing."""
    scheduler: Literal["own", "dpm_solver"] = "own"
    """The checkpoint's own [DD], or multistep DPM-Solver++."""
    precision: Literal["float32", "bfloat16", "float16"] = "float16"
    """Precision of the networks on CUDA; float32 elsewhere. [DD]"""
    size_px: int | None = Field(default=None, ge=16)
    """Side of the square pictures; None for the checkpoint's own size, which is what [DD] uses (512)."""
    batch_size: int = Field(default=8, ge=1)
    """Pictures that are sampled together; each has its own seed, so this changes rounding at most."""
    self_sides: tuple[int, ...] = Field(default=(64, 32), min_length=1)
    """Cells a side of self-attention. [P] 32 and 64"""
    cross_sides: tuple[int, ...] = Field(default=(8, 16, 32, 64), min_length=1)
    """Cells a side of cross-attention. [P] 8, 16, 32 and 64"""
    powers: tuple[int, ...] = Field(default=(4,), min_length=1)
    """Powers tau of self-attention. [DD] 4; 0 leaves cross-attention as it is."""
    key_prefix: str = ""
    """Before the class names in the text that cross-attention's keys come from. [DD] nothing: the text is the class prompt."""
    key_joiner: str = " "
    """Between two class names in that text. [DD] a space"""
    capture_steps: CaptureSteps = CaptureSteps()
    """Steps whose attention counts."""
    upper_threshold: float = Field(default=0.6, gt=0, le=1)
    """From here on a pixel has its class. [DD]"""
    lower_threshold: float = Field(default=0.5, gt=0, le=1)
    """Below it a pixel is background; from here to the upper threshold it is uncertain, 255. [DD]"""
    image_format: Literal["jpeg", "png"] = "jpeg"
    """Format of the pictures. [DD] JPEG"""
    safety_checker: bool = False
    """Whether the checkpoint's own checker, if it has one, blanks pictures. Our choice: off."""
    shard_index: int = Field(default=0, ge=0)
    """Which part of the prompts this cell makes."""
    num_shards: int = Field(default=1, ge=1)
    """Number of such cells; prompt i belongs to part i mod n."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.lower_threshold > self.upper_threshold:
            raise ValueError("lower_threshold is above upper_threshold")
        if self.shard_index >= self.num_shards:
            raise ValueError("shard_index must be below num_shards")
        for name in ("self_sides", "cross_sides", "powers"):
            numbers = getattr(self, name)
            if len(set(numbers)) < len(numbers) or min(numbers) < (0 if name == "powers" else 1):
                raise ValueError(f"{name} must be different whole numbers, sides of at least 1")
        return self

    def variants(self) -> tuple[str, ...]:
        """Name every variant of the masks."""
        return tuple(
            variant_name(own, cross, power)
            for own in self.self_sides
            for cross in self.cross_sides
            for power in self.powers
        )


def variant_name(self_side: int, cross_side: int, power: int = _PUBLISHED_POWER) -> str:
    """Name of a variant: ``s32_c16``, or ``s32_c16_p1`` where the power is not the published one."""
    return f"s{self_side}_c{cross_side}" + ("" if power == _PUBLISHED_POWER else f"_p{power}")


@dataclass(frozen=True)
class Order:
    """One picture to make."""

    record: dict[str, Any]
    names: tuple[str, ...]
    """Of the class prompt, in order; repeated where they are."""
    seed: int


def list_orders(
    records: Sequence[dict[str, Any]], class_names: Sequence[str], config: SynthesizeConfig, seeds: Seeds, where: str
) -> list[Order]:
    """Check every prompt and list this cell's pictures.

    Args:
        records: of ``prompts.jsonl``.
        class_names: by label, background first.
        config: says which part.
        seeds: the seed of a picture is derived from its id, never from order, batch or shard.
        where: name of the file, for messages.

    Raises:
        InputError: a record lacks a text or an id that can be a file name, repeats an id, or names no known class.
    """
    orders, seen = [], set()
    for number, record in enumerate(records):
        place = f"{where}, line {number + 1}"
        for key in ("id", "caption", "class_prompt"):
            if not isinstance(record.get(key), str) or not record[key].strip():
                raise InputError(f"{place}: {key!r} is missing or no text; write one")
        name = record["id"]
        if name in seen or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise InputError(
                f"{place}: the id {name!r} occurs twice or cannot be a file name; give each prompt its own"
            )
        seen.add(name)
        names = names_in_class_prompt(record["class_prompt"], class_names[1:], place)
        if number % config.num_shards == config.shard_index:
            kept = {key: record[key] for key in ("id", "caption", "class_prompt")}
            kept["classes"] = list(dict.fromkeys(names))
            orders.append(Order(kept, names, seeds.derive("generation", "picture", name)))
    return orders


def synthesize(inputs: Inputs, config: SynthesizeConfig, context: Context) -> Record:
    """Sample a picture for each prompt; write it with its masks and its line in ``pairs.jsonl``.

    Roles: ``prompts`` (``prompts.jsonl`` and ``classes.json``), ``generator`` (a diffusers folder). A picture that is black throughout, as
    a safety checker leaves it, has no line and no mask.

    Raises:
        InputError: a prompt is faulty or too long, or the network lacks a resolution that is asked for.
    """
    from methods.sam_filter.stages.pair_files import PairFolder
    from methods.sam_filter.stages.sampler import Sampler

    class_names = _read_classes(inputs)
    path = inputs.folder("prompts") / "prompts.jsonl"
    orders = list_orders(read_lines(path), class_names, config, context.seeds, str(path))
    write_atomic(context.out / "classes.json", json.dumps(class_names).encode())
    folder = PairFolder(context.out, config.image_format, config.variants())
    found = context.checkpoints.load()
    tally: dict[str, Any] = _empty_tally() if found is None else found[1]
    whole = folder.keep(tally["checksums"])
    if whole < len(tally["checksums"]):
        context.checkpoints.clear()
        tally = {key: values[:whole] for key, values in tally.items()}
    start = whole * config.batch_size
    sample = Sampler(inputs.folder("generator"), config, context.device, class_names) if start < len(orders) else None
    for first in range(start, len(orders), config.batch_size):
        assert sample is not None
        batch = orders[first : first + config.batch_size]
        _add_batch(batch, sample, folder, tally)
        if context.checkpoint_due():
            context.checkpoints.save(len(tally["calls"]), tally)
        context.progress(first + len(batch), len(orders), "images")
    return _record(tally, len(orders), config)


def _empty_tally() -> dict[str, Any]:
    """One entry for each finished batch in each list."""
    return {"checksums": [], "calls": [], "constant": [], "cut": [], "cpu_s": []}


def _add_batch(batch: Sequence[Order], sample: Sampler, folder: PairFolder, tally: dict[str, Any]) -> None:
    """Make and write one batch."""
    began = time.process_time()
    pairs = sample(batch)
    tally["checksums"].append(folder.write(pairs))
    tally["calls"].append(sample.denoiser_images)
    tally["constant"].append(sum(len(names) for pair in pairs for names in pair.record["constant_maps"].values()))
    tally["cut"].append(sum(sample.is_cut(order) for order in batch))
    tally["cpu_s"].append(time.process_time() - began)


def _record(tally: dict[str, Any], num_orders: int, config: SynthesizeConfig) -> Record:
    num_images = sum(len(batch) for batch in tally["checksums"])
    return {
        "num_images": num_images,
        "num_blanked": num_orders - num_images,
        "denoiser_calls": sum(tally["calls"]),
        "constant_maps": sum(tally["constant"]),
        "num_cut_prompts": sum(tally["cut"]),
        "cpu_seconds": round(sum(tally["cpu_s"]), 1),
        "variants": list(config.variants()),
    }


def _read_classes(inputs: Inputs) -> list[str]:
    path = inputs.folder("prompts") / "classes.json"
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({reason(error)}); write a JSON list of class names, background first"
        ) from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError(f"{path} is no list of different names; write a JSON list of class names, background first")
    if not 2 <= len(names) <= _MAX_LABEL + 1:
        raise InputError(f"{path} has {len(names)} names; masks hold background and 1 to {_MAX_LABEL} classes")
    return names


SYNTHESIZE = Stage(
    "sam_filter_synthesize", 1, SynthesizeConfig, synthesize, ("generation",), uses_gpu=True, kind="generate"
)
