"""What the study of every paper has, whatever it trains."""

from __future__ import annotations

from pydantic import Field

from methods.common.stage import Config

BACKBONE = "backbone"
"""The setting that says which segmenter is trained: it chooses among a paper's recipes."""


class StudyConfig(Config):
    """Everything behind the tables of one paper at one tier; a recipe is a function that returns a complete one.

    ``expected_*`` are rough figures of one process, only for the order of work, the time left and the room on disk.
    """

    backbone: str
    """Which segmenter, as reports call it; one of the paper's ``backbones``."""
    num_workers: int = Field(default=0, ge=0)
    """Processes that prepare images for one training."""
    num_samples: int = Field(default=0, ge=0)
    """Training images kept as pictures for the report, for each training of the first seed."""
    expected_step_s: float = Field(default=0.5, gt=0)
    """Seconds an iteration of training."""
    expected_evaluate_s: float = Field(default=120.0, gt=0)
    """Seconds of an evaluation."""
    expected_image_s: float = Field(default=5.0, gt=0)
    """Seconds to generate an image."""
    expected_image_kb: float = Field(default=120.0, gt=0)
    """Size of a generated image with what belongs to it."""
    expected_model_mb: float = Field(default=180.0, gt=0)
    """Size of a segmenter."""
