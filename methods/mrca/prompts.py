"""Prompts: MRCA's seven templates, X-Paste's one, the text that CLIP compares with, and class names as plain words."""

from __future__ import annotations

import numpy as np
from pydantic import field_validator

from methods.common.stage import Config

MRCA_TEMPLATES = (
    "photo of {name}",
    "realistic photo of {name}",
    "photo of {name} on a pure background",
    "{name} on a white background",
    "{name} without background",
    "{name} isolated on white",
    "photo of {name} on a white background",
)
"""The seven templates of section 3.4, in its wording [R]."""

XPASTE_TEMPLATE = "a photo of a single {name}"
"""X-Paste's prompt (section 5.1) [B]."""

CLIP_TEMPLATE = "a photo of {name}"
"""The text an object must resemble (sections 3.5 and 5.1) [R][B]."""


class PromptConfig(Config):
    """The sentences a generator is asked with."""

    templates: tuple[str, ...] = MRCA_TEMPLATES
    """Sentences with ``{name}`` where the class name goes; one is drawn for each image."""

    @field_validator("templates")
    @classmethod
    def _each_has_one_gap(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        if not templates:
            raise ValueError("no template given")
        for template in templates:
            if template.count("{name}") != 1:
                raise ValueError(f"template {template!r} needs {{name}} exactly once")
        return templates


def plain_name(name: str) -> str:
    """Turn an LVIS class name into plain words: ``crab_(animal)`` becomes ``crab animal``.

    Underscores become spaces, bracketed hints stay as words, runs of blanks shrink to one. Source: section 3.4 [C D35].
    """
    return " ".join(name.replace("_", " ").replace("(", " ").replace(")", " ").split())


def fill_template(template: str, name: str) -> str:
    """Put a class name, as plain words, into a template's ``{name}``."""
    return template.replace("{name}", plain_name(name))


def mrca_prompt(name: str, rng: np.random.Generator, config: PromptConfig | None = None) -> str:
    """Fill one of MRCA's templates, drawn with equal probability [R]."""
    templates = (config or PromptConfig()).templates
    return fill_template(templates[int(rng.integers(len(templates)))], name)


def clip_text(name: str) -> str:
    """Return the text that an object's CLIP score is taken against."""
    return fill_template(CLIP_TEMPLATE, name)
