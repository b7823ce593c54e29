"""Mutants of the SAM filter's stages: pictures, masks, scores, selections."""

from tests.mutants.mutant import Mutant, Place

FSTAGE = "tests/unit/test_sam_filter_stage_values.py"
FSCORE = "tests/unit/test_sam_filter_score_stages.py"
ATTN = "tests/unit/test_attention_capture.py"
MASKS = "tests/unit/test_attention_masks.py"

_RANKINGS = Place("methods/common/generated/rankings.py")
_SAM_FILTER_SELECTION = Place("methods/sam_filter/selection.py")
_STAGES_SELECT = Place("methods/sam_filter/stages/select.py")
_STAGES_SCORE = Place("methods/sam_filter/stages/score.py")
_STAGES_SEGMENT_NAMED = Place("methods/common/stages/segment_named.py")
_STAGES_REFERENCE_QUALITY = Place("methods/sam_filter/stages/reference_quality.py")
_STAGES_SAMPLER = Place("methods/sam_filter/stages/sampler.py")
_GENERATORS_ATTENTION_MASKS = Place("methods/common/generators/attention_masks.py")
_STAGES_SYNTHESIZE = Place("methods/sam_filter/stages/synthesize.py")
_GENERATORS_ATTENTION_CAPTURE = Place("methods/common/generators/attention_capture.py")

