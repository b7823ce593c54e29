"""Where base prompts come from: a template with each class's own word, or a file of captions (section 3, item 1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from methods.common.errors import InputError, reason
from methods.common.generators.class_prompts import num_tokens
from methods.common.resumable_records import read_lines
from methods.diffumask_robust.lexicon import ClassWords, Lexicon
from methods.diffumask_robust.prompts import Prompt, find_class_words, has_readable_words, template_prompt

TEMPLATE = "A photo of a {word}"
"""Base text of a class. [C D12]"""


CAPTIONS_FILE = "captions.jsonl"
"""Of a cell of captions."""


class Captions(NamedTuple):
    """What a file of captions gave."""

    prompts: tuple[Prompt, ...]
    num_without_class: int
    """Captions that were left out because they name no class."""
    num_too_long: int
    """Captions that were left out because the text encoder does not read them whole."""
    num_unreadable: int
    """Captions that were left out because the tokenizer joins a class word with what stands beside it, as with some quotes."""


def words_by_class(lexicon: Lexicon, class_names: Sequence[str]) -> dict[int, ClassWords]:
    """Return the words of each class id.

    Args:
        lexicon: with every class.
        class_names: by class id; those that the lexicon does not have, such as background, are left out.
    """
    return {number: lexicon.classes[name] for number, name in enumerate(class_names) if name in lexicon.classes}


def template_prompts(words_of: Mapping[int, ClassWords], template: str = TEMPLATE) -> tuple[Prompt, ...]:
    """Return one prompt a class, with its own word; its id is ``class`` and the number.

    Raises:
        InputError: the template does not hold ``{word}`` once.
    """
    return tuple(
        template_prompt(template, class_id, words.own[0], f"class{class_id}") for class_id, words in words_of.items()
    )


def read_captions(
    path: Path, class_names: Sequence[str], words_of: Mapping[int, ClassWords], tokenizer: Any
) -> Captions:
    """Read base prompts from a file of captions; the id of each is its place in the file.

    The file is text with one caption a line, or JSON lines with ``caption`` and perhaps ``classes``, or annotations of COCO captions (.json).
    Captions that name no class, are too long for the text encoder, or have a class word that is no run of whole tokens, are left out and counted. Where ``classes`` are given, only they count,
    and the caption must name each. [C D10]

    Args:
        path: ending .txt, .jsonl or .json.
        class_names: by class id.
        words_of: the words of each class id.
        tokenizer: of the generator.

    Raises:
        InputError: the file cannot be read, gives a class that is unknown or that its caption does not name, or no caption is of use.

    Source: section 3, item 1.
    """
    prompts, without_class, too_long, unreadable = [], 0, 0, 0
    for number, (text, classes) in enumerate(caption_texts(path)):
        where = f"{path}, caption {number + 1}"
        counted = _restrict(words_of, classes, class_names, where)
        prompt = Prompt(f"caption{number}", text, find_class_words(text, counted))
        missing = [class_names[class_id] for class_id in counted if class_id not in prompt.class_ids]
        if classes is not None and missing:
            raise InputError(
                f"{where}: {text!r} does not name the class {missing[0]!r}; write one of its words, or do not list it"
            )
        if not prompt.spans:
            without_class += 1
        elif num_tokens(text, tokenizer) > tokenizer.model_max_length:
            too_long += 1
        elif not has_readable_words(prompt, tokenizer):
            unreadable += 1
        else:
            prompts.append(prompt)
    if not prompts:
        raise InputError(
            f"{path} has no caption of use: {without_class} name no class, {too_long} have more than {tokenizer.model_max_length} tokens, "
            f"{unreadable} have a class word that the tokenizer joins with a quote; give captions with class words"
        )
    return Captions(tuple(prompts), without_class, too_long, unreadable)


def _restrict(
    words_of: Mapping[int, ClassWords], classes: Any, class_names: Sequence[str], where: str
) -> Mapping[int, ClassWords]:
    """The words of the classes that a caption lists, or of all where it lists none."""
    if classes is None:
        return words_of
    if not isinstance(classes, list) or not classes:
        raise InputError(f"{where}: 'classes' is no list of class names; write one, or leave it out")
    numbers = []
    for name in classes:
        if name not in class_names or class_names.index(name) not in words_of:
            raise InputError(
                f"{where}: the class {name!r} is unknown; the classes are {', '.join(_known(class_names, words_of))}"
            )
        numbers.append(class_names.index(name))
    return {number: words_of[number] for number in numbers}


def _known(class_names: Sequence[str], words_of: Mapping[int, ClassWords]) -> list[str]:
    return [name for number, name in enumerate(class_names) if number in words_of]


def caption_texts(path: Path) -> list[tuple[str, Any]]:
    """Return every caption with the classes it lists, or None.

    Raises:
        InputError: the file cannot be read as captions.
    """
    remedy = "give .txt with one caption a line, .jsonl with 'caption', or COCO's captions as .json"
    if path.suffix not in (".txt", ".jsonl", ".json"):
        raise InputError(f"{path} cannot be read as captions, by its name; {remedy}")
    if path.suffix == ".jsonl":
        found = [(record.get("caption"), record.get("classes")) for record in read_lines(path)]
    else:
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".json":
                found = [(one["caption"], None) for one in json.loads(text)["annotations"]]
            else:
                found = [(line, None) for line in text.splitlines() if line.strip()]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} cannot be read as captions ({reason(error)}); {remedy}") from None
    for number, (caption, _) in enumerate(found):
        if not isinstance(caption, str):
            raise InputError(f"{path}, caption {number + 1} is no text; {remedy}")
    return [(" ".join(str(caption).split()), classes) for caption, classes in found]
