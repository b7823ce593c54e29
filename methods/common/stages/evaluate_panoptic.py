"""Stage ``evaluate_cityscapes_panoptic``: segment a split of Cityscapes, and score panoptic quality and IoU.

Shape legend: H, W pixels; N segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from methods.common.growth import Added
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.cityscapes import CityscapesFrame
    from methods.common.datasets.lvis_records import LvisDataset
    from methods.common.stages.panoptic_maps import Maps

TRUTH_FILE, PANOPTIC_FILE, LABELS_FOLDER = "truth.json", "panoptic.json", "labels"
MOST_THINGS = 1000
"""Things of one class in a frame that ids of Cityscapes can tell apart."""


class EvaluatePanopticConfig(Config):
    """What is evaluated, at which size, and which queries become segments."""

    split: str = "val"
    """Which pictures: those of ``leftImg8bit/<split>`` in the data folder."""
    short_side_px: int = Field(default=1024, ge=16)
    """Pictures are resized so that their shorter side has this length; 1024 leaves Cityscapes' as they are."""
    long_side_px: int = Field(default=2048, ge=16)
    """... unless the longer side would pass this."""
    batch_size: int = Field(default=1, ge=1)
    """Pictures of one size that go through the network together."""
    object_threshold: float = Field(default=0.8, ge=0, lt=1)
    """Class probability that a segment must pass. [OF]"""
    overlap_threshold: float = Field(default=0.8, ge=0, le=1)
    """Least share of its own mask that a segment must win against all others. [OF]"""
    kept_predictions_mib: Annotated[float | None, Added(neutral=None)] = Field(default=64.0, ge=0)
    """Room for the maps of segments and classes, which are kept in the order of the split until it is full; None keeps all."""


def evaluate_panoptic_cityscapes(inputs: Inputs, config: EvaluatePanopticConfig, context: Context) -> Record:
    """Segment every picture of a split, once for each of the two tasks, and score both.

    Writes ``panoptic.json`` with ``panoptic/`` and ``truth.json`` with ``truth/`` in panopticapi's formats, and ``labels/``, label ids, as
    cityscapesScripts reads them, of which the first pictures' are kept; and scores of classes and pictures.

    Roles: ``data`` (Cityscapes' layout), ``model`` (a cell with ``model/``, a segmenter of all 19 classes).

    Returns:
        ``num_images``, ``split``; PQ, SQ and RQ over all classes, things (``_th``) and stuff (``_st``), and IoU, the mean over the 19 classes,
        in percent (``metrics``); PQ and IoU of each class in [0, 1] in the order of the training ids (``class_pq``, ``class_iou``), None for a
        class that occurs nowhere.

    Raises:
        InputError: data or segmenter are missing or unreadable, or the segmenter does not know all classes.
    Source: InstSynth section 9.5: the standard definitions, on one scale, not mirrored; each number with the task that it is of [C InstSynth D20].
    """
    from methods.common.datasets.cityscapes import find_frames, read_cityscapes
    from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS
    from methods.common.datasets.cityscapes_layout import TRUTH
    from methods.common.datasets.cityscapes_panoptic import write_panoptic_truth
    from methods.common.metrics.cityscapes.semantic import evaluate_cityscapes_semantic
    from methods.common.metrics.label_maps.panoptic import evaluate_panoptic
    from methods.common.stages.evaluate_cityscapes import with_all_classes
    from methods.common.stages.evaluation_files import write_class_scores
    from methods.common.stages.panoptic_maps import keep_maps, percent
    from methods.common.stages.shown_instances import LabelMaps, write_picture_list
    from methods.common.stages.shown_panoptic import keep_panoptic_scores

    data = inputs.folder("data")
    frames = find_frames(data, config.split)
    dataset = with_all_classes(read_cityscapes(frames, data))
    _segment_all(frames, dataset, inputs.folder("model") / "model", config, context)
    write_panoptic_truth(frames, context.out / TRUTH_FILE)
    panoptic = evaluate_panoptic(context.out / TRUTH_FILE, context.out / PANOPTIC_FILE)
    semantic = evaluate_cityscapes_semantic(data / TRUTH / config.split, context.out / LABELS_FOLDER)
    iou = semantic.metrics()["averageScoreClasses"]
    class_pq: list[Any] = [row["PQ"] for row in panoptic.per_class()]
    class_iou: list[Any] = [row["IoU"] for row in semantic.per_class()[: len(EVALUATED_LABELS)]]
    write_class_scores(
        context.out,
        [label.name for label in EVALUATED_LABELS],
        {"pq": [percent(value) for value in class_pq], "iou": [percent(value) for value in class_iou]},
    )
    keep_panoptic_scores(panoptic, context.out / TRUTH_FILE, context.out / PANOPTIC_FILE, dataset, context.out)
    maps = [_paths(context.out, frame) for frame in frames]
    names = {label.id: label.name for label in EVALUATED_LABELS}
    write_picture_list(dataset, data, inputs, context.out, LabelMaps([labels for _, labels in maps], names))
    keep_maps(maps, config.kept_predictions_mib)
    return {
        "num_images": len(frames),
        "split": config.split,
        "metrics": {name: percent(value) for name, value in {**panoptic.metrics(), "IoU": iou}.items()},
        "class_pq": class_pq,
        "class_iou": class_iou,
    }


