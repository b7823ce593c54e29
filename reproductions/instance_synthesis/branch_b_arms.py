"""Arms of branches B and C (sections 4 to 6): few-shot learning on what a backbone knows, with and without generated images.

The paper has these branches as ideas without a number; every arm is ours. A base stage trains on the base classes, a novel stage on a support list of
K instances of each class. All arms train as long, in both stages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from methods.instance_synthesis.sizes import RungId
from reproductions.instance_synthesis.back_ends import GENERATORS, BackEndId
from reproductions.study import arms

BRANCH_B, GRID, LADDER, TUNED = "branch_b", "branch_b_grid", "branch_b_ladder", "branch_b_tuned"
"""Names that ask for the arms of the branch's report; for the rest of the grid of shots, generators and numbers of images; for the ladder of
sizes, whose every rung has a base stage of its own; and for those that train the generator in the base stage, three times as long a step."""
SHOTS = (1, 5, 10)
"""K; section 6.1."""
USUAL_SHOTS = 5
"""K of the arms that compare something else."""
AUGMENTED = (1, 4)
"""N_aug, the images that are made of each novel instance; section 6.1."""

Extractor = Literal[
    "pretrained",
    "scratch",
    "generator",
    "generator_random",
    "generator_scratch",
    "generator_lora",
    "generator_half",
    "generator_cut",
    "generator_blocks",
    "generator_heads",
]
"""What the decoder reads: a backbone with weights of other classes, or one from random weights; or the features of a generator, e(G): as it is, with
random weights, trained from them, with low-rank updates; or those of a rung of the ladder of sizes."""
RUNG_OF: dict[Extractor, RungId] = {
    **dict.fromkeys(("generator", "generator_random", "generator_scratch", "generator_lora"), "full"),
    "generator_half": "half",
    "generator_cut": "cut",
    "generator_blocks": "block_pruned",
    "generator_heads": "head_pruned",
}
"""Those that have a generator's networks, and how much of them. Section 6.2"""
TUNINGS: dict[Extractor, Literal["all", "lora"]] = {"generator_scratch": "all", "generator_lora": "lora"}
"""How much of a generator's U-Net the base stage trains; nothing of the others."""
ARM_OF_RUNG: dict[RungId, str] = {
    "full": "few_generator",
    "half": "few_generator_half",
    "features_only": "few_generator_half",
    "cut": "few_generator_cut",
    "block_pruned": "few_generator_blocks",
    "head_pruned": "few_generator_heads",
}
"""Which arm reads a rung; without what features do not need they stay the same."""
FewShotGroup = Literal["real", "repeated", "copy-paste", "synthesis", "backbone"]
"""Colour in the figures."""


@dataclass(frozen=True)
class FewShot:
    """Trains on base classes, then on a support list."""

    shots: int | Literal["none", "all"] = USUAL_SHOTS
    """K; ``none`` ends with the base stage, ``all`` knows every novel instance in the novel stage."""
    back_end: BackEndId | None = None
    """What repaints the novel instances of the list; None adds nothing."""
    num_augmented: int = 0
    """N_aug."""
    extractor: Extractor = "pretrained"
    """What the decoder reads."""
    noise: bool = True
    """Whether the decoder frees boxes from noise; without, it begins with the same boxes always."""

    @property
    def generates(self) -> bool:
        """Whether a network repaints."""
        return self.back_end in GENERATORS

    @property
    def group(self) -> FewShotGroup:
        """Its colour."""
        if self.generates:
            return "synthesis"
        if self.back_end is not None:
            return "copy-paste" if self.back_end == "copy_paste" else "repeated"
        return "backbone" if self.extractor != "pretrained" or not self.noise else "real"

    @property
    def topics(self) -> frozenset[str]:
        """What the ledger says of it."""
        found = {"few_shot"} | ({"few_shot_made"} if self.back_end is not None else set())
        found |= {"generative"} if self.extractor in RUNG_OF else set()
        return frozenset(found | ({"generated", str(self.back_end)} if self.generates else set()))


@dataclass(frozen=True)
class Sizes:
    """Measures what each rung of the ladder of sizes costs an image; trains nothing."""

    group: Literal["backbone"] = "backbone"
    topics: frozenset[str] = frozenset({"few_shot", "generative"})


BACK_ENDS: dict[BackEndId, str] = {
    "identity": "repeated",
    "copy_paste": "copy-paste",
    "gligen": "GLIGEN",
    "inpainting": "inpainting",
    "blended": "blended",
}
"""What is added to a support list, by title."""


