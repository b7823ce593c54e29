"""The miniature world in the layout of ImageNet-S: one object a picture, in a folder a category.

Imports nothing heavy, so that plans can be made from it; ``imagenet_s_drawing.py`` draws.
"""

from __future__ import annotations

from pydantic import Field

from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.voc_view import DrawVocConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage


class DrawImageNetSConfig(Config):
    """Size and looks of the data set."""

    num_train: int = Field(default=50, ge=1)
    """Pictures of the split ``train-semi``; categories take turns."""
    num_val: int = Field(default=100, ge=1)
    """Pictures of the split ``validation``."""
    num_categories: int = Field(default=5, ge=2, le=len(CATEGORIES))
    """How many of the world's categories occur, the first ones of its list; label 0 is other."""
    image_size_px: int = Field(default=64, ge=32, le=1024)
    """Side of a square picture."""
    border_px: int = Field(default=1, ge=0, le=5)
    """Width of the border around an object that is not rated."""

    def looks(self) -> DrawVocConfig:
        """Return how a picture looks: as one of the VOC view with a single object."""
        return DrawVocConfig(
            num_categories=self.num_categories, image_size_px=self.image_size_px, single_share=1.0, max_objects=1
        )


def draw_imagenet_s(inputs: Inputs, config: DrawImageNetSConfig, context: Context) -> Record:
    """Draw ``<split>/<category>`` and ``<split>-segmentation/<category>`` below ``context.out``.

    Categories' names stand where ImageNet-S has WordNet ids. A picture depends on the data seed, its split, its number and the looks asked
    for, not on how many are drawn; none is one of the VOC view.

    Returns:
        numbers of pictures.
    Source: our choice; layout and colours as in ImageNet-S.
    """
    from methods.common.miniature.imagenet_s_drawing import draw_splits

    return draw_splits(config, context)


DRAW_IMAGENET_S: Stage[DrawImageNetSConfig] = Stage(
    "draw_imagenet_s", 1, DrawImageNetSConfig, draw_imagenet_s, ("data",)
)
"""Drawing the ImageNet-S view."""
