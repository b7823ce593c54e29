"""Cityscapes' maps in training ids in place of label ids: ground truth is refused by its instance maps, and either side is told by its numbers."""

from pathlib import Path

import numpy as np
import pytest

from methods.common.datasets.cityscapes import find_frames, read_cityscapes
from methods.common.datasets.cityscapes_ids import holds_training_ids
from methods.common.datasets.cityscapes_labels import LABEL_BY_ID, LABELS
from methods.common.errors import InputError
from methods.common.metrics.cityscapes.semantic import Protocol, evaluate_cityscapes_semantic
from tests.parity.label_maps import write_labels
from tests.unit.cityscapes_frames import add_frame, instance_map
from tests.unit.labelled_data import refusal

STREET = instance_map((21, 0, 0, 48, 5), (11, 10, 2, 20, 9), (26000, 3, 9, 14, 18), (24003, 30, 6, 34, 20))
"""Road, vegetation, a building, a car and a person."""


def labels_of(id_HW: np.ndarray) -> np.ndarray:
    return np.where(id_HW < 1000, id_HW, id_HW // 1000)


def in_training_ids(label_HW: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda label: LABEL_BY_ID[label].train_id)(label_HW)


LABELLED = labels_of(STREET)
TRAINED = in_training_ids(LABELLED)


def notes(folder: Path, truth_HW: np.ndarray, found_HW: np.ndarray, protocol: Protocol = "grouped") -> list[str]:
    write_labels(folder / "gt/ulm_000003_000019_gtFine_labelIds.png", truth_HW)
    write_labels(folder / "gt/ulm_000003_000019_gtFine_instanceIds.png", STREET, np.uint16)
    write_labels(folder / "found/ulm_000003_000019.png", found_HW)
    return evaluate_cityscapes_semantic(folder / "gt", folder / "found", protocol).notes()[:-1]


def test_ground_truth_in_training_ids_is_refused(tmp_path: Path) -> None:
    told = refusal(lambda: notes(tmp_path, TRAINED, LABELLED, "official"))
    assert "ulm_000003_000019_gtFine_labelIds.png holds training ids, 0 to 18, by the instance map beside it" in told
    assert notes(tmp_path, LABELLED, LABELLED, "official") == []


@pytest.mark.parametrize("found", ["labels", "training ids"])
def test_without_instance_maps_it_is_told(tmp_path: Path, found: str) -> None:
    told = notes(tmp_path, TRAINED, LABELLED if found == "labels" else TRAINED)
    if found == "labels":
        right = int((TRAINED == LABELLED).sum())
        assert right == 0
        assert told[0].startswith("WARNING: most of the ground-truth pixels fit the other side as training ids (")
        assert "0 as label ids); turn them back into label ids" in told[0]
    else:
        assert [note.partition(" is above 18")[0] for note in told] == ["no ground-truth pixel", "no prediction"]


def test_predictions_in_training_ids_are_told_by_what_fits(tmp_path: Path) -> None:
    """Also where some are above 18, as 19 for what is not rated."""
    found = TRAINED.copy()
    found[:3] = 19
    (told,) = notes(tmp_path, LABELLED, found, "official")
    fit = int((found == TRAINED).sum())
    assert told.startswith(f"WARNING: most of the predictions fit the other side as training ids ({fit:,} pixels, 0 as")
    assert notes(tmp_path, LABELLED, np.where(LABELLED == 26, 27, LABELLED), "official") == []
    poor = np.where(LABELLED == 7, 0, LABELLED)  # road as unlabelled, which is its training id: other pixels are right
    assert notes(tmp_path, LABELLED, np.where(np.arange(48) < 40, LABELLED, poor), "official") == []


def test_maps_of_low_label_ids_are_no_training_ids() -> None:
    road_and_building = np.array([7, 7, 11])
    assert not holds_training_ids(road_and_building, road_and_building)
    assert holds_training_ids(np.array([0, 0, 2]), road_and_building)
    assert not holds_training_ids(np.array([0, 0, 0]), np.array([7, 7, 7])), "unlabelled, by one class alone"
    assert not holds_training_ids(np.array([0, 2, 8]), np.array([7, 11, 26001])), "fence is no car"
    assert holds_training_ids(np.array([0, 13, 200]) % 200, np.array([7, 26001, 1]))
    assert not holds_training_ids(np.zeros(0, int), np.zeros(0, int))
    assert all(label.train_id != label.id for label in LABELS if not label.ignored)


def test_stuff_to_train_on_is_held_to_the_same(tmp_path: Path) -> None:
    paths = add_frame(tmp_path, "aachen_000000_000019", STREET)
    assert len(read_cityscapes(find_frames(tmp_path, "train"), tmp_path, "things_and_stuff").annotations[1]) == 5
    write_labels(paths.labels, TRAINED)
    with pytest.raises(InputError, match=r"labelIds.png holds training ids, 0 to 18"):
        read_cityscapes(find_frames(tmp_path, "train"), tmp_path, "things_and_stuff")
