"""The words that may stand for each class, and how they are related to its name (section 3, items 2 and 4).

A stored lexicon is JSON: ``{"format": "lexicon 1", "source": .., "classes": {name: {"synset": .., "self": [..], "synonym": [..], "hyponym": [..]}}}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from methods.common.errors import InputError, reason
from methods.common.files import write_atomic
from methods.common.generators.class_prompts import written_form
from methods.common.miniature.categories import CATEGORIES
from methods.common.wordnet import Synset, WordNet
from methods.diffumask_robust.synsets import ChosenSynset

Relation = Literal["self", "synonym", "hyponym"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)
DEFAULT_DEPTH = 3
"""Levels of hyponyms."""
_FORMAT = "lexicon 1"
_WORDNET_ID = re.compile(r"n\d{8}")


class ClassWords(NamedTuple):
    """The words of one class; each has one relation."""

    own: tuple[str, ...]
    """Relation ``self``: the class's written form."""
    synonyms: tuple[str, ...] = ()
    hyponyms: tuple[str, ...] = ()
    synset: str = ""
    """Where they come from; empty where no synset was chosen."""

    def related(self, relation: Relation) -> tuple[str, ...]:
        """Return the words of a relation."""
        return {"self": self.own, "synonym": self.synonyms, "hyponym": self.hyponyms}[relation]

    def all(self) -> tuple[str, ...]:
        """Return every word."""
        return self.own + self.synonyms + self.hyponyms


class Lexicon(NamedTuple):
    """The words of every class."""

    classes: dict[str, ClassWords]
    source: str
    """In words."""

    def without_synset(self) -> tuple[str, ...]:
        """Name the classes that have their own word only, because no synset was chosen for them."""
        return tuple(name for name, words in self.classes.items() if not words.synset)

    def to_json(self) -> dict[str, Any]:
        """Return the stored form."""
        classes = {
            name: {"synset": words.synset, **{relation: list(words.related(relation)) for relation in RELATIONS}}
            for name, words in self.classes.items()
        }
        return {"format": _FORMAT, "source": self.source, "classes": classes}


def is_proper_name(word: str, wordnet: WordNet | None = None) -> bool:
    """Tell whether a word is a proper name: every part has a capital, or it begins with the name of a genus.

    "Great Dane" and "Canis familiaris" are, "Siamese cat" is not. [C D7]
    """
    parts = [part for part in word.replace("-", " ").split() if part[0].isalpha()]
    if all(part[0].isupper() for part in parts):
        return True
    return wordnet is not None and parts[0][0].isupper() and wordnet.is_genus(parts[0])


def build_lexicon(
    class_names: Sequence[str], chosen: Mapping[str, ChosenSynset], wordnet: WordNet, depth: int = DEFAULT_DEPTH
) -> Lexicon:
    """Take the words of each class from WordNet and filter them; a class without a chosen synset has its own word only.

    A class that is named by a WordNet id, as in ImageNet-S, is that synset, and its own word the synset's first [C D60].

    Args:
        class_names: of a data set, without background.
        chosen: synset by class name.
        wordnet: version 3.0.
        depth: levels of hyponyms.

    Raises:
        InputError: a synset is not there, or begins with another word: the files are of another version.

    Source: section 3, items 2 and 4.
    """
    raw = {name: _from_wordnet(name, chosen[name], wordnet, depth) for name in class_names if name in chosen}
    raw |= {name: _of_id(name, wordnet, depth) for name in class_names if _WORDNET_ID.fullmatch(name)}
    raw |= {name: ClassWords((written_form(name),)) for name in class_names if name not in raw}
    return Lexicon(drop_shared({name: raw[name] for name in class_names}), f"WordNet 3.0, depth {depth}")


def _from_wordnet(name: str, choice: ChosenSynset, wordnet: WordNet, depth: int) -> ClassWords:
    synset = wordnet.synset(choice.wordnet_id)
    if synset.words[0] != choice.first_word:
        raise InputError(
            f"synset {choice.wordnet_id} in {wordnet.folder} begins with {synset.words[0]!r} instead of {choice.first_word!r}; take the "
            "files of WordNet 3.0, as other versions number otherwise"
        )
    return _words_of(written_form(name), synset, choice.wordnet_id, wordnet, depth)


