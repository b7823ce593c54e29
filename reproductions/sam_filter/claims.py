"""What the paper on SAM-filtered masks states and prints, as typed claims and targets, and the controls that it lacks.

Two rows of the paper's Table 1 could not be read; ``targets.csv`` says of each number whether it is certain, inferred or missing.
"""

from __future__ import annotations

from reports.records import Metric, TableStyle
from reproductions.sam_filter.arms import ARMS, GeneratedPairs
from reproductions.verdicts.claims import Claim
from reproductions.verdicts.correlation import Correlated
from reproductions.verdicts.differences import Gain, GainOverAll, NoGain

METRICS = (Metric(id="miou", title="mIoU", unit="mIoU"),)
"""Percent, pooled over the evaluation images."""

STYLE = TableStyle(
    count="training_images",
    count_title="Images",
    own_iterations=True,
    generated_title="Images generated",
    earlier_title="Pre-training iterations",
    cost_note=(
        "Means over seeds. Generated and segmented images, calls and the seconds for them are those of the whole set that an arm's "
        "images are chosen from, which arms share. Seconds are those of a GPU, or of the CPU where no GPU was used. Iterations in total "
        "include the pre-training."
    ),
    marks=(
        "P paper, DD Dataset Diffusion's release, SR SegRCDB's release, VA VisualAtoms' release, MM MMSegmentation, "
        "SAM Segment Anything, D derived by arithmetic, C our choice."
    ),
)
"""Tables count the images that an arm is trained on and the iterations on them, as the paper's do."""

PILOT = "pilot"
"""Id of the points of the pilot study: a variant's mask quality on x, what training on it gives on y. Percent."""

NO_GAIN_MARGIN = 1.0
"""Points of mIoU below which a gain counts as none. The paper gives no number. Source: our choice [C D66]."""

_MIOU = ("miou",)
_SYNTHETIC = tuple(arm.id for arm in ARMS if isinstance(arm.how, GeneratedPairs) and not arm.control)

