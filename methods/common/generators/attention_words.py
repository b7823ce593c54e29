"""Where the text encoder sees the words whose attention is read, as meant and as released code looks for them.

A position counts tokens of the encoder's input, with the start token at 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from methods.common.errors import InputError
from methods.common.generators.class_prompts import NamedTokens, num_tokens, written_form

DIFFUMASK_PIECES = {
    "aeroplane": ("aerop", "lane"),
    "diningtable": ("table",),
    "person": ("arm", "person", "man", "woman", "child", "boy", "girl", "teenager"),
    "pottedplant": ("pot", "ted", "plant"),
    "tvmonitor": ("tv", "monitor"),
}
"""Pieces that DiffuMask's script takes for a class; any other VOC class is one piece, its name. Source: Attn2mask section 4.3 [code]."""

_WORD_END = "</w>"


class PromptWord(NamedTuple):
    """A class that a caption shows, and how the caption writes it."""

    class_name: str
    word: str
    """As the caption writes it: the class name's written form, a synonym, or a hyponym."""
    spans: tuple[tuple[int, int], ...] | None = None
    """First character and the one after the last, of each place that counts; None for every place where the whole word stands."""


def prompt_words(class_names: Sequence[str]) -> tuple[PromptWord, ...]:
    """Return classes as captions write them that use the class names themselves."""
    return tuple(PromptWord(name, written_form(name)) for name in class_names)


def find_words(text: str, words: Sequence[PromptWord], tokenizer: Any, where: str) -> list[NamedTokens]:
    """Find every token of each word in a caption, at all places where the whole word stands.

    Args:
        text: the caption; the encoder may cut its end off.
        words: whose tokens are wanted.
        tokenizer: of the pipeline; its ``model_max_length`` is the encoder's limit.
        where: what to call the caption's place in a message.

    Raises:
        InputError: the caption lacks a word, the encoder cuts each of its places off, or a span is no run of whole tokens.

    Source: Attn2mask section 3, item 1; Attn2mask section 4.2.
    """
    whole = _ids(text, tokenizer)
    found = []
    for word in words:
        spans = word.spans if word.spans is not None else _whole_words(text, word.word)
        if not spans:
            raise _lacks(where, text, word.word)
        positions = [position for span in spans for position in _positions(text, span, whole, tokenizer, where)]
        found.append(NamedTokens(word.class_name, _readable(positions, word.word, tokenizer, where)))
    return found


def marks_whole_tokens(text: str, spans: Sequence[tuple[int, int]], tokenizer: Any) -> bool:
    """Tell whether every span of a text is a run of whole tokens, as :func:`find_words` wants it.

    A word in quotes may be none: CLIP's tokenizer takes ``'d`` in ``'dog'`` for the end of a verb.

    Args:
        text: the caption.
        spans: first character and the one after the last, of each.
        tokenizer: of the pipeline.
    """
    whole = _ids(text, tokenizer)
    return all(_run(text, span, whole, tokenizer) for span in spans)


def find_stripped_pieces(text: str, words: Sequence[PromptWord], tokenizer: Any, where: str) -> list[NamedTokens]:
    """Find each word as DAAM's release does: its run of pieces wherever it occurs, whether or not a word ends there.

    "lane" is thus found in "aeroplane" where the tokenizer splits that word before it.

    Raises:
        InputError: as :func:`find_words`.

    Source: Attn2mask section 4.3 [code].
    """
    pieces = _pieces(text, tokenizer)
    found = []
    for word in words:
        own = _pieces(word.word, tokenizer)
        starts = [start for start in range(len(pieces)) if own and pieces[start : start + len(own)] == own]
        if not starts:
            raise _lacks(where, text, word.word)
        positions = [1 + start + piece for start in starts for piece in range(len(own))]
        found.append(NamedTokens(word.class_name, _readable(positions, word.word, tokenizer, where)))
    return found


