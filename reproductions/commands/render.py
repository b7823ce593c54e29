"""The commands of ``segrepro render``, one a drawn data set."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from methods.common.errors import InputError
from reproductions.commands.progress_bar import progress_bar
from reproductions.harness.threads import num_cores

if TYPE_CHECKING:
    from methods.sam_filter.drawn_folders import DatasetName
    from methods.sam_filter.semseg_fdsl import SemSegFdslConfig
    from methods.sam_filter.visual_atoms import VisualAtomsConfig

app = typer.Typer(help="Draw data sets by formula into a folder.", no_args_is_help=True, rich_markup_mode=None)

Images = Annotated[int, typer.Option("--images", help="Pictures in the folder at the end.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write; an interrupted one is continued.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the pictures.")]
Size = Annotated[int, typer.Option("--size", help="Side of a picture, pixels.")]
Scale = Annotated[float, typer.Option("--scale", help="Size of the shapes; 1 as published.")]
Shapes = Annotated[int, typer.Option("--shapes", help="Shapes of a picture.")]
Mask = Annotated[str, typer.Option("--mask", help="M1: lines; M2: band of the rings; M3: filled.")]
Processes = Annotated[int | None, typer.Option("--processes", help="Processes to use.  [default: as many as cores]")]


@app.command()
def segrcdb(
    images: Images,
    out: Out,
    mask: Mask = "M1",
    shapes: Shapes = 32,
    size: Size = 512,
    scale: Scale = 1.0,
    seed: Seed = 0,
    processes: Processes = None,
) -> None:
    """SegRCDB: images, masks, and the 254 published categories."""
    from methods.sam_filter.semseg_fdsl import SemSegFdslConfig

    config = _checked(SemSegFdslConfig, mask_mode=mask, shapes_per_image=shapes, size_px=size, shape_scale=scale)
    _write("segrcdb", config, images, out, seed, processes)


@app.command()
def semsegfdsl(
    images: Images,
    out: Out,
    contour: Annotated[str, typer.Option("--contour", help="RC, VA or RC+VA.")] = "VA",
    mask: Mask = "M1",
    noise: Annotated[str, typer.Option("--noise", help="Noise in the masks: none, N1, N2 or N3.")] = "none",
    noise_px: Annotated[int, typer.Option("--noise-px", help="Greatest size of the noise, pixels.")] = 30,
    shapes: Shapes = 32,
    size: Size = 512,
    scale: Scale = 1.0,
    seed: Seed = 0,
    processes: Processes = None,
) -> None:
    """SemSegFDSL: SegRCDB with the contours of either work, and mask noise."""
    from methods.sam_filter.semseg_fdsl import SemSegFdslConfig

    config = _checked(
        SemSegFdslConfig,
        contour=contour,
        mask_mode=mask,
        mask_noise=noise,
        mask_noise_px=noise_px,
        shapes_per_image=shapes,
        size_px=size,
        shape_scale=scale,
    )
    _write("semsegfdsl", config, images, out, seed, processes)


@app.command()
def visualatoms(
    images: Images,
    out: Out,
    categories: Annotated[int, typer.Option("--categories", help="Categories; picture i is of i mod this.")] = 1000,
    size: Size = 512,
    scale: Scale = 1.0,
    seed: Seed = 0,
    processes: Processes = None,
) -> None:
    """VisualAtoms: one shape a picture, a folder a category."""
    from methods.sam_filter.visual_atoms import VisualAtomsConfig

    config = _checked(VisualAtomsConfig, num_categories=categories, size_px=size, shape_scale=scale)
    _write("visualatoms", config, images, out, seed, processes)


def _checked(kind: Callable[..., Any], **settings: object) -> Any:
    """Make the config; its first mistake becomes a sentence that names the option."""
    from pydantic import ValidationError

    try:
        return kind(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise InputError(first["msg"].removeprefix("Value error, ")) from error
        option = _OPTION[str(first["loc"][0])]
        raise InputError(f"{option} {first['input']} {first['msg'].removeprefix('Input ')}") from error


_OPTION = {
    "contour": "--contour",
    "mask_mode": "--mask",
    "mask_noise": "--noise",
    "mask_noise_px": "--noise-px",
    "shapes_per_image": "--shapes",
    "size_px": "--size",
    "shape_scale": "--scale",
    "num_categories": "--categories",
}


def _write(
    dataset: DatasetName,
    config: SemSegFdslConfig | VisualAtomsConfig,
    num_images: int,
    folder: Path,
    seed: int,
    num_processes: int | None,
) -> None:
    from methods.sam_filter.drawn_folders import DrawnFolder, write_drawn_folder

    for option, value, least in (("--images", num_images, 1), ("--seed", seed, 0), ("--processes", num_processes, 1)):
        if value is not None and value < least:
            raise InputError(f"{option} {value}: give a whole number from {least}")
    drawn = DrawnFolder(dataset, config, seed, num_images, folder)
    try:
        with progress_bar(f"drawing {dataset}") as progress:
            num_drawn = write_drawn_folder(drawn, num_processes or num_cores(), progress)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        raise
    print(f"{folder}: {num_images} pictures, {num_drawn} of them drawn now")
