"""Stage ``palette_report``: how many pixels of a mask an autoencoder turns into another class, by palette and class (section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.seggen.palettes import PaletteConfig, PaletteKind, build_palette

if TYPE_CHECKING:
    import numpy as np
    import torch

_WORST = 5


class PaletteReportConfig(Config):
    """Which palettes, on which masks."""

    palettes: tuple[PaletteKind, ...] = Field(default=("seggen", "spread", "dataset", "random"), min_length=1)
    """Palettes that are compared. Section 4.3"""
    num_classes: int = Field(default=150, ge=2, le=254)
    """Classes of the masks."""
    size_px: int = Field(default=512, ge=16)
    """Side of the square masks; a multiple of what the autoencoder shrinks pictures by."""
    num_pictures: int = Field(default=4, ge=1)
    """Masks; in all of them together classes occur about equally often."""


def report_palettes(inputs: Inputs, config: PaletteReportConfig, context: Context) -> Record:
    """Measure what an autoencoder does to masks in colours; writes nothing beside the record.

    Role: ``generator``, a folder of a diffusers model with an autoencoder, or of the autoencoder itself.

    Returns:
        what :func:`compare_palettes` does.

    Raises:
        InputError: there is no such autoencoder, it overflows in float32, or a palette has too few colours.
    """
    rng = context.seeds.numpy("data", "palette report")
    told = partial(context.progress, total=len(config.palettes), unit="palettes")
    return compare_palettes(inputs.folder("generator"), config, context.device, rng, told)


def compare_palettes(
    folder: Path,
    config: PaletteReportConfig,
    device: torch.device,
    rng: np.random.Generator,
    told: Callable[[int], None],
) -> Record:
    """Send masks in the colours of each palette through an autoencoder.

    Args:
        folder: of a diffusers model, or of its autoencoder.
        config: palettes and masks.
        device: where it runs.
        rng: draws the masks.
        told: hears how many palettes are done.

    Returns:
        ``palettes``: by palette the shares of wrong pixels, in all, after small regions went to their surroundings, and by class, the worst
        classes, the mean distance to the nearest colour, and how much farther the second is; ``overflows_in_half``: whether float16 gives numbers that are not finite.
    """
    import numpy as np

    from methods.seggen.palette_survival import load_autoencoder, measure_survival, mosaics, overflows

    palettes = [build_palette(PaletteConfig(kind=kind), config.num_classes) for kind in config.palettes]
    vae = load_autoencoder(folder, device)
    maps = mosaics(config.num_classes, config.num_pictures, config.size_px, rng)
    found: dict[str, Any] = {}
    for kind, palette in zip(config.palettes, palettes, strict=True):
        survival = measure_survival(vae, palette, maps)
        shares = survival.shares_by_class()
        found[kind] = {
            "wrong_share": survival.wrong_share,
            "wrong_share_cleaned": survival.wrong_cleaned_share,
            "mean_distance": survival.mean_distance,
            "mean_margin": survival.mean_margin,
            "wrong_share_by_class": shares,
            "worst_classes": np.argsort(-np.array(shares), kind="stable")[:_WORST].tolist(),
        }
        told(len(found))
    return {"palettes": found, "overflows_in_half": overflows(vae, palettes[0], maps[0], "float16")}


PALETTE_REPORT = Stage(
    "palette_report", 1, PaletteReportConfig, report_palettes, ("data",), uses_gpu=True, kind="evaluate"
)
