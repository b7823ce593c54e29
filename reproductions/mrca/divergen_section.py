"""What became of generated images in the pools, and how much surer segmenters are of training objects than of others (section 5.4)."""

from __future__ import annotations

from collections import Counter

import numpy as np

from reports.tables import fixed, markdown_table, whole
from reproductions.mrca.records import MrcaReport

_OUTCOMES = {
    "accepted": "Accepted",
    "clip_score": "CLIP",
    "empty_mask": "Empty mask",
    "too_small": "Too small",
    "too_large": "Too large",
}
"""Columns, in the order in which a filter asks."""


def filter_section(report: MrcaReport) -> str:
    """Say of each generator's images which share was accepted, and what the others failed, over all seeds."""
    rows = [
        [_named(report, arms), pool, whole(sum(counts.values())), *_shares(counts)]
        for pool, counts, arms in _pools(report)
    ]
    if not rows:
        return ""
    text = (
        "Shares in per cent of the generated images, all seeds together; an image counts once, by the first test that it failed. DiverGen's "
        "test by CLIP is the similarity to real crops of the class, all others' the score of the class's name. Arms with equal numbers, such as "
        "those that share a pool, are one row."
    )
    header = ["Arm", "Pool", "Images", *_OUTCOMES.values()]
    chosen = _chosen(report)
    parts = ["## What the filters leave", text, markdown_table(header, rows, 2)]
    return "\n\n".join([*parts, *([" ".join(chosen)] if chosen else [])])


def gap_section(report: MrcaReport) -> str:
    """Give the train-val gap of the free energy of each arm that has it, as means over seeds."""
    rows = []
    for arm, backbone in dict.fromkeys((gap.arm, gap.backbone) for gap in report.energy_gaps):
        gaps = [gap for gap in report.energy_gaps if (gap.arm, gap.backbone) == (arm, backbone)]
        by_seed = ", ".join(fixed(gap.gap, sign=True) for gap in gaps)
        means = [float(np.mean([getattr(gap, name) for gap in gaps])) for name in ("train", "val", "gap")]
        rows.append([report.arm_title(arm), *(fixed(mean, sign=True) for mean in means), by_seed])
    if not rows:
        return ""
    text = (
        "Free energy of the true boxes by the last classifier, at temperature 0.9: low where the segmenter is sure of some class. The gap is "
        "the mean on val minus that on training images, 0 where both look alike. DiverGen states that generated data makes it smaller."
    )
    header = ["Arm", "Training", "Val", "Gap", "Gap by seed"]
    return "\n\n".join(["## Train-val gap of the energy", text, markdown_table(header, rows, 1)])


def _pools(report: MrcaReport) -> list[tuple[str, Counter[str], list[str]]]:
    """Return (pool, outcomes over all seeds, arms that have these)."""
    totals: dict[tuple[str, str], Counter[str]] = {}
    for rate in report.filter_rates:
        totals.setdefault((rate.pool, rate.arm), Counter()).update(rate.outcomes)
    found: list[tuple[str, Counter[str], list[str]]] = []
    for (pool, arm), counts in totals.items():
        alike = next((arms for known, other, arms in found if (known, other) == (pool, counts)), None)
        if alike is None:
            found.append((pool, counts, [arm]))
        else:
            alike.append(arm)
    return found


def _named(report: MrcaReport, arms: list[str]) -> str:
    more = f" and {len(arms) - 1} more" if len(arms) > 1 else ""
    return report.arm_title(arms[0]) + more


def _shares(counts: Counter[str]) -> list[str]:
    total = max(sum(counts.values()), 1)
    return [fixed(100 * counts[outcome] / total, 1) for outcome in _OUTCOMES]


def _chosen(report: MrcaReport) -> list[str]:
    """Return a sentence for each pool that several networks cut, by the arm that stands first."""
    first = {rate.pool: rate.arm for rate in reversed(report.filter_rates) if rate.chosen}
    lines = []
    for pool, arm in first.items():
        counts: Counter[str] = Counter()
        for rate in report.filter_rates:
            if (rate.pool, rate.arm) == (pool, arm):
                counts.update(rate.chosen)
        said = ", ".join(f"{name} {fixed(100 * count / counts.total(), 0)} %" for name, count in sorted(counts.items()))
        lines.append(f"Whose mask of {pool} was best: {said}.")
    return lines
