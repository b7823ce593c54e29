"""Stage ``evaluate_semantic``: segment a split and score it by one confusion matrix over all its pixels.

Shape legend: N images, H, W pixels, K classes.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from methods.common.errors import InputError
from methods.common.growth import Added
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.common.stages.training_sources import CityscapesClasses

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from methods.common.datasets.labelled_images import LabelledImages
    from methods.common.segmenters.semantic.interface import SemanticSegmenter
    from methods.common.stages.evaluation_files import Extremes

CONFUSION_FILE, TABLE_FILE, PREDICTIONS = "confusion.json", "per_class.csv", "predictions"


class KeptLabelMapsConfig(Config):
    """Of every evaluation that keeps the label maps that were predicted."""

    split: str = "val"
    """Which images."""
    kept_predictions_mib: Annotated[float, Added(neutral=0.0)] = Field(default=64.0, ge=0)
    """Room for predicted label maps, which are kept as PNGs in the order of the split until it is full; 0 keeps none."""

    def open(self, folder: Path) -> LabelledImages:
        """Open the images of role ``data``, with the labels that the maps have; a subclass may map them.

        Raises:
            InputError: they are unreadable.
        """
        from methods.common.datasets.open_labelled import open_labelled_images

        return open_labelled_images(folder, self.split)


class EvaluateSemanticConfig(KeptLabelMapsConfig):
    """What is evaluated, and at which size."""

    cityscapes_classes: Annotated[CityscapesClasses, Added(neutral="19")] = "19"
    """Of data in Cityscapes' layout: its 19 classes, or background, human and vehicle (Attn2mask section 9.3)."""
    short_side_px: int | None = Field(default=512, ge=16)
    """Images are scaled so that the short side has this length; None for the images' own size. [MM], MMSegmentation's setting"""
    max_long_side_px: int = Field(default=2048, ge=16)
    """... unless the long side would pass this. [MM]"""
    scales: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Added(neutral=[1.0])] = Field(
        default=(1.0,), min_length=1
    )
    """Factors of the short side; what is seen at several of them is added. SegGen section 8.3 [code]"""
    mirrored: Annotated[bool, Added(neutral=False)] = False
    """Whether each image is also seen with left and right exchanged."""
    batch_size: int = Field(default=1, ge=1)
    """Neighbouring images of one size that go through the network together."""
    num_samples: int = Field(default=0, ge=0)
    """Images to keep with ground truth and prediction as pictures for the report, evenly spread over the split."""

    def open(self, folder: Path) -> LabelledImages:
        """Open the images, with these classes of Cityscapes."""
        from methods.common.datasets.open_labelled import open_labelled_images

        return open_labelled_images(folder, self.split, self.cityscapes_classes)


def evaluate_semantic(inputs: Inputs, config: EvaluateSemanticConfig, context: Context) -> Record:
    """Segment every image of a split; write the confusion matrix, scores of classes and images, predictions and sample pictures.

    Roles: ``data``, ``model`` (a training cell).

    Returns:
        ``miou`` (mean over the classes that occur in ground truth or prediction) and ``pixel_accuracy`` in percent, ``iou`` in
        percent by class (None where it occurs in neither), ``num_images``, and all of these on resamples of the images (``resamples``,
        see :mod:`methods.common.metrics.resamples`). Pixels labelled 255 do not count.

    Raises:
        InputError: data or network are unreadable, or have different numbers of classes.
    """
    import numpy as np

    from methods.common.metrics.label_maps.confusion import pool_images
    from methods.common.metrics.resamples import resampled
    from methods.common.segmenters.semantic.segmenters import load_segmenter
    from methods.common.stages.evaluation_files import Extremes

    images = config.open(inputs.folder("data"))
    folder = inputs.folder("model") / "model"
    model = load_segmenter(folder).to(context.device).eval()
    if len(images.class_names) != model.num_classes:
        raise InputError(
            f"{inputs.folder('data')} has {len(images.class_names)} classes, the segmenter in {folder} {model.num_classes}; "
            "evaluate it on data of its own classes"
        )
    confusion_KK = np.zeros((model.num_classes, model.num_classes), np.int64)
    extremes: Extremes[NDArray[np.uint8]] = Extremes()
    count_I3K = np.stack(_segment_all(model, images, config, context, confusion_KK, extremes))
    _write_tables(confusion_KK, images.class_names, context.out)
    _write_scores(count_I3K, images, context.out)
    write_extremes(extremes, images, context.out)
    return {
        "num_images": len(images),
        **percentages(confusion_KK, images.class_names),
        "resamples": resampled(
            lambda weight_I: _of_counts(pool_images(count_I3K, weight_I), images.class_names), len(images)
        ),
    }


