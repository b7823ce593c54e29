"""Stage ``instance_synthesis_integrate``: paste repainted instances back, focus, and write training samples with their annotation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from methods.common.stage import Context, Inputs, Record, Stage
from methods.instance_synthesis.integrate import IntegrateConfig
from methods.instance_synthesis.stages.generate import list_tasks

if TYPE_CHECKING:
    from methods.instance_synthesis.integrate import Sample
    from methods.instance_synthesis.manifest import SampleRow
    from methods.instance_synthesis.stages.generate import Task


class IntegrateStageConfig(IntegrateConfig):
    """How samples are made and written."""

    layout: Literal["cityscapes", "coco"] = "cityscapes"
    """Layout of the data set, and of what is written."""
    split: str = "train"
    """Split that the manifest was made of; samples are always training images."""
    shard_index: int = Field(default=0, ge=0)
    """Which part of the work this cell does."""
    num_shards: int = Field(default=1, ge=1)
    """Number of such cells; row i of the manifest belongs to part i mod n, with all of its variants."""

    @model_validator(mode="after")
    def _shard_exists(self) -> Self:
        if self.shard_index >= self.num_shards:
            raise ValueError("shard_index must be below num_shards")
        return self


def integrate(inputs: Inputs, config: IntegrateStageConfig, context: Context) -> Record:
    """Write a sample for each repainted crop, and ``samples.parquet`` with a row for each.

    Roles: ``data`` (the data set of the manifest), ``manifest`` (a selection cell), ``pictures`` (all parts of its generation).

    Raises:
        InputError: an input is faulty, or a picture was not generated.
    """
    from methods.common.opencv import one_opencv_thread
    from methods.instance_synthesis.frame_files import open_frames
    from methods.instance_synthesis.integrate import make_sample
    from methods.instance_synthesis.manifest import (
        MANIFEST_FILE,
        SAMPLES_FILE,
        InstanceRow,
        SampleRow,
        read_rows,
        write_rows,
    )
    from methods.instance_synthesis.pictures import PictureShards
    from methods.instance_synthesis.sample_files import write_coco

    source = open_frames(inputs.folder("data"), config.layout, config.split)
    tasks = list_tasks(
        read_rows(inputs.folder("manifest") / MANIFEST_FILE, InstanceRow), config.shard_index, config.num_shards
    )
    pictures = PictureShards(inputs.folders("pictures"))
    read_frame = lru_cache(maxsize=2)(source.read)
    found = context.checkpoints.load()
    done: list[dict[str, Any]] = [] if found is None else _still_whole(found[1], context.out, config.layout)
    with one_opencv_thread():
        for number, task in enumerate(tasks[len(done) :], start=len(done) + 1):
            picture = pictures.read(task.row.number, task.variant)
            sample = make_sample(read_frame(task.row.frame), task.row, task.variant, picture, config)
            done.append(_write(sample, task, config.layout, context.out))
            if context.checkpoint_due():
                context.checkpoints.save(number, done)
            context.progress(number, len(tasks), "samples")
    rows = [SampleRow(**record["row"]) for record in done]
    write_rows(context.out / SAMPLES_FILE, rows, SampleRow)
    if config.layout == "coco":
        write_coco(context.out, [record["coco"] for record in done])
    return _record(rows)


def _write(sample: Sample, task: Task, layout: Literal["cityscapes", "coco"], out: Path) -> dict[str, Any]:
    """Write the files of one sample; return what is known of it, as plain numbers and text."""
    from methods.instance_synthesis.sample_files import coco_annotations, encode_sample, sample_name, write_files

    row, focus = task.row, sample.focus
    name = sample_name(layout, row.frame, row.number, task.variant)
    height, width = sample.image_HW3.shape[:2]
    coco = {"name": name, "height": height, "width": width}
    if layout == "coco":
        coco["annotations"] = coco_annotations(sample)
    known = {
        "name": name,
        "number": row.number,
        "variant": task.variant,
        "frame": row.frame,
        "layer": row.layer,
        "instance_id": row.instance_id,
        "class_name": row.class_name,
        "prompt": row.prompt,
        "seed": row.seeds[task.variant - 1],
        "focus_seed": row.focus_seeds[task.variant - 1],
        "offset": sample.offset,
        "ratio": focus.ratio,
        "num_tries": focus.num_tries,
        **{f"focus_{side}": value for side, value in focus.window._asdict().items()},
        "num_instances": sum(not one.is_group for one in sample.instances),
        "checksum": write_files(out, encode_sample(layout, name, sample)),
    }
    return {"row": known, "coco": coco}


def _still_whole(done: list[dict[str, Any]], out: Path, layout: Literal["cityscapes", "coco"]) -> list[dict[str, Any]]:
    """Return the first samples of an earlier attempt whose files are as they were written."""
    for number, record in enumerate(done):
        if _checksum_on_disk(record["row"]["name"], out, layout) != record["row"]["checksum"]:
            return done[:number]
    return done


def _checksum_on_disk(name: str, out: Path, layout: Literal["cityscapes", "coco"]) -> int | None:
    from methods.instance_synthesis.sample_files import checksum, sample_paths

    paths = [out / path for path in sample_paths(layout, name)]
    return checksum(path.read_bytes() for path in paths) if all(path.is_file() for path in paths) else None


def _record(rows: Sequence[SampleRow]) -> Record:
    count = max(1, len(rows))
    return {
        "num_samples": len(rows),
        "num_instances": sum(row.num_instances for row in rows),
        "mean_offset": sum(row.offset for row in rows) / count,
        "mean_ratio": sum(row.ratio for row in rows) / count,
        "num_whole_frames": sum(row.ratio == 0.0 for row in rows),
    }


INTEGRATE = Stage("instance_synthesis_integrate", 1, IntegrateStageConfig, integrate, ())
