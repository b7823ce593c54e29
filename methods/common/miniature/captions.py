"""Captions of the miniature world: a small English that covers the prompts of the methods."""

from collections.abc import Sequence

import numpy as np

from methods.common.miniature.backgrounds import Background
from methods.common.miniature.categories import CATEGORIES
from methods.common.miniature.renderer import Scene

_ON_WHITE = (
    "a photo of a {} on a white background",
    "a photo of a single {} on a white background",
    "a photo of {} on a white background",
    "{} on a white background",
    "{} isolated on white",
    "a photo of a {} isolated on white",
    "{} without background",
    "a photo of {} on a pure background",
    "a photo of a {} on a pure white background",
    "a realistic photo of a {} on white",
)
_ON_BACKGROUND = (
    "a photo of a {} on {b}",
    "a photo of a single {} on {b}",
    "a realistic photo of a {} on {b}",
    "a photo of a {} on a {b} background",
    "a picture of a {} on {b}",
    "an image of a {} on {b}",
    "{} on {b}",
)
_UNSAID = (
    "a photo of a {}",
    "a photo of a single {}",
    "a photo of {}",
    "a realistic photo of a {}",
    "realistic photo of {}",
    "a picture of a {}",
    "an image of a {}",
    "a {}",
    "{}",
)
_SEVERAL = ("a photo of {} on {b}", "a realistic photo of {} on {b}", "{} on {b}", "a photo of {}", "a picture of {}")
_EXTRA_WORDS = [
    "and",
    "the",
    "one",
    "two",
    "three",
    "four",
    "there",
    "is",
    "in",
    "this",
    "image",
    "photos",
    "with",
    "no",
    "its",
    "some",
    "background",
]

SHARE_WITHOUT_BACKGROUND = 0.2
"""Share of single-object captions that leave the background unsaid."""
SHARE_WITH_COLOUR, SHARE_WITH_BUILD, SHARE_OF_SYNONYMS = 0.08, 0.3, 0.08
"""Shares of captions that name the colour, the build of a slim or broad object, and a synonym in place of the name."""


def _noun(scene: Scene, index: int, rng: np.random.Generator) -> str:
    """Name one object, now and then with a true adjective or by a synonym."""
    instance = scene.instances[index]
    category = CATEGORIES[instance.category]
    noun = category.synonyms[1] if rng.uniform() < SHARE_OF_SYNONYMS else category.name
    build, hue = instance.picture.build, instance.picture.hue
    if rng.uniform() < SHARE_WITH_BUILD and build != "usual":
        noun = f"{build} {noun}"
    return f"{hue} {noun}" if rng.uniform() < SHARE_WITH_COLOUR else noun


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """Describe a scene truthfully; objects from left to right.

    Args:
        scene: at least one instance.
        rng: picks the wording.
    Source: the wording of single objects covers the templates of MRCA section 3.4 [R] in our words; the rest
    is our choice.
    """
    order = np.argsort([instance.box_xyxy[0] for instance in scene.instances], kind="stable")
    nouns = [_noun(scene, int(index), rng) for index in order]
    if len(nouns) > 1:
        listed = " and ".join(f"a {noun}" for noun in nouns)
        return _fill(_SEVERAL, scene.background, listed, rng)
    if rng.uniform() < SHARE_WITHOUT_BACKGROUND:
        return _fill(_UNSAID, scene.background, nouns[0], rng)
    templates = _ON_WHITE if scene.background == "white" else _ON_BACKGROUND
    return _fill(templates, scene.background, nouns[0], rng)


def _fill(templates: Sequence[str], background: Background, nouns: str, rng: np.random.Generator) -> str:
    return templates[int(rng.integers(len(templates)))].format(nouns, b=background)


def vocabulary() -> tuple[str, ...]:
    """Every word a caption can hold, and a few more of everyday English, sorted."""
    texts = [*_ON_WHITE, *_ON_BACKGROUND, *_UNSAID, *_SEVERAL, *_EXTRA_WORDS]
    words = {word for text in texts for word in text.split() if "{" not in word}
    words |= {name for category in CATEGORIES for name in category.synonyms}
    words |= {word for category in CATEGORIES for hyponym in category.hyponyms for word in hyponym.split()}
    words |= {word.strip(",") for category in CATEGORIES for word in category.definition.split()}
    return tuple(sorted(words | set(_attribute_words())))


def _attribute_words() -> tuple[str, ...]:
    from methods.common.miniature.backgrounds import BACKGROUNDS
    from methods.common.miniature.objects import HUES

    return (*BACKGROUNDS, *HUES)
