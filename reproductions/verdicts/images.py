"""What other evaluation images would do to a difference between two arms, beside what other seeds would."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from reports.records import Report, Result

_TWO_SIDED_95 = statistics.NormalDist().inv_cdf(0.975)


def image_margin(
    report: Report, backbone: str, metric: str, left: str, right: str, seeds: Sequence[int]
) -> float | None:
    """Return half of the 95 % interval over evaluation images of a difference averaged over seeds.

    The models stay; the images are resampled, the same ones for both arms and every seed. The interval is normal: 1.96 standard
    deviations of the resampled mean differences, which a bias of resampled AP leaves as it is. Resamples that leave the metric of any
    arm or seed undefined are left out.

    Args:
        report: whose results hold resamples.
        backbone: id of the segmenter.
        metric: id of the metric.
        left: id of the arm on the left.
        right: id of the arm on the right.
        seeds: those that the difference is a mean of.

    Returns:
        In the metric's unit; None where an evaluation kept no resamples, or fewer than two define the metric.
    """
    pairs = [(_of(report, backbone, left, seed), _of(report, backbone, right, seed)) for seed in seeds]
    resamples = [
        (one.resamples, other.resamples)
        for one, other in pairs
        if one is not None and other is not None and len(one.resamples) == len(other.resamples) > 0
    ]
    if not pairs or len(resamples) < len(pairs) or len({len(one) for one, _ in resamples}) > 1:
        return None
    means = []
    for number in range(len(resamples[0][0])):
        values = [(one[number].get(metric), other[number].get(metric)) for one, other in resamples]
        differences = [a - b for a, b in values if a is not None and b is not None]
        if len(differences) == len(values):
            means.append(statistics.fmean(differences))
    return _TWO_SIDED_95 * statistics.stdev(means) if len(means) > 1 else None


def _of(report: Report, backbone: str, arm: str, seed: int) -> Result | None:
    found = (result for result in report.results if (result.arm, result.backbone, result.seed) == (arm, backbone, seed))
    return next(found, None)