def _segment_all(
    model: SemanticSegmenter,
    images: LabelledImages,
    config: EvaluateSemanticConfig,
    context: Context,
    confusion_KK: NDArray[np.int64],
    extremes: Extremes[NDArray[np.uint8]],
) -> list[NDArray[np.float64]]:
    """Count every pixel of every image into the matrix, write samples and predictions, and offer each prediction with its score.

    Returns:
        The counts [3, K] of each image.
    """
    import numpy as np

    from methods.common.datasets.labelled_images import IGNORED
    from methods.common.metrics.label_maps.confusion import add_confusion
    from methods.common.metrics.label_maps.semantic import counts_of_confusion
    from methods.common.segmenters.image_batches import batches_of_one_size
    from methods.common.segmenters.semantic.prediction import predict_labels

    shown = sample_indices(len(images), config.num_samples)
    room = Room(context.out, config)
    counts: list[NDArray[np.float64]] = []
    sizes = config.short_side_px, config.max_long_side_px
    rows = ((index, *images[index]) for index in range(len(images)))
    for batch in batches_of_one_size(rows, lambda row: row[1].shape, config.batch_size):
        shown_HW3 = [image_HW3 for _, image_HW3, _ in batch]
        predicted_NHW = predict_labels(model, shown_HW3, *sizes, context.device, config.scales, config.mirrored)
        for (index, image_HW3, label_HW), predicted_HW in zip(batch, predicted_NHW, strict=True):
            of_image_KK = np.zeros_like(confusion_KK)
            add_confusion(of_image_KK, label_HW, predicted_HW, IGNORED)
            confusion_KK += of_image_KK
            counts.append(counts_of_confusion(of_image_KK))
            extremes.offer(image_score(counts[-1]), index, predicted_HW)
            room.keep(images.name(index), predicted_HW)
            if index in shown:
                _write_sample(context.out / "samples", shown.index(index), image_HW3, label_HW, predicted_HW)
        context.progress(batch[-1][0] + 1, len(images), "images")
    return counts


class Room:
    """Keeps label maps below the folder of an evaluation until its bytes are used up."""

    def __init__(self, folder: Path, config: KeptLabelMapsConfig) -> None:
        self._folder, self._left = folder / PREDICTIONS, round(config.kept_predictions_mib * 2**20)

    def keep(self, name: str, label_HW: NDArray[np.uint8]) -> None:
        """Write a map; the first one that does not fit ends it, so that what is there is the beginning of the split."""
        from methods.common.datasets.voc import encode_labels

        if self._left <= 0:
            return
        data = encode_labels(label_HW)
        self._left = self._left - len(data) if len(data) <= self._left else 0
        if self._left > 0:
            path = self._folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def image_score(count_3K: NDArray[np.float64]) -> float:
    """Return the mean IoU of one image over the classes that occur in its truth or prediction, in percent; NaN where no pixel counts."""
    from methods.common.metrics.label_maps.semantic import semantic_metrics

    found = semantic_metrics(count_3K, perfect=100.0)["mIoU"]
    return float("nan") if found is None else found


def write_extremes(extremes: Extremes[NDArray[np.uint8]], images: LabelledImages, folder: Path) -> None:
    """Show the images with the worst and the best score, each with truth and prediction.

    Args:
        extremes: the label maps that were predicted.
        images: of the split.
        folder: of the evaluation.
    """
    from methods.common.stages.evaluation_files import Shown, write_shown

    chosen = extremes.chosen()
    shown = [Shown(word, score, images.name(index), *images[index], map_HW) for word, score, index, map_HW in chosen]
    write_shown(folder, shown, "mean IoU")


