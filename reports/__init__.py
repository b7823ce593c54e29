"""From plain records to tables, figures and pages. Knows no paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load_results(place: str | Path = "reports/generated") -> pd.DataFrame:
    """Read the results of every report below a folder into one frame, a row a seed; see :func:`reports.results.load_results`."""
    from reports import results  # pandas takes a second to load, and planning imports this package

    return results.load_results(place)
