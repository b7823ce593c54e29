"""Mutants of own data: what tools export is found, completed and checked, and every run looks before anything trains."""

from tests.mutants.mutant import Mutant, Place

OWN = "tests/unit/test_own_instances.py"
SPLIT = "tests/unit/test_own_split.py"
INSPECT = "tests/unit/test_inspect_own.py"
LABELS = "tests/unit/test_label_layouts.py"
WRITTEN = "tests/unit/test_own_instances_as_written.py"
SUBMIT = "tests/harness/test_slurm_submit.py"
BOXES = "tests/unit/test_own_instances_boxes.py"
SITES = "tests/harness/test_slurm_other_sites.py"

_PICTURES = Place("methods/common/datasets/pictures.py")
_COMPLETION = Place("methods/common/datasets/own/completion.py")
_READING = Place("methods/common/datasets/own/reading.py")
_RULES = Place("methods/common/datasets/own/rules.py")
_FILES = Place("methods/common/datasets/own/picture_files.py")
_SHRINKING = Place("methods/common/datasets/own/shrinking.py")
_FAULTS = Place("methods/common/datasets/faulty_records.py")
_SPLIT = Place("methods/mrca/stages/split.py")
_PLAN = Place("reproductions/mrca/plan.py")
_CUTOUTS = Place("methods/common/objects/cutout_folders.py")
_INSPECT_OWN = Place("reproductions/requirements/inspect_own.py")
_CENSUS = Place("methods/common/datasets/label_census.py")
_LABELLED = Place("methods/common/datasets/labelled_folders.py")
_FINGERPRINT = Place("reproductions/harness/fingerprint.py")
_QUEUE = Place("reproductions/harness/slurm/queue.py")
_SUBMIT = Place("reproductions/harness/slurm/submit.py")
_EXECUTOR = Place("reproductions/harness/slurm/executor.py")
_LISTS = Place("methods/common/datasets/image_lists.py")
_FIGURES = Place("reports/figures.py")

