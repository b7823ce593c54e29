"""Pictures for the report: real images with their masks, and what both generators and the controls make of them.

Shape legend: H, W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reports.label_maps import coloured
from reports.samples import PictureRowSample, save_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from methods.common.generated.pair_reader import ListedPair

_SHOWN_OF_ONE_MASK = 2
"""ImgSyn's pictures of one mask."""
_CONTROLS = {"jittered": "jittered", "re_rendered": "re-rendered"}


def sample_rows(
    data: Path,
    split: str,
    pairs: Mapping[str, tuple[Path, ...]],
    masks: tuple[Path, ...],
    pictures: Path,
    most: int,
) -> Iterator[PictureRowSample]:
    """Show the first images of a split.

    Args:
        data: folder of the real images.
        split: whose images.
        pairs: shards of ``mask_syn`` and ``img_syn``, and of ``jittered`` and ``re_rendered`` where there are any.
        masks: shards of the masks that MaskSyn's pictures were painted on.
        pictures: folder to write to.
        most: rows at most.
    """
    from methods.common.datasets.open_labelled import open_labelled_images
    from methods.seggen.sampling.mask_files import list_masks

    images = open_labelled_images(data, split)
    num_classes = len(images.class_names)
    made = {name: _by_image(shards) for name, shards in pairs.items()}
    drawn = {mask.of: mask for mask in reversed(list_masks(masks))}
    for number in range(min(most, len(images))):
        name, (image_HW3, label_HW) = images.name(number), images[number]
        if name not in drawn:
            continue
        mask = drawn[name]
        shown = {"human mask": _colours(label_HW), "real": image_HW3}
        for variant, pair in enumerate(made["img_syn"].get(name, [])[:_SHOWN_OF_ONE_MASK], start=1):
            shown[f"ImgSyn {variant}"] = pair.read_image()
        for arm, title in _CONTROLS.items():
            for pair in made.get(arm, {}).get(name, [])[:1]:
                shown[title] = pair.read_image()
        shown["drawn mask"] = _colours(mask.read_labels(num_classes))
        for pair in made["mask_syn"].get(name, [])[:1]:
            shown["MaskSyn"] = pair.read_image()
        saved = {
            title: save_sample(pictures, f"sample-{number:02d}-{title.replace(' ', '_')}", pixels)
            for title, pixels in shown.items()
        }
        yield PictureRowSample(row=f"image {number + 1}", caption=mask.caption, pictures=saved)


def _by_image(shards: tuple[Path, ...]) -> dict[str, list[ListedPair]]:
    """List the pairs of each real image, in the order of the shards."""
    from methods.common.generated.pair_reader import PAIRS_FILE, list_pairs
    from methods.common.resumable_records import read_lines

    listed, _ = list_pairs(shards)
    records = [record for shard in shards for record in read_lines(shard / PAIRS_FILE)]
    found: dict[str, list[ListedPair]] = {}
    for pair, record in zip(listed, records, strict=True):
        found.setdefault(record["of"], []).append(pair)
    return found


def _colours(label_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw labels in colours; the first class is one like others here, so it moves off the background's grey."""
    shifted_HW = np.where(label_HW == 255, 0, label_HW.astype(np.int64) + 1).astype(np.uint8)
    return np.asarray(coloured(shifted_HW).convert("RGB"), np.uint8)
