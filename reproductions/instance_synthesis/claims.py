"""What the paper and its companion state and print, as typed claims and metrics, and the controls that both lack."""

from __future__ import annotations

from reports.records import Metric, TableStyle
from reproductions.instance_synthesis.arms import PERCENTS, limited
from reproductions.instance_synthesis.back_ends import GENERATORS
from reproductions.instance_synthesis.branch_b_metrics import FEW_SHOT_METRICS
from reproductions.verdicts.claims import Claim
from reproductions.verdicts.differences import Gain, NoGain

CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
"""That the evaluation counts, in the order of the companion's Table I; section 9.1."""
ACCURACY = ("AP", "AP50")
"""By Cityscapes' definition (section 9.2), percent."""
PANOPTIC = ("PQ", "IoU")
"""Of networks that know stuff (section 9.5), percent."""
QUALITY = ("clip_image_similarity", "FID", "SSIM", "PSNR")
"""Of generated crops beside the real ones (sections 9.3 and 9.4), before pasting."""
METRICS: tuple[Metric, ...] = (
    *(Metric(id=name, title=name, unit=name) for name in PANOPTIC),
    Metric(id="AP", title="AP"),
    Metric(id="AP50", title="AP50"),
    *FEW_SHOT_METRICS,
    Metric(id="clip_image_similarity", title="CLIPScore (image to image)", unit=""),
    Metric(id="FID", title="FID", unit=""),
    Metric(id="SSIM", title="SSIM", unit=""),
    Metric(id="PSNR", title="PSNR", unit=""),
    *(Metric(id=f"instances_{name}", title=name, unit="", decimals=0) for name in (*CLASSES, "total")),
)
"""Columns of all tables."""

STYLE = TableStyle(
    count="training_images",
    count_title="Images",
    generated_title="Crops generated",
    cost_note=(
        "Means over seeds. Crops, calls and seconds are what the arm needs by itself, also where arms share work; a share of the real "
        "images needs that share of the crops."
    ),
    marks=(
        "AAAI25 the paper, MAPR24 its companion, code their release, FI FastInst, OF OneFormer, CS cityscapesScripts, C our choice."
    ),
)
"""Tables count the images that an arm is trained on."""

BASELINES: dict[str, tuple[str, ...]] = {arm: ("real", "published") for arm in GENERATORS}
"""Rows whose gain is over a baseline: the paper's own, and the published one behind it. Where one of these misses its printed number by more
than seed noise, no gain above it is comparable."""

EQUAL_MARGIN = 1.0
"""Points of AP below which one back end is no better than another; the paper's three lie within 1.64 of each other. [C D34]"""
_AP = ("AP",)


def _over(other: str, metrics: tuple[str, ...] = ACCURACY) -> tuple[Gain, ...]:
    return tuple(Gain(arm, other, metrics) for arm in GENERATORS)


