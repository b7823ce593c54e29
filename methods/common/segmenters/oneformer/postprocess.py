"""From queries to the instances of an image, as the official release finds them.

``transformers`` keeps no mean mask probability in its scores, passes through 384 x 384 pixels, and gives each pixel to one instance;
its function is not used.

Shape legend: Q queries, K classes, h, w cells of mask logits.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from methods.common.segmenters.instance.interface import Detections, Size
from methods.common.segmenters.mask_queries.postprocess import boxes_of, instances_of


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
    Source: InstSynth section 8.3. [OF]
    """
    found = instances_of(class_logit_QK, mask_logit_Qhw, *sizes, num_kept, thing_classes)
    seen_R = found.score_R > 0
    mask_RHW = found.mask_RHW[seen_R]
    return Detections(boxes_of(mask_RHW), found.score_R[seen_R], found.class_R[seen_R], mask_RHW if masks else None)
