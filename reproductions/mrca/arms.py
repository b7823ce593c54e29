"""The arms: rows of the tables, and the controls that the paper lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ArmId = Literal["no_aug", "no_aug_double", "xpaste", "xpaste_equal_pool", "mrca", "mrca_given_pool"]


@dataclass(frozen=True)
class ArmInfo:
    """What an arm is, for people."""

    id: ArmId
    title: str
    what: str
    control: bool = False
    needs: Literal["nothing", "any objects", "generator", "given objects"] = "nothing"
    """What must be there for the arm to be run."""


ARMS = (
    ArmInfo("no_aug", "No Aug.", "Real images only; also the warm-up of the arms below."),
    ArmInfo(
        "no_aug_double",
        "No Aug., twice the iterations",
        "Warm-up, then as many further iterations as MRCA on real images only.",
        control=True,
    ),
    ArmInfo("xpaste", "X-Paste", "A large pool made once; objects drawn at random.", needs="any objects"),
    ArmInfo(
        "xpaste_equal_pool",
        "X-Paste, equal pool",
        "X-Paste with as many generated objects as MRCA; it still pastes more of them into an image than MRCA does.",
        control=True,
        needs="generator",
    ),
    ArmInfo(
        "mrca",
        "MRCA",
        "Rounds with budget, entropy guidance, unique mapping and resizing by feedback.",
        needs="generator",
    ),
    ArmInfo(
        "mrca_given_pool",
        "MRCA's mapping and resizing",
        "Rounds with unique mapping and resizing by feedback on a given pool; nothing is generated.",
        control=True,
        needs="given objects",
    ),
)
"""In the order of the tables."""
