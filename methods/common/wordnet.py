"""Nouns of WordNet 3.0 from its own files: the words of a synset, and all below it.

A folder holds ``data.noun`` and ``index.noun``, as the Debian package ``wordnet-base`` puts them into ``/usr/share/wordnet`` and NLTK's download
into ``corpora/wordnet``. A synset is named as ImageNet does: ``n`` and its place in ``data.noun``, eight digits.

Source: the format of the files, wndb(5WN) of WordNet 3.0.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from methods.common.errors import InputError, reason

_HYPONYM = "~"
"""Pointer to a kind of it; ``~i`` would be one to a single instance, which is a proper name."""
_NUM_FIELDS_OF_POINTER = 4


class Synset(NamedTuple):
    """One meaning."""

    wordnet_id: str
    words: tuple[str, ...]
    """Its lemmas in WordNet's order, with spaces."""
    hyponyms: tuple[str, ...]
    """Ids of the synsets right below it, without instances."""
    definition: str


class WordNet:
    """Reads synsets of a folder; only what is asked for is read."""

    def __init__(self, folder: Path) -> None:
        """Open the files.

        Raises:
            InputError: one is missing.
        """
        self.folder = folder
        for name in ("data.noun", "index.noun"):
            if not (folder / name).is_file():
                raise InputError(
                    f"{folder} holds no WordNet: {name} is missing; name the folder of WordNet 3.0's files, such as /usr/share/wordnet"
                )
        self._read: dict[str, Synset] = {}

    def synset(self, wordnet_id: str) -> Synset:
        """Read one synset.

        Raises:
            InputError: there is none of this id, as in another version of WordNet.
        """
        if wordnet_id not in self._read:
            self._read[wordnet_id] = self._parse(wordnet_id, self._line(wordnet_id))
        return self._read[wordnet_id]

    def below(self, wordnet_id: str, depth: int) -> list[Synset]:
        """Return every synset below one, level by level, each once.

        Args:
            wordnet_id: of the synset at the top, which is left out.
            depth: levels.

        Raises:
            InputError: as :meth:`synset`.
        """
        level, found = [wordnet_id], dict[str, Synset]()
        for _ in range(depth):
            level = [one for upper in level for one in self.synset(upper).hyponyms]
            found |= {one: self.synset(one) for one in level if one not in found}
        return list(found.values())

    def is_genus(self, word: str) -> bool:
        """Tell whether a word is the name of a biological genus, as Canis is."""
        return word.lower() in self._genera

    @cached_property
    def _genera(self) -> frozenset[str]:
        text = (self.folder / "index.noun").read_text(encoding="utf-8", errors="replace")
        return frozenset(re.findall(r"^genus_(\S+) ", text, re.MULTILINE))

    def _line(self, wordnet_id: str) -> str:
        match = re.fullmatch(r"n(\d{8})", wordnet_id)
        if match is None:
            raise InputError(f"{wordnet_id!r} is no id of a noun in WordNet; write n and eight digits")
        path = self.folder / "data.noun"
        try:
            with path.open("rb") as file:
                file.seek(int(match[1]))
                line = file.readline().decode("utf-8", "replace")
        except OSError as error:
            raise InputError(f"{path} cannot be read ({reason(error)}); copy it again") from None
        if not line.startswith(match[1] + " "):
            raise InputError(
                f"{path} has no synset {wordnet_id}; take the files of WordNet 3.0, as other versions number otherwise"
            )
        return line

    def _parse(self, wordnet_id: str, line: str) -> Synset:
        head, _, definition = line.partition(" | ")
        fields = head.split()
        try:
            num_words = int(fields[3], 16)
            words = fields[4 : 4 + 2 * num_words : 2]
            num_pointers = int(fields[4 + 2 * num_words])
            pointers = fields[5 + 2 * num_words :]
            kinds = [pointers[_NUM_FIELDS_OF_POINTER * number] for number in range(num_pointers)]
            targets = [pointers[_NUM_FIELDS_OF_POINTER * number + 1] for number in range(num_pointers)]
        except (IndexError, ValueError):
            raise InputError(f"{self.folder / 'data.noun'} is damaged at synset {wordnet_id}; copy it again") from None
        below = tuple(f"n{target}" for kind, target in zip(kinds, targets, strict=True) if kind == _HYPONYM)
        return Synset(wordnet_id, tuple(word.replace("_", " ") for word in words), below, definition.strip())
