"""The miniature world as a data set for semantic segmentation, in the layout of PASCAL VOC 2012.

Imports nothing heavy, so that plans can be made from it; ``voc_drawing.py`` draws.
"""

from pydantic import Field, model_validator

from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.world_config import SceneConfig
from methods.common.stage import Config, Context, Inputs, Record, Stage


class DrawVocConfig(Config):
    """Size and looks of the data set."""

    num_train: int = Field(default=400, ge=1)
    """Images of the lists ``train`` and ``trainaug``, which are the same here."""
    num_val: int = Field(default=200, ge=1)
    """Images of the list ``val``."""
    num_categories: int = Field(default=9, ge=2, le=len(CATEGORIES))
    """How many of the world's categories occur, the first ones of its list; label 0 is background. Any nine hold all shapes."""
    image_size_px: int = Field(default=64, ge=32, le=1024)
    """Side of a square image."""
    single_share: float = Field(default=0.6, ge=0, le=1)
    """Share of the images with one large object."""
    max_objects: int = Field(default=3, ge=1, le=4)
    """The other images show two to this many objects, all of them numbers equally likely; 1 makes every image a single one."""
    repeat_share: float = Field(default=0.15, ge=0, le=1)
    """Probability that an object beside the first is of the first one's class."""
    min_single_radius: float = Field(default=0.27, gt=0, lt=0.5)
    """Half the extent of a single object at least, as a share of the side."""
    max_single_radius: float = Field(default=0.4, gt=0, lt=0.5)
    """Half the extent of a single object at most, as a share of the side."""
    min_crowded_radius: float = Field(default=0.15, gt=0, lt=0.5)
    """Half the extent of one of several objects at least, as a share of the side."""
    max_crowded_radius: float = Field(default=0.3, gt=0, lt=0.5)
    """Half the extent of one of several objects at most, as a share of the side."""
    border_px: int = Field(default=1, ge=0, le=5)
    """Width of the border around each object that is labelled 255 and not rated, as in VOC."""

    @model_validator(mode="after")
    def _radii_in_order(self) -> "DrawVocConfig":
        for kind in ("single", "crowded"):
            if getattr(self, f"max_{kind}_radius") < getattr(self, f"min_{kind}_radius"):
                raise ValueError(f"max_{kind}_radius is below min_{kind}_radius")
        return self

    def scene(self, num_objects: int) -> SceneConfig:
        """Return how images with this many objects look."""
        side, single = self.image_size_px, num_objects == 1
        low, high = (
            (self.min_single_radius, self.max_single_radius)
            if single
            else (self.min_crowded_radius, self.max_crowded_radius)
        )
        return SceneConfig(
            height_px=side,
            width_px=side,
            min_radius_px=max(3.0, low * side),
            max_radius_px=max(3.0, high * side),
            smallness=1.0,
            inset=1.15 if single else 0.8,
        )


def draw_voc(inputs: Inputs, config: DrawVocConfig, context: Context) -> Record:
    """Draw ``JPEGImages``, ``SegmentationClass``, ``ImageSets/Segmentation`` and ``classes.txt`` below ``context.out``.

    The images are PNG files in spite of their folder's name: at this size JPEG would blur what tells classes apart. An
    image depends on the data seed, its split, its number and the looks asked for, not on how many are drawn.

    Returns:
        numbers of images and objects.
    Source: our choice; layout as in VOC 2012.
    """
    from methods.common.miniature.voc_drawing import draw_splits

    return draw_splits(config, context)


DRAW_VOC: Stage[DrawVocConfig] = Stage("draw_voc", 1, DrawVocConfig, draw_voc, ("data",))
"""Drawing the VOC view."""
