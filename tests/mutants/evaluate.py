"""Mutants of what `segrepro evaluate` takes, refuses and notes."""

from tests.mutants.mutant import Mutant, Place

OTHERS = "tests/e2e/test_evaluate_other_peoples_files.py"
FIELDS = "tests/e2e/test_evaluate_annotation_fields.py"
TRAINING_IDS = "tests/unit/test_cityscapes_training_ids.py"
MAPS = "tests/e2e/test_evaluate_other_peoples_maps.py"

KID = "tests/unit/test_kid_sums.py"
LOOPS = "tests/unit/test_compiled_loops.py"
PNG = "tests/unit/test_png_labels.py"

_KID_SUMS = Place("methods/common/metrics/generated_images/kid_sums.py")
_COMPILED = "methods/common/compiled"
_ANNOTATIONS_C = Place(f"{_COMPILED}/annotations.c")
_OUTLINES_C = Place(f"{_COMPILED}/outlines.c")
_OVERLAPS_C = Place(f"{_COMPILED}/overlaps.c")
_MATCHING_C = Place(f"{_COMPILED}/matching.c")
_BOUNDARIES_C = Place(f"{_COMPILED}/boundaries.c")
_PNG_ROWS_C = Place(f"{_COMPILED}/png_rows.c")
_PNG_LABELS = Place("methods/common/datasets/png_labels.py")
_ACCUMULATION_C = Place(f"{_COMPILED}/accumulation.c")
_COMPILED_MATCHING = Place(f"{_COMPILED}/matching.py")
_JSON_TEXT = Place(f"{_COMPILED}/json_text.h")
_RECORD_RULES = Place("methods/common/datasets/record_rules.py")
_OUTLINE_RULES = Place("methods/common/datasets/outline_rules.py")
_RLE = Place("methods/common/datasets/rle.py")
_FILE_NAMES = Place("methods/common/datasets/file_names.py")
_CITYSCAPES_IDS = Place("methods/common/datasets/cityscapes_ids.py")
_BINARY_MASKS = Place("methods/common/datasets/binary_masks.py")
_ANNOTATION_READING = Place("methods/common/metrics/detection/annotation_reading.py")
_REMARKS = Place("methods/common/metrics/detection/remarks.py")
_COCO = Place("methods/common/metrics/detection/coco.py")
_SEMANTIC = Place("methods/common/metrics/label_maps/semantic.py")
_PANOPTIC = Place("methods/common/metrics/label_maps/panoptic.py")
_INSTANCE_FILES = Place("methods/common/metrics/cityscapes/instance_files.py")
_RUN = Place("reproductions/commands/evaluate/run.py")
_OUTPUTS = Place("reproductions/commands/evaluate/outputs.py")
_OPTIONS = Place("reproductions/commands/evaluate/options.py")
_FRAMES = Place("methods/common/metrics/cityscapes/frames.py")
_CITYSCAPES_SEMANTIC = Place("methods/common/metrics/cityscapes/semantic.py")
_INSTANCE_MATCHING = Place("methods/common/metrics/cityscapes/instance_matching.py")

