"""What the MRCA paper states and prints, as typed claims and targets, and the controls that it lacks.

The paper's text was not available in full; "poster" is the authors' NeurIPS 2025 poster.
"""

from __future__ import annotations

from reports.records import Metric
from reproductions.verdicts.claims import Claim
from reproductions.verdicts.differences import FewerObjects, Gain
from reproductions.verdicts.trends import Falling, Level, RisesFaster, Rising

METRICS = tuple(
    Metric(id=f"{name}_{kind}", title=f"{name} {kind}")
    for name in ("AP", "APr", "APc", "APf")
    for kind in ("box", "mask")
)
"""Columns of Tables 1 and 2, in their order. Percent."""

ENTROPY_CURRENT = "entropy_current"
"""Entropy (nats, mean over classes) of a guided round's new objects under the model that steered them, M_(r - lag)."""
ENTROPY_WARMUP = "entropy_warmup"
"""Of the same objects under the warm-up model M_0."""
ENTROPY_LAST = "entropy_last"
"""Of the same objects under the last model, M_R."""
UNGUIDED_WARMUP = "entropy_unguided_warmup"
"""Of their unguided twins (the same classes, prompts and noise; round 1 is its own) under M_0: a fixed model and no guidance, so it
moves with the classes of the budget alone."""
UNGUIDED_LAST = "entropy_unguided_last"
"""Of the twins under M_R."""
ENTROPY_SAME = "entropy_same"
"""Of round 1's unguided objects under M_m, by the number m of the model: the same objects, so it moves with the model alone."""

LEVEL_TOLERANCE = 0.10
"""A fitted change below 10 % of the mean entropy counts as level. The poster gives no number [C D41]."""

_OVERALL = ("AP_box", "AP_mask")
_RARE = ("APr_box", "APr_mask")

CLAIMS = (
    Claim(
        id="C1",
        wording="MRCA reaches more AP than X-Paste with a fraction of the generated objects (72k against 1200k).",
        source="poster, Tables 1 and 2",
        tests=(Gain("mrca", "xpaste", _OVERALL), FewerObjects("mrca", "xpaste")),
        qualified_by="K2",
    ),
    Claim(
        id="C2",
        wording="MRCA raises AP on rare classes over training without augmentation.",
        source="poster, Tables 1 and 2",
        tests=(Gain("mrca", "no_aug", _RARE),),
        qualified_by="K1",
    ),
    Claim(
        id="C3",
        wording="MRCA raises AP on rare classes over X-Paste.",
        source="poster, Tables 1 and 2",
        tests=(Gain("mrca", "xpaste", _RARE),),
        qualified_by="K2",
    ),
    Claim(
        id="C4",
        wording="The entropy of new objects under the current model stays level over the rounds.",
        source="poster, entropy figure",
        tests=(Level(ENTROPY_CURRENT, "entropy under the current model", "mrca", "nats", LEVEL_TOLERANCE),),
        qualified_by="K4",
    ),
    Claim(
        id="C5",
        wording="The entropy of new objects under the warm-up model M_0 rises over the rounds.",
        source="poster, entropy figure",
        tests=(Rising(ENTROPY_WARMUP, "entropy under M_0", "mrca", "nats"),),
        qualified_by="K3",
    ),
    Claim(
        id="C6",
        wording="MRCA reaches more AP than BSGAL with a fraction of the generated objects (72k against 1200k).",
        source="poster, Tables 1 and 2",
        tests=(Gain("mrca", "bsgal", _OVERALL), FewerObjects("mrca", "bsgal")),
        qualified_by="K2",
    ),
    Claim(
        id="K1",
        wording="The gain of MRCA is more than that of training for as many iterations without augmentation.",
        source="ours",
        tests=(Gain("mrca", "no_aug_double", (*_OVERALL, *_RARE)),),
        control=True,
    ),
    Claim(
        id="K2",
        wording="MRCA beats X-Paste that generates as many objects and pastes as many into an image.",
        source="ours",
        tests=(Gain("mrca", "xpaste_equal_paste", (*_OVERALL, *_RARE)),),
        control=True,
    ),
    Claim(
        id="K3",
        wording=(
            "Guided objects get harder over the rounds than their unguided twins of the same classes, for the first model and for the "
            "last (the easy-to-hard reading)."
        ),
        source="ours",
        tests=(
            RisesFaster(
                ENTROPY_WARMUP,
                "entropy under M_0",
                UNGUIDED_WARMUP,
                "the unguided twins'",
                "mrca",
                "nats",
            ),
            RisesFaster(
                ENTROPY_LAST,
                "entropy under the last model",
                UNGUIDED_LAST,
                "the unguided twins'",
                "mrca",
                "nats",
            ),
        ),
        control=True,
    ),
    Claim(
        id="K4",
        wording="The model gets surer of the same objects: the entropy of round 1's objects falls from M_0 to the last model.",
        source="ours",
        tests=(Falling(ENTROPY_SAME, "entropy of round 1's objects", "mrca", "nats"),),
        control=True,
    ),
)
"""C: stated by the paper. K: controls of ours, those of variants apart. Trends are over guided rounds, which differ by their model alone: round 1 is
unguided at lag 2, and the step from unguided to guided is no trend."""

