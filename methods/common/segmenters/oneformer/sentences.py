"""The sentences that OneFormer reads, and the numbers that stand for them.

For K classes there are K + 6 sentences: one about each class, a filler and a command for each task. None is ever made while
training, so a network holds their numbers as one table.

Shape legend: S sentences, L numbers of a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from methods.common.errors import InputError, reason
from methods.common.segmenters.oneformer.config import TASKS, OneFormerConfig

_BEGIN, _END = 49_406, 49_407
_COMMAND_TOKENS = {
    "semantic": (518, 10_549, 533, 29_119, 1_550),
    "instance": (518, 10_549, 533, 34_572),
    "panoptic": (518, 10_549, 533, 1_072, 24_755),
}
"""CLIP's tokens of "the task is ...". They are fixed, so that a trained network can be asked without CLIP's vocabulary. [OF]"""
_VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"))
"""Files of CLIP's tokenizer, of which either set does."""


def sentences_of(config: OneFormerConfig) -> list[str]:
    """Return all sentences: of the classes in their order, then fillers, then commands in the order of ``TASKS``.

    Source: InstSynth section 8.1.
    """
    classes = [f"a photo with a {name}" for name in config.class_names]
    fillers = [f"{'an' if task == 'instance' else 'a'} {task} photo" for task in TASKS]
    return [*classes, *fillers, *(f"the task is {task}" for task in TASKS)]


def filler_row(config: OneFormerConfig, task: int) -> int:
    """Return the row of a task's filler in the table of sentences."""
    return len(config.class_names) + task


def command_row(config: OneFormerConfig, task: int) -> int:
    """Return the row of a task's command."""
    return len(config.class_names) + len(TASKS) + task


def known_tokens(config: OneFormerConfig) -> Tensor:
    """Return the table as far as it is known without a file, int64 [S, L]; unknown sentences are all 0.

    Sentences in words are all known; of CLIP's only the commands are.
    """
    sentences = sentences_of(config)
    if config.tokens == "words":
        return _table([_words(sentence, sentences) for sentence in sentences], config)
    rows: list[Sequence[int]] = [()] * (len(sentences) - len(TASKS))
    return _table([*rows, *((_BEGIN, *_COMMAND_TOKENS[task], _END) for task in TASKS)], config)


def clip_tokens(config: OneFormerConfig, folder: Path | str) -> Tensor:
    """Return the table of all sentences in CLIP's tokens, int64 [S, L].

    Padded with 0, as in the release, where ``CLIPTokenizer`` alone would repeat the end token; a sentence that is too long is cut before its
    end token.

    Args:
        config: whose sentences.
        folder: holds CLIP's tokenizer as ``transformers`` saves it, ``openai/clip-vit-large-patch14`` for one.

    Raises:
        InputError: no tokenizer is there, or it is not CLIP's.
    """
    encode = _clip_encoder(Path(folder))
    table = _table([encode(sentence) for sentence in sentences_of(config)], config)
    commands = slice(-len(TASKS), None)
    if not torch.equal(table[commands], known_tokens(config)[commands]):
        raise InputError(
            f"the tokenizer in {folder} is not CLIP's: it cuts 'the task is semantic' into other tokens; give that of "
            "openai/clip-vit-large-patch14"
        )
    return table


def _clip_encoder(folder: Path) -> Callable[[str], Sequence[int]]:
    needed = " or ".join(" with ".join(names) for names in _VOCABULARIES)
    if not any(all((folder / name).is_file() for name in names) for names in _VOCABULARIES):
        raise InputError(
            f"{folder} holds no CLIP tokenizer ({needed}), which the text branch of OneFormer needs; give the folder of "
            "openai/clip-vit-large-patch14, or train without the text branch"
        )
    from transformers import CLIPTokenizer

    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    except Exception as error:  # a damaged file raises nearly anything
        raise InputError(
            f"the CLIP tokenizer in {folder} cannot be read ({reason(error)}); download it again"
        ) from error
    return lambda sentence: tokenizer(sentence).input_ids


def _words(sentence: str, sentences: Sequence[str]) -> list[int]:
    """Number words by their first use from 1 on; begin and end follow, so that the end is the largest number."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys(" ".join(sentences).split()), start=1)}
    begin, end = len(numbers) + 1, len(numbers) + 2
    return [begin, *(numbers[word] for word in sentence.split()), end]


def _table(rows: Sequence[Sequence[int]], config: OneFormerConfig) -> Tensor:
    length = config.sentence_length
    table_SL = torch.zeros(len(rows), length, dtype=torch.int64, device="cpu")
    for row_L, tokens in zip(table_SL, rows, strict=True):
        kept = [*tokens[: length - 1], tokens[-1]] if len(tokens) > length else tokens
        row_L[: len(kept)] = torch.tensor(kept, dtype=torch.int64, device="cpu")
    return table_SL
