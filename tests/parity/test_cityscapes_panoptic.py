"""Panoptic ground truth of Cityscapes' frames against the files that cityscapesScripts itself makes of them."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic

from methods.common.datasets.cityscapes import find_frames
from methods.common.datasets.cityscapes_panoptic import write_panoptic_truth
from methods.common.datasets.png_labels import read_rgb_ids
from tests.unit.cityscapes_frames import add_frame, instance_map

FRAMES = {
    "aachen_000000_000019": instance_map(
        (23, 0, 0, 48, 6), (26000, 2, 4, 14, 16), (26, 30, 2, 40, 9), (24003, 20, 2, 26, 14)
    ),
    "aachen_000001_000019": instance_map(
        (29000, 0, 0, 20, 8), (0, 30, 0, 48, 24), (33012, 5, 12, 9, 16), (9, 0, 20, 8, 24)
    ),
}
"""Stuff, instances, a group; a caravan, void and parking, which are ignored."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Our JSON and theirs."""
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("out")
    for name, id_HW in FRAMES.items():
        add_frame(data, name, id_HW, "val")
    write_panoptic_truth(find_frames(data, "val"), out / "truth.json")
    with contextlib.redirect_stdout(io.StringIO()):
        convert2panoptic(str(data / "gtFine"), str(out), setNames=["val"])
    return out / "truth.json", out / "cityscapes_panoptic_val.json"


def test_segments_and_categories_are_theirs(both: tuple[Path, Path]) -> None:
    ours, theirs = (json.loads(path.read_text()) for path in both)
    assert [[one["id"], one["name"], one["isthing"]] for one in ours["categories"]] == [
        [one["id"], one["name"], one["isthing"]] for one in theirs["categories"]
    ]
    assert len(ours["annotations"]) == len(FRAMES)
    for mine, other in zip(ours["annotations"], theirs["annotations"], strict=True):
        assert (mine["image_id"], mine["file_name"].replace("_gtFine", "")) == (
            other["image_id"],
            other["file_name"].replace("_gtFine", ""),
        )
        plain = [{key: value for key, value in one.items() if key != "bbox"} for one in other["segments_info"]]
        assert mine["segments_info"] == plain


def test_pixels_are_theirs(both: tuple[Path, Path]) -> None:
    for records in zip(*(json.loads(path.read_text())["annotations"] for path in both), strict=True):
        ours, theirs = (
            read_rgb_ids(path.with_suffix("") / record["file_name"]) for path, record in zip(both, records, strict=True)
        )
        assert np.array_equal(ours, theirs)
        assert len(np.unique(ours)) > 2
