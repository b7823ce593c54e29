"""Which values the id maps of Cityscapes may hold: one rule for whoever reads them.

Maps of label ids hold 0 to 33. Maps of instance ids hold label ids too, and from 1000 on 1000 * label id + number, of classes that
have instances or that no evaluation counts. Source: cityscapesScripts 2.3.0, whose two evaluators each stop at some of the others.

Shape legend: N values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS, FIRST_INSTANCE_ID, LABEL_BY_ID, LABELS

NUM_LABELS = 34
INSTANCE_ID_RULE = (
    "Cityscapes' instance maps hold label ids 0 to 33, and 1000 * label id + number of classes that have instances"
)


def _known_instance_ids() -> NDArray[np.bool_]:
    value = np.arange(FIRST_INSTANCE_ID * NUM_LABELS)
    known = value < NUM_LABELS
    for label in LABELS:
        if label.has_instances or label.ignored:
            known |= (value >= FIRST_INSTANCE_ID) & (value // FIRST_INSTANCE_ID == label.id)
    return known


_KNOWN = _known_instance_ids()


def unknown_instance_ids(value_N: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the values that no instance map may hold, bool (N,); -1, a license plate in memory, may be."""
    value = np.asarray(value_N, np.int64)
    place_N = np.clip(value, 0, len(_KNOWN) - 1)
    unknown = ~_KNOWN[place_N] | (place_N != value)
    return np.asarray(unknown & (value != -1))


def unknown_label_ids(value_N: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the values that no map of label ids may hold, bool (N,)."""
    return np.asarray(np.asarray(value_N, np.int64) >= NUM_LABELS)


TRAINING_ID_FAULT = "holds training ids, 0 to 18, by the instance map beside it; give the published *_labelIds.png, or turn them back into label ids"
_LAST_TRAINING_ID = max(label.train_id for label in EVALUATED_LABELS)
_TRAINING_ID_OF = np.full(NUM_LABELS, -1)
_TRAINING_ID_OF[[label.id for label in EVALUATED_LABELS]] = [label.train_id for label in EVALUATED_LABELS]


def holds_training_ids(label_N: NDArray[Any], instance_N: NDArray[Any]) -> bool:
    """Whether a map of labels is written in training ids, though its values could be label ids.

    The instance map says of every pixel which class it is. A map of labels is in training ids where it has that class's training id on all
    pixels of at least two of the evaluated classes; no class's training id is its label id.

    Args:
        label_N: values of the map of labels, of pixels or runs of them.
        instance_N: values that an instance map may hold, of the same pixels.
    """
    if label_N.max(initial=0) > _LAST_TRAINING_ID:
        return False  # as nearly always
    value_N = np.asarray(instance_N, np.int64)
    expected_N = _TRAINING_ID_OF[np.where(value_N < FIRST_INSTANCE_ID, value_N, value_N // FIRST_INSTANCE_ID)]
    rated_N = expected_N >= 0
    return bool((label_N[rated_N] == expected_N[rated_N]).all() and len(np.unique(expected_N[rated_N])) > 1)


assert set(range(-1, NUM_LABELS)) == set(LABEL_BY_ID)