MUTANTS: tuple[Mutant, ...] = (
    _PICTURES.mutant(
        "ambiguous_tags_pass",
        "if is_stored and is_seen and self.orientation != 1:",
        "if is_stored and is_seen and self.orientation == 9:",
        "pictures lie turned under upright outlines",
        f"{OWN}::test_a_tag_that_keeps_the_size_is_named",
    ),
    _PICTURES.mutant(
        "tiffs_are_turned_twice",
        "return turned(pixels_HWC, undone) if picture.format == _TURNED_BY_PILLOW else pixels_HWC",
        "return pixels_HWC",
        "a TIFF that was annotated as stored is read upside down",
        "tests/unit/test_own_instances_fields.py::test_a_tiff_is_turned_as_any_picture",
    ),
    _PICTURES.mutant(
        "tags_are_not_followed",
        'return turned(_stored(picture, header, "RGB"), orientation)',
        'return turned(_stored(picture, header, "RGB"), 1)',
        "a picture annotated as seen is read as stored",
        f"{OWN}::test_a_picture_is_read_the_way_up_in_which_it_has_the_stated_size",
    ),
    _PICTURES.mutant(
        "sixteen_bits_turn_black",
        "if picture.mode not in _PLAIN_MODES or bits > _BITS:",
        "if picture.mode not in (*_PLAIN_MODES, 'I;16') and bits <= _BITS:",
        "pictures of 16 bits are trained on as black ones",
        f"{OWN}::test_sixteen_bits_and_wrong_sizes_are_named",
    ),
    _COMPLETION.mutant(
        "crowds_are_trained_on",
        "for annotation in inside if not annotation.crowd]",
        "for annotation in inside]",
        "crowds are objects",
        f"{OWN}::test_crowds_are_neither_trained_on_nor_rated",
    ),
    _COMPLETION.mutant(
        "crowds_are_rated",
        "        done.open_classes.setdefault(annotation.image_id, set()).add(annotation.category_id)",
        "        done.open_classes.setdefault(annotation.image_id, set())",
        "what is detected in a crowd is wrong",
        f"{OWN}::test_crowds_are_neither_trained_on_nor_rated",
    ),
    _COMPLETION.mutant(
        "present_classes_are_absent",
        "[class_id for class_id in every if class_id not in here]",
        "list(every)",
        "a class with objects is listed as absent",
        f"{OWN}::test_what_lvis_has_beyond_coco_is_derived_and_said",
    ),
    _READING.mutant(
        "groups_of_val_are_its_own",
        "groups = None if isinstance(train, InputError) else _groups(train.dataset)",
        "groups = None",
        "frequency groups of val count val images",
        f"{OWN}::test_groups_are_those_of_the_training_file",
    ),
    _READING.mutant(
        "names_of_classes_may_differ",
        "if common_form(one.name) != common_form(other.name):",
        "if one.name == '':",
        "every class is rated against another one",
        f"{OWN}::test_what_would_train_wrong_is_one_sentence",
    ),
    _READING.mutant(
        "own_names_are_not_looked_at",
        "gather(table, lambda one: one.check_names(FIELDS[one.kind]), faults)",
        "gather(table, lambda one: one.check_names([]), faults)",
        "crowds under the name `isCrowd` are trained on",
        "tests/unit/test_own_instances_fields.py::test_a_spelling_that_would_be_passed_over_is_refused",
    ),
    _RULES.mutant(
        "coordinates_in_0_to_1_pass",
        "is_polygon_N & large_N & _in_unit_square(outline_N4)",
        "is_polygon_N & ~large_N & _in_unit_square(outline_N4)",
        "outlines in 0..1 are trained on as a pixel",
        f"{OWN}::test_what_would_train_wrong_is_one_sentence",
    ),
    _RULES.mutant(
        "boxes_may_lie_anywhere",
        "apart_N = _overlap(box_N4, outline_N4) <= 0",
        "apart_N = _overlap(box_N4, outline_N4) <= -1e9",
        "boxes that do not meet their outline are trained on",
        f"{OWN}::test_what_would_train_wrong_is_one_sentence",
    ),
    _FILES.mutant(
        "files_of_other_folders_are_taken",
        "if not nested and len(found) == 1 and shared.get(parts[-1].casefold(), 0) == 1:",
        "if not nested and len(found) == 1:",
        "a missing frame is replaced by one of another video",
        f"{OWN}::test_files_of_other_folders_are_not_taken_for_missing_ones",
    ),
    _FAULTS.mutant(
        "the_first_rule_hides_the_others",
        "            table = table.without(fault.rows)",
        "            return table, None",
        "one look does not tell all faults",
        f"{OWN}::test_what_would_train_wrong_is_one_sentence",
    ),
    _SHRINKING.mutant(
        "outlines_stay_large",
        "outlines = tuple((outline.reshape(-1, 2) * step).ravel() for outline in shape)",
        "outlines = shape",
        "outlines do not follow their shrunk photographs",
        f"{SPLIT}::test_photographs_are_shrunk_once_with_their_outlines",
    ),
    _SPLIT.mutant(
        "rated_by_the_file_as_it_was",
        "return written if written.is_file() else inputs.folder",
        "return inputs.folder",
        "crowds and derived lists do not count when rating",
        f"{SPLIT}::test_plain_coco_is_written_complete_for_training_and_rating",
    ),
    _PLAN.mutant(
        "shrunk_below_the_size_at_test",
        'config = config.model_copy(update={"long_side_px": wanted})',
        "pass",
        "a larger size at test finds shrunk photographs",
        f"{SPLIT}::test_the_plan_never_shrinks_below_what_training_and_test_want",
    ),
    _CUTOUTS.mutant(
        "capitals_make_no_difference_to_two_classes",
        "    alike = exact or [",
        "    alike = [",
        "cut-outs of one class are pasted as another",
        f"{INSPECT}::test_a_folder_belongs_to_the_class_it_is_called_after",
    ),
    _INSPECT_OWN.mutant(
        "holding_out_is_not_tried",
        "        divide(data.train.dataset)\n",
        "",
        "a run fails in its split though the check was passed",
        f"{INSPECT}::test_too_few_images_to_hold_one_out_are_told",
    ),
    _COMPLETION.mutant(
        "ids_with_a_point_are_no_ids",
        '        own = whole(record.get("id"))\n        here',
        '        own = record.get("id") if type(record.get("id")) is int else None\n        here',
        "nothing counts as absent where ids are written 1.0",
        f"{WRITTEN}::test_ids_with_a_point_derive_the_same",
    ),
    _READING.mutant(
        "one_name_in_two_forms_is_two_classes",
        "if common_form(one.name) != common_form(other.name):",
        "if one.name != other.name:",
        "files of two systems do not fit",
        f"{WRITTEN}::test_class_names_of_either_unicode_form_are_one",
    ),
    _FILES.mutant(
        "capitals_go_before_letters",
        "for form in (str, str.casefold):",
        "for form in (str.casefold,):",
        "of two files whose names differ in capitals the wrong one may be read",
        f"{WRITTEN}::test_a_file_that_fits_to_the_letter_goes_first",
    ),
    Place("methods/common/datasets/lvis_checks.py").mutant(
        "any_text_marks_a_crowd",
        'if value not in (0, 1)]\n        if rows:\n            self.blame_all(rows, field, f"is {values[rows[0]]!r:.40}", "write 0 or 1")',
        'if value is Ellipsis]\n        if rows:\n            self.blame_all(rows, field, f"is {values[rows[0]]!r:.40}", "write 0 or 1")',
        "objects marked '0' are left out as crowds",
        f"{WRITTEN}::test_another_mark_of_a_crowd_is_refused",
    ),
    _CUTOUTS.mutant(
        "other_formats_are_left_out",
        "    if others:\n",
        "    if False:\n",
        "a class is trained without its cut-outs, and nobody says so",
        f"{INSPECT}::test_cutouts_of_another_format_are_not_left_out_without_a_word",
    ),
    _CENSUS.mutant(
        "one_class_is_enough",
        "if seen[:IGNORED].sum() < 2:",
        "if seen[:IGNORED].sum() < 1:",
        "masks of 0 and 255 train and rate nothing",
        f"{LABELS}::test_masks_of_0_and_255_are_refused",
    ),
    _LABELLED.mutant(
        "blanks_end_names_in_lists",
        "names = read_image_list(path, files.keys())",
        "names = read_image_list(path)",
        "names with blanks cannot be listed",
        f"{LABELS}::test_names_with_blanks_and_accents_in_lists",
    ),
    _FINGERPRINT.mutant(
        "reports_are_data",
        "    return MADE_HERE in names or ",
        "    return ",
        "a report in the data folder makes other data of it",
        "tests/harness/test_fingerprint_own.py::test_what_a_run_leaves_in_a_data_folder_changes_nothing",
    ),
    _QUEUE.mutant(
        "users_filters_hide_jobs",
        "if not name.startswith(_USERS_OWN)}",
        "}",
        "queued cells are submitted again",
        f"{SUBMIT}::test_the_users_own_filters_hide_no_job",
    ),
    _SUBMIT.mutant(
        "unnumbered_jobs_stay",
        "            self._cancel_unnumbered(number, str(error))\n",
        "",
        "a job that nobody knows stays in the queue",
        f"{SUBMIT}::test_a_wrapper_that_prints_the_number_alone_is_one_sentence",
    ),
    _RULES.mutant(
        "exchanged_sides_pass",
        '        (box_N4[:, [1, 0, 3, 2]], "with x and y exchanged"),\n',
        "",
        "boxes lie at the mirrored place of their objects",
        f"{BOXES}::test_boxes_of_another_format_are_refused",
    ),
    _RULES.mutant(
        "loose_boxes_are_not_told",
        "return [annotations[row].id for row in np.flatnonzero(other_N).tolist()]",
        "return []",
        "boxes of something else are trained on without a word",
        f"{BOXES}::test_few_loose_boxes_stay_and_are_told",
    ),
    _READING.mutant(
        "classes_that_only_val_holds_are_not_told",
        "for class_id in sorted(rated - learned)]",
        "for class_id in sorted(rated - rated)]",
        "a class that nothing was learned of lowers the mean, and nobody says so",
        f"{BOXES}::test_a_class_that_only_val_holds_is_told",
    ),
    _SHRINKING.mutant(
        "rows_are_shrunk_as_columns",
        '_shares(rle["size"][1], size[1], x, x + width)',
        '_shares(rle["size"][0], size[0], x, x + width)',
        "masks of wide photographs lie elsewhere",
        "tests/unit/test_own_shrinking.py::test_masks_are_shrunk_as_opencv_shrinks_them",
    ),
    _CENSUS.mutant(
        "some_masks_of_0_and_255_are_not_told",
        "    if hidden and len(names) == _BINARY:\n",
        "    if False:\n",
        "half of the objects are never rated, and nobody says so",
        f"{LABELS}::test_masks_of_0_and_255_among_others_are_told",
    ),
    _LISTS.mutant(
        "images_are_lost_from_a_line",
        "    if several is not None:\n",
        "    if False:\n",
        "of a list in one line a single image is trained on",
        f"{LABELS}::test_a_line_of_a_list_may_go_on",
    ),
    _SUBMIT.mutant(
        "the_users_shell_goes_before_the_site_file",
        'with hidden([*parameters, *parameters["additional_parameters"]]), executor.batch():',
        "with executor.batch():",
        "jobs run in another partition than the one that was looked at",
        f"{SITES}::test_what_users_set_for_their_own_jobs_does_not_go_before_the_site_file",
    ),
    _EXECUTOR.mutant(
        "any_number_is_the_jobs",
        '_ANSWER = re.compile(r"^Submitted batch job (\\d+)\\b", re.MULTILINE)',
        '_ANSWER = re.compile(r"job (\\d+)")',
        "a number in the site's message is taken for the job's",
        f"{SITES}::test_a_message_of_the_site_is_not_taken_for_the_number",
    ),
    _FIGURES.mutant(
        "fonts_installed_later_are_unknown",
        "return _known_fonts() or _newly_installed_fonts()",
        "return _known_fonts()",
        "Chinese names are boxes until a cache is removed",
        "tests/unit/test_figure_letters.py::test_a_font_installed_after_the_first_figure_is_found",
    ),
)
