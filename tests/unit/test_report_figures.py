"""Figures reach the file as they were drawn."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reports.figures import DPI, drawing, save_figure


@pytest.mark.parametrize("width_px", [979, 980, 981, 1003])
def test_a_vertical_line_stays_vertical_at_any_width(tmp_path: Path, width_px: int) -> None:
    with drawing(270 / DPI, width_px / DPI) as figure:
        figure.set_layout_engine("none")
        panel = figure.add_axes((0, 0, 1, 1))
        panel.axvline(0.5, color="black", linewidth=3)
        panel.set_axis_off()
        save_figure(figure, tmp_path / "line.png")
    dark = np.asarray(Image.open(tmp_path / "line.png").convert("L")) < 64
    columns = [int(np.flatnonzero(row).mean()) for row in dark[20:-20]]
    assert max(columns) - min(columns) <= 1