CLAIMS = (
    Claim(
        id="C1",
        wording="At equal size, the pairs that agree best with SAM train a better segmenter than random ones.",
        source="paper, Table 1",
        tests=(
            Gain("sam_10k", "random_10k", _MIOU),
            Gain("sam_20k", "random_20k", _MIOU),
            Gain("sam_30k", "random_30k", _MIOU),
        ),
        qualified_by="K1",
    ),
    Claim(
        id="C2",
        wording="The filtered half beats all generated pairs.",
        source="paper, text and Table 1",
        tests=(Gain("sam_20k", "all_40k", _MIOU),),
        qualified_by="K2",
    ),
    Claim(
        id="C3",
        wording="Pre-training on drawn shapes helps, with the filter and without.",
        source="paper, Tables 1 and 3",
        tests=(Gain("va_sam_20k", "sam_20k", _MIOU), Gain("va_all_40k", "all_40k", _MIOU)),
    ),
    Claim(
        id="C4",
        wording="Filter and pre-training together beat all pairs without pre-training.",
        source="paper, abstract",
        tests=(Gain("va_sam_20k", "all_40k", _MIOU),),
    ),
    Claim(
        id="C5",
        wording="Contours of VisualAtoms (VA) pre-train better than radial ones (RC) and than both mixed (RC+VA).",
        source="paper, Table 2",
        tests=(Gain("va_sam_20k", "rc_sam_20k", _MIOU), Gain("va_sam_20k", "rcva_sam_20k", _MIOU)),
    ),
    Claim(
        id="C6",
        wording="Noise in the pre-training masks hurts, with the same pairs to train on afterwards.",
        source="paper, Table 3",
        tests=(Gain("va_sam_20k", "va_noisy_sam_20k", _MIOU), Gain("va_all_40k", "va_noisy_all_40k", _MIOU)),
    ),
    Claim(
        id="C7",
        wording="Noise costs up to 5.43 points: clean masks and the filtered half against noisy masks and all pairs. "
        "This comparison changes two things at once, so it is not the effect of noise; C6 is.",
        source="paper, text to Table 3",
        tests=(Gain("va_sam_20k", "va_noisy_all_40k", _MIOU),),
    ),
    Claim(
        id="C8",
        wording="Pre-training on noisy masks, then the filtered half, is no better than no pre-training.",
        source="follows from Tables 1 and 3, one cell inferred",
        tests=(NoGain("va_noisy_sam_20k", "sam_20k", "miou", NO_GAIN_MARGIN),),
    ),
    Claim(
        id="C9",
        wording="Real photographs beat every synthetic arm.",
        source="paper, Tables 1 to 3",
        tests=(GainOverAll("sbd", _SYNTHETIC, "miou", "synthetic arms"),),
        qualified_by="K9",
    ),
    Claim(
        id="C10",
        wording="Variants with better masks train better segmenters (pilot study).",
        source="paper, pilot figure, no coefficient printed",
        tests=(Correlated(PILOT, "mask quality", "mIoU after training"),),
    ),
    Claim(
        id="K1",
        wording="The filter's gain is more than what its class mix brings.",
        source="ours",
        tests=(Gain("sam_20k", "random_same_mix_20k", _MIOU),),
        control=True,
    ),
    Claim(
        id="K2",
        wording="The filtered half beats all pairs when both are trained for the same iterations.",
        source="ours",
        tests=(Gain("sam_20k_equal_iterations", "all_40k", _MIOU),),
        control=True,
    ),
    Claim(
        id="K3",
        wording="The filtered half beats a random half when both are trained as long as all pairs.",
        source="ours",
        tests=(Gain("sam_20k_equal_iterations", "random_20k_equal_iterations", _MIOU),),
        control=True,
    ),
    Claim(
        id="K4",
        wording="Training a random half for twice as long does not replace the filter.",
        source="ours",
        tests=(Gain("sam_20k", "random_20k_equal_iterations", _MIOU),),
        control=True,
    ),
    Claim(
        id="K5",
        wording="Ranking apart for each number of classes beats one ranking of all.",
        source="ours",
        tests=(Gain("sam_20k_stratified", "sam_20k", _MIOU),),
        control=True,
    ),
    Claim(
        id="K6",
        wording="The filter's gain survives a backbone that starts from classification (ImageNet).",
        source="ours",
        tests=(Gain("imagenet_sam_20k", "imagenet_all_40k", _MIOU),),
        control=True,
    ),
    Claim(
        id="K7",
        wording="Pre-training on drawn shapes beats a backbone that starts from classification (ImageNet).",
        source="ours",
        tests=(Gain("va_sam_20k", "imagenet_sam_20k", _MIOU),),
        control=True,
    ),
    Claim(
        id="K8",
        wording="Evaluation images inside the real training set raise its number.",
        source="ours",
        tests=(Gain("sbd_leaky", "sbd", _MIOU),),
        control=True,
    ),
    Claim(
        id="K9",
        wording="Real photographs beat every synthetic arm also when trained for as many epochs.",
        source="ours",
        tests=(GainOverAll("sbd_100_epochs", _SYNTHETIC, "miou", "synthetic arms"),),
        control=True,
    ),
    Claim(
        id="K10",
        wording="Carrying over all but the class layer beats carrying over the backbone alone.",
        source="ours",
        tests=(Gain("va_sam_20k", "va_backbone_only_sam_20k", _MIOU),),
        control=True,
    ),
)
"""C: stated by the paper. K: controls of ours."""


OWN_DATA_CLAIMS = (
    Claim(
        id="O1",
        wording="Pre-training on drawn radial contours (RC) raises mIoU over training from scratch, your pictures seen as often.",
        source="ours",
        tests=(Gain("rc", "scratch", _MIOU),),
        qualified_by="O3",
    ),
    Claim(
        id="O2",
        wording="Pre-training on drawn contours with waves (VA) raises mIoU over training from scratch, your pictures seen as often.",
        source="ours",
        tests=(Gain("va", "scratch", _MIOU),),
        qualified_by="O3",
    ),
    Claim(
        id="O3",
        wording="The gain is more than that of training on your pictures for as many iterations in total.",
        source="ours",
        tests=(Gain("rc", "scratch_longer", _MIOU), Gain("va", "scratch_longer", _MIOU)),
        control=True,
    ),
)
"""What a run on own pictures can be asked; the paper's claims need a generator."""

IMAGENET_CLAIM = Claim(
    id="O4",
    wording="Starting the encoder from ImageNet weights raises mIoU over training the same network from scratch, your pictures seen as often.",
    source="ours",
    tests=(Gain("imagenet", "scratch", _MIOU),),
)
"""What is asked beside where there is an encoder that ImageNet weights fit."""
