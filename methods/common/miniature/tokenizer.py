"""The miniature tokenizer: CLIP's byte pair encoding over the world's small English, each word one token."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
_SUFFIX = "</w>"
TEXT_LENGTH = 16
"""Tokens per text, begin and end included; prompts for one object need at most thirteen, crowded captions are cut."""


def _letters(words: Sequence[str]) -> list[str]:
    """Every letter of the alphabet, inside a word and at its end, so that unknown words are spelt."""
    alphabet = sorted(set("abcdefghijklmnopqrstuvwxyz0123456789.,-'()_/").union(*words))
    return [*alphabet, *(letter + _SUFFIX for letter in alphabet)]


def _merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Merges that put each word together, from what earlier words' merges leave of it."""
    merges: dict[tuple[str, str], None] = {}
    for word in words:
        pieces = [*word[:-1], word[-1] + _SUFFIX]
        while len(pieces) > 1:
            pieces = _apply_known(pieces, merges)
            if len(pieces) > 1:
                merges[pieces[0], pieces[1]] = None
    return list(merges)


def _apply_known(pieces: list[str], merges: dict[tuple[str, str], None]) -> list[str]:
    """Apply the known merges in order of rank, as the encoder will."""
    rank = {pair: index for index, pair in enumerate(merges)}
    while True:
        pairs = [(rank[pair], k) for k, pair in enumerate(pairwise(pieces)) if pair in rank]
        if not pairs:
            return pieces
        at = min(pairs)[1]
        pieces = [*pieces[:at], pieces[at] + pieces[at + 1], *pieces[at + 2 :]]


def build_tokenizer(words: Sequence[str]) -> CLIPTokenizer:
    """Return a tokenizer that knows ``words`` as single tokens and spells all others.

    An assertion fails when the merges of one word keep another from becoming one token.
    """
    merges = _merges(words)
    entries = dict.fromkeys([*_letters(words), *("".join(pair) for pair in merges), BEGIN, END])
    vocabulary = {entry: index for index, entry in enumerate(entries)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=TEXT_LENGTH)  # type: ignore[arg-type]
    split = [word for word in words if len(tokenizer(word).input_ids) != 3]
    assert not split, f"words that are not one token: {split}"
    return tokenizer


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """Return the tokenizer saved in a folder."""
    tokenizer: CLIPTokenizer = CLIPTokenizer.from_pretrained(folder)
    return tokenizer