CLAIMS = (
    Claim(
        id="C1",
        wording="Adding images with instances that blended diffusion repainted raises AP and AP50 over real images alone.",
        source="AAAI25, Table 2",
        tests=(Gain("blended", "real", ACCURACY),),
        qualified_by="K1",
    ),
    Claim(
        id="C2",
        wording="It does so with each of the three generators.",
        source="MAPR24, Tables II and III",
        tests=_over("real"),
        qualified_by="K2",
    ),
    Claim(
        id="C3",
        wording="Blended diffusion gives the highest AP of the three generators.",
        source="MAPR24, Tables II and III",
        tests=(Gain("blended", "inpainting", _AP), Gain("blended", "gligen", _AP)),
    ),
    Claim(
        id="C4",
        wording="Crops of blended diffusion are the most similar to the real ones, those of GLIGEN the least (CLIP, image to image).",
        source="AAAI25, Table 1",
        tests=(
            Gain("blended", "inpainting", ("clip_image_similarity",)),
            Gain("inpainting", "gligen", ("clip_image_similarity",)),
        ),
    ),
    Claim(
        id="C5",
        wording="FID is highest for GLIGEN and lowest for blended diffusion.",
        source="AAAI25, Table 1",
        tests=(Gain("gligen", "inpainting", ("FID",)), Gain("inpainting", "blended", ("FID",))),
    ),
    Claim(
        id="C6",
        wording="The smaller crop raises the baseline's AP and AP50.",
        source="MAPR24, Table II",
        tests=(Gain("real", "real_large_crop", ACCURACY),),
    ),
    Claim(
        id="K1",
        wording="Blended diffusion gains more than the zoom does: it beats the same focused crops of untouched images.",
        source="ours",
        tests=(Gain("blended", "zoom", ACCURACY),),
        control=True,
    ),
    Claim(
        id="K2",
        wording="Every generator gains more than the zoom does.",
        source="ours",
        tests=_over("zoom"),
        control=True,
    ),
    Claim(
        id="K3",
        wording="The zoom alone, nothing generated, raises AP and AP50 over real images.",
        source="ours",
        tests=(Gain("zoom", "real", ACCURACY),),
        control=True,
    ),
    Claim(
        id="K4",
        wording="Copied real instances add to the zoom.",
        source="ours",
        tests=(Gain("copy_paste", "zoom", ACCURACY),),
        control=True,
    ),
    Claim(
        id="K5",
        wording="Every generator beats copied real instances.",
        source="ours",
        tests=_over("copy_paste", _AP),
        control=True,
    ),
    Claim(
        id="K6",
        wording="Twice as many focused crops of untouched images are better than the paper's number of them.",
        source="ours",
        tests=(Gain("zoom_doubled", "zoom", ACCURACY),),
        control=True,
    ),
    Claim(
        id="K7",
        wording="The choice of the generator does not matter: none is ahead of another by a point of AP.",
        source="ours, from MAPR24, Tables II and III",
        tests=tuple(
            NoGain(left, right, "AP", EQUAL_MARGIN) for left in GENERATORS for right in GENERATORS if left != right
        ),
        control=True,
    ),
    Claim(
        id="K8",
        wording="With fewer real images, too, blended diffusion gains more than the zoom does.",
        source="ours",
        tests=tuple(Gain(limited("blended", p), limited("zoom", p), _AP) for p in PERCENTS),
        control=True,
    ),
    Claim(
        id="K9",
        wording="With fewer real images, too, the zoom alone raises AP.",
        source="ours",
        tests=tuple(Gain(limited("zoom", p), limited("real", p), _AP) for p in PERCENTS),
        control=True,
    ),
    Claim(
        id="K10",
        wording="All of the paper's repainted crops are better than as many as there are real images.",
        source="ours",
        tests=(Gain("blended", "blended_half", ACCURACY),),
        control=True,
    ),
    Claim(
        id="K11",
        wording="At half of the training images, too, blended diffusion gains more than the zoom does.",
        source="ours",
        tests=(Gain("blended_half", "zoom_half", ACCURACY),),
        control=True,
    ),
    Claim(
        id="K12",
        wording="The recipe of the segmenter's own paper beats the baseline that the gains are added to.",
        source="ours, from MAPR24, Table II",
        tests=(Gain("published", "real", ACCURACY),),
        control=True,
    ),
)
"""C: stated by the paper or its companion. K: controls of ours; K1 is the decisive one."""
OF_FASTINST = ("C6",)
"""Claims on rows that are printed of FastInst alone."""

OWN_DATA_CLAIMS = (
    Claim(
        id="O1",
        wording="Adding images with repainted instances raises AP and AP50 over your images alone.",
        source="ours",
        tests=(Gain("inpainting", "real", ACCURACY),),
        qualified_by="O2",
    ),
    Claim(
        id="O2",
        wording="Repainting gains more than the zoom does: it beats the same focused crops of untouched images.",
        source="ours",
        tests=(Gain("inpainting", "zoom", ACCURACY),),
        control=True,
    ),
    Claim(
        id="O3",
        wording="Copied instances add to the zoom.",
        source="ours",
        tests=(Gain("copy_paste", "zoom", ACCURACY),),
        control=True,
    ),
)
"""What a run on own data can be asked."""
