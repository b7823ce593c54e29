"""Prompts with spans: replacement, articles, what fits, captions, and DiffuMask's sub-classes."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from methods.common.errors import InputError
from methods.common.generators.attention_words import find_words
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.tokenizer import load_tokenizer
from methods.diffumask_robust.articles import article_for
from methods.diffumask_robust.base_prompts import TEMPLATE, read_captions, template_prompts, words_by_class
from methods.diffumask_robust.lexicon import ClassWords, Lexicon, miniature_lexicon
from methods.diffumask_robust.prompts import (
    AugmentationConfig,
    AugmentedPrompt,
    ClassSpan,
    Prompt,
    augment,
    check_prompt,
    find_class_words,
    has_readable_words,
    replace_word,
    template_prompt,
)
from methods.diffumask_robust.subclass_prompts import (
    BARE_CLASSES,
    CAR_KINDS,
    CAR_SCENES,
    PERSON_NOUNS,
    PERSON_SCENES,
    subclass_prompt,
    subclasses,
)

DOG = ClassWords(("dog",), ("hound", "domestic dog"), ("Airedale terrier", "owtchar", "pug"))
TABLE = ClassWords(("dining table",))
WORDS = {12: DOG, 11: TABLE}
NAMES = ["background", *(f"other{number}" for number in range(1, 11)), "diningtable", "dog"]


class Words:
    """A tokenizer that counts words and marks; ``'d`` is one of the marks, as in CLIP's, wherever it stands."""

    def __init__(self, model_max_length: int = 77) -> None:
        self.model_max_length = model_max_length

    def __call__(self, text: str, add_special_tokens: bool = True) -> "Words":
        ids = [sum(map(ord, word)) for word in re.findall(r"'d|\w+|[^\w\s]+", text.lower())]
        self.input_ids = [0, *ids, 1] if add_special_tokens else ids
        return self


def two_words() -> Prompt:
    return Prompt("p", "A dog under a dining table", (ClassSpan(12, 2, 5), ClassSpan(11, 14, 26)))


def named(prompt: Prompt) -> list[str]:
    return [prompt.text[start:end] for _, start, end in prompt.spans]


# -- spans and articles --


def test_a_template_keeps_where_its_word_stands() -> None:
    prompt = template_prompt("A photo of a {word} at night", 1, "aeroplane", "p")
    assert prompt == Prompt("p", "A photo of an aeroplane at night", (ClassSpan(1, 14, 23),))
    assert named(prompt) == ["aeroplane"]
    with pytest.raises(InputError, match=r"must hold \{word\} once"):
        template_prompt("A photo", 1, "dog", "p")


def test_replacing_a_word_repairs_the_article_and_moves_every_later_span() -> None:
    prompt = replace_word(two_words(), 0, "Airedale terrier")
    assert prompt.text == "An Airedale terrier under a dining table"
    assert named(prompt) == ["Airedale terrier", "dining table"]
    again = replace_word(replace_word(prompt, 1, "oak board"), 0, "pug")
    assert again.text == "A pug under an oak board"
    assert named(again) == ["pug", "oak board"]
    assert [span.class_id for span in again.spans] == [12, 11]


def test_an_article_before_another_word_stays_and_a_first_word_keeps_its_capital() -> None:
    assert replace_word(Prompt("p", "a red car", (ClassSpan(7, 6, 9),)), 0, "auto").text == "a red auto"
    assert replace_word(Prompt("p", "Dogs and a dog", (ClassSpan(12, 11, 14),)), 0, "owl").text == "Dogs and an owl"
    assert replace_word(Prompt("p", "Dog runs", (ClassSpan(12, 0, 3),)), 0, "owl").text == "Owl runs"
    assert replace_word(Prompt("p", "banana", (ClassSpan(1, 5, 6),)), 0, "owl").text == "bananowl"


@pytest.mark.parametrize(
    "phrase",
    [
        "an aeroplane",
        "a dog",
        "an hour",
        "a horse",
        "a unicycle",
        "an umbrella",
        "a ewe",
        "an SUV",
        "a TV",
        "a UFO",
        "an ox",
        "a European",
        "an X-ray",
        "a T-shirt",
        "an uncle",
        "a one-seater",
        "an onion",
        "an owl",
        "a utility vehicle",
        "a urial",
        "an urchin",
        "an heirloom",
        "a house",
    ],
)
def test_articles_go_by_the_sound(phrase: str) -> None:
    article, _, word = phrase.partition(" ")
    assert article_for(word) == article


@given(st.integers(0, 9999))
def test_every_span_still_holds_the_word_that_is_recorded(seed: int) -> None:
    made = augment(two_words(), WORDS, AugmentationConfig(), seed, Words(), "q")
    assert [word.lower() for word in named(made.prompt)] == [one.word.lower() for one in made.replacements]
    check_prompt(made.prompt, "q")
    assert made.prompt.class_ids == (12, 11)


def test_the_word_of_attention_is_that_of_the_span() -> None:
    assert two_words().attention_words(NAMES) == (
        ("dog", "dog", ((2, 5),)),
        ("diningtable", "dining table", ((14, 26),)),
    )


# -- relations --


def counted(config: AugmentationConfig, count: int = 600) -> Counter[str]:
    return Counter(
        augment(two_words(), WORDS, config, seed, Words(), "q").replacements[0].word for seed in range(count)
    )


def test_relations_have_their_shares_and_words_within_them_are_equally_likely() -> None:
    found = counted(AugmentationConfig())
    assert set(found) == set(DOG.all())
    for words in (DOG.own, DOG.synonyms, DOG.hyponyms):
        assert sum(found[word] for word in words) == pytest.approx(200, abs=50)
        for word in words:
            assert found[word] == pytest.approx(200 / len(words), abs=45)


def test_a_relation_that_is_left_out_is_never_drawn() -> None:
    assert set(counted(AugmentationConfig(synonym_share=0, hyponym_share=0), 50)) == {"dog"}
    assert set(counted(AugmentationConfig(hyponym_share=0), 50)) == {"dog", *DOG.synonyms}
    with pytest.raises(ValidationError, match="must be above 0"):
        AugmentationConfig(self_share=0, synonym_share=0, hyponym_share=0)


def test_an_empty_relation_falls_back_to_the_own_word_and_says_so() -> None:
    only_hyponyms = AugmentationConfig(self_share=0, synonym_share=0)
    made = augment(two_words(), WORDS, only_hyponyms, 3, Words(), "q")
    assert made.replacements[0].relation == "hyponym"
    assert made.replacements[1] == ("hyponym", "self", "dining table")
    board = Prompt("p", "an oak board", (ClassSpan(11, 3, 12),))
    assert augment(board, WORDS, only_hyponyms, 3, Words(), "q").prompt.text == "a dining table"


def test_the_same_seed_gives_the_same_prompt_and_its_record_comes_back() -> None:
    made = augment(two_words(), WORDS, AugmentationConfig(), 5, Words(), "q")
    assert made == augment(two_words(), WORDS, AugmentationConfig(), 5, Words(), "q")
    assert (made.prompt.id, made.base_id, made.seed) == ("q", "p", 5)
    assert AugmentedPrompt.from_record(json.loads(json.dumps(made.to_record())), "line 1") == made


# -- what fits into the text encoder --


def test_a_word_that_does_not_fit_is_not_drawn() -> None:
    one_word_more = Words(model_max_length=2 + 6)  # the prompt's own six words
    found = {
        augment(two_words(), WORDS, AugmentationConfig(), seed, one_word_more, "q").replacements[0].word
        for seed in range(60)
    }
    assert found == {"dog", "hound", "owtchar", "pug"}


def test_a_prompt_beyond_the_limit_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"prompt p: the prompt .* has 8 tokens, but the text encoder reads 7; shorten it"
    ):
        augment(two_words(), WORDS, AugmentationConfig(), 0, Words(7), "q")


def test_a_word_that_the_tokenizer_splits_is_read_at_all_of_its_pieces() -> None:
    tokenizer = load_tokenizer(CHECKPOINTS / "stable_diffusion" / "tokenizer")
    prompt = template_prompt("a {word} on sand", 1, "zeb", "p")
    found = find_words(prompt.text, prompt.attention_words(["background", "zeb"]), tokenizer, "p")
    assert [name.positions for name in found] == [(2, 3, 4)]


# -- prompts that are none --


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ((), "names no class; write a class word into it"),
        ((ClassSpan(1, 2, 2),), "is no place of its own"),
        ((ClassSpan(1, 2, 40),), "is no place of its own"),
        ((ClassSpan(1, 2, 5), ClassSpan(1, 4, 6)), "is no place of its own"),
    ],
)
def test_faulty_spans_are_refused(spans: tuple[ClassSpan, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        augment(Prompt("p", "a dog runs", spans), WORDS, AugmentationConfig(), 0, Words(), "q")
    record = AugmentedPrompt(Prompt("p", "a dog runs", spans), "b", (), 0).to_record()
    with pytest.raises(InputError, match=f"line 3: .*{message}"):
        AugmentedPrompt.from_record(record, "line 3")


@pytest.mark.parametrize("change", [{"spans": [[1, 2]]}, {"replacements": [{"word": "dog"}]}, {"seed": None}])
def test_a_faulty_record_is_refused(change: dict[str, object]) -> None:
    record = augment(two_words(), WORDS, AugmentationConfig(), 5, Words(), "q").to_record()
    with pytest.raises(InputError, match=r"line 3 is no prompt .*; write prompts anew"):
        AugmentedPrompt.from_record({**record, **change}, "line 3")


def test_a_class_without_words_is_refused() -> None:
    with pytest.raises(InputError, match="names class 11, for which the lexicon has no words"):
        augment(two_words(), {12: DOG}, AugmentationConfig(), 0, Words(), "q")


# -- captions --


def test_class_words_in_a_text_are_whole_words_the_longest_first() -> None:
    text = "Two domestic dogs, a domestic  dog and a Dog at a dining table; hot-dog, dogged"
    spans = find_class_words(text, WORDS)
    assert [(class_id, text[start:end]) for class_id, start, end in spans] == [
        (12, "domestic  dog"),
        (12, "Dog"),
        (11, "dining table"),
    ]


def test_captions_of_no_use_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "captions.txt"
    path.write_text("a pug  runs\n\na cat\n" + "very " * 9 + "old dog\na 'dog' and a pug\n")
    found = read_captions(path, NAMES, WORDS, Words(10))
    assert found.prompts == (Prompt("caption0", "a pug runs", (ClassSpan(12, 2, 5),)),)
    assert (found.num_without_class, found.num_too_long, found.num_unreadable) == (1, 1, 1)
    path.write_text("a cat\n")
    with pytest.raises(
        InputError, match="no caption of use: 1 name no class, 0 have more than 10 tokens, 0 have a class word"
    ):
        read_captions(path, NAMES, WORDS, Words(10))


def test_no_word_is_put_where_a_quote_joins_it() -> None:
    """'hound' can stand between single quotes; 'domestic dog' and 'dog' begin with the end of a verb there."""
    base = Prompt("p", "a 'pug' barks", (ClassSpan(12, 3, 6),))
    only_synonyms = AugmentationConfig(self_share=0, hyponym_share=0)
    for seed in range(12):
        made = augment(base, WORDS, only_synonyms, seed, Words(), "n")
        assert made.prompt.text == "a 'hound' barks"
    alone = augment(base, {12: ClassWords(("dog",), ("domestic dog",))}, only_synonyms, 0, Words(), "n")
    assert alone.prompt.text == base.text
    assert alone.replacements[0].word == "pug"
    real = load_tokenizer(CHECKPOINTS / "stable_diffusion" / "tokenizer")
    for text, word in (("a 'coin' lies", "coin"), ("a 'melon' lies", "melon")):
        start = text.index(word)
        prompt = Prompt("p", text, (ClassSpan(1, start, start + len(word)),))
        assert has_readable_words(prompt, real) == (word != "melon"), "'m is the end of I'm"


def test_listed_classes_alone_count(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text('{"caption": "a dog under a dining table", "classes": ["diningtable"]}\n')
    assert read_captions(path, NAMES, WORDS, Words()).prompts[0].class_ids == (11,)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            {"caption": "a dog", "classes": ["unicorn"]},
            "caption 1: the class 'unicorn' is unknown; the classes are diningtable, dog",
        ),
        ({"caption": "a dog", "classes": ["background"]}, "the class 'background' is unknown"),
        ({"caption": "a dog", "classes": ["diningtable"]}, "'a dog' does not name the class 'diningtable'"),
        ({"caption": "a dog", "classes": "dog"}, "'classes' is no list"),
        ({"classes": ["dog"]}, "caption 1 is no text"),
    ],
)
def test_faulty_captions_are_refused(tmp_path: Path, line: dict[str, object], message: str) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(InputError, match=message):
        read_captions(path, NAMES, WORDS, Words())


def test_captions_of_another_kind_are_refused_by_their_name(tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_text("image,caption\n7,a dog\n")
    with pytest.raises(InputError, match=r"captions\.csv cannot be read as captions, by its name; give \.txt"):
        read_captions(path, NAMES, WORDS, Words())


def test_captions_of_coco_are_read(tmp_path: Path) -> None:
    path = tmp_path / "captions_val2017.json"
    path.write_text(json.dumps({"annotations": [{"id": 1, "caption": "A dog. "}]}))
    assert read_captions(path, NAMES, WORDS, Words()).prompts[0].text == "A dog."
    path.write_text("{}")
    with pytest.raises(InputError, match="cannot be read as captions"):
        read_captions(path, NAMES, WORDS, Words())


def test_one_template_prompt_a_class_of_the_miniature_world() -> None:
    names = ["background", "coin", "melon"]
    words_of = words_by_class(miniature_lexicon(names[1:]), names)
    prompts = template_prompts(words_of)
    assert [(prompt.id, prompt.text) for prompt in prompts] == [
        ("class1", "A photo of a coin"),
        ("class2", "A photo of a melon"),
    ]
    assert TEMPLATE == "A photo of a {word}"
    assert list(words_by_class(Lexicon({"b": ClassWords(("b",))}, ""), ["a", "b"])) == [1]


# -- DiffuMask's sub-classes --


def drawn(class_name: str, words: ClassWords, most: int = 100, bare: float = 0.2, count: int = 200) -> Counter[str]:
    prompts = [subclass_prompt(3, class_name, words, most, bare, seed, "p") for seed in range(count)]
    assert {named(prompt)[0] for prompt in prompts} <= {words.own[0], *PERSON_NOUNS}
    return Counter(prompt.text for prompt in prompts)


def test_sub_classes_stand_before_the_class_word_which_is_read() -> None:
    words = ClassWords(("cat",), (), ("Siamese cat", "Siamese", "Angora", "tabby"))
    assert subclasses(words) == ("Siamese", "Angora", "tabby")
    found = drawn("cat", words)
    assert set(found) == {"Photo of a cat", "Photo of a Siamese cat", "Photo of an Angora cat", "Photo of a tabby cat"}
    assert found["Photo of a cat"] == pytest.approx(40, abs=20)
    assert set(drawn("cat", words, most=1)) == {"Photo of a cat", "Photo of a Siamese cat"}
    assert set(drawn("cat", words, most=0)) == {"Photo of a cat"}
    assert set(drawn("cat", ClassWords(("cat",)))) == {"Photo of a cat"}


@pytest.mark.parametrize("name", BARE_CLASSES)
def test_some_classes_stay_bare(name: str) -> None:
    assert len(drawn(name, ClassWords((name,), (), ("kind",)), count=20)) == 1


def test_cars_have_kinds_or_scenes_and_persons_nouns_and_scenes() -> None:
    assert (len(CAR_KINDS), len(CAR_SCENES), len(PERSON_NOUNS), len(set(PERSON_SCENES))) == (10, 5, 8, 45)
    cars = drawn("car", ClassWords(("car",)), bare=0)
    assert {"Photo of a sedan car", "Photo of a car at night", "Photo of an off-road car"} <= set(cars)
    assert len(cars) == 15
    persons = drawn("person", ClassWords(("person",)), count=60)
    assert any(text.startswith("Photo of an old man ") for text in persons)
