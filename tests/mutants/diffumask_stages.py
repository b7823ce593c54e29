"""Mutants of DiffuMask's ideas and stages: seeds, masks, cross validation, pruning, splicing."""

from tests.mutants.mutant import Mutant, Place

PIECES = "tests/unit/test_diffumask_pieces.py"
STAGES = "tests/unit/test_diffumask_stages.py"

_DIFFUMASK, _STAGES = "methods/diffumask_robust/diffumask/", "methods/diffumask_robust/stages/"
_SPLIT = Place(_DIFFUMASK + "split_levels.py")
_SEED_LABELS = Place(_DIFFUMASK + "seed_labels.py")
_SMOOTHING = Place(_DIFFUMASK + "smoothing.py")
_REGIONS = Place(_DIFFUMASK + "regions.py")
_AREA = Place(_DIFFUMASK + "area_filter.py")
_THRESHOLD = Place(_DIFFUMASK + "adaptive_threshold.py")
_NOISE = Place(_DIFFUMASK + "noise_learning.py")
_MOSAICS = Place(_DIFFUMASK + "mosaics.py")
_DISTORTIONS = Place(_DIFFUMASK + "distortions.py")
_REFINER = Place(_DIFFUMASK + "refiner.py")
_SEED = Place(_STAGES + "seed.py")
_TRAIN = Place(_STAGES + "train_affinity.py")
_REFINE = Place(_STAGES + "refine.py")
_FOLD_SOURCE = Place(_STAGES + "fold_source.py")
_SCORE = Place(_STAGES + "score_fold.py")
_PRUNE = Place(_STAGES + "prune.py")
_SPLICE = Place(_STAGES + "splice.py")

