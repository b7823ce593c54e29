"""Mutants of SegGen's trainings: mixing, FreeMask, panoptic Mask2Former and its evaluation, HRNet."""

from tests.mutants.mutant import Mutant, Place

MIX = "tests/unit/test_seggen_mixing.py"
SEGMENTS = "tests/unit/test_seggen_segments.py"
FREEMASK = "tests/unit/test_freemask.py"
PANOPTIC = "tests/unit/test_mask2former_panoptic.py"
EVALUATION = "tests/unit/test_evaluate_coco_panoptic.py"
HRNET = "tests/unit/test_hrnet.py"

_SEGGEN, _COMMON = "methods/seggen/", "methods/common/"
_MIXING = Place(_SEGGEN + "mixing.py")
_PAIRS = Place(_SEGGEN + "generated_pairs.py")
_IMAGES = Place(_SEGGEN + "mixed_images.py")
_MIXED_SEGMENTS = Place(_SEGGEN + "mixed_segments.py")
_TRAIN = Place(_SEGGEN + "stages/train.py")
_LOSSES = Place(_SEGGEN + "freemask/losses.py")
_HARDNESS = Place(_SEGGEN + "freemask/hardness.py")
_CROPS = Place(_COMMON + "segmenters/semantic/training_images.py")
_TRAIN_SEMANTIC = Place(_COMMON + "stages/train_semantic.py")
_QUERY_LOSSES = Place(_COMMON + "segmenters/mask_queries/losses.py")
_SEGMENTS_OF_QUERIES = Place(_COMMON + "segmenters/mask_queries/panoptic.py")
_MAPS = Place(_COMMON + "stages/panoptic_maps.py")
_EVALUATE = Place(_COMMON + "stages/evaluate_coco_panoptic.py")
_PANOPTIC_MODEL = Place(_COMMON + "segmenters/mask2former/panoptic.py")
_BACKBONE = Place(_COMMON + "segmenters/backbones/hrnet.py")
_SGD = Place(_COMMON + "training/sgd_recipe.py")

