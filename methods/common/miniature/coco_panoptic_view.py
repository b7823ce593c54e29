"""The miniature world as COCO's panoptic data set: the scenes of the view as ADE20K with a segment for each object, some of them crowds.

Imports nothing heavy, so that plans can be made from it; ``coco_panoptic_drawing.py`` draws.
"""

from pydantic import Field

from methods.common.miniature.stuff_scenes import StuffScenesConfig, thing_plans
from methods.common.stage import Context, Inputs, Record, Stage


class DrawCocoPanopticConfig(StuffScenesConfig):
    """Size and looks of the data set."""

    crowd_share: float = Field(default=0.25, ge=0, le=1)
    """Share of the images with several objects of a class in which these are one segment, a crowd."""


def draw_coco_panoptic(inputs: Inputs, config: DrawCocoPanopticConfig, context: Context) -> Record:
    """Draw ``{train,val}2017`` and their records in ``annotations`` below ``context.out``.

    Records are ``panoptic_*.json`` with a folder of segment maps, ``instances_*.json`` and ``captions_*.json``, with COCO's keys; ids of
    categories have gaps as there. The scenes are those that ``draw_ade20k`` draws with the same seed and settings.

    Returns:
        numbers of images, classes, segments and crowds.
    Source: our choice; layout of COCO 2017.
    """
    from methods.common.miniature.coco_panoptic_drawing import draw_splits

    return draw_splits(config, thing_plans(config, context.seeds), context)


DRAW_COCO_PANOPTIC: Stage[DrawCocoPanopticConfig] = Stage(
    "draw_coco_panoptic", 1, DrawCocoPanopticConfig, draw_coco_panoptic, ("data",)
)
"""Drawing the view as COCO panoptic."""
