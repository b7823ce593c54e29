"""The command ``segrepro palette-check``: which palette a VAE keeps apart, before a generator is trained with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from methods.common.errors import InputError
from reproductions.commands.options import JsonOption
from reproductions.commands.printing import print_json, print_table

if TYPE_CHECKING:
    from methods.seggen.stages.palette_report import PaletteReportConfig


def check_palettes(
    vae: Annotated[Path, typer.Option("--vae", metavar="DIR", help="A diffusers model, or its autoencoder.")],
    palette: Annotated[
        list[str] | None, typer.Option("--palette", help="seggen, spread, dataset or random; again for more.")
    ] = None,
    classes: Annotated[int, typer.Option("--classes", help="Classes of the masks; 150 are ADE20K's.")] = 150,
    size: Annotated[int, typer.Option("--size", help="Side of a mask, pixels.")] = 512,
    masks: Annotated[int, typer.Option("--masks", help="Masks that are sent through it.")] = 4,
    as_json: JsonOption = False,
) -> None:
    """Send masks in colours through a VAE and back, and count the pixels that become another class."""
    import numpy as np
    import torch

    from methods.seggen.palettes import PaletteKind
    from methods.seggen.stages.palette_report import compare_palettes
    from reproductions.commands.progress_bar import progress_bar

    config = _config(palette or list(get_args(PaletteKind)), classes, size, masks)
    if not vae.is_dir():
        raise InputError(f"--vae {vae}: there is no such folder; name one of a diffusers model, or of its autoencoder")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with progress_bar("palettes") as progress:

        def told(done: int) -> None:
            if progress is not None:
                progress(done, len(config.palettes))

        found = compare_palettes(vae, config, device, np.random.default_rng(0), told)
    if as_json:
        print_json({"num_classes": classes, "size_px": size, **found})
        return
    rows = [
        (
            kind,
            f"{100 * one['wrong_share']:.2f} %",
            f"{100 * one['wrong_share_cleaned']:.2f} %",
            f"{one['mean_distance']:.1f}",
            ", ".join(
                f"{_name(k, classes)}: {100 * one['wrong_share_by_class'][k]:.0f} %" for k in one["worst_classes"]
            ),
        )
        for kind, one in found["palettes"].items()
    ]
    print_table(("palette", "wrong pixels", "cleaned up", "distance", "worst classes"), rows)
    if found["overflows_in_half"]:
        print(
            "this is a VAE that overflows in half precision: run it in float32 or bfloat16, or use one that is made for float16"
        )


def _config(palettes: list[str], classes: int, size: int, masks: int) -> PaletteReportConfig:
    from pydantic import ValidationError

    from methods.seggen.stages.palette_report import PaletteReportConfig

    try:
        return PaletteReportConfig.model_validate(
            {"palettes": palettes, "num_classes": classes, "size_px": size, "num_pictures": masks}
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = _OPTION[str(first["loc"][0])]
        raise InputError(f"{option} {first['input']} {first['msg'].removeprefix('Input ')}") from error


_OPTION = {"palettes": "--palette", "num_classes": "--classes", "size_px": "--size", "num_pictures": "--masks"}


def _name(index: int, classes: int) -> str:
    """Name a class: as ADE20K does where the masks have as many classes, else by its number."""
    from methods.common.datasets.label_conventions import ADE20K

    return ADE20K.name(index) if classes == ADE20K.num_classes else str(index)
