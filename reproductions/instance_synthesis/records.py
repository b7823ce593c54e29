"""Records that only the report of instance synthesis has."""

from __future__ import annotations

from reports.records import Report
from reports.samples import InstanceSample, RepaintedSample


class InstanceSynthesisReport(Report):
    """The report's records, with pictures of what is generated and trained on."""

    repainted: tuple[RepaintedSample, ...] = ()
    """Instances as each generator repaints them."""
    focused: tuple[InstanceSample, ...] = ()
    """Focused crops as a segmenter is trained on them."""
