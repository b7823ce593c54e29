"""Stage ``robust_prompts``: base prompts, and one augmented prompt a picture (sections 3 and 10.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from methods.common.errors import InputError
from methods.common.files import write_atomic
from methods.common.generated.pair_reader import CLASSES_FILE
from methods.common.growth import Added
from methods.common.resumable_records import append_lines, keep_lines
from methods.common.stage import Config, Context, Inputs, Record, Stage
from methods.diffumask_robust.base_prompts import CAPTIONS_FILE, TEMPLATE
from methods.diffumask_robust.prompts import AugmentationConfig

if TYPE_CHECKING:
    from methods.diffumask_robust.lexicon import ClassWords, Lexicon
    from methods.diffumask_robust.prompts import AugmentedPrompt, Prompt

LEXICON_FILE = "lexicon.json"
LexiconKind = Literal["miniature", "wordnet", "file"]
_BACKGROUND = "background"
_NO_CLASS = (_BACKGROUND, "other")
"""What label 0 is called where it is no class; ``other`` in ImageNet-S."""


class AugmentedPrompts(Config):
    """Base prompts whose class words are replaced (section 3)."""

    kind: Literal["augmented"] = "augmented"
    """Which prompts these are."""
    template: str = TEMPLATE
    """Base text of each class, where no captions are given. [C D12]"""
    augmentation: AugmentationConfig = AugmentationConfig()
    """How often each relation is drawn. [C D9]"""


class SubclassPrompts(Config):
    """DiffuMask's prompts (section 10.2)."""

    kind: Literal["subclasses"] = "subclasses"
    """Which prompts these are."""
    max_subclasses: int = Field(default=100, ge=0)
    """Sub-classes of a class at most; 0 for its bare name. Corrections, section 10.2: 10, 50 and 100."""
    bare_share: float = Field(default=0.2, ge=0, le=1)
    """Share of prompts with the bare class beside sub-classes. [C D13]"""
    class_names: Annotated[tuple[str, ...], Added(neutral=())] = ()
    """Classes to be asked for, without background, in the order of their labels; none for those of role ``data``."""


class DomainPrompts(Config):
    """Prompts of the form that a generator was adapted with, naming several things (section 7)."""

    kind: Literal["domain"] = "domain"
    """Which prompts these are."""
    template: str = "a photo of a city street with {classes}, seen from a car"
    """Text; the things stand at ``{classes}``."""
    words: dict[str, tuple[str, ...]] = {"human": ("person", "rider"), "vehicle": ("car", "truck", "bus", "train")}
    """Words of each class; the classes are background and these."""
    shares: dict[str, float] = {"person": 0.79, "rider": 0.35, "car": 0.95, "truck": 0.12, "bus": 0.09, "train": 0.05}
    """How often a word is drawn, by the share of Cityscapes' training pictures that show it. [C D55]"""
    always: Annotated[tuple[str, ...], Added(neutral=())] = ()
    """Words that every prompt names, as stuff that no prompt names would be background."""
    max_words: int = Field(default=5, ge=1)
    """Words of a prompt at most, beside those. Section 7"""

    @model_validator(mode="after")
    def _words_are_known(self) -> Self:
        known = {word for words in self.words.values() for word in words}
        for word in sorted(known):
            if self.shares.get(word, 0) <= 0:
                raise ValueError(f"shares gives no share above 0 for the word {word!r}; say how often it is drawn")
        strange = [word for word in self.always if word not in known]
        if strange:
            raise ValueError(f"always names {strange[0]!r}, which is a word of no class; write it into words")
        return self


class GroupPrompts(Config):
    """DiffuMask's prompts of the groups of a street, one thing a picture (sections 9.3 and 10.2)."""

    kind: Literal["groups"] = "groups"
    """Which prompts these are."""
    words: dict[str, tuple[str, ...]] = {"human": ("person", "rider"), "vehicle": ("car", "truck", "bus", "train")}
    """Words of each group, by turns; the classes are background and the groups. [C D67]"""
    max_subclasses: int = Field(default=100, ge=0)
    """As in :class:`SubclassPrompts`; persons and cars have some, other words are bare. [C D67]"""
    bare_share: float = Field(default=0.2, ge=0, le=1)
    """Share of prompts of cars with the bare word. [C D13]"""


class PromptsConfig(Config):
    """Which prompts are made."""

    prompts: Annotated[
        AugmentedPrompts | SubclassPrompts | DomainPrompts | GroupPrompts, Field(discriminator="kind")
    ] = AugmentedPrompts()
    """How they are made."""
    lexicon: LexiconKind = "wordnet"
    """Where words of a class come from: the miniature world's own, role ``wordnet``, or a stored lexicon, role ``lexicon``."""
    split: str = "val"
    """List of role ``data`` that is opened for the names of the classes; no image of it is looked at."""
    num_prompts: int = Field(default=168_679, ge=1)
    """Pictures to be made; classes take turns. Section 3 [S]"""


