"""Prompts that keep where their class words stand, and their augmentation by other words (section 3).

prompt = template_prompt("A photo of a {word}", 12, "dog", "p0")
other = augment(prompt, lexicon_by_id, AugmentationConfig(), seed, tokenizer)
other.prompt.attention_words(class_names)          # where attention is read
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from methods.common.errors import InputError, reason
from methods.common.generators.attention_words import PromptWord, marks_whole_tokens
from methods.common.generators.class_prompts import num_tokens
from methods.common.stage import Config
from methods.diffumask_robust.articles import repair_article
from methods.diffumask_robust.lexicon import RELATIONS, ClassWords, Relation


class ClassSpan(NamedTuple):
    """One class word in a text."""

    class_id: int
    start: int
    """First character."""
    end: int
    """The character after the last."""


class Prompt(NamedTuple):
    """A text whose class words are known."""

    id: str
    text: str
    spans: tuple[ClassSpan, ...]
    """In the order of the text, without overlap; at least one."""

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Classes in the order in which they are named, each once."""
        return tuple(dict.fromkeys(span.class_id for span in self.spans))

    def attention_words(self, class_names: Sequence[str]) -> tuple[PromptWord, ...]:
        """Return what attention is read at, one entry a span, for :class:`PresetCapture`.

        Args:
            class_names: by class id.
        """
        return tuple(
            PromptWord(class_names[class_id], self.text[start:end], ((start, end),))
            for class_id, start, end in self.spans
        )


class Replacement(NamedTuple):
    """What became of one class word."""

    drawn: Relation
    """The relation that was drawn."""
    relation: Relation
    """The relation of the word: ``self`` where the drawn one has no word that fits."""
    word: str


