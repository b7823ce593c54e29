"""Mutants of loading: whole networks, the safety checker, memory for images, trials of a plan, and the weights that a report names."""

from tests.mutants.mutant import Mutant, Place

WHOLE = "tests/unit/test_whole_weights.py"
CUT = "tests/unit/test_cutouts.py"
CACHE = "tests/unit/test_image_cache.py"
TRIALS = "tests/unit/test_trials.py"
USED = "tests/unit/test_weights_used.py"
PREFLIGHT = "tests/unit/test_preflight.py"

_WHOLE_WEIGHTS = Place("methods/common/whole_weights.py")
_TEXT_TO_IMAGE = Place("methods/common/generators/text_to_image.py")
_SAMPLING = Place("methods/common/generators/sampling.py")
_SAMPLER = Place("methods/sam_filter/stages/sampler.py")
_BIREFNET = Place("methods/common/cutouts/birefnet.py")
_IMAGE_CACHE = Place("methods/common/segmenters/image_cache.py")
_SEMANTIC_IMAGES = Place("methods/common/segmenters/semantic/training_images.py")
_MRCA_IMAGES = Place("methods/mrca/stages/training_data.py")
_TRIAL_PROCESS = Place("reproductions/requirements/trial_process.py")
_TRIAL_RUNS = Place("reproductions/requirements/trial_runs.py")
_MRCA_PLACES = Place("reproductions/mrca/places.py")
_MRCA_OPENERS = Place("reproductions/mrca/openers.py")
_SAM_FILTER_PLACES = Place("reproductions/sam_filter/places.py")
_SAM_FILTER_OPENERS = Place("reproductions/sam_filter/openers.py")
_WEIGHTS_USED = Place("reproductions/study/weights_used.py")
_REPORTING = Place("reproductions/study/reporting.py")
_PREFLIGHT = Place("reproductions/requirements/preflight.py")
_REQUIREMENT_PLACES = Place("reproductions/requirements/places.py")
_SETTINGS = Place("reproductions/study/settings.py")
_CLI = Place("reproductions/cli.py")

