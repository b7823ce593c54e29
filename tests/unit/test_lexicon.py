"""Words of classes: WordNet's files, what is filtered, the stored form, and the miniature world's own."""

import json
import os
from pathlib import Path

import pytest

from methods.common.errors import InputError
from methods.common.miniature.captions import vocabulary
from methods.common.miniature.categories import CATEGORY_NAMES
from methods.common.wordnet import WordNet
from methods.diffumask_robust.lexicon import (
    ClassWords,
    Lexicon,
    build_lexicon,
    drop_shared,
    is_proper_name,
    miniature_lexicon,
    read_lexicon,
    write_lexicon,
)
from methods.diffumask_robust.synsets import CITYSCAPES_SYNSETS, SYNSETS, VOC_SYNSETS, ChosenSynset
from tests.unit.small_wordnet import Entry, write_wordnet

ENTRIES = {
    "dog": Entry(("dog", "domestic dog", "Canis familiaris"), ("hound", "pooch"), ("Lassie",), "barks"),
    "hound": Entry(("hound", "hound dog"), ("beagle",)),
    "pooch": Entry(("pooch", "dog"), ("beagle",)),
    "beagle": Entry(("beagle",), ("Great Dane",)),
    "Great Dane": Entry(("Great Dane", "German boarhound"), ("deep",)),
    "deep": Entry(("lapdog",)),
    "Lassie": Entry(("Lassie",)),
    "genus": Entry(("Canis", "genus Canis")),
    "cat": Entry(("cat", "true cat", "kitty"), ("mouser",)),
    "mouser": Entry(("mouser", "hound")),
}


def small(tmp_path: Path) -> tuple[WordNet, dict[str, ChosenSynset]]:
    ids = write_wordnet(tmp_path / "wordnet", ENTRIES)
    chosen = {name: ChosenSynset(ids[name], name, "") for name in ("dog", "cat")}
    return WordNet(tmp_path / "wordnet"), chosen


# -- WordNet's files --


def test_a_synset_has_its_words_and_its_kinds_without_instances(tmp_path: Path) -> None:
    wordnet, chosen = small(tmp_path)
    synset = wordnet.synset(chosen["dog"].wordnet_id)
    assert synset.words == ("dog", "domestic dog", "Canis familiaris")
    assert synset.definition == "barks"
    assert [wordnet.synset(one).words[0] for one in synset.hyponyms] == ["hound", "pooch"]


@pytest.mark.parametrize(("depth", "count"), [(0, 0), (1, 2), (2, 3), (3, 4), (9, 5)])
def test_kinds_are_found_level_by_level_each_once(tmp_path: Path, depth: int, count: int) -> None:
    wordnet, chosen = small(tmp_path)
    found = [synset.words[0] for synset in wordnet.below(chosen["dog"].wordnet_id, depth)]
    assert found == ["hound", "pooch", "beagle", "Great Dane", "lapdog"][:count]


def test_missing_files_and_other_versions_are_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no WordNet: data\.noun is missing; name the folder"):
        WordNet(tmp_path)
    wordnet, chosen = small(tmp_path)
    with pytest.raises(InputError, match=r"has no synset n00000007; take the files of WordNet 3\.0"):
        wordnet.synset("n00000007")
    with pytest.raises(InputError, match="is no id of a noun"):
        wordnet.synset("dog.n.01")
    other = {"dog": chosen["dog"]._replace(first_word="wolf")}
    with pytest.raises(InputError, match="begins with 'dog' instead of 'wolf'"):
        build_lexicon(["dog"], other, wordnet)


# -- what becomes a word --


def test_each_word_has_one_relation_and_proper_names_are_out(tmp_path: Path) -> None:
    wordnet, chosen = small(tmp_path)
    words = build_lexicon(["dog"], chosen, wordnet).classes["dog"]
    assert words.own == ("dog",)
    assert words.synonyms == ("domestic dog",)
    assert words.hyponyms == ("hound", "hound dog", "pooch", "beagle", "German boarhound")


def test_a_word_of_another_class_is_nobodys(tmp_path: Path) -> None:
    wordnet, chosen = small(tmp_path)
    lexicon = build_lexicon(["dog", "cat"], chosen, wordnet)
    assert "hound" not in lexicon.classes["dog"].hyponyms
    assert lexicon.classes["cat"].hyponyms == ("mouser",)
    classes = {"bus": ClassWords(("bus",), ("coach",)), "car": ClassWords(("car",), (), ("Bus", "coach", "cab"))}
    assert drop_shared(classes) == {"bus": ClassWords(("bus",)), "car": ClassWords(("car",), (), ("cab",))}


