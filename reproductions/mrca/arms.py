"""The arms: rows of the tables, and the controls that the paper lacks."""

from __future__ import annotations

from dataclasses import dataclass
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
    equal_paste: bool = False
    """As many objects into an image as MRCA pastes."""
    from_warm_up: bool = False
    """From M_0 on, so as long as MRCA in all, also where the recipe has X-Paste start from pretrained weights."""


@dataclass(frozen=True)
class Rounds:
    """MRCA: rounds whose objects are mapped and resized by feedback."""

    given_pool: bool = False
    """Nothing is generated: budget and guidance have nothing to act on."""


@dataclass(frozen=True)
class NotBuilt:
    """A row of the paper that this suite does not train."""


How = RealOnly | RandomPasting | Rounds | NotBuilt
Brings = Literal["generator", "given objects"]
"""Where objects come from."""

ROUNDS, GENERATED, RANDOM_POOL = "rounds", "generated_rounds", "xpaste_pool"
"""Topics of the ledger: rounds with feedback; rounds that generate their objects; X-Paste's pool."""

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
        "xpaste_equal_pool",
        "X-Paste, equal pool",
        "X-Paste with as many generated objects as MRCA; it still pastes more of them into an image than MRCA does.",
        RandomPasting(equal_pool=True, from_warm_up=True),
        control=True,
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
    Arm(
        "xpaste_clip",
        "X-Paste + CLIP",
        "X-Paste whose objects are filtered by CLIP.",
        NotBuilt(),
        not_run="its filter is named in the paper without a rule, and no stand-in is built",
    ),
    Arm(
        "bsgal",
        "BSGAL",
        "A generated object is accepted when its gradient helps.",
        NotBuilt(),
        not_run="its gradient cache is not built",
    ),
    Arm(
        "divergen",
        "DiverGen",
        "More classes, prompts and generators.",
        NotBuilt(),
        not_run="its second generator and its extra classes are not built",
    ),
)
"""In the order of the tables."""


def needs(how: How) -> tuple[Brings, ...]:
    """Say from where an arm may take its objects; nothing for one that pastes none."""
    if isinstance(how, Rounds):
        return ("given objects",) if how.given_pool else ("generator",)
    if isinstance(how, RandomPasting):
        return ("generator",) if how.equal_pool else ("generator", "given objects")
    return ()