def _segment_all(
    frames: list[CityscapesFrame], dataset: LvisDataset, folder: Path, config: EvaluatePanopticConfig, context: Context
) -> None:
    """Write both maps of every frame, and the list of their segments."""
    from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS
    from methods.common.datasets.cityscapes_panoptic import write_panoptic_results
    from methods.common.stages.panoptic_maps import load_panoptic, segment_pictures

    paths = [_paths(context.out, frame) for frame in frames]
    known = f"Cityscapes' {len(EVALUATED_LABELS)} classes"
    remedy = "PQ and IoU need a OneFormer that was trained on all of them"
    segment_pictures(
        lambda: load_panoptic(folder, len(EVALUATED_LABELS), known, remedy, context),
        *(dataset, paths, _write, config, context),
    )
    write_panoptic_results(
        {frame.name: _segments_on_disk(context.out, frame) for frame in frames}, context.out / PANOPTIC_FILE
    )


def segment_ids(classes: list[int]) -> NDArray[np.uint16]:
    """Return the id of pixels of no segment, 0, and of segments 1, 2, ... by their training ids, uint16 (1 + N,).

    Things are numbered within their class, as in Cityscapes' maps of ids, but from 1.
    """
    import numpy as np

    from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS, FIRST_INSTANCE_ID

    ids, counts = [0], [0] * len(EVALUATED_LABELS)
    for index in classes:
        label = EVALUATED_LABELS[index]
        counts[index] += 1
        assert counts[index] < MOST_THINGS, f"{counts[index]} segments of {label.name}"
        ids.append(FIRST_INSTANCE_ID * label.id + counts[index] if label.has_instances else label.id)
    return np.array(ids, np.uint16)


def _paths(out: Path, frame: CityscapesFrame) -> tuple[Path, Path]:
    """Where the map of segments and that of label ids lie."""
    from methods.common.datasets.cityscapes_panoptic import PANOPTIC_SUFFIX

    segments = (out / PANOPTIC_FILE).with_suffix("") / f"{frame.name}{PANOPTIC_SUFFIX}"
    return segments, out / LABELS_FOLDER / f"{frame.name}.png"


def _write(paths: Sequence[Path], maps: Maps) -> None:
    """Write ids of segments and label ids."""
    import cv2
    import numpy as np

    from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS
    from methods.common.datasets.cityscapes_panoptic import write_segments
    from methods.common.files import write_atomic

    classes, segment_HW, class_HW = maps
    label_HW = np.array([label.id for label in EVALUATED_LABELS], np.uint8)[class_HW]
    write_segments(paths[0], segment_ids(classes)[segment_HW])
    ok, encoded = cv2.imencode(".png", label_HW)
    assert ok, f"cannot encode a map of shape {label_HW.shape}"
    write_atomic(paths[1], bytes(encoded))


def _segments_on_disk(out: Path, frame: CityscapesFrame) -> list[dict[str, int]]:
    """List the segments of a map that was written, now or by an interrupted run."""
    import numpy as np

    from methods.common.datasets.cityscapes_panoptic import segments_in
    from methods.common.datasets.png_labels import read_rgb_ids

    found = segments_in(read_rgb_ids(_paths(out, frame)[0]).astype(np.uint16))
    return [{"id": one["id"], "category_id": one["category_id"], "area": one["area"]} for one in found]


EVALUATE_PANOPTIC: Stage[EvaluatePanopticConfig] = Stage(
    "evaluate_cityscapes_panoptic",
    1,
    EvaluatePanopticConfig,
    evaluate_panoptic_cityscapes,
    uses_gpu=True,
    kind="evaluate",
)
