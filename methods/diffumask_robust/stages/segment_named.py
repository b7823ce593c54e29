"""Stage ``robust_segment_named``: the common question to a prompter, for every class that a generated picture's prompt names."""

from __future__ import annotations

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages import segment_named as common
from methods.common.stages.segment_named import SegmentNamedConfig


def segment_named(inputs: Inputs, config: SegmentNamedConfig, context: Context) -> Record:
    """Write the mask of each named class of each picture; see :func:`methods.common.stages.segment_named.segment_named`.

    Source: SAM filter section 4.2; its place in this paper is our choice [C D59].
    """
    return common.segment_named(inputs, config, context)


SEGMENT_NAMED: Stage[SegmentNamedConfig] = Stage(
    "robust_segment_named", 1, SegmentNamedConfig, segment_named, (), uses_gpu=True, kind="filter"
)
