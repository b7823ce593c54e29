"""Stage ``instance_synthesis_generate``: repaint every instance of the manifest; one shard file after another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from methods.common.generators.repainting.configs import IdentityConfig, RepaintConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    from methods.common.generators.repainting.interface import BackEnd, Mask, Picture, RepaintOrder
    from methods.common.generators.repainting.offline import Donor
    from methods.instance_synthesis.frame_files import FrameSource
    from methods.instance_synthesis.manifest import InstanceRow


class GenerateStageConfig(Config):
    """How instances are repainted."""

    layout: Literal["cityscapes", "coco"] = "cityscapes"
    """Layout of the data set."""
    split: str = "train"
    """Split that the manifest was made of."""
    back_end: RepaintConfig = IdentityConfig()
    """What paints."""
    batch_size: int = Field(default=4, ge=1)
    """Pictures that are painted together; each has its own seed, so this changes rounding at most."""
    pictures_per_shard: int = Field(default=256, ge=1)
    """Pictures in one Parquet file; also how much a kill can lose."""
    shard_index: int = Field(default=0, ge=0)
    """Which part of the work this cell does."""
    num_shards: int = Field(default=1, ge=1)
    """Number of such cells; row i of the manifest belongs to part i mod n, with all of its variants."""

    @model_validator(mode="after")
    def _shard_exists(self) -> Self:
        if self.shard_index >= self.num_shards:
            raise ValueError("shard_index must be below num_shards")
        return self


class Task(NamedTuple):
    """One picture to make."""

    row: InstanceRow
    variant: int
    """From 1."""


def list_tasks(rows: Sequence[InstanceRow], shard_index: int, num_shards: int) -> list[Task]:
    """List the pictures of a part: row after row, all variants of a row together."""
    own = [row for row in rows if row.number % num_shards == shard_index]
    return [Task(row, variant) for row in own for variant in range(1, len(row.seeds) + 1)]


def generate(inputs: Inputs, config: GenerateStageConfig, context: Context) -> Record:
    """Write a picture for each variant of each row, at the generator's own size.

    Roles: ``data`` (the data set of the manifest), ``manifest`` (a selection cell), ``generator`` (a diffusers folder, for back ends
    with networks).

    Raises:
        InputError: an input is faulty, or the back end gave a picture of another size or numbers that are not finite.
    """
    from methods.common.generators.repainting.interface import repaint
    from methods.common.generators.repainting.load import load_back_end
    from methods.common.generators.repainting.parts import unet_sha256
    from methods.instance_synthesis.frame_files import open_frames
    from methods.instance_synthesis.manifest import MANIFEST_FILE, InstanceRow, read_rows
    from methods.instance_synthesis.pictures import RepaintedCrop, shard_path, write_pictures

    source = open_frames(inputs.folder("data"), config.layout, config.split)
    rows = read_rows(inputs.folder("manifest") / MANIFEST_FILE, InstanceRow)
    tasks = list_tasks(rows, config.shard_index, config.num_shards)
    frames = _Frames(source)
    folders = inputs.folders("generator")
    folder = folders[0] if folders else None
    back_end: BackEnd | None = None
    found = context.checkpoints.load()
    shards_done, tally = found if found is not None else (0, {"cpu_s": 0.0, "denoisings": 0})
    for first in range(shards_done * config.pictures_per_shard, len(tasks), config.pictures_per_shard):
        began = time.process_time()
        shard = tasks[first : first + config.pictures_per_shard]
        if back_end is None:
            back_end = load_back_end(config.back_end, folder, _bank(rows, frames, config), context.device)
        pictures: list[RepaintedCrop] = []
        for start in range(0, len(shard), config.batch_size):
            batch = shard[start : start + config.batch_size]
            for task, picture in zip(batch, repaint(back_end, [frames.order(task) for task in batch]), strict=True):
                seed = task.row.seeds[task.variant - 1]
                pictures.append(RepaintedCrop(task.row.number, task.variant, seed, picture))
            context.progress(first + len(pictures), len(tasks), "pictures")
        write_pictures(shard_path(context.out, shards_done), pictures)
        shards_done += 1
        tally["cpu_s"] += time.process_time() - began
        tally["denoisings"] += len(pictures) * back_end.denoisings_per_picture
        if context.checkpoint_due():
            context.checkpoints.save(shards_done, tally)
    return {
        "num_pictures": len(tasks),
        "denoiser_calls": tally["denoisings"],
        "cpu_seconds": round(tally["cpu_s"], 1),
        "unet_sha256": unet_sha256(folder) if folder is not None else "",
    }


class _Frames:
    """Crops of the manifest's rows. The last frames stay in memory, as rows of one frame follow each other."""

    def __init__(self, source: FrameSource) -> None:
        self._read = lru_cache(maxsize=4)(source.read)

    def crop(self, row: InstanceRow, *, tight: bool = False) -> tuple[Picture, Mask]:
        """Return colours and mask of the row's window, or of its tight box."""
        from methods.instance_synthesis.crop import crop_instance

        frame = self._read(row.frame)
        instance = frame.instance(row.instance_id, row.layer)
        return crop_instance(frame, instance, row.box if tight else row.window)

    def order(self, task: Task) -> RepaintOrder:
        """Return what a back end is asked for."""
        from methods.common.generators.repainting.interface import RepaintOrder

        row = task.row
        crop, mask = self.crop(row)
        return RepaintOrder(crop, mask, row.prompt, row.class_name, row.seeds[task.variant - 1], row.source)


class _RowDonor(NamedTuple):
    """An instance of the manifest that may be copied."""

    row: InstanceRow
    frames: _Frames

    @property
    def source(self) -> str:
        return self.row.source

    def load(self) -> tuple[Picture, Mask]:
        return self.frames.crop(self.row, tight=True)


def _bank(rows: Sequence[InstanceRow], frames: _Frames, config: GenerateStageConfig) -> dict[str, list[Donor]]:
    """Return all rows of the manifest, whatever this part of the work is, by class."""
    donors: dict[str, list[Donor]] = {}
    if config.back_end.kind == "copy_from_bank":
        for row in rows:
            donors.setdefault(row.class_name, []).append(_RowDonor(row, frames))
    return donors


GENERATE = Stage("instance_synthesis_generate", 1, GenerateStageConfig, generate, (), uses_gpu=True, kind="generate")