def test_a_class_without_synset_has_its_own_word_and_is_told(tmp_path: Path) -> None:
    wordnet, chosen = small(tmp_path)
    lexicon = build_lexicon(["pottedplant", "cat"], chosen, wordnet)
    assert lexicon.classes["pottedplant"] == ClassWords(("potted plant",))
    assert lexicon.without_synset() == ("pottedplant",)


def test_names_with_capitals_throughout_or_of_a_genus_are_proper(tmp_path: Path) -> None:
    wordnet, _ = small(tmp_path)
    assert [is_proper_name(word) for word in ("Great Dane", "Chihuahua", "Siamese cat", "T-shirt", "75-pounder")] == [
        *(True, True, False),
        *(False, False),
    ]
    assert is_proper_name("Canis familiaris", wordnet)
    assert not is_proper_name("Canis familiaris")


# -- the stored form --


def test_a_stored_lexicon_comes_back(tmp_path: Path) -> None:
    classes = {"dog": ClassWords(("dog",), ("hound",), ("chow chow",), "n1"), "cat": ClassWords(("cat",))}
    write_lexicon(Lexicon(classes, "by hand"), tmp_path / "lexicon.json")
    assert read_lexicon(tmp_path / "lexicon.json", ["cat", "dog"]) == Lexicon(classes, "by hand")
    with pytest.raises(InputError, match="has no class 'cow'; add it"):
        read_lexicon(tmp_path / "lexicon.json", ["cow"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "lexicon 9"}, "its format is 'lexicon 9'"),
        ({"classes": {"dog": {"self": [], "synonym": []}}}, "class 'dog' has no word of its own"),
        ({"classes": {"dog": {"self": "dog"}}}, "self of class 'dog' is no list of words"),
        ({"classes": {"dog": {"self": ["dog"], "hyponym": [" "]}}}, "hyponym of class 'dog' is no list of words"),
        ({"classes": ["dog"]}, "something in it is of another kind"),
        ({"source": None, "format": None}, "its format is None"),
    ],
)
def test_a_faulty_lexicon_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    stored = {**Lexicon({}, "by hand").to_json(), **change}
    (tmp_path / "lexicon.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=f"is no lexicon .{message}"):
        read_lexicon(tmp_path / "lexicon.json", ["dog"])


# -- the miniature world --


def test_the_miniature_world_has_a_synonym_and_two_kinds_of_everything_and_its_text_encoder_knows_them() -> None:
    lexicon = miniature_lexicon(CATEGORY_NAMES)
    assert lexicon.without_synset() == ()
    assert lexicon.classes["melon"] == ClassWords(("melon",), ("pumpkin",), ("slim melon", "broad melon"), "melon.n.01")
    assert all(len(words.synonyms) == 1 and len(words.hyponyms) == 2 for words in lexicon.classes.values())
    spelt = {part for words in lexicon.classes.values() for word in words.all() for part in word.split()}
    assert spelt <= set(vocabulary())
    with pytest.raises(InputError, match="no category 'dog'"):
        miniature_lexicon(["coin", "dog"])


# -- the real WordNet, where there is one --


@pytest.fixture(scope="module")
def real() -> WordNet:
    folder = Path(os.environ.get("SEGREPRO_WORDNET", "/usr/share/wordnet"))
    if not (folder / "data.noun").is_file():
        pytest.skip(f"no WordNet 3.0 in {folder}; set SEGREPRO_WORDNET to its files")
    return WordNet(folder)


def test_every_chosen_synset_is_there(real: WordNet) -> None:
    for choice in SYNSETS.values():
        assert real.synset(choice.wordnet_id).words[0] == choice.first_word
    lexicon = build_lexicon([*VOC_SYNSETS], SYNSETS, real)
    assert "motorcycle" in lexicon.classes["motorbike"].synonyms
    assert "bike" not in lexicon.classes["bicycle"].synonyms
    assert len(lexicon.classes["dog"].hyponyms) > 150
    assert set(build_lexicon([*CITYSCAPES_SYNSETS, "sky"], SYNSETS, real).without_synset()) == {"sky"}


def test_words_are_those_of_nltk(real: WordNet) -> None:
    other = pytest.importorskip("nltk.corpus", reason="NLTK is not installed").wordnet
    try:
        other.ensure_loaded()
    except LookupError:
        pytest.skip("NLTK has not downloaded WordNet")
    for choice in VOC_SYNSETS.values():
        theirs = other.synset_from_pos_and_offset("n", int(choice.wordnet_id[1:]))
        ours = real.synset(choice.wordnet_id)
        assert [name.replace("_", " ") for name in theirs.lemma_names()] == list(ours.words)
        below = {f"n{one.offset():08d}" for one in theirs.closure(lambda synset: synset.hyponyms(), depth=3)}
        assert {synset.wordnet_id for synset in real.below(choice.wordnet_id, 3)} == below