MUTANTS: tuple[Mutant, ...] = (
    _WHOLE_WEIGHTS.mutant(
        "holes_in_networks_pass",
        "    refuse_holes(folder, what, info, remedy)\n    return network",
        "    return network",
        "weights that a folder lacks are drawn at random",
        f"{WHOLE}::test_a_network_of_transformers_is_whole_or_refused",
    ),
    _WHOLE_WEIGHTS.mutant(
        "other_shapes_pass",
        'sorted(info["missing_keys"]), sorted(info["mismatched_keys"])',
        'sorted(info["missing_keys"]), sorted(info["mismatched_keys"])[:0]',
        "weights of another shape are drawn at random",
        f"{WHOLE}::test_a_network_of_transformers_is_whole_or_refused",
    ),
    _TEXT_TO_IMAGE.mutant(
        "pipelines_load_their_own_networks",
        "given |= _load_networks(",
        "_load_networks(folder, {}, dtype) or (",
        "a pipeline fills what it lacks at random",
        f"{WHOLE}::test_every_network_of_a_pipeline_is_whole_or_refused",
    ),
    _TEXT_TO_IMAGE.mutant(
        "the_safety_checker_is_loaded_unasked",
        "given |= {} if safety_checker else _without_checker(index)",
        "given |= _without_checker(index) if safety_checker else {}",
        "pictures are blanked unless the checker is asked for",
        f"{WHOLE}::test_mrca_generates_without_the_generators_safety_checker",
    ),
    _SAMPLING.mutant(
        "the_checker_stays_on_by_default",
        "device: torch.device, safety_checker: bool = False",
        "device: torch.device, safety_checker: bool = True",
        "black pictures count as generated",
        f"{WHOLE}::test_mrca_generates_without_the_generators_safety_checker",
    ),
    _SAMPLER.mutant(
        "the_checkers_setting_is_not_read",
        "device, config.safety_checker)",
        "device)",
        "the safety checker cannot be asked for",
        f"{WHOLE}::test_sam_filter_runs_the_safety_checker_only_where_it_is_asked_for",
    ),
    _BIREFNET.mutant(
        "birefnet_stays_at_random",
        "    network.load_state_dict(dict(weights), strict=False)\n",
        "",
        "the cut-out network keeps its random weights",
        f"{CUT}::test_the_published_pattern_of_birefnet_loads_with_the_weights_of_the_file",
    ),
    _BIREFNET.mutant(
        "birefnet_of_a_repository",
        'name.rsplit("--", 1)[-1]',
        "name",
        "a folder that was saved again runs code of the Hub",
        f"{CUT}::test_a_birefnet_that_was_saved_again_takes_its_own_code_not_that_of_a_repository",
    ),
    _BIREFNET.mutant(
        "birefnet_without_leave",
        "        if not trust_remote_code:\n",
        "        if trust_remote_code is None:\n",
        "code of strangers runs unasked",
        f"{CUT}::test_foreign_code_needs_the_flag",
    ),
    _IMAGE_CACHE.mutant(
        "room_for_each_process",
        "self.room_bytes = self._budget_bytes // num_processes",
        "self.room_bytes = self._budget_bytes",
        "every worker has the whole room",
        CACHE,
    ),
    _IMAGE_CACHE.mutant(
        "room_divided_again_and_again",
        "self.room_bytes = self._budget_bytes // num_processes",
        "self.room_bytes = self.room_bytes // num_processes",
        "each start of the workers leaves less room",
        CACHE,
    ),
    _SEMANTIC_IMAGES.mutant(
        "a_team_has_room_for_each",
        "num_readers(share.team.size, num_workers)",
        "num_readers(1, num_workers)",
        "every process of a team has the whole room",
        "tests/unit/test_semantic_training.py::test_the_room_for_images_is_that_of_all_workers_together",
    ),
    _MRCA_IMAGES.mutant(
        "mrcas_workers_have_room_for_each",
        "num_readers(share.team.size, num_workers)",
        "num_readers(share.team.size, 0)",
        "every worker has the whole room",
        "tests/unit/test_mrca_steering_values.py::test_the_room_for_images_is_that_of_all_workers_together",
    ),
    _TRIAL_PROCESS.mutant(
        "the_tiny_batch_is_left_out",
        "            tiny_batch()\n",
        "",
        "what opens but does not work is in order",
        f"{TRIALS}::test_a_black_picture_is_a_fault",
    ),
    _TRIAL_RUNS.mutant(
        "crashes_are_killings",
        "if code == -signal.SIGKILL or",
        "if code < 0 or",
        "a crash is taken for a lack of memory",
        f"{TRIALS}::test_how_a_process_can_end",
    ),
    _TRIAL_RUNS.mutant(
        "tried_without_room",
        "if free is not None and needed > free:",
        "if free is not None and free > needed:",
        "networks are tried where they have no room, and nowhere else",
        f"{TRIALS}::test_nothing_is_tried_of_a_place_that_is_not_in_order_or_where_memory_lacks",
    ),
    _MRCA_PLACES.mutant(
        "generators_tried_in_each_others_place",
        '        "generator": study.mrca.generation,\n        "xpaste_generator": study.xpaste.generation,',
        '        "generator": study.xpaste.generation,\n        "xpaste_generator": study.mrca.generation,',
        "X-Paste's generator is tried with MRCA's sampling",
        f"{TRIALS}::test_mrca_tries_every_network_of_both_tables_once",
    ),
    _MRCA_OPENERS.mutant(
        "guidance_is_not_tried",
        "if config.guidance is None:",
        "if config.guidance is not None:",
        "a guided generator is tried without guidance",
        f"{TRIALS}::test_a_scheduler_that_guidance_does_not_know_is_told_before_any_run",
    ),
    _SAM_FILTER_PLACES.mutant(
        "the_random_segmenter_is_tried",
        "segmenter = study.imagenet_segmenter or study.segmenter",
        "segmenter = study.segmenter",
        "ImageNet weights are tried in another network than they go into",
        f"{TRIALS}::test_sam_filter_tries_what_its_prompters_load",
    ),
    _SAM_FILTER_OPENERS.mutant(
        "late_steps_are_captured",
        '"capture_steps": CaptureSteps()',
        '"capture_steps": config.capture_steps',
        "a trial of two steps captures the fiftieth",
        f"{TRIALS}::test_the_generator_of_pairs_is_tried_with_the_capture_of_its_attention",
    ),
    _CLI.mutant(
        "networks_are_tried_unasked",
        "    if load:\n",
        "    if not load:\n",
        "a look at the places loads every network",
        f"{TRIALS}::test_the_command_tries_each_network_and_its_exit_code_tells",
    ),
    _WEIGHTS_USED.mutant(
        "data_among_the_weights",
        "if need.role not in _NO_WEIGHTS and",
        "if",
        "files of data are named as weights",
        f"{USED}::test_every_file_of_weights_is_named_and_nothing_else",
    ),
    _REPORTING.mutant(
        "a_report_names_no_weights",
        '.model_copy(update={"weights": weights})',
        "",
        "the report does not say which weights it rests on",
        f"{USED}::test_a_report_collects_the_weights_of_its_plan",
    ),
    _PREFLIGHT.mutant(
        "copies_are_refused",
        "    if need.is_copy:\n",
        "    if not need.is_copy:\n",
        "a copy of withdrawn weights is refused, damaged weights are not",
        f"{PREFLIGHT}::test_a_copy_of_withdrawn_weights_is_taken_as_it_is_and_told_apart",
    ),
    _REQUIREMENT_PLACES.mutant(
        "nothing_is_a_copy",
        "isinstance(thing, HubModel) and thing.is_withdrawn",
        "False",
        "copies of withdrawn weights must be the published files",
        f"{PREFLIGHT}::test_withdrawn_weights_name_their_copies_and_a_folder_of_ones_own_is_taken_without_checksums",
    ),
    _SETTINGS.mutant(
        "kinds_are_chosen_in_the_order_given",
        "_applied(_applied(config, choices), others)",
        "_applied(config, settings)",
        "what only the chosen kind has cannot be set beside the choice",
        "tests/unit/test_settings.py::test_a_choice_and_what_only_it_has_are_set_together_in_either_order",
    ),
)
