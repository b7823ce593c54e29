"""Mutants of the miniature world: which pictures fail, and what pretrained weights reach."""

from tests.mutants.mutant import Mutant, Place

FAULTS = "tests/unit/test_miniature_faults.py"
PRE = "tests/unit/test_centernet2_pretrained.py"

_FAULTS = Place("methods/common/miniature/faults.py")
_WEB = Place("methods/common/miniature/web.py")
_RENDERER = Place("methods/common/miniature/renderer.py")
_PRETRAINED = Place("methods/common/segmenters/centernet2/pretrained.py")

MUTANTS: tuple[Mutant, ...] = (
    _FAULTS.mutant(
        "fault_levels_by_silhouette",
        "surfaces.index(kind.surface) + SHAPES.index(kind.shape)",
        "SHAPES.index(kind.shape)",
        "all categories of a silhouette fail alike",
        f"{FAULTS}::test_each_silhouette_has_one_surface_of_each_level",
    ),
    _FAULTS.mutant(
        "other_sense_shared",
        "UNNAMED[(level - 1) * len(SHAPES) + shape]",
        "UNNAMED[shape]",
        "three words share their other sense, so that guidance towards the caption removes it",
        f"{FAULTS}::test_no_two_words_share_their_other_sense_and_no_category_is_one",
    ),
    _FAULTS.mutant(
        "fault_shares_not_added",
        "        drawn -= share\n",
        "",
        "rarer faults hide behind more frequent ones",
        f"{FAULTS}::test_faults_are_as_frequent_as_stated",
    ),
    _FAULTS.mutant(
        "wrong_sense_looks_right",
        "rng, looks=(other_sense(category),))",
        "rng)",
        "the wrong thing is the right one",
        f"{FAULTS}::test_the_wrong_sense_is_drawn_under_the_name_of_the_category",
    ),
    _FAULTS.mutant(
        "cut_off_keeps_the_whole",
        "ends_in_object, starts_in_object = left + kept - side, right - kept",
        "ends_in_object, starts_in_object = right - side, left",
        "what is cut off is whole",
        f"{FAULTS}::test_what_is_cut_off_reaches_the_edge_and_lacks_a_good_part",
    ),
    _WEB.mutant(
        "web_never_fails",
        "if config.faults else None",
        "if not config.faults else None",
        "the noisy web is sound and the sound one noisy",
        f"{FAULTS}::test_the_web_fails_only_where_it_is_asked_to_and_its_captions_do_not_tell",
    ),
    _RENDERER.mutant(
        "looks_of_another_object",
        "looks[index] if looks else",
        "looks[0] if looks else",
        "every object looks like the first",
        "tests/unit/test_miniature_segmenter_training.py",
    ),
    _PRETRAINED.mutant(
        "pretrained_weights_not_copied",
        "            state[name].copy_(value)",
        "            state[name].clone().copy_(value)",
        "pretrained weights are read and dropped",
        f"{PRE}::test_everything_but_the_classifiers_is_taken",
    ),
    _PRETRAINED.mutant(
        "pretrained_missing_accepted",
        "sorted(state.keys() - weights.keys()), sorted",
        "[], sorted",
        "half of a file of weights is accepted",
        f"{PRE}::test_weights_that_do_not_fit_are_refused_by_name",
    ),
)
