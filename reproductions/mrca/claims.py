"""What the MRCA paper states and prints, as typed claims and targets, and the controls that it lacks.

The paper's text was not available in full; "poster" is the authors' NeurIPS 2025 poster.
"""

from __future__ import annotations

from reports.records import Metric
from reproductions.verdicts.claims import Claim
from reproductions.verdicts.differences import FewerObjects, Gain
from reproductions.verdicts.trends import Level, RisesFaster, Rising

METRICS = tuple(
    Metric(id=f"{name}_{kind}", title=f"{name} {kind}")
    for name in ("AP", "APr", "APc", "APf")
    for kind in ("box", "mask")
)
"""Columns of Tables 1 and 2, in their order. Percent."""

ENTROPY_CURRENT = "entropy_current"
"""Mean entropy (nats) of a round's new objects under the model that steered them, M_(r - lag)."""
ENTROPY_WARMUP = "entropy_warmup"
"""Mean entropy (nats) of the same objects under the warm-up model M_0."""

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
    ),
    Claim(
        id="C5",
        wording="The entropy of new objects under the warm-up model M_0 rises over the rounds.",
        source="poster, entropy figure",
        tests=(Rising(ENTROPY_WARMUP, "entropy under M_0", "mrca", "nats"),),
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
        wording="MRCA beats X-Paste when X-Paste's pool is cut to the same number of objects.",
        source="ours",
        tests=(Gain("mrca", "xpaste_equal_pool", (*_OVERALL, *_RARE)),),
        control=True,
    ),
    Claim(
        id="K3",
        wording="New objects get harder for M_0 faster than for the current model (the easy-to-hard reading).",
        source="ours",
        tests=(
            RisesFaster(
                ENTROPY_WARMUP,
                "entropy under M_0",
                ENTROPY_CURRENT,
                "entropy under the current model",
                "mrca",
                "nats",
            ),
        ),
        control=True,
    ),
)
"""C: stated by the paper. K: controls of ours."""


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
