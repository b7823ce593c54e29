"""Stage ``instance_synthesis_select``: choose instances, their windows, prompts and seeds; write the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from methods.common.seeds import Seeds
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.instance_synthesis.prompts import PromptConfig, draw_prompt
from methods.instance_synthesis.select import SelectConfig, WindowConfig, choose_instances, square_window

if TYPE_CHECKING:
    from methods.instance_synthesis.frames import Frame
    from methods.instance_synthesis.manifest import InstanceRow


class SelectStageConfig(Config):
    """What is repainted."""

    layout: Literal["cityscapes", "coco"] = "cityscapes"
    """Layout of the data set."""
    split: str = "train"
    """Which of its splits; the paper takes the training one only. [code]"""
    frames: tuple[str, ...] | None = None
    """Names of the frames to take; None for all."""
    select: SelectConfig = SelectConfig()
    """Which instances of a frame."""
    window: WindowConfig = WindowConfig()
    """The crop around each."""
    prompts: PromptConfig = PromptConfig()
    """What is asked for."""
    num_variants: int = Field(default=2, ge=1)
    """Pictures of each instance that are integrated; they share the prompt. [code]"""


def select(inputs: Inputs, config: SelectStageConfig, context: Context) -> Record:
    """Write ``manifest.parquet``, frame after frame, largest instances first; frames without instances have no row.

    Roles: ``data`` (a folder in the layout asked for); ``support`` (a support list), where its instances are to be taken and no others.

    Raises:
        InputError: the data set or a frame of it is faulty, a frame that is asked for is not there, or a class has no phrase.
    """
    from methods.common.errors import InputError
    from methods.instance_synthesis.frame_files import open_frames
    from methods.instance_synthesis.manifest import MANIFEST_FILE, InstanceRow, write_rows

    source = open_frames(inputs.folder("data"), config.layout, config.split)
    listed = _listed(inputs)
    names = list(source.names if listed is None else listed) if config.frames is None else list(config.frames)
    for name in set(names) - set(source.names):
        raise InputError(f"{inputs.folder('data')} has no frame {name!r} in split {config.split!r}; correct `frames`")
    rows: list[InstanceRow] = []
    idle = 0
    for done, name in enumerate(names, start=1):
        wanted = None if listed is None else listed.get(name, frozenset())
        found = rows_of_frame(source.read(name, with_image=False), config, context.seeds, len(rows), wanted)
        idle += not found
        rows += found
        context.progress(done, len(names), "frames")
    write_rows(context.out / MANIFEST_FILE, rows, InstanceRow)
    return {
        "num_frames": len(names),
        "num_frames_without_instances": idle,
        "num_instances": len(rows),
        "instances_by_class": dict(sorted(Counter(row.class_name for row in rows).items())),
    }


def _listed(inputs: Inputs) -> dict[str, frozenset[tuple[int, int]]] | None:
    """Return the instances of a support list by frame; None without a list."""
    from methods.instance_synthesis.support import SUPPORT_FILE, by_frame, read_support

    folders = inputs.folders("support")
    return by_frame(read_support(inputs.folder("support") / SUPPORT_FILE)) if folders else None


def rows_of_frame(
    frame: Frame,
    config: SelectStageConfig,
    seeds: Seeds,
    first: int,
    listed: Collection[tuple[int, int]] | None = None,
) -> list[InstanceRow]:
    """Return the rows of one frame, numbered from ``first``; their seeds depend on frame, instance and variant alone."""
    from methods.instance_synthesis.manifest import InstanceRow

    height, width = frame.size
    rows = []
    for number, chosen in enumerate(choose_instances(frame, config.select, listed), start=first):
        instance, box = chosen.instance, chosen.box
        key = (frame.name, instance.layer, instance.id)
        window = square_window(box, height, width, config.window, f"instance {instance.id} of frame {frame.name}")
        variants = range(1, config.num_variants + 1)
        rows.append(
            InstanceRow(
                number=number,
                frame=frame.name,
                layer=instance.layer,
                instance_id=instance.id,
                class_name=instance.class_name,
                area_px=chosen.area_px,
                **box._asdict(),
                window_x0=window.x0,
                window_y0=window.y0,
                window_side=window.width,
                prompt=draw_prompt(instance.class_name, seeds.numpy("generation", "prompt", *key), config.prompts),
                seeds=[seeds.derive("generation", "repaint", *key, variant) for variant in variants],
                focus_seeds=[seeds.derive("generation", "focus", *key, variant) for variant in variants],
            )
        )
    return rows


SELECT = Stage("instance_synthesis_select", 1, SelectStageConfig, select, ("generation",))