MUTANTS: tuple[Mutant, ...] = (
    _RANKINGS.mutant(
        "filter_keeps_the_worst",
        "(-score_I[image], ids[image])",
        "(score_I[image], ids[image])",
        "the filter keeps the worst",
        f"{FSTAGE}::test_the_best_stay_ties_by_id_in_the_order_of_rank",
    ),
    _RANKINGS.mutant(
        "ties_by_place",
        "(-score_I[image], ids[image])",
        "(-score_I[image], image)",
        "equal scores go by place",
        "tests/unit/test_sam_filter_selection.py::test_equal_scores_go_by_id_wherever_they_stand",
    ),
    _SAM_FILTER_SELECTION.mutant(
        "statistics_swapped",
        '{"before": every, "after": kept}',
        '{"before": kept, "after": every}',
        "what was before and after the selection trades places",
        f"{FSTAGE}::test_the_best_stay_ties_by_id_in_the_order_of_rank",
    ),
    _STAGES_SELECT.mutant(
        "ranked_by_s1_always",
        "float(row[score])",
        'float(row["S1"])',
        "every ranking is by S1",
        f"{FSTAGE}::test_the_best_stay_ties_by_id_in_the_order_of_rank",
    ),
    _STAGES_SELECT.mutant(
        "selected_in_order_of_pairs",
        "for image in kept).encode()",
        "for image in sorted(kept)).encode()",
        "the selection is written in the order of the pairs, not of rank",
        f"{FSTAGE}::test_the_best_stay_ties_by_id_in_the_order_of_rank",
    ),
    _STAGES_SELECT.mutant(
        "strata_ignored",
        "by_score = interleave_strata(rank_by_score(ids, score_I), strata)",
        "by_score = rank_by_score(ids, score_I)",
        "strata are ranked together",
        f"{FSTAGE}::test_strata_are_ranked_apart",
    ),
    _STAGES_SELECT.mutant(
        "random_is_best",
        "ranking = interleave_strata(at_random, strata)",
        "ranking = by_score",
        "random subsets are the best",
        f"{FSTAGE}::test_random_subsets_follow_no_score_and_the_same_mix_follows_the_classes_alone",
    ),
    _STAGES_SELECT.mutant(
        "same_mix_is_best",
        "rank_with_same_mix(by_score, at_random,",
        "rank_with_same_mix(by_score, by_score,",
        "the control of the same mix keeps the best",
        f"{FSTAGE}::test_random_subsets_follow_no_score_and_the_same_mix_follows_the_classes_alone",
    ),
    _STAGES_SCORE.mutant(
        "scored_pair_of_before",
        "masks = named.masks(number)",
        "masks = named.masks(max(number - 1, 0))",
        "pairs are scored against the masks of the pair before",
        f"{FSTAGE}::test_each_pair_is_scored_against_its_own_masks_class_by_class",
    ),
    _STAGES_SCORE.mutant(
        "uncertain_counts_as_background",
        "agreement_of_pair(label_HW, masks, class_names, config.uncertain)",
        'agreement_of_pair(label_HW, masks, class_names, "background")',
        "label 255 counts in the score",
        f"{FSTAGE}::test_each_pair_is_scored_against_its_own_masks_class_by_class",
    ),
    _STAGES_SCORE.mutant(
        "labels_shifted_in_score",
        "class_names.index(name): mask_HW for",
        "class_names.index(name) % (len(class_names) - 1) + 1: mask_HW for",
        "labels are shifted by one class",
        f"{FSTAGE}::test_each_pair_is_scored_against_its_own_masks_class_by_class",
    ),
    _STAGES_SCORE.mutant(
        "scores_s2_first",
        '["id", *SCORES, "num_classes"]',
        '["id", "S2", "S1", "S3", "S4", "num_classes"]',
        "columns of scores trade names",
        f"{FSTAGE}::test_each_pair_is_scored_against_its_own_masks_class_by_class",
    ),
    _STAGES_SEGMENT_NAMED.mutant(
        "asked_for_all_by_one_name",
        "encode_mask(masks[text]) for text, name in written.items()",
        "encode_mask(masks[list(written)[0]]) for text, name in written.items()",
        "every class gets the first class's mask",
        f"{FSTAGE}::test_a_class_is_asked_for_by_its_written_name_and_keeps_its_own_mask",
    ),
    _STAGES_SEGMENT_NAMED.mutant(
        "vocs_own_names_are_asked",
        "written_name(name, config.naming): name",
        "name: name",
        "the table of written names is not used",
        f"{FSTAGE}::test_a_class_is_asked_for_by_its_written_name_and_keeps_its_own_mask",
    ),
    _STAGES_REFERENCE_QUALITY.mutant(
        "reference_of_another_variant",
        "label_HW = pair.read_labels(config.variant, len(class_names))",
        "label_HW = pair.read_labels(ReferenceQualityConfig().variant, len(class_names))",
        "the pilot rates the masks of the default variant",
        f"{FSTAGE}::test_quality_is_of_the_variant_over_all_pixels_with_the_uncertain_ones_as_asked",
    ),
    _STAGES_REFERENCE_QUALITY.mutant(
        "reference_mean_without_background",
        '"miou": mean_defined(iou_K),',
        '"miou": mean_defined(iou_K[1:]),',
        "the pilot's mIoU leaves the background out",
        f"{FSTAGE}::test_quality_is_of_the_variant_over_all_pixels_with_the_uncertain_ones_as_asked",
    ),
    _STAGES_REFERENCE_QUALITY.mutant(
        "uncertain_counts_in_quality",
        "len(class_names), config.uncertain)",
        'len(class_names), "background")',
        "uncertain pixels count as background in the pilot's mIoU",
        f"{FSTAGE}::test_quality_is_of_the_variant_over_all_pixels_with_the_uncertain_ones_as_asked",
    ),
    _STAGES_REFERENCE_QUALITY.mutant(
        "claimed_twice_counts",
        "label_HW[stacked_CHW.sum(axis=0) > 1] = 255",
        "pass",
        "pixels that two references claim count",
        f"{FSCORE}::test_reference_map_leaves_out_what_two_classes_claim",
    ),
    _STAGES_REFERENCE_QUALITY.mutant(
        "not_found_is_rated",
        "if not masks or not all(mask_HW.any() for mask_HW in masks.values()):",
        "if not masks:",
        "pictures are rated whose classes were not found",
        f"{FSCORE}::test_reference_quality_pools_pixels_and_skips_what_was_not_found",
    ),
    _STAGES_SAMPLER.mutant(
        "self_attention_of_image_0",
        "capture.self_attention(side)[index]",
        "capture.self_attention(side)[0]",
        "every image of a batch has the first one's self-attention",
        f"{FSTAGE}::test_a_picture_has_the_masks_of_its_own_attention_and_names",
    ),
    _STAGES_SAMPLER.mutant(
        "cross_attention_of_image_0",
        "capture.cross_attention(side)[index]",
        "capture.cross_attention(side)[0]",
        "every image of a batch has the first one's cross-attention",
        f"{FSTAGE}::test_a_picture_has_the_masks_of_its_own_attention_and_names",
    ),
    _STAGES_SAMPLER.mutant(
        "names_of_image_0",
        "self._label_maps(capture, index, names, image_HW3)",
        "self._label_maps(capture, index, named[0], image_HW3)",
        "every image of a batch has the first one's names",
        f"{FSTAGE}::test_a_picture_has_the_masks_of_its_own_attention_and_names",
    ),
    _STAGES_SAMPLER.mutant(
        "one_noise_for_a_batch_of_pairs",
        "[order.seed for order in batch]",
        "[batch[0].seed for order in batch]",
        "pictures of a batch start from the same noise",
        f"{FSTAGE}::test_a_picture_has_the_masks_of_its_own_attention_and_names",
    ),
    _STAGES_SAMPLER.mutant(
        "powers_ignored",
        ("            config.powers,\n"),
        ("            (4,) * len(config.powers),\n"),
        "every power of self-attention is 4",
        f"{FSTAGE}::test_a_variant_is_made_of_its_own_sides_and_power",
    ),
    _STAGES_SAMPLER.mutant(
        "labels_shifted",
        "enumerate(class_names)}",
        "enumerate(class_names, 1)}",
        "labels are shifted by one class",
        f"{FSTAGE}::test_labels_are_the_classes_of_the_names_and_the_band_is_as_asked",
    ),
    _STAGES_SAMPLER.mutant(
        "thresholds_not_asked",
        "Thresholds(config.upper_threshold, config.lower_threshold)",
        "Thresholds()",
        "the uncertain band is the default one",
        f"{FSTAGE}::test_labels_are_the_classes_of_the_names_and_the_band_is_as_asked",
    ),
    _STAGES_SAMPLER.mutant(
        "class_prompt_drives_the_image",
        '[order.record["caption"] for order in batch], [order.seed',
        '[order.record["class_prompt"] for order in batch], [order.seed',
        "the class prompt drives the picture",
        f"{FSTAGE}::test_the_caption_and_the_negative_words_drive_the_picture_the_class_prompt_only_the_mask",
    ),
    _STAGES_SAMPLER.mutant(
        "negative_prompt_dropped",
        "{} if config.negative_prompt is None else",
        "{} if config.negative_prompt else",
        "the negative prompt is left out",
        f"{FSTAGE}::test_the_caption_and_the_negative_words_drive_the_picture_the_class_prompt_only_the_mask",
    ),
    _STAGES_SAMPLER.mutant(
        "keys_from_the_caption",
        "[key_text.text(order.names) for order in batch]",
        '[order.record["caption"] for order in batch]',
        "cross-attention asks for the caption's words",
        f"{FSTAGE}::test_the_keys_of_cross_attention_come_from_the_class_prompt",
    ),
    _STAGES_SAMPLER.mutant(
        "capture_steps_ignored",
        "config.self_sides, config.cross_sides, steps)",
        "config.self_sides, config.cross_sides)",
        "attention of every step counts",
        f"{FSTAGE}::test_only_the_steps_that_are_asked_for_count",
    ),
    _GENERATORS_ATTENTION_MASKS.mutant(
        "every_cross_side_alike",
        "slice(number * len(names), (number + 1) * len(names))",
        "slice(0, len(names))",
        "every variant has the first cross-attention's masks",
        f"{FSTAGE}::test_a_variant_is_made_of_its_own_sides_and_power",
    ),
    _GENERATORS_ATTENTION_MASKS.mutant(
        "normalised_together",
        "low_M, high_M = map_MHW.amin((1, 2)), map_MHW.amax((1, 2))",
        "low_M, high_M = map_MHW.amin((1, 2)).amin()[None].expand(len(map_MHW)), map_MHW.amax((1, 2)).amax()[None].expand(len(map_MHW))",
        "maps of one image share one scale",
        MASKS,
    ),
    _GENERATORS_ATTENTION_MASKS.mutant(
        "one_power_too_many",
        "            refined[power] = map_QF",
        "            refined[power] = self_QQ @ map_QF",
        "self-attention is applied once more than asked",
        MASKS,
    ),
    _STAGES_SYNTHESIZE.mutant(
        "sam_picture_seed_by_place",
        'seeds.derive("generation", "picture", name)',
        'seeds.derive("generation", "picture", str(len(orders)))',
        "a picture's seed is its place in the shard",
        f"{FSTAGE}::test_a_pictures_seed_does_not_depend_on_how_the_work_is_cut",
    ),
    _GENERATORS_ATTENTION_CAPTURE.mutant(
        "unconditional_half_captured",
        "return value_BQC[-self.num_images :]",
        "return value_BQC[: self.num_images]",
        "attention is the unconditional half's",
        f"{ATTN}::test_maps_are_the_naive_means_and_pictures_stay",
    ),
)
