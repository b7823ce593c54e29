"""Stage ``evaluate_coco_panoptic``: segment a split in COCO's panoptic layout; score panoptic quality, AP of things and mIoU.

Shape legend: H, W pixels; K classes; N segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from methods.common.errors import InputError
from methods.common.growth import Added
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.coco_panoptic import CocoPanoptic
    from methods.common.datasets.lvis_records import LvisDataset, LvisImage
    from methods.common.stages.panoptic_maps import Maps

PANOPTIC_FILE, DETECTIONS_FILE, LABELS_FOLDER = "panoptic.json", "detections.json", "labels"
_SEGMENTS_OF_CLASS = 1000
"""A segment's id is so many times its class, counted from 1, plus its number in the class, so that a map tells the classes."""


class EvaluateCocoPanopticConfig(Config):
    """What is evaluated, at which size, and which queries become segments."""

    split: str = "val2017"
    """Which pictures: those of ``annotations/panoptic_<split>.json`` in the data folder."""
    short_side_px: int = Field(default=800, ge=16)
    """Pictures are resized so that their shorter side has this length. SegGen section 8.3 [code]"""
    long_side_px: int = Field(default=1333, ge=16)
    """... unless the longer side would pass this. SegGen section 8.3 [code]"""
    batch_size: int = Field(default=1, ge=1)
    """Pictures of one size that go through the network together."""
    object_threshold: float = Field(default=0.8, ge=0, lt=1)
    """Class probability that a segment must pass. SegGen section 8.3 [code]"""
    overlap_threshold: float = Field(default=0.8, ge=0, le=1)
    """Least share of its own mask that a segment must win against all others. SegGen section 8.3 [code]"""
    kept_predictions_mib: Annotated[float | None, Added(neutral=None)] = Field(default=64.0, ge=0)
    """Room for the maps of segments and classes, which are kept in the order of the split until it is full; None keeps all."""


def evaluate_coco_panoptic(inputs: Inputs, config: EvaluateCocoPanopticConfig, context: Context) -> Record:
    """Segment every picture of a split, detect things on it, and score segments, detections and classes of pixels.

    Writes ``panoptic.json`` with ``panoptic/`` in panopticapi's format, ``detections.json`` in COCO's results format, and ``labels/``, the class
    of every pixel; of the maps the first pictures' are kept. Also scores of classes and pictures.

    Roles: ``data`` (COCO's panoptic layout, with ``annotations/instances_<split>.json``), ``model`` (a cell with ``model/``, a segmenter of all
    classes).

    Returns:
        ``num_images``, ``num_detections``, ``split``; in percent (``metrics``) PQ, SQ and RQ over all classes, things (``_th``) and stuff
        (``_st``), AP_pan^Th as ``AP_th``, and mIoU_pan as ``mIoU``; PQ and IoU of each class in [0, 1] in the order of the classes
        (``class_pq``, ``class_iou``), None for a class that occurs nowhere; and the metrics but AP on resamples of the images
        (``resamples``, see :mod:`methods.common.metrics.resamples`).

    Raises:
        InputError: data or segmenter are missing or unreadable, or the segmenter does not know all classes.
    Source: SegGen section 10. mIoU is over the classes of all segments, crowds included, as the release makes its ground truth [code].
    """
    from methods.common.datasets.coco_panoptic import ANNOTATIONS, as_records, open_coco_panoptic
    from methods.common.metrics.detection.coco import evaluate_coco
    from methods.common.metrics.label_maps.confusion import mean_defined, none_if_nan, pool_images
    from methods.common.metrics.label_maps.panoptic import evaluate_panoptic
    from methods.common.metrics.label_maps.semantic import class_iou
    from methods.common.metrics.resamples import resampled
    from methods.common.stages.evaluation_files import write_class_scores
    from methods.common.stages.panoptic_maps import keep_maps, percent
    from methods.common.stages.shown_instances import LabelMaps, write_picture_list
    from methods.common.stages.shown_panoptic import keep_panoptic_scores

    data = open_coco_panoptic(inputs.folder("data"), config.split)
    truth = inputs.folder("data") / ANNOTATIONS
    instances = truth / f"instances_{config.split}.json"
    if not instances.is_file():
        raise InputError(
            f"there is no {instances}, by which AP of things is scored; put COCO's instance annotations there"
        )
    dataset = as_records(data, data.categories)
    num_detections = _find_all(data, dataset, inputs.folder("model") / "model", config, context)
    panoptic_truth, maps = truth / f"panoptic_{config.split}.json", [_paths(context.out, name) for name in _names(data)]
    panoptic = evaluate_panoptic(panoptic_truth, context.out / PANOPTIC_FILE)
    things = evaluate_coco(instances, context.out / DETECTIONS_FILE, "segm").metrics()
    count_I3K = _pixels_of_classes(data, context.out)

    def metrics(weight_I: NDArray[np.float64] | None = None) -> dict[str, float | None]:
        iou_K = class_iou(pool_images(count_I3K, weight_I))
        found = {**panoptic.metrics(weight_I), "mIoU": mean_defined(iou_K)}
        return {name: percent(value) for name, value in found.items()}

    class_pq = [_of_category(panoptic.per_class(), category.id) for category in data.categories]
    by_class = [none_if_nan(value) for value in class_iou(pool_images(count_I3K, None))]
    write_class_scores(
        context.out,
        data.class_names,
        {"pq": [percent(value) for value in class_pq], "iou": [percent(value) for value in by_class]},
    )
    keep_panoptic_scores(panoptic, panoptic_truth, context.out / PANOPTIC_FILE, dataset, context.out)
    labels = LabelMaps([classes for _, classes in maps], dict(enumerate(data.class_names)))
    assert dataset.image_root is not None, "of the pictures' folder"
    write_picture_list(dataset, dataset.image_root, inputs, context.out, labels)
    keep_maps(maps, config.kept_predictions_mib)
    return {
        "num_images": len(data),
        "num_detections": num_detections,
        "split": config.split,
        "metrics": {**metrics(), "AP_th": percent(things["AP"])},
        "class_pq": class_pq,
        "class_iou": by_class,
        "resamples": resampled(lambda weight_I: {"metrics": metrics(weight_I)}, len(data)),
    }


