"""Mutants of what an evaluation keeps beside its numbers: scores of images and classes, pictures, lists for other tools."""

from tests.mutants.mutant import Mutant, Place

KEPT = "tests/unit/test_evaluation_files.py"
KEPT_SEGMENTS = "tests/unit/test_shown_panoptic.py"
CITYSCAPES = "tests/unit/test_evaluate_cityscapes.py"

_EVALUATE_SEMANTIC = Place("methods/common/stages/evaluate_semantic.py")
_EVALUATE_CITYSCAPES = Place("methods/common/stages/evaluate_cityscapes.py")
_SHOWN_INSTANCES = Place("methods/common/stages/shown_instances.py")
_SHOWN_PANOPTIC = Place("methods/common/stages/shown_panoptic.py")
_EVALUATE_PANOPTIC = Place("methods/common/stages/evaluate_panoptic.py")
_EVALUATE_COCO_PANOPTIC = Place("methods/common/stages/evaluate_coco_panoptic.py")
_PANOPTIC = Place("methods/common/metrics/label_maps/panoptic.py")
_IMAGE_SCORES = Place("methods/common/metrics/detection/image_scores.py")

MUTANTS: tuple[Mutant, ...] = (
    _EVALUATE_SEMANTIC.mutant(
        "resamples_all_maps",
        "pool_images(count_I3K, weight_I)",
        "pool_images(count_I3K, None)",
        "resamples of label maps count every image once",
        "tests/unit/test_evaluate_semantic.py::test_resamples_are_the_numbers_of_the_images_drawn",
    ),
    _EVALUATE_CITYSCAPES.mutant(
        "resamples_all_frames",
        "scores.metrics(weight_I)",
        "scores.metrics()",
        "resamples of street pictures count every picture once",
        "tests/unit/test_evaluate_cityscapes.py::test_resamples_are_the_scores_of_the_pictures_drawn",
    ),
    _SHOWN_INSTANCES.mutant(
        "weakest_detections_shown",
        'key=lambda record: -record["score"]',
        'key=lambda record: record["score"]',
        "the guesses that a model trusts least are shown as its prediction",
        f"{KEPT}::test_instances_are_shown_of_their_own_image_surest_first",
    ),
    _IMAGE_SCORES.mutant(
        "any_number_of_guesses",
        "& (matches.rank_N < allowed_N)",
        "",
        "an image is said to be found by whatever many guesses",
        f"{KEPT}::test_an_images_score_is_the_share_found_by_as_many_guesses",
    ),
    _EVALUATE_SEMANTIC.mutant(
        "prediction_of_the_image_before",
        "room.keep(images.name(index), predicted_HW)",
        "room.keep(images.name(max(index - 1, 0)), predicted_HW)",
        "a kept prediction has the name of another image",
        f"{KEPT}::test_predictions_are_kept_whole_until_their_room_is_full",
    ),
    _SHOWN_PANOPTIC.mutant(
        "panoptic_truth_shown_as_prediction",
        "_drawn(truths[index]), _drawn(results[truths[index].image_id])",
        "_drawn(results[truths[index].image_id]), _drawn(truths[index])",
        "truth and prediction change places",
        f"{KEPT_SEGMENTS}::test_truth_and_prediction_are_shown_with_lines_between_segments",
    ),
    _SHOWN_PANOPTIC.mutant(
        "panoptic_worst_shown_as_best",
        "extremes.offer(score, index, None)",
        "extremes.offer(-score, index, None)",
        "the best images are shown as the worst",
        f"{KEPT_SEGMENTS}::test_truth_and_prediction_are_shown_with_lines_between_segments",
    ),
    _PANOPTIC.mutant(
        "image_quality_of_matches_alone",
        "[mean_defined(_qualities(statistic_4C)[0]) for",
        "[mean_defined(_qualities(statistic_4C)[1]) for",
        "an image's score is SQ, which does not see what is missed",
        f"{KEPT_SEGMENTS}::test_cocos_layout_keeps_its_own_classes_and_detections",
    ),
    _EVALUATE_PANOPTIC.mutant(
        "pq_and_iou_by_class_swapped",
        '{"pq": [percent(value) for value in class_pq], "iou": [percent(value) for value in class_iou]}',
        '{"pq": [percent(value) for value in class_iou], "iou": [percent(value) for value in class_pq]}',
        "PQ of a class is listed as its IoU",
        f"{KEPT_SEGMENTS}::test_both_scores_are_kept_by_class",
    ),
    _EVALUATE_PANOPTIC.mutant(
        "label_map_values_named_by_training_ids",
        "names = {label.id: label.name for",
        "names = {label.train_id: label.name for",
        "an exported map's values are named by other ids",
        f"{KEPT_SEGMENTS}::test_segments_are_exported_as_cocos_and_classes_as_a_folder_of_masks",
    ),
    _EVALUATE_PANOPTIC.mutant(
        "segments_exported_as_classes",
        "LabelMaps([labels for _, labels in maps], names)",
        "LabelMaps([segments for segments, _ in maps], names)",
        "maps of segments are exported as maps of classes",
        f"{KEPT_SEGMENTS}::test_segments_are_exported_as_cocos_and_classes_as_a_folder_of_masks",
    ),
    _EVALUATE_COCO_PANOPTIC.mutant(
        "coco_label_map_values_in_reverse",
        "dict(enumerate(data.class_names))",
        "dict(enumerate(reversed(data.class_names)))",
        "an exported map's values have other classes' names",
        f"{KEPT_SEGMENTS}::test_cocos_layout_keeps_its_own_classes_and_detections",
    ),
    _EVALUATE_CITYSCAPES.mutant(
        "cityscapes_class_scores_in_reverse",
        "[category.name for category in dataset.classes],",
        "[category.name for category in dataset.classes[::-1]],",
        "classes get each other's AP",
        f"{CITYSCAPES}::test_scores_and_pictures_are_kept_of_each_frame",
    ),
)