MUTANTS: tuple[Mutant, ...] = (
    _MIXING.mutant(
        "variant_of_another_image",
        "self._pool.groups_of_image[real] if",
        "self._pool.groups_of_image[(real + 1) % self._pool.num_real] if",
        "a real sample is replaced by a variant of another image",
        f"{MIX}::test_a_share_of_the_samples_is_replaced_by_variants_of_the_same_image",
    ),
    _MIXING.mutant(
        "real_with_p_aug",
        "if rng.random() >= self._mixing.p_aug:",
        "if rng.random() < self._mixing.p_aug:",
        "p_aug is the chance to stay real",
        f"{MIX}::test_a_share_of_the_samples_is_replaced_by_variants_of_the_same_image",
    ),
    _MIXING.mutant(
        "one_chance_for_all_samples",
        'self._seeds.numpy("training", "mixing", position)',
        'self._seeds.numpy("training", "mixing")',
        "every sample is drawn alike",
        f"{MIX}::test_a_share_of_the_samples_is_replaced_by_variants_of_the_same_image",
    ),
    _MIXING.mutant(
        "strategies_by_their_numbers",
        'if self._mixing.weigh == "one to one":',
        'if self._mixing.weigh == "uniform":',
        "one to one is uniform and uniform is one to one",
        f"{MIX}::test_variants_are_drawn_uniformly_or_strategies_one_to_one",
    ),
    _MIXING.mutant(
        "pool_of_the_same_image",
        'if self._mixing.replaced_by == "same image" else []',
        "if True else []",
        "the pool is never drawn from",
        f"{MIX}::test_from_the_pool_any_pair_stands_for_any_image",
    ),
    _MIXING.mutant(
        "real_images_listed_once",
        "num_real, num_real * real_repeats",
        "num_real, num_real",
        "FreeMask's list holds each real image once",
        f"{MIX}::test_real_images_are_repeated_in_one_shuffled_list",
    ),
    _MIXING.mutant(
        "draws_counted_from_zero",
        "for position in range(first, first + count):",
        "for position in range(count):",
        "what a second training drew is counted from the first's samples",
        f"{MIX}::test_draws_are_counted_from_the_first_sample_on",
    ),
    _PAIRS.mutant(
        "own_masks_beside_filtered_ones",
        "for path in places or [one.pair.labels_path(variant)] if path.is_file()",
        "for path in [one.pair.labels_path('seggen')] if path.is_file()",
        "filtered masks are not used",
        f"{MIX}::test_a_selection_and_filtered_masks_take_the_place_of_the_pairs_own",
    ),
    _IMAGES.mutant(
        "void_of_pairs_is_a_class",
        "return images[place]",
        "image_HW3, label_HW = images[place]\n        return image_HW3, np.where(label_HW == 255, 0, label_HW).astype(np.uint8)",
        "void of generated images is the first class",
        f"{MIX}::test_void_of_generated_images_stays_void_in_crops",
    ),
    _TRAIN.mutant(
        "draws_of_one_image_a_step",
        "config.recipe.iterations * config.recipe.batch_size",
        "config.recipe.iterations",
        "the record counts one sample a step",
        f"{MIX}::test_the_record_counts_what_was_drawn",
    ),
    _TRAIN_SEMANTIC.mutant(
        "source_without_its_order",
        "config.num_workers, order, config.samples_before",
        "config.num_workers, None, config.samples_before",
        "a mixed source is trained in epochs over everything",
        f"{MIX}::test_a_network_trained_on_generated_samples_alone_sees_no_real_one",
    ),
    _CROPS.mutant(
        "second_training_sees_the_same_samples",
        "range(first, last), num_workers, self.before)",
        "range(first, last), num_workers, 0)",
        "real twice is the same crops twice",
        f"{MIX}::test_the_second_training_keeps_all_weights_and_begins_a_new_optimiser_on_other_samples",
    ),
    _MIXED_SEGMENTS.mutant(
        "crowds_are_taught",
        "if not one.is_crowd and one.category",
        "if one.category",
        "a crowd is a target",
        f"{SEGMENTS}::test_targets_are_the_segments_without_crowds_things_one_by_one_and_stuff_at_once",
    ),
    _MIXED_SEGMENTS.mutant(
        "stuff_among_instances",
        "if thing or not things_only",
        "if True",
        "an instance segmenter is taught stuff",
        f"{SEGMENTS}::test_for_instances_the_things_are_taught_alone",
    ),
    _MIXED_SEGMENTS.mutant(
        "segments_of_the_next_pair",
        "self._generated[place].segments",
        "self._generated[place - 1].segments",
        "generated images have the segments of others",
        f"{SEGMENTS}::test_generated_images_follow_the_real_ones_with_their_own_segments",
    ),
    _LOSSES.mutant(
        "filter_keeps_the_noisy",
        "loss_HW > limit_HW",
        "loss_HW <= limit_HW",
        "the filter ignores what is right",
        f"{FREEMASK}::test_pixels_above_the_tolerance_are_ignored_and_nothing_else_changes",
    ),
    _LOSSES.mutant(
        "filter_at_the_mean",
        "limit_HW = tolerance * mean_K",
        "limit_HW = mean_K",
        "the filter has no tolerance",
        f"{FREEMASK}::test_pixels_above_the_tolerance_are_ignored_and_nothing_else_changes",
    ),
    _HARDNESS.mutant(
        "easy_masks_are_kept",
        "sorted(masks, key=lambda one: one.hardness)",
        "sorted(masks, key=lambda one: -one.hardness)",
        "easy masks keep more images",
        f"{FREEMASK}::test_harder_masks_keep_more_of_their_own_images_whatever_the_order",
    ),
    _HARDNESS.mutant(
        "rounded_down",
        "round(num_images * rank / num_masks)",
        "int(num_images * rank / num_masks)",
        "numbers of images are rounded down",
        f"{FREEMASK}::test_the_easiest_mask_keeps_one_image_and_the_hardest_all",
    ),
    _HARDNESS.mutant(
        "masks_told_by_first_row",
        "np.ascontiguousarray(label_HW).tobytes()",
        "np.ascontiguousarray(label_HW[:, :1]).tobytes()",
        "unlike masks are one",
        f"{FREEMASK}::test_pairs_of_one_mask_are_found_by_the_mask_itself",
    ),
    _QUERY_LOSSES.mutant(
        "masks_of_one_process",
        "num_masks, matched_sum, others_sum, known_sum = share.team.sum_(sums)",
        "num_masks, matched_sum, others_sum, known_sum = torch.cat([sums[:1], share.team.sum_(sums.clone())[1:]])",
        "mask losses are divided by the targets of one process",
        f"{PANOPTIC}::test_two_processes_with_unlike_numbers_of_segments_equal_one",
    ),
    _SEGMENTS_OF_QUERIES.mutant(
        "share_of_the_cut_area",
        "won_HW.sum() < overlap_threshold * own_HW.sum()",
        "part_HW.sum() < overlap_threshold * won_HW.sum()",
        "a query is measured by what it won",
        f"{PANOPTIC}::test_panoptic_segments_are_those_of_the_text",
    ),
    _SEGMENTS_OF_QUERIES.mutant(
        "unsure_queries_win",
        "(score_Q > object_threshold)",
        "(score_Q <= object_threshold)",
        "queries below the threshold become segments",
        f"{PANOPTIC}::test_panoptic_segments_are_those_of_the_text",
    ),
    _MAPS.mutant(
        "thresholds_swapped",
        "PanopticThresholds(config.object_threshold, config.overlap_threshold)",
        "PanopticThresholds(config.overlap_threshold, config.object_threshold)",
        "the two thresholds change places",
        f"{EVALUATION}::test_the_scores_are_those_of_the_official_packages",
    ),
    _EVALUATE.mutant(
        "category_of_the_next_class",
        "data.categories[id // _SEGMENTS_OF_CLASS - 1].id",
        "data.categories[id // _SEGMENTS_OF_CLASS - 2].id",
        "results name another category",
        f"{EVALUATION}::test_files_hold_ids_that_tell_class_and_number",
    ),
    _EVALUATE.mutant(
        "maps_of_the_next_picture",
        "_write(place[record.id], maps)",
        "_write(place[records[0].id], maps)",
        "all maps of a batch are written as those of its first picture",
        f"{EVALUATION}::test_the_scores_are_those_of_the_official_packages",
    ),
    _EVALUATE.mutant(
        "detections_of_the_first_picture",
        "results += results_of(record, things",
        "results += results_of(records[0], things",
        "all detections of a batch are said of its first picture",
        f"{EVALUATION}::test_the_scores_are_those_of_the_official_packages",
    ),
    _PANOPTIC_MODEL.mutant(
        "all_found_without_classes",
        "best_classes(*answer), self.things_in(answer))",
        "self.segments_in(answer, thresholds).segment_HW, self.things_in(answer))",
        "the classes of pixels are the numbers of their segments",
        f"{EVALUATION}::test_mask2former_looks_at_each_picture_once",
    ),
    _BACKBONE.mutant(
        "fine_branches_are_not_told",
        "if source > target:\n                    part",
        "if source < target:\n                    continue\n                if source > target:\n                    part",
        "coarse branches never hear of fine ones",
        f"{HRNET}::test_an_exchange_adds_every_branch_to_each",
    ),
    _SGD.mutant(
        "rate_falls_to_nothing",
        "return self.lowest_lr + polynomial_decay(iteration, above,",
        "return polynomial_decay(iteration, self.base_lr,",
        "the rate has no floor",
        f"{HRNET}::test_the_rate_falls_to_its_floor_and_the_recipe_is_told_from_adamws",
    ),
)
