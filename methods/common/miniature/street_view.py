"""The miniature street as a data set for instance segmentation, in the layout of Cityscapes.

Imports nothing heavy, so that plans can be made from it; ``street_drawing.py`` draws.
"""

from pydantic import Field

from methods.common.miniature.street_classes import StreetConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage


class DrawCityscapesConfig(Config):
    """Size and looks of the data set."""

    num_train: int = Field(default=240, ge=1)
    """Pictures of the split ``train``."""
    num_val: int = Field(default=120, ge=1)
    """Pictures of the split ``val``."""
    scene: StreetConfig = StreetConfig()
    """How a training picture looks."""
    val_evenness: float = Field(default=0.5, ge=0, le=1)
    """``scene.evenness`` in the split ``val``: its rare classes are less rare, so that their AP is a stable number."""


def draw_cityscapes(inputs: Inputs, config: DrawCityscapesConfig, context: Context) -> Record:
    """Draw ``leftImg8bit`` and ``gtFine`` below ``context.out``.

    A picture depends on the data seed, its split, its number and the looks asked for, not on how many are drawn.

    Returns:
        numbers of pictures, of instances, and of training instances by class.
    Source: our choice; layout and ids as in Cityscapes.
    """
    from methods.common.miniature.street_drawing import draw_splits

    return draw_splits(config, context)


DRAW_CITYSCAPES: Stage[DrawCityscapesConfig] = Stage(
    "draw_cityscapes", 1, DrawCityscapesConfig, draw_cityscapes, ("data",)
)
"""Drawing the street view."""
