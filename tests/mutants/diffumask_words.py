"""Mutants of the robust paper's captions and words, and of the masks that OVAM's protocols rate."""

from tests.mutants.diffumask_plan import EDGES
from tests.mutants.mutant import Mutant, Place

WORDS = "tests/unit/test_diffumask_robust_words.py"
_PROTOCOLS = f"{EDGES}::test_ovams_protocols_rate_masks_of_their_own_pictures"
_RECOGNISED = f"{EDGES}::test_words_that_clip_recognises_are_the_lexicon_of_as_many_prompts"
_LEFT_OUT = f"{WORDS}::test_words_that_clip_takes_for_another_class_leave_the_lexicon"

_PLAN = Place("reproductions/diffumask_robust/plan.py")
_FILTER = Place("methods/diffumask_robust/stages/filter_words.py")
_CAPTION = Place("methods/diffumask_robust/stages/caption.py")

MUTANTS: tuple[Mutant, ...] = (
    _PLAN.mutant(
        "a_crf_on_both_protocols",
        'how.name == "coco_cap" and how.preset == study.label.preset',
        "how.preset == study.label.preset",
        "Attn2mask has a CRF on VOC-sim, too",
        _PROTOCOLS,
    ),
    _PLAN.mutant(
        "every_preset_is_smoothed",
        'how.name == "coco_cap" and how.preset == study.label.preset',
        'how.name == "coco_cap"',
        "OVAM's masks have Attn2mask's CRF",
        _PROTOCOLS,
    ),
    _PLAN.mutant(
        "unfiltered_words_are_read",
        'update={"lexicon": "file"}',
        "update={}",
        "the arm with recognised words has all words",
        _RECOGNISED,
    ),
    _FILTER.mutant(
        "too_few_are_enough",
        'line["right"] >= config.min_right',
        'line["right"] >= 1',
        "one right image keeps a word",
        _LEFT_OUT,
    ),
    _FILTER.mutant(
        "all_test_images_are_one",
        '"word", word, number)',
        '"word", word)',
        "the test images of a word have one seed",
        _LEFT_OUT,
    ),
    _CAPTION.mutant(
        "background_is_named",
        "if label not in (0, IGNORED)]",
        "if label != IGNORED]",
        "captions name the background",
        f"{WORDS}::test_each_image_has_a_caption_of_what_it_shows_and_prompts_read_them",
    ),
)
