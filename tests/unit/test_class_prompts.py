"""Class prompts: what is appended, how names are written, and which tokens carry them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from methods.common.datasets.label_conventions import VOC_2012
from methods.common.errors import InputError
from methods.common.generators.class_prompts import (
    KeyText,
    append_classes,
    class_prompt,
    find_tokens,
    names_in_class_prompt,
    written_form,
)
from methods.common.miniature.shipped import CHECKPOINTS
from methods.common.miniature.tokenizer import build_tokenizer, load_tokenizer

WORDS = ["person", "sofa", "dining", "table", "potted", "plant", "tv", "monitor", "cat", "a"]
TOKENIZER = build_tokenizer(WORDS)
CLASSES = ("aeroplane", "cat", "diningtable", "person", "pottedplant", "sofa", "tvmonitor")


def positions(names, tokenizer=TOKENIZER):
    return [found.positions for found in find_tokens(names, tokenizer, "here")]


def test_the_published_example():
    caption = "a woman sitting on a couch using a laptop"
    assert append_classes(caption, ["person", "sofa"]) == f"{caption}; person sofa"
    assert append_classes(" a cat ", ["cat"], ", ") == "a cat, cat"


def test_three_names_are_written_as_two_words_and_back():
    names = ("diningtable", "pottedplant", "tvmonitor")
    assert class_prompt(names) == "dining table potted plant tv monitor"
    assert names_in_class_prompt(class_prompt(names), CLASSES, "here") == names
    assert written_form("traffic_light") == "traffic light"


def test_one_word_is_its_place_plus_one_and_two_words_are_both_tokens():
    assert positions(["person", "sofa"]) == [(1,), (2,)]
    assert positions(["person", "diningtable", "sofa"]) == [(1,), (2, 3), (4,)]


def test_a_repeated_name_has_several_places():
    assert positions(["person", "person", "sofa"]) == [(1,), (2,), (3,)]
    assert names_in_class_prompt("person person sofa", CLASSES, "here") == ("person", "person", "sofa")


def test_a_split_word_has_all_its_tokens_and_shifts_the_next_name():
    split = len(TOKENIZER("aeroplane", add_special_tokens=False).input_ids)
    assert split > 1
    assert positions(["aeroplane", "cat"]) == [tuple(range(1, 1 + split)), (1 + split,)]


def test_names_the_miniature_generator_knows_are_one_token_each():
    tokenizer = load_tokenizer(CHECKPOINTS / "stable_diffusion" / "tokenizer")
    assert positions(["coin", "melon"], tokenizer) == [(1,), (2,)]


def test_names_in_a_sentence_are_found_behind_its_words():
    sentence = KeyText("a ", " cat a ")
    assert sentence.text(["sofa", "diningtable"]) == "a sofa cat a dining table"
    found = find_tokens(["sofa", "diningtable"], TOKENIZER, "here", sentence)
    assert [one.positions for one in found] == [(2,), (5, 6)]


@given(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=5))
def test_tokens_of_the_names_lie_behind_each_other_and_spell_them(names):
    if len(TOKENIZER(class_prompt(names)).input_ids) > TOKENIZER.model_max_length:
        return
    ids = TOKENIZER(class_prompt(names)).input_ids
    found = find_tokens(names, TOKENIZER, "here")
    assert [position for one in found for position in one.positions] == list(range(1, len(ids) - 1))
    for one in found:
        spelt = TOKENIZER.decode([ids[position] for position in one.positions])
        assert spelt.strip() == written_form(one.class_name)


@given(st.lists(st.sampled_from(VOC_2012.class_names[1:]), min_size=1, max_size=6))
def test_a_class_prompt_is_read_back_as_it_was_made(names):
    assert names_in_class_prompt(class_prompt(names), VOC_2012.class_names[1:], "here") == tuple(names)


def test_the_longer_of_two_names_is_taken():
    assert names_in_class_prompt("table lamp table", ("table", "table lamp"), "here") == ("table lamp", "table")


def test_faulty_class_prompts_are_refused():
    with pytest.raises(InputError, match=r"line 3: the class prompt 'cat zebra' has the word 'zebra'"):
        names_in_class_prompt("cat zebra", CLASSES, "line 3")
    for empty in ("", "  "):
        with pytest.raises(InputError, match="names no class"):
            names_in_class_prompt(empty, CLASSES, "line 3")
    with pytest.raises(InputError, match="names no class"):
        find_tokens([], TOKENIZER, "line 3")
    with pytest.raises(InputError, match="has 22 tokens, but the text encoder reads 16"):
        find_tokens(["person"] * 20, TOKENIZER, "line 3")


def test_a_tokenizer_that_joins_words_is_refused():
    class Joining:
        model_max_length = 16

        def __call__(self, text, add_special_tokens=True):
            return type("Encoded", (), {"input_ids": [0, hash(text) % 1000 + 5, 1][not add_special_tokens :]})

    with pytest.raises(InputError, match="cannot be told apart"):
        find_tokens(["cat", "sofa"], Joining(), "here")
