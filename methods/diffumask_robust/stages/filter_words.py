"""Stage ``robust_filter_words``: words whose pictures CLIP does not take for their class leave the lexicon (section 3, item 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from methods.common.generators.class_prompts import written_form
from methods.common.generators.sampling import SamplingConfig
from methods.common.resumable_records import append_lines, keep_lines
from methods.common.stage import Context, Inputs, Record, Stage
from methods.diffumask_robust.base_prompts import TEMPLATE
from methods.diffumask_robust.stages.prompts import LEXICON_FILE, LexiconKind, lexicon_and_classes

if TYPE_CHECKING:
    from methods.diffumask_robust.lexicon import ClassWords, Lexicon, Relation

WORDS_FILE = "words.jsonl"


class FilterWordsConfig(SamplingConfig):
    """How words are tried. Work is a word."""

    num_steps: int = Field(default=50, ge=1)
    """Denoising steps. [C D66]"""
    guidance_scale: float = Field(default=7.5, ge=0)
    """Classifier-free guidance. [C D66]"""
    precision: Literal["float32", "bfloat16", "float16"] = "float16"
    """Precision of the networks on CUDA. [C D41]"""
    lexicon: LexiconKind = "wordnet"
    """Where words of a class come from, as for the prompts."""
    split: str = "val"
    """List of role ``data`` that is opened for the names of the classes."""
    template: str = TEMPLATE
    """Text of a test image, and with a class's own word what CLIP compares it with. [C D66]"""
    num_images: int = Field(default=8, ge=1)
    """Test images of a word. Section 3, item 4"""
    min_right: int = Field(default=4, ge=1)
    """A word stays if CLIP takes at least so many of them for its class. [C D66]"""


def filter_words(inputs: Inputs, config: FilterWordsConfig, context: Context) -> Record:
    """Write ``lexicon.json`` with the words that stay, and ``words.jsonl`` with what was found of each.

    A class's own word always stays. The seed of a test image is derived from its word and number.

    Roles: ``data``, ``generator``, ``clip`` (a folder of CLIP), and ``wordnet`` or ``lexicon``, where the lexicon is made of it.

    Returns:
        ``num_words`` (synonyms and hyponyms that were tried), ``num_kept``, and ``kept_by_class``.

    Raises:
        InputError: something is missing or faulty.
    Source: section 3, item 4.
    """
    from methods.diffumask_robust.lexicon import write_lexicon

    lexicon, _ = lexicon_and_classes(inputs, config.lexicon, config.split)
    waiting = list(_words(lexicon))
    path = context.out / WORDS_FILE
    found = context.checkpoints.load()
    lines = keep_lines(path, 0 if found is None else found[0])
    judge = _Judge(inputs, config, context, list(lexicon.classes)) if len(lines) < len(waiting) else None
    for number in range(len(lines), len(waiting)):
        assert judge is not None
        name, relation, word = waiting[number]
        lines.append({"class": name, "relation": relation, "word": word, "right": judge.count_right(name, word)})
        append_lines(path, lines[-1:])
        if context.checkpoint_due():
            context.checkpoints.save(number + 1, None)
        context.progress(number + 1, len(waiting), "words")
    kept = {(line["class"], line["word"]) for line in lines if line["right"] >= config.min_right}
    left = {name: _left(name, words, kept) for name, words in lexicon.classes.items()}
    write_lexicon(
        lexicon._replace(classes=left, source=f"{lexicon.source}, as CLIP sees it"), context.out / LEXICON_FILE
    )
    by_class = {name: sum(1 for of, _ in kept if of == name) for name in lexicon.classes}
    return {"num_words": len(lines), "num_kept": len(kept), "kept_by_class": by_class}


def _words(lexicon: Lexicon) -> Iterator[tuple[str, Relation, str]]:
    for name, words in lexicon.classes.items():
        yield from ((name, "synonym", word) for word in words.synonyms)
        yield from ((name, "hyponym", word) for word in words.hyponyms)


def _left(name: str, words: ClassWords, kept: set[tuple[str, str]]) -> ClassWords:
    synonyms, hyponyms = (
        tuple(word for word in of_relation if (name, word) in kept) for of_relation in (words.synonyms, words.hyponyms)
    )
    return words._replace(synonyms=synonyms, hyponyms=hyponyms)


class _Judge:
    """Samples the test images of a word and asks CLIP which class they show."""

    def __init__(self, inputs: Inputs, config: FilterWordsConfig, context: Context, class_names: Sequence[str]) -> None:
        from methods.common.clip import ClipScorer
        from methods.common.generators.sampling import load_pipeline

        self._config, self._seeds, self._names = config, context.seeds, class_names
        self._pipeline: Any = load_pipeline(inputs.folder("generator"), config, context.device)
        self._clip = ClipScorer.from_pretrained(inputs.folder("clip"), context.device)
        texts = [config.template.replace("{word}", written_form(name)) for name in class_names]
        self._texts_KD = self._clip.embed_texts(texts)

    def count_right(self, name: str, word: str) -> int:
        """Count the test images of a word that are most like its class's own word."""
        from methods.common.generators.sampling import sample_images

        config, right = self._config, 0
        text = config.template.replace("{word}", word)
        seeds = [self._seeds.derive("generation", "word", word, number) for number in range(config.num_images)]
        for first in range(0, len(seeds), config.batch_size):
            batch = seeds[first : first + config.batch_size]
            images = sample_images(self._pipeline, [text] * len(batch), batch, config)
            found_NK = self._clip.embed_images(list(images)) @ self._texts_KD.T
            right += int((found_NK.argmax(1) == self._names.index(name)).sum())
        return right


FILTER_WORDS: Stage[FilterWordsConfig] = Stage(
    "robust_filter_words", 1, FilterWordsConfig, filter_words, ("generation",), uses_gpu=True, kind="filter"
)
