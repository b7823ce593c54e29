"""Mutants of the robust paper's plan and of the stages that it is made of."""

from tests.mutants.mutant import Mutant, Place

EDGES = "tests/unit/test_diffumask_robust_plan_edges.py"
_ATTENTION = f"{EDGES}::test_an_arm_of_attention_is_made_of_what_the_specification_says"
_DIFFUMASK = f"{EDGES}::test_an_arm_of_diffumask_is_made_of_what_the_specification_says"
_STREET = f"{EDGES}::test_the_street_is_painted_as_it_is_or_adapted"
VALUES = "tests/unit/test_diffumask_robust_stage_values.py"
_KEPT = "tests/unit/test_diffumask_robust_filter.py::test_the_half_that_agrees_best_stays_without_those_of_no_use"
_FILTERED = f"{EDGES}::test_the_filter_and_chance_keep_as_many_of_the_same_labels"

_PLAN = Place("reproductions/diffumask_robust/plan.py")
_BASELINE = Place("reproductions/diffumask_robust/plan_diffumask.py")
_DOMAIN = Place("reproductions/diffumask_robust/plan_street.py")
_DIFFUMASKS_STREET = f"{EDGES}::test_diffumasks_street_is_its_whole_method_on_groups"
_LABELLER = Place("methods/diffumask_robust/labeller.py")
_MAPS = Place("methods/diffumask_robust/heat_map_files.py")
_RATE = Place("methods/diffumask_robust/stages/rate_masks.py")
_SOURCES = Place("methods/diffumask_robust/stages/sources.py")
_CROPS = Place("methods/diffumask_robust/trusted_images.py")
_FILTER = Place("methods/diffumask_robust/stages/filter_masks.py")
_COLOURS = Place("methods/diffumask_robust/colours.py")
_SAMPLER = Place("methods/diffumask_robust/attention_sampler.py")

