"""What the paper and DiffuMask state and print, as typed claims and metrics, and the controls that they lack.

No table of the paper itself could be read: its three numbers on VOC are third-hand, and ``targets.csv`` says so of each.
"""

from __future__ import annotations

from reports.records import Metric, TableStyle
from reproductions.verdicts.claims import Claim
from reproductions.verdicts.correlation import Correlated
from reproductions.verdicts.differences import Gain, NoGain

VOC_CLASSES = (
    *("aeroplane", "bird", "boat", "bus", "car", "cat", "chair", "cow", "dog", "horse", "person", "sheep", "sofa"),
)
"""Classes that DiffuMask's Table 1 prints apart."""
GROUPS = ("human", "vehicle")
"""Of the street (section 9.3)."""
METRICS = (
    Metric(id="miou", title="mIoU", unit="mIoU"),
    Metric(id="mask_iou", title="IoU of masks", unit="IoU"),
    Metric(id="right_trusted", title="Trusted pixels right", unit="%"),
    Metric(id="right_distrusted", title="Distrusted pixels right", unit="%"),
    Metric(id="miou_groups", title="mIoU of 2 groups", unit="mIoU"),
    Metric(id="miou_bird_dog", title="mIoU of bird and dog", unit="mIoU"),
    *(Metric(id=f"iou_{name}", title=f"IoU {name}", unit="IoU") for name in (*VOC_CLASSES, *GROUPS, "motorbike")),
    Metric(id="miou_seen", title="mIoU seen", unit="mIoU"),
    Metric(id="miou_unseen", title="mIoU unseen", unit="mIoU"),
    Metric(id="harmonic", title="Harmonic mean", unit="mIoU"),
    Metric(id="miou_3_classes", title="mIoU of 3 classes", unit="mIoU"),
    Metric(id="protocol_iou", title="IoU of masks, foreground", unit="IoU"),
    Metric(id="protocol_pooled_iou", title="Pooled IoU of masks", unit="IoU"),
    Metric(id="miou_19", title="mIoU of 19 classes", unit="mIoU"),
    Metric(id="miou_imagenet_s", title="mIoU, ImageNet-S", unit="mIoU"),
    Metric(id="boundary_miou", title="Boundary mIoU", unit="mIoU"),
    Metric(id="accuracy", title="Category found", unit="%"),
)
"""Percent. mIoU over 21 classes, pooled over the evaluation images; street arms have the mean of 2 groups or of 19 classes instead. The masks of an arm's pictures are compared with those that a cut-out network
makes of the same pictures (section 9.4): mean over foreground classes; the shares of pixels are of these pictures, background included. The
mean of 3 classes is of networks that know these and background, and leaves background out."""

STYLE = TableStyle(
    count="training_images",
    count_title="Images",
    own_iterations=True,
    generated_title="Images generated",
    earlier_title="Earlier iterations",
    cost_note=(
        "Means over seeds. Generated images, calls and the seconds for them are those of the whole set that an arm's images are chosen from, "
        "which arms share. Seconds are those of a GPU, or of the CPU where no GPU was used. A step of two networks counts as one iteration."
    ),
    marks=(
        "P the authors' own text, code released code, DM DiffuMask's project page, R a re-implementation in the OVAM project, "
        "S third-party summaries, C our choice."
    ),
)
"""Tables count the images that an arm is trained on and the iterations on them."""

MASK_NOISE = "masks"
"""Id of the points of masks: their IoU on x, what one network trained on them reaches on y. Percent."""
NO_GAIN_MARGIN = 1.0
"""Points of mIoU below which a gain counts as none. No source gives a number. [C D50]"""
_MIOU = ("miou",)

