"""DiffuMask's prompts: ``Photo of a {sub-class} {class}``, attention at the class word (section 10.2).

Its hand-made lists are not stated in full. Sub-classes of animals, bus and potted plant are the lexicon's hyponyms, those of car and person
the short lists below. [C D13]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from methods.diffumask_robust.articles import article_for
from methods.diffumask_robust.lexicon import ClassWords
from methods.diffumask_robust.prompts import ClassSpan, Prompt

BARE_CLASSES = ("boat", "sofa", "train", "diningtable", "tvmonitor", "chair", "bottle", "aeroplane")
"""Classes without sub-classes [code]."""
CAR_KINDS = (
    *("sedan", "coupe", "convertible", "hatchback", "station wagon"),
    *("limousine", "sports", "off-road", "police", "vintage"),
)
"""Ten body types."""
CAR_SCENES = ("in the street", "on the road", "at night", "from the back", "overturned")
"""Five scene texts; their subjects are those of the release [code]."""
PERSON_NOUNS = ("person", "man", "woman", "child", "boy", "girl", "teenager", "old man")
"""Eight nouns."""
PERSON_SCENES = (
    *("walking", "running", "sitting", "standing", "jumping", "dancing", "reading a book", "riding a bicycle"),
    *(
        "riding a horse",
        "riding a motorbike",
        "driving a car",
        "cooking",
        "eating",
        "drinking coffee",
        "sleeping on a sofa",
    ),
    *(
        "playing the guitar",
        "playing the piano",
        "playing football",
        "playing tennis",
        "playing basketball",
        "swimming",
    ),
    *(
        "skiing",
        "surfing",
        "climbing a rock",
        "fishing",
        "painting",
        "taking a picture",
        "using a phone",
        "working at a desk",
    ),
    *("carrying a bag", "pushing a pram", "holding an umbrella", "walking a dog", "feeding birds", "waiting for a bus"),
    *(
        "in the street",
        "in a park",
        "on the beach",
        "in the snow",
        "in the rain",
        "in a kitchen",
        "in an office",
        "in a garden",
    ),
    *("at a station", "in front of a shop"),
)
"""Forty-five activities and places."""


def subclass_prompt(
    class_id: int, class_name: str, words: ClassWords, max_subclasses: int, bare_share: float, seed: int, id: str
) -> Prompt:
    """Draw one prompt of a class.

    Args:
        class_id: of the class.
        class_name: by which its kind of prompt is chosen.
        words: its own word and its hyponyms.
        max_subclasses: hyponyms that may be drawn, the first ones; 0 for the bare class only. Published: 10, 50 and 100.
        bare_share: probability of the bare class, which the released lists hold as empty texts.
        seed: all draws come from it.
        id: of the prompt.

    Source: section 10.2.
    """
    rng = np.random.default_rng(seed)
    word = words.own[0]
    if class_name in BARE_CLASSES or max_subclasses == 0:
        return _photo(class_id, "", word, "", id)
    if class_name == "person":
        return _photo(class_id, "", _one_of(PERSON_NOUNS[:max_subclasses], rng), _one_of(PERSON_SCENES, rng), id)
    if rng.uniform() < bare_share:
        return _photo(class_id, "", word, "", id)
    if class_name == "car":
        number = int(rng.integers(len(CAR_KINDS) + len(CAR_SCENES)))
        kind, scene = (*((kind, "") for kind in CAR_KINDS), *(("", scene) for scene in CAR_SCENES))[number]
        return _photo(class_id, kind, word, scene, id)
    kinds = subclasses(words)[:max_subclasses]
    return _photo(class_id, _one_of(kinds, rng) if kinds else "", word, "", id)


def subclasses(words: ClassWords) -> tuple[str, ...]:
    """Return hyponyms without the class word at their end: "Siamese" of "Siamese cat". Each once."""
    word = words.own[0].lower()
    cut = (one[: -len(word)].strip() if one.lower().endswith(f" {word}") else one for one in words.hyponyms)
    return tuple(dict.fromkeys(cut))


def _one_of(texts: Sequence[str], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]


def _photo(class_id: int, kind: str, word: str, scene: str, id: str) -> Prompt:
    """``Photo of a {kind} {word} {scene}``; the span is the class word's."""
    before = f"Photo of {article_for(kind or word)} {kind}".rstrip() + " "
    text = before + word + (f" {scene}" if scene else "")
    return Prompt(id, text, (ClassSpan(class_id, len(before), len(before) + len(word)),))
