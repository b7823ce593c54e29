"""Stage ``sam_filter_segment_named``: the common question to a prompter, for every class that a pair's prompt names (section 4.2)."""

from __future__ import annotations

from methods.common.stage import Context, Inputs, Record, Stage
from methods.common.stages import segment_named as common
from methods.common.stages.segment_named import SegmentNamedConfig


def segment_named(inputs: Inputs, config: SegmentNamedConfig, context: Context) -> Record:
    """Write the mask of each named class of each pair; see :func:`methods.common.stages.segment_named.segment_named`."""
    return common.segment_named(inputs, config, context)


SEGMENT_NAMED: Stage[SegmentNamedConfig] = Stage(
    "sam_filter_segment_named", 1, SegmentNamedConfig, segment_named, (), uses_gpu=True, kind="filter"
)