CLAIMS = (
    Claim(
        id="C1",
        wording="More generated images train a better segmenter.",
        source="Attn2mask, third-party summary",
        tests=(Gain("plain", "plain_2k", _MIOU),),
    ),
    Claim(
        id="C2",
        wording="Reliability-aware co-training beats plain training on the same images.",
        source="Attn2mask, abstract",
        tests=(Gain("robust", "plain", _MIOU),),
        qualified_by="K1",
    ),
    Claim(
        id="C3",
        wording="Synonyms and hyponyms in the prompts help at the same number of images.",
        source="Attn2mask, abstract",
        tests=(Gain("robust", "robust_self", _MIOU),),
    ),
    Claim(
        id="C4",
        wording="Fine-tuning on a part of the real images after DiffuMask's beats all generated ones alone.",
        source="DiffuMask, Table 1",
        tests=(Gain("diffumask_then_real", "diffumask", _MIOU),),
        qualified_by="K6",
    ),
    Claim(
        id="K1",
        wording="Co-training beats one network trained for twice the iterations.",
        source="ours",
        tests=(Gain("robust", "plain_twice", _MIOU),),
        control=True,
    ),
    Claim(
        id="K2",
        wording="The labels of the other network add something to trusted labels alone.",
        source="ours",
        tests=(Gain("robust", "mask_only", _MIOU),),
        control=True,
    ),
    Claim(
        id="K3",
        wording="Which pixels are trusted matters: margins beat a random choice of as many.",
        source="ours",
        tests=(Gain("robust", "robust_random_trust", _MIOU),),
        control=True,
    ),
    Claim(
        id="K4",
        wording="With better masks of the same pictures one network gains: the masks hold it back, not only the pictures.",
        source="ours",
        tests=(Gain("plain_oracle", "plain", _MIOU),),
        control=True,
    ),
    Claim(
        id="K5",
        wording="On good masks co-training is no better than plain training.",
        source="ours",
        tests=(NoGain("robust_oracle", "plain_oracle", "miou", NO_GAIN_MARGIN),),
        control=True,
    ),
    Claim(
        id="K6",
        wording="Generated images before the part of the real ones beat that part alone.",
        source="ours; the row that DiffuMask's Table 1 lacks for ResNet-50",
        tests=(Gain("diffumask_then_real", "real_5k", _MIOU),),
        control=True,
    ),
    Claim(
        id="K7",
        wording="Better masks train better segmenters.",
        source="ours",
        tests=(Correlated(MASK_NOISE, "IoU of masks", "mIoU after training"),),
        control=True,
    ),
    Claim(
        id="K8",
        wording="Co-training also beats plain training on the smallest set.",
        source="ours",
        tests=(Gain("robust_2k", "plain_2k", _MIOU),),
        control=True,
    ),
    Claim(
        id="K11",
        wording="The half whose masks agree best with a prompter's trains a better segmenter than a random half.",
        source="ours; the SAM filter of another paper",
        tests=(Gain("plain_sam_filter", "plain_random_half", _MIOU),),
        control=True,
    ),
    Claim(
        id="C5",
        wording="LoRA brings a distant domain nearer: a segmenter trained on pictures of the adapted generator does better on the street.",
        source="Attn2mask, abstract",
        tests=(Gain("street_adapted", "street_as_is", ("miou_groups",)),),
    ),
    Claim(
        id="K12",
        wording="LoRA makes better masks of the same prompts and seeds, not only nearer pictures.",
        source="ours; section 7 asks for it",
        tests=(Gain("street_adapted", "street_as_is", ("mask_iou",)),),
        control=True,
    ),
    Claim(
        id="K9",
        wording="Tags of the pictures that a generator is adapted to add to adapting without labels.",
        source="ours",
        tests=(Gain("street_adapted_tags", "street_adapted", ("miou_groups",)),),
        control=True,
    ),
    Claim(
        id="K10",
        wording="Noise learning keeps better masks than a random choice of as many.",
        source="ours",
        tests=(Gain("diffumask", "diffumask_pruned_random", ("mask_iou",)),),
        control=True,
    ),
    Claim(
        id="K13",
        wording="On Cityscapes, real pictures of ADE20K teach more of car, person and motorbike than DiffuMask's.",
        source="ours; DiffuMask, Table 5 prints 60.1 and 59.4; tier mini does not run it",
        tests=(Gain("generalise_ade20k_to_cityscapes", "generalise_diffumask_to_cityscapes", ("miou_3_classes",)),),
        control=True,
    ),
)
"""C: stated. K: controls of ours."""
OF_DIFFUMASK = ("C4", "K6", "K10")
"""What the arms of DiffuMask alone can answer."""
