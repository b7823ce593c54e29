"""The class-guided prompt of an instance (section 2.3)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from methods.common.errors import InputError
from methods.common.stage import Config

PHRASES: Mapping[str, tuple[str, ...]] = {
    "person": ("a woman", "a man"),
    "rider": ("a male rider", "a female rider"),
    "car": ("a red car", "a white car"),
    "truck": ("a red truck", "a green truck"),
    "bus": ("a red bus", "a green bus"),
    "train": ("a red train", "a black train"),
    "motorcycle": ("a black motorcycle", "a white motorcycle"),
    "bicycle": ("a white bicycle", "a black bicycle"),
    "caravan": ("a white caravan", "a black caravan"),
    "trailer": ("a green trailer", "a red trailer"),
}
"""Source: section 2.3 [code]."""


class PromptConfig(Config):
    """How prompts are written."""

    template: str = "a photo of {phrase}"
    """The prompt, with ``{phrase}`` where a phrase goes. [MAPR24]"""
    phrases: dict[str, tuple[str, ...]] = Field(default=dict(PHRASES))
    """Phrases by class; each instance draws one of its class uniformly. [code]"""


def draw_prompt(class_name: str, rng: np.random.Generator, config: PromptConfig) -> str:
    """Return the prompt of one instance, which all of its variants share.

    Raises:
        InputError: the class has no phrase.

    Source: section 2.3. The release does not seed the draw; here the generator comes from a derived seed [C D23].
    """
    phrases = config.phrases.get(class_name, ())
    if not phrases:
        raise InputError(
            f"the class {class_name!r} has no phrase for its prompt; add one to `phrases`, or leave the class out by `classes`"
        )
    return config.template.format(phrase=phrases[int(rng.integers(len(phrases)))])
