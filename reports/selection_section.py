"""The section that belongs to every selection: what it keeps, in numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from reports.records import Arm
from reports.selections import SelectionStatistics
from reports.tables import NOTHING, fixed, markdown_table, whole


def selection_section(arms: Sequence[Arm], selections: Sequence[SelectionStatistics]) -> str:
    """What each selection keeps, as means over seeds; arms that share one give one row. Empty without selections."""
    shown: dict[str, list[SelectionStatistics]] = {}
    for arm in arms:
        known = [item for item in selections if item.arm == arm.id and item.leaves_out]
        if known and _unnamed(known) not in map(_unnamed, shown.values()):
            shown[arm.title] = known
    if not shown:
        return ""
    rows = [[title, *_cells(known)] for title, known in shown.items()]
    header = [
        "Selection",
        "Candidates",
        "Kept",
        "Lowest score kept",
        "Classes an image, before",
        "after",
        "Share with one class, before",
        "after",
        "Classes that lose over half of their share",
    ]
    parts = ["## What the selections keep", "Means over seeds.", markdown_table(header, rows, 1)]
    return "\n\n".join([*parts, *_scores(selections)])


def _unnamed(known: Sequence[SelectionStatistics]) -> list[SelectionStatistics]:
    """The same statistics without the arm, to compare them."""
    return [item.model_copy(update={"arm": ""}) for item in known]


def _cells(known: Sequence[SelectionStatistics]) -> list[str]:
    def mean(read: Callable[[SelectionStatistics], float | None]) -> float | None:
        values = [value for value in map(read, known) if value is not None]
        return sum(values) / len(values) if values else None

    return [
        whole(mean(lambda item: item.num_before)),
        whole(mean(lambda item: item.num_after)),
        fixed(mean(lambda item: item.cut_off), 3),
        fixed(mean(lambda item: _mean_classes(item.classes_an_image_before))),
        fixed(mean(lambda item: _mean_classes(item.classes_an_image_after))),
        _percent(mean(lambda item: _single(item.classes_an_image_before))),
        _percent(mean(lambda item: _single(item.classes_an_image_after))),
        _losers(known),
    ]


def _mean_classes(images: Mapping[int, int]) -> float | None:
    total = sum(images.values())
    return sum(number * count for number, count in images.items()) / total if total else None


def _single(images: Mapping[int, int]) -> float | None:
    total = sum(images.values())
    return images.get(1, 0) / total if total else None


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f} %"


def _losers(known: Sequence[SelectionStatistics]) -> str:
    """Classes whose share of the images falls below half of what it was, over all seeds."""
    classes = known[0].classes
    before = [sum(item.images_before[index] for item in known) for index in range(len(classes))]
    after = [sum(item.images_after[index] for item in known) for index in range(len(classes))]
    names = [
        name.replace("_", " ")
        for name, old, new in zip(classes, before, after, strict=True)
        if old and new * sum(before) < 0.5 * old * sum(after)
    ]
    return ", ".join(names) or "none"


def _scores(selections: Sequence[SelectionStatistics]) -> list[str]:
    """Share of zeros and quantiles of the score over all candidates: the same for every selection of a seed."""
    scored = {item.seed: item for item in selections if item.quantiles}
    if not scored:
        return []
    names = list(dict.fromkeys(name for item in scored.values() for name in item.quantiles))
    rows = [
        [f"seed {seed}", _percent(item.zero_share), *(fixed(item.quantiles.get(name), 3) for name in names)]
        for seed, item in sorted(scored.items())
    ]
    return [
        "The score over all candidates:",
        markdown_table(["", "Score 0", *(f"quantile {name}" for name in names)], rows, 1),
    ]
