"""Panoptic quality of the single images of an evaluation, and its best and worst images as label maps.

Shape legend: H, W pixels; I images.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from methods.common.datasets.lvis_records import LvisDataset
from methods.common.datasets.panoptic_files import PanopticImage, read_panoptic_results, read_panoptic_truth
from methods.common.datasets.pictures import read_rgb
from methods.common.datasets.png_labels import read_rgb_ids
from methods.common.metrics.label_maps.panoptic import PanopticEvaluation
from methods.common.stages.evaluation_files import Extremes, Shown, shown_step, write_image_scores, write_shown

_COLOURS = 250
"""Labels that classes share when they are drawn; 0 is void, no segment, and the line between two segments."""


def keep_panoptic_scores(
    scores: PanopticEvaluation, truth: Path, predictions: Path, dataset: LvisDataset, folder: Path
) -> None:
    """Write the panoptic quality of each image, and the images in which it is lowest and highest.

    Args:
        scores: of the two files.
        truth: panoptic JSON.
        predictions: panoptic results JSON, with its maps.
        dataset: the pictures, in the order of the ground truth.
        folder: of the evaluation.
    """
    names = [dataset.image_candidates(image)[-1].name for image in dataset.images]
    score_I = 100.0 * scores.quality_of_images()
    write_image_scores(folder, names, {"score": score_I})
    extremes: Extremes[None] = Extremes()
    for index, score in enumerate(score_I.tolist()):
        extremes.offer(score, index, None)
    categories, truths = read_panoptic_truth(truth, truth.with_suffix(""))
    index_of = {category.id: index for index, category in enumerate(categories)}
    results = {one.image_id: one for one in read_panoptic_results(predictions, predictions.with_suffix(""), index_of)}
    shown = []
    for word, score, index, _ in extremes.chosen():
        image = dataset.images[index]
        picture_HW3 = read_rgb(dataset.image_path(image), image.height, image.width)
        drawn = _drawn(truths[index]), _drawn(results[truths[index].image_id])
        shown.append(Shown(word, score, names[index], picture_HW3, *drawn))
    write_shown(folder, shown, "panoptic quality")


def _drawn(image: PanopticImage) -> NDArray[np.uint8]:
    """Every segment in the colour of its class, with lines between them that a thinned picture still has: uint8 [H, W]."""
    id_HW = read_rgb_ids(image.png)
    label_HW = np.zeros(id_HW.shape, np.uint8)
    for segment in image.segments:
        label_HW[id_HW == segment.id] = 1 + segment.category % _COLOURS
    step = shown_step(id_HW.shape)
    label_HW[:, :-step][id_HW[:, :-step] != id_HW[:, step:]] = 0
    label_HW[:-step][id_HW[:-step] != id_HW[step:]] = 0
    return label_HW
