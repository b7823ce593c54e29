"""All that the author of a paper needs of ``reproductions``, in one import; these names stay.

A paper in a package of its own imports from here, from ``methods.common`` and from ``reports``; CONTRIBUTING.md walks through one.
"""

from __future__ import annotations

from reports.figure import Figure
from reports.records import Metric, Report
from reproductions.harness.cell import Cell
from reproductions.requirements.need import GpuNeed, Need
from reproductions.study.arms import Arm
from reproductions.study.collector import Collector
from reproductions.study.config import StudyConfig
from reproductions.study.paper import StudiedPaper
from reproductions.study.planner import ArmCells, SeedPlanner
from reproductions.study.request import Request
from reproductions.verdicts.claims import Claim
from reproductions.verdicts.differences import Gain, GainOverAll, NoGain

__all__ = [
    "Arm",
    "ArmCells",
    "Cell",
    "Claim",
    "Collector",
    "Figure",
    "Gain",
    "GainOverAll",
    "GpuNeed",
    "Metric",
    "Need",
    "NoGain",
    "Report",
    "Request",
    "SeedPlanner",
    "StudiedPaper",
    "StudyConfig",
]
