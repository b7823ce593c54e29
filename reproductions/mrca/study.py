"""The complete typed config of one table at one tier, and the functions that return them.

``smoke`` and ``mini`` differ from ``paper`` in sizes, step counts and checkpoint places, never in code path.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from methods.common.miniature.lvis_view import DrawLvisConfig
from methods.common.segmenters.centernet2.config import CenterNet2Config
from methods.common.segmenters.centernet2.presets import centernet2_miniature, centernet2_r50, centernet2_swinl
from methods.common.stage import Config
from methods.common.training.recipe import TrainingRecipe
