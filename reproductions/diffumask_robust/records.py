"""Records that only the report of the robust training has."""

from __future__ import annotations

from reports.records import Report


class DiffuMaskRobustReport(Report):
    """The report's records, with what only this paper has."""
