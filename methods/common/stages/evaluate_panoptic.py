"""Stage ``evaluate_cityscapes_panoptic``: segment a split of Cityscapes, and score panoptic quality and IoU.

Shape legend: H, W pixels; N segments.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Config, Context, Inputs, Record, Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.cityscapes import CityscapesFrame
    from methods.common.datasets.lvis_records import LvisDataset, LvisImage
    from methods.common.segmenters.instance.interface import PanopticSegmenter

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


def evaluate_panoptic_cityscapes(inputs: Inputs, config: EvaluatePanopticConfig, context: Context) -> Record:
    """Segment every picture of a split, once for each of the two tasks, and score both.

    Writes ``panoptic.json`` with ``panoptic/`` and ``truth.json`` with ``truth/`` in panopticapi's formats, and ``labels/``, label ids, as
    cityscapesScripts reads them.

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

    data = inputs.folder("data")
    frames = find_frames(data, config.split)
    _segment_all(frames, read_cityscapes(frames, data), inputs.folder("model") / "model", config, context)
    write_panoptic_truth(frames, context.out / TRUTH_FILE)
    panoptic = evaluate_panoptic(context.out / TRUTH_FILE, context.out / PANOPTIC_FILE)
    semantic = evaluate_cityscapes_semantic(data / TRUTH / config.split, context.out / LABELS_FOLDER)
    iou = semantic.metrics()["averageScoreClasses"]
    return {
        "num_images": len(frames),
        "split": config.split,
        "metrics": {name: _percent(value) for name, value in {**panoptic.metrics(), "IoU": iou}.items()},
        "class_pq": [row["PQ"] for row in panoptic.per_class()],
        "class_iou": [row["IoU"] for row in semantic.per_class()[: len(EVALUATED_LABELS)]],
    }


def _segment_all(
    frames: list[CityscapesFrame], dataset: LvisDataset, folder: Path, config: EvaluatePanopticConfig, context: Context
) -> None:
    """Write both maps of every frame; frames that have theirs from an interrupted run are passed over."""
    from methods.common.datasets.cityscapes_panoptic import write_panoptic_results
    from methods.common.segmenters.image_batches import batches_of_one_size

    pairs = list(zip(frames, dataset.images, strict=True))
    left = [(frame, image) for frame, image in pairs if not all(path.is_file() for path in _paths(context.out, frame))]
    model = _load(folder, context) if left else None
    num_done = len(pairs) - len(left)
    for batch in batches_of_one_size(left, lambda pair: (pair[1].height, pair[1].width), config.batch_size):
        assert model is not None
        maps = _segment(model, dataset, [image for _, image in batch], config, context)
        for (frame, _), (id_HW, label_HW) in zip(batch, maps, strict=True):
            _write(_paths(context.out, frame), id_HW, label_HW)
        num_done += len(batch)
        context.progress(num_done, len(pairs), "images")
    write_panoptic_results(
        {frame.name: _segments_on_disk(context.out, frame) for frame in frames}, context.out / PANOPTIC_FILE
    )


def _load(folder: Path, context: Context) -> PanopticSegmenter:
    from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS
    from methods.common.segmenters.instance.interface import PanopticSegmenter
    from methods.common.segmenters.instance.segmenters import load_segmenter

    model = load_segmenter(folder)
    if not isinstance(model, PanopticSegmenter) or model.num_classes != len(EVALUATED_LABELS):
        raise InputError(
            f"the segmenter in {folder} does not know Cityscapes' {len(EVALUATED_LABELS)} classes, things and stuff; PQ and IoU need a "
            "OneFormer that was trained on all of them"
        )
    return model.to(context.device).eval()


def _segment(
    model: PanopticSegmenter,
    dataset: LvisDataset,
    records: list[LvisImage],
    config: EvaluatePanopticConfig,
    context: Context,
) -> list[tuple[NDArray[np.uint16], NDArray[np.uint8]]]:
    """Return the map of segment ids, uint16 (H, W), and the map of label ids, uint8 (H, W), of pictures of one size."""
    import numpy as np
    import torch

    from methods.common.datasets.cityscapes_labels import EVALUATED_LABELS
    from methods.common.segmenters.instance.interface import PanopticThresholds
    from methods.common.segmenters.instance.prediction import load_image

    sides_px = config.short_side_px, config.long_side_px
    image_NCHW = torch.stack([load_image(dataset, record, sides_px) for record in records]).to(context.device)
    sizes = [(record.height, record.width) for record in records]
    thresholds = PanopticThresholds(config.object_threshold, config.overlap_threshold)
    panoptic = model.segment_panoptic(image_NCHW, thresholds, output_sizes=sizes)
    semantic = model.segment_semantic(image_NCHW, output_sizes=sizes)
    label_id_K = np.array([label.id for label in EVALUATED_LABELS], np.uint8)
    return [
        (segment_ids(found.classes_N.tolist())[found.segment_HW.cpu().numpy()], label_id_K[class_HW.cpu().numpy()])
        for found, class_HW in zip(panoptic, semantic, strict=True)
    ]


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


def _write(paths: tuple[Path, Path], id_HW: NDArray[np.uint16], label_HW: NDArray[np.uint8]) -> None:
    import cv2

    from methods.common.datasets.cityscapes_panoptic import write_segments
    from methods.common.files import write_atomic

    write_segments(paths[0], id_HW)
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


def _percent(value: float | None) -> float | None:
    return None if value is None else 100.0 * value


EVALUATE_PANOPTIC: Stage[EvaluatePanopticConfig] = Stage(
    "evaluate_cityscapes_panoptic",
    1,
    EvaluatePanopticConfig,
    evaluate_panoptic_cityscapes,
    uses_gpu=True,
    kind="evaluate",
)
