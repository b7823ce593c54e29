"""Records with nothing but numbers by arm and seed, for tests of what is concluded from them."""

from collections.abc import Sequence
from typing import Any

from reports.records import Arm, Backbone, Metric, Provenance, Report, Result, Run


def bare_report(metrics: Sequence[Metric], metric: str, values: dict[str, list[float]], **more: Any) -> Report:
    """A report of tier mini with one segmenter, "small".

    Args:
        metrics: the columns.
        metric: which of them has numbers.
        values: by arm, one a seed.
        **more: further fields of the report; ``floors`` are those of every result.
    """
    floors = more.pop("floors", {})
    return Report(
        run=Run(
            paper_id="p",
            paper_title="P",
            tier="mini",
            data="d",
            seeds=(0, 1, 2),
            command="c",
            provenance=Provenance(commit="0"),
        ),
        arms=tuple(Arm(id=arm, title=arm) for arm in values),
        backbones=(Backbone(id="small", title="Small"),),
        metrics=tuple(metrics),
        results=tuple(
            Result(arm=arm, backbone="small", seed=seed, metrics={metric: value}, cells=(), floors=floors)
            for arm, known in values.items()
            for seed, value in enumerate(known)
        ),
        **more,
    )