def make_prompts(inputs: Inputs, config: PromptsConfig, context: Context) -> Record:
    """Write ``prompts.jsonl``, ``classes.json`` and ``lexicon.json``.

    Roles: ``data`` (a data set for semantic segmentation, whose classes are named, unless the prompts name their own), ``generator`` (a diffusers folder, for its tokenizer),
    ``wordnet`` (a folder of WordNet 3.0) or ``lexicon`` (a file, or a cell that has one), where the lexicon is made of it, ``captions`` (a file of captions in place of the template, or a cell that has one).

    Raises:
        InputError: something is missing, or a class has no word that the text encoder reads.
    """
    from methods.diffumask_robust.lexicon import write_lexicon

    maker: _Maker | _DomainMaker | _GroupMaker
    unchosen: tuple[str, ...] = ()
    class_names: tuple[str, ...]
    if isinstance(config.prompts, DomainPrompts | GroupPrompts):
        class_names = (_BACKGROUND, *config.prompts.words)
        maker = _maker_of_own_words(config.prompts, context, class_names, _tokenizer(inputs))
    else:
        own = config.prompts.class_names if isinstance(config.prompts, SubclassPrompts) else ()
        lexicon, class_names = lexicon_and_classes(inputs, config.lexicon, config.split, own)
        unchosen = lexicon.without_synset()
        write_lexicon(lexicon, context.out / LEXICON_FILE)
        maker = _Maker(inputs, config, context, class_names, lexicon)
    write_atomic(context.out / CLASSES_FILE, json.dumps(class_names).encode())
    path = context.out / "prompts.jsonl"
    found = context.checkpoints.load()
    lines = keep_lines(path, 0 if found is None else found[0])
    for number in range(len(lines), config.num_prompts):
        lines.append(maker.prompt(number).to_record())
        append_lines(path, lines[-1:])
        if context.checkpoint_due():
            context.checkpoints.save(number + 1, None)
        context.progress(number + 1, config.num_prompts, "prompts")
    return {**_record(lines, class_names), "without_synset": list(unchosen)}


class _Maker:
    """Makes prompt number so and so."""

    def __init__(
        self, inputs: Inputs, config: PromptsConfig, context: Context, class_names: tuple[str, ...], lexicon: Lexicon
    ) -> None:
        from methods.diffumask_robust.base_prompts import words_by_class

        self._config, self._seeds, self._class_names = config, context.seeds, class_names
        self._tokenizer = _tokenizer(inputs)
        self._words: dict[int, ClassWords] = words_by_class(lexicon, class_names)
        self._by_class = self._base_prompts(inputs)

    def _base_prompts(self, inputs: Inputs) -> list[Sequence[Prompt]]:
        """Base prompts of each class that has any: those that name it first."""
        from methods.diffumask_robust.base_prompts import read_captions, template_prompts

        template = self._config.prompts.template if isinstance(self._config.prompts, AugmentedPrompts) else TEMPLATE
        prompts: Sequence[Prompt] = template_prompts(self._words, template)
        if inputs.folders("captions"):
            place = inputs.folder("captions")
            path = place / CAPTIONS_FILE if place.is_dir() else place
            found = read_captions(path, self._class_names, self._words, self._tokenizer)
            prompts = found.prompts
        by_class: dict[int, list[Prompt]] = {}
        for prompt in prompts:
            by_class.setdefault(prompt.class_ids[0], []).append(prompt)
        return [by_class[class_id] for class_id in sorted(by_class)]

    def prompt(self, number: int) -> AugmentedPrompt:
        """Make a prompt; classes take turns, in a new order each round."""
        from methods.diffumask_robust.prompts import AugmentedPrompt, augment
        from methods.diffumask_robust.subclass_prompts import subclass_prompt

        turn, place = divmod(number, len(self._by_class))
        order = self._seeds.numpy("generation", "turn", turn).permutation(len(self._by_class))
        bases = self._by_class[int(order[place])]
        base = bases[int(self._seeds.numpy("generation", "base", number).integers(len(bases)))]
        seed, name, made = self._seeds.derive("generation", "prompt", number), f"{number:06d}", self._config.prompts
        if isinstance(made, AugmentedPrompts):
            return augment(base, self._words, made.augmentation, seed, self._tokenizer, name)
        assert isinstance(made, SubclassPrompts), "prompts of a domain have a maker of their own"
        class_id = base.class_ids[0]
        words = self._words[class_id]
        prompt = subclass_prompt(
            class_id, self._class_names[class_id], words, made.max_subclasses, made.bare_share, seed, name
        )
        return AugmentedPrompt(prompt, base.id, (), seed)


