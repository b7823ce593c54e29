"""Mutants of few-shot learning: support lists, what a stage knows and leaves, its plan, its numbers, and how its arms are asked for."""

from tests.mutants.mutant import Mutant, Place

_SUPPORT = "tests/unit/test_few_shot_support.py"
_TRAINING = "tests/unit/test_few_shot_training.py"
_PLAN_TESTS = "tests/unit/test_few_shot_plan.py"
_SCORES = "tests/unit/test_evaluate_cityscapes.py::test_groups_of_classes_have_scores_of_their_own"
_CELLS = f"{_PLAN_TESTS}::test_every_cell_of_a_few_shot_arm_is_made_of_what_the_specification_says"

_METHODS = "methods/instance_synthesis/"
_OURS = "reproductions/instance_synthesis/"
_LIST = Place(_METHODS + "support.py")
_NOVEL = Place(_METHODS + "novel.py")
_SET = Place(_METHODS + "training_set.py")
_SELECT = Place(_METHODS + "select.py")
_PASTE = Place(_METHODS + "paste.py")
_LOSSES = Place("methods/common/segmenters/diffusioninst/losses.py")
_IMAGES = Place("methods/common/segmenters/instance/training_images.py")
_LOOP = Place("methods/common/segmenters/instance/training.py")
_STAGE = Place("methods/common/stages/train_instances.py")
_EVALUATE = Place("methods/common/stages/evaluate_cityscapes.py")
_PLAN = Place(_OURS + "branch_b_plan.py")
_METRICS = Place(_OURS + "branch_b_metrics.py")
_PAPER = Place("reproductions/study/paper.py")

