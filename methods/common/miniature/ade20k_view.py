"""The miniature world as a data set for semantic segmentation in the layout of ADE20K's scene parsing: backgrounds are classes, some of it is void.

Imports nothing heavy, so that plans can be made from it; ``ade20k_drawing.py`` draws.
"""

from methods.common.miniature.stuff_scenes import StuffScenesConfig, thing_plans
from methods.common.stage import Context, Inputs, Record, Stage


class DrawAde20kConfig(StuffScenesConfig):
    """Size and looks of the data set."""


def draw_ade20k(inputs: Inputs, config: DrawAde20kConfig, context: Context) -> Record:
    """Draw ``images/{training,validation}``, ``annotations`` beside it, ``classes.txt`` and ``captions.jsonl`` below ``context.out``.

    Label maps hold 0 for void and class + 1 otherwise, which the first line of ``classes.txt``, ``[void]``, says.

    Returns:
        numbers of images, classes and things, and the share of pixels without a class.
    Source: our choice; layout of ADE20K's scene parsing benchmark.
    """
    from methods.common.miniature.ade20k_drawing import draw_splits

    return draw_splits(config, thing_plans(config, context.seeds), context)


DRAW_ADE20K: Stage[DrawAde20kConfig] = Stage("draw_ade20k", 1, DrawAde20kConfig, draw_ade20k, ("data",))
"""Drawing the view as ADE20K."""
