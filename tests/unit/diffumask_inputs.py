"""Drawn pictures of one class each with heat maps that are too round, as a cell of ``robust_synthesize`` has them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from methods.common.generated.pair_writer import Pair, PairFolder
from methods.common.generators.attention_presets import diffumask
from methods.common.stage import Inputs, LocalContext
from methods.diffumask_robust.heat_map_files import MAPS, PRESETS_FILE, encode_maps, pack_maps

CLASSES = ["background", "cat", "dog"]
COLOURS = {"cat": (220, 60, 40), "dog": (40, 80, 220)}


def draw(number: int, side: int = 64) -> tuple[str, NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float64]]:
    """Class, picture, true mask and heat map of a picture: a cat is a box, a dog a disc."""
    rng = np.random.default_rng(number)
    name = CLASSES[1 + number % 2]
    row, column = rng.integers(side * 3 // 8, side * 5 // 8, 2)
    size = int(rng.integers(side // 6, side // 4))
    rows, columns = np.ogrid[:side, :side]
    if name == "cat":
        mask_hw = (abs(rows - row) <= size) & (abs(columns - column) <= size)
    else:
        mask_hw = (rows - row) ** 2 + (columns - column) ** 2 <= size**2
    ground = rng.integers(90, 170, 3)
    image = np.where(mask_hw[..., None], COLOURS[name], ground) + rng.normal(0, 12, (side, side, 3))
    map_hw = np.exp(-((rows - row - 2) ** 2 + (columns - column + 2) ** 2) / (1.6 * size**2)) * 0.9
    map_hw = cv2.GaussianBlur(map_hw + rng.normal(0, 0.05, (side, side)), (0, 0), 1.5)
    return name, np.clip(image, 0, 255).astype(np.uint8), mask_hw, np.clip(map_hw, 0, 1)


def write_pictures(folder: Path, numbers: range, **kept: Any) -> Path:
    """Write a cell of pictures by their numbers."""
    folder.mkdir(parents=True)
    (folder / "classes.json").write_text(json.dumps(CLASSES))
    (folder / PRESETS_FILE).write_text(json.dumps({"diffumask": diffumask().model_dump(mode="json")}))
    pairs = PairFolder(folder, "png", ("diffumask",), MAPS, encode_maps)
    for number in numbers:
        name, image, _, map_hw = draw(number)
        packed = pack_maps(map_hw[None])
        record = {"id": f"{number:03d}", "classes": [name], "ranges": {"diffumask": packed.ranges}, **kept}
        pairs.write([Pair(record, image, {"diffumask": packed.level_Hw})])
    return folder


def run(stage: Any, roles: dict[str, list[Path]], config: Any, out: Path) -> dict[str, Any]:
    """Run a stage in a folder of its own."""
    out.mkdir(parents=True)
    record: dict[str, Any] = stage.run(Inputs(roles), config, LocalContext(out))
    (out / "result.json").write_text(json.dumps(record))
    return record


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Of two masks."""
    return float((one & other).sum()) / float((one | other).sum())
