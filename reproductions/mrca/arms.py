"""The arms: rows of the tables, and the controls that the paper lacks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from reproductions.study.arms import Arm


@dataclass(frozen=True)
class RealOnly:
    """Trains on real images."""

    double: bool = False
    """Warm-up, then as many further iterations as MRCA; else the "No Aug." row's length."""


@dataclass(frozen=True)
class RandomPasting:
    """X-Paste: a pool made at once, objects drawn at random."""

    equal_pool: bool = False
    """Only as many generated objects as MRCA has in all rounds."""
    equal_accepted: bool = False
    """Only as many objects in the pool as MRCA's filter accepts in all rounds."""
    equal_paste: bool = False
    """As many objects into an image as MRCA pastes."""
    from_warm_up: bool = False
    """From M_0 on, so as long as MRCA in all, also where the recipe has X-Paste start from pretrained weights."""
    real_objects: bool = False
    """The training set's own instances instead of generated ones."""
    gate: GateKind | None = None
    """How BSGAL judges each pasted batch: by the study's threshold, by a running one or by a trial step; None: every batch is trained on."""
    closest_only: bool = False
    """Only objects that resemble their class: X-Paste + CLIP, a stand-in."""
    with_real_images: bool = False
    """Option "both": instances of other real images are pasted beside the generated objects."""


@dataclass(frozen=True)
class Rounds:
    """MRCA: rounds whose objects are mapped and resized by feedback. Each of its four ideas can be taken away."""

    given_pool: bool = False
    """Nothing is generated: budget and guidance have nothing to act on."""
    budget: Literal["feedback", "uniform", "shuffled", "inverse_count"] = "feedback"
    """Idea 1: who gets how many objects. Instead: all the same, the feedback's numbers dealt by chance, or by 1/S alone."""
    guidance: Literal["entropy", "random", "none"] = "entropy"
    """Idea 2: where the latents go. Instead: as far in a random direction, or nowhere."""
    unique_mapping: bool = True
    """Idea 3: every object once before any again. Instead: random draws from the pool."""
    resizing: bool = True
    """Idea 4: larger where accuracy is low. Instead: every class at its own size."""
    lag: Literal[1, 2] | None = None
    """Round r is steered by M_(r - lag); None: as the study says."""
    real_counts: bool = False
    """S counts real instances only."""
    feedback: Literal["heldout", "val"] = "heldout"
    """Which images give accuracies: those held out, or the evaluation split, as measured, as the release has it."""
    as_released: bool = False
    """With the released code's own formulas and faults, all at once."""
    one_shot: bool = False
    """All objects at once, guided by M_0 alone (feedback-guided synthesis), and one round as long as all."""


@dataclass(frozen=True)
class DiverGen:
    """DiverGen: more classes, prompts and generators; objects drawn at random."""


GateKind = Literal["own", "running", "trial_step"]
"""BSGAL's ways of judging a batch."""
How = RealOnly | RandomPasting | Rounds | DiverGen
Brings = Literal["generator", "given objects"]
"""Where objects come from."""

ROUNDS, GENERATED, RANDOM_POOL, GATED, DIVERSE_POOL = (
    "rounds",
    "generated_rounds",
    "xpaste_pool",
    "gated",
    "divergen_pool",
)
"""Topics of the ledger: rounds with feedback; rounds that generate their objects; X-Paste's pool; BSGAL's gate; DiverGen's pool."""


def _variant(id: str, title: str, what: str, how: Rounds) -> Arm[How]:
    """MRCA with something else in one place or several."""
    topics = frozenset({ROUNDS, GENERATED})
    return Arm(id, title, what, how, control=True, group="variant", topics=topics, extra=True)


_NO_IDEA = Rounds(budget="uniform", guidance="none", unique_mapping=False, resizing=False)

