"""Stage ``seggen_alignment``: do images show what their masks say, in the eyes of a segmenter that never saw one (section 11)."""

from __future__ import annotations

from pydantic import Field

from methods.common.stage import Config, Context, Inputs, Record, Stage


class AlignmentConfig(Config):
    """Which images, and at which size."""

    variant: str = "seggen"
    """Whose masks: a folder below ``masks`` of the pairs."""
    max_images: int | None = Field(default=None, ge=1)
    """So many of them, evenly spread over all; None for all."""
    short_side_px: int | None = Field(default=512, ge=16)
    """Images are scaled so that the short side has this length; None for the images' own size."""
    max_long_side_px: int = Field(default=2048, ge=16)
    """... unless the long side would pass this."""
    batch_size: int = Field(default=1, ge=1)
    """Neighbouring images of one size that go through the network together."""


def measure_alignment(inputs: Inputs, config: AlignmentConfig, context: Context) -> Record:
    """Segment images and score the result against the masks that they were made for.

    Roles: ``pairs`` (all shards), ``model`` (a segmenter that was trained on real images).

    Returns:
        ``num_images``, and ``miou``, ``pixel_accuracy`` and ``iou`` by class as :func:`evaluate_semantic` defines them; the network is no
        truth, so they rank generators and no more.

    Raises:
        InputError: pairs or network are unreadable, or have different numbers of classes.
    """
    import numpy as np

    from methods.common.datasets.labelled_images import IGNORED
    from methods.common.errors import InputError
    from methods.common.generated.pair_reader import list_pairs
    from methods.common.metrics.label_maps.confusion import add_confusion
    from methods.common.segmenters.image_batches import batches_of_one_size
    from methods.common.segmenters.semantic.prediction import predict_labels
    from methods.common.segmenters.semantic.segmenters import load_segmenter
    from methods.common.stages.evaluate_semantic import percentages, sample_indices

    pairs, class_names = list_pairs(inputs.folders("pairs"))
    model = load_segmenter(inputs.folder("model") / "model").to(context.device).eval()
    if len(class_names) != model.num_classes:
        raise InputError(
            f"the pairs have {len(class_names)} classes, the segmenter in {inputs.folder('model')} {model.num_classes}; "
            "give one that was trained on their real images"
        )
    chosen = [pairs[index] for index in sample_indices(len(pairs), config.max_images or len(pairs))]
    rows = ((pair.read_image(), pair.read_labels(config.variant, len(class_names))) for pair in chosen)
    confusion_KK = np.zeros((len(class_names), len(class_names)), np.int64)
    sizes, seen = (config.short_side_px, config.max_long_side_px), 0
    for batch in batches_of_one_size(rows, lambda row: row[0].shape, config.batch_size):
        predicted_NHW = predict_labels(model, [image_HW3 for image_HW3, _ in batch], *sizes, context.device)
        for (_, label_HW), predicted_HW in zip(batch, predicted_NHW, strict=True):
            add_confusion(confusion_KK, label_HW, predicted_HW, IGNORED)
        seen += len(batch)
        context.progress(seen, len(chosen), "images")
    return {"num_images": len(chosen), **percentages(confusion_KK, class_names)}


ALIGNMENT = Stage("seggen_alignment", 1, AlignmentConfig, measure_alignment, uses_gpu=True, kind="evaluate")
