"""WordNet 3.0 on disk: the files of its nouns."""

from __future__ import annotations

from pathlib import Path

from methods.common.errors import InputError
from methods.common.wordnet import WordNet
from reproductions.requirements.file_checks import check_is_folder
from reproductions.requirements.inspection import Inspection, judge

_KNOWN = {"n00007846": "person", "n02084071": "dog", "n04468005": "train", "n15075141": "toilet tissue"}
"""First words of synsets from the file's start to its end; another version has others, or none, at these places."""


def wordnet_folder(folder: Path) -> Inspection:
    """Inspect a folder with ``data.noun`` and ``index.noun`` of version 3.0."""
    check_is_folder(folder)
    problems: list[str] = []
    try:
        wordnet = WordNet(folder)
        for wordnet_id, word in _KNOWN.items():
            found = wordnet.synset(wordnet_id).words[0]
            if found != word:
                problems.append(f"synset {wordnet_id} begins with {found!r} instead of {word!r}: another version")
    except InputError as error:
        problems.append(str(error))
    return judge(problems)