def _of_id(wordnet_id: str, wordnet: WordNet, depth: int) -> ClassWords:
    synset = wordnet.synset(wordnet_id)
    return _words_of(synset.words[0], synset, wordnet_id, wordnet, depth)


def _words_of(own: str, synset: Synset, wordnet_id: str, wordnet: WordNet, depth: int) -> ClassWords:
    synonyms = _usable([synset], wordnet, {own.lower()})
    hyponyms = _usable(wordnet.below(wordnet_id, depth), wordnet, {word.lower() for word in (own, *synonyms)})
    return ClassWords((own,), synonyms, hyponyms, wordnet_id)


def _usable(synsets: Iterable[Synset], wordnet: WordNet, known: set[str]) -> tuple[str, ...]:
    """The words of synsets, each once, without known ones and proper names."""
    words = {word.lower(): word for synset in reversed(list(synsets)) for word in reversed(synset.words)}
    found = [word for lower, word in reversed(words.items()) if lower not in known]
    return tuple(word for word in found if not is_proper_name(word, wordnet))


def drop_shared(classes: Mapping[str, ClassWords]) -> dict[str, ClassWords]:
    """Leave out each synonym and hyponym that is also a word of another class; a class keeps its own word [C D8].

    Source: section 3, item 4.
    """
    owners: dict[str, set[str]] = {}
    for name, words in classes.items():
        for word in words.all():
            owners.setdefault(word.lower(), set()).add(name)

    def alone(words: Iterable[str]) -> tuple[str, ...]:
        return tuple(word for word in words if len(owners[word.lower()]) == 1)

    return {
        name: words._replace(synonyms=alone(words.synonyms), hyponyms=alone(words.hyponyms))
        for name, words in classes.items()
    }


def miniature_lexicon(class_names: Sequence[str]) -> Lexicon:
    """Return the miniature world's own words: each category has a synonym, and a slim and a broad variant that are really drawn.

    Its text encoder was trained on captions with all of them.

    Raises:
        InputError: a class is no category of the world.
    """
    known = {category.name: category for category in CATEGORIES}
    strange = [name for name in class_names if name not in known]
    if strange:
        raise InputError(f"the miniature world has no category {strange[0]!r}; name a lexicon file for other classes")
    classes = {
        name: ClassWords((name,), known[name].synonyms[1:], known[name].hyponyms, known[name].synset)
        for name in class_names
    }
    return Lexicon(drop_shared(classes), "the miniature world")


def write_lexicon(lexicon: Lexicon, path: Path) -> None:
    """Store a lexicon."""
    write_atomic(path, json.dumps(lexicon.to_json(), indent=1, ensure_ascii=False).encode())


def read_lexicon(path: Path, class_names: Sequence[str]) -> Lexicon:
    """Read the words of some classes from a stored lexicon, and filter out what they share.

    Raises:
        InputError: the file is no lexicon, or a class is not in it.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != _FORMAT:
            raise ValueError(f"its format is {stored['format']!r}")
        every = {str(name): _stored_words(str(name), entry) for name, entry in stored["classes"].items()}
        source = str(stored["source"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no lexicon ({reason(error)}); write one as {_FORMAT!r}") from None
    missing = [name for name in class_names if name not in every]
    if missing:
        raise InputError(f"{path} has no class {missing[0]!r}; add it with its own word at least")
    return Lexicon(drop_shared({name: every[name] for name in class_names}), source)


def _stored_words(name: str, entry: Any) -> ClassWords:
    lists = {relation: entry.get(relation, []) for relation in RELATIONS}
    for relation, words in lists.items():
        if not isinstance(words, list) or not all(isinstance(word, str) and word.split() for word in words):
            raise ValueError(f"{relation} of class {name!r} is no list of words")
    if not lists["self"]:
        raise ValueError(f"class {name!r} has no word of its own")
    own, synonyms, hyponyms = (tuple(" ".join(word.split()) for word in lists[relation]) for relation in RELATIONS)
    return ClassWords(own, synonyms, hyponyms, entry.get("synset", ""))
