"""Class prompts: class names appended to a caption, their written forms, and where the text encoder sees each name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from methods.common.errors import InputError

WRITTEN_FORMS = {"diningtable": "dining table", "pottedplant": "potted plant", "tvmonitor": "tv monitor"}
"""Class names that prompts write as two words; others are written as they are. Source: SAM filter section 2.1 [DD]."""
SEPARATOR = "; "
"""Between caption and class names. Source: SAM filter section 2.1 [DD]."""


class NamedTokens(NamedTuple):
    """One name in a class prompt, and the tokens that carry it."""

    class_name: str
    positions: tuple[int, ...]
    """Positions in the encoder's input, where the start token is 0. A name's map is the mean over them."""


def written_form(class_name: str) -> str:
    """Return how a prompt writes a class name; underscores become spaces (our choice, VOC has none)."""
    return WRITTEN_FORMS.get(class_name, " ".join(class_name.replace("_", " ").split()))


def class_prompt(class_names: Sequence[str]) -> str:
    """Return the written forms of class names, separated by spaces. Source: SAM filter section 2.1 [DD]."""
    return " ".join(written_form(name) for name in class_names)


def append_classes(caption: str, class_names: Sequence[str], separator: str = SEPARATOR) -> str:
    """Return ``caption; class class``. Source: SAM filter section 2.1 [DD]."""
    return caption.strip() + separator + class_prompt(class_names)


def names_in_class_prompt(text: str, class_names: Sequence[str], where: str) -> tuple[str, ...]:
    """Read a class prompt back: the data set's names in order, repeated where they are repeated.

    Where one written form begins another, the longer one is taken (our choice).

    Args:
        text: the class prompt, such as ``person person dining table``.
        class_names: names that the data set knows, without background.
        where: what to call the prompt's place in a message.

    Raises:
        InputError: it holds no class, or a word that is no class.
    """
    forms = sorted(((written_form(name).split(), name) for name in class_names), key=lambda pair: -len(pair[0]))
    words, found = text.split(), []
    while words:
        match = next(((form, name) for form, name in forms if words[: len(form)] == form), None)
        if match is None:
            raise InputError(
                f"{where}: the class prompt {text!r} has the word {words[0]!r}, which is no class; write class names only"
            )
        found.append(match[1])
        words = words[len(match[0]) :]
    if not found:
        raise InputError(f"{where}: the class prompt names no class; write at least one class name")
    return tuple(found)


class KeyText(NamedTuple):
    """How class names become the text whose tokens are the keys of cross-attention.

    As published it is the class prompt: names with spaces between them [DD]. A text encoder that has seen names in sentences only may need one:
    ``KeyText("a photo of a ", " and a ")``.
    """

    prefix: str = ""
    """Before the first name."""
    joiner: str = " "
    """Between two names."""

    def text(self, class_names: Sequence[str]) -> str:
        """Return the text for names, repeated where they are."""
        return self.prefix + self.joiner.join(written_form(name) for name in class_names)


def find_tokens(
    class_names: Sequence[str], tokenizer: Any, where: str, key_text: KeyText | None = None
) -> list[NamedTokens]:
    """Find the tokens of each name in the text that the keys of cross-attention come from.

    Every token of a name counts, whether the name has several words or the encoder splits a word; positions are counted in tokens, so a
    split word does not shift the names after it.

    Args:
        class_names: in the order of the class prompt; a name may repeat.
        tokenizer: of the pipeline; its ``model_max_length`` is the encoder's limit.
        where: what to call the prompt's place in a message.
        key_text: how the text is written; by default as the class prompt.

    Raises:
        InputError: no class, a name without tokens, a text longer than the encoder's limit, or a tokenizer that joins words.

    Source: SAM filter section 2.4, step 1 [DD]: word position plus 1 for the start token, mean over the two tokens of a
    two-word name; mean over the tokens of a split word is our choice [C SAM filter D38].
    """
    if not class_names:
        raise InputError(f"{where}: the class prompt names no class; write at least one class name")
    written = key_text or KeyText()
    text = written.text(class_names)
    whole = _token_ids(text, tokenizer, special=True)
    if len(whole) > tokenizer.model_max_length:
        raise InputError(
            f"{where}: the class prompt {text!r} has {len(whole)} tokens, but the text encoder reads {tokenizer.model_max_length}; "
            "name fewer classes"
        )
    between = [_token_ids(piece, tokenizer) for piece in (written.prefix, *[written.joiner] * (len(class_names) - 1))]
    names = [_token_ids(written_form(name), tokenizer) for name in class_names]
    start = _first_position(
        whole, [token for pair in zip(between, names, strict=True) for part in pair for token in part]
    )
    if start is None or not all(names):
        raise InputError(
            f"{where}: the tokens of {text!r} cannot be told apart; use a tokenizer that reads word by word"
        )
    found = []
    for name, before, own in zip(class_names, between, names, strict=True):
        start += len(before)
        found.append(NamedTokens(name, tuple(range(start, start + len(own)))))
        start += len(own)
    return found


def _token_ids(text: str, tokenizer: Any, special: bool = False) -> list[int]:
    """Tokens of a text, with start and end if asked; nothing is cut off."""
    return list(tokenizer(text.strip(), add_special_tokens=special).input_ids)


def num_tokens(text: str, tokenizer: Any) -> int:
    """Count the tokens of a text, start and end included, before anything is cut off."""
    return len(_token_ids(text, tokenizer, special=True))


def _first_position(whole: list[int], part: list[int]) -> int | None:
    """Where ``part`` begins in ``whole``."""
    starts = range(len(whole) - len(part) + 1)
    return next((start for start in starts if whole[start : start + len(part)] == part), None)
