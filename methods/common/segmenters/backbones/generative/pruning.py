"""Smaller U-Nets: fewer layers a block, no block in the middle, fewer heads; and the weights that one takes from its larger original.

Source: InstSynth section 6.2, items 4 and 5.
"""

from __future__ import annotations

import copy
import re

from methods.common.segmenters.backbones.generative.extractor import Extractor
from methods.common.segmenters.backbones.generative.loading import copy_weights, strongest_heads
from methods.common.segmenters.backbones.generative.networks import narrow_attention

_UP_LAYER = re.compile(r"(up_blocks\.\d+\.(?:resnets|attentions)\.)(\d+)")


def take_from_larger(student: Extractor, teacher: Extractor) -> None:
    """Fill an extractor of fewer layers or heads with what remains of a larger one, in place, text and autoencoder included.

    Of a block's layers on the way down the first stay; on the way up the first and the last, into which the same maps from the
    way down are led [C InstSynth D55]. Heads are the strongest.

    Args:
        student: of the same channels.
        teacher: its taps reach as far.
    """
    unet, kept = copy.deepcopy(teacher.unet), student.config.networks.heads_kept
    if kept < teacher.config.networks.heads_kept:
        narrow_attention(unet, strongest_heads(unet, kept / teacher.config.networks.heads_kept))
    few, many = (one.config.networks.unet.layers_per_block for one in (student, teacher))

    def place_in_teacher(name: str) -> str:
        return _UP_LAYER.sub(lambda found: f"{found[1]}{many if int(found[2]) == few else found[2]}", name)

    weights = unet.state_dict()
    copy_weights(student.unet, {name: weights[place_in_teacher(name)] for name in student.unet.state_dict()})
    copy_weights(student.vae, teacher.vae.state_dict())
    student.get_buffer("text_TD").copy_(teacher.get_buffer("text_TD"))