MUTANTS: tuple[Mutant, ...] = (
    _SPLIT.mutant(
        "emptiest_bin",
        "if held > most:",
        "if held >= most:",
        "of equal bins the highest splits",
        f"{PIECES}::test_the_split_is_the_fullest_bin_of_the_window_and_levels_are_means_with_constants",
    ),
    _SPLIT.mutant(
        "constants_of_levels_swapped",
        "_mean_above(map_HW, split) + config.foreground",
        "_mean_above(map_HW, split) + config.background",
        "the foreground's level has the background's constant",
        f"{PIECES}::test_the_split_is_the_fullest_bin_of_the_window_and_levels_are_means_with_constants",
    ),
    _SPLIT.mutant(
        "split_goes_the_wrong_way",
        "split -= _STEP",
        "split -= 2 * _STEP",
        "the split moves by 0.06",
        f"{PIECES}::test_the_split_moves_until_each_side_is_large_enough",
    ),
    _SEED_LABELS.mutant(
        "one_level_for_both_runs",
        "for level in (levels.foreground, levels.background):",
        "for level in (levels.foreground, levels.foreground):",
        "no cell is unknown",
        f"{PIECES}::test_seed_labels_are_sure_where_both_levels_agree",
    ),
    _SMOOTHING.mutant(
        "crf_of_two_labels",
        "energy_of_labels(place_HW, self._num_labels, self._smoothing.certainty)",
        "energy_of_labels(place_HW, 2, self._smoothing.certainty)",
        "the dense CRF has two labels, for which one half says nothing",
        f"{PIECES}::test_a_dense_crf_has_a_label_for_each_class_of_the_data_set",
    ),
    _SMOOTHING.mutant(
        "hidden_classes_count_once",
        "(1, 1, self._num_labels - 2)[: len(energy)]",
        "(1, 1, 1)[: len(energy)]",
        "all classes that an image does not show have the weight of one",
        f"{PIECES}::test_a_dense_crf_has_a_label_for_each_class_of_the_data_set",
    ),
    _REGIONS.mutant(
        "holes_stay",
        "cv2.fillPoly(filled_HW, [contour], 1)",
        "cv2.polylines(filled_HW, [contour], True, 1)",
        "regions are outlined, not filled",
        f"{PIECES}::test_large_regions_stay_and_are_filled",
    ),
    _AREA.mutant(
        "smallest_region_is_rated",
        "max((cv2.boundingRect(one)",
        "min((cv2.boundingRect(one)",
        "the shape of the smallest region counts",
        f"{PIECES}::test_a_screen_is_wide_and_fills_its_box",
    ),
    _THRESHOLD.mutant(
        "worst_threshold",
        "if found > best.agreement:",
        "if found >= best.agreement:",
        "of equal thresholds the last is taken, and one without overlap",
        f"{PIECES}::test_the_threshold_that_agrees_best_wins",
    ),
    _NOISE.mutant(
        "worst_masks_stay",
        "of_class[class_name].append((-iou, name))",
        "of_class[class_name].append((iou, name))",
        "the masks of lowest agreement stay",
        f"{PIECES}::test_the_best_of_each_class_stay",
    ),
    _NOISE.mutant(
        "share_that_stays",
        "int(num_images * (1 - Decimal(str(pruned_share))))",
        "int(num_images * Decimal(str(pruned_share)))",
        "t is the share that stays",
        f"{PIECES}::test_the_selection_of_the_worked_example",
    ),
    _NOISE.mutant(
        "binary_shares",
        "int(num_images * (1 - Decimal(str(pruned_share))))",
        "int(num_images * (1 - pruned_share))",
        "of 10 images none stays at t = 0.9",
        f"{PIECES}::test_shares_count_as_they_are_written",
    ),
    _NOISE.mutant(
        "folds_by_place",
        "folds[index] = place % num_folds",
        "folds[index] = index % num_folds",
        "folds depend on the order of the list",
        f"{PIECES}::test_folds_hold_every_class_and_depend_on_ids_alone",
    ),
    _MOSAICS.mutant(
        "mosaic_column_by_column",
        "part[row * columns : (row + 1) * columns]",
        "part[row::rows]",
        "a mosaic is filled column by column",
        f"{PIECES}::test_a_mosaic_puts_pictures_row_by_row_unresized",
    ),
    _DISTORTIONS.mutant(
        "box_keeps_labels",
        "label_HW[box], trusted_HW[box] = 0, True",
        "trusted_HW[box] = True",
        "what a box covers keeps its label",
        f"{PIECES}::test_a_box_before_the_scene_is_background_of_one_colour",
    ),
    _DISTORTIONS.mutant(
        "outside_is_background",
        "((label_HW, IGNORED), (trusted_HW.astype(np.uint8), 0))",
        "((label_HW, 0), (trusted_HW.astype(np.uint8), 0))",
        "what lies outside of a moved picture is background",
        f"{PIECES}::test_another_view_moves_picture_and_labels_alike",
    ),
    _SEED.mutant(
        "seeds_split_by_default",
        "config.split or split_of(target.class_name)",
        "split_of(target.class_name)",
        "the split that is asked for is ignored",
        f"{STAGES}::test_seeds_follow_the_levels_of_each_map",
    ),
    _TRAIN.mutant(
        "one_class_learns_from_all",
        "if config.class_name in (None, *one.pair.classes)",
        "if True",
        "the network of a class learns from all pictures",
        f"{STAGES}::test_a_network_learns_from_its_class_alone",
    ),
    _REFINER.mutant(
        "first_network_for_all",
        "key = class_name if class_name in self._cells else None",
        "key = next(iter(self._cells))",
        "every picture has the first network",
        f"{STAGES}::test_each_picture_has_the_network_of_its_class",
    ),
    _REFINER.mutant(
        "fixed_threshold_is_the_first",
        "_masked(smoother, map_HW, config.fixed_threshold)",
        "_masked(smoother, map_HW, config.thresholds[0])",
        "the fixed threshold is the first of the adaptive ones",
        f"{STAGES}::test_the_other_rows_of_table_4a",
    ),
    _REFINE.mutant(
        "every_mask_is_class_one",
        "(refined.mask_HW * target.label)",
        "(refined.mask_HW * 1)",
        "every mask is of the first class",
        f"{STAGES}::test_refined_masks_are_better_than_plain_thresholds_and_lie_in_the_common_layout",
    ),
    _REFINE.mutant(
        "map_of_the_first_picture",
        "map_HW = maps.map_of(target,",
        "map_HW = maps.map_of(maps.targets[0],",
        "every picture has the first one's heat map",
        f"{STAGES}::test_refined_masks_are_better_than_plain_thresholds_and_lie_in_the_common_layout",
    ),
    _FOLD_SOURCE.mutant(
        "trained_on_the_fold_itself",
        "if fold != self.fold]",
        "if fold == self.fold]",
        "a network of the cross validation learns the fold that it rates",
        f"{STAGES}::test_every_picture_is_rated_by_a_network_that_has_not_seen_it",
    ),
    _SCORE.mutant(
        "rates_what_it_learned",
        "if fold == config.fold]",
        "if fold != config.fold]",
        "a network rates the pictures that it learned from",
        f"{STAGES}::test_every_picture_is_rated_by_a_network_that_has_not_seen_it",
    ),
    _PRUNE.mutant(
        "pruned_at_random",
        'if config.rule == "random":',
        "if True:",
        "pruning is random",
        f"{STAGES}::test_the_worst_of_each_class_go",
    ),
    _PRUNE.mutant(
        "pruned_pictures_stay_listed",
        '"dropped": one.line["dropped"] or pruned',
        '"dropped": one.line["dropped"]',
        "pruned pictures are trained on",
        f"{STAGES}::test_the_worst_of_each_class_go",
    ),
    _SPLICE.mutant(
        "same_tile_everywhere",
        "_tile(useful[index], order.id",
        "_tile(useful[order.indices[0]], order.id",
        "a mosaic repeats its first picture",
        f"{STAGES}::test_mosaics_show_their_pictures_with_their_labels",
    ),
    _SPLICE.mutant(
        "nothing_is_distorted",
        "return distort(item, config.distortions,",
        "return distort(item, Distortions(blur=None, occlusion=None, perspective=None),",
        "no picture is distorted",
        f"{STAGES}::test_a_distorted_set_is_the_same_however_it_was_interrupted",
    ),
)