MUTANTS: tuple[Mutant, ...] = (
    _DOMAIN.mutant(
        "diffumasks_street_is_tuned_from_scratch",
        '{"start": (train,), **self.drawn()},',
        "{**self.drawn()},",
        "fine-tuning on real street pictures starts anew",
        _DIFFUMASKS_STREET,
    ),
    _DOMAIN.mutant(
        "diffumasks_street_is_evaluated_untuned",
        "self._evaluate(arm, trains[-1], how)",
        "self._evaluate(arm, trains[0], how)",
        "the network before fine-tuning is evaluated",
        _DIFFUMASKS_STREET,
    ),
    _BASELINE.mutant(
        "affinity_of_voc_on_the_street",
        "self.subject.class_names if",
        "VOC.class_names if",
        "the street's AffinityNets are of VOC's classes",
        _DIFFUMASKS_STREET,
    ),
    _PLAN.mutant(
        "oracle_masks_by_attention",
        '"masks_from": "cutout" if how.oracle else "attention"',
        '"masks_from": "attention"',
        "the oracle's masks are those of attention",
        _ATTENTION,
    ),
    _PLAN.mutant(
        "the_filter_chooses_by_chance",
        "FilterMasksConfig(kept_share=study.filter_share, rule=rule)",
        'FilterMasksConfig(kept_share=study.filter_share, rule="random")',
        "the SAM filter's arm keeps a random half",
        _FILTERED,
    ),
    _FILTER.mutant(
        "chance_asks_the_score",
        'if config.rule == "random":',
        'if config.rule == "agreement":',
        "the SAM filter and the control trade places",
        _KEPT,
    ),
    _FILTER.mutant(
        "what_is_of_no_use_is_kept",
        "if not one.dropped]\n    num_kept",
        "]\n    num_kept",
        "pictures of no use count and may be kept",
        _KEPT,
    ),
    _PLAN.mutant(
        "one_beta_for_all_presets",
        '"own": study.beta_of(how.preset)',
        '"own": study.label.mask.beta',
        "Dataset Diffusion's masks have Attn2mask's threshold",
        _ATTENTION,
    ),
    _PLAN.mutant(
        "random_trust_is_not",
        '"trusted": how.trusted,',
        '"trusted": "margin",',
        "the control with random reliability trusts margins",
        _ATTENTION,
    ),
    _PLAN.mutant(
        "mask_only_trains_both",
        'update={"co_training": 0.0}',
        'update={"co_training": 1.0}',
        "the baseline mask-only learns from the other network too",
        _ATTENTION,
    ),
    _PLAN.mutant(
        "twice_as_long_is_not",
        '"iterations": 2 * training.recipe.iterations',
        '"iterations": training.recipe.iterations',
        "the control with twice the iterations has as many as the others",
        _ATTENTION,
    ),
    _PLAN.mutant(
        "every_set_is_whole",
        '"2k": study.small_set',
        '"2k": None',
        "the smallest set holds all pictures",
        _ATTENTION,
    ),
    _PLAN.mutant(
        "words_are_not_limited",
        'update={"augmentation": WORDS[words]}',
        'update={"augmentation": WORDS["hyponyms"]}',
        "prompts of every arm have hyponyms",
        f"{EDGES}::test_words_are_compared_on_as_many_pictures",
    ),
    _PLAN.mutant(
        "masks_rated_against_themselves",
        '"labels": labels, "reference": reference}',
        '"labels": labels, "reference": labels}',
        "the masks of an arm are rated against themselves",
        _ATTENTION,
    ),
    _PLAN.mutant(
        "diffumask_starts_from_the_other_backbone",
        '{"backbone": self.external["plain_backbone"]}',
        '{"backbone": self.external["backbone"]}',
        "DiffuMask's segmenter starts from DeepLab's weights",
        f"{EDGES}::test_at_tier_paper_each_network_starts_from_the_weights_of_its_own_kind",
    ),
    _PLAN.mutant(
        "fine_tuning_from_scratch",
        '"all" if "start" in inputs else study.start',
        "study.start",
        "fine-tuning forgets what was learned from generated pictures",
        f"{EDGES}::test_fine_tuning_goes_on_from_all_weights_on_a_part_of_the_real_images",
    ),
    _BASELINE.mutant(
        "fixed_threshold_is_one",
        '"fixed_threshold": _FIXED[how.masks]',
        '"fixed_threshold": 0.4',
        "every fixed threshold is 0.4",
        _DIFFUMASK,
    ),
    _BASELINE.mutant(
        "random_pruning_is_not",
        '"random" if how.pruned_at_random else "agreement"',
        '"agreement"',
        "the control of noise learning prunes by agreement",
        _DIFFUMASK,
    ),
    _BASELINE.mutant(
        "one_fold_scores_all",
        "source = FoldSource(num_folds=config.num_folds, fold=fold)",
        "source = FoldSource(num_folds=config.num_folds, fold=0)",
        "every network of the cross validation leaves the same fold out",
        _DIFFUMASK,
    ),
    _BASELINE.mutant(
        "unpruned_set_is_spliced",
        "labels, trained = self._pruned(pictures, labels, how, name)",
        "_, trained = self._pruned(pictures, labels, how, name)",
        "noise learning leaves nothing out",
        _DIFFUMASK,
    ),
    _DOMAIN.mutant(
        "real_street_in_parts_of_photographs",
        "self.drawn(), classes, self.outside(), crops=crops)",
        "self.drawn(), classes, self.outside())",
        "a network of real street pictures sees persons of two pixels, and learns nothing",
        f"{EDGES}::test_the_street_is_trained_and_tested_at_its_own_scale",
    ),
    _DOMAIN.mutant(
        "street_without_its_adapter",
        "study.street.prompts, synthesis, adapter,",
        "study.street.prompts, synthesis, (),",
        "pictures of the adapted generator are painted without its adapter",
        _STREET,
    ),
    _DOMAIN.mutant(
        "tags_are_never_read",
        '"tags" if how.pictures == "adapted_tags" else "fixed"',
        '"fixed"',
        "the generator is adapted without tags in both arms",
        _STREET,
    ),
    _MAPS.mutant(
        "maps_share_one_range",
        "low_M, high_M = clean_Mhw.min((1, 2)), clean_Mhw.max((1, 2))",
        "low_M, high_M = clean_Mhw.min((1, 2)) * 0 + clean_Mhw.min(), clean_Mhw.max((1, 2)) * 0 + clean_Mhw.max()",
        "faint maps beside strong ones lose their levels",
        f"{VALUES}::test_maps_are_kept_within_half_a_level_of_their_own_range",
    ),
    _LABELLER.mutant(
        "margins_after_the_crf",
        "margin_HW = score_margins(mask.score_KHW, mask.place_HW, config.ties)",
        "margin_HW = score_margins(mask.score_KHW, mask.score_KHW.argmax(0), config.ties)",
        "a pixel whose label a filter changed is as sure as before",
        f"{VALUES}::test_a_pixel_whose_label_the_crf_changed_ranks_last",
    ),
    _RATE.mutant(
        "trusted_and_distrusted_swapped",
        "(rated_HW & ~trusted_HW, rated_HW & trusted_HW)",
        "(rated_HW & trusted_HW, rated_HW & ~trusted_HW)",
        "the report says of trusted pixels what is true of the others",
        f"{VALUES}::test_masks_are_rated_by_hand_computed_numbers",
    ),
    _SOURCES.mutant(
        "dropped_pictures_are_trained_on",
        "if not one.dropped]",
        "if one is not None]",
        "pictures that are of no use are trained on",
        f"{VALUES}::test_a_smaller_set_lies_within_a_larger_one_and_dropped_pictures_are_left_out",
    ),
    _CROPS.mutant(
        "trust_is_not_mirrored",
        "(np.fliplr(pixels) for pixels in (image_SS3, label_SS, trusted_SS))",
        "(np.fliplr(image_SS3), np.fliplr(label_SS), trusted_SS)",
        "where labels are trusted does not follow the mirrored image",
        f"{VALUES}::test_a_crop_moves_image_labels_and_trust_together",
    ),
    _COLOURS.mutant(
        "all_images_change_alike",
        "iteration, first + place)",
        "iteration, first)",
        "all images of a batch get the same colours",
        f"{VALUES}::test_colours_depend_on_iteration_and_place_alone",
    ),
)
