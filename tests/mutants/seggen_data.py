"""Mutants of the data sets and evaluations that SegGen's studies at tier paper add: instances, COCO-Stuff, VOC, several scales."""

from tests.mutants.mutant import Mutant, Place

SEGMENTS = "tests/unit/test_ade20k_segments.py"
STUFF = "tests/unit/test_coco_stuff.py"
VOC = "tests/unit/test_seggen_evaluate_voc.py"
INSTANCES = "tests/unit/test_evaluate_coco_instances.py"
SEMANTIC = "tests/unit/test_evaluate_semantic.py"
EDGES = "tests/unit/test_seggen_plan_edges.py"
VALUES = "tests/unit/test_seggen_collected_values.py"
GENERATORS = "tests/unit/test_seggen_panoptic_generators.py"

_COMMON = "methods/common/"
_ADE20K = Place(_COMMON + "datasets/ade20k_segments.py")
_PREPARED = Place(_COMMON + "stages/ade20k_segments.py")
_COCO_STUFF = Place(_COMMON + "datasets/coco_stuff.py")
_INSTANCES = Place(_COMMON + "stages/evaluate_coco_instances.py")
_PREDICTION = Place(_COMMON + "segmenters/semantic/prediction.py")
_SEMANTIC = Place(_COMMON + "stages/evaluate_semantic.py")
_VOC = Place("methods/seggen/stages/evaluate_voc.py")
_MASK2IMG = Place("methods/seggen/stages/mask2img.py")
_PAINT = Place("methods/seggen/sampling/paint_images.py")
_PLAN = Place("reproductions/seggen/plan.py")
_COLLECT = Place("reproductions/seggen/collect.py")

