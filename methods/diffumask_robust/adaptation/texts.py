"""The text of a picture that a generator is adapted to, and prompts of the same form to generate from (section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from methods.common.errors import InputError
from methods.common.generators.class_prompts import num_tokens
from methods.diffumask_robust.adaptation.config import AdaptationConfig
from methods.diffumask_robust.prompts import ClassSpan, Prompt

if TYPE_CHECKING:
    import numpy as np


def text_of(classes: Sequence[str], config: AdaptationConfig, tokenizer: Any) -> str:
    """Return the text of a picture: the fixed one, or the tags that fit into the text encoder, the first ones first.

    Args:
        classes: that the picture shows, the largest first.
        config: which texts.
        tokenizer: of the generator.

    Raises:
        InputError: the fixed text alone is too long.

    Source: section 7 [C D17].
    """
    from methods.diffumask_robust.adaptation.domain_images import list_in_words

    limit = tokenizer.model_max_length
    if config.texts == "tags":
        for count in range(min(len(classes), config.max_tags or len(classes)), 0, -1):
            text = config.tag_text.replace("{classes}", list_in_words(classes[:count]))
            if num_tokens(text, tokenizer) <= limit:
                return text
    if num_tokens(config.fixed_text, tokenizer) > limit:
        raise InputError(
            f"fixed_text {config.fixed_text!r} is longer than the {limit} tokens that the text encoder reads; shorten it"
        )
    return config.fixed_text


def classes_prompt(template: str, words: Sequence[tuple[int, str]], id: str) -> Prompt:
    """Write several class words into a text such as ``a photo of a city street with {classes}``, each with its span.

    Args:
        template: with ``{classes}`` once.
        words: class ids and words, at least one.
        id: of the prompt.

    Raises:
        InputError: the template does not hold ``{classes}`` once, or there is no word.
    """
    if template.count("{classes}") != 1 or not words:
        raise InputError(f"the template {template!r} must hold {{classes}} once, and at least one class word; mend it")
    before, after = template.split("{classes}")
    text, spans = before, []
    for number, (class_id, word) in enumerate(words):
        text += "" if number == 0 else " and " if number == len(words) - 1 else ", "
        spans.append(ClassSpan(class_id, len(text), len(text) + len(word)))
        text += word
    return Prompt(id, text + after, tuple(spans))


def draw_classes(
    weights: Mapping[int, float], always: Sequence[int], max_classes: int, rng: np.random.Generator
) -> tuple[int, ...]:
    """Draw the classes of a prompt: 1 to a number of them without repeats, by their weights, after those that are always named.

    Stuff that no prompt names turns to background, so it is always named.

    Args:
        weights: by class id, above 0; such as the share of pictures that show a class.
        always: class ids that each prompt names; they need no weight.
        max_classes: drawn at most, 5 as specified.
        rng: the draws.

    Source: section 7.
    """
    import numpy as np

    ids = [class_id for class_id in weights if class_id not in always]
    share = np.array([weights[class_id] for class_id in ids], float)
    count = min(int(rng.integers(1, max_classes + 1)), len(ids))
    if not count:
        return tuple(always)
    drawn = rng.choice(len(ids), count, replace=False, p=share / share.sum())
    return (*always, *(ids[place] for place in drawn.tolist()))
