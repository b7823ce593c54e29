"""How little a result may change with fields that say how work is cut up and shared out, not what is done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from methods.common.stage import Config
from tests.contracts.compare import BYTES, Rounding

_SHARING = re.compile(r"batch_size|num_workers|num_shards|\w+_per_(shard|batch)")

_SMALL = 5

DECIDE = ("recipe.batch_size", "optimizer.batch_size")
"""Images a step: part of what a training is."""

_SAMPLED = Rounding(relative=1e-6, levels=1, share=1e-4)
"""Sampled pictures, and label maps that are thresholds of the attention behind them."""
_MEASURED = Rounding(relative=1e-5, share=1e-4)
"""What networks say of pictures: scores, boxes, labels."""
_OTHER_FILES = Rounding(relative=1e-15)
"""The same rows, in files that are cut elsewhere."""

PROMISES: dict[tuple[str, str], Rounding] = {
    ("diffumask_train_affinity", "num_workers"): BYTES,
    ("evaluate_cityscapes", "batch_size"): _MEASURED,
    ("evaluate_cityscapes_panoptic", "batch_size"): _MEASURED,
    ("evaluate_coco_instances", "batch_size"): _MEASURED,
    ("evaluate_coco_panoptic", "batch_size"): _MEASURED,
    ("instance_synthesis_features", "batch_size"): _MEASURED,
    ("instance_synthesis_generate", "batch_size"): _SAMPLED,
    ("instance_synthesis_generate", "num_shards"): _SAMPLED,
    ("instance_synthesis_generate", "pictures_per_shard"): _SAMPLED,
    ("instance_synthesis_integrate", "num_shards"): BYTES,
    ("instance_synthesis_train", "num_workers"): BYTES,
    ("mrca_cut", "batch_size"): _MEASURED,
    ("mrca_entropy", "batch_size"): _MEASURED,
    ("mrca_evaluate", "batch_size"): _MEASURED,
    ("mrca_generate", "batch_size"): _SAMPLED,
    ("mrca_generate", "images_per_shard"): _SAMPLED,
    ("mrca_generate", "num_shards"): _SAMPLED,
    ("mrca_real_objects", "images_per_shard"): _OTHER_FILES,
    ("mrca_take", "generation.batch_size"): BYTES,
    ("mrca_take", "generation.images_per_shard"): BYTES,
    ("mrca_take", "generation.num_shards"): BYTES,
    ("mrca_take_as_many", "generation.batch_size"): BYTES,
    ("mrca_take_as_many", "generation.images_per_shard"): BYTES,
    ("mrca_take_as_many", "generation.num_shards"): BYTES,
    ("mrca_train", "num_workers"): BYTES,
    ("robust_evaluate", "batch_size"): _MEASURED,
    ("robust_evaluate_class_set", "batch_size"): _MEASURED,
    ("robust_segment_named", "prompter.masks.points_per_batch"): BYTES,
    ("robust_filter_words", "batch_size"): _MEASURED,
    ("robust_filter_words", "num_shards"): _MEASURED,
    ("robust_synthesize", "batch_size"): _SAMPLED,
    ("robust_synthesize", "num_shards"): _SAMPLED,
    ("robust_train", "num_workers"): BYTES,
    ("robust_train_segmenter", "num_workers"): BYTES,
    ("sam_filter_evaluate", "batch_size"): _MEASURED,
    ("sam_filter_segment_named", "prompter.masks.points_per_batch"): BYTES,
    ("sam_filter_synthesize", "batch_size"): _SAMPLED,
    ("sam_filter_synthesize", "num_shards"): _SAMPLED,
    ("sam_filter_train", "num_workers"): BYTES,
    ("seggen_alignment", "batch_size"): _MEASURED,
    ("seggen_copies", "num_shards"): BYTES,
    ("seggen_evaluate", "batch_size"): _MEASURED,
    ("seggen_evaluate_voc", "batch_size"): _MEASURED,
    ("seggen_images", "batch_size"): _SAMPLED,
    ("seggen_images", "num_shards"): _SAMPLED,
    ("seggen_masks", "batch_size"): _SAMPLED,
    ("seggen_masks", "num_shards"): _SAMPLED,
    ("seggen_move_masks", "num_shards"): BYTES,
    ("seggen_train", "num_workers"): BYTES,
    ("seggen_train_panoptic", "num_workers"): BYTES,
}
"""By stage and field: bit for bit, or within rounding."""


def sharing_fields(config_type: type[BaseModel], place: str = "") -> Iterator[str]:
    """Yield the dotted name of every field of a config, however deep, that says how work is cut up or shared out."""
    for name, field in config_type.model_fields.items():
        if _SHARING.fullmatch(name):
            yield place + name
        for part in _parts(field.annotation):
            yield from sharing_fields(part, f"{place}{name}.")


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def value_of(config: BaseModel, field: str) -> Any:
    """The value of a dotted field; None where this config has another part in its place."""
    value: Any = config
    for name in field.split("."):
        value = getattr(value, name, None)
    return value


def with_value(config: Config, field: str, value: Any) -> Config:
    """Return a config with one dotted field changed."""
    document = config.model_dump(mode="json")
    *way, last = field.split(".")
    part = document
    for name in way:
        part = part[name]
    part[last] = value
    return type(config).model_validate(document)


def another(config: Config, field: str) -> Config:
    """Give a dotted field another value: fewer together where there are many, one worker, one shard or two."""
    value, last = value_of(config, field), field.rsplit(".", 1)[-1]
    if last in ("num_workers", "num_shards"):
        return with_value(config, field, 1 if value != 1 else 2)
    return with_value(config, field, _SMALL if value > _SMALL else value + 2)


def in_small_units(config: Config) -> Config:
    """Return a config that does so little between two opportunities to save that a kill can fall between two of them.

    At smoke sizes one batch or shard may be all of the work.
    """
    for field in sharing_fields(type(config)):
        if re.fullmatch(r"batch_size|\w+_per_shard", field) and value_of(config, field) > _SMALL:
            config = with_value(config, field, _SMALL)
    return config


def rounding_of(stage: str, one: BaseModel, other: BaseModel) -> Rounding:
    """What is promised of two configs of a stage that differ in some of these fields."""
    changed = [
        rounding
        for (name, field), rounding in PROMISES.items()
        if name == stage and value_of(one, field) != value_of(other, field)
    ]
    loosest = [max(values) for values in zip(*((r.relative, r.levels, r.share) for r in changed), strict=True)]
    return Rounding(*loosest) if changed else BYTES