class AugmentedPrompt(NamedTuple):
    """A prompt, and all that it came from (section 3, item 5)."""

    prompt: Prompt
    base_id: str
    replacements: tuple[Replacement, ...]
    """One a span."""
    seed: int

    def to_record(self) -> dict[str, Any]:
        """Return a line of ``prompts.jsonl``."""
        return {
            "id": self.prompt.id,
            "base_id": self.base_id,
            "text": self.prompt.text,
            "spans": [list(span) for span in self.prompt.spans],
            "replacements": [one._asdict() for one in self.replacements],
            "seed": self.seed,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any], where: str) -> AugmentedPrompt:
        """Read what :meth:`to_record` returned.

        Raises:
            InputError: something is missing or of another kind, or a span is no part of the text.
        """
        try:
            spans = tuple(ClassSpan(*map(int, span)) for span in record["spans"])
            prompt = Prompt(str(record["id"]), str(record["text"]), spans)
            replacements = tuple(Replacement(**one) for one in record["replacements"])
            found = cls(prompt, str(record["base_id"]), replacements, int(record["seed"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{where} is no prompt ({reason(error)}); write prompts anew") from None
        check_prompt(prompt, where)
        return found


class AugmentationConfig(Config):
    """How often each relation is drawn; shares of their sum [C D9]."""

    self_share: float = Field(default=1.0, ge=0)
    """Of the class's own word."""
    synonym_share: float = Field(default=1.0, ge=0)
    """Of its synonyms."""
    hyponym_share: float = Field(default=1.0, ge=0)
    """Of its hyponyms."""

    @model_validator(mode="after")
    def _draws_something(self) -> Self:
        if not sum(self.shares) > 0:
            raise ValueError("one of self_share, synonym_share and hyponym_share must be above 0")
        return self

    @property
    def shares(self) -> tuple[float, float, float]:
        """In the order of the relations."""
        return self.self_share, self.synonym_share, self.hyponym_share


def check_prompt(prompt: Prompt, where: str) -> None:
    """Refuse a prompt that names no class, or whose spans are no places of its text, in order and apart.

    Raises:
        InputError: with what is wrong.
    """
    if not prompt.spans:
        raise InputError(f"{where}: the prompt {prompt.text!r} names no class; write a class word into it")
    last = 0
    for span in prompt.spans:
        if not last <= span.start < span.end <= len(prompt.text):
            raise InputError(
                f"{where}: the span {tuple(span)} is no place of its own in {prompt.text!r}; give spans in order, first and last + 1"
            )
        last = span.end


def check_length(prompt: Prompt, tokenizer: Any, where: str) -> None:
    """Refuse a prompt that the text encoder does not read whole.

    Raises:
        InputError: it has more tokens than ``tokenizer.model_max_length``, 77 in Stable Diffusion 1.x.

    Source: section 3, item 4.
    """
    count, limit = num_tokens(prompt.text, tokenizer), tokenizer.model_max_length
    if count > limit:
        raise InputError(
            f"{where}: the prompt {prompt.text!r} has {count} tokens, but the text encoder reads {limit}; shorten it"
        )


def has_readable_words(prompt: Prompt, tokenizer: Any) -> bool:
    """Tell whether attention can be read at each class word: whether it is a run of whole tokens, which not every word in quotes is."""
    return marks_whole_tokens(prompt.text, [(span.start, span.end) for span in prompt.spans], tokenizer)


def template_prompt(template: str, class_id: int, word: str, id: str) -> Prompt:
    """Fill a template such as ``A photo of a {word}``, with the right article.

    Raises:
        InputError: the template does not hold ``{word}`` once.

    Source: section 3, item 1.
    """
    if template.count("{word}") != 1:
        raise InputError(f"the template {template!r} must hold {{word}} once; write it where the class word stands")
    start = template.index("{word}")
    text = template.replace("{word}", word)
    filled = Prompt(id, text, (ClassSpan(class_id, start, start + len(word)),))
    return replace_word(filled, 0, word)


def replace_word(prompt: Prompt, number: int, word: str) -> Prompt:
    """Put another word at a span; the article before it is repaired, every later span moves.

    A word at the start of a text that began with a capital gets one.

    Source: section 3, item 3.
    """
    span = prompt.spans[number]
    before, after = prompt.text[: span.start], prompt.text[span.end :]
    if not before.strip() and prompt.text[span.start].isupper():
        word = word[0].upper() + word[1:]
    repaired = repair_article(before, word)
    start = len(repaired)
    shift = start + len(word) - span.end
    spans = (
        *prompt.spans[:number],
        ClassSpan(span.class_id, start, start + len(word)),
        *(ClassSpan(one.class_id, one.start + shift, one.end + shift) for one in prompt.spans[number + 1 :]),
    )
    return Prompt(prompt.id, repaired + word + after, spans)


def augment(
    prompt: Prompt,
    words_of: Mapping[int, ClassWords],
    config: AugmentationConfig,
    seed: int,
    tokenizer: Any,
    id: str,
) -> AugmentedPrompt:
    """Replace each class word of a prompt; the classes stay.

    A relation is drawn for each span, then a word of it, each with the same probability, among those with which the prompt
    still fits into the text encoder and has only words that are whole tokens. Where there is none, the word is the class's own; where that does not fit either, the prompt's word stays.

    Args:
        prompt: which fits, and whose words are whole tokens.
        words_of: the words of each class id.
        config: how often each relation is drawn.
        seed: all draws come from it.
        tokenizer: of the generator.
        id: of the new prompt.

    Raises:
        InputError: the prompt is too long as it is, or names a class without words.

    Source: section 3, items 3 to 5.
    """
    check_prompt(prompt, f"prompt {prompt.id}")
    check_length(prompt, tokenizer, f"prompt {prompt.id}")
    rng = np.random.default_rng(seed)
    replacements = []
    made = prompt
    for number, span in enumerate(prompt.spans):
        if span.class_id not in words_of:
            raise InputError(
                f"prompt {prompt.id} names class {span.class_id}, for which the lexicon has no words; add it"
            )
        shares = np.array(config.shares)
        drawn = RELATIONS[int(rng.choice(len(RELATIONS), p=shares / shares.sum()))]
        made, replacement = _replace_by(made, number, words_of[span.class_id], drawn, rng, tokenizer)
        replacements.append(replacement)
    return AugmentedPrompt(made._replace(id=id), prompt.id, tuple(replacements), seed)


def _replace_by(
    prompt: Prompt, number: int, words: ClassWords, drawn: Relation, rng: np.random.Generator, tokenizer: Any
) -> tuple[Prompt, Replacement]:
    """Try the words of a relation in random order, then the class's own; keep the first that fits."""
    for relation in dict.fromkeys((drawn, RELATIONS[0])):
        choices = words.related(relation)
        for place in rng.permutation(len(choices)):
            made = replace_word(prompt, number, choices[place])
            if num_tokens(made.text, tokenizer) <= tokenizer.model_max_length and has_readable_words(made, tokenizer):
                return made, Replacement(drawn, relation, choices[place])
    _, start, end = prompt.spans[number]
    return prompt, Replacement(drawn, "self", prompt.text[start:end])


def find_class_words(text: str, words_of: Mapping[int, ClassWords]) -> tuple[ClassSpan, ...]:
    """Find every class word of a text: whole words in any case of letters, the longest first where they overlap [C D10]."""
    listed = sorted(
        ((word, class_id) for class_id, words in words_of.items() for word in words.all()),
        key=lambda pair: -len(pair[0]),
    )
    found: list[ClassSpan] = []
    for word, class_id in listed:
        written = r"\s+".join(map(re.escape, word.split()))
        for match in re.finditer(rf"(?<![\w-]){written}(?![\w-])", text, re.IGNORECASE):
            if all(match.end() <= one.start or match.start() >= one.end for one in found):
                found.append(ClassSpan(class_id, match.start(), match.end()))
    return tuple(sorted(found, key=lambda span: span.start))