LESS_ONE = (
    _variant("mrca_no_budget", "MRCA less its budget", "Every class gets the same number.", Rounds(budget="uniform")),
    _variant("mrca_no_guidance", "MRCA less its guidance", "Plain sampling.", Rounds(guidance="none")),
    _variant("mrca_no_mapping", "MRCA less its mapping", "Objects are drawn at random.", Rounds(unique_mapping=False)),
    _variant("mrca_no_resizing", "MRCA less its resizing", "Every class at its own size.", Rounds(resizing=False)),
)
"""Each of the four ideas taken away."""

ONLY_ONE = (
    _variant("rounds_alone", "Rounds alone", "Rounds without any of the four ideas.", _NO_IDEA),
    _variant(
        "rounds_budget",
        "Rounds with the budget",
        "Of the four ideas, the budget alone.",
        replace(_NO_IDEA, budget="feedback"),
    ),
    _variant(
        "rounds_guidance",
        "Rounds with guidance",
        "Of the four ideas, guidance alone.",
        replace(_NO_IDEA, guidance="entropy"),
    ),
    _variant(
        "rounds_mapping",
        "Rounds with the mapping",
        "Of the four ideas, the unique mapping alone.",
        replace(_NO_IDEA, unique_mapping=True),
    ),
    _variant(
        "rounds_resizing",
        "Rounds with resizing",
        "Of the four ideas, resizing alone.",
        replace(_NO_IDEA, resizing=True),
    ),
)
"""None of the four ideas, and each of them alone."""

SETTINGS = (
    _variant("mrca_lag_1", "MRCA, feedback lag 1", "The newest model steers each round.", Rounds(lag=1)),
    _variant("mrca_real_counts", "MRCA, real counts", "S counts real instances only.", Rounds(real_counts=True)),
    _variant(
        "mrca_val_feedback",
        "MRCA, feedback from val",
        "The split that results are reported on steers, as in the release.",
        Rounds(feedback="val"),
    ),
    _variant(
        "mrca_as_released",
        "MRCA as released",
        "The release's own formulas and faults, all at once.",
        Rounds(as_released=True, feedback="val"),
    ),
)
"""Other readings of the paper, and the released code's."""

INSTEAD = (
    _variant(
        "mrca_random_direction",
        "MRCA, random direction",
        "Latents are shifted as far as guidance shifts them, in a random direction.",
        Rounds(guidance="random"),
    ),
    _variant(
        "mrca_shuffled_budget",
        "MRCA, shuffled budget",
        "The budget's numbers are dealt to the classes by chance.",
        Rounds(budget="shuffled"),
    ),
    _variant("mrca_count_budget", "MRCA, budget by 1/S", "The budget is 1/S alone.", Rounds(budget="inverse_count")),
    _variant(
        "one_shot",
        "One-shot feedback",
        "All objects at once, guided by the warm-up model and filling the smallest classes up, then MRCA's mapping.",
        Rounds(one_shot=True),
    ),
)
"""Something simpler in the place of an idea."""

_VARIANTS = (*LESS_ONE, *ONLY_ONE, *SETTINGS, *INSTEAD)

_OTHER_POOLS: tuple[Arm[How], ...] = (
    Arm(
        "bsgal_running",
        "BSGAL, running threshold",
        "BSGAL that accepts half of the batches, by a running quantile of the scores.",
        RandomPasting(gate="running"),
        control=True,
        extra=True,
        topics=frozenset({RANDOM_POOL, GATED}),
    ),
    Arm(
        "bsgal_trial_step",
        "BSGAL, trial step",
        "BSGAL that makes the step and looks whether the trusted loss falls.",
        RandomPasting(gate="trial_step"),
        control=True,
        extra=True,
        topics=frozenset({RANDOM_POOL, GATED}),
    ),
    Arm(
        "xpaste_equal_accepted",
        "X-Paste, equal accepted and pasting",
        "X-Paste with as many objects in its pool as MRCA accepts, and as many pasted into an image.",
        RandomPasting(equal_accepted=True, equal_paste=True, from_warm_up=True),
        control=True,
        extra=True,
        topics=frozenset({RANDOM_POOL}),
    ),
    Arm(
        "real_copy_paste",
        "Real copy-paste",
        "The training set's own objects, drawn and pasted as X-Paste does, as many into an image as MRCA pastes.",
        RandomPasting(real_objects=True, equal_paste=True, from_warm_up=True),
        control=True,
        extra=True,
    ),
)