def few_shot_id(shots: int, back_end: BackEndId | None = None, num_augmented: int = 0) -> str:
    """Return the id of an arm with the usual backbone."""
    return f"few_{shots}" if back_end is None else f"few_{shots}_{back_end}_{num_augmented}"


def _arm(id: str, title: str, what: str, how: FewShot, asked_as: str = BRANCH_B) -> arms.Arm[FewShot]:
    return arms.Arm(id, title, what, how, True, "few-shot", how.group, how.topics, extra=True, asked_as=asked_as)


def _asked_as(extractor: Extractor) -> str:
    """The name that asks for the arm of a generator."""
    if extractor in TUNINGS:
        return TUNED
    return BRANCH_B if RUNG_OF[extractor] == "full" else LADDER


def _with_images(shots: int, back_end: BackEndId, number: int) -> arms.Arm[FewShot]:
    added = {
        "identity": "the frame as it is",
        "copy_paste": "the frame with another instance of the list in its place",
    }.get(back_end, f"the frame with it repainted by {BACK_ENDS[back_end]}")
    times = "once" if number == 1 else f"{number} times"
    usual = shots == USUAL_SHOTS and (back_end != "identity" or number == max(AUGMENTED))
    return _arm(
        few_shot_id(shots, back_end, number),
        f"{shots}-shot + {BACK_ENDS[back_end]} × {number}",
        f"For each novel instance of the list, {added} is added {times}.",
        FewShot(shots, back_end, number),
        BRANCH_B if usual else GRID,
    )


_OF_GENERATOR: dict[Extractor, tuple[str, str]] = {
    "generator": ("e(G)", "The decoder reads features of the text-to-image generator, which stays as it is."),
    "generator_random": ("e(random G)", "The same networks with random weights, which stay as they are."),
    "generator_scratch": (
        "G from scratch",
        "The same networks from random weights, the U-Net trained in the base stage.",
    ),
    "generator_lora": (
        "e(G) with LoRA",
        "Low-rank updates of the generator's attention are trained in the base stage.",
    ),
    "generator_half": ("e(G), half precision", "The generator's weights and passes have half of the bits."),
    "generator_cut": ("e(G), cut", "The finest block on the U-Net's way up is left out, too."),
    "generator_blocks": ("e(G), fewer blocks", "A U-Net with fewer layers, which learnt the features of the cut one."),
    "generator_heads": (
        "e(G), fewer heads",
        "The cut U-Net with half of its attention heads, which learnt the features of all.",
    ),
}


BRANCH_B_ARMS: tuple[arms.Arm[FewShot], ...] = (
    _arm("few_base", "base stage", "Base classes alone; novel instances are ignored.", FewShot("none")),
    *(
        _arm(
            few_shot_id(shots),
            f"{shots}-shot",
            f"The novel stage on {shots} real instance{'s' if shots > 1 else ''} of each class.",
            FewShot(shots),
        )
        for shots in SHOTS
    ),
    _arm("few_all", "all shots", "The novel stage on every instance of every training image.", FewShot("all")),
    *(_with_images(shots, back_end, number) for shots in SHOTS for back_end in BACK_ENDS for number in AUGMENTED),
    _arm(
        "few_scratch",
        f"{USUAL_SHOTS}-shot, from scratch",
        "The backbone of the base stage starts from random weights.",
        FewShot(extractor="scratch"),
    ),
    _arm(
        "few_no_noise",
        f"{USUAL_SHOTS}-shot, no noise",
        "The decoder begins with the same boxes always, in training too: nothing is freed from noise.",
        FewShot(noise=False),
    ),
    *(
        _arm(
            f"few_{extractor}",
            f"{USUAL_SHOTS}-shot, {title}",
            what,
            FewShot(extractor=extractor),
            _asked_as(extractor),
        )
        for extractor, (title, what) in _OF_GENERATOR.items()
    ),
)
"""In the order of the table."""
OWN_FEW_SHOT_ARMS: tuple[arms.Arm[FewShot], ...] = tuple(
    arm
    for arm in BRANCH_B_ARMS
    if arm.asked_as == BRANCH_B
    and arm.how.extractor == "pretrained"
    and arm.how.back_end in (None, "identity", "copy_paste", "inpainting")
)
"""On own data, where they are named; the generator is the miniature inpainting network or a folder of one's own."""
SIZES_ARM: arms.Arm[Sizes] = arms.Arm(
    "few_sizes",
    "ladder of sizes",
    "What each rung of the ladder of sizes costs an image.",
    Sizes(),
    True,
    "few-shot",
    topics=Sizes().topics,
    row=False,
    extra=True,
    asked_as=LADDER,
)
"""Beside the table."""