def _write_scores(count_I3K: NDArray[np.float64], images: LabelledImages, folder: Path) -> None:
    import numpy as np

    from methods.common.stages.evaluation_files import write_class_scores, write_image_scores

    score_I = np.array([image_score(count_3K) for count_3K in count_I3K])
    write_image_scores(folder, [images.name(index) for index in range(len(images))], {"score": score_I})
    iou = _of_counts(count_I3K.sum(0), images.class_names)["iou"]
    write_class_scores(folder, images.class_names, {"iou": list(iou.values())})


def sample_indices(num_images: int, num_samples: int) -> list[int]:
    """Return up to ``num_samples`` different indices, evenly spread."""
    count = min(num_samples, num_images)
    return [number * num_images // count for number in range(count)]


def percentages(confusion_KK: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, Any]:
    """Return ``miou``, ``pixel_accuracy`` and ``iou`` of a confusion matrix, in percent."""
    from methods.common.metrics.label_maps.semantic import counts_of_confusion

    return _of_counts(counts_of_confusion(confusion_KK), names)


def scores_of_one_class(folder: Path) -> list[dict[str, Any]]:
    """Return the scores of label maps that are one class everywhere, as of :func:`percentages`, for each class of the ground truth.

    Args:
        folder: of an evaluation; there is none where it compared no label maps.
    """
    import numpy as np

    path = folder / CONFUSION_FILE
    if not path.exists():
        return []
    found = json.loads(path.read_bytes())
    truth_K = np.array(found["pixels"], np.int64).sum(axis=1)
    scores = []
    for index in np.flatnonzero(truth_K).tolist():
        confusion_KK = np.zeros((len(truth_K), len(truth_K)), np.int64)
        confusion_KK[:, index] = truth_K
        scores.append(percentages(confusion_KK, tuple(found["classes"])))
    return scores


def _of_counts(count_3K: NDArray[np.float64], names: tuple[str, ...]) -> dict[str, Any]:
    from methods.common.metrics.label_maps.confusion import none_if_nan
    from methods.common.metrics.label_maps.semantic import class_iou, semantic_metrics

    metrics = semantic_metrics(count_3K, perfect=100.0)
    iou_K = class_iou(count_3K, perfect=100.0)
    return {
        "miou": metrics["mIoU"],
        "pixel_accuracy": metrics["pixel_accuracy"],
        "iou": {name: none_if_nan(value) for name, value in zip(names, iou_K, strict=True)},
    }


def _write_tables(confusion_KK: NDArray[np.int64], names: tuple[str, ...], folder: Path) -> None:
    confusion = {"classes": list(names), "rows": "truth", "columns": "prediction", "pixels": confusion_KK.tolist()}
    (folder / CONFUSION_FILE).write_text(json.dumps(confusion))
    iou = percentages(confusion_KK, names)["iou"]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("class", "iou_percent", "right_px", "truth_px", "predicted_px"))
    counts = zip(confusion_KK.diagonal(), confusion_KK.sum(1), confusion_KK.sum(0), strict=True)
    for name, (right, truth, predicted) in zip(names, counts, strict=True):
        writer.writerow((name, "" if iou[name] is None else repr(iou[name]), int(right), int(truth), int(predicted)))
    (folder / TABLE_FILE).write_text(table.getvalue())


def _write_sample(
    folder: Path,
    number: int,
    image_HW3: NDArray[np.uint8],
    label_HW: NDArray[np.uint8],
    predicted_HW: NDArray[np.uint8],
) -> None:
    from PIL import Image

    from methods.common.datasets.voc import write_labels

    folder.mkdir(exist_ok=True)
    Image.fromarray(image_HW3).save(folder / f"{number:02d}_image.png")
    write_labels(folder / f"{number:02d}_truth.png", label_HW)
    write_labels(folder / f"{number:02d}_predicted.png", predicted_HW)


EVALUATE_SEMANTIC: Stage[EvaluateSemanticConfig] = Stage(
    "evaluate_semantic", 1, EvaluateSemanticConfig, evaluate_semantic, uses_gpu=True, kind="evaluate"
)
