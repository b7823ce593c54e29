"""The hypotheses of branches B and C, all ours: the paper states ideas there and prints no number (sections 4 to 6)."""

from __future__ import annotations

from itertools import pairwise

from reproductions.instance_synthesis.back_ends import GENERATORS, BackEndId
from reproductions.instance_synthesis.branch_b_arms import AUGMENTED, SHOTS, USUAL_SHOTS, few_shot_id
from reproductions.instance_synthesis.branch_b_metrics import BASE_AP, HARMONIC_AP, NOVEL_AP
from reproductions.verdicts.claims import Claim
from reproductions.verdicts.differences import Gain, NoGain

_NOVEL, _HARMONIC, _BASE = (NOVEL_AP,), (HARMONIC_AP,), (BASE_AP,)
_USUAL, _MOST = few_shot_id(USUAL_SHOTS), max(AUGMENTED)
_OURS = "ours"
MARGIN = 1.0
"""Points of novel AP that a smaller generator may cost. [C D34]"""


def _with(back_end: BackEndId, number: int = _MOST) -> str:
    return few_shot_id(USUAL_SHOTS, back_end, number)


BRANCH_B_CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="B1",
        wording="Few samples teach novel classes: the novel stage raises novel AP over the base stage, with more samples more.",
        source=_OURS,
        tests=(
            Gain(few_shot_id(min(SHOTS)), "few_base", _NOVEL),
            *(Gain(few_shot_id(more), few_shot_id(fewer), _NOVEL) for fewer, more in pairwise(SHOTS)),
        ),
        control=True,
    ),
    Claim(
        id="B2",
        wording=f"The novel stage forgets: with {USUAL_SHOTS} samples of each class, base AP falls below that of the base stage.",
        source=_OURS,
        tests=(Gain("few_base", _USUAL, _BASE),),
        control=True,
    ),
    Claim(
        id="B3",
        wording="A backbone that knows other classes teaches novel ones better than one from scratch.",
        source="ours, from section 4",
        tests=(Gain(_USUAL, "few_scratch", _NOVEL + _HARMONIC),),
        control=True,
    ),
    Claim(
        id="B4",
        wording="The denoising decoder helps: freeing boxes from noise beats beginning with the same boxes always.",
        source="ours, from section 5",
        tests=(Gain(_USUAL, "few_no_noise", _NOVEL + _HARMONIC),),
        control=True,
    ),
    Claim(
        id="B5",
        wording="Images with repainted novel instances raise novel AP over the real samples alone, with each generator.",
        source="ours, from related work of the same group",
        tests=tuple(Gain(_with(name), _USUAL, _NOVEL) for name in GENERATORS),
        control=True,
        qualified_by="B6",
    ),
    Claim(
        id="B6",
        wording="They do so beyond seeing the same frames more often: every generator beats untouched copies.",
        source=_OURS,
        tests=tuple(Gain(_with(name), _with("identity"), _NOVEL) for name in GENERATORS),
        control=True,
    ),
    Claim(
        id="B7",
        wording="Every generator beats copied instances of the support list.",
        source=_OURS,
        tests=tuple(Gain(_with(name), _with("copy_paste"), _NOVEL) for name in GENERATORS),
        control=True,
    ),
    Claim(
        id="B8",
        wording=f"{_MOST} images of each novel instance are better than {min(AUGMENTED)}, with each generator.",
        source=_OURS,
        tests=tuple(Gain(_with(name), _with(name, min(AUGMENTED)), _NOVEL) for name in GENERATORS),
        control=True,
    ),
    Claim(
        id="B9",
        wording="What the generator has learnt is what helps: e(G) beats the same networks with random weights.",
        source="ours, from section 4",
        tests=(Gain("few_generator", "few_generator_random", _NOVEL + _HARMONIC),),
        control=True,
    ),
    Claim(
        id="B10",
        wording="The generator's features teach novel classes better than those of a network that was trained to tell classes.",
        source="ours, from section 4",
        tests=(Gain("few_generator", _USUAL, _NOVEL + _HARMONIC),),
        control=True,
    ),
    Claim(
        id="B11",
        wording="Low-rank updates of the generator in the base stage are better than none.",
        source="ours, from section 4",
        tests=(Gain("few_generator_lora", "few_generator", _NOVEL + _HARMONIC),),
        control=True,
    ),
    Claim(
        id="B12",
        wording=f"A smaller generator does as well: half precision, fewer blocks and fewer heads each cost less than {MARGIN:g} AP on novel classes.",
        source="ours, from section 6.2",
        tests=tuple(
            NoGain("few_generator", smaller, NOVEL_AP, MARGIN)
            for smaller in ("few_generator_half", "few_generator_blocks", "few_generator_heads")
        ),
        control=True,
    ),
    Claim(
        id="B13",
        wording="It could not be learnt in the base stage: e(G) as it is beats the same networks trained there from random weights.",
        source="ours, from section 4",
        tests=(Gain("few_generator", "few_generator_scratch", _NOVEL + _HARMONIC),),
        control=True,
    ),
)
"""Stated before any number was seen."""
