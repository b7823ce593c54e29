"""cityscapesScripts reads and scores the street view: its own painters give our maps, its own evaluators our numbers."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
from cityscapesscripts.preparation.json2labelImg import createLabelImage

from methods.common.datasets.cityscapes import CityscapesFrame, find_frames, objects_in
from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS, INSTANCE_LABELS
from methods.common.datasets.png_labels import read_labels
from methods.common.metrics.cityscapes.instance import evaluate_cityscapes_instance
from methods.common.metrics.cityscapes.semantic import evaluate_cityscapes_semantic
from methods.common.metrics.official.cityscapes_instance import evaluate_cityscapes_instance_officially
from methods.common.metrics.official.cityscapes_semantic import evaluate_cityscapes_semantic_officially
from methods.common.miniature.street_classes import StreetConfig
from methods.common.miniature.street_view import DrawCityscapesConfig, draw_cityscapes
from methods.common.seeds import Seeds
from methods.common.stage import Inputs, LocalContext

RATED = {label.id for label in INSTANCE_LABELS}
SEEDS = range(2)


class Street(NamedTuple):
    """A drawn validation split and what somebody predicted for it."""

    frames: list[CityscapesFrame]
    truth: Path
    instances: Path
    labels: Path


@pytest.fixture(scope="module", params=SEEDS)
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Street:
    out = tmp_path_factory.mktemp("street")
    looks = StreetConfig(group_share=0.35, min_objects=5, max_objects=9)
    config = DrawCityscapesConfig(num_train=1, num_val=18, scene=looks, val_evenness=0.7)
    draw_cityscapes(Inputs(), config, LocalContext(out / "data", Seeds(data=request.param)))
    frames = find_frames(out / "data", "val")
    rng = np.random.default_rng(request.param)
    for folder in ("instances", "labels"):
        (out / folder).mkdir()
    for frame in frames:
        predict_instances(frame, out / "instances", rng)
        label_HW = read_labels(frame.paths.labels)
        shifted_HW = np.roll(label_HW, (1, 2), (0, 1))
        cv2.imwrite(str(out / "labels" / f"{frame.name}_pred.png"), np.where(shifted_HW == 1, 7, shifted_HW))
    return Street(frames, out / "data" / "gtFine" / "val", out / "instances", out / "labels")


def predict_instances(frame: CityscapesFrame, folder: Path, rng: np.random.Generator) -> None:
    """Find most things, some of them shifted, grown, twice, or as another class; also groups, caravans, and nothing at all."""
    id_HW, lines = frame.read_instance_ids(), []
    masks = [(one.label_id, id_HW == one.id) for one in objects_in(id_HW) if rng.uniform() < 0.85]
    masks += [(label_id, mask_HW) for label_id, mask_HW in masks if rng.uniform() < 0.15]
    masks += [(26, np.roll(id_HW == 7, 3, 0)), (24, id_HW == 1)]
    for number, (label_id, mask_HW) in enumerate(masks):
        change = rng.integers(4)
        if change == 1:
            mask_HW = np.roll(mask_HW, rng.integers(-2, 3, 2), (0, 1))
        elif change == 2:
            mask_HW = cv2.dilate(mask_HW.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        if rng.uniform() < 0.1:
            label_id = int(rng.choice([24, 26, 33]))
        cv2.imwrite(str(folder / f"{frame.name}_{number}.png"), mask_HW.astype(np.uint8) * 255)
        lines.append(f"{frame.name}_{number}.png {label_id} {rng.uniform():.3f}\n")
    (folder / f"{frame.name}.txt").write_text("".join(lines))


def test_the_official_painters_draw_our_maps_from_our_polygons(street: Street) -> None:
    for frame in street.frames:
        annotation = Annotation()
        annotation.fromJsonFile(str(frame.paths.polygons))
        assert (np.array(createInstanceImage(annotation, "ids")) == read_labels(frame.paths.instances)).all()
        assert (np.array(createLabelImage(annotation, "ids")) == read_labels(frame.paths.labels)).all()


def test_instance_ap_equals_the_official_tool(street: Street) -> None:
    ours = evaluate_cityscapes_instance(street.truth, street.instances)
    official = evaluate_cityscapes_instance_officially(street.truth, street.instances)
    assert ours.metrics() == pytest.approx(official.metrics(), abs=1e-12)
    for mine, theirs in zip(ours.per_class(), official.per_class(), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-12)
    assert 0.1 < ours.metrics()["AP"] < ours.metrics()["AP50"] < 0.95  # type: ignore[operator]
    assert sum(row["AP"] is not None for row in ours.per_class()) >= 7


def test_the_case_has_what_makes_the_definition_special(street: Street) -> None:
    """Groups, void, and things below 100 px of rated classes, and caravans or trailers: without them parity would show little."""
    kinds = Counter()
    for frame in street.frames:
        id_HW = frame.read_instance_ids()
        kinds["void"] += bool((id_HW == 1).any())
        for one in objects_in(id_HW):
            kinds["group"] += one.is_group
            kinds["tiny"] += not one.is_group and one.label_id in RATED and one.area_px < 100
            kinds["unrated"] += one.label_id not in RATED
    assert kinds["void"] == 18
    assert min(kinds["group"], kinds["tiny"], kinds["unrated"]) >= 1


def test_pixel_level_scores_equal_the_official_tool(street: Street) -> None:
    ours = evaluate_cityscapes_semantic(street.truth, street.labels)
    official = evaluate_cityscapes_semantic_officially(street.truth, street.labels)
    assert ours.metrics() == pytest.approx(official.metrics(), abs=1e-12)
    known = {row["name"] for row in ours.per_class() if row["kind"] == "class" and row["IoU"] is not None}
    assert known >= {
        "road",
        "sidewalk",
        "building",
        "vegetation",
        "sky",
        "pole",
        "person",
        "car",
        "bus",
        "train",
        "bicycle",
    }
    assert known <= {label.name for label in EVALUATED_LABELS}
