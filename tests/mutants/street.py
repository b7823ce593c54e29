"""Mutants of the street view, of Cityscapes' reader and evaluation, and of the quality of repainted crops."""

from tests.mutants.mutant import Mutant, Place

STREET = "tests/unit/test_miniature_street.py"
PAINTERS = "tests/parity/test_street_view_official.py::test_the_official_painters_draw_our_maps_from_our_polygons"
READER = "tests/unit/test_cityscapes_dataset.py"
EVALUATION = "tests/unit/test_evaluate_cityscapes.py"
PAIRS = "tests/unit/test_crop_pairs.py"

_SCENE = Place("methods/common/miniature/street_scene.py")
_OBJECTS = Place("methods/common/miniature/street_objects.py")
_DRAWING = Place("methods/common/miniature/street_drawing.py")
_CROPS = Place("methods/common/miniature/street_crops.py")
_READER = Place("methods/common/datasets/cityscapes.py")
_LIMITED = Place("methods/common/datasets/limited.py")
_EVALUATION = Place("methods/common/stages/evaluate_cityscapes.py")
_PAIRS = Place("methods/common/metrics/generated_images/crop_pairs.py")

MUTANTS: tuple[Mutant, ...] = (
    _SCENE.mutant(
        "street_instances_from_one",
        "1000 * self.label_id + self.number",
        "1000 * self.label_id + self.number + 1",
        "instances are numbered from 1, where Cityscapes' tools begin with 0",
        PAINTERS,
    ),
    _SCENE.mutant(
        "street_far_before_near",
        "return sorted(wishes, key=lambda wish: wish.nearness)",
        "return sorted(wishes, key=lambda wish: -wish.nearness)",
        "far things are painted over near ones",
        f"{STREET}::test_near_things_come_last_and_are_larger",
    ),
    _SCENE.mutant(
        "street_things_may_vanish",
        "self._visible[layer] - count < self._min_visible * self._full_areas[layer]",
        "self._visible[layer] + count < self._min_visible * self._full_areas[layer]",
        "things may hide each other wholly",
        f"{STREET}::test_nearer_things_hide_farther_ones_but_never_too_much",
    ),
    _OBJECTS.mutant(
        "street_things_face_right",
        "x = self._aspect - x if self._flipped else x",
        "x = self._aspect - x if self._flipped is None else x",
        "nothing is ever mirrored",
        f"{STREET}::test_a_mirrored_thing_is_the_mirror_image",
    ),
    _DRAWING.mutant(
        "street_groups_as_instances",
        "is_group = layer.kind is not None and layer.number is None",
        "is_group = layer.kind is None and layer.number is None",
        "the polygon file holds a group's members as instances",
        PAINTERS,
    ),
    _DRAWING.mutant(
        "street_small_regions_first",
        "key=lambda region: -region[0]",
        "key=lambda region: region[0]",
        "large regions of the polygon file hide what fills their holes",
        PAINTERS,
    ),
    _DRAWING.mutant(
        "street_train_is_even",
        'if split == "val":',
        'if split == "train":',
        "the training split is the one without rare classes",
        f"{STREET}::test_val_is_more_even_than_train",
    ),
    _DRAWING.mutant(
        "street_by_the_training_seed",
        'seeds.numpy("data", "street", split, index)',
        'seeds.numpy("training", "street", split, index)',
        "another training seed is another data set",
        f"{STREET}::test_a_picture_depends_on_seed_split_and_number_only",
    ),
    _CROPS.mutant(
        "street_crops_of_the_shorter_side",
        "side = max(width, height)",
        "side = min(width, height)",
        "crops cut their thing off",
        f"{STREET}::test_crops_are_squares_around_their_thing",
    ),
    _READER.mutant(
        "cityscapes_groups_are_learnt",
        "if not one.is_group and one.label_id in evaluated",
        "if one.label_id in evaluated",
        "a group is one instance to learn",
        f"{READER}::test_records_hold_the_visible_pixels_of_the_eight_classes",
    ),
    _READER.mutant(
        "cityscapes_masks_transposed",
        "(id_WH == one.id).T)",
        "(id_WH == one.id))",
        "masks lie crosswise",
        f"{READER}::test_records_hold_the_visible_pixels_of_the_eight_classes",
    ),
    _LIMITED.mutant(
        "limited_cityscapes_by_training_seed",
        'seeds.derive("data", "limited", name)',
        'seeds.derive("training", "limited", name)',
        "arms of one data seed train on different subsets",
        f"{READER}::test_limited_subsets_are_nested_of_the_right_size_and_decided_by_the_data_seed_alone",
    ),
    _LIMITED.mutant(
        "limited_cityscapes_not_nested",
        'seeds.derive("data", "limited", name)',
        'seeds.derive("data", "limited", count, name)',
        "a quarter does not hold the tenth",
        f"{READER}::test_limited_subsets_are_nested_of_the_right_size_and_decided_by_the_data_seed_alone",
    ),
    _READER.mutant(
        "cityscapes_sizes_unchecked",
        "if (height, width) != id_HW.shape:",
        "if (height, width) == id_HW.shape[:1]:",
        "a picture of another size than its map is taken",
        f"{READER}::test_sizes_that_differ_are_named",
    ),
    _EVALUATION.mutant(
        "cityscapes_groups_are_no_crowds",
        "id_HW == group.id), 1))",
        "id_HW == group.id), 0))",
        "COCO's AP asks for groups as for instances",
        f"{EVALUATION}::test_the_scores_are_those_of_the_definition",
    ),
    _EVALUATION.mutant(
        "cityscapes_scores_by_coco",
        "found = scores.metrics(weight_I)",
        "found = coco.metrics(weight_I)",
        "the primary AP is COCO's",
        f"{EVALUATION}::test_the_scores_are_those_of_the_definition",
    ),
    _PAIRS.mutant(
        "crop_pairs_of_the_other_variant",
        "pair.variant != LEFT_OUT_VARIANT",
        "pair.variant == LEFT_OUT_VARIANT",
        "FID is of the variant that the release leaves out",
        f"{PAIRS}::test_paired_fid_by_hand",
    ),
    _PAIRS.mutant(
        "crop_pairs_sources_unsquared",
        "lambda k: _squared(pairs[k].source_HW3)",
        "lambda k: pairs[k].source_HW3",
        "the two sides are resized differently before FID",
        f"{PAIRS}::test_paired_fid_by_hand",
    ),
    _PAIRS.mutant(
        "crop_pairs_without_batches",
        "float(np.mean([batch.mean() for batch in of_source]))",
        "float(np.concatenate(of_source).mean())",
        "the release's similarity is the plain mean",
        f"{PAIRS}::test_the_mean_of_means_weighs_a_short_last_batch_like_a_full_one",
    ),
    _PAIRS.mutant(
        "crop_pairs_prompt_against_source",
        "scorer.embed_images([pair.generated_HW3 for pair in batch])",
        "scorer.embed_images([pair.source_HW3 for pair in batch])",
        "CLIPScore is of the real crop",
        f"{PAIRS}::test_clip_numbers_equal_those_of_the_commands_on_folders",
    ),
    _PAIRS.mutant(
        "crop_pairs_ssim_in_colour",
        "_unit(_grey(picture))",
        "_unit(picture)",
        "the release's SSIM is in colour",
        f"{PAIRS}::test_grey_forgets_colours_of_one_luma",
    ),
    Place("methods/common/miniature/street_segmenter_training.py").mutant(
        "other_things_are_one_class",
        "STREET_KINDS.index(layer.kind)",
        "0 * STREET_KINDS.index(layer.kind)",
        "the shipped segmenter learns that all other things are people",
        "tests/unit/test_miniature_checkpoints.py::test_other_things_are_learned_as_the_classes_whose_place_they_take",
    ),
    Place("reproductions/instance_synthesis/places.py").mutant(
        "starts_from_a_painter",
        'shipped("start", MINIATURE_STREET_SEGMENTER)',
        'shipped("start", MINIATURE_GLIGEN)',
        "trainings are given another model to start from",
        "tests/unit/test_trials.py::test_instance_synthesis_tries_every_painter_and_every_start_once",
    ),
)