MUTANTS: tuple[Mutant, ...] = (
    _ADE20K.mutant(
        "things_counted_from_zero",
        "(THINGS[place - 1], instance_HW == value)",
        "(THINGS[place - 2], instance_HW == value)",
        "an instance is of the class before its own",
        f"{SEGMENTS}::test_instances_lie_over_stuff_and_things_without_one_are_void",
    ),
    _ADE20K.mutant(
        "class_and_number_swapped",
        "number, place = divmod(value, 256)",
        "place, number = divmod(value, 256)",
        "the class of an instance is its number",
        f"{SEGMENTS}::test_instances_lie_over_stuff_and_things_without_one_are_void",
    ),
    _ADE20K.mutant(
        "stuff_over_instances",
        "segment_HW[mask_HW] = place",
        "segment_HW[mask_HW & (segment_HW == 0)] = place",
        "stuff hides instances",
        f"{SEGMENTS}::test_instances_lie_over_stuff_and_things_without_one_are_void",
    ),
    _PREPARED.mutant(
        "outlines_of_what_is_not_this_thing",
        "encode_mask(segment_HW == one.id)",
        "encode_mask(segment_HW == segments[0].id)",
        "all instances of an image have the outline of its first segment",
        f"{SEGMENTS}::test_things_have_outlines_that_are_scored",
    ),
    _PREPARED.mutant(
        "things_of_both_splits",
        'if one["split"] == split]',
        "if split]",
        "both splits hold the images of both",
        f"{SEGMENTS}::test_prepared_data_read_as_coco_s_do",
    ),
    _COCO_STUFF.mutant(
        "stuff_counted_from_one",
        "{number - 1: label for",
        "{number: label for",
        "every pixel is of the class before its own",
        f"{STUFF}::test_the_dropped_classes_leave_no_gap",
    ),
    _VOC.mutant(
        "voc_names_as_they_are",
        "class_of.get(OTHER_NAMES.get(name, name))",
        "class_of.get(name)",
        "classes that VOC calls otherwise are not known",
        f"{VOC}::test_names_that_differ_are_translated_and_others_are_background",
    ),
    _VOC.mutant(
        "unknown_objects_are_rated",
        "np.where(np.isin(label_HW, rated), label_HW, IGNORED)",
        "np.where(label_HW >= 0, label_HW, IGNORED)",
        "objects that the segmenter has no name for count as missed",
        f"{VOC}::test_scores_by_hand",
    ),
    _INSTANCES.mutant(
        "stuff_among_detections",
        "[category for category in data.categories if category.is_thing]",
        "list(data.categories)",
        "instances are asked of classes of stuff, too",
        f"{INSTANCES}::test_the_scores_are_those_of_the_official_package",
    ),
    _PREDICTION.mutant(
        "mirrored_looks_stay_mirrored",
        "model.scores(image_N3hw.flip(-1)).flip(-1)",
        "model.scores(image_N3hw.flip(-1))",
        "a mirrored look is added the wrong way round",
        f"{SEMANTIC}::test_looks_at_several_scales_and_the_mirror_are_added",
    ),
    _PREDICTION.mutant(
        "each_scale_has_its_own_limit",
        "round(limit_px * max(scales))",
        "round(limit_px * scale)",
        "the small looks at a long image are cut short",
        f"{SEMANTIC}::test_the_longest_side_limits_all_scales_alike",
    ),
    _SEMANTIC.mutant(
        "one_look_whatever_is_asked",
        "context.device, config.scales, config.mirrored)",
        "context.device)",
        "scales and mirror are not passed on",
        f"{SEMANTIC}::test_the_stage_passes_scales_and_mirror_on",
    ),
    _PLAN.mutant(
        "several_scales_of_one",
        '"scales": study.scales, "mirrored": True',
        '"mirrored": True',
        "the column of several scales is of one",
        f"{EDGES}::test_rows_of_table_1_are_also_evaluated_at_several_scales",
    ),
    _PLAN.mutant(
        "instances_are_taught_stuff",
        '"instance": "things"',
        '"instance": "all"',
        "an instance segmenter is taught stuff",
        f"{EDGES}::test_instances_are_taught_the_things_of_the_panoptic_pictures",
    ),
    _PLAN.mutant(
        "instances_scored_as_panoptic",
        'EVALUATE_COCO_PANOPTIC if training.task == "panoptic" else EVALUATE_COCO_INSTANCES',
        "EVALUATE_COCO_PANOPTIC",
        "instances are scored as panoptic maps",
        f"{EDGES}::test_instances_are_taught_the_things_of_the_panoptic_pictures",
    ),
    _PLAN.mutant(
        "segments_of_ade20k_left_out",
        "if segments is not None:",
        "if segments is not None and world is not None:",
        "ADE20K is read as if its instances were segments already",
        f"{EDGES}::test_ade20k_s_instances_become_segments_before_all_else",
    ),
    _COLLECT.mutant(
        "several_scales_are_the_usual_one",
        '"miou_ms": cells.several_scales',
        '"miou_ms": cells.evaluation',
        "the column of several scales repeats the usual one",
        f"{VALUES}::test_several_scales_have_a_column_of_their_own",
    ),
    _COLLECT.mutant(
        "ap_at_half",
        '{"AP": record["metrics"]["AP"]}',
        '{"AP": record["metrics"]["AP50"]}',
        "AP is the one at an overlap of one half",
        f"{VALUES}::test_instances_have_the_ap_of_masks",
    ),
    _MASK2IMG.mutant(
        "panoptic_edges_of_one_pixel",
        "coding.build(), config, context, config.edge_px)",
        "coding.build(), config, context)",
        "Mask2Img learns thinner edges than it is asked with",
        f"{GENERATORS}::test_the_training_reads_edges_and_keeps_how_they_are_drawn",
    ),
    _PAINT.mutant(
        "painted_onto_thin_edges",
        "mask, self._palette, self._coding.edge_px)",
        "mask, self._palette, 1)",
        "pictures are painted onto thinner edges than were learnt",
        f"{GENERATORS}::test_pictures_are_painted_onto_edges_and_labelled_with_the_human_segments",
    ),
    _PAINT.mutant(
        "crowds_become_instances",
        '"iscrowd": int(one.is_crowd)}',
        '"iscrowd": 0}',
        "crowds of human masks are instances of generated pictures",
        f"{GENERATORS}::test_pictures_are_painted_onto_edges_and_labelled_with_the_human_segments",
    ),
)