ARMS: tuple[Arm[How], ...] = (
    Arm("no_aug", "No Aug.", "Real images only; also the warm-up of the arms below.", RealOnly()),
    Arm(
        "no_aug_double",
        "No Aug., twice the iterations",
        "Warm-up, then as many further iterations as MRCA on real images only.",
        RealOnly(double=True),
        control=True,
    ),
    Arm(
        "xpaste",
        "X-Paste",
        "A large pool made once; objects drawn at random.",
        RandomPasting(),
        topics=frozenset({RANDOM_POOL}),
    ),
    Arm(
        "bsgal",
        "BSGAL",
        "X-Paste whose pasted batches are trained on only where their gradient agrees with that of trusted real images.",
        RandomPasting(gate="own"),
        topics=frozenset({RANDOM_POOL, GATED}),
    ),
    Arm(
        "xpaste_equal_pool",
        "X-Paste, equal pool",
        "X-Paste with as many generated objects as MRCA; it still pastes more of them into an image than MRCA does.",
        RandomPasting(equal_pool=True, from_warm_up=True),
        control=True,
        extra=True,
        topics=frozenset({RANDOM_POOL}),
    ),
    Arm(
        "xpaste_equal_paste",
        "X-Paste, equal pool and pasting",
        "X-Paste with as many generated objects as MRCA, and as many pasted into an image.",
        RandomPasting(equal_pool=True, equal_paste=True, from_warm_up=True),
        control=True,
        topics=frozenset({RANDOM_POOL}),
    ),
    Arm(
        "xpaste_double",
        "X-Paste, twice the iterations",
        "X-Paste from the warm-up on, so for as many iterations as MRCA.",
        RandomPasting(from_warm_up=True),
        control=True,
        table="Table 1",
        topics=frozenset({RANDOM_POOL}),
    ),
    Arm(
        "mrca",
        "MRCA",
        "Rounds with budget, entropy guidance, unique mapping and resizing by feedback.",
        Rounds(),
        topics=frozenset({ROUNDS, GENERATED}),
    ),
    Arm(
        "mrca_given_pool",
        "MRCA's mapping and resizing",
        "Rounds with unique mapping and resizing by feedback on a given pool; nothing is generated.",
        Rounds(given_pool=True),
        control=True,
        topics=frozenset({ROUNDS}),
    ),
    *_VARIANTS,
    *_OTHER_POOLS,
    Arm(
        "xpaste_clip",
        "X-Paste + CLIP (stand-in)",
        "X-Paste with those objects alone that CLIP finds close to their class; no source defines this row, so it is a stand-in.",
        RandomPasting(closest_only=True),
        topics=frozenset({RANDOM_POOL}),
    ),
    Arm(
        "xpaste_both",
        "X-Paste with real objects too",
        "X-Paste that pastes instances of other real images beside the generated objects.",
        RandomPasting(with_real_images=True),
        control=True,
        extra=True,
        topics=frozenset({RANDOM_POOL}),
    ),
    Arm(
        "divergen",
        "DiverGen",
        "Classes that exist in training alone, varied prompts and two generators; objects drawn at random.",
        DiverGen(),
        topics=frozenset({DIVERSE_POOL}),
    ),
)
"""In the order of the tables."""


def needs(how: How) -> tuple[Brings, ...]:
    """Say from where an arm may take its objects; nothing for one that pastes none, or real ones."""
    if isinstance(how, Rounds):
        return ("given objects",) if how.given_pool else ("generator",)
    if isinstance(how, RandomPasting) and not how.real_objects:
        made = how.equal_pool or how.equal_accepted or how.closest_only
        return ("generator",) if made else ("generator", "given objects")
    return ("generator",) if isinstance(how, DiverGen) else ()
