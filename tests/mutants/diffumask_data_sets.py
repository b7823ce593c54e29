"""Mutants of the robust paper's further data sets: ImageNet-S, Cityscapes by 19 classes, and what one training hands to another."""

from tests.mutants.diffumask_plan import EDGES
from tests.mutants.mutant import Mutant, Place

VALUES = "tests/unit/test_diffumask_robust_data_sets.py"

_STREET = Place("reproductions/diffumask_robust/plan_street.py")
_CATEGORIES = Place("reproductions/diffumask_robust/plan_imagenet_s.py")
_PLAN = Place("reproductions/diffumask_robust/plan.py")
_RECIPE = Place("reproductions/diffumask_robust/recipe.py")
_PICTURES = Place("methods/diffumask_robust/trusted_images.py")
_PROMPTS = Place("methods/diffumask_robust/stages/prompts.py")
_TRAIN = Place("methods/diffumask_robust/stages/train_robust.py")
_EVALUATE = Place("methods/diffumask_robust/stages/evaluate_imagenet_s.py")
_METRIC = Place("methods/common/metrics/label_maps/imagenet_s.py")
_DRAWING = Place("methods/common/miniature/imagenet_s_drawing.py")

MUTANTS: tuple[Mutant, ...] = (
    _STREET.mutant(
        "weak_pixels_are_background",
        'update={"weak_pixels": weak}',
        'update={"weak_pixels": "background"}',
        "what no word claims is a class in the street of 19 classes",
        f"{EDGES}::test_all_classes_of_the_street_leave_out_what_no_word_claims",
    ),
    _STREET.mutant(
        "groups_are_evaluated_always",
        'update={"cityscapes_classes": how.classes}',
        'update={"cityscapes_classes": "groups"}',
        "19 classes are scored by groups",
        f"{EDGES}::test_all_classes_of_the_street_leave_out_what_no_word_claims",
    ),
    _STREET.mutant(
        "a_part_of_the_street_is_all",
        "if how.few else None",
        "if not how.few else None",
        "the arm with a part of the real street pictures has all",
        f"{EDGES}::test_all_classes_of_the_street_leave_out_what_no_word_claims",
    ),
    _CATEGORIES.mutant(
        "categories_are_always_trained_plainly",
        "Attention(how.scheme)",
        "Attention()",
        "co-training on ImageNet-S is plain training",
        f"{EDGES}::test_categories_are_painted_and_evaluated_by_their_own_protocol",
    ),
    _PLAN.mutant(
        "the_head_is_always_taken_over",
        '"trained" if how.taken == "network" else "trained_backbone"',
        '"trained"',
        "the control with the backbone alone takes the whole network",
        f"{EDGES}::test_photographs_follow_what_generated_categories_have_taught",
    ),
    _RECIPE.mutant(
        "swin_b_is_r50",
        '"segmenter": mask2former_swinb(num_classes=21)',
        '"segmenter": mask2former_r50(num_classes=21)',
        "the rows of Swin-B are trained with ResNet-50",
        f"{EDGES}::test_at_tier_paper_swin_b_is_diffumasks_segmenter_alone",
    ),
    _PICTURES.mutant(
        "classes_count_from_1",
        "IGNORED, label_HW - 1)",
        "IGNORED, label_HW)",
        "without a background every class is the next one",
        f"{VALUES}::test_without_background_classes_count_from_0_and_what_no_word_claims_is_ignored",
    ),
    _PROMPTS.mutant(
        "other_is_asked_for",
        '_NO_CLASS = (_BACKGROUND, "other")',
        "_NO_CLASS = (_BACKGROUND,)",
        "ImageNet-S' other needs words",
        f"{VALUES}::test_other_is_no_class_to_be_asked_for",
    ),
    _PROMPTS.mutant(
        "stuff_is_drawn_like_things",
        "draw_classes(weights, always, ",
        "draw_classes(weights, (), ",
        "stuff is left out of prompts",
        f"{VALUES}::test_stuff_is_named_in_every_prompt_before_what_is_drawn",
    ),
    _TRAIN.mutant(
        "starts_are_swapped",
        'if config.start == "trained" else "backbone"',
        'if config.start != "trained" else "backbone"',
        "what is taken over of a network is the other part",
        f"{VALUES}::test_a_training_starts_from_another_ones_weights_without_the_class_layer",
    ),
    _EVALUATE.mutant(
        "what_is_not_rated_is_other",
        "np.uint32(IGNORE_LABEL)",
        "np.uint32(0)",
        "pixels that are not rated count as other",
        f"{VALUES}::test_scores_are_those_of_the_evaluator_on_files",
    ),
    _EVALUATE.mutant(
        "truth_is_kept_as_prediction",
        "room.keep(images.name(index), predicted_HW)",
        "room.keep(images.name(index), label_HW)",
        "the ground truth of ImageNet-S is kept as its prediction",
        f"{VALUES}::test_what_was_predicted_is_kept_with_the_scores_of_pictures",
    ),
    _EVALUATE.mutant(
        "boundaries_are_areas",
        '_column(rows, "BIoU")',
        '_column(rows, "IoU")',
        "the boundary IoU of a class is its IoU",
        f"{VALUES}::test_what_was_predicted_is_kept_with_the_scores_of_pictures",
    ),
    _METRIC.mutant(
        "all_true_pixels_are_right",
        "[:, [0, 2, 1]].T",
        "[:, [2, 0, 1]].T",
        "the score of a picture takes all true pixels for right",
        f"{VALUES}::test_what_was_predicted_is_kept_with_the_scores_of_pictures",
    ),
    _DRAWING.mutant(
        "ids_in_the_order_of_the_world",
        "1 + sorted(names).index(name)",
        "1 + category",
        "masks have ids of other folders",
        f"{VALUES}::test_each_picture_shows_the_category_of_its_folder_and_other",
    ),
)
