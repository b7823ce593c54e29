"""Small data, captions and generators for tests of SegGen's generators."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from methods.common.stage import Inputs, LocalContext
from methods.seggen.colour_coding import encode
from methods.seggen.diffusion.frames import Frames
from methods.seggen.palettes import PaletteConfig, build_palette
from tests.unit.tiny_pipelines import tiny_sdxl, tiny_stable_diffusion

NAMES = ("wall", "floor", "tree", "bed")
FRAMES = Frames(size_px=24, step_px=8)
PALETTE = build_palette(PaletteConfig(), len(NAMES))


def write_data(folder: Path, sizes=((24, 24), (16, 32), (32, 16), (28, 16))) -> Path:
    """Images that show the colours of their masks, in ADE20K's layout; each mask has every class and some void."""
    for number, (height, width) in enumerate(sizes):
        rng = np.random.default_rng(number)
        label_HW = np.kron(rng.integers(0, len(NAMES), (height // 4, width // 4)), np.ones((4, 4), int)).astype(
            np.uint8
        )
        label_HW[:4, :4] = 255
        for kind, picture in (
            ("images", encode(label_HW, PALETTE)),
            ("annotations", np.where(label_HW == 255, 0, label_HW + 1).astype(np.uint8)),
        ):
            path = folder / kind / "training" / f"{'abcdefgh'[number]}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in ("[void]", *NAMES)))
    return folder


def write_captions(folder: Path, count: int = 4) -> Path:
    """The caption of image ``a`` is "a a a", and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"id": name, "caption": f"{name} {name} {name}"}) for name in "abcdefgh"[:count]]
    (folder / "captions.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


def write_generator(folder: Path, kind: str) -> Path:
    """A generator with random weights: ``sd``, ``text`` (the miniature's variant of it) or ``xl``."""
    made = {"sd": tiny_stable_diffusion, "text": lambda: tiny_stable_diffusion("text"), "xl": tiny_sdxl}
    made[kind]().save_pretrained(folder)
    return folder


def roles(root: Path, kind: str = "sd", **others: Path) -> Inputs:
    """Data, captions and a generator below a folder, made once."""
    if not (root / "data").is_dir():
        write_data(root / "data")
        write_captions(root / "captions")
    if not (root / kind).is_dir():
        write_generator(root / kind, kind)
    named = {"data": root / "data", "captions": root / "captions", "generator": root / kind, **others}
    return Inputs({name: [path] for name, path in named.items()})


class Stopped(Exception):  # noqa: N818 - it ends a test's run, nothing is wrong
    """The run was killed."""


class StoppingContext(LocalContext):
    """Saves after each unit of work and dies after some."""

    def __init__(self, out: Path, after: int | None) -> None:
        super().__init__(out, checkpoint_every_s=0.0)
        self._after = after

    def progress(self, done: int, total: int, unit: str = "steps", **numbers: float) -> None:
        if done == self._after:
            raise Stopped


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its place, but for how long steps took."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "pace.parquet"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def cell(root: Path, name: str) -> Path:
    """An empty folder for a stage."""
    path = root / name
    path.mkdir(parents=True, exist_ok=True)
    return path