EQUAL_LENGTH_CLAIMS = (
    Claim(
        id="K6",
        wording="MRCA beats X-Paste that trains for as many iterations.",
        source="ours",
        tests=(Gain("mrca", "xpaste_double", (*_OVERALL, *_RARE)),),
        control=True,
    ),
)
"""Asked beside a table whose X-Paste trains for fewer iterations than MRCA (Table 1)."""


def _variant_claim(id: str, wording: str, right: str) -> Claim:
    return Claim(id, wording, "ours", (Gain("mrca", right, (*_OVERALL, *_RARE)),), control=True)


VARIANT_CLAIMS = (
    Claim(
        id="K5",
        wording="MRCA beats X-Paste when X-Paste's pool alone is cut to the same number of objects.",
        source="ours",
        tests=(Gain("mrca", "xpaste_equal_pool", (*_OVERALL, *_RARE)),),
        control=True,
    ),
    _variant_claim("K11", "Entropy guidance raises AP: MRCA beats itself with plain sampling.", "mrca_no_guidance"),
    _variant_claim(
        "K12", "The direction of guidance matters: MRCA beats a shift as long in a random one.", "mrca_random_direction"
    ),
    _variant_claim("K13", "The class-wise budget raises AP: MRCA beats a uniform one.", "mrca_no_budget"),
    _variant_claim(
        "K14", "Whom the budget is for matters: MRCA beats its own numbers dealt by chance.", "mrca_shuffled_budget"
    ),
    _variant_claim("K15", "The feedback adds to the counts: MRCA beats a budget by 1/S alone.", "mrca_count_budget"),
    _variant_claim("K16", "Unique mapping raises AP: MRCA beats random draws from its pool.", "mrca_no_mapping"),
    _variant_claim("K17", "Accuracy-based resizing raises AP: MRCA beats itself without it.", "mrca_no_resizing"),
    _variant_claim("K18", "Feedback over rounds adds to feedback at once: MRCA beats one-shot feedback.", "one_shot"),
    _variant_claim(
        "K19", "MRCA beats X-Paste with as many accepted objects, and as many in an image.", "xpaste_equal_accepted"
    ),
    _variant_claim("K20", "Generated objects add to real ones: MRCA beats real copy-paste.", "real_copy_paste"),
)
"""Asked where their arms are."""


def arms_of(claim: Claim) -> set[str]:
    """Return the arms that a claim's gains compare."""
    return {arm for test in claim.tests if isinstance(test, Gain) for arm in (test.left, test.right)}


GIVEN_OBJECTS_CLAIMS = (
    Claim(
        id="O1",
        wording="Pasting the given objects raises AP over training for as many iterations without them.",
        source="ours",
        tests=(Gain("xpaste", "no_aug_double", (*_OVERALL, *_RARE)),),
    ),
    Claim(
        id="O2",
        wording="MRCA's unique mapping and size feedback raise AP over X-Paste's random pasting of the same objects.",
        source="ours",
        tests=(Gain("mrca_given_pool", "xpaste", (*_OVERALL, *_RARE)),),
    ),
)
"""What a run with given cut-outs can be asked; the paper's claims need a generator."""
