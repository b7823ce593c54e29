"""Stage ``instance_synthesis_support``: draw the support list of few-shot learning, or check one that is given."""

from __future__ import annotations

from typing import Literal

from methods.common.stage import Context, Inputs, Record, Stage
from methods.instance_synthesis.support import SupportConfig


class SupportStageConfig(SupportConfig):
    """Of which data a list is drawn."""

    layout: Literal["cityscapes"] = "cityscapes"
    """Layout of the data set; the ids of its instances stay the same in what is made of them."""
    split: str = "train"
    """Which of its splits."""


def support(inputs: Inputs, config: SupportStageConfig, context: Context) -> Record:
    """Write ``support.json``.

    Roles: ``data`` (a folder in the layout asked for).

    Returns:
        ``num_instances`` and ``num_frames`` of the list.

    Raises:
        InputError: a class has fewer than K instances, or a list that is given does not fit the data.
    """
    from methods.instance_synthesis.frame_files import open_frames
    from methods.instance_synthesis.support import (
        SUPPORT_FILE,
        by_frame,
        check_support,
        draw_support,
        read_support,
        write_support,
    )

    source, seed = open_frames(inputs.folder("data"), config.layout, config.split), context.seeds.training
    if config.given is None:
        rows = draw_support(source, config, context.seeds)
    else:
        path = inputs.folder("data") / config.given.format(seed=seed)
        rows = read_support(path)
        check_support(rows, source, config, str(path))
    write_support(context.out / SUPPORT_FILE, rows, config, seed)
    return {"num_instances": len(rows), "num_frames": len(by_frame(rows))}


SUPPORT = Stage("instance_synthesis_support", 1, SupportStageConfig, support, ("training",))