def find_listed_pieces(text: str, words: Sequence[PromptWord], tokenizer: Any, where: str) -> list[NamedTokens]:
    """Find each class as DiffuMask's release does: every piece of the caption that is on the class's list.

    Raises:
        InputError: as :func:`find_words`.

    Source: Attn2mask section 4.3 [code]; :data:`DIFFUMASK_PIECES`.
    """
    pieces = _pieces(text, tokenizer)
    found = []
    for word in words:
        listed = DIFFUMASK_PIECES.get(word.class_name, (word.class_name,))
        positions = [1 + place for place, piece in enumerate(pieces) if piece in listed]
        if not positions:
            raise _lacks(where, text, " or ".join(listed))
        found.append(NamedTokens(word.class_name, _readable(positions, word.word, tokenizer, where)))
    return found


def find_by_word_number(class_names: Sequence[str], tokenizer: Any, where: str) -> list[NamedTokens]:
    """Find each name in the class prompt as Dataset Diffusion's release does: words are counted, one token each.

    A word that the tokenizer splits is read at its first piece only, and every name after it is read too early.

    Raises:
        InputError: the encoder cuts a name off.

    Source: Attn2mask section 4.3 [code].
    """
    found, start = [], 1
    for name in class_names:
        end = start + len(written_form(name).split())
        found.append(NamedTokens(name, _readable(list(range(start, end)), name, tokenizer, where)))
        start = end
    return found


def count_read_tokens(text: str, tokenizer: Any) -> int:
    """Count the tokens of a text that the encoder reads, start and end included, padding not."""
    return min(num_tokens(text, tokenizer), int(tokenizer.model_max_length))


def _lacks(where: str, text: str, word: str) -> InputError:
    return InputError(
        f"{where}: the text {text!r} does not have the word {word!r} whose attention is read; write it there, or name the word that is"
    )


def _whole_words(text: str, word: str) -> tuple[tuple[int, int], ...]:
    """Every place where a word, or several with spaces between them, stands alone, in any case of letters."""
    written = r"\s+".join(map(re.escape, word.split()))
    if not written:
        return ()
    return tuple(match.span() for match in re.finditer(rf"(?<!\w){written}(?!\w)", text, re.IGNORECASE))


def _positions(text: str, span: tuple[int, int], whole: list[int], tokenizer: Any, where: str) -> list[int]:
    """The tokens of a span, which must begin and end where tokens do."""
    first, end = span
    found = _run(text, span, whole, tokenizer)
    if not found:
        raise InputError(
            f"{where}: characters {first} to {end} of {text!r}, {text[first:end]!r}, are no run of whole tokens; mark whole words"
        )
    return [1 + place for place in found]


def _run(text: str, span: tuple[int, int], whole: list[int], tokenizer: Any) -> range:
    """The places of a span among the tokens of a text, start token not counted; empty where it cuts one."""
    first, end = span
    own, start = _ids(text[first:end], tokenizer), len(_ids(text[:first], tokenizer))
    return range(start, start + len(own)) if whole[start : start + len(own)] == own else range(0)


def _readable(positions: list[int], word: str, tokenizer: Any, where: str) -> tuple[int, ...]:
    """Drop what the encoder cuts off: its last token is the end token."""
    limit: int = tokenizer.model_max_length
    kept = tuple(position for position in positions if position < limit - 1)
    if not kept:
        raise InputError(
            f"{where}: the word {word!r} stands behind the {limit} tokens that the text encoder reads; shorten the text before it"
        )
    return kept


def _ids(text: str, tokenizer: Any) -> list[int]:
    return list(tokenizer(text.strip(), add_special_tokens=False).input_ids)


def _pieces(text: str, tokenizer: Any) -> list[str]:
    """The pieces of a text without the mark of a word's end."""
    return [piece.removesuffix(_WORD_END) for piece in tokenizer.convert_ids_to_tokens(_ids(text, tokenizer))]
