"""What the queries of a network answer for each image, and the instances among these answers.

Shape legend: N images, Q queries, K classes, R instances kept, h, w cells of mask logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from methods.common.segmenters.instance.interface import Detections, Size
from methods.common.segmenters.mask_queries.postprocess import boxes_of, instances_of

Answer = tuple[Tensor, Tensor, tuple[Size, Size, Size]]
"""Class logits [Q, K + 1] and mask logits [Q, h, w] of an image; (height, width) of the padded image, of the image in it, and of the output."""


def answers_of(
    class_logit_NQK: Tensor,
    mask_logit_NQhw: Tensor,
    padded: Size,
    image_sizes: Sequence[Size],
    output_sizes: Sequence[Size] | None,
) -> Iterator[Answer]:
    """Yield what the queries answer for each image.

    Args:
        class_logit_NQK: the last column is "no object".
        mask_logit_NQhw: of the padded images.
        padded: (height, width) of them.
        image_sizes: of the images in them.
        output_sizes: of what is made of the answers; ``image_sizes`` when None.
    """
    wanted = image_sizes if output_sizes is None else output_sizes
    for class_logit, mask_logit, size, output in zip(
        class_logit_NQK, mask_logit_NQhw, image_sizes, wanted, strict=True
    ):
        yield class_logit, mask_logit, (padded, size, output)


def find_instances(
    class_logit_QK: Tensor,
    mask_logit_Qhw: Tensor,
    sizes: tuple[Size, Size, Size],
    thing_classes: Sequence[int],
    num_kept: int,
    *,
    masks: bool,
) -> Detections:
    """Return the instances of an image, best first.

    The most probable pairs of query and class are taken, over all classes; pairs of a stuff class then go. A pair's score is its class
    probability times the mean mask probability of the pixels inside its mask, those above 0.5. Masks without a pixel go.

    Args:
        class_logit_QK: the last column is "no object".
        mask_logit_Qhw: of the padded image.
        sizes: (height, width) of the padded image, of the image in it, and of the output.
        thing_classes: classes that have instances.
        num_kept: pairs that are taken.
        masks: whether the detections hold masks; they are made all the same, for scores and boxes.
    Source: InstSynth section 8.3; SegGen section 8.3 [code]. [OF]
    """
    found = instances_of(class_logit_QK, mask_logit_Qhw, *sizes, num_kept, thing_classes)
    seen_R = found.score_R > 0
    mask_RHW = found.mask_RHW[seen_R]
    return Detections(boxes_of(mask_RHW), found.score_R[seen_R], found.class_R[seen_R], mask_RHW if masks else None)
