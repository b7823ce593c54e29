"""A WordNet of a few synsets in the files of the real one."""

from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    words: tuple[str, ...]
    below: tuple[str, ...] = ()
    """Keys of its kinds."""
    instances: tuple[str, ...] = ()
    gloss: str = "a thing"


def write_wordnet(folder: Path, entries: dict[str, Entry]) -> dict[str, str]:
    """Write the files; return the id of each entry."""
    folder.mkdir(parents=True, exist_ok=True)
    licence = "  1 This file begins with lines of a licence.\n"
    offsets = dict.fromkeys(entries, 0)
    for _ in range(2):  # offsets have eight digits, so lengths are the same in both rounds
        lines, at = [], len(licence)
        for key, entry in entries.items():
            offsets[key] = at
            lines.append(_line(at, entry, offsets))
            at += len(lines[-1])
    (folder / "data.noun").write_text(licence + "".join(lines))
    lemmas = sorted({word.lower().replace(" ", "_") for entry in entries.values() for word in entry.words})
    (folder / "index.noun").write_text(licence + "".join(f"{lemma} n 1 0 1 0 00000000  \n" for lemma in lemmas))
    return {key: f"n{offset:08d}" for key, offset in offsets.items()}


def _line(at: int, entry: Entry, offsets: dict[str, int]) -> str:
    words = " ".join(f"{word.replace(' ', '_')} 0" for word in entry.words)
    kinds = [
        ("@", at),
        *(("~", offsets[key]) for key in entry.below),
        *(("~i", offsets[key]) for key in entry.instances),
    ]
    pointers = " ".join(f"{kind} {target:08d} n 0000" for kind, target in kinds)
    return f"{at:08d} 05 n {len(entry.words):02x} {words} {len(kinds):03d} {pointers} | {entry.gloss}  \n"
