"""Records that only the report of instance synthesis has."""

from __future__ import annotations

from reports.records import Record, Report
from reports.samples import InstanceSample, RepaintedSample


class RungCost(Record):
    """What one rung of the ladder of sizes costs an image."""

    rung: str
    """Its id."""
    title: str
    """As printed."""
    reader: str
    """Id of the few-shot arm that reads it, whether it was run or not."""
    parameters: int
    """Of all networks in memory."""
    weights_mib: float
    """On disk."""
    multiply_adds: int
    """Of one image."""
    peak_mib: float
    """Of memory, beyond what was there before."""
    ms_per_image: float
    """Median over passes."""
    device: str
    """Where it was measured."""


class InstanceSynthesisReport(Report):
    """The report's records, with pictures of what is generated and trained on."""

    repainted: tuple[RepaintedSample, ...] = ()
    """Instances as each generator repaints them."""
    focused: tuple[InstanceSample, ...] = ()
    """Focused crops as a segmenter is trained on them."""
    ladder: tuple[RungCost, ...] = ()
    """The ladder of sizes, from the whole pipeline down."""