def _find_all(
    data: CocoPanoptic, dataset: LvisDataset, folder: Path, config: EvaluateCocoPanopticConfig, context: Context
) -> int:
    """Write both maps of every picture, the list of their segments, and the detections, whose number is returned.

    Maps are written before the results of their picture, so that a run that goes on after these results needs them no more.
    """
    import json

    from methods.common.files import write_atomic
    from methods.common.segmenters.instance.prediction import Detect, results_of, write_results
    from methods.common.stages.panoptic_maps import find_all, load_panoptic

    paths = [_paths(context.out, name) for name in _names(data)]
    place = {record.id: files for record, files in zip(dataset.images, paths, strict=True)}

    def load() -> Detect:
        known = f"the {len(data.categories)} classes of the data"
        remedy = "train a Mask2Former or a OneFormer on all of them"
        model = load_panoptic(folder, len(data.categories), known, remedy, context)

        def detect(records: list[LvisImage]) -> list[dict[str, Any]]:
            results = []
            for record, (maps, things) in zip(records, find_all(model, dataset, records, config, context), strict=True):
                _write(place[record.id], maps)
                results += results_of(record, things, dataset.class_ids)
            return results

        return detect

    number = write_results(dataset, load, config.batch_size, context, context.out / DETECTIONS_FILE)
    annotations = [
        {
            "image_id": data.image_id(index),
            "file_name": paths[index][0].name,
            "segments_info": _segments_on_disk(paths[index][0], data),
        }
        for index in range(len(data))
    ]
    write_atomic(context.out / PANOPTIC_FILE, json.dumps({"annotations": annotations}).encode())
    return number


def segment_ids(classes: list[int]) -> NDArray[np.uint32]:
    """Return the id of pixels of no segment, 0, and of segments 1, 2, ... by their classes, uint32 (1 + N,)."""
    import numpy as np

    ids, counts = [0], dict.fromkeys(classes, 0)
    for index in classes:
        assert counts[index] < _SEGMENTS_OF_CLASS, f"{counts[index]} segments of class {index}"
        ids.append((index + 1) * _SEGMENTS_OF_CLASS + counts[index])
        counts[index] += 1
    return np.array(ids, np.uint32)


def _names(data: CocoPanoptic) -> list[str]:
    return [data.name(index) for index in range(len(data))]


def _paths(out: Path, name: str) -> tuple[Path, Path]:
    """Where the map of segments and that of classes lie."""
    return (out / PANOPTIC_FILE).with_suffix("") / f"{name}.png", out / LABELS_FOLDER / f"{name}.png"


def _write(paths: Sequence[Path], maps: Maps) -> None:
    """Write ids of segments and classes of pixels."""
    import cv2
    import numpy as np

    from methods.common.files import write_atomic

    classes, segment_HW, class_HW = maps
    id_HW = segment_ids(classes)[segment_HW]
    rgb_HW3 = np.stack([id_HW & 255, (id_HW >> 8) & 255, id_HW >> 16], axis=-1).astype(np.uint8)
    for path, picture in zip(paths, (rgb_HW3[..., ::-1], class_HW.astype(np.uint8)), strict=True):
        ok, encoded = cv2.imencode(".png", picture)
        assert ok, f"cannot encode a map of shape {picture.shape}"
        write_atomic(path, bytes(encoded))


def _segments_on_disk(path: Path, data: CocoPanoptic) -> list[dict[str, int]]:
    """List the segments of a map that was written, now or by an interrupted run."""
    import numpy as np

    from methods.common.datasets.png_labels import read_rgb_ids

    ids, areas = np.unique(read_rgb_ids(path), return_counts=True)
    return [
        {"id": id, "category_id": data.categories[id // _SEGMENTS_OF_CLASS - 1].id, "area": area}
        for id, area in zip(ids.tolist(), areas.tolist(), strict=True)
        if id
    ]


def _pixels_of_classes(data: CocoPanoptic, out: Path) -> NDArray[np.float64]:
    """Return the pixel counts of each image [I, 3, K] that IoU is made of; void counts nowhere."""
    import numpy as np

    from methods.common.datasets.labelled_images import IGNORED
    from methods.common.datasets.png_labels import read_labels
    from methods.common.metrics.label_maps.confusion import add_confusion
    from methods.common.metrics.label_maps.semantic import counts_of_confusion

    counts = []
    for index in range(len(data)):
        confusion_KK = np.zeros((len(data.categories),) * 2, np.int64)
        add_confusion(confusion_KK, data[index].class_HW, read_labels(_paths(out, data.name(index))[1]), IGNORED)
        counts.append(counts_of_confusion(confusion_KK))
    return np.stack(counts)


def _of_category(rows: list[dict[str, Any]], category_id: int) -> float | None:
    found: float | None = next(row["PQ"] for row in rows if row["category_id"] == category_id)
    return found


EVALUATE_COCO_PANOPTIC: Stage[EvaluateCocoPanopticConfig] = Stage(
    "evaluate_coco_panoptic", 1, EvaluateCocoPanopticConfig, evaluate_coco_panoptic, uses_gpu=True, kind="evaluate"
)