MUTANTS: tuple[Mutant, ...] = (
    _PNG_ROWS_C.mutant(
        "png_neighbours_in_another_order",
        "from_above <= from_corner ? above : corner, best",
        "from_above < from_corner ? above : corner, best",
        "some labels are those of another pixel where two neighbours are as near",
        f"{PNG}::test_of_neighbours_that_are_as_near_the_one_above_comes_before_the_corner",
    ),
    _PNG_ROWS_C.mutant(
        "png_corner_of_the_first_pixel",
        "corner[k] = above[x + k];",
        "corner[0] = above[x];",
        "rows of RGB ids are put together with the corner of another channel",
        f"{PNG}::test_every_filter_is_undone_as_opencv_does",
    ),
    _PNG_LABELS.mutant(
        "sixteen_bits_in_the_machines_order",
        'pixels_HWC.view(">u2")',
        'pixels_HWC.view("<u2")',
        "labels above 255 have their bytes swapped",
        f"{PNG}::test_every_filter_is_undone_as_opencv_does",
    ),
    _PNG_LABELS.mutant(
        "colours_of_opencv_as_they_come",
        "cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if colour == _RGB else pixels",
        "pixels",
        "without a compiler panoptic ids have red and blue swapped",
        f"{PNG}::test_without_the_loop_colours_keep_their_order",
    ),
    _PNG_LABELS.mutant(
        "headers_that_lie_are_believed",
        "_MOST_INFLATED * sum(map(len, png.deflated))",
        "_LARGEST * len(png.deflated)",
        "a file of some bytes whose header claims 60,000 x 60,000 pixels takes gigabytes",
        f"{PNG}::test_a_header_that_lies_takes_no_memory",
    ),
    _FRAMES.mutant(
        "truth_in_training_ids_is_scored",
        "if holds_training_ids(truth_N, instance_N):",
        "if holds_training_ids(truth_N, truth_N):",
        "ground truth in training ids is scored as if building were person",
        f"{TRAINING_IDS}::test_ground_truth_in_training_ids_is_refused",
    ),
    _CITYSCAPES_IDS.mutant(
        "one_class_shows_training_ids",
        ".all() and len(np.unique(expected_N[rated_N])) > 1",
        ".all() and len(expected_N[rated_N]) > 0",
        "ground truth that is unlabelled on a road is refused",
        f"{TRAINING_IDS}::test_maps_of_low_label_ids_are_no_training_ids",
    ),
    _CITYSCAPES_SEMANTIC.mutant(
        "sides_of_training_ids_swapped",
        "count_LL[to_training, to_label].sum()",
        "count_LL[to_label, to_training].sum()",
        "predictions in training ids are told of the ground truth",
        f"{TRAINING_IDS}::test_without_instance_maps_it_is_told",
        f"{TRAINING_IDS}::test_predictions_in_training_ids_are_told_by_what_fits",
    ),
    _RECORD_RULES.mutant(
        "near_names_are_other_names",
        "name.casefold().translate(_BETWEEN_WORDS)",
        "name.casefold()",
        "crowds under the name `is_crowd` are rated as objects",
        f"{FIELDS}::test_a_field_under_another_spelling_is_refused",
    ),
    _ANNOTATION_READING.mutant(
        "loops_pass_over_near_names",
        "if records is None or look_alikes(records.other_names, _fields(with_masks)):",
        "if records is None:",
        "the compiled reader takes a file whose crowds are spelt otherwise",
        f"{FIELDS}::test_a_field_under_another_spelling_is_refused",
    ),
    _ANNOTATIONS_C.mutant(
        "only_the_first_other_name_is_kept",
        "int64_t *span = rows->other + 2 * rows->num_other++;",
        "if (rows->num_other) return 1; int64_t *span = rows->other + 2 * rows->num_other++;",
        "a near name is passed over where another unknown field comes first",
        f"{FIELDS}::test_other_fields_may_have_any_name",
    ),
    _RECORD_RULES.mutant(
        "areas_are_held_against_nothing",
        "is_other_N = (extent_N < 3 / 4 * area_N) | (area_N < least * extent_N)",
        "is_other_N = area_N < least * extent_N",
        "areas of the box in place of the mask's move small, medium and large without a word",
        f"{FIELDS}::test_an_area_is_held_against_its_shape",
    ),
    _RECORD_RULES.mutant(
        "drawing_changes_no_area",
        "is_other_N &= np.abs(area_N - extent_N) > box_N4[:, 2] + box_N4[:, 3]",
        "is_other_N &= True",
        "small outlines are told to have another area than their pixels",
        "tests/unit/test_own_instances_fields.py::test_what_drawing_may_change_is_not_told",
    ),
    _RECORD_RULES.mutant(
        "halves_are_whole_numbers",
        "abs(value) < EXACT_BELOW and value == int(value)",
        "abs(value) < EXACT_BELOW",
        "an id of 1.5 is taken for 1",
        f"{OTHERS}::test_numbers_with_a_point_are_the_same_numbers",
    ),
    _RECORD_RULES.mutant(
        "boxes_of_negative_size",
        " | (box_N4[:, 2:] < 0).any(1)",
        "",
        "boxes of negative size score without a word",
        f"{OTHERS}::test_a_number_beyond_its_range_is_refused_alike",
    ),
    _OUTLINE_RULES.mutant(
        "outlines_of_any_length",
        "_way_round(point_Q2, start_O) > LONGEST_OUTLINE_PX",
        "_way_round(point_Q2, start_O) < 0",
        "an outline that goes to and fro takes gigabytes",
        f"{OTHERS}::test_a_malformed_piece_of_an_outline_is_named",
    ),
    _OUTLINE_RULES.mutant(
        "vertices_above_the_image",
        "(low_O2 >= -FARTHEST_VERTEX_PX) & (high_O2",
        "(high_O2",
        "a vertex far to the left crashes the rasteriser",
        f"{OTHERS}::test_a_malformed_piece_of_an_outline_is_named",
    ),
    _RLE.mutant(
        "runs_of_texts_without_sign",
        "number -= (code & 16) << 5 * num_digits - 4",
        "number -= 0",
        "a negative run is explained as a sum",
        f"{OTHERS}::test_counts_are_refused_for_what_is_wrong_with_them",
    ),
    _FILE_NAMES.mutant(
        "names_of_one_unicode_form",
        'return normalize("NFC", name)',
        "return name",
        "names from macOS find no partner",
        f"{OTHERS}::test_names_are_paired_whatever_their_form",
    ),
    _FILE_NAMES.mutant(
        "endings_of_one_case",
        "name[-len(ending) :].lower() == ending.lower()",
        "name[-len(ending) :] == ending",
        "files in .PNG are passed over",
        f"{OTHERS}::test_names_are_paired_whatever_their_form",
    ),
    _CITYSCAPES_IDS.mutant(
        "instances_of_any_class",
        "if label.has_instances or label.ignored:",
        "if label:",
        "instances of road are taken",
        f"{MAPS}::test_both_cityscapes_commands_refuse_the_same_ids",
    ),
    _BINARY_MASKS.mutant(
        "white_of_8_bits_alone",
        "_WHITE = (255, 65535)",
        "_WHITE = (255,)",
        "a mask of 16 bits is told as a strange label",
        f"{MAPS}::test_masks_of_16_bits_are_told_too",
    ),
    _ANNOTATION_READING.mutant(
        "masks_of_any_picture",
        "if with_masks and (canvas.height_I",
        "if not with_masks and (canvas.height_I",
        "masks with runs that cannot be read are misread",
        f"{OTHERS}::test_a_picture_too_large_for_masks_is_named",
    ),
    _REMARKS.mutant(
        "crowds_without_pixels_are_to_find",
        "np.flatnonzero((annotations.extent_N == 0) & counted_N)",
        "np.flatnonzero(annotations.extent_N == 0)",
        "ignored objects without pixels are counted as missed",
        f"{OTHERS}::test_objects_that_nothing_can_find_are_counted",
    ),
    _REMARKS.mutant(
        "boxes_beside_boxes",
        'if overlap != "bbox" and len(score_N)',
        "if len(score_N)",
        "boxes are said to be passed over where they count",
        f"{OTHERS}::test_boxes_beside_masks_and_equal_scores_are_noted",
    ),
    _COCO.mutant(
        "crowds_count_for_no_reason",
        "num_instances(self.matches), self.num_annotations_K, ignored)",
        "num_instances(self.matches), num_instances(self.matches), ignored)",
        "a class of crowds alone is said to have no instance",
        f"{OTHERS}::test_a_mean_says_its_classes",
    ),
    _SEMANTIC.mutant(
        "no_word_on_masks_of_0_and_255",
        "len(shown) != 1 or not num_ignored_px",
        "len(shown) != 1 or num_ignored_px",
        "an empty prediction of masks of 0 and 255 is perfect without a word",
        f"{OTHERS}::test_masks_of_0_and_255_are_told",
    ),
    _PANOPTIC.mutant(
        "segments_without_pixels_unsaid",
        "num_empty = sum(not pixels and not truth.is_crowd",
        "num_empty = sum(not pixels and truth.is_crowd",
        "segments that nothing can match are not told",
        f"{MAPS}::test_panoptic_files_follow_the_same_rules",
    ),
    _FRAMES.mutant(
        "frames_of_another_unicode_form",
        "_FRAME.match(common_form(path.name))",
        "_FRAME.match(path.name)",
        "predictions of cities with an umlaut find no partner",
        f"{MAPS}::test_frames_of_cityscapes_are_paired_whatever_their_form",
    ),
    _INSTANCE_FILES.mutant(
        "black_palettes_are_empty_masks",
        "if not mask_HW.any() and _stored(",
        "if mask_HW.any() and _stored(",
        "a mask whose palette is black finds nothing without a word",
        f"{MAPS}::test_a_mask_that_turns_black_as_a_picture_is_refused",
    ),
    _INSTANCE_MATCHING.mutant(
        "shown_masks_are_told_as_empty",
        "strict=True) if not is_shown)",
        "strict=True) if is_shown)",
        "the note on masks without a pixel names the others",
        f"{MAPS}::test_a_mask_without_a_pixel_is_noted",
    ),
    _OPTIONS.mutant(
        "empty_names_are_the_folder_one_is_in",
        'following.get(option) == ""',
        "following.get(option) is None and False",
        "an unset variable evaluates the folder one is in",
        f"{MAPS}::test_an_empty_name_is_not_the_folder_one_is_in",
    ),
    _INSTANCE_FILES.mutant(
        "frame_1_takes_the_text_of_frame_10",
        "if not name[len(image_id)].isdigit()]",
        "if name[len(image_id)]]",
        "two frames are said to share a text file",
        f"{MAPS}::test_a_frame_is_not_taken_for_one_whose_number_goes_on",
    ),
    _KID_SUMS.mutant(
        "pairs_of_different_blocks_count_once",
        "times = 1 if columns.start == rows.start else 2",
        "times = 1",
        "KID's pairs within a folder are counted by halves",
        f"{KID}::test_sums_are_those_of_the_pairs_of_each_subset",
    ),
    _KID_SUMS.mutant(
        "features_in_place_of_differences",
        "= feature_ND[rows] - self.mean_D",
        "= feature_ND[rows]",
        "KID's products are of features, not of what they differ from their mean",
        f"{KID}::test_sums_are_those_of_the_pairs_of_each_subset",
    ),
    _KID_SUMS.mutant(
        "means_of_the_wrong_folder",
        "one.times(other.mean_D)",
        "one.times(one.mean_D)",
        "KID's kernel between folders takes one folder's mean for the other's",
        f"{KID}::test_sums_are_those_of_the_pairs_of_each_subset",
    ),
    _ANNOTATION_READING.mutant(
        "places_of_encoded_masks",
        "np.delete(np.arange(num_records), places), places]",
        "places, np.delete(np.arange(num_records), places)]",
        "crowds change places with their neighbours",
        f"{LOOPS}::test_an_annotation_file_is_read_alike_without_loops",
    ),
    _OUTLINES_C.mutant(
        "later_of_two_rows",
        "before < after ? before : after",
        "before < after ? after : before",
        "outlines are drawn a pixel lower than pycocotools draws them",
        f"{LOOPS}::test_outlines_are_drawn_as_pycocotools_draws_them",
    ),
    _OVERLAPS_C.mutant(
        "crowds_like_others",
        "truth->crowd[other] ? area : area + theirs",
        "0 ? area : area + theirs",
        "overlap with a crowd is not the share of the detection inside",
        f"{LOOPS}::test_loops_and_numpy_agree_to_the_last_bit",
    ),
    _MATCHING_C.mutant(
        "ignored_instances_first",
        "(way ? ignored : ~ignored)",
        "(way ? ~ignored : ignored)",
        "detections choose ignored instances before those that count",
        f"{LOOPS}::test_loops_and_numpy_agree_to_the_last_bit",
    ),
    _ACCUMULATION_C.mutant(
        "weights_of_wrong_detections",
        "wrong_in_all += times;",
        "wrong_in_all += 1;",
        "resampled images count their wrong detections once",
        f"{LOOPS}::test_loops_and_numpy_agree_to_the_last_bit",
    ),
    _ACCUMULATION_C.mutant(
        "wrong_at_all_thresholds",
        "times, wrong_in_all + counts->wrong[threshold]);",
        "times, counts->wrong[threshold]);",
        "detections that are wrong at every threshold do not lower precision",
        f"{LOOPS}::test_loops_and_numpy_agree_to_the_last_bit",
    ),
    _BOUNDARIES_C.mutant(
        "boundaries_a_pixel_off",
        "block + (y - reach + 1) * (width + 1)",
        "block + (y - reach) * (width + 1)",
        "boundaries of ImageNet-S lie a row too low",
        f"{LOOPS}::test_boundaries_are_those_of_opencv",
    ),
    _MATCHING_C.mutant(
        "half_the_digits_of_scores",
        "NUM_DIGITS = 8,",
        "NUM_DIGITS = 7,",
        "of many detections those with scores below 2 count in the order of small differences alone",
        f"{LOOPS}::test_many_detections_of_a_class_are_put_into_one_order",
    ),
    _MATCHING_C.mutant(
        "pairs_of_the_place_in_the_class",
        "int64_t one = gathered[k], first = first_pair[one];",
        "int64_t one = gathered[k], first = first_pair[k];",
        "detections take the overlaps of others",
        f"{LOOPS}::test_loops_and_numpy_agree_to_the_last_bit",
    ),
    _COMPILED_MATCHING.mutant(
        "known_and_open_classes",
        "_addresses(ground_truth.crowd_G, ignored_G, known_Q, open_Q)",
        "_addresses(ground_truth.crowd_G, ignored_G, open_Q, known_Q)",
        "classes listed as not exhaustive are taken for those that are known",
        f"{LOOPS}::test_loops_and_numpy_agree_to_the_last_bit",
    ),
    _JSON_TEXT.mutant(
        "rounded_twice",
        "if ((bits & 0x7FF) == 0x400) return 0;",
        "",
        "numbers halfway between two doubles are off by one bit",
        f"{LOOPS}::test_numbers_next_to_halfway_between_two_doubles",
    ),
    _RUN.mutant(
        "official_package_on_unchecked_files",
        "    if task.checked_first:",
        "    if not task.checked_first:",
        "the official package gets files that it cannot take",
        f"{OTHERS}::test_annotation_id_0_counts_and_is_noted",
    ),
    _RUN.mutant(
        "signals_wait_for_c_code",
        "signal.signal(number, signal.SIG_DFL)) for number",
        "signal.getsignal(number)) for number",
        "an official package cannot be ended",
        f"{OTHERS}::test_a_signal_ends_an_official_package_that_computes_in_c",
    ),
    _OUTPUTS.mutant(
        "outputs_without_a_name",
        "    if not path.name:",
        "    if path.name is None:",
        "an empty --json ends in a traceback",
        f"{OTHERS}::test_an_output_without_a_name_is_a_mistake",
    ),
)
