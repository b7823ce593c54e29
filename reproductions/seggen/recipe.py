"""The complete typed config of all tables at one tier, and the functions that return them.

``smoke`` and ``mini`` differ from ``paper`` in sizes, step counts, checkpoint places and the parts that the ledger names. Values
without a mark here are those of the specification; the ledger's entries for the small tiers say what differs there.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from methods.common.segmenters.semantic.augmentation_config import PhotometricConfig, SemanticAugmentConfig
from methods.common.segmenters.semantic.segmenters import SegmenterConfig
from methods.common.stages.evaluate_semantic import EvaluateSemanticConfig
from methods.common.training.poly_recipe import PolyRecipe
from methods.seggen.mask2img.config import Mask2ImgTrainingConfig
from methods.seggen.mixing_config import Mixing
from methods.seggen.moved_masks import Move
from methods.seggen.sampling.config import PaintImagesConfig, SampleMasksConfig
from methods.seggen.stages.captions import CaptionsConfig
from methods.seggen.text2mask.config import Text2MaskTrainingConfig
from reproductions.study.config import StudyConfig


class SeggenStudy(StudyConfig):
    """Everything behind the tables of one segmenter."""
