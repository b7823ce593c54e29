"""What tiers smoke and mini do differently, the last part of the deviation ledger."""

from __future__ import annotations

from reports.records import Deviation, Tier

_SMALL: tuple[Tier, ...] = ("smoke", "mini")

SMALL_TIERS = (
    Deviation(
        id="D43",
        what="Data",
        stated="LVIS v1, 1203 classes [P]",
        ours="a drawn miniature world in the LVIS layout, long-tailed, groups by LVIS' rule",
        mark="C",
        reason="runs on two CPU cores in minutes; absolute AP means nothing beside the paper's",
        tiers=_SMALL,
    ),
    Deviation(
        id="D44",
        what="Segmenter",
        stated="CenterNet2 with ResNet-50 or Swin-L at 640 or 896 px [R]",
        ours="the same CenterNet2 code at a miniature size, short schedule",
        mark="C",
        reason="CPU minutes",
        tiers=_SMALL,
    ),
    Deviation(
        id="D45",
        what="Generator",
        stated="Stable Diffusion 3 (MRCA), 30 steps [R]; Stable Diffusion 1.5, 50 steps (X-Paste) [B]",
        ours="one miniature Stable Diffusion for all arms, 10 DPM-Solver steps, guided steps at the same share",
        mark="C",
        reason="CPU minutes; one generator for all arms removes a difference that the paper leaves in",
        tiers=_SMALL,
    ),
    Deviation(
        id="D46",
        what="Start and length of training",
        stated="X-Paste R50 90k from ImageNet weights (inferred), MRCA 90k more after its warm-up [R][B]",
        ours="every augmenting arm starts from the same warm-up M_0 and trains the same number of further iterations",
        mark="C",
        reason="equal iterations: otherwise the schedule is compared, not the augmentation",
        tiers=_SMALL,
    ),
    Deviation(
        id="D47",
        what="Data seed",
        stated="one data set",
        ours="one miniature data set for all seeds; seeds vary generation and training",
        mark="C",
        reason="as in the paper, the data set is given; intervals do not cover other data sets",
        tiers=_SMALL,
    ),
    Deviation(
        id="D48",
        what="Cutting in X-Paste",
        stated="four networks, best CLIP score wins [B]",
        ours="one cut-out network, as for MRCA",
        mark="C",
        reason="the four networks are separate downloads without a maintained loader; with one cutter the pools differ by number and choice only",
        arms=("xpaste", "xpaste_equal_pool"),
    ),
    Deviation(
        id="D49",
        what="CLIP threshold",
        stated="25 (MRCA) [R], 21 (X-Paste) [B], on CLIP ViT-L/14",
        ours="recalibrated for the miniature CLIP",
        mark="C",
        reason="scores of another CLIP have another scale",
        tiers=_SMALL,
    ),
    Deviation(
        id="D50",
        what="Number of objects in X-Paste's pool",
        stated="1200k, about 17 times MRCA's 72k [P]",
        ours="several times MRCA's number; both are in the cost table",
        mark="C",
        reason="CPU minutes",
        tiers=_SMALL,
        arms=("xpaste",),
    ),
    Deviation(
        id="D51",
        what="Sizes in pixels, and objects per image in X-Paste",
        stated="limits of 5, 10 and 300 px at 640 px, image scale 0.1 to 2.0, 0 to 19 objects [R][B]",
        ours="limits for 64 px crops (5 and 8 px sides, 2 px box tolerance, 25 px visible), image scale 1.0 to 1.5, "
        "0 to 5 objects",
        mark="C",
        reason="a 64 px crop holds fewer and smaller objects",
        tiers=_SMALL,
    ),
    Deviation(
        id="D52",
        what="Training recipe",
        stated="AdamW 1e-4, warm-up 10,000, repeat threshold 0.001, EMA 0.999 [R]",
        ours="AdamW 3e-3 from random weights, warm-up of 50 steps, repeat threshold scaled so that classes below 100 images "
        "repeat as in LVIS, EMA 0.99 with a warm-up of its decay",
        mark="C",
        reason="hundreds of iterations instead of 90,000",
        tiers=_SMALL,
    ),
    Deviation(
        id="D53",
        what="Held-out share for the feedback",
        stated="nothing",
        ours="15 % of the 600 training images instead of 5 %",
        mark="C",
        reason="5 % would be 30 images, too few for any class accuracy",
        tiers=_SMALL,
        arms=("mrca",),
    ),
    Deviation(
        id="D54",
        what="Training images of all arms",
        stated="the whole training set",
        ours="the training set without the held-out part, for every arm",
        mark="C",
        reason="arms must differ by their augmentation alone",
    ),
)
