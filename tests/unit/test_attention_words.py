"""Which tokens carry a word: whole words as meant, pieces as released code finds them, and what is cut off."""

import pytest

from methods.common.errors import InputError
from methods.common.generators.attention_words import (
    PromptWord,
    count_read_tokens,
    find_by_word_number,
    find_listed_pieces,
    find_stripped_pieces,
    find_words,
    prompt_words,
)

PIECES = {"aeroplane": ["aerop", "lane"], "pottedplant": ["pot", "ted", "plant"], "tvmonitor": ["tv", "monitor"]}


class Encoding:
    def __init__(self, input_ids):
        self.input_ids = input_ids


class WordPieces:
    """Words are tokens, but for those that are split; a word's last piece carries the mark of its end."""

    def __init__(self, model_max_length=77):
        self.model_max_length = model_max_length
        self.known = ["<start>", "<end>"]

    def __call__(self, text, add_special_tokens=True):
        pieces = [
            piece
            for word in text.lower().split()
            for parts in [PIECES.get(word, [word])]
            for piece in [*parts[:-1], parts[-1] + "</w>"]
        ]
        for piece in pieces:
            if piece not in self.known:
                self.known.append(piece)
        ids = [self.known.index(piece) for piece in pieces]
        return Encoding([0, *ids, 1] if add_special_tokens else ids)

    def convert_ids_to_tokens(self, ids):
        return [self.known[number] for number in ids]


TEXT = "a photo of a cat and an aeroplane"


def places(found):
    return [name.positions for name in found]


def test_a_split_word_is_all_of_its_pieces_and_later_words_move_on():
    words = prompt_words(["aeroplane", "cat"])
    assert places(find_words("an aeroplane on a Cat", words, WordPieces(), "p")) == [(2, 3), (6,)]


def test_every_place_of_the_whole_word_counts_but_no_part_of_another():
    words = [PromptWord("lane", "lane"), PromptWord("cat", "cat")]
    assert places(find_words("aeroplane lane cat catalogue cat", words, WordPieces(), "p")) == [(3,), (4, 6)]


def test_a_span_picks_one_place():
    word = PromptWord("cat", "cat", ((4, 7),))
    assert places(find_words("cat cat", [word], WordPieces(), "p")) == [(2,)]


@pytest.mark.parametrize("span", [(0, 2), (1, 3), (3, 4)])
def test_a_span_inside_of_a_token_is_refused(span):
    with pytest.raises(InputError, match=r"p 7: characters .* are no run of whole tokens; mark whole words"):
        find_words("cat dog", [PromptWord("cat", "cat", (span,))], WordPieces(), "p 7")


def test_two_words_with_any_space_between_them_are_one_name():
    words = [PromptWord("diningtable", "dining table")]
    assert places(find_words("a dining  table", words, WordPieces(), "p")) == [(2, 3)]


@pytest.mark.parametrize("find", [find_words, find_stripped_pieces, find_listed_pieces])
def test_a_prompt_without_the_word_says_so(find):
    message = r"prompt 3: the text 'a photo of a dog' does not have the word 'cat'"
    with pytest.raises(InputError, match=message):
        find("a photo of a dog", prompt_words(["cat"]), WordPieces(), "prompt 3")


@pytest.mark.parametrize("find", [find_words, find_stripped_pieces, find_listed_pieces])
def test_a_long_prompt_keeps_words_before_the_limit_and_refuses_those_behind(find):
    words = prompt_words(["cat"])
    assert places(find("red " * 74 + "cat on a mat", words, WordPieces(), "p")) == [(75,)]
    with pytest.raises(InputError, match="the word 'cat' stands behind the 77 tokens that the text encoder reads"):
        find("red " * 75 + "cat", words, WordPieces(), "p")  # its place 76 is the end token's
    assert places(find("cat " + "red " * 80 + "cat", words, WordPieces(), "p")) == [(1,)]


def test_read_tokens_are_counted_up_to_the_limit():
    assert count_read_tokens(TEXT, WordPieces()) == 11
    assert count_read_tokens("red " * 90, WordPieces()) == 77


def test_daam_finds_pieces_inside_of_words_and_joins_all_places():
    words = [PromptWord("lane", "lane"), PromptWord("cat", "cat")]
    assert places(find_stripped_pieces("aeroplane lane cat cat", words, WordPieces(), "p")) == [(2, 3), (4, 5)]


def test_diffumask_takes_listed_pieces_anywhere():
    words = prompt_words(["aeroplane", "diningtable", "person"])
    text = "a dining table lane aeroplane woman man"
    assert places(find_listed_pieces(text, words, WordPieces(), "p")) == [(4, 5, 6), (3,), (7, 8)]


def test_diffumask_lists_every_piece_of_a_split_class():
    words = prompt_words(["pottedplant", "tvmonitor", "sheep"])
    assert places(find_listed_pieces("tvmonitor sheep pottedplant", words, WordPieces(), "p")) == [
        (4, 5, 6),
        (1, 2),
        (3,),
    ]


def test_dataset_diffusion_counts_words_as_tokens():
    names = ["aeroplane", "diningtable", "cat"]
    assert places(find_by_word_number(names, WordPieces(), "p")) == [(1,), (2, 3), (4,)]
