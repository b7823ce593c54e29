"""Pictures for the report: generated images with attention by preset, their masks and where these are trusted.

Shape legend: H, W pixels; 3 RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.label_maps import coloured
from reports.samples import PictureRowSample, save_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.diffumask_robust.label_files import ListedLabels

SHORT_NAMES = {
    "dataset-diffusion": "Dataset D.",
    "attn2mask": "Attn2mask",
    "daam": "DAAM",
    "ovam": "OVAM",
    "diffumask": "DiffuMask",
}
"""What presets are called above a column."""
_DIMMED = 0.35


def sample_rows(
    pairs: Path, labels: dict[str, Path], oracle: Path, pictures: Path, presets: tuple[str, ...], most: int
) -> Iterator[PictureRowSample]:
    """Draw the first images of different classes.

    Args:
        pairs: a cell of pictures with heat maps.
        labels: cells of labels of them, by the words above their column; the first one's reliability is drawn too.
        oracle: labels by the cut-out network.
        pictures: folder to write to.
        presets: whose heat maps are shown.
        most: rows at most.
    """
    from methods.common.generated.pair_reader import PAIRS_FILE, list_pairs
    from methods.common.resumable_records import read_lines
    from methods.diffumask_robust.label_files import list_labels

    listed, _ = list_pairs((pairs,))
    records = read_lines(pairs / PAIRS_FILE)
    by_kind = {name: list_labels(listed, (folder,)) for name, folder in {**labels, "cut-out": oracle}.items()}
    shown: set[tuple[str, ...]] = set()
    for number, (pair, record) in enumerate(zip(listed, records, strict=True)):
        if pair.classes in shown or len(shown) == most:
            continue
        shown.add(pair.classes)
        image_HW3 = pair.read_image()
        tiles = {"image": save_sample(pictures, f"attention-{number:02d}", image_HW3)}
        for preset in presets:
            name = SHORT_NAMES.get(preset, preset)
            tiles[name] = save_sample(
                pictures, f"attention-{number:02d}-{preset}", _heat(pairs, preset, pair.id, record, image_HW3)
            )
        for place, (name, found) in enumerate(by_kind.items()):
            tiles[name] = _map(found[number], pictures, f"labels-{number:02d}-{place}", trusted=False)
            if place == 0:
                tiles["trusted"] = _map(found[number], pictures, f"trusted-{number:02d}", trusted=True)
        yield PictureRowSample(row=" ".join(pair.classes), caption=record["text"], pictures=tiles)


def _heat(
    pairs: Path, preset: str, name: str, record: dict[str, Any], image_HW3: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Return a heat map in colours, [0, 1] from dark to bright."""
    import cv2
    import torch

    from methods.common.generators.attention_heat_maps import scale_maps
    from methods.diffumask_robust.heat_map_files import MAPS, read_maps, read_preset

    maps = torch.from_numpy(read_maps(pairs / MAPS / preset / f"{name}.png", record["ranges"][preset]))
    height, width = image_HW3.shape[:2]
    scaled = scale_maps(maps, [""] * len(maps), read_preset(pairs, preset), (height, width)).scaled_MHW.amax(0).numpy()
    level_HW = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(level_HW, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB), np.uint8)


def _map(found: ListedLabels, pictures: Path, name: str, trusted: bool) -> Path:
    """Draw labels in colours; distrusted pixels dimmed where that is asked for."""
    from methods.common.datasets.png_labels import read_labels
    from methods.diffumask_robust.label_files import read_trusted

    rgb_HW3 = np.asarray(coloured(read_labels(found.labels).astype(np.uint8)).convert("RGB"))
    if trusted:
        trusted_HW = read_trusted(found.trusted)
        rgb_HW3 = np.where(trusted_HW[..., None], rgb_HW3, (rgb_HW3 * _DIMMED).astype(np.uint8))
    return save_sample(pictures, name, rgb_HW3.astype(np.uint8))
