"""Stage ``diffumask_seed``: labels of cells that an AffinityNet learns from (section 10.4).

Inputs: role ``pairs``, one cell of ``robust_synthesize`` whose prompts name one class each, with the preset's heat maps.
Outputs: ``seeds.jsonl`` and ``seeds/<id>.png``, in the order of the pictures; role ``seeds`` of ``diffumask_train_affinity``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from methods.common.resumable_records import append_lines, keep_lines
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.diffumask_robust.affinity.complement import Complement
from methods.diffumask_robust.crf import LabelCrf, diffumask_seed_crf
from methods.diffumask_robust.diffumask.split_config import SplitConfig, split_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.diffumask_robust.diffumask.target_maps import Target, TargetMaps


class SeedConfig(Config):
    """How heat maps become sure foreground and sure background."""

    preset: str = "diffumask"
    """Whose heat maps: a folder below ``maps`` of the pictures. [code]"""
    rescaled: bool = False
    """Whether maps are scaled to [0, 1] by their smallest and largest value; as released only by their largest. [C D51]"""
    stride: int = Field(default=8, ge=1)
    """Pixels of a cell; that of the network."""
    split: SplitConfig | None = None
    """Where maps are split; None for the released values of each class."""
    smoothing: LabelCrf | None = diffumask_seed_crf()
    """The dense CRF; None for none [C D32]."""
    complement: Complement = "as_meant"
    """Whether the most or the least likely class of a cell is taken [C D28]."""


def seed(inputs: Inputs, config: SeedConfig, context: Context) -> Record:
    """Write the labels of every picture's cells.

    Returns:
        ``num_images``, and the mean shares of cells that are ``foreground``, ``background`` and ``unknown``.

    Raises:
        InputError: files are missing or faulty, the preset was not taken, or a picture is of several classes.
    """
    from methods.common.files import write_atomic
    from methods.diffumask_robust.diffumask.seed_files import SEEDS, SEEDS_FILE, encode_seeds
    from methods.diffumask_robust.diffumask.target_maps import TargetMaps

    maps = TargetMaps(inputs.folder("pairs"), config.preset, rescaled=config.rescaled)
    (context.out / SEEDS).mkdir(exist_ok=True)
    found = context.checkpoints.load()
    lines = keep_lines(context.out / SEEDS_FILE, 0 if found is None else found[0])
    for number in range(len(lines), len(maps.targets)):
        label_hw, line = _seed(maps, maps.targets[number], config)
        write_atomic(context.out / SEEDS / f"{line['id']}.png", encode_seeds(label_hw))
        append_lines(context.out / SEEDS_FILE, [line])
        lines.append(line)
        if context.checkpoint_due():
            context.checkpoints.save(number + 1, None)
        context.progress(number + 1, len(maps.targets), "images")
    shares = {name: _mean([line[name] for line in lines]) for name in ("foreground", "background", "unknown")}
    return {"num_images": len(lines), **shares}


def _seed(maps: TargetMaps, target: Target, config: SeedConfig) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    from methods.diffumask_robust.diffumask.seed_labels import seed_labels
    from methods.diffumask_robust.diffumask.split_levels import split_levels

    image_HW3 = target.pair.read_image()
    map_HW = maps.map_of(target, (image_HW3.shape[0], image_HW3.shape[1]))
    levels = split_levels(map_HW, config.split or split_of(target.class_name))
    label_hw = seed_labels(
        image_HW3, map_HW, levels, config.stride, len(maps.class_names), config.smoothing, config.complement
    )
    line = {
        "id": target.pair.id,
        "classes": [target.class_name],
        "split": levels.split,
        "levels": [levels.foreground, levels.background],
        "foreground": float(((label_hw > 0) & (label_hw < 255)).mean()),
        "background": float((label_hw == 0).mean()),
        "unknown": float((label_hw == 255).mean()),
    }
    return label_hw, line


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


SEED: Stage[SeedConfig] = Stage("diffumask_seed", 1, SeedConfig, seed, kind="filter")
