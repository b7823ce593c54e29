"""Looking into a folder of WordNet's files."""

from __future__ import annotations

from pathlib import Path

from methods.common.errors import InputError
from reproductions.requirements.inspection import Inspection, judge

_DOG = "n02084071"
"""A synset of version 3.0, by its place in the file."""


def wordnet_folder(folder: Path) -> Inspection:
    """Inspect the nouns: a synset that stands at another place in other versions must be where version 3.0 has it."""
    from methods.common.wordnet import WordNet

    try:
        found = WordNet(folder).synset(_DOG).words[0]
    except InputError as error:
        return judge([str(error)])
    return judge(
        [] if found == "dog" else [f"synset {_DOG} begins with {found!r}: these are files of another version than 3.0"]
    )