MUTANTS: tuple[Mutant, ...] = (
    _LIST.mutant(
        "support_of_every_seed_alike",
        'return seeds.derive("training", "support", row.class_name',
        'return seeds.derive("data", "support", row.class_name',
        "every seed draws the same support list",
        f"{_SUPPORT}::test_fewer_shots_are_the_first_of_more_and_another_seed_draws_others",
    ),
    _LIST.mutant(
        "support_takes_small_ones",
        "if row.class_name in found and area_px >= config.min_area_px:",
        "if row.class_name in found:",
        "a support list holds instances that the evaluation does not ask for",
        f"{_SUPPORT}::test_a_list_holds_k_of_each_class_none_of_them_small",
    ),
    _LIST.mutant(
        "support_of_other_images",
        "if row.frame not in known:",
        "if False:",
        "a list that names other images is not told so",
        f"{_SUPPORT}::test_a_list_that_does_not_fit_is_refused",
    ),
    _NOVEL.mutant(
        "novel_instances_not_ignored",
        "replace(one, crowd=True) if one.category_id in novel and (0, id) not in kept else one",
        "one",
        "the base stage learns novel instances",
        f"{_SUPPORT}::test_the_base_stage_ignores_every_novel_instance_and_learns_all_others",
    ),
    _NOVEL.mutant(
        "listed_instances_ignored",
        "and (0, id) not in kept else one",
        "and (0, id) in kept else one",
        "the novel stage ignores its list and learns the others",
        f"{_SUPPORT}::test_the_novel_stage_sees_the_frames_of_its_list_and_of_their_novel_instances_the_listed_ones",
    ),
    _SET.mutant(
        "novel_stage_sees_all_frames",
        "kept = kept if novel.support is None else kept & novel.support.keys()",
        "kept = kept",
        "the novel stage trains on every frame",
        f"{_SUPPORT}::test_the_novel_stage_sees_the_frames_of_its_list_and_of_their_novel_instances_the_listed_ones",
    ),
    _SET.mutant(
        "ignored_instances_counted",
        "[one.category_id for one in found if not one.crowd]",
        "[one.category_id for one in found]",
        "a record of a training counts what it ignored",
        f"{_SUPPORT}::test_the_base_stage_ignores_every_novel_instance_and_learns_all_others",
    ),
    _SELECT.mutant(
        "other_instances_repainted",
        "if listed is not None and (instance.layer, instance.id) not in listed:",
        "if False:",
        "every novel instance of a listed frame is repainted",
        f"{_SUPPORT}::test_the_instances_of_a_list_are_repainted_and_no_others",
    ),
    _PASTE.mutant(
        "histogram_of_the_picture",
        "for image in (picture_HW3, reference_HW3)",
        "for image in (reference_HW3, picture_HW3)",
        "the real crop's values are taken for the picture's",
        f"{_SUPPORT}::test_a_matched_histogram_is_that_of_the_real_crop",
    ),
    _IMAGES.mutant(
        "ignored_objects_learnt",
        "learnt = instances.select(~ignored_N) if ignored_N.any() else instances",
        "learnt = instances",
        "what is ignored is a target of no class",
        f"{_SUPPORT}::test_ignored_instances_are_no_targets_and_keep_their_boxes",
    ),
    _LOSSES.mutant(
        "ignored_objects_are_background",
        "counts_DNQ[:, row][(object_DQ < 0)",
        "counts_DNQ[:, row][(object_DQ < -1)",
        "proposals on ignored objects learn that nothing is there",
        f"{_TRAINING}::test_what_is_ignored_is_no_background",
    ),
    _LOSSES.mutant(
        "matched_proposals_ignored",
        "counts_DNQ[:, row][(object_DQ < 0) & ignored_DQ]",
        "counts_DNQ[:, row][ignored_DQ]",
        "a proposal of an object beside an ignored one learns no class",
        f"{_TRAINING}::test_what_is_ignored_is_no_background",
    ),
    _LOOP.mutant(
        "frozen_statistics_move",
        "model.get_submodule(part).eval().requires_grad_(False)",
        "model.get_submodule(part).requires_grad_(False)",
        "batch norms of a frozen backbone follow the novel stage",
        f"{_TRAINING}::test_the_novel_stage_goes_on_from_the_base_stage_and_leaves_what_is_frozen",
    ),
    _STAGE.mutant(
        "nothing_is_frozen",
        "        config.frozen,\n",
        "        (),\n",
        "the novel stage trains the backbone, too",
        f"{_TRAINING}::test_the_novel_stage_goes_on_from_the_base_stage_and_leaves_what_is_frozen",
    ),
    _EVALUATE.mutant(
        "novel_ap_over_all_classes",
        "scores.metrics(weight_I, names).items()",
        "scores.metrics(weight_I).items()",
        "base and novel AP are means over all classes",
        _SCORES,
    ),
    _PLAN.mutant(
        "base_weights_not_loaded",
        'start="weights",',
        'start="scratch",',
        "the novel stage begins with random weights",
        _CELLS,
    ),
    _PLAN.mutant(
        "novel_stage_without_its_list",
        '**({} if support is None else {"support": (support,)}),',
        "",
        "the novel stage ignores every novel instance",
        _CELLS,
    ),
    _PLAN.mutant(
        "base_stage_knows_novel_classes",
        "novel = () if knows_all else self.few_shot.support.novel",
        "novel = ()",
        "the base stage learns novel instances",
        _CELLS,
    ),
    _PLAN.mutant(
        "groups_exchanged",
        "groups = {BASE: support.base, NOVEL: support.novel}",
        "groups = {BASE: support.novel, NOVEL: support.base}",
        "base AP is called novel AP",
        _CELLS,
    ),
    _PLAN.mutant(
        "random_generator_is_not",
        'self._drawn(how) if how.extractor == "generator_random" else self._distilled(how.extractor)',
        "self._distilled(how.extractor)",
        "the control of random weights reads the trained generator",
        _CELLS,
    ),
    _PLAN.mutant(
        "noise_stays_on",
        'diffusion = segmenter.diffusion.model_copy(update={"start": "fixed"})',
        "diffusion = segmenter.diffusion",
        "the control without noise has it",
        _CELLS,
    ),
    _PLAN.mutant(
        "generator_of_another_place",
        'return {"backbone": self.planner.external[GENERATOR_ROLE]}',
        'return {"backbone": self.planner.external["backbone"]}',
        "features are read from the segmenter that stands for ImageNet",
        f"{_PLAN_TESTS}::test_generators_and_extractors_come_from_their_own_places",
    ),
    _PLAN.mutant(
        "smaller_generator_not_taught",
        'return {"backbone": (made,)}, {}',
        "return {}, {}",
        "a rung with fewer heads begins with random weights",
        _CELLS,
    ),
    _PLAN.mutant(
        "features_for_the_base_stage_alone",
        """            **self._features(how),
        }""",
        "        }",
        "the novel stage looks at every image through the generator again",
        _CELLS,
    ),
    _PLAN.mutant(
        "features_of_a_generator_that_learns",
        'and backbone.tuning == "frozen"',
        'and backbone.tuning != "all"',
        "a training of low-rank updates is given features that they do not change",
        _CELLS,
    ),
    _PLAN.mutant(
        "features_not_mirrored",
        "mirrored=seen.flip_probability > 0,",
        "mirrored=False,",
        "half of all images go through the generator in every step",
        _CELLS,
    ),
    _PLAN.mutant(
        "features_of_images_padded_less",
        "            pad_multiple=segmenter.pad_multiple,\n",
        "",
        "the generator looks at every image again, as none is padded like those on disk",
        f"{_PLAN_TESTS}::test_features_are_of_images_as_the_segmenter_pads_them",
    ),
    _PLAN.mutant(
        "features_of_crops",
        "and seen.shows_whole_images",
        "",
        "whole frames are written for trainings that see crops",
        f"{_PLAN_TESTS}::test_features_are_written_once_for_all_seeds_and_where_every_view_can_be_written",
    ),
    _METRICS.mutant(
        "harmonic_mean_of_one",
        "harmonic_mean(found[BASE_AP], found[NOVEL_AP])",
        "harmonic_mean(found[BASE_AP], found[BASE_AP])",
        "the harmonic mean does not see novel classes",
        f"{_PLAN_TESTS}::test_columns_are_those_of_their_groups",
    ),
    _PAPER.mutant(
        "arms_by_their_ids_alone",
        "if {arm.id, arm.asked_as} & set(request.arms or ())",
        "if {arm.id} & set(request.arms or ())",
        "a name for several arms asks for none",
        f"{_PLAN_TESTS}::test_one_name_asks_for_the_branch_and_another_for_the_rest_of_the_grid",
    ),
)
