"""A built-in check of LVIS numbers: AP is the mean of APr, APc and APf, weighted by the classes that each group rates.

On LVIS v1 val the weights are the same for everyone, which shows in published tables too: AP = 0.1727 APr + 0.4344 APc +
0.3929 APf. An evaluation that breaks this groups or drops classes wrongly, or its file is not LVIS v1 val.

Source: the weights were fitted on the 22 rows of the MRCA paper's tables 1 and 2, largest residual 0.017 of a percent point.
"""

from collections.abc import Mapping, Sequence

LVIS_V1_VAL_WEIGHTS = {"r": 0.1727, "c": 0.4344, "f": 0.3929}
LVIS_V1_VAL_IMAGES = 19_809
LVIS_V1_CLASSES = 1_203
TOLERANCE = 0.0005
"""On the scale of AP in [0, 1]: four digits in the weights and the residual of the fit leave about 0.0002."""


def group_weights(rated: Sequence[str]) -> dict[str, float]:
    """Return the share of each frequency group among the classes that have an AP."""
    return {group: rated.count(group) / len(rated) for group in "rcf"} if rated else dict.fromkeys("rcf", 0.0)


def weighted_ap(metrics: Mapping[str, float | None], weights: Mapping[str, float]) -> float:
    """Return the weighted sum of APr, APc and APf; groups without AP count 0."""
    return sum(weight * (metrics[f"AP{group}"] or 0.0) for group, weight in weights.items())


def identity_notes(
    metrics: Mapping[str, float | None], rated: Sequence[str], num_images: int, num_classes: int
) -> list[str]:
    """Check the identity; say the outcome where the file is LVIS v1 val by its numbers of images and classes.

    Args:
        metrics: AP, APr, APc, APf in [0, 1].
        rated: frequency group of each class that has an AP.
        num_images: of the ground truth.
        num_classes: of the ground truth, with and without instances.
    """
    ap = metrics["AP"]
    if ap is None:
        return []
    assert abs(ap - weighted_ap(metrics, group_weights(rated))) < 1e-9, "AP is not the mean of its groups"
    if (num_images, num_classes) != (LVIS_V1_VAL_IMAGES, LVIS_V1_CLASSES):
        return []
    formula = " + ".join(f"{weight} AP{group}" for group, weight in LVIS_V1_VAL_WEIGHTS.items())
    difference = ap - weighted_ap(metrics, LVIS_V1_VAL_WEIGHTS)
    if abs(difference) <= TOLERANCE:
        return [
            f"self-check passed: AP = {formula} holds, as published results on LVIS v1 val do (off by {difference:+.5f})"
        ]
    return [
        f"self-check FAILED: AP differs by {difference:+.5f} from {formula}, which holds on LVIS v1 val; "
        "the annotation file has other classes or instances than the official one"
    ]