class _DomainMaker:
    """Makes prompts of a domain."""

    def __init__(self, config: DomainPrompts, context: Context, class_names: tuple[str, ...], tokenizer: Any) -> None:
        self._config, self._seeds, self._tokenizer = config, context.seeds, tokenizer
        self._words = [(class_names.index(name), word) for name, words in config.words.items() for word in words]

    def prompt(self, number: int) -> AugmentedPrompt:
        """Make a prompt of as many of the drawn words as the text encoder reads, the first ones."""
        from methods.common.generators.class_prompts import num_tokens
        from methods.diffumask_robust.adaptation.texts import classes_prompt, draw_classes
        from methods.diffumask_robust.prompts import AugmentedPrompt, check_length

        config, name = self._config, f"{number:06d}"
        seed = self._seeds.derive("generation", "prompt", number)
        weights = {place: config.shares[word] for place, (_, word) in enumerate(self._words)}
        always = [place for place, (_, word) in enumerate(self._words) if word in config.always]
        drawn = draw_classes(weights, always, config.max_words, self._seeds.numpy("generation", "words", number))
        words = [self._words[place] for place in drawn]
        made = classes_prompt(config.template, words, name)
        while len(words) > 1 and num_tokens(made.text, self._tokenizer) > self._tokenizer.model_max_length:
            words = words[:-1]
            made = classes_prompt(config.template, words, name)
        check_length(made, self._tokenizer, f"prompt {name}")
        return AugmentedPrompt(made, "domain", (), seed)


class _GroupMaker:
    """Makes prompts of groups, one word each."""

    def __init__(self, config: GroupPrompts, context: Context, class_names: tuple[str, ...], tokenizer: Any) -> None:
        self._config, self._seeds, self._tokenizer = config, context.seeds, tokenizer
        self._groups = [(class_names.index(name), words) for name, words in config.words.items()]

    def prompt(self, number: int) -> AugmentedPrompt:
        """Make a prompt; groups take turns, and the words of a group, too."""
        from methods.diffumask_robust.lexicon import ClassWords
        from methods.diffumask_robust.prompts import AugmentedPrompt, check_length
        from methods.diffumask_robust.subclass_prompts import subclass_prompt

        config, name = self._config, f"{number:06d}"
        turn, place = divmod(number, len(self._groups))
        class_id, words = self._groups[place]
        word = words[turn % len(words)]
        seed = self._seeds.derive("generation", "prompt", number)
        made = subclass_prompt(
            class_id, word, ClassWords((word,)), config.max_subclasses, config.bare_share, seed, name
        )
        check_length(made, self._tokenizer, f"prompt {name}")
        return AugmentedPrompt(made, "group", (), seed)


def _maker_of_own_words(
    config: DomainPrompts | GroupPrompts, context: Context, class_names: tuple[str, ...], tokenizer: Any
) -> _DomainMaker | _GroupMaker:
    """Return what makes prompts that bring their own words."""
    if isinstance(config, GroupPrompts):
        return _GroupMaker(config, context, class_names, tokenizer)
    return _DomainMaker(config, context, class_names, tokenizer)


def lexicon_and_classes(
    inputs: Inputs, kind: LexiconKind, split: str, own: tuple[str, ...] = ()
) -> tuple[Lexicon, tuple[str, ...]]:
    """Return the words of the classes of role ``data``, or of others, and the names of these, what is no class first.

    Args:
        inputs: with ``data``, and ``wordnet`` or ``lexicon`` where the lexicon is made of it.
        kind: where words come from.
        split: that is opened for the names.
        own: names of classes in place of those of role ``data``, which is then not looked at.

    Raises:
        InputError: something is missing or faulty, or a class has no words.
    """
    from methods.common.datasets.open_labelled import open_labelled_images

    class_names = (_BACKGROUND, *own) if own else open_labelled_images(inputs.folder("data"), split).class_names
    return _lexicon(inputs, kind, class_names), class_names


def _lexicon(inputs: Inputs, kind: LexiconKind, class_names: tuple[str, ...]) -> Lexicon:
    from methods.common.wordnet import WordNet
    from methods.diffumask_robust.lexicon import build_lexicon, miniature_lexicon, read_lexicon
    from methods.diffumask_robust.synsets import SYNSETS

    named = list(class_names[1:] if class_names[0] in _NO_CLASS else class_names)
    if kind == "miniature":
        return miniature_lexicon(named)
    if kind == "file":
        place = inputs.folder("lexicon")
        return read_lexicon(place / LEXICON_FILE if place.is_dir() else place, named)
    return build_lexicon(named, SYNSETS, WordNet(inputs.folder("wordnet")))


def _tokenizer(inputs: Inputs) -> Any:
    from transformers import CLIPTokenizer

    folder = inputs.folder("generator") / "tokenizer"
    try:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} holds no CLIP tokenizer; use a Stable Diffusion checkpoint as generator") from error


def _record(lines: Sequence[dict[str, Any]], class_names: Sequence[str]) -> Record:
    relations: dict[str, int] = {}
    per_class: dict[str, int] = {}
    for line in lines:
        for one in line["replacements"]:
            relations[one["relation"]] = relations.get(one["relation"], 0) + 1
        for class_id in {span[0] for span in line["spans"]}:
            per_class[class_names[class_id]] = per_class.get(class_names[class_id], 0) + 1
    return {
        "num_prompts": len(lines),
        "num_texts": len({line["text"] for line in lines}),
        "words_by_relation": dict(sorted(relations.items())),
        "images_per_class": dict(sorted(per_class.items())),
    }


ROBUST_PROMPTS: Stage[PromptsConfig] = Stage("robust_prompts", 1, PromptsConfig, make_prompts, ("generation",))
