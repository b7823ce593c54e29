"""The indefinite article before a word that was replaced (section 3, item 3)."""

from __future__ import annotations

import re

_ARTICLE = re.compile(r"(?<![\w-])([Aa])n?(\s+)$")
_VOWEL_LETTERS = "aeiou"
_SPOKEN_VOWEL = re.compile(r"(?:hour|honest|honou?r|heir)", re.IGNORECASE)
"""Words that begin with a mute h."""
_SPOKEN_CONSONANT = re.compile(
    r"(?:eu|ewe|once?\b|one-|u(?:ni(?!n|m)|kulele|tensil|surp|s[ae]|tili|ri|to|biqui))", re.IGNORECASE
)
"""Words that begin with a vowel letter but the sound of y or w."""
_INITIALS_WITH_VOWEL = "AEFHILMNORSX"
"""Capital letters whose names begin with a vowel sound."""


def article_for(word: str) -> str:
    """Return "a" or "an" by the sound that a word begins with, a rule of letters with the common exceptions [C D11]."""
    first = word.split()[0]
    initials = re.match(r"[A-Z]+(?![a-z])", first)
    if (initials and len(initials[0]) > 1) or re.fullmatch(r"[A-Z](?:[-.].*)?", first):
        vowel = first[0] in _INITIALS_WITH_VOWEL
    elif _SPOKEN_VOWEL.match(first):
        vowel = True
    else:
        vowel = first[0].lower() in _VOWEL_LETTERS and not _SPOKEN_CONSONANT.match(first)
    return "an" if vowel else "a"


def repair_article(before: str, word: str) -> str:
    """Return the text before a word with the article that stands right before it, if any, made to fit the word."""
    match = _ARTICLE.search(before)
    if match is None:
        return before
    letter, space = match.groups()
    article = article_for(word)
    return before[: match.start()] + letter + article[1:] + space
